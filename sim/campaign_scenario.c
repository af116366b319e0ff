/*
 * What happens in the run of one seed, as the text of a scenario, so that anybody can read it, change it and run it.
 *
 * Not everything may go wrong for ever: whoever is killed comes back, and few leave or are revoked, so that after the
 * faults there is a swarm that can recover.
 *
 * A call draws at most once: compilers differ in the order in which they evaluate arguments.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "campaign.h"
#include "gv/err.h"
#include "random.h"

#define STREAM UINT64_C(0x63616d706169676e) /* sets these draws apart from those of the run */
#define FAULTS_FROM_MS 8000u                /* the first seconds are the swarm's own */
#define FLAP_LEAST_MS 200u
#define FAULTS_LAST_MS 12000u /* before the end of the faults: the longest pause fits */

struct draft {
    char *at;
    size_t left;
    struct gv_random random;
    struct gv_random added; /* for what came later, so that old seeds still draw what they drew */
    uint32_t nodes;
    uint32_t end_s; /* of the faults */
    bool trains;
};

GV_PRINTF(2, 3)
static void add(struct draft *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int wrote = vsnprintf(d->at, d->left, format, args);
    va_end(args);
    GV_ASSERT(wrote >= 0 && (size_t)wrote < d->left);
    d->at += wrote;
    d->left -= (size_t)wrote;
}

static uint32_t between(struct draft *d, uint32_t low, uint32_t high)
{
    return low + gv_random_below(&d->random, high - low + 1);
}

static bool one_in(struct draft *d, uint32_t n)
{
    return gv_random_below(&d->random, n) == 0;
}

/* "name = <a number from low to high><unit>", once in n. */
static void maybe(struct draft *d, uint32_t n, const char *name, uint32_t low, uint32_t high, const char *unit)
{
    bool wanted = one_in(d, n);
    uint32_t value = between(d, low, high);
    if (wanted) {
        add(d, "%s%" PRIu32 "%s\n", name, value, unit);
    }
}

static void add_learning(struct draft *d, const char *mode, bool chunked)
{
    if (strcmp(mode, "membership") == 0) {
        return;
    }
    if (strcmp(mode, "mean") == 0) {
        bool first = one_in(d, 2);
        add(d, "elements = %d\n", chunked ? (first ? 20000 : 40000) : (first ? 1 : 16));
        add(d, "round = %" PRIu32 "ms\n", chunked ? between(d, 3000, 8000) : between(d, 500, 4000));
        add(d, "\n[compute]\nmemory_rate = %" PRIu32 "MB\n", between(d, 1, 500));
        add(d, "\n[learning]\n");
    } else {
        add(d, "\n[compute]\nstep_time = uniform:200ms,%" PRIu32 "ms\n", between(d, 300, 2000));
        add(d, "\n[learning]\nmodel = %s\n", one_in(d, 2) ? "softmax:784-10" : "mlp:784-32-10");
        add(d, "data = builtin:glyphs,train=240,test=40\nlocal_steps = 2\nbatch = 8\nrate = 0.05\n");
    }
    add(d, "%s", one_in(d, 4) ? "exchange = push\n" : "");
    add(d, "%s", one_in(d, 4) ? "codec = f16\n" : "");
}

static void add_swarm(struct draft *d)
{
    uint32_t luck = between(d, 0, 9);
    const char *mode = luck < 7 ? "mean" : (luck < 9 ? "membership" : "train");
    bool chunked = luck < 2;
    bool large = one_in(d, 4);
    d->trains = luck == 9;
    d->nodes = chunked || luck == 9 ? between(d, 6, 12) : between(d, 8, large ? 40 : 20);
    d->end_s = between(d, 40, 100);
    add(d, "[swarm]\nmode = %s\nnodes = %" PRIu32 "\n", mode, d->nodes);
    add(d, "duration = %" PRIu32 "s\n", d->end_s + between(d, 90, 120));
    add(d, "seeds = %" PRIu32 "\n", between(d, 1, 3));
    maybe(d, 3, "arrival = ", 1, 20, "s");
    bool real = one_in(d, 50); /* a few nodes: every record of every message is verified */
    add(d, "%s", real && d->nodes <= 10 ? "signatures = real\n" : "");
    add_learning(d, mode, chunked);
}

