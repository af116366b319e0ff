/*
 * Hands seeds to workers, gathers what they found. See campaign.h.
 */
#include "campaign.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "campaign_worker.h"
#include "check.h"

#define WORKERS_MAX 64u
#define HANGS_S 300      /* of waiting for one seed: hundreds of times what one takes */
#define LOOK_S 1         /* at least so often */
#define TELL_EVERY 1000u /* seeds between two lines of progress */
#define LISTED_MAX 20u   /* failing seeds named in the summary */

struct campaign {
    const struct gv_campaign_options *options;
    FILE *out;
    uint64_t next, end; /* seeds not yet given */
    uint64_t done, failed;
    uint64_t listed[LISTED_MAX];
    uint64_t events, exchanges, checked, hash;
    bool stop;
    double looked_s;
    struct gv_campaign_worker workers[WORKERS_MAX];
    uint32_t worker_count;
};

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static uint64_t mix(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static void print_replay(struct campaign *c, uint64_t seed)
{
    (void)fprintf(c->out,
                  "  replay: grapevine sim campaign --first %" PRIu64 " --seeds 1   (with --print: its scenario)\n",
                  seed);
}

static void count_failure(struct campaign *c, uint64_t seed)
{
    if (c->failed < LISTED_MAX) {
        c->listed[c->failed] = seed;
    }
    c->failed++;
    c->stop = c->stop || c->options->stop_at_first;
    print_replay(c, seed);
    (void)fflush(c->out);
}

/* A run came to its end, for better or worse. */
static void note(struct campaign *c, const struct gv_campaign_result *result)
{
    const struct gv_violation *v = &result->violation;
    c->done += result->partial ? 0 : 1;
    c->stop = c->stop || result->partial;
    c->events += result->events;
    c->exchanges += result->exchanges;
    c->checked += result->invariants_checked;
    c->hash += mix(result->seed * UINT64_C(0x9e3779b97f4a7c15) ^ result->trace_hash); /* in whatever order */
    if (result->err != GV_OK) {
        (void)fprintf(c->out, "seed %" PRIu64 ": cannot be run: %s\n", result->seed, result->text);
        count_failure(c, result->seed);
    } else if (v->name[0] != '\0') {
        const char *definition = gv_check_definition(v->name);
        (void)fprintf(c->out, "seed %" PRIu64 ": %s at %.6f s, node %" PRIu32 "\n", result->seed, v->name, v->virtual_s,
                      v->node);
        if (definition != NULL) {
            (void)fprintf(c->out, "  (%s)\n", definition);
        }
        (void)fputs(v->trail, c->out);
        count_failure(c, result->seed);
    }
    if (c->done > 0 && c->done % TELL_EVERY == 0) {
        (void)fprintf(c->out, "%" PRIu64 " of %" PRIu64 " seeds, %" PRIu64 " failed\n", c->done,
                      c->end - c->options->first, c->failed);
        (void)fflush(c->out);
    }
}

/* Its worker ended in the middle. */
static void note_crash(struct campaign *c, const struct gv_campaign_result *result)
{
    c->done++;
    (void)fprintf(c->out, "seed %" PRIu64 ": %s\n", result->seed, result->text);
    count_failure(c, result->seed);
}

static bool interrupted(const struct campaign *c)
{
    return c->options->interrupted != NULL && *c->options->interrupted != 0;
}

/* Gives every idle worker a seed; starts workers where there is none. Returns how many are busy. */
static uint32_t give_all(struct campaign *c)
{
    uint32_t busy = 0;
    for (uint32_t i = 0; i < c->worker_count; i++) {
        struct gv_campaign_worker *worker = &c->workers[i];
        bool more = c->next < c->end && !c->stop && !interrupted(c);
        if (more && !worker->busy) {
            bool there = worker->pid != 0 || gv_campaign_worker_start(worker, c->options->interrupted);
            if (there && gv_campaign_worker_give(worker, c->next)) {
                c->next++;
            }
        }
        busy += worker->busy ? 1 : 0;
    }
    return busy;
}

static void take(struct campaign *c, struct gv_campaign_worker *worker, struct gv_campaign_result *result)
{
    if (gv_campaign_worker_take(worker, result)) {
        note(c, result);
    } else {
        note_crash(c, result);
    }
}

/* Whoever takes minutes for one seed never comes to its end. A look that comes late does not count in full: then the
   machine slept, or somebody has stopped us all. */
static void kill_hanging(struct campaign *c, struct gv_campaign_result *result)
{
    double now_s = seconds();
    double passed_s = now_s - c->looked_s < 2.0 * LOOK_S ? now_s - c->looked_s : 2.0 * LOOK_S;
    c->looked_s = now_s;
    for (uint32_t i = 0; i < c->worker_count; i++) {
        struct gv_campaign_worker *worker = &c->workers[i];
        worker->waited_s += passed_s;
        if (worker->busy && worker->waited_s > HANGS_S) {
            memset(result, 0, sizeof *result);
            result->seed = worker->seed;
            (void)snprintf(result->text, sizeof result->text, "no end after %d s", HANGS_S);
            gv_campaign_worker_end(worker);
            note_crash(c, result);
        }
    }
}

static void wait_for_results(struct campaign *c, struct gv_campaign_result *result)
{
    struct pollfd watched[WORKERS_MAX];
    for (uint32_t i = 0; i < c->worker_count; i++) {
        watched[i] = (struct pollfd){.fd = c->workers[i].busy ? c->workers[i].socket : -1, .events = POLLIN};
    }
    int ready = poll(watched, c->worker_count, 1000 * LOOK_S);
    for (uint32_t i = 0; ready > 0 && i < c->worker_count; i++) {
        if ((watched[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            take(c, &c->workers[i], result);
        }
    }
    kill_hanging(c, result);
}

static int sum_up(struct campaign *c, double started)
{
    uint64_t wanted = c->end - c->options->first;
    (void)fprintf(c->out, "campaign: %" PRIu64 " of %" PRIu64 " seeds run in %.1f s, %" PRIu64 " failed", c->done,
                  wanted, seconds() - started, c->failed);
    for (uint64_t i = 0; i < c->failed && i < LISTED_MAX; i++) {
        (void)fprintf(c->out, "%s%" PRIu64, i == 0 ? " (" : ", ", c->listed[i]);
    }
    (void)fprintf(
        c->out,
        "%s; %" PRIu64 " exchanges, %" PRIu64 " events, invariants checked %" PRIu64 " times; trace %016" PRIx64 "\n",
        c->failed == 0 ? "" : (c->failed > LISTED_MAX ? ", ...)" : ")"), c->exchanges, c->events, c->checked, c->hash);
    (void)fflush(c->out);
    return c->failed == 0 && c->done == wanted ? 0 : 1;
}

static int print_scenarios(const struct campaign *c)
{
    char text[GV_CAMPAIGN_TEXT_MAX];
    for (uint64_t seed = c->next; seed != c->end; seed++) {
        gv_campaign_scenario(text, seed);
        (void)fputs(text, c->out);
    }
    return fflush(c->out) == 0 ? 0 : 1;
}

int gv_campaign(const struct gv_campaign_options *options)
{
    struct campaign *c = calloc(1, sizeof *c);
    struct gv_campaign_result *result = calloc(1, sizeof *result);
    int code = 1;
    if (c != NULL && result != NULL) {
        c->options = options;
        c->out = options->out != NULL ? options->out : stdout;
        c->next = options->first;
        c->end = options->first + (options->seeds != 0 ? options->seeds : GV_CAMPAIGN_SEEDS);
        uint32_t threads = options->threads == 0 ? 1 : options->threads;
        c->worker_count = threads < WORKERS_MAX ? threads : WORKERS_MAX;
    }
    if (c != NULL && result != NULL && options->print) {
        code = print_scenarios(c);
    } else if (c != NULL && result != NULL) {
        double started = seconds();
        c->looked_s = started;
        (void)fprintf(c->out, "campaign: seeds %" PRIu64 " to %" PRIu64 ", %" PRIu32 " at once\n", c->next, c->end - 1,
                      c->worker_count);
        (void)fflush(c->out);
        while (give_all(c) > 0) {
            wait_for_results(c, result);
        }
        code = sum_up(c, started);
        for (uint32_t i = 0; i < c->worker_count; i++) {
            gv_campaign_worker_end(&c->workers[i]);
        }
    }
    free(result);
    free(c);
    return code;
}
