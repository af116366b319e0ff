/*
 * How well a swarm holds together: see vitals.h.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define BIN_US 100000u
#define ARRIVING_US 5000000u /* a start takes a dial, a greeting and a request */
#define SETTLED_US 60000000u /* a node that has been up for less may be declared dead for its life before */

/* ---- delays -------------------------------------------------------------------------------------------------- */

void gv_delays_add(struct gv_delays *delays, uint64_t us)
{
    uint64_t bin = us / BIN_US;
    delays->count++;
    delays->most_us = us > delays->most_us ? us : delays->most_us;
    delays->bins[bin < GV_DELAY_BINS ? bin : GV_DELAY_BINS - 1]++;
}

void gv_delays_merge(struct gv_delays *into, const struct gv_delays *from)
{
    into->count += from->count;
    into->most_us = from->most_us > into->most_us ? from->most_us : into->most_us;
    for (uint32_t i = 0; i < GV_DELAY_BINS; i++) {
        into->bins[i] += from->bins[i];
    }
}

/* The upper end of the bin of the delay that `share` of all do not exceed; no more than the longest. */
static double percentile_s(const struct gv_delays *delays, double share)
{
    uint64_t wanted = (uint64_t)ceil(share * (double)delays->count);
    uint64_t seen = 0;
    for (uint32_t i = 0; i + 1 < GV_DELAY_BINS; i++) {
        seen += delays->bins[i];
        if (seen >= wanted) {
            uint64_t end_us = (uint64_t)(i + 1) * BIN_US;
            return (double)(end_us < delays->most_us ? end_us : delays->most_us) / 1e6;
        }
    }
    return (double)delays->most_us / 1e6;
}

struct gv_delay_figures gv_delays_figures(const struct gv_delays *delays)
{
    struct gv_delay_figures figures = {.median_s = (double)NAN, .p99_s = (double)NAN, .most_s = (double)NAN};
    figures.count = delays->count;
    if (delays->count > 0) {
        figures.median_s = percentile_s(delays, 0.5);
        figures.p99_s = percentile_s(delays, 0.99);
        figures.most_s = (double)delays->most_us / 1e6;
    }
    return figures;
}

/* ---- what happens to nodes ----------------------------------------------------------------------------------- */

static void note_wait(struct gv_vitals_watch *watch, const struct gv_sim_node *node, uint64_t now_us)
{
    uint64_t gap_us = now_us - node->exchanged_us;
    bool counts = node->live && node->end == GV_END_NONE && !node->hostile;
    watch->gap_most_us = counts && gap_us > watch->gap_most_us ? gap_us : watch->gap_most_us;
}

void gv_vitals_end(struct gv_sim *sim, uint32_t index, enum gv_end end, uint64_t now_us)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (end != GV_END_NONE) { /* whoever ends between two samples has waited too */
        note_wait(&sim->vitals, node, now_us);
    }
    node->end = (uint8_t)end;
    node->end_us = now_us;
    node->exchanged_us = now_us;
    node->eclipsed_us = UINT64_MAX;
}

void gv_vitals_cut(struct gv_sim *sim, const uint8_t *side)
{
    struct gv_vitals_watch *watch = &sim->vitals;
    uint8_t *copy = malloc(sim->node_count + 1);
    if (copy == NULL) {
        return;
    }
    for (uint32_t i = 0; i < sim->node_count; i++) {
        copy[i] = side[i / 8] >> (i % 8) & 1;
    }
    free(watch->side);
    watch->side = copy;
    watch->side_count = sim->node_count;
}

static void removed(const struct gv_sim_node *node, struct gv_vitals_local *local, const struct gv_sim_node *target,
                    uint64_t now_us)
{
    if (node->hostile || target->hostile) {
        return;
    }
    if (target->end == GV_END_CRASHED) {
        gv_delays_add(&local->crashes, now_us - target->end_us);
    } else if (target->end == GV_END_NONE && !target->copied && now_us - target->end_us >= SETTLED_US) {
        local->false_removals++;
    }
}

static void exchanged(struct gv_sim_node *node, struct gv_vitals_local *local, const struct gv_sim_node *target,
                      uint64_t now_us)
{
    uint64_t gap_us = now_us - node->exchanged_us;
    node->exchanged_us = now_us;
    if (!node->hostile) {
        local->gap_most_us = gap_us > local->gap_most_us ? gap_us : local->gap_most_us;
        local->honest_ends++;
        local->hostile_ends += target->hostile ? 1 : 0;
    }
}