static void add_views(struct draft *d)
{
    add(d, "\n[views]\n");
    if (one_in(d, 3)) { /* small views, so that most nodes are strangers to one another */
        add(d, "active = 4\nactive_min = 3\nactive_max = 6\nchosen_min = 2\n");
        add(d, "passive = %" PRIu32 "\n", between(d, 6, 12));
    }
    if (one_in(d, 2)) { /* more rounds of everything in the same time */
        add(d, "shuffle = 5s\nshuffle_early = 2s\nswap = 10s\npromote = 1s\nseed_dial = 15s\nbook_dial = 8s\n");
    }
    if (one_in(d, 4)) {
        add(d, "record_refresh = 20s\nrecord_life = %" PRIu32 "s\n", between(d, 60, 120));
    }
    add(d, "book = %" PRIu32 "\n", between(d, 4, 32));
}

static void add_network(struct draft *d)
{
    static const char *const latencies[] = {"1ms", "20ms", "uniform:5ms,300ms", "lognormal:50ms,0.5",
                                            "lognormal:30ms,1"};
    add(d, "\n[network]\nlatency = %s\n", latencies[between(d, 0, 4)]);
    maybe(d, 3, "jitter = uniform:0ms,", 1, 100, "ms");
    maybe(d, 3, "bandwidth = uniform:", 500, 5000, "kbit,20Mbit");
    maybe(d, 3, "loss = ", 1, 15, "%");
    /* A damaged parameter that is still a number is merged: nothing tells it from a right one, and training that goes
       on from 1e30 never comes back. */
    if (!d->trains) {
        uint32_t per_10000 = between(d, 1, 50);
        bool damaged = one_in(d, 4);
        if (damaged) {
            add(d, "damage = 0.%02" PRIu32 "%%\n", per_10000);
        }
    }
    maybe(d, 3, "outbound_only = ", 5, 35, "%");
    maybe(d, 6, "resets = 0.", 1, 9, "%");
    maybe(d, 4, "slow_share = 15%\nslow_rate = ", 5, 50, "");
}

static void add_churn(struct draft *d, bool killed, bool restarted)
{
    add(d, "\n[churn]\n");
    uint32_t luck = between(d, 0, 5);
    uint32_t session_s = between(d, 20, 120);
    bool sessions = luck < 2;
    if (sessions) {
        add(d, luck == 0 ? "session = exponential:%" PRIu32 "s\n" : "session = weibull:%" PRIu32 "s,0.6\n", session_s);
    }
    if (sessions || killed) {
        add(d, "downtime = exponential:%" PRIu32 "s\n", between(d, 1, 20));
    }
    if (sessions || killed || restarted) {
        maybe(d, 2, "torn_state = ", 5, 60, "%");
    }
    maybe(d, 4, "arrivals = ", 1, 6, "/min");
    maybe(d, 3, "drift = 0.", 1, 9, "%");
    maybe(d, 3, "offset = ", 1, 600, "min");
}

static uint32_t moment_ms(struct draft *d)
{
    return between(d, FAULTS_FROM_MS, d->end_s * 1000 - FAULTS_LAST_MS);
}

/* Strikes a share of the nodes at one moment. */
static void add_strike(struct draft *d, const char *name, uint32_t most_percent, uint32_t longest_ms)
{
    uint32_t percent = between(d, 5, most_percent);
    add(d, "%s = %" PRIu32 "%% at %" PRIu32 "ms", name, percent, moment_ms(d));
    if (longest_ms > 0) {
        add(d, " for %" PRIu32 "ms", between(d, 100, longest_ms));
    }
    add(d, "\n");
}

