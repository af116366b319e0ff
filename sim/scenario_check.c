/*
 * What goes together in a scenario and what does not: gv_scenario_check(). Each check names the line of the setting to
 * blame, what it collides with, and what to change.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attack.h"
#include "line.h"
#include "manifest_text.h"
#include "model.h"
#include "quantity.h"
#include "scenario.h"
#include "scenario_faults.h"
#include "scenario_keys.h"

#define STEP_LEAST_US 1.0
#define EVERY_LEAST_US 1000
#define SAMPLES_WANTED 60 /* reports of a run, about */

static uint32_t line_of(const struct gv_scenario *scenario, const char *section, const char *name)
{
    size_t index = gv_scenario_key_find(section, name);
    GV_ASSERT(index != GV_KEY_NONE);
    return scenario->given[index];
}

/* A diagnosis about one key, with the place where it was set. */
GV_PRINTF(5, 6)
static enum gv_err blame(const struct gv_scenario *scenario, struct gv_diag *diag, const char *section,
                         const char *name, const char *format, ...)
{
    struct gv_diag local;
    va_list args;
    diag = diag != NULL ? diag : &local;
    va_start(args, format);
    (void)vsnprintf(diag->text, sizeof diag->text, format, args);
    va_end(args);
    diag->code = GV_ERR_CONFIG;
    (void)gv_diag_wrap(diag, "%s.%s", section, name);
    uint32_t line = line_of(scenario, section, name);
    if (line == GV_SCENARIO_SET) {
        (void)gv_diag_wrap(diag, "--set");
    } else if (line > 0) {
        (void)gv_diag_wrap(diag, "%s:%u", scenario->source, line);
    } else if (scenario->source[0] != '\0') {
        (void)gv_diag_wrap(diag, "%s", scenario->source);
    }
    return GV_ERR_CONFIG;
}

/* Revocations of the whole run; a share is of all nodes there can be at most. */
static double revocations(const struct gv_scenario *scenario)
{
    double count = 0;
    for (uint32_t i = 0; i < scenario->fault_count; i++) {
        const struct gv_fault *fault = &scenario->faults[i];
        if (fault->kind == GV_FAULT_REVOKE) {
            count += fault->share > 0 ? fault->share * scenario->swarm.nodes : fault->count;
        }
    }
    return count;
}

static bool has_fault(const struct gv_scenario *scenario, enum gv_fault_kind kind)
{
    for (uint32_t i = 0; i < scenario->fault_count; i++) {
        if (scenario->faults[i].kind == kind) {
            return true;
        }
    }
    return false;
}

/* ---- settings that a mode does not have ----------------------------------------------------------------------- */

/* A setting that says what holds anyway may stand anywhere. */
static bool says_something(const struct gv_scenario *scenario, const struct gv_scenario *defaults, size_t index)
{
    char value[GV_KEY_VALUE_MAX];
    char standard[GV_KEY_VALUE_MAX];
    const struct gv_scenario_key *key = gv_scenario_key_at(index);
    bool choice = key->names != NULL || strcmp(key->name, "merge") == 0;
    return scenario->given[index] != 0 &&
           !(choice && gv_scenario_key_write(value, scenario, index) &&
             gv_scenario_key_write(standard, defaults, index) && strcmp(value, standard) == 0);
}

static enum gv_err check_mode(const struct gv_scenario *scenario, struct gv_diag *diag)
{
    static const char *const names[] = {"train", "mean", "membership"};
    struct gv_scenario defaults;
    gv_scenario_defaults(&defaults);
    enum gv_mode mode = scenario->swarm.mode;
    for (size_t i = 0; i < gv_scenario_key_count(); i++) {
        if (gv_scenario_key_applies(i, mode) || !says_something(scenario, &defaults, i)) {
            continue;
        }
        enum gv_mode other = gv_scenario_key_applies(i, GV_MODE_TRAIN) ? GV_MODE_TRAIN : GV_MODE_MEAN;
        return blame(scenario, diag, gv_scenario_key_at(i)->section, gv_scenario_key_name(i),
                     "has no meaning with swarm.mode = %s: take it out, or set swarm.mode = %s", names[mode],
                     names[other]);
    }
    bool rounds = mode == GV_MODE_MEAN || (mode == GV_MODE_TRAIN && scenario->learning.train_on == GV_TRAIN_ON_MERGE);
    if (!rounds && mode == GV_MODE_TRAIN && line_of(scenario, "swarm", "round") != 0) {
        return blame(scenario, diag, "swarm", "round",
                     "has no meaning with learning.train_on = clock, where an exchange follows each round of training: "
                     "take it out, or set learning.train_on = merge");
    }
    if (rounds && scenario->swarm.round_us == 0) {
        return blame(scenario, diag, "swarm", "round", "is 0: expected the time between two exchanges of a node");
    }
    return GV_OK;
}