void gv_vitals_log(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_effect *effect)
{
    enum gv_log_code code = effect->u.log.code;
    if (code != GV_LOG_DEAD && code != GV_LOG_LEFT && code != GV_LOG_EXCHANGE_DONE) {
        return;
    }
    uint32_t who = gv_identities_find(sim->identities, &effect->target);
    if (who == GV_NODE_NONE) {
        return;
    }
    struct gv_vitals_local *local = &gv_sim_local(thread)->vitals;
    const struct gv_sim_node *target = &sim->nodes[who];
    if (code == GV_LOG_DEAD) {
        removed(&sim->nodes[index], local, target, thread->now_us);
    } else if (code == GV_LOG_EXCHANGE_DONE) {
        exchanged(&sim->nodes[index], local, target, thread->now_us);
    } else if (target->end == GV_END_LEFT) {
        gv_delays_add(&local->leaves, thread->now_us - target->end_us);
    }
}

void gv_vitals_learnt(struct gv_sim *sim, struct gv_thread *thread, uint32_t entry)
{
    gv_delays_add(&gv_sim_local(thread)->vitals.revocations, thread->now_us - sim->vitals.revoked_us[entry]);
}

/* ---- samples ------------------------------------------------------------------------------------------------- */

void gv_vitals_count(struct gv_sim *sim, uint64_t now_us)
{
    struct gv_vitals_watch *watch = &sim->vitals;
    watch->node_s += (double)sim->live_count * (double)(now_us - watch->counted_us) / 1e6;
    watch->counted_us = now_us;
    if (!watch->half_taken && now_us >= sim->scenario->swarm.duration_us / 2) {
        watch->half_taken = true;
        watch->half_node_s = watch->node_s;
        watch->half_messages = watch->half_bytes = 0;
        for (uint32_t i = 0; i < sim->threads; i++) {
            watch->half_messages += sim->locals[i].messages;
            watch->half_bytes += sim->locals[i].bytes;
        }
    }
}

/* named (node_count) <- whom somebody live has as a neighbour, and so in its component. */
static void mark_named(const struct gv_sim *sim, const struct gv_view_table *views, bool *named)
{
    for (uint32_t i = 0; i < sim->live_count; i++) {
        const uint32_t *row = views->peers + (size_t)sim->live[i] * views->width;
        for (uint32_t k = 0; k < views->active[sim->live[i]] && !sim->nodes[sim->live[i]].copy; k++) {
            named[row[k]] = true;
        }
    }
}

/* Those whom the swarm must hold; *young of them have only just started, and are alone in a component: they have nobody
   yet, and nobody has them. */
static uint32_t count_held(const struct gv_sim *sim, const struct gv_view_table *views, uint64_t now_us,
                           uint32_t *young)
{
    uint32_t count = 0;
    bool *named = calloc(sim->node_count + 1u, sizeof *named);
    GV_ASSERT(named != NULL);
    mark_named(sim, views, named);
    *young = 0;
    for (uint32_t i = 0; i < sim->live_count; i++) {
        uint32_t index = sim->live[i];
        const struct gv_sim_node *node = &sim->nodes[index];
        bool arriving = now_us - node->end_us < ARRIVING_US && views->active[index] == 0 && !named[index];
        count += gv_sim_is_held(node) ? 1 : 0;
        *young += arriving && gv_sim_is_held(node) ? 1 : 0;
    }
    free(named);
    return count;
}

static void look_at_pieces(struct gv_sim *sim, const struct gv_view_table *views, uint64_t now_us)
{
    struct gv_vitals_watch *watch = &sim->vitals;
    const struct gv_sample *sample = &sim->sample;
    uint32_t young = 0;
    uint32_t held = count_held(sim, views, now_us, &young);
    if (held <= young || now_us < sim->scenario->swarm.arrival_us + 2 * ARRIVING_US) {
        return;
    }
    double share = (double)sample->largest_component / (held - young);
    bool one = sample->components <= 1 + young;
    watch->largest_share_least =
        watch->sampled && watch->largest_share_least < share ? watch->largest_share_least : share;
    if (one && (watch->apart || !watch->sampled)) {
        watch->connected_since_us = now_us;
    }
    watch->apart = !one;
    watch->sampled = true;
}

