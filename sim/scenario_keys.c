/*
 * The table of a scenario's keys, and looking things up in it: see scenario_keys.h.
 */
#include "scenario_keys.h"

#include <stdio.h>
#include <string.h>

#include "nearest.h"
#include "scenario_faults.h"

static const char *const MODES[] = {"train", "mean", "membership", NULL};
static const char *const PEERS[] = {"own", "oracle", NULL};
static const char *const SIGNATURES[] = {"memoised", "real", NULL};
static const char *const TRAIN_ON[] = {"clock", "merge", NULL};
static const char *const SCALINGS[] = {"auto", "none", "unit", "standard", NULL};
static const char *const ATTACKS[] = {"none",   "sign-flip",   "noise",  "eclipse", "flood",
                                      "accuse", "replay",      "stall",  "reset",   "age",
                                      "busy",   "incarnation", "greedy", "any",     NULL};
static const char *const YES_NO[] = {"no", "yes", NULL};
_Static_assert(sizeof(enum gv_mode) == sizeof(uint32_t), "enums are stored as 32 bits");

#define AT(member) offsetof(struct gv_scenario, member)
#define MS 1e3
#define SECOND 1e6
#define HOUR 3600e6
#define DAY 86400e6
#define YEAR (366 * DAY)
#define BANDWIDTH_MAX 1e12
#define PERIOD_LEAST (10 * MS) /* the core's own */
#define T (1U << GV_MODE_TRAIN)
#define V (1U << GV_MODE_MEAN)
#define ALL (T | V | 1U << GV_MODE_MEMBERSHIP)

#define FAULT(kind, takes, help)                                           \
    {                                                                      \
        "faults", NULL, GV_VALUE_FAULT, kind, 0, 0, NULL, ALL, help, takes \
    }
#define MANIFEST(name, takes, help)                                        \
    {                                                                      \
        "learning", name, GV_VALUE_MANIFEST, 0, 0, 0, NULL, T, help, takes \
    }
#define VIEW(name, member, least, most, help)                                               \
    {                                                                                       \
        "views", name, GV_VALUE_COUNT, AT(views.member), least, most, NULL, ALL, help, NULL \
    }
#define PERIOD(name, member, help)                                                                \
    {                                                                                             \
        "views", name, GV_VALUE_TIME, AT(views.member), PERIOD_LEAST, YEAR, NULL, ALL, help, NULL \
    }

