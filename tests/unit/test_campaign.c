/*
 * Campaigns: what scenarios they draw, how they run them, and that whatever happens to a run is told with its seed.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "campaign.h"
#include "campaign_worker.h"

TestSuite(campaign);

/* What a campaign writes. */
static char *output_of(struct gv_campaign_options options, int *code)
{
    char *text = NULL;
    size_t bytes = 0;
    options.out = open_memstream(&text, &bytes);
    cr_assert_not_null(options.out);
    *code = gv_campaign(&options);
    cr_assert_eq(fclose(options.out), 0);
    return text;
}

Test(campaign, every_seed_gives_a_scenario_that_can_be_run)
{
    bool modes[3] = {false};
    bool kinds[GV_FAULT_KINDS] = {false};
    for (uint64_t seed = 0; seed < 2000; seed++) {
        char text[GV_CAMPAIGN_TEXT_MAX];
        struct gv_scenario scenario;
        struct gv_diag diag = {.text = ""};
        gv_campaign_scenario(text, seed);
        cr_assert_eq(gv_scenario_parse(&scenario, text, "campaign", &diag), GV_OK, "seed %" PRIu64 ": %s", seed,
                     diag.text);
        cr_assert_eq(gv_scenario_check(&scenario, &diag), GV_OK, "seed %" PRIu64 ": %s", seed, diag.text);
        cr_assert_gt(scenario.faults_end_us, 0);
        cr_assert_geq(scenario.swarm.duration_us - scenario.faults_end_us, 90000000);
        modes[scenario.swarm.mode] = true;
        for (uint32_t i = 0; i < scenario.fault_count; i++) {
            kinds[scenario.faults[i].kind] = true;
        }
    }
    cr_assert(modes[GV_MODE_TRAIN] && modes[GV_MODE_MEAN] && modes[GV_MODE_MEMBERSHIP]);
    for (uint32_t kind = 0; kind < GV_FAULT_KINDS; kind++) {
        cr_assert(kinds[kind], "no seed has faults of kind %u", kind);
    }
}

Test(campaign, a_seed_gives_the_same_scenario_again)
{
    char a[GV_CAMPAIGN_TEXT_MAX];
    char b[GV_CAMPAIGN_TEXT_MAX];
    for (uint64_t seed = 0; seed < 100; seed++) {
        gv_campaign_scenario(a, seed);
        gv_campaign_scenario(b, seed);
        cr_assert_str_eq(a, b);
        gv_campaign_scenario(b, seed + 1);
        cr_assert_str_neq(a, b);
    }
}

Test(campaign, printing_writes_the_scenarios_and_runs_nothing)
{
    int code = -1;
    char *text = output_of((struct gv_campaign_options){.first = 7, .seeds = 1, .print = true}, &code);
    char scenario[GV_CAMPAIGN_TEXT_MAX];
    gv_campaign_scenario(scenario, 7);
    cr_assert_eq(code, 0);
    cr_assert_str_eq(text, scenario);
    free(text);
}

/* The hash over all runs at the end of the summary. */
static uint64_t trace_of(const char *text)
{
    const char *at = strstr(text, "trace ");
    cr_assert_not_null(at, "%s", text);
    return strtoull(at + strlen("trace "), NULL, 16);
}

Test(campaign, the_same_seeds_give_the_same_traces_however_many_run_at_once, .timeout = 120)
{
    int code = -1;
    char *one = output_of((struct gv_campaign_options){.first = 1000, .seeds = 6, .threads = 1}, &code);
    char *three = output_of((struct gv_campaign_options){.first = 1000, .seeds = 6, .threads = 3}, &code);
    cr_assert_eq(trace_of(one), trace_of(three));
    cr_assert_not_null(strstr(one, "6 of 6 seeds run"), "%s", one);
    free(one);
    free(three);
}

Test(campaign, an_interrupted_one_is_not_finished)
{
    volatile sig_atomic_t interrupted = 1;
    int code = -1;
    char *text = output_of((struct gv_campaign_options){.seeds = 3, .threads = 2, .interrupted = &interrupted}, &code);
    cr_assert_eq(code, 1);
    cr_assert_not_null(strstr(text, "0 of 3 seeds run"), "%s", text);
    free(text);
}

Test(campaign, a_worker_that_dies_is_told_with_its_seed)
{
    struct gv_campaign_worker worker;
    struct gv_campaign_result *result = calloc(1, sizeof *result);
    cr_assert_not_null(result);
    cr_assert(gv_campaign_worker_start(&worker, NULL));
    cr_assert_eq(kill(worker.pid, SIGSTOP), 0); /* or it could be faster than we are */
    cr_assert(gv_campaign_worker_give(&worker, 41));
    cr_assert_eq(kill(worker.pid, SIGKILL), 0);
    cr_assert_not(gv_campaign_worker_take(&worker, result));
    cr_assert_eq(result->seed, 41);
    cr_assert_not_null(strstr(result->text, "signal 9"), "%s", result->text);
    cr_assert_eq(worker.pid, 0);
    gv_campaign_worker_end(&worker);
    free(result);
}

Test(campaign, a_worker_runs_one_seed_after_another, .timeout = 120)
{
    struct gv_campaign_worker worker;
    struct gv_campaign_result *result = calloc(1, sizeof *result);
    cr_assert_not_null(result);
    cr_assert(gv_campaign_worker_start(&worker, NULL));
    for (uint64_t seed = 1000; seed < 1002; seed++) {
        cr_assert(gv_campaign_worker_give(&worker, seed));
        cr_assert(gv_campaign_worker_take(&worker, result));
        cr_assert_eq(result->seed, seed);
        cr_assert_eq(result->err, GV_OK, "%s", result->text);
        cr_assert_gt(result->invariants_checked, 0);
        cr_assert_gt(result->events, 0);
    }
    gv_campaign_worker_end(&worker);
    free(result);
}
