/*
 * Setting a simulation up, running it, summing it up. See simulate.h.
 */
#include "simulate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "learning_rows.h"
#include "wire.h"
#include "world.h"

static void locals_free(struct gv_sim *sim)
{
    for (uint32_t i = 0; sim->locals != NULL && i < sim->threads; i++) {
        struct gv_sim_local *local = &sim->locals[i];
        free(local->effects);
        free(local->msg_in);
        free(local->msg_out);
        free(local->encode);
        gv_learning_scratch_free(&local->scratch);
    }
    free(sim->locals);
    sim->locals = NULL;
}

static enum gv_err locals_new(struct gv_sim *sim)
{
    sim->locals = calloc(sim->threads, sizeof *sim->locals);
    if (sim->locals == NULL) {
        return GV_ERR_NOMEM;
    }
    for (uint32_t i = 0; i < sim->threads; i++) {
        struct gv_sim_local *local = &sim->locals[i];
        local->greeting = GV_NODE_NONE;
        local->effects = calloc(1, sizeof *local->effects);
        local->msg_in = calloc(1, sizeof *local->msg_in);
        local->msg_out = calloc(1, sizeof *local->msg_out);
        local->encode = malloc(GV_SIM_ENCODE_BYTES);
        bool memory =
            local->effects != NULL && local->msg_in != NULL && local->msg_out != NULL && local->encode != NULL;
        if (!memory || (sim->learning != NULL && gv_learning_scratch_new(&local->scratch, sim->learning) != GV_OK)) {
            return GV_ERR_NOMEM;
        }
    }
    return GV_OK;
}

/* True if processes come back from a checkpoint in this scenario. */
static bool wants_checkpoints(const struct gv_scenario *scenario)
{
    bool restarts = !gv_dist_is_zero(&scenario->churn.downtime);
    for (uint32_t i = 0; i < scenario->fault_count; i++) {
        restarts = restarts || scenario->faults[i].kind == GV_FAULT_RESTART;
    }
    return restarts && scenario->swarm.mode == GV_MODE_TRAIN;
}

static enum gv_err set_up(struct gv_sim *sim, struct gv_diag *diag)
{
    const struct gv_scenario *scenario = sim->scenario;
    enum gv_err err = GV_OK;
    if (scenario->swarm.mode != GV_MODE_MEMBERSHIP) {
        err = gv_learning_new(&sim->learning, scenario, sim->seed, diag);
    }
    if (err == GV_OK && sim->run->out_dir != NULL) {
        err = gv_report_new(&sim->report, sim->run->out_dir, scenario, sim->seed, diag);
    }
    if (err == GV_OK) {
        err = gv_sim_world_new(sim, diag);
    }
    if (err != GV_OK) {
        return err;
    }
    uint64_t bytes = sim->learning == NULL ? 0 : gv_learning_parameters(sim->learning) * sizeof(float);
    sim->immediate = bytes <= GV_SIM_IMMEDIATE_BYTES;
    sim->checkpoints = wants_checkpoints(scenario);
    void *locals[GV_THREADS_MAX];
    err = locals_new(sim);
    for (uint32_t i = 0; err == GV_OK && i < sim->threads; i++) {
        locals[i] = &sim->locals[i];
    }
    const struct gv_world world = {.context = sim,
                                   .handle = gv_sim_handle,
                                   .prefetch = gv_sim_prefetch,
                                   .control = gv_sim_control,
                                   .drop = gv_sim_drop};
    if (err == GV_OK) {
        err = gv_engine_new(&sim->engine, &world, sim->nodes_max, gv_network_window(scenario), sim->threads, locals);
    }
    return err == GV_OK ? GV_OK : gv_diag_set(diag, err, "no memory for %u threads", sim->threads);
}

static const char *trail_word(uint8_t kind)
{
    return kind == 0 ? "-" : gv_kind_name(kind);
}