static const struct gv_scenario_key KEYS[] = {
    {"swarm", "nodes", GV_VALUE_COUNT, AT(swarm.nodes), 1, GV_SCENARIO_NODES_MAX, NULL, ALL, "nodes at the start",
     NULL},
    {"swarm", "duration", GV_VALUE_TIME, AT(swarm.duration_us), MS, YEAR, NULL, ALL, "virtual time to simulate", NULL},
    {"swarm", "mode", GV_VALUE_ENUM, AT(swarm.mode), 0, 0, MODES, ALL,
     "train: real models on real data; mean: average a vector; membership: no learning", NULL},
    {"swarm", "arrival", GV_VALUE_TIME, AT(swarm.arrival_us), 0, YEAR, NULL, ALL,
     "the first nodes come spread over this time; 0: all at once", NULL},
    {"swarm", "seeds", GV_VALUE_COUNT, AT(swarm.seeds), 1, GV_SEEDS_MAX, NULL, ALL,
     "earlier nodes that an invite names, at random", NULL},
    {"swarm", "same_seeds", GV_VALUE_BOOL, AT(swarm.same_seeds), 0, 0, YES_NO, ALL,
     "all invites name the first nodes instead", NULL},
    {"swarm", "newer", GV_VALUE_SHARE, AT(swarm.newer_share), 0, 1, NULL, ALL,
     "of nodes: run a next version, with fields, features and messages that the others do not know", NULL},
    {"swarm", "peers", GV_VALUE_ENUM, AT(swarm.peers), 0, 0, PEERS, T | V,
     "whom to exchange with: own peer sampling, or an oracle that draws from all live nodes", NULL},
    {"swarm", "signatures", GV_VALUE_ENUM, AT(swarm.signatures), 0, 0, SIGNATURES, ALL,
     "memoised: a record is verified once for all nodes; real: by every node", NULL},
    {"swarm", "elements", GV_VALUE_COUNT, AT(swarm.elements), 1, 1e6, NULL, V, "length of the vector", NULL},
    {"swarm", "round", GV_VALUE_TIME, AT(swarm.round_us), MS, DAY, NULL, T | V,
     "time between two exchanges that a node begins (mode = mean, or train_on = merge)", NULL},

    VIEW("active", active_target, 1, GV_ACTIVE_MAX, "neighbours that a node wants"),
    VIEW("active_min", active_min, 1, GV_ACTIVE_MAX, "with fewer it looks for more at once"),
    VIEW("active_max", active_max, 1, GV_ACTIVE_MAX, "with more it lets one go"),
    VIEW("chosen_min", active_chosen_min, 0, 0.5 * GV_ACTIVE_MAX, "neighbours that it asked for itself"),
    VIEW("passive", passive_max, 0, GV_PASSIVE_MAX, "nodes that it knows beside its neighbours"),
    VIEW("links", links_max, 2, GV_LINKS_MAX, "links at once, verified or not"),
    VIEW("provisional", provisional_max, 1, GV_LINKS_MAX, "of them, not yet verified"),
    VIEW("cached_links", cached_links_max, 0, GV_LINKS_MAX, "kept for exchanges beyond the neighbours"),
    VIEW("donors", donors, 1, 8, "asked for their age before the model is fetched"),
    {"views", "book", GV_VALUE_COUNT, AT(book), 0, 64, NULL, ALL, "nodes that a node still knows after a restart",
     NULL},
    PERIOD("probe", probe_us, "between two probes of a neighbour"),
    PERIOD("probe_timeout", probe_timeout_min_us, "the least time that a probe may take"),
    PERIOD("shuffle", shuffle_us, "between two shuffles of passive views"),
    PERIOD("shuffle_early", shuffle_early_us, "the same in a node's first minutes"),
    PERIOD("promote", promote_us, "between two attempts to fill the active view"),
    PERIOD("swap", swap_us, "between two replacements of a neighbour by a random node"),
    PERIOD("book_dial", book_dial_us, "between two attempts to reach a node of the book"),
    PERIOD("seed_dial", seed_dial_us, "between two attempts to reach a seed"),
    PERIOD("record_refresh", record_refresh_us, "between two signatures of a node's own record"),
    PERIOD("record_life", record_life_us, "after which a record counts as stale"),
    {"views", "backoff", GV_VALUE_TIME, AT(views.backoff_us), 0, DAY, NULL, ALL, "left alone after it refused", NULL},
    PERIOD("exchange_timeout", exchange_timeout_us, "first guess; later it follows past exchanges"),
    {"views", "isolated", GV_VALUE_TIME, AT(views.isolated_us), 0, DAY, NULL, ALL,
     "with nobody to exchange with for so long a node trains alone", NULL},

    MANIFEST("model", "softmax:784-10, mlp:784-128-10, ...", "what is trained"),
    {"learning", "data", GV_VALUE_DATA, AT(learning.data), 0, 0, NULL, T,
     "idx:DIR, csv:FILE[,...], builtin:glyphs[,train=N], or auto; $GV_DATA is replaced", "a data specification"},
    {"learning", "scaling", GV_VALUE_ENUM, AT(learning.scaling), 0, 0, SCALINGS, T,
     "of features: none (bytes are divided by 255), one mean and deviation, or one for each; auto: as the data is",
     NULL},
    {"learning", "partition", GV_VALUE_PARTITION, AT(learning.partition), 0, 0, NULL, T, "how the data is cut",
     "iid, dirichlet:ALPHA or classes:K"},
    {"learning", "samples_per_node", GV_VALUE_COUNT, AT(learning.samples_per_node), 0, 1e9, NULL, T,
     "rows of a node; 0: all of the training part is shared out", NULL},
    MANIFEST("seed", "a whole number", "of the initial parameters"),
    MANIFEST("rate", "a number, 0 to 10", "peak learning rate; to 1000000 with schedule = inverse"),
    MANIFEST("momentum", "a number, 0 to 0.9999", "of SGD"),
    MANIFEST("weight_decay", "a number, 0 to 1", "of the weights"),
    MANIFEST("schedule", "constant, linear or inverse", "of the rate"),
    MANIFEST("warmup", "a share", "share of total_age in which the rate rises (schedule = linear)"),
    MANIFEST("total_age", "a whole number",
             "steps of the swarm's clock over which the schedule runs (schedule = linear)"),
    MANIFEST("rate_decay", "a number, 0 to 1000", "the rate is rate / (1 + rate_decay steps) (schedule = inverse)"),
    MANIFEST("batch", "a whole number, 1 to 32767", "rows of a step"),
    {"learning", "local_steps", GV_VALUE_LOCAL_STEPS, 0, 0, 0, NULL, T, "steps between two exchanges",
     "a whole number, 1 to 1000000"},
    {"learning", "epochs", GV_VALUE_EPOCHS, AT(learning.local_steps), 1, 1000, NULL, T,
     "instead: passes over the node's rows, the last batch of which may be short", NULL},
    {"learning", "train_on", GV_VALUE_ENUM, AT(learning.train_on), 0, 0, TRAIN_ON, T,
     "clock: always; merge: one round after each merge, exchanges every swarm.round", NULL},
    MANIFEST("merge", "mean or age", "how two states become one"),
    {"learning", "exchange", GV_VALUE_MANIFEST, 0, 0, 0, NULL, T | V, "both ends move, or only the receiver",
     "pair or push"},
    {"learning", "codec", GV_VALUE_MANIFEST, 0, 0, 0, NULL, T | V, "of what is sent", "f32 or f16"},
    MANIFEST("exchange_momentum", "yes or no", "average the optimiser's state too"),
    MANIFEST("settle", "a whole number, 0 to 1000", "exchanges without training at the end"),
    {"learning", "evaluate_nodes", GV_VALUE_COUNT, AT(learning.evaluate_nodes), 0, 1e6, NULL, T,
     "models evaluated at each report, drawn at random; 0: all", NULL},
    {"learning", "evaluate_samples", GV_VALUE_COUNT, AT(learning.evaluate_samples), 0, 1e9, NULL, T,
     "test rows used; 0: all", NULL},

    {"network", "latency", GV_VALUE_DIST_TIME, AT(network.latency), 0, HOUR, NULL, ALL,
     "one way, drawn once for a pair", NULL},
    {"network", "jitter", GV_VALUE_DIST_TIME, AT(network.jitter), 0, HOUR, NULL, ALL, "added, drawn for each frame",
     NULL},
    {"network", "bandwidth", GV_VALUE_BOTH, AT(network.up), 0, BANDWIDTH_MAX, NULL, ALL, "up and down; 0: unlimited",
     NULL},
    {"network", "up", GV_VALUE_DIST_BANDWIDTH, AT(network.up), 0, BANDWIDTH_MAX, NULL, ALL, "of a node; 0: unlimited",
     NULL},
    {"network", "down", GV_VALUE_DIST_BANDWIDTH, AT(network.down), 0, BANDWIDTH_MAX, NULL, ALL,
     "of a node; 0: unlimited", NULL},
    {"network", "loss", GV_VALUE_SHARE, AT(network.loss), 0, 0.5, NULL, ALL,
     "of segments; TCP sends them again, or resets after several in a row", NULL},
    {"network", "initial_window", GV_VALUE_COUNT, AT(network.initial_window), 0, 1000, NULL, ALL,
     "of TCP's congestion control, in segments: systems have 10; 0: what is sent never waits for acknowledgements",
     NULL},
    {"network", "outbound_only", GV_VALUE_SHARE, AT(network.outbound_only), 0, 1, NULL, ALL,
     "of nodes: cannot be dialled", NULL},
    {"network", "slow_share", GV_VALUE_SHARE, AT(network.slow_share), 0, 1, NULL, ALL, "of nodes: read slowly", NULL},
    {"network", "slow_rate", GV_VALUE_NUMBER, AT(network.slow_rate), 0.001, 1e6, NULL, ALL,
     "frames a second that they read", NULL},
    {"network", "damage", GV_VALUE_SHARE, AT(network.damage), 0, 1, NULL, ALL,
     "of frames: a byte is changed on the way", NULL},
    {"network", "resets", GV_VALUE_SHARE, AT(network.resets), 0, 1, NULL, ALL, "of frames: the link breaks", NULL},

    {"compute", "step_time", GV_VALUE_DIST_TIME, AT(compute.step_time), 1, HOUR, NULL, T,
     "of a local step, drawn once for a node", NULL},
    {"compute", "jitter", GV_VALUE_DIST_NUMBER, AT(compute.jitter), 1e-3, 1e3, NULL, T, "factor, drawn for each round",
     NULL},
    {"compute", "straggler_share", GV_VALUE_SHARE, AT(compute.straggler_share), 0, 1, NULL, T,
     "of nodes: slow to compute", NULL},
    {"compute", "straggler_factor", GV_VALUE_NUMBER, AT(compute.straggler_factor), 1, 1e6, NULL, T,
     "times longer that their steps take", NULL},
    {"compute", "memory_rate", GV_VALUE_BANDWIDTH, AT(compute.memory_rate), 1e3, BANDWIDTH_MAX, NULL, T | V,
     "at which snapshots, codecs and merges pass", NULL},
    {"compute", "starved_share", GV_VALUE_SHARE, AT(compute.starved_share), 0, 1, NULL, ALL,
     "of nodes: now and then get no processor at all", NULL},
    {"compute", "starved_for", GV_VALUE_DIST_TIME, AT(compute.starved_for), 0, HOUR, NULL, ALL, "for so long", NULL},
    {"compute", "starved_every", GV_VALUE_DIST_TIME, AT(compute.starved_every), 0, HOUR, NULL, ALL,
     "and go on for so long between", NULL},

    {"churn", "session", GV_VALUE_DIST_TIME, AT(churn.session), 0, YEAR, NULL, ALL,
     "how long a node stays; 0: for ever", NULL},
    {"churn", "downtime", GV_VALUE_DIST_TIME, AT(churn.downtime), 0, YEAR, NULL, ALL, "until it comes back; 0: never",
     NULL},
    {"churn", "rate", GV_VALUE_SHARE_RATE, AT(churn.rate), 0, 1e-6, NULL, ALL,
     "of live nodes that leave, as 5%/min (instead of session: exponential)", NULL},
    {"churn", "arrivals", GV_VALUE_COUNT_RATE, AT(churn.arrivals), 0, 1, NULL, ALL, "of new nodes, as 3/min (Poisson)",
     NULL},
    {"churn", "torn_state", GV_VALUE_SHARE, AT(churn.torn_state), 0, 1, NULL, ALL,
     "of restarts: the state is torn, and the model is fetched anew", NULL},
    {"churn", "drift", GV_VALUE_SHARE, AT(churn.drift), 0, 0.1, NULL, ALL, "clocks run fast or slow by up to this",
     NULL},
    {"churn", "offset", GV_VALUE_TIME, AT(churn.offset_us), 0, YEAR, NULL, ALL, "wall clocks are off by up to this",
     NULL},

    FAULT(GV_FAULT_KILL, "HOW_MANY at TIME", "processes end; they come back after churn.downtime, if that is set"),
    FAULT(GV_FAULT_VANISH, "HOW_MANY at TIME", "the same without a word: their links stay up and swallow everything"),
    FAULT(GV_FAULT_PAUSE, "HOW_MANY at TIME for TIME", "the whole process stands still, then goes on"),
    FAULT(GV_FAULT_RESTART, "HOW_MANY at TIME", "killed, and back from the last checkpoint after 2s"),
    FAULT(GV_FAULT_LEAVE, "HOW_MANY at TIME", "leave for good, with a tombstone"),
    FAULT(GV_FAULT_REVOKE, "HOW_MANY at TIME", "revoked by the root; one random member learns of it first"),
    FAULT(GV_FAULT_COPY_KEY, "HOW_MANY at TIME", "a second process with the same key and state is started"),
    FAULT(GV_FAULT_PARTITION, "HOW_MANY from TIME to TIME [one-way | flapping:TIME]",
          "two sides cannot reach each other, or only one way, or now and then"),
    FAULT(GV_FAULT_ARRIVE, "HOW_MANY at TIME", "new nodes join with invites"),
    {"faults", "end", GV_VALUE_TIME, AT(faults_end_us), 0, YEAR, NULL, ALL,
     "churn, loss and damage end too, and the swarm must recover; 0: never", NULL},

    {"adversaries", "fraction", GV_VALUE_SHARE, AT(adversaries.fraction), 0, 1, NULL, ALL, "of nodes", NULL},
    {"adversaries", "attack", GV_VALUE_ENUM, AT(adversaries.attack), 0, 0, ATTACKS, ALL,
     "sign-flip, noise: to the parameters they send; else to the protocol; any: each node one of these", NULL},
    {"adversaries", "scale", GV_VALUE_NUMBER, AT(adversaries.scale), 0, 1e6, NULL, T | V,
     "sign-flip: factor; noise: deviation, in deviations of the parameters", NULL},
    {"adversaries", "one_inviter", GV_VALUE_BOOL, AT(adversaries.one_inviter), 0, 0, YES_NO, ALL,
     "one member has let all of them in; else all are the root's guests, as everybody is", NULL},

    {"report", "every", GV_VALUE_TIME, AT(report.every_us), 0, YEAR, NULL, ALL,
     "virtual time between two samples; 0: about a sixtieth of the duration", NULL},
    {"report", "choice_from", GV_VALUE_TIME, AT(report.choice_from_us), 0, YEAR, NULL, T | V,
     "from when it is counted how often each node is chosen; who comes later is a newcomer", NULL},
    {"report", "invariants", GV_VALUE_BOOL, AT(report.invariants), 0, 0, YES_NO, ALL, "check them after every step",
     NULL},
};
#define KEY_COUNT (sizeof KEYS / sizeof KEYS[0])
_Static_assert(KEY_COUNT <= GV_SCENARIO_KEYS_MAX, "every key has its place in struct gv_scenario.given");