/* Strikes a few, once. */
static void add_few(struct draft *d, const char *name, uint32_t most)
{
    uint32_t count = between(d, 1, most);
    add(d, "%s = %" PRIu32 " at %" PRIu32 "ms\n", name, count, moment_ms(d));
}

static void add_cut(struct draft *d)
{
    uint32_t from = moment_ms(d);
    uint32_t until = between(d, from + FLAP_LEAST_MS + 1, d->end_s * 1000);
    add(d, "partition = %" PRIu32 "%% from %" PRIu32 "ms to %" PRIu32 "ms", between(d, 10, 50), from, until);
    uint32_t kind = between(d, 0, 2);
    uint32_t flap_ms = between(d, FLAP_LEAST_MS, until - from - 1 < 5000 ? until - from - 1 : 5000);
    if (kind == 1) {
        add(d, " one-way");
    } else if (kind == 2) {
        add(d, " flapping:%" PRIu32 "ms", flap_ms);
    }
    add(d, "\n");
}

/* Attackers stay for the liveness phase too; they may be a fifth. */
static void add_adversaries(struct draft *d)
{
    static const char *const attacks[] = {"any",   "eclipse", "flood", "accuse", "replay",
                                          "stall", "reset",   "age",   "busy",   "incarnation"};
    bool wanted = one_in(d, 3);
    uint32_t percent = between(d, 5, 20);
    uint32_t which = between(d, 0, 9);
    if (wanted) {
        bool greedy = gv_random_below(&d->added, 8) == 0;
        bool one_inviter = gv_random_below(&d->added, 3) == 0;
        add(d, "\n[adversaries]\nfraction = %" PRIu32 "%%\nattack = %s\none_inviter = %s\n", percent,
            greedy ? "greedy" : attacks[which], one_inviter ? "yes" : "no");
    }
}

static void add_faults(struct draft *d)
{
    uint32_t times[5]; /* kill, vanish, restart, pause, cut */
    for (uint32_t i = 0; i < 5; i++) {
        bool wanted = one_in(d, 3);
        uint32_t often = between(d, 1, 3);
        times[i] = wanted ? often : 0;
    }
    add_churn(d, times[0] + times[1] > 0, times[2] > 0);
    add_adversaries(d);
    add(d, "\n[faults]\nend = %" PRIu32 "s\n", d->end_s);
    for (uint32_t i = 0; i < times[0]; i++) {
        add_strike(d, "kill", 50, 0);
    }
    for (uint32_t i = 0; i < times[1]; i++) {
        add_strike(d, "vanish", 40, 0);
    }
    for (uint32_t i = 0; i < times[2]; i++) {
        add_strike(d, "restart", 60, 0);
    }
    for (uint32_t i = 0; i < times[3]; i++) {
        add_strike(d, "pause", 40, FAULTS_LAST_MS - 1000);
    }
    for (uint32_t i = 0; i < times[4]; i++) {
        add_cut(d);
    }
    const char *const once[] = {"leave", "revoke", "copy_key", "arrive"};
    const uint32_t most[] = {(d->nodes + 7) / 8, (d->nodes + 7) / 8, 1, 4};
    for (uint32_t i = 0; i < 4; i++) {
        if (one_in(d, 3)) {
            add_few(d, once[i], most[i]);
        }
    }
}

void gv_campaign_scenario(char *out, uint64_t seed)
{
    struct draft d = {.at = out, .left = GV_CAMPAIGN_TEXT_MAX};
    gv_random_seed(&d.random, seed, STREAM);
    gv_random_seed(&d.added, seed, STREAM + 1);
    add(&d, "# Seed %" PRIu64 " of the campaign: grapevine sim THIS_FILE --seed %" PRIu64 "\n", seed, seed);
    add_swarm(&d);
    add_views(&d);
    add_network(&d);
    add_faults(&d);
    maybe(&d, 6, "\n[swarm]\nnewer = ", 10, 90, "%");
}