static void describe_violation(const struct gv_sim *sim, struct gv_violation *violation)
{
    const struct gv_sim_violation *found = &sim->violation;
    size_t used = 0;
    memset(violation, 0, sizeof *violation);
    if (!found->found) {
        return;
    }
    memcpy(violation->name, found->name, sizeof violation->name);
    violation->virtual_s = (double)found->at_us / 1e6;
    violation->node = found->node;
    const struct gv_trail *trail = found->node < sim->node_count ? sim->nodes[found->node].trail : NULL;
    for (uint32_t i = 0; trail != NULL && i < GV_TRAIL_LENGTH; i++) {
        const struct gv_trail_item *item = &trail->item[(trail->next + i) % GV_TRAIL_LENGTH];
        if (item->event == 0 || used + 120 > sizeof violation->trail) {
            continue;
        }
        int wrote =
            snprintf(violation->trail + used, sizeof violation->trail - used,
                     "  %12.6f s  event %2u %-14s effect %2u %-14s link %u\n", (double)item->at_us / 1e6, item->event,
                     trail_word(item->msg_in), item->effect, trail_word(item->msg_out), item->link);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

static void sum_up(const struct gv_sim *sim, struct gv_summary *summary, double setup_s)
{
    const struct gv_sample *last = &sim->sample;
    memset(summary, 0, sizeof *summary);
    summary->last = *last;
    if (sim->learning != NULL) {
        gv_learning_rows(sim->learning, &summary->rows);
    }
    summary->setup_wall_s = setup_s;
    summary->nodes = sim->node_count;
    summary->peak_rss_bytes = gv_sim_peak_rss_bytes();
    summary->threads = sim->threads;
    summary->seed = sim->seed;
    memcpy(summary->newcomer_rates, sim->newcomer_rates, sizeof summary->newcomer_rates);
    summary->trace_hash = gv_sim_trace(sim);
    double train = 0.0;
    double merge = 0.0;
    double evaluate = 0.0;
    for (uint32_t i = 0; i < sim->threads; i++) {
        train += sim->locals[i].train_s;
        merge += sim->locals[i].merge_s;
        evaluate += sim->locals[i].evaluate_s;
    }
    double cores = last->wall_s * sim->threads;
    bool learns = sim->scenario->swarm.mode == GV_MODE_TRAIN && cores > 0.0;
    summary->compute_share = learns ? train / cores : (double)NAN;
    summary->merge_share = learns ? merge / cores : (double)NAN;
    summary->evaluate_share = learns ? evaluate / cores : (double)NAN;
    summary->variance_factor = summary->mean_drift = (double)NAN;
    double cycles = (double)(sim->factor_us - sim->first_us) / (double)sim->scenario->swarm.round_us;
    if (sim->first_taken && sim->first_variance > 0.0) {
        summary->mean_drift = fabs(last->mean - sim->first_mean) / sqrt(sim->first_variance);
    }
    if (sim->first_taken && cycles > 0.0 && sim->first_variance > 0.0) {
        summary->variance_factor = pow(sim->factor_variance / sim->first_variance, 1.0 / cycles);
    }
    gv_vitals_sum(sim, &summary->vitals);
    summary->partial = sim->partial || sim->failed != GV_OK;
    summary->violated = sim->violation.found ? gv_check_name(sim->violation.name) : NULL;
}

enum gv_err gv_simulate(struct gv_summary *summary, struct gv_violation *violation, const struct gv_scenario *scenario,
                        const struct gv_run *run, struct gv_diag *diag)
{
    struct gv_sim *sim = calloc(1, sizeof *sim);
    struct gv_diag unused;
    if (sim == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "no memory for a simulation");
    }
    double start = gv_sim_seconds();
    sim->scenario = scenario;
    sim->run = run;
    sim->seed = run->seed;
    sim->threads = run->threads < 1 ? 1 : (run->threads > GV_THREADS_MAX ? GV_THREADS_MAX : run->threads);
    sim->diag = diag != NULL ? diag : &unused;
    sim->started_s = start;
    gv_progress_init(&sim->progress, run->progress);
    enum gv_err err = set_up(sim, sim->diag);
    bool ran = err == GV_OK;
    if (ran) {
        gv_engine_run(sim->engine, scenario->swarm.duration_us);
        gv_progress_clear(&sim->progress);
        err = sim->failed;
        sum_up(sim, summary, sim->started_s - start);
    }
    if (violation != NULL) {
        describe_violation(sim, violation);
    }
    if (ran && sim->report != NULL) { /* of a run that failed too: it may have taken hours */
        struct gv_diag later;
        enum gv_err written = gv_report_finish(sim->report, summary, err == GV_OK ? sim->diag : &later);
        err = err != GV_OK ? err : written;
    }
    gv_engine_free(&sim->engine);
    gv_report_free(&sim->report);
    gv_sim_world_free(sim);
    locals_free(sim);
    gv_learning_free(&sim->learning);
    free(sim);
    return err;
}