enum gv_dimension gv_scenario_key_dimension(const struct gv_scenario_key *key)
{
    switch (key->type) {
    case GV_VALUE_COUNT:
    case GV_VALUE_EPOCHS:
        return GV_DIM_COUNT;
    case GV_VALUE_TIME:
    case GV_VALUE_DIST_TIME:
        return GV_DIM_TIME;
    case GV_VALUE_SHARE:
        return GV_DIM_SHARE;
    case GV_VALUE_BANDWIDTH:
    case GV_VALUE_DIST_BANDWIDTH:
    case GV_VALUE_BOTH:
        return GV_DIM_BANDWIDTH;
    case GV_VALUE_SHARE_RATE:
        return GV_DIM_SHARE_RATE;
    case GV_VALUE_COUNT_RATE:
        return GV_DIM_COUNT_RATE;
    default:
        return GV_DIM_NUMBER;
    }
}

size_t gv_scenario_key_count(void)
{
    return KEY_COUNT;
}

const struct gv_scenario_key *gv_scenario_key_at(size_t index)
{
    return &KEYS[index];
}

const char *gv_scenario_key_name(size_t index)
{
    const struct gv_scenario_key *key = &KEYS[index];
    return key->type == GV_VALUE_FAULT ? gv_scenario_fault_name((enum gv_fault_kind)key->offset) : key->name;
}

