/*
 * Measurements of whole nodes: an exchange of 25 million float32 parameters between two real ones, in turn with the
 * bare link moving as many bytes; how soon a newcomer takes part; how soon a node listens; what it keeps in memory.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "config.h"
#include "control.h"
#include "demo.h"
#include "gv/limits.h"

#define LARGE_MODEL "mlp:784-4096-5304-10"
#define LARGE_PARAMETERS 24998898.0
#define SMALL_MODEL "mlp:784-128-10"
#define SMALL_PARAMETERS 101770.0
#define LARGE_CPU_PERCENT \
    5 /* the trainers rest: what is measured is the exchange, as the bare link has the machine too */
#define ROUNDS 3
#define EXCHANGES_PER_ROUND 4
#define ROUND_TIMEOUT_S 60.0
#define START_TIMEOUT_S 30.0
#define POLL_S 0.01
#define DURATIONS_MAX 256

/* Steps as short as they get, so that one exchange follows another. */
static const char *const LARGE_SETTINGS[] = {
    "codec=f32", "exchange_momentum=no", "local_steps=1", "batch=1", "schedule=constant", "rate=0.0001", NULL,
};
static const char *const SMALL_SETTINGS[] = {"schedule=constant", "rate=0.01", NULL};

/* Two nodes: the founder and the "newcomer" of struct gv_demo. */
static struct gv_demo *pair_new(const char *model, const char *const *settings, uint32_t cpu_percent,
                                struct gv_diag *diag)
{
    struct gv_demo *pair = calloc(1, sizeof *pair);
    if (pair == NULL) {
        (void)gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
        return NULL;
    }
    pair->node_count = 1;
    pair->shard_count = 2;
    pair->data = "builtin:glyphs,train=1024,test=64";
    (void)snprintf(pair->model, sizeof pair->model, "%s", model);
    pair->settings = settings;
    pair->log_level = "debug";
    pair->cpu_percent = cpu_percent;
    pair->checkpoint_s = 3600;
    pair->evaluate_s = 3600;
    if (gv_demo_open(pair, diag) != GV_OK) {
        free(pair);
        return NULL;
    }
    return pair;
}

static void pair_free(struct gv_demo *pair)
{
    gv_demo_clean_up(pair, getenv("GRAPEVINE_DEMO_KEEP") != NULL);
    free(pair);
}

/* Durations in microseconds that the nodes' logs tell of committed exchanges, from *offset on. */
struct durations {
    double us[DURATIONS_MAX];
    uint32_t count;
};