/* ---- swarm and views ------------------------------------------------------------------------------------------ */

static enum gv_err check_swarm(const struct gv_scenario *scenario, struct gv_diag *diag)
{
    uint64_t duration = scenario->swarm.duration_us;
    if (duration == 0) {
        return blame(scenario, diag, "swarm", "duration", "is 0: expected the virtual time to simulate, as 10min");
    }
    if (scenario->swarm.nodes < 2 && scenario->swarm.mode != GV_MODE_TRAIN) {
        return blame(scenario, diag, "swarm", "nodes", "is %u: one node has nobody to meet; expected 2 or more",
                     scenario->swarm.nodes);
    }
    if (scenario->swarm.arrival_us >= duration) {
        return blame(scenario, diag, "swarm", "arrival",
                     "is not shorter than swarm.duration: the last nodes would never come");
    }
    if (scenario->report.every_us < EVERY_LEAST_US && scenario->report.every_us != duration) {
        return blame(scenario, diag, "report", "every", "is too short: expected 1ms or more, or 0");
    }
    if (scenario->report.choice_from_us > duration) {
        return blame(scenario, diag, "report", "choice_from", "is after swarm.duration: nothing would be counted");
    }
    if (scenario->report.every_us > duration) {
        return blame(scenario, diag, "report", "every", "is longer than swarm.duration: nothing would be reported");
    }
    return GV_OK;
}

static enum gv_err check_views(const struct gv_scenario *scenario, struct gv_diag *diag)
{
    const struct gv_core_config *views = &scenario->views;
    const struct {
        const char *small, *large;
        uint64_t least, most;
        bool proper; /* they must differ */
    } orders[] = {
        {"active_min", "active", views->active_min, views->active_target, false},
        {"active", "active_max", views->active_target, views->active_max, false},
        {"active_max", "links", views->active_max, views->links_max, false},
        {"provisional", "links", views->provisional_max, views->links_max, false},
        {"cached_links", "links", views->cached_links_max, views->links_max, false},
        {"record_refresh", "record_life", views->record_refresh_us, views->record_life_us, true},
    };
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        bool good = orders[i].proper ? orders[i].least < orders[i].most : orders[i].least <= orders[i].most;
        /* Blame what was set, not what was left alone. */
        bool blame_large = line_of(scenario, "views", orders[i].small) == 0;
        if (!good && blame_large) {
            return blame(scenario, diag, "views", orders[i].large,
                         "is below views.%s: set that one lower too, or this one higher", orders[i].small);
        }
        if (!good) {
            return blame(scenario, diag, "views", orders[i].small,
                         "is above views.%s: set that one higher too, or this one lower", orders[i].large);
        }
    }
    if (views->active_chosen_min > views->active_max / 2) {
        return blame(scenario, diag, "views", line_of(scenario, "views", "chosen_min") ? "chosen_min" : "active_max",
                     "a node dials %u neighbours itself, which may be half of views.active_max = %u at most; set "
                     "views.chosen_min = %u",
                     views->active_chosen_min, views->active_max, views->active_max / 2);
    }
    return GV_OK;
}

/* ---- learning ------------------------------------------------------------------------------------------------- */

static enum gv_err check_model(const struct gv_scenario *scenario, struct gv_diag *diag)
{
    struct gv_model *model = NULL;
    struct gv_diag inner = {.text = ""};
    enum gv_err err = gv_model_new(&model, scenario->learning.training.model, &inner);
    gv_model_free(&model);
    return err == GV_OK ? GV_OK : blame(scenario, diag, "learning", "model", "%s", inner.text);
}

