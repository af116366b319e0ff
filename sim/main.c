/*
 * grapevine-sim: what `grapevine sim` runs. Reads the command line and the scenario, says everything that is wrong with
 * them before anything starts, runs, and prints what came out.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "blas.h"
#include "campaign.h"
#include "check.h"
#include "engine.h"
#include "html.h"
#include "identity.h"
#include "memory.h"
#include "options.h"
#include "outdir.h"
#include "report.h"
#include "scenario.h"
#include "simulate.h"

/* The same numbers as the daemon's commands have. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 3, EXIT_IN_USE = 5 };

#define TUNED_MARK "GRAPEVINE_SIM_TUNED" /* in the environment of a second start, so that there is no third */
/* Huge pages, and small frames kept by each thread to be used again while they are in its cache. More of them would let
   a thread hoard what others then have to ask for anew: with 2000, training took three times the memory. */
#define MALLOC_TUNING "glibc.malloc.hugetlb=1:glibc.malloc.tcache_count=100"
#define GIGABYTE 1e9

static volatile sig_atomic_t interrupted; /* the only thing that a signal handler may touch */

/* The first signal ends the run in good order, the second one, of whatever kind, ends the program. */
static void on_signal(int number)
{
    if (interrupted != 0) {
        (void)signal(number, SIG_DFL);
        (void)raise(number); /* comes through when this handler returns */
    }
    interrupted = 1;
}

static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action;
    struct sigaction before;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        bool kept_out = numbers[i] == SIGHUP && sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler == SIG_IGN;
        if (!kept_out) { /* nohup wants the run to go on */
            (void)sigaction(numbers[i], &action, NULL);
        }
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk, not the end */
}

static int exit_for(enum gv_err err)
{
    switch (err) {
    case GV_OK:
        return EXIT_DONE;
    case GV_ERR_USAGE:
        return EXIT_USAGE;
    case GV_ERR_CONFIG:
    case GV_ERR_DATA:
    case GV_ERR_MODEL:
    case GV_ERR_PATH:
        return EXIT_CONFIG;
    case GV_ERR_IN_USE:
        return EXIT_IN_USE;
    default:
        return EXIT_FAILED;
    }
}

/* Diagnoses quote files: nothing in them that a terminal would obey gets through. */
static void print_harmless(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t length = gv_html_character(text);
        if (length == 0 && *text != '\n') {
            (void)fprintf(out, "\\x%02x", (unsigned)(unsigned char)*text);
        } else {
            (void)fwrite(text, 1, length > 0 ? length : 1, out);
        }
        text += length > 0 ? length : 1;
    }
}

static int fail(const struct gv_diag *diag)
{
    (void)fputs("grapevine sim: ", stderr);
    print_harmless(stderr, diag->text);
    (void)fputs(diag->code == GV_ERR_USAGE ? "; see `grapevine help sim`\n" : "\n", stderr);
    return exit_for(diag->code);
}

/* Results that did not get out (a full disk, a closed pipe) are a failure. */
static int finish(int code)
{
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        (void)fprintf(stderr, "grapevine sim: the result could not be written to standard output: %s\n",
                      strerror(errno));
        return EXIT_FAILED;
    }
    return code;
}

/* OpenBLAS and the C library read their variables when they are loaded: for a better kernel, without threads of BLAS's
 * own, and with memory as this program uses it, it starts itself again, once. What the user has set stays. */
static void restart_tuned(char **argv)
{
    if (getenv(TUNED_MARK) != NULL || setenv(TUNED_MARK, "yes", 1) != 0) {
        return;
    }
    const char *better = gv_blas_better_kernel();
    (void)setenv("OPENBLAS_NUM_THREADS", "1", 0);
    if (better != NULL) {
        (void)setenv("OPENBLAS_CORETYPE", better, 0);
    }
    (void)setenv("GLIBC_TUNABLES", MALLOC_TUNING, 0);
    char path[4096]; /* by its own name, or tools would show the process as "exe" */
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    (void)execv(path, argv); /* if that fails, the run is only slower */
}

static uint32_t processors(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < 1 ? 1 : count > (int)GV_THREADS_MAX ? GV_THREADS_MAX : (uint32_t)count;
}

/* Short enough to be typed again. */
static uint64_t random_seed(void)
{
    uint32_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        seed = (uint32_t)getpid();
    }
    return seed;
}

/* An argument as a shell reads it back. */
static void print_quoted(FILE *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/%@";
    if (text[0] != '\0' && strspn(text, plain) == strlen(text)) {
        (void)fputs(text, out);
        return;
    }
    (void)fputc('\'', out);
    for (; *text != '\0'; text++) {
        (void)fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, out);
    }
    (void)fputc('\'', out);
}