/* The longest that somebody live waits for an exchange, or has a crashed neighbour. */
static void look_at_waits(struct gv_sim *sim, const struct gv_view_table *views, uint64_t now_us)
{
    struct gv_vitals_watch *watch = &sim->vitals;
    for (uint32_t i = 0; i < sim->node_count; i++) {
        const struct gv_sim_node *node = &sim->nodes[i];
        if (!node->live || node->end != GV_END_NONE || node->hostile) {
            continue;
        }
        note_wait(watch, node, now_us);
        const uint32_t *row = views->peers + (size_t)i * views->width;
        for (uint32_t k = 0; k < views->active[i]; k++) {
            const struct gv_sim_node *other = &sim->nodes[row[k]];
            uint64_t dead_us = other->end == GV_END_CRASHED ? now_us - other->end_us : 0;
            watch->ghost_most_us = dead_us > watch->ghost_most_us ? dead_us : watch->ghost_most_us;
        }
    }
}

static void look_across(struct gv_sim *sim, const struct gv_view_table *views)
{
    struct gv_vitals_watch *watch = &sim->vitals;
    double members[2] = {0, 0};
    watch->cross_links = watch->side_links = 0;
    for (uint32_t i = 0; i < watch->side_count; i++) {
        const uint32_t *row = views->peers + (size_t)i * views->width;
        if (!sim->nodes[i].live) {
            continue;
        }
        members[watch->side[i]] += 1.0;
        for (uint32_t k = 0; k < views->active[i]; k++) {
            bool known = row[k] < watch->side_count && sim->nodes[row[k]].live;
            watch->side_links += known ? 1 : 0;
            watch->cross_links += known && watch->side[row[k]] != watch->side[i] ? 1 : 0;
        }
    }
    double all = members[0] + members[1];
    watch->cross_expected = all > 1.0 ? 2.0 * members[0] * members[1] / (all * (all - 1.0)) : (double)NAN;
}

static uint32_t count_hostile(const struct gv_sim *sim, const uint32_t *row, uint32_t count)
{
    uint32_t hostile = 0;
    for (uint32_t k = 0; k < count; k++) {
        hostile += sim->nodes[row[k]].hostile ? 1 : 0;
    }
    return hostile;
}

static double hostile_share(const struct gv_sim *sim)
{
    uint32_t hostile = count_hostile(sim, sim->live, sim->live_count);
    return sim->live_count > 0 ? (double)hostile / sim->live_count : (double)NAN;
}

/* What chance gives for an honest node's view of `size` others, drawn without repetition: hostile ones only. */
static double chance_of_hostile_only(uint32_t hostile, uint32_t others, uint32_t size)
{
    double chance = 1.0;
    for (uint32_t k = 0; k < size; k++) {
        chance *= k < hostile && k < others ? (double)(hostile - k) / (others - k) : 0.0;
    }
    return chance;
}

static void look_at_hostile(struct gv_sim *sim, const struct gv_view_table *views, uint64_t now_us)
{
    struct gv_vitals_watch *watch = &sim->vitals;
    uint32_t all = count_hostile(sim, sim->live, sim->live_count);
    for (uint32_t i = 0; i < sim->live_count; i++) {
        uint32_t index = sim->live[i];
        struct gv_sim_node *node = &sim->nodes[index];
        const uint32_t *row = views->peers + (size_t)index * views->width;
        uint32_t active = views->active[index];
        if (node->hostile) {
            continue;
        }
        uint32_t hostile = count_hostile(sim, row, active);
        watch->neighbours += active;
        watch->hostile_neighbours += hostile;
        watch->known += views->known[index];
        watch->hostile_known += count_hostile(sim, row, views->known[index]);
        if (active == 0 || hostile < active) {
            node->eclipsed_us = UINT64_MAX;
        } else {
            node->eclipsed_us = node->eclipsed_us == UINT64_MAX ? now_us : node->eclipsed_us;
            uint64_t span_us = now_us - node->eclipsed_us;
            watch->eclipsed++;
            watch->eclipsed_most_us = span_us > watch->eclipsed_most_us ? span_us : watch->eclipsed_most_us;
        }
        watch->views += active > 0 ? 1 : 0;
        watch->eclipsed_expected += active > 0 ? chance_of_hostile_only(all, sim->live_count - 1, active) : 0.0;
    }
}

void gv_vitals_graph(struct gv_sim *sim, const struct gv_view_table *views, uint64_t now_us)
{
    look_at_pieces(sim, views, now_us);
    look_at_waits(sim, views, now_us);
    if (sim->vitals.side != NULL) {
        look_across(sim, views);
    }
    if (sim->scenario->adversaries.fraction > 0.0) {
        look_at_hostile(sim, views, now_us);
    }
}

