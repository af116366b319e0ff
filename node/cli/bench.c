/*
 * `grapevine bench`: which measurements there are, and how they are printed.
 */
#include "bench.h"

#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "blas.h"
#include "commands.h"
#include "daemon.h"

struct measurement {
    const char *name;
    enum gv_err (*run)(struct gv_bench *bench, struct gv_diag *diag);
};

static const struct measurement MEASUREMENTS[] = {
    {"train", gv_bench_train}, {"merge", gv_bench_merge},       {"codec", gv_bench_codec},
    {"core", gv_bench_core},   {"exchange", gv_bench_exchange},
};
#define MEASUREMENT_COUNT (sizeof MEASUREMENTS / sizeof MEASUREMENTS[0])

double gv_bench_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void gv_bench_put(struct gv_bench *bench, const char *group, const char *key, double value, const char *unit,
                  const char *note, ...)
{
    GV_ASSERT(bench->row_count < GV_BENCH_ROWS_MAX);
    struct gv_bench_row *row = &bench->rows[bench->row_count++];
    *row = (struct gv_bench_row){.group = group, .key = key, .unit = unit, .value = value};
    va_list args;
    va_start(args, note);
    (void)vsnprintf(row->note, sizeof row->note, note, args);
    va_end(args);
    if (!bench->json) {
        (void)printf("%-9s %-28s %12.4g %-10s %s\n", group, key, value, unit, row->note);
        (void)fflush(stdout);
    }
}

static void print_json(const struct gv_bench *bench)
{
    json_t *all = json_object();
    for (uint32_t i = 0; i < bench->row_count; i++) {
        const struct gv_bench_row *row = &bench->rows[i];
        json_t *group = json_object_get(all, row->group);
        if (group == NULL) {
            group = json_object();
            (void)json_object_set_new(all, row->group, group);
        }
        (void)json_object_set_new(group, row->key, json_real(row->value));
    }
    (void)json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    (void)putchar('\n');
    json_decref(all);
}

static int usage(const char *why, const char *value)
{
    (void)fprintf(stderr, "grapevine bench: %s%s\n", why, value);
    (void)fprintf(stderr, "usage: grapevine bench [exchange|merge|codec|train|core] [--json]\n");
    return GV_EXIT_USAGE;
}

int gv_cmd_bench(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    struct gv_bench bench = {0};
    int option;
    optind = 1;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option != 'j') {
            return usage("unknown option", "");
        }
        bench.json = true;
    }
    const char *only = optind < argc ? argv[optind] : NULL;
    if (optind + 1 < argc) {
        return usage("what is this: ", argv[optind + 1]);
    }
    gv_blas_set_threads(1);
    bool any = false;
    for (size_t i = 0; i < MEASUREMENT_COUNT; i++) {
        if (only != NULL && strcmp(only, MEASUREMENTS[i].name) != 0) {
            continue;
        }
        any = true;
        struct gv_diag diag = {0};
        if (MEASUREMENTS[i].run(&bench, &diag) != GV_OK) {
            (void)fprintf(stderr, "grapevine bench: %s: %s\n", MEASUREMENTS[i].name, diag.text);
            return GV_EXIT_FAILED;
        }
    }
    if (!any) {
        return usage("there is no measurement ", only != NULL ? only : "");
    }
    if (bench.json) {
        print_json(&bench);
    }
    return GV_EXIT_OK;
}