/* `data`: what it was found to be, where the scenario leaves that to the environment; else NULL. */
static void print_replay(const struct gv_sim_options *options, const char *data, uint64_t seed)
{
    (void)fprintf(stderr, "replay: grapevine sim ");
    print_quoted(stderr, options->scenario);
    for (uint32_t i = 0; i < options->set_count; i++) {
        (void)fprintf(stderr, " --set ");
        print_quoted(stderr, options->sets[i]);
    }
    if (data != NULL) {
        (void)fprintf(stderr, " --set learning.data=");
        print_quoted(stderr, data);
    }
    (void)fprintf(stderr, " --seed %llu\n", (unsigned long long)seed);
}

static enum gv_err check_memory(const struct gv_scenario *scenario, struct gv_diag *diag)
{
    uint64_t needed = gv_scenario_memory(scenario, 0, 0);
    uint64_t available = gv_memory_available();
    if (needed <= available) {
        return GV_OK;
    }
    static const char *const smaller[] = {
        [GV_MODE_TRAIN] = "a smaller model, or smaller [views]",
        [GV_MODE_MEAN] = "a shorter vector (swarm.elements), or smaller [views]",
        [GV_MODE_MEMBERSHIP] = "or smaller [views]",
    };
    return gv_diag_set(diag, GV_ERR_CONFIG,
                       "%s: %u nodes need about %.1f GB of memory, and %.1f GB are available: take fewer nodes "
                       "(--set swarm.nodes=%llu), %s",
                       scenario->source, scenario->swarm.nodes, (double)needed / GIGABYTE, (double)available / GIGABYTE,
                       (unsigned long long)((double)scenario->swarm.nodes * 0.8 * (double)available / (double)needed),
                       smaller[scenario->swarm.mode]);
}

/* Whether the folder can be had, before hours of work go into it. */
static enum gv_err check_folder(const char *dir, struct gv_diag *diag)
{
    struct gv_outdir outdir;
    enum gv_err err = gv_outdir_open(&outdir, dir, GV_OUTDIR_RUN, diag);
    if (err == GV_OK) {
        gv_outdir_close(&outdir);
    }
    return err;
}

/* A file that says nothing is allowed, but is hardly what was meant. */
static void note_if_empty(const struct gv_scenario *scenario)
{
    for (size_t i = 0; i < GV_SCENARIO_KEYS_MAX; i++) {
        if (scenario->given[i] != 0) {
            return;
        }
    }
    (void)fputs("note: ", stderr);
    print_harmless(stderr, scenario->source);
    (void)fputs(" sets nothing: everything has its default\n", stderr);
}

static enum gv_err prepare(struct gv_scenario *scenario, const struct gv_sim_options *options, bool *data_found,
                           struct gv_diag *diag)
{
    char data[sizeof scenario->learning.data] = "";
    *data_found = false;
    enum gv_err err = gv_scenario_load(scenario, options->scenario, diag);
    if (err == GV_OK) {
        note_if_empty(scenario);
    }
    for (uint32_t i = 0; i < options->set_count && err == GV_OK; i++) {
        err = gv_scenario_set(scenario, options->sets[i], diag);
    }
    if (err == GV_OK) {
        err = gv_scenario_check(scenario, diag);
    }
    bool choose = err == GV_OK && scenario->swarm.mode == GV_MODE_TRAIN && strcmp(scenario->learning.data, "auto") == 0;
    if (err == GV_OK) {
        (void)snprintf(data, sizeof data, "%s", scenario->learning.data);
        err = gv_scenario_find_data(scenario, diag);
        *data_found = strcmp(data, scenario->learning.data) != 0;
    }
    if (err == GV_OK && choose) {
        (void)fprintf(stderr, "data: %s%s\n", scenario->learning.data,
                      strncmp(scenario->learning.data, "builtin:", 8) == 0
                          ? " (set GV_DATA to a folder that holds fashion-mnist for real images)"
                          : "");
    }
    if (err == GV_OK) {
        err = check_memory(scenario, diag);
    }
    return err == GV_OK && options->out != NULL ? check_folder(options->out, diag) : err;
}