/* ---- the end ------------------------------------------------------------------------------------------------- */

static double ratio(double part, double whole)
{
    return whole > 0.0 ? part / whole : (double)NAN;
}

static double revocations_known(const struct gv_sim *sim)
{
    uint64_t known = 0;
    for (uint32_t i = 0; i < sim->live_count; i++) {
        known += (uint64_t)__builtin_popcountll(sim->nodes[sim->live[i]].entries & sim->revoked);
    }
    return ratio((double)known, (double)__builtin_popcountll(sim->revoked) * sim->live_count);
}

static void sum_hostile(const struct gv_sim *sim, const struct gv_vitals_local *sum, struct gv_vitals *vitals)
{
    const struct gv_vitals_watch *watch = &sim->vitals;
    double views = (double)watch->views;
    vitals->hostile_share = hostile_share(sim);
    vitals->hostile_neighbour_share = ratio((double)watch->hostile_neighbours, (double)watch->neighbours);
    vitals->hostile_known_share = ratio((double)watch->hostile_known, (double)watch->known);
    vitals->hostile_exchange_share = ratio((double)sum->hostile_ends, (double)sum->honest_ends);
    vitals->eclipsed_rate = ratio((double)watch->eclipsed, views);
    vitals->eclipsed_expected = ratio(watch->eclipsed_expected, views);
    vitals->eclipsed_most_s = (double)watch->eclipsed_most_us / 1e6;
}

void gv_vitals_sum(const struct gv_sim *sim, struct gv_vitals *vitals)
{
    const struct gv_vitals_watch *watch = &sim->vitals;
    struct gv_vitals_local *sum = calloc(1, sizeof *sum);
    GV_ASSERT(sum != NULL);
    const double none = (double)NAN;
    for (uint32_t i = 0; i < sim->threads; i++) {
        const struct gv_vitals_local *local = &sim->locals[i].vitals;
        gv_delays_merge(&sum->crashes, &local->crashes);
        gv_delays_merge(&sum->leaves, &local->leaves);
        gv_delays_merge(&sum->revocations, &local->revocations);
        sum->false_removals += local->false_removals;
        sum->honest_ends += local->honest_ends;
        sum->hostile_ends += local->hostile_ends;
        sum->gap_most_us = local->gap_most_us > sum->gap_most_us ? local->gap_most_us : sum->gap_most_us;
    }
    uint64_t messages = sim->sample.messages - watch->half_messages;
    uint64_t bytes = sim->sample.bytes - watch->half_bytes;
    double node_s = watch->node_s - watch->half_node_s;
    uint64_t gap_us = sum->gap_most_us > watch->gap_most_us ? sum->gap_most_us : watch->gap_most_us;
    bool sampled = watch->sampled;
    *vitals = (struct gv_vitals){
        .node_hours = watch->node_s / 3600.0,
        .largest_share_least = sampled ? watch->largest_share_least : none,
        .connected_since_s = sampled && !watch->apart ? (double)watch->connected_since_us / 1e6 : none,
        .exchange_gap_most_s = sim->learning != NULL && sampled ? (double)gap_us / 1e6 : none,
        .crashes = gv_delays_figures(&sum->crashes),
        .leaves = gv_delays_figures(&sum->leaves),
        .revocations = gv_delays_figures(&sum->revocations),
        .revocations_known_share = revocations_known(sim),
        .ghost_most_s = sampled ? (double)watch->ghost_most_us / 1e6 : none,
        .false_removals = sum->false_removals,
        .messages_per_node_s = watch->half_taken ? ratio((double)messages, node_s) : none,
        .bytes_per_node_s = watch->half_taken ? ratio((double)bytes, node_s) : none,
        .cross_share = watch->side != NULL ? ratio((double)watch->cross_links, (double)watch->side_links) : none,
        .cross_expected = watch->side != NULL ? watch->cross_expected : none,
        .hostile_share = none,
        .hostile_neighbour_share = none,
        .hostile_known_share = none,
        .hostile_exchange_share = none,
        .eclipsed_rate = none,
        .eclipsed_expected = none,
        .eclipsed_most_s = none,
    };
    if (sim->scenario->adversaries.fraction > 0.0) {
        sum_hostile(sim, sum, vitals);
    }
    free(sum);
}

void gv_vitals_free(struct gv_sim *sim)
{
    free(sim->vitals.side);
    sim->vitals.side = NULL;
}