static void read_durations(const struct gv_demo *pair, uint32_t node, long *offset, struct durations *durations)
{
    char path[300], line[1024];
    (void)snprintf(path, sizeof path, "%s/node%u.log", pair->folder, node + 1);
    FILE *log = fopen(path, "re");
    if (log == NULL) {
        return;
    }
    (void)fseek(log, *offset, SEEK_SET);
    while (fgets(line, sizeof line, log) != NULL && strchr(line, '\n') != NULL) {
        *offset = ftell(log);
        const char *value = strstr(line, " value=");
        if (value != NULL && strstr(line, "exchange committed") != NULL && durations->count < DURATIONS_MAX) {
            durations->us[durations->count++] = strtod(value + strlen(" value="), NULL);
        }
    }
    (void)fclose(log);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, uint32_t count)
{
    qsort(values, count, sizeof *values, by_size);
    return count % 2 == 1 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

static void command_both(struct gv_demo *pair, const char *name)
{
    for (uint32_t i = 0; i < 2; i++) {
        json_t *request = json_pack("{s:s}", "cmd", name);
        json_t *reply = NULL;
        if (gv_control_call(pair->nodes[i].dir, request, &reply, 2000, NULL) == GV_OK) {
            json_decref(reply);
        }
        json_decref(request);
    }
}

/* Lets the pair exchange until some more exchanges are told of. */
static enum gv_err collect(struct gv_demo *pair, long offsets[2], struct durations *durations, struct gv_diag *diag)
{
    uint32_t wanted = durations->count + EXCHANGES_PER_ROUND;
    double deadline = gv_bench_now() + ROUND_TIMEOUT_S;
    while (durations->count < wanted) {
        if (gv_bench_now() > deadline || !gv_demo_sleep(pair, 0.1)) {
            return gv_diag_set(diag, GV_ERR_TIMEOUT, "two nodes did not exchange %d times in %.0f s",
                               EXCHANGES_PER_ROUND, ROUND_TIMEOUT_S);
        }
        /* Both ends tell of an exchange; the initiator's view is the longer one, but either is a whole exchange. */
        read_durations(pair, 0, &offsets[0], durations);
        read_durations(pair, 1, &offsets[1], durations);
    }
    return GV_OK;
}

static enum gv_err compare(struct gv_demo *pair, double *exchange_s, double *bare_s, struct gv_diag *diag)
{
    uint32_t frames = (uint32_t)(LARGE_PARAMETERS * 4.0 / GV_CHUNK_BYTES_MAX) + 1;
    struct durations durations = {.count = 0};
    double bare[ROUNDS];
    long offsets[2] = {0, 0};
    /* The first exchanges still look for the chunk size. */
    enum gv_err err = collect(pair, offsets, &durations, diag);
    durations.count = 0;
    for (int round = 0; round < ROUNDS && err == GV_OK; round++) {
        err = collect(pair, offsets, &durations, diag);
        command_both(pair, "pause");
        (void)gv_demo_sleep(pair, 2.0);
        if (err == GV_OK) {
            err = gv_bench_bare_link(&bare[round], frames, GV_CHUNK_BYTES_MAX, diag);
        }
        command_both(pair, "resume");
    }
    if (err == GV_OK) {
        *exchange_s = median(durations.us, durations.count) / 1e6;
        *bare_s = median(bare, ROUNDS);
    }
    return err;
}

/* A number of a node's status; -1 if it does not answer. */
static double status_number(struct gv_demo *pair, uint32_t node, const char *key)
{
    double value = -1.0;
    json_t *request = json_pack("{s:s}", "cmd", "status");
    json_t *reply = NULL;
    if (gv_control_call(pair->nodes[node].dir, request, &reply, 2000, NULL) == GV_OK) {
        value = json_number_value(json_object_get(reply, key));
        json_decref(reply);
    }
    json_decref(request);
    return value;
}

/* Resident memory of both nodes, the larger one. */
static double resident(struct gv_demo *pair)
{
    double first = status_number(pair, 0, "rss_bytes"), second = status_number(pair, 1, "rss_bytes");
    return first > second ? first : second;
}

static enum gv_err large(struct gv_bench *bench, struct gv_diag *diag)
{
    struct gv_demo *pair = pair_new(LARGE_MODEL, LARGE_SETTINGS, LARGE_CPU_PERCENT, diag);
    if (pair == NULL) {
        return diag->code;
    }
    double exchange_s = 0.0, bare_s = 0.0, memory = 0.0;
    enum gv_err err = gv_demo_found(pair, diag);
    if (err == GV_OK) {
        err = gv_demo_join(pair, 0, 1, 1, diag);
    }
    if (err == GV_OK) {
        err = compare(pair, &exchange_s, &bare_s, diag);
        memory = resident(pair);
    }
    pair_free(pair);
    if (err != GV_OK) {
        return err;
    }
    double moved = 2.0 * LARGE_PARAMETERS * 4.0;
    gv_bench_put(bench, "exchange", "node_mb_per_s", moved / exchange_s / 1e6, "MB/s",
                 "both ways, 25 M parameters as f32, median of %d", ROUNDS * EXCHANGES_PER_ROUND);
    gv_bench_put(bench, "exchange", "bare_mb_per_s", moved / bare_s / 1e6, "MB/s",
                 "bare ZeroMQ CURVE, same bytes and frames, in turn");
    gv_bench_put(bench, "exchange", "ratio", bare_s / exchange_s, "", "of what the bare link moves");
    gv_bench_put(bench, "exchange", "exchange_s", exchange_s, "s", "from OFFER to COMMITTED");
    gv_bench_put(bench, "exchange", "rss_mb_large", memory / 1e6, "MB", "of a node; 20 MB + 4 models are %.0f MB",
                 20.0 + 4.0 * LARGE_PARAMETERS * 4.0 / 1e6);
    return GV_OK;
}

/* Whether somebody accepts a connection at this node's endpoint. */
static bool listens(const char *dir)
{
    struct gv_config *config = calloc(1, sizeof *config);
    char path[300];
    (void)snprintf(path, sizeof path, "%s/config.ini", dir);
    bool connected = false;
    if (config == NULL) {
        return false;
    }
    gv_config_defaults(config);
    const char *colon = NULL;
    if (gv_config_load(config, path, NULL) == GV_OK) {
        colon = strrchr(config->listen, ':');
    }
    int fd = colon != NULL ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (fd >= 0) {
        struct sockaddr_in address = {.sin_family = AF_INET};
        address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
        (void)close(fd);
    }
    free(config);
    return connected;
}

static enum gv_err time_start(struct gv_demo *pair, double *seconds, struct gv_diag *diag)
{
    double start = gv_bench_now();
    enum gv_err err = gv_demo_start(pair, 0, diag);
    while (err == GV_OK && !listens(pair->nodes[0].dir)) {
        if (gv_bench_now() - start > START_TIMEOUT_S || !gv_demo_sleep(pair, 0.001)) {
            err = gv_diag_set(diag, GV_ERR_TIMEOUT, "the node does not listen after %.0f s", START_TIMEOUT_S);
        }
    }
    *seconds = gv_bench_now() - start;
    return err;
}

/* From the start of `join` until the newcomer has committed an exchange. */
static enum gv_err time_join(struct gv_demo *pair, double *seconds, struct gv_diag *diag)
{
    double start = gv_bench_now();
    enum gv_err err = gv_demo_join(pair, 0, 1, 1, diag);
    while (err == GV_OK && pair->nodes[1].now.exchanges_done == 0) {
        if (gv_bench_now() - start > START_TIMEOUT_S || !gv_demo_sleep(pair, POLL_S)) {
            err = gv_diag_set(diag, GV_ERR_TIMEOUT, "no exchange in %.0f s", START_TIMEOUT_S);
        }
        gv_demo_poll(pair);
    }
    *seconds = gv_bench_now() - start;
    return err;
}

static enum gv_err small(struct gv_bench *bench, struct gv_diag *diag)
{
    struct gv_demo *pair = pair_new(SMALL_MODEL, SMALL_SETTINGS, 100, diag);
    if (pair == NULL) {
        return diag->code;
    }
    double start_s = 0.0, join_s = 0.0, memory = 0.0, share = -1.0;
    enum gv_err err = gv_demo_found(pair, diag);
    if (err == GV_OK) {
        gv_demo_kill(pair, 0);
        err = time_start(pair, &start_s, diag);
    }
    if (err == GV_OK) {
        err = time_join(pair, &join_s, diag);
    }
    if (err == GV_OK) {
        (void)gv_demo_sleep(pair, 3.0);
        gv_demo_poll(pair);
        memory = resident(pair);
        share = 0.5 * (pair->nodes[0].compute_share + pair->nodes[1].compute_share);
    }
    pair_free(pair);
    if (err != GV_OK) {
        return err;
    }
    gv_bench_put(bench, "exchange", "start_to_listening_s", start_s, "s", "a program start to an open port");
    gv_bench_put(bench, "exchange", "join_to_exchange_s", join_s, "s", "`join`, `run`, first committed exchange");
    gv_bench_put(bench, "exchange", "rss_mb_small", memory / 1e6, "MB", "of a node; 20 MB + 4 models are %.1f MB",
                 20.0 + 4.0 * SMALL_PARAMETERS * 4.0 / 1e6);
    gv_bench_put(bench, "exchange", "compute_share", share, "", "of the trainers' time, H = 16, %s", SMALL_MODEL);
    return GV_OK;
}

enum gv_err gv_bench_exchange(struct gv_bench *bench, struct gv_diag *diag)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &set, &before);
    enum gv_err err = small(bench, diag);
    if (err == GV_OK) {
        err = large(bench, diag);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return err;
}
