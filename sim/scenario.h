/*
 * A scenario: everything that a simulation is told, parsed from an INI file and --set. Times are microseconds,
 * bandwidths bytes per second, shares 0..1.
 *
 * One table of keys (scenario_keys.c) is the parser, the check for unknown keys (which names the nearest), the list of
 * `grapevine sim --keys`, and what writes a scenario back as INI text.
 */
#ifndef GV_SCENARIO_H
#define GV_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "distribution.h"
#include "gv/core.h"
#include "gv/err.h"
#include "gv/manifest.h"

#define GV_SCENARIO_FAULTS_MAX 32
#define GV_SCENARIO_NODES_MAX 1000000u
#define GV_SCENARIO_BATCH_MAX 4096u     /* rows of one step; each thread has room for them */
#define GV_SCENARIO_REVOCATIONS_MAX 64u /* a node knows them as bits of one word */
#define GV_SCENARIO_KEYS_MAX 128
#define GV_SCENARIO_SET UINT32_MAX /* the "line" of what --set gave */

enum gv_mode { GV_MODE_TRAIN = 0, GV_MODE_MEAN, GV_MODE_MEMBERSHIP };
enum gv_peers { GV_PEERS_OWN = 0, GV_PEERS_ORACLE }; /* own peer sampling, or uniform over the live nodes */
enum gv_signatures { GV_SIGNATURES_MEMOISED = 0, GV_SIGNATURES_REAL }; /* a record is verified once, or by every node */
enum gv_train_on { GV_TRAIN_ON_CLOCK = 0, GV_TRAIN_ON_MERGE };         /* always, or local_steps after each merge */
/* How features become numbers near 0; AUTO: as the data asks for (images UNIT, tables STANDARD), the others are those
 * of enum gv_scaling plus one. */
enum gv_sim_scaling { GV_SIM_SCALING_AUTO = 0, GV_SIM_SCALING_NONE, GV_SIM_SCALING_UNIT, GV_SIM_SCALING_STANDARD };
/* What hostile nodes do: the first two to the parameters they send, the others to the protocol (attack.h); ANY: each of
 * them one of the latter, in turn. */
enum gv_attack {
    GV_ATTACK_NONE = 0,
    GV_ATTACK_SIGN_FLIP,
    GV_ATTACK_NOISE,
    GV_ATTACK_ECLIPSE,
    GV_ATTACK_FLOOD,
    GV_ATTACK_ACCUSE,
    GV_ATTACK_REPLAY,
    GV_ATTACK_STALL,
    GV_ATTACK_RESET,
    GV_ATTACK_AGE,
    GV_ATTACK_BUSY,
    GV_ATTACK_INCARNATION,
    GV_ATTACK_GREEDY,
    GV_ATTACK_ANY,
};

/* A fault that strikes at a time (and may last). Written as
 *     kill = 50% at 5min                     processes end; they come back after churn.downtime, if that is set
 *     vanish = 10% at 5min                   the same without a word: their links stay up and swallow everything
 *     pause = 10% at 2min for 30s            the whole process stands still, then goes on
 *     restart = 10% at 2min                  killed, and back from the last checkpoint after 2 s
 *     leave = 5 at 3min                      leave for good, with a tombstone
 *     revoke = 2 at 4min                     revoked by the root; one random live member learns of it first
 *     copy_key = 1 at 3min                   a second process with the same key and state is started
 *     partition = 50% from 5min to 8min      two sides cannot reach each other
 *     partition = 50% from 5min to 8min one-way          the first side's frames do not reach the second
 *     partition = 50% from 5min to 8min flapping:10s     cut and healed every 10 s
 *     arrive = 100 at 5min                   new nodes join with invites (over `arrival`, if that is set)
 * A whole number is a count of nodes, a percentage a share of the live ones, `seeds` the nodes that all invites name
 * (same_seeds). */
