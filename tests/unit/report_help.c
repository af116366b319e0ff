/*
 * What the tests of reports share: see report_help.h.
 */
#include "report_help.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

void help_make_folder(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/gv-report-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path);
}

void help_remove_folder(void)
{
    (void)nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *help_path(const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

char *help_file(const char *path)
{
    struct stat info;
    cr_assert_eq(stat(path, &info), 0, "%s is missing", path);
    char *text = malloc((size_t)info.st_size + 1);
    FILE *file = fopen(path, "rb");
    cr_assert(text != NULL && file != NULL);
    cr_assert_eq(fread(text, 1, (size_t)info.st_size, file), (size_t)info.st_size);
    text[info.st_size] = '\0';
    cr_assert_eq(fclose(file), 0);
    return text;
}

void help_write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file, "%s", path);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

bool help_has_file(const char *path)
{
    return access(path, F_OK) == 0;
}

struct gv_sample help_sample(uint32_t step)
{
    double x = 1.0 / (3.0 + step);
    uint64_t n = (uint64_t)step * 1000;
    return (struct gv_sample){
        .virtual_s = 10.0 * step,
        .wall_s = 0.1 * step,
        .events = n + 1,
        .nodes = 102,
        .live_nodes = 101,
        .serving_nodes = 99,
        .components = 3,
        .largest_component = 98,
        .peers_active_mean = 4.9 + x,
        .in_degree_mean = 29.0 + x,
        .in_degree_deviation = 5.0 + x,
        .in_degree_random_deviation = 4.0 + x,
        .evaluated_nodes = 50,
        .accuracy_mean = 0.8 - x,
        .accuracy_min = 0.7 - x,
        .accuracy_max = 0.9 - x,
        .accuracy_p10 = 0.75 - x,
        .accuracy_p90 = 0.85 - x,
        .accuracy_of_mean_model = 0.95 - x,
        .loss_mean = 0.3 + x,
        .consensus_distance = 0.01 + x,
        .variance = 1e-20 * x,
        .mean = -0.5 - x,
        .steps_mean = 100.5 * step,
        .age_mean = 100.25 * step,
        .exchanges_done = n + 2,
        .exchanges_failed = n + 3,
        .exchanges_refused = n + 4,
        .exchanges_doubt = n + 5,
        .messages = n + 6,
        .bytes = (uint64_t)1 << 60 | n,
        .bytes_state = (uint64_t)1 << 59 | n,
        .arrivals = n + 7,
        .departures = n + 8,
        .crashes = n + 9,
        .restarts = n + 10,
        .models = n + 11,
        .choice = {.nodes = 97,
                   .count = 97 * (n + 13),
                   .chi_square = 120.0 + x,
                   .z = 1.6 + x,
                   .dispersion = 1.25 + x,
                   .spread = 0.05 + x},
        .newcomers = 4,
        .newcomer_s = 20.0,
        .invariants_checked = UINT64_MAX - 1000000 + n,
        .rss_bytes = n + 12,
    };
}

struct gv_sample help_empty_sample(uint32_t step)
{
    struct gv_sample sample = help_sample(step);
    double *reals[] = {&sample.peers_active_mean,
                       &sample.in_degree_mean,
                       &sample.in_degree_deviation,
                       &sample.in_degree_random_deviation,
                       &sample.accuracy_mean,
                       &sample.accuracy_min,
                       &sample.accuracy_max,
                       &sample.accuracy_p10,
                       &sample.accuracy_p90,
                       &sample.accuracy_of_mean_model,
                       &sample.loss_mean,
                       &sample.consensus_distance,
                       &sample.variance,
                       &sample.mean,
                       &sample.steps_mean,
                       &sample.age_mean,
                       &sample.choice.chi_square,
                       &sample.choice.z,
                       &sample.choice.dispersion,
                       &sample.choice.spread,
                       &sample.newcomer_s};
    for (size_t i = 0; i < sizeof reals / sizeof reals[0]; i++) {
        *reals[i] = (double)NAN;
    }
    return sample;
}

struct gv_summary help_summary(const struct gv_sample *last)
{
    return (struct gv_summary){
        .last = *last,
        .setup_wall_s = 0.5,
        .nodes = 102,
        .peak_rss_bytes = 123456789,
        .threads = 2,
        .seed = 17,
        .trace_hash = 0x00123456789abcdeu,
        .compute_share = 0.81,
        .merge_share = 0.06,
        .evaluate_share = 0.02,
        .variance_factor = 0.31,
        .mean_drift = 1e-8,
    };
}

struct gv_scenario help_scenario(enum gv_mode mode)
{
    struct gv_scenario scenario;
    gv_scenario_defaults(&scenario);
    (void)snprintf(scenario.name, sizeof scenario.name, "hundred");
    scenario.swarm.mode = mode;
    scenario.swarm.nodes = 100;
    scenario.swarm.duration_us = 600u * 1000000u;
    scenario.swarm.round_us = 1000000u;
    return scenario;
}

void help_run(const char *dir, enum gv_mode mode, uint32_t samples)
{
    struct gv_report *report = NULL;
    struct gv_diag diag = {.code = GV_OK};
    struct gv_scenario scenario = help_scenario(mode);
    struct gv_sample last = help_sample(0);
    cr_assert_eq(gv_report_new(&report, dir, &scenario, 17, &diag), GV_OK, "%s", diag.text);
    for (uint32_t i = 0; i < samples; i++) {
        last = help_sample(i);
        cr_assert_eq(gv_report_sample(report, &last, &diag), GV_OK, "%s", diag.text);
    }
    struct gv_summary summary = help_summary(&last);
    cr_assert_eq(gv_report_finish(report, &summary, &diag), GV_OK, "%s", diag.text);
    gv_report_free(&report);
    cr_assert_null(report);
}