static enum gv_err check_learning(const struct gv_scenario *scenario, struct gv_diag *diag)
{
    struct gv_diag inner = {.text = ""};
    struct gv_manifest manifest = {.name = "scenario",
                                   .version = 1,
                                   .epoch = 1,
                                   .training = scenario->learning.training,
                                   .local_steps = scenario->learning.local_steps,
                                   .exchange_momentum = scenario->learning.exchange_momentum};
    bool push = scenario->learning.exchange == GV_EXCHANGE_PUSH;
    if (push && line_of(scenario, "learning", "settle") != 0 && scenario->learning.settle_exchanges > 0) {
        return blame(scenario, diag, "learning", "settle",
                     "has no meaning with learning.exchange = push, which averages one end only: set it to 0, or "
                     "exchange in pairs");
    }
    if (scenario->swarm.mode != GV_MODE_TRAIN) {
        return GV_OK;
    }
    if (scenario->learning.training.batch > GV_SCENARIO_BATCH_MAX) {
        return blame(scenario, diag, "learning", "batch", "is %u: expected at most %u rows",
                     scenario->learning.training.batch, GV_SCENARIO_BATCH_MAX);
    }
    if (gv_manifest_check(&manifest, &inner) != GV_OK) {
        const char *name = strncmp(inner.text, "rate_decay", 10) == 0          ? "rate_decay"
                           : strncmp(inner.text, "rate", 4) == 0               ? "rate"
                           : strncmp(inner.text, "schedule", 8) == 0           ? "schedule"
                           : strncmp(inner.text, "total_age", 9) == 0          ? "total_age"
                           : strncmp(inner.text, "exchange_momentum", 17) == 0 ? "exchange_momentum"
                                                                               : "batch";
        return blame(scenario, diag, "learning", name, "%s", inner.text);
    }
    return check_model(scenario, diag);
}

static enum gv_err check_starved(const struct gv_scenario *scenario, struct gv_diag *diag)
{
    bool some = scenario->compute.starved_share > 0;
    const struct gv_dist *times[] = {&scenario->compute.starved_for, &scenario->compute.starved_every};
    for (size_t i = 0; i < 2; i++) {
        const char *name = i == 0 ? "starved_for" : "starved_every";
        if (some && gv_dist_is_zero(times[i])) {
            return blame(scenario, diag, "compute", line_of(scenario, "compute", name) != 0 ? name : "starved_share",
                         "needs %s to be a time above 0, as 2s", name);
        }
        if (!some && line_of(scenario, "compute", name) != 0) {
            return blame(scenario, diag, "compute", name,
                         "has no meaning without starved nodes: set compute.starved_share, as 20%%");
        }
    }
    return GV_OK;
}

static enum gv_err check_compute(const struct gv_scenario *scenario, struct gv_diag *diag)
{
    enum gv_err err = check_starved(scenario, diag);
    if (err != GV_OK) {
        return err;
    }
    if (scenario->swarm.mode != GV_MODE_TRAIN) {
        return GV_OK;
    }
    if (gv_dist_least(&scenario->compute.step_time) < STEP_LEAST_US) {
        return blame(
            scenario, diag, "compute", "step_time",
            "could be 0, and a step takes time: expected a constant, uniform or lognormal time of at least 1us");
    }
    if (gv_dist_is_zero(&scenario->compute.jitter)) {
        return blame(scenario, diag, "compute", "jitter", "is 0, and a round takes time: expected a factor, as 1");
    }
    if (line_of(scenario, "compute", "straggler_factor") != 0 && !(scenario->compute.straggler_share > 0)) {
        return blame(scenario, diag, "compute", "straggler_factor",
                     "has no meaning without stragglers: set compute.straggler_share, as 10%%");
    }
    return GV_OK;
}

/* ---- network, adversaries ------------------------------------------------------------------------------------- */

static enum gv_err check_network(const struct gv_scenario *scenario, struct gv_diag *diag)
{
    const struct gv_dist *lines[] = {&scenario->network.up, &scenario->network.down};
    for (size_t i = 0; i < 2; i++) {
        if (!gv_dist_is_zero(lines[i]) && gv_dist_least(lines[i]) < GV_BANDWIDTH_LEAST) {
            const char *name = i == 0 ? "up" : "down";
            bool both = line_of(scenario, "network", name) == 0 && line_of(scenario, "network", "bandwidth") != 0;
            return blame(scenario, diag, "network", both ? "bandwidth" : name,
                         "could be below 1kbit a second, with which no frame gets through in time: expected 0 "
                         "(unlimited), or a constant, uniform or lognormal bandwidth of more");
        }
    }
    if (scenario->swarm.same_seeds && scenario->network.outbound_only > 0) {
        return blame(scenario, diag, "network", "outbound_only",
                     "may strike the seeds of swarm.same_seeds, and nobody could join: take one of them out");
    }
    if (scenario->network.outbound_only >= 1) {
        return blame(scenario, diag, "network", "outbound_only",
                     "is 100%%: nobody can be dialled, so nobody meets anybody; expected less");
    }
    if (line_of(scenario, "network", "slow_rate") != 0 && !(scenario->network.slow_share > 0)) {
        return blame(scenario, diag, "network", "slow_rate",
                     "has no meaning without slow nodes: set network.slow_share, as 10%%");
    }
    return GV_OK;
}