bool gv_scenario_key_applies(size_t index, enum gv_mode mode)
{
    return (KEYS[index].modes >> mode & 1U) != 0;
}

size_t gv_scenario_key_find(const char *section, const char *name)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(KEYS[i].section, section) == 0 && strcmp(gv_scenario_key_name(i), name) == 0) {
            return i;
        }
    }
    return GV_KEY_NONE;
}

bool gv_scenario_section_known(const char *section)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(KEYS[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}

enum gv_err gv_scenario_section_unknown(const char *section, struct gv_diag *diag)
{
    const char *names[KEY_COUNT + 1];
    char list[256] = "";
    size_t count = 0;
    size_t used = 0;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (i == 0 || strcmp(KEYS[i].section, KEYS[i - 1].section) != 0) {
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", count > 0 ? ", " : "", KEYS[i].section);
            names[count++] = KEYS[i].section;
        }
    }
    names[count] = NULL;
    const char *nearest = gv_nearest(section, strlen(section), names);
    if (nearest != NULL) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "unknown section [%.64s]; did you mean [%s]?", section, nearest);
    }
    return gv_diag_set(diag, GV_ERR_CONFIG, "unknown section [%.64s]: expected one of %s", section, list);
}

enum gv_err gv_scenario_key_unknown(const char *section, const char *name, struct gv_diag *diag)
{
    const char *names[KEY_COUNT + 1];
    const char *elsewhere = NULL;
    size_t count = 0;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (strcmp(KEYS[i].section, section) == 0) {
            names[count++] = gv_scenario_key_name(i);
        } else if (strcmp(gv_scenario_key_name(i), name) == 0) {
            elsewhere = KEYS[i].section;
        }
    }
    names[count] = NULL;
    if (elsewhere != NULL) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "there is no \"%.64s\" in [%s]; it belongs in [%s]", name, section,
                           elsewhere);
    }
    const char *nearest = gv_nearest(name, strlen(name), names);
    if (nearest != NULL) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "unknown key \"%.64s\" in [%s]; did you mean \"%s\"?", name, section,
                           nearest);
    }
    return gv_diag_set(diag, GV_ERR_CONFIG,
                       "unknown key \"%.64s\" in [%s]; `grapevine sim --keys` lists the known ones", name, section);
}