enum gv_fault_kind {
    GV_FAULT_KILL = 0,
    GV_FAULT_VANISH,
    GV_FAULT_PAUSE,
    GV_FAULT_RESTART,
    GV_FAULT_LEAVE,
    GV_FAULT_REVOKE,
    GV_FAULT_COPY_KEY,
    GV_FAULT_PARTITION,
    GV_FAULT_ARRIVE,
    GV_FAULT_KINDS,
};
enum gv_cut { GV_CUT_CLEAN = 0, GV_CUT_ONE_WAY, GV_CUT_FLAPPING };

struct gv_fault {
    enum gv_fault_kind kind;
    double share; /* of the live nodes; 0: `count` says how many */
    uint32_t count;
    bool seeds; /* the first swarm.seeds nodes */
    uint64_t at_us;
    uint64_t until_us; /* PAUSE, PARTITION; else 0 */
    enum gv_cut cut;
    uint64_t flap_us;
};

struct gv_scenario {
    char name[64]; /* the file's name without its ending */

    struct {
        uint32_t nodes;
        uint64_t duration_us;
        enum gv_mode mode;
        uint64_t arrival_us; /* the first nodes come spread over this time; 0: all at once */
        uint32_t seeds;      /* endpoints each node's invite names: earlier nodes, at random; 1..3 */
        bool same_seeds;     /* all invites name the first nodes */
        double newer_share;  /* of the nodes: they run the next version of the program (newer.h) */
        enum gv_peers peers;
        enum gv_signatures signatures;
        uint32_t elements; /* MEAN: length of the vector */
        uint64_t round_us; /* MEAN, and TRAIN with train_on = merge: time between two initiations of a node */
    } swarm;

    struct gv_core_config views; /* [views]: sizes and periods of the core; outbound_only set per node */
    uint32_t book;               /* [views] book: ids a node still knows after a restart; 0..64 */

    struct {
        struct gv_training training; /* model, rate, momentum, weight_decay, schedule, warmup, total_age, batch, seed */
        char data[512];
        enum gv_sim_scaling scaling;
        char partition[64];
        uint32_t local_steps; /* H; with epochs: passes over the node's rows */
        bool epochs;          /* local_steps counts passes, the last batch of a pass may be short */
        uint32_t merge;       /* enum gv_merge */
        uint32_t exchange;    /* enum gv_exchange_kind */
        enum gv_codec codec;
        bool exchange_momentum;
        uint32_t settle_exchanges;
        enum gv_train_on train_on;
        uint32_t samples_per_node; /* 0: all of the training part is cut into `nodes` shards */
        uint32_t evaluate_nodes;   /* live nodes whose model is evaluated at each report; 0: all */
        uint32_t evaluate_samples; /* test samples used, 0: all */
    } learning;

    struct {
        struct gv_dist latency;  /* one way, of a pair; drawn per pair once */
        struct gv_dist jitter;   /* added to each frame */
        struct gv_dist up, down; /* a node's bandwidth; 0: unlimited. `bandwidth = X` sets both */
        double loss;             /* share of segments lost: TCP sends them again, or resets after several in a row */
        uint32_t initial_window; /* of TCP's congestion control, in segments; 0: none */
        double outbound_only;    /* share of nodes that cannot be dialled */
        double slow_share;       /* share of nodes that read slowly ... */
        double slow_rate;        /* ... this many frames a second */
        double damage;           /* share of frames of which a byte is damaged */
        double resets;           /* share of frames on which the link breaks */
    } network;

    struct {
        struct gv_dist step_time;                  /* a node's mean time for one local step, drawn once per node */
        struct gv_dist jitter;                     /* factor drawn anew for each round; constant 1 by default */
        double straggler_share;                    /* share of nodes ... */
        double straggler_factor;                   /* ... whose steps take this many times longer */
        double memory_rate;                        /* bytes per second at which snapshots, codecs and merges pass */
        double starved_share;                      /* share of nodes that now and then get no processor at all ... */
        struct gv_dist starved_for, starved_every; /* ... for how long, and how long after that the next time */
    } compute;

