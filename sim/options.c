/*
 * The command line of grapevine-sim: see options.h. Each action has its own list of options.
 */
#include "options.h"

#include <getopt.h>
#include <string.h>

#include "data_spec.h"
#include "engine.h"
#include "nearest.h"

enum option_code {
    CODE_SET = 1,
    CODE_OUT,
    CODE_SEED,
    CODE_THREADS,
    CODE_JSON,
    CODE_KEYS,
    CODE_HELP,
    CODE_SEEDS,
    CODE_FIRST,
    CODE_STOP,
    CODE_PRINT
};

static const struct option RUN[] = {
    {"set", required_argument, NULL, CODE_SET},   {"out", required_argument, NULL, CODE_OUT},
    {"seed", required_argument, NULL, CODE_SEED}, {"threads", required_argument, NULL, CODE_THREADS},
    {"json", no_argument, NULL, CODE_JSON},       {"keys", no_argument, NULL, CODE_KEYS},
    {"help", no_argument, NULL, CODE_HELP},       {NULL, 0, NULL, 0}};
static const struct option COMPARE[] = {
    {"out", required_argument, NULL, CODE_OUT}, {"help", no_argument, NULL, CODE_HELP}, {NULL, 0, NULL, 0}};
static const struct option CAMPAIGN[] = {{"seeds", required_argument, NULL, CODE_SEEDS},
                                         {"first", required_argument, NULL, CODE_FIRST},
                                         {"threads", required_argument, NULL, CODE_THREADS},
                                         {"stop-at-first", no_argument, NULL, CODE_STOP},
                                         {"print", no_argument, NULL, CODE_PRINT},
                                         {"help", no_argument, NULL, CODE_HELP},
                                         {NULL, 0, NULL, 0}};

#define TABLE_MAX 8
_Static_assert(sizeof RUN / sizeof RUN[0] <= TABLE_MAX, "the longest list of options");

static enum gv_err unknown_option(const struct option *table, const char *text, struct gv_diag *diag)
{
    const char *names[TABLE_MAX + 1] = {NULL};
    for (size_t i = 0; table[i].name != NULL; i++) {
        names[i] = table[i].name;
    }
    const char *word = text + strspn(text, "-");
    const char *nearest = gv_nearest(word, strcspn(word, "="), names);
    if (nearest != NULL) {
        return gv_diag_set(diag, GV_ERR_USAGE, "unknown option %.80s; did you mean --%s?", text, nearest);
    }
    return gv_diag_set(diag, GV_ERR_USAGE, "unknown option %.80s", text);
}

static enum gv_err take_number(uint64_t *number, const char *name, const char *value, uint64_t least, uint64_t most,
                               struct gv_diag *diag)
{
    uint64_t parsed;
    if (!gv_parse_number(&parsed, value) || parsed < least || parsed > most) {
        return gv_diag_set(diag, GV_ERR_USAGE, "--%s %.40s: expected a whole number from %llu to %llu", name, value,
                           (unsigned long long)least, (unsigned long long)most);
    }
    *number = parsed;
    return GV_OK;
}

static enum gv_err take_option(struct gv_sim_options *options, enum option_code code, const char *value,
                               struct gv_diag *diag)
{
    uint64_t threads = 0;
    switch (code) {
    case CODE_SET:
        if (options->set_count == GV_SIM_SETS_MAX) {
            return gv_diag_set(diag, GV_ERR_USAGE, "more than %d times --set", GV_SIM_SETS_MAX);
        }
        options->sets[options->set_count++] = value;
        return GV_OK;
    case CODE_OUT:
        options->out = value;
        return value[0] != '\0' ? GV_OK : gv_diag_set(diag, GV_ERR_USAGE, "--out: expected a folder");
    case CODE_SEED:
        options->has_seed = true;
        return take_number(&options->seed, "seed", value, 0, UINT64_MAX, diag);
    case CODE_THREADS:
        if (take_number(&threads, "threads", value, 1, GV_THREADS_MAX, diag) != GV_OK) {
            return GV_ERR_USAGE;
        }
        options->threads = (uint32_t)threads;
        return GV_OK;
    case CODE_JSON:
        options->json = true;
        return GV_OK;
    case CODE_KEYS:
        options->action = GV_SIM_DO_KEYS;
        return GV_OK;
    case CODE_HELP:
        options->action = GV_SIM_DO_HELP;
        return GV_OK;
    case CODE_SEEDS:
        return take_number(&options->seeds, "seeds", value, 1, UINT32_MAX, diag);
    case CODE_FIRST:
        return take_number(&options->first, "first", value, 0, UINT64_MAX - UINT32_MAX, diag);
    case CODE_STOP:
        options->stop_at_first = true;
        return GV_OK;
    case CODE_PRINT:
        options->print = true;
        return GV_OK;
    }
    GV_UNREACHABLE("an option without a case");
}