static enum gv_err check_adversaries(const struct gv_scenario *scenario, struct gv_diag *diag)
{
    bool some = scenario->adversaries.fraction > 0;
    bool attack = scenario->adversaries.attack != GV_ATTACK_NONE;
    if (some && !attack) {
        return blame(scenario, diag, "adversaries", "fraction",
                     "there are adversaries that do nothing: set adversaries.attack, as sign-flip or any");
    }
    if (scenario->swarm.mode == GV_MODE_MEMBERSHIP && attack &&
        !gv_attack_is_on_protocol(scenario->adversaries.attack)) {
        return blame(scenario, diag, "adversaries", "fraction",
                     "there are no parameters to falsify with swarm.mode = membership: attack the protocol, as with "
                     "adversaries.attack = any, or set swarm.mode = train");
    }
    const struct {
        const char *key;
        bool set;
    } idle[] = {{"attack", attack},
                {"scale", line_of(scenario, "adversaries", "scale") != 0},
                {"one_inviter", line_of(scenario, "adversaries", "one_inviter") != 0}};
    for (size_t i = 0; i < sizeof idle / sizeof idle[0] && !some; i++) {
        if (idle[i].set) {
            return blame(scenario, diag, "adversaries", idle[i].key,
                         "there is nobody to do it: set adversaries.fraction, as 10%%");
        }
    }
    return GV_OK;
}

/* ---- churn and faults ----------------------------------------------------------------------------------------- */

static enum gv_err check_churn(const struct gv_scenario *scenario, struct gv_diag *diag)
{
    bool sessions = !gv_dist_is_zero(&scenario->churn.session);
    bool back = !gv_dist_is_zero(&scenario->churn.downtime);
    bool rate = scenario->churn.rate > 0;
    bool killed = has_fault(scenario, GV_FAULT_KILL) || has_fault(scenario, GV_FAULT_VANISH);
    if (sessions && rate) {
        return blame(scenario, diag, "churn", "rate",
                     "says how long nodes stay, and so does churn.session: take one of them out");
    }
    if (back && !sessions && !rate && !killed) {
        return blame(scenario, diag, "churn", "downtime",
                     "nobody ever goes down: set churn.session, churn.rate or a kill in [faults]");
    }
    if (scenario->churn.torn_state > 0 && !back && !has_fault(scenario, GV_FAULT_RESTART) &&
        scenario->faults_end_us == 0) {
        return blame(scenario, diag, "churn", "torn_state",
                     "nobody ever starts again: set churn.downtime or a restart in [faults]");
    }
    return GV_OK;
}

/* " (line 12)", " (--set)", or nothing for a default: where the other side of a contradiction stands. */
static void place_of(char out[32], const struct gv_scenario *scenario, const char *section, const char *name)
{
    uint32_t line = line_of(scenario, section, name);
    out[0] = '\0';
    if (line == GV_SCENARIO_SET) {
        (void)snprintf(out, 32, " (--set)");
    } else if (line != 0) {
        (void)snprintf(out, 32, " (line %u)", line);
    }
}