void gv_scenario_key_names(char out[GV_KEY_VALUE_MAX], const struct gv_scenario_key *key)
{
    const char *const *names = key->names;
    size_t used = 0;
    for (size_t i = 0; names[i] != NULL; i++) {
        const char *before = i == 0 ? "" : names[i + 1] == NULL ? " or " : ", ";
        used += (size_t)snprintf(out + used, GV_KEY_VALUE_MAX - used, "%s%s", before, names[i]);
    }
}

void gv_scenario_key_takes(char out[GV_KEY_VALUE_MAX], size_t index)
{
    const struct gv_scenario_key *key = &KEYS[index];
    const char *what = NULL;
    char least[64];
    char most[64];
    switch (key->type) {
    case GV_VALUE_COUNT:
    case GV_VALUE_EPOCHS:
        what = "a whole number";
        break;
    case GV_VALUE_TIME:
        what = "a time";
        break;
    case GV_VALUE_SHARE:
        what = "a share";
        break;
    case GV_VALUE_NUMBER:
        what = "a number";
        break;
    case GV_VALUE_BANDWIDTH:
        what = "a bandwidth";
        break;
    case GV_VALUE_SHARE_RATE:
        what = "a share per time";
        break;
    case GV_VALUE_COUNT_RATE:
        what = "a number per time";
        break;
    case GV_VALUE_DIST_TIME:
        what = "a time, or a distribution";
        break;
    case GV_VALUE_DIST_BANDWIDTH:
    case GV_VALUE_BOTH:
        what = "a bandwidth, or a distribution";
        break;
    case GV_VALUE_DIST_NUMBER:
        what = "a number, or a distribution";
        break;
    case GV_VALUE_ENUM:
    case GV_VALUE_BOOL:
        gv_scenario_key_names(out, key);
        return;
    default:
        (void)snprintf(out, GV_KEY_VALUE_MAX, "%s", key->takes != NULL ? key->takes : "");
        return;
    }
    (void)gv_quantity_write(least, sizeof least, key->min, gv_scenario_key_dimension(key));
    (void)gv_quantity_write(most, sizeof most, key->max, gv_scenario_key_dimension(key));
    (void)snprintf(out, GV_KEY_VALUE_MAX, "%s, %s to %s", what, least, most);
}