    struct {
        struct gv_dist session, downtime; /* 0: none */
        double rate;                      /* share of live nodes that leave per microsecond (exponential sessions) */
        double arrivals;                  /* new nodes per microsecond, Poisson */
        double torn_state;                /* share of restarts that find their state torn: they fetch the model anew */
        double drift;                     /* clocks run fast or slow by up to this share, uniform per node */
        uint64_t offset_us;               /* wall clocks are off by up to this much, uniform per node */
    } churn;

    uint32_t fault_count;
    struct gv_fault faults[GV_SCENARIO_FAULTS_MAX]; /* by time */
    uint64_t faults_end_us; /* [faults] end: churn, loss and damage stop too, and the liveness phase begins; 0: never */

    struct {
        double fraction;
        enum gv_attack attack;
        double scale;     /* NOISE: deviation, in deviations of the parameters; SIGN_FLIP: factor */
        bool one_inviter; /* the same member let all of them in; else the root did, as everybody */
    } adversaries;

    struct {
        uint64_t every_us;       /* 0 until gv_scenario_check() has chosen */
        uint64_t choice_from_us; /* peer choice is counted from then on, and not before the first nodes are all there */
        bool invariants;         /* on by default; off only to measure what they cost */
    } report;

    /* Where settings come from, for diagnoses. */
    char source[256];                     /* the file as it was named; empty: none */
    uint32_t given[GV_SCENARIO_KEYS_MAX]; /* the line that set each key, in the key table's order; 0: a default */
};

/** Every default. A hundred nodes that train on glyphs, for ten minutes, over links of about 50 ms. */
void gv_scenario_defaults(struct gv_scenario *scenario);

/** Reads an INI file. The diagnosis has file, line, key, what was expected, and the nearest known key for an unknown
 *  one. A key stands once in a file, but those of `[faults]` add up. */
GV_NODISCARD enum gv_err gv_scenario_load(struct gv_scenario *scenario, const char *path, struct gv_diag *diag);

/** The same from text; `name` stands for the file in diagnoses. */
GV_NODISCARD enum gv_err gv_scenario_parse(struct gv_scenario *scenario, const char *text, const char *name,
                                           struct gv_diag *diag);

/** One "section.key=value" of --set, which takes the place of what the file says. Several of one kind of fault add up;
 *  "none" takes all faults of a kind out. */
GV_NODISCARD enum gv_err gv_scenario_set(struct gv_scenario *scenario, const char *assignment, struct gv_diag *diag);

/** Contradictions between settings, after everything is set. Says which two do not go together and what to change.
 *  Fills in what follows from other settings: how often to report, if nobody said so. */
GV_NODISCARD enum gv_err gv_scenario_check(struct gv_scenario *scenario, struct gv_diag *diag);

/** learning.data <- what it stands for here: "auto" becomes Fashion-MNIST in $GV_DATA if it is there, else
 *  builtin:glyphs; $GV_DATA (or ${GV_DATA}) in a path becomes that folder. GV_ERR_DATA if the variable is needed and
 *  not set, or if there is no such file. Does nothing outside `train`. */
GV_NODISCARD enum gv_err gv_scenario_find_data(struct gv_scenario *scenario, struct gv_diag *diag);

/** Bytes of memory that the run will take at most, about: data, models, cores, links, frames. `parameters` and
 *  `data_bytes` are known once the data is loaded (0 before: then they follow from the model and the data's files). */
uint64_t gv_scenario_memory(const struct gv_scenario *scenario, uint64_t parameters, uint64_t data_bytes);

/** Writes it as INI text that gives the same scenario again: what differs from the defaults, and always the data. */
void gv_scenario_write(const struct gv_scenario *scenario, FILE *out);

/** Lists all keys with their meaning, unit and default, for --keys. */
void gv_scenario_list_keys(FILE *out);

#endif