static void print_violation(const struct gv_violation *violation, uint64_t seed)
{
    const char *definition = gv_check_definition(violation->name);
    (void)fprintf(stderr, "grapevine sim: invariant violated: %s%s%s\n  at %.6f s, node %u, seed %llu\n",
                  violation->name, definition != NULL ? ": " : "", definition != NULL ? definition : "",
                  violation->virtual_s, violation->node, (unsigned long long)seed);
    if (violation->trail[0] != '\0') {
        (void)fprintf(stderr, "  its last events:\n%s\n", violation->trail);
    }
}

/* Nothing if there was no run but only an attempt. */
static void print_result(const struct gv_sim_options *options, const struct gv_summary *summary,
                         const struct gv_scenario *scenario)
{
    if (summary->threads == 0) {
        return;
    }
    if (options->json) {
        gv_summary_write(summary, scenario, stdout);
    } else {
        gv_summary_print(summary, scenario, stdout);
    }
}

static int run_scenario(const struct gv_sim_options *options)
{
    struct gv_scenario scenario;
    struct gv_summary summary;
    struct gv_violation violation = {.name = ""};
    struct gv_diag diag = {.code = GV_OK};
    bool data_found;
    if (prepare(&scenario, options, &data_found, &diag) != GV_OK) {
        return fail(&diag);
    }
    const char *data = data_found ? scenario.learning.data : NULL;
    const struct gv_run run = {
        .seed = options->has_seed ? options->seed : random_seed(),
        .threads = options->threads != 0 ? options->threads : processors(),
        .out_dir = options->out,
        .trail = true,
        .interrupted = &interrupted,
        .progress = stderr,
    };
    print_replay(options, data, run.seed); /* first, so that it is known whatever becomes of the run */
    memset(&summary, 0, sizeof summary);
    enum gv_err err = gv_simulate(&summary, &violation, &scenario, &run, &diag);
    print_result(options, &summary, &scenario); /* of hours, perhaps: even if the disk took none of it */
    if (summary.violated != NULL) {
        print_violation(&violation, run.seed);
        print_replay(options, data, run.seed);
    }
    if (err != GV_OK) {
        (void)finish(EXIT_FAILED);
        return fail(&diag);
    }
    if (summary.partial) {
        (void)fprintf(stderr, "grapevine sim: interrupted: the results are those until then, and marked as partial\n");
    }
    return finish(summary.violated != NULL || summary.partial ? EXIT_FAILED : EXIT_DONE);
}

static int compare(const struct gv_sim_options *options)
{
    struct gv_diag diag = {.code = GV_OK};
    if (gv_compare(options->dirs, options->dir_count, options->out, &diag) != GV_OK) {
        return fail(&diag);
    }
    (void)printf("%s/report.html\n", options->out);
    return finish(EXIT_DONE);
}

static int campaign(const struct gv_sim_options *options)
{
    const struct gv_campaign_options campaign = {
        .seeds = options->seeds,
        .first = options->first,
        .threads = options->threads != 0 ? options->threads : processors(),
        .stop_at_first = options->stop_at_first,
        .print = options->print,
        .interrupted = &interrupted,
    };
    return finish(gv_campaign(&campaign));
}

int main(int argc, char **argv)
{
    struct gv_sim_options options;
    struct gv_diag diag = {.code = GV_OK};
    char **arguments = calloc((size_t)argc + 1, sizeof *arguments); /* as they were: reading them reorders argv */
    if (arguments == NULL) {
        (void)fprintf(stderr, "grapevine sim: %s\n", gv_err_text(GV_ERR_NOMEM));
        return EXIT_FAILED;
    }
    memcpy(arguments, argv, (size_t)argc * sizeof *argv);
    if (gv_sim_options_parse(&options, argc, argv, &diag) != GV_OK) {
        free(arguments);
        return fail(&diag);
    }
    bool computes = options.action == GV_SIM_DO_RUN || options.action == GV_SIM_DO_CAMPAIGN;
    if (computes) {
        restart_tuned(arguments);
    }
    free(arguments);
    catch_signals();
    if (gv_proto_init() != GV_OK) {
        (void)fprintf(stderr, "grapevine sim: libsodium cannot be initialised: no source of randomness\n");
        return EXIT_FAILED;
    }
    gv_blas_set_threads(1);
    switch (options.action) {
    case GV_SIM_DO_RUN:
        return run_scenario(&options);
    case GV_SIM_DO_KEYS:
        gv_scenario_list_keys(stdout);
        return finish(EXIT_DONE);
    case GV_SIM_DO_COMPARE:
        return compare(&options);
    case GV_SIM_DO_CAMPAIGN:
        return campaign(&options);
    case GV_SIM_DO_HELP:
        break;
    }
    (void)fputs(gv_sim_usage(), stdout);
    return finish(EXIT_DONE);
}