static enum gv_err take_options(struct gv_sim_options *options, const struct option *table, int argc, char **argv,
                                struct gv_diag *diag)
{
    unsigned seen = 0;
    opterr = 0;
    optind = 0; /* glibc: start anew */
    for (;;) {
        int at = optind > 0 ? optind : 1;
        int code = getopt_long(argc, argv, ":", table, NULL);
        if (code == -1) {
            return GV_OK;
        }
        if (code == ':') {
            return gv_diag_set(diag, GV_ERR_USAGE, "%.80s: a value is missing behind it", argv[optind - 1]);
        }
        if (code == '?') {
            return unknown_option(table, argv[optind > at ? optind - 1 : at], diag);
        }
        if (code != CODE_SET && (seen >> code & 1U) != 0) {
            return gv_diag_set(diag, GV_ERR_USAGE, "%.80s: given more than once", argv[optind - 1]);
        }
        seen |= 1U << code;
        enum gv_err err = take_option(options, (enum option_code)code, optarg, diag);
        if (err != GV_OK) {
            return err;
        }
    }
}

static enum gv_err take_positionals(struct gv_sim_options *options, int argc, char **argv, struct gv_diag *diag)
{
    int count = argc - optind;
    char **given = argv + optind;
    switch (options->action) {
    case GV_SIM_DO_RUN:
        options->scenario = count > 0 ? given[0] : NULL;
        if (count == 0) {
            return gv_diag_set(diag, GV_ERR_USAGE, "a scenario is missing, as sim/scenarios/hundred.ini");
        }
        return count == 1 ? GV_OK : gv_diag_set(diag, GV_ERR_USAGE, "unexpected argument \"%.200s\"", given[1]);
    case GV_SIM_DO_COMPARE:
        if (count < 2 || count > GV_SIM_DIRS_MAX) {
            return gv_diag_set(diag, GV_ERR_USAGE, "compare: %d folder%s given, expected 2 to %d that `--out` has made",
                               count, count == 1 ? "" : "s", GV_SIM_DIRS_MAX);
        }
        options->dir_count = (uint32_t)count;
        memcpy(options->dirs, given, (size_t)count * sizeof *given);
        options->out = options->out != NULL ? options->out : GV_SIM_COMPARISON;
        return GV_OK;
    case GV_SIM_DO_CAMPAIGN:
    case GV_SIM_DO_KEYS:
        return count == 0 ? GV_OK : gv_diag_set(diag, GV_ERR_USAGE, "unexpected argument \"%.200s\"", given[0]);
    case GV_SIM_DO_HELP:
        break;
    }
    return GV_OK;
}

enum gv_err gv_sim_options_parse(struct gv_sim_options *options, int argc, char **argv, struct gv_diag *diag)
{
    const struct option *table = RUN;
    memset(options, 0, sizeof *options);
    bool compare = argc > 1 && strcmp(argv[1], "compare") == 0;
    bool campaign = argc > 1 && strcmp(argv[1], "campaign") == 0;
    if (compare || campaign) {
        options->action = compare ? GV_SIM_DO_COMPARE : GV_SIM_DO_CAMPAIGN;
        table = compare ? COMPARE : CAMPAIGN;
        argc--;
        argv++;
    }
    enum gv_err err = take_options(options, table, argc, argv, diag);
    return err != GV_OK ? err : take_positionals(options, argc, argv, diag);
}

const char *gv_sim_usage(void)
{
    return "usage: grapevine sim SCENARIO.ini [--set section.key=value ...] [--out DIR] [--seed N] [--threads N] "
           "[--json]\n"
           "       grapevine sim --keys\n"
           "       grapevine sim compare DIR DIR ... [--out DIR]\n"
           "       grapevine sim campaign [--seeds N] [--first N] [--threads N] [--stop-at-first] [--print]\n";
}