static enum gv_err check_fault(const struct gv_scenario *scenario, const struct gv_fault *fault, uint64_t *nodes,
                               struct gv_diag *diag)
{
    char text[160];
    char length[48];
    char place[32];
    const char *name = gv_scenario_fault_name(fault->kind);
    uint64_t last = fault->until_us > fault->at_us ? fault->until_us : fault->at_us;
    (void)gv_scenario_fault_write(text, sizeof text, fault);
    if (fault->at_us >= scenario->swarm.duration_us || last > scenario->swarm.duration_us) {
        (void)gv_quantity_write(length, sizeof length, (double)scenario->swarm.duration_us, GV_DIM_TIME);
        place_of(place, scenario, "swarm", "duration");
        return blame(scenario, diag, "faults", name,
                     "\"%s\" is after the end: swarm.duration = %s%s is over before it; strike earlier, or --set "
                     "faults.%s=none",
                     text, length, place, name);
    }
    if (scenario->faults_end_us != 0 && last > scenario->faults_end_us) {
        place_of(place, scenario, "faults", "end");
        return blame(scenario, diag, "faults", name, "\"%s\" is after faults.end%s: end later, or strike earlier", text,
                     place);
    }
    if (fault->kind == GV_FAULT_ARRIVE && fault->at_us + scenario->swarm.arrival_us > scenario->swarm.duration_us) {
        place_of(place, scenario, "swarm", "arrival");
        return blame(
            scenario, diag, "faults", name,
            "\"%s\": they come spread over swarm.arrival%s, the last of them after the end; strike earlier, or "
            "set swarm.arrival lower",
            text, place);
    }
    if (fault->seeds && (!scenario->swarm.same_seeds || fault->kind == GV_FAULT_ARRIVE)) {
        return blame(scenario, diag, "faults", name, "\"%s\": %s", text,
                     fault->kind == GV_FAULT_ARRIVE ? "expected how many arrive"
                                                    : "every node has its own seeds unless swarm.same_seeds = yes");
    }
    if (fault->kind == GV_FAULT_PARTITION && fault->until_us <= fault->at_us) {
        return blame(scenario, diag, "faults", name, "\"%s\" has no end: expected from TIME to TIME", text);
    }
    bool counted = !(fault->share > 0);
    if (fault->kind == GV_FAULT_PARTITION && (counted ? fault->count >= *nodes : fault->share >= 1)) {
        return blame(scenario, diag, "faults", name,
                     "\"%s\" has everybody on one side, which parts nobody: expected less than all of the nodes", text);
    }
    bool arrive = fault->kind == GV_FAULT_ARRIVE;
    *nodes += !arrive ? 0 : counted ? fault->count : (uint64_t)(fault->share * (double)*nodes + 1);
    if (counted && !arrive && fault->count > *nodes) {
        return blame(scenario, diag, "faults", name, "\"%s\", but there are never more than %llu nodes", text,
                     (unsigned long long)*nodes);
    }
    return GV_OK;
}

static enum gv_err check_faults(const struct gv_scenario *scenario, struct gv_diag *diag)
{
    double arrivals = scenario->churn.arrivals * (double)scenario->swarm.duration_us;
    uint64_t nodes = scenario->swarm.nodes + (uint64_t)arrivals;
    for (uint32_t i = 0; i < scenario->fault_count; i++) {
        enum gv_err err = check_fault(scenario, &scenario->faults[i], &nodes, diag);
        if (err != GV_OK) {
            return err;
        }
    }
    double revoked = revocations(scenario);
    if (revoked > GV_SCENARIO_REVOCATIONS_MAX) {
        return blame(scenario, diag, "faults", "revoke", "revokes about %.0f nodes in all: expected at most %u",
                     revoked, GV_SCENARIO_REVOCATIONS_MAX);
    }
    if (nodes > GV_SCENARIO_NODES_MAX) {
        bool poisson = arrivals >= 1;
        return blame(scenario, diag, poisson ? "churn" : "faults", poisson ? "arrivals" : "arrive",
                     "there would be %llu nodes in the end, at most %u are possible", (unsigned long long)nodes,
                     GV_SCENARIO_NODES_MAX);
    }
    if (scenario->faults_end_us >= scenario->swarm.duration_us) {
        return blame(scenario, diag, "faults", "end",
                     "is not before the end of swarm.duration: the swarm would have no time to recover");
    }
    return GV_OK;
}

uint64_t gv_scenario_every(uint64_t duration_us)
{
    static const uint64_t MS = 1000;
    static const uint64_t STEPS[] = {86400000, 43200000, 21600000, 7200000, 3600000, 1800000, 900000, 600000, 300000,
                                     120000,   60000,    30000,    15000,   10000,   5000,    2000,   1000,   500,
                                     200,      100,      50,       20,      10,      5,       2,      1};
    for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
        if (STEPS[i] * MS * SAMPLES_WANTED <= duration_us) {
            return STEPS[i] * MS;
        }
    }
    return duration_us > MS ? MS : duration_us;
}

enum gv_err gv_scenario_check(struct gv_scenario *scenario, struct gv_diag *diag)
{
    static enum gv_err (*const checks[])(const struct gv_scenario *scenario, struct gv_diag *diag) = {
        check_mode,    check_swarm,       check_views, check_learning, check_compute,
        check_network, check_adversaries, check_churn, check_faults,
    };
    if (scenario->report.every_us == 0) {
        scenario->report.every_us = gv_scenario_every(scenario->swarm.duration_us);
    }
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        enum gv_err err = checks[i](scenario, diag);
        if (err != GV_OK) {
            return err;
        }
    }
    return GV_OK;
}
