/*
 * What the trainer and the worker thread of a daemon do in exchanges, for a simulated node: snapshots, staging,
 * merging. Each is pure work on the node's replica with a virtual duration above zero: it is pushed to the node's
 * lane when it is asked for and joined when its result is due, so that all cores are busy meanwhile. States of a
 * few kilobytes are worked on at once instead. Rounds of training are node_rounds.c's.
 */
#include <stdlib.h>
#include <string.h>

#include "gv/chunks.h"
#include "learner.h"
#include "world.h"

#define HASHED_ELEMENTS_MAX 65536u

enum work_kind { WORK_TRAIN, WORK_SNAPSHOT, WORK_COMMIT, WORK_ADOPT, WORK_CHECKPOINT, WORK_NONE };

struct gv_sim_work {
    struct gv_job job; /* first: the lane knows only this */
    enum work_kind kind;
    struct gv_sim *sim;
    struct gv_sim_node *node;
    uint32_t steps; /* TRAIN */
    double age;
    struct gv_snapshot *snapshot; /* SNAPSHOT; holds a reference */
    uint64_t noise_seed;
    struct gv_sim_stage *stage; /* COMMIT, ADOPT; owned */
    /* what the core is told when it is done */
    enum gv_event_kind answer;
    enum gv_err verdict;
    uint64_t nonce;
    uint32_t index;
};

static void stage_free(struct gv_sim_stage *stage)
{
    if (stage == NULL) {
        return;
    }
    for (uint32_t i = 0; i < stage->chunk_count; i++) {
        gv_sim_frame_free(stage->chunks[i]);
    }
    gv_snapshot_release(&stage->snapshot);
    gv_snapshot_release(&stage->sent);
    free(stage);
}

static void work_free(struct gv_sim_work *work)
{
    stage_free(work->stage);
    gv_snapshot_release(&work->snapshot);
    free(work);
}

uint32_t gv_sim_buffers(const struct gv_sim_node *node)
{
    uint32_t count = node->stage != NULL ? 1 : 0;
    for (const struct gv_frame *frame = node->parked; frame != NULL; frame = frame->next) {
        count++;
    }
    for (uint32_t i = 0; i < GV_SIM_PINS_MAX; i++) {
        count += node->pins[i] != NULL ? 1 : 0;
    }
    return count;
}

/* ---- the work itself ---------------------------------------------------------------------------------------- */

static struct gv_span payload_of(const struct gv_frame *frame)
{
    struct gv_span span = gv_sim_frame_span(frame);
    return (struct gv_span){.data = span.data + frame->payload_offset, .bytes = frame->payload_bytes};
}

static void merge(struct gv_sim_work *work)
{
    const struct gv_sim_stage *stage = work->stage;
    struct gv_span few[16];
    struct gv_span *spans = stage->chunk_count <= 16 ? few : calloc(stage->chunk_count, sizeof *spans);
    GV_ASSERT(spans != NULL);
    for (uint32_t i = 0; i < stage->chunk_count; i++) {
        spans[i] = payload_of(stage->chunks[i]);
    }
    if (work->kind == WORK_ADOPT) {
        gv_replica_adopt(work->node->replica, spans, stage->chunk_count, stage->codec, stage->chunk_bytes);
    } else {
        float weight = (float)stage->weight_q16 / (float)GV_Q16_ONE;
        gv_replica_commit(work->node->replica, stage->snapshot, spans, weight);
    }
    if (spans != few) {
        free(spans);
    }
}

/* Sends others what it does not have. */
static bool lies(const struct gv_sim_node *node)
{
    return node->hostile && node->attacker == NULL;
}

/* A model that is not finite is nobody's to merge with: its own core is told, as the daemon's trainer tells its. */
static void take_snapshot(struct gv_sim_work *work)
{
    const struct gv_scenario *scenario = work->sim->scenario;
    enum gv_attack attack = lies(work->node) ? scenario->adversaries.attack : GV_ATTACK_NONE;
    gv_replica_snapshot(work->node->replica, work->snapshot, attack, scenario->adversaries.scale, work->noise_seed);
    bool exchange = work->answer == GV_EV_SNAPSHOT; /* not a pin */
    work->verdict = exchange && !gv_replica_finite(work->node->replica) ? GV_ERR_DIVERGED : GV_OK;
}

/* Core time is told apart only where learning is what costs: reading a clock takes longer than a small merge. */
static double work_clock(const struct gv_sim *sim)
{
    return sim->scenario->swarm.mode == GV_MODE_TRAIN ? gv_sim_seconds() : 0.0;
}

static void run(struct gv_job *job, struct gv_thread *thread)
{
    struct gv_sim_work *work = (struct gv_sim_work *)(void *)job;
    struct gv_sim_local *local = gv_sim_local(thread);
    const struct gv_sim *sim = work->sim; /* some work frees itself */
    double start = work_clock(sim);
    gv_learner_thread_init(); /* deltas round as training rounds */
    switch (work->kind) {
    case WORK_TRAIN: {
        gv_replica_train(work->node->replica, local->scratch, work->steps, work->age, &work->node->loss_sum);
        work->node->loss_steps += work->steps;
        local->train_s += work_clock(sim) - start;
        work_free(work);
        return;
    }
    case WORK_SNAPSHOT:
        take_snapshot(work);
        break;
    case WORK_COMMIT:
    case WORK_ADOPT:
        merge(work);
        break;
    case WORK_CHECKPOINT: /* without memory for it, the last one stays */
        (void)!gv_replica_checkpoint(work->node->replica);
        work_free(work);
        break;
    default:
        break;
    }
    local->merge_s += work_clock(sim) - start;
}

static struct gv_sim_work *work_new(struct gv_sim *sim, struct gv_sim_node *node, enum work_kind kind)
{
    struct gv_sim_work *work = calloc(1, sizeof *work);
    GV_ASSERT(work != NULL);
    work->job.run = run;
    work->kind = kind;
    work->sim = sim;
    work->node = node;
    return work;
}

static void push(struct gv_thread *thread, struct gv_sim_work *work, bool offer)
{
    if (work->sim->immediate) {
        run(&work->job, thread);
    } else {
        gv_lane_push(thread, &work->node->lane, &work->job, offer);
    }
}

/* The core hears of it at due_us; the work is joined then. */
static void answer(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, struct gv_sim_work *work,
                   uint64_t due_us)
{
    gv_sim_post_own(sim, thread, index, due_us, GV_SIM_WORK, 0, work);
}

static uint64_t copy_us(const struct gv_sim *sim, uint64_t bytes)
{
    return 1 + (uint64_t)((double)bytes * 1e6 / sim->scenario->compute.memory_rate);
}

/* When the worker, which does one thing after another, is through with so many bytes. */
static uint64_t worker_time(const struct gv_sim *sim, const struct gv_thread *thread, struct gv_sim_node *node,
                            uint64_t bytes)
{
    uint64_t from = node->worker_us > thread->now_us ? node->worker_us : thread->now_us;
    node->worker_us = from + copy_us(sim, bytes);
    return node->worker_us;
}

/* ---- training ---------------------------------------------------------------------------------------------- */

void gv_sim_push_training(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t steps, bool offer)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_sim_work *work = work_new(sim, node, WORK_TRAIN);
    work->steps = steps;
    work->age = (double)node->age_q16 / 65536.0 + node->pushed_steps;
    push(thread, work, offer);
}

/* Where nothing but merging may change a replica, what it is now; else 0. */
static uint64_t replica_hash(struct gv_sim *sim, struct gv_thread *thread, struct gv_sim_node *node)
{
    bool still = sim->scenario->swarm.mode == GV_MODE_MEAN && sim->scenario->report.invariants;
    if (!still || sim->scenario->swarm.elements > HASHED_ELEMENTS_MAX) {
        return 0;
    }
    gv_lane_drain(thread, &node->lane);
    return gv_replica_hash(node->replica);
}

/* ---- effects: snapshots ------------------------------------------------------------------------------------- */

/* A hostile node lies to others only: what it takes its own delta from is the truth. */
static struct gv_snapshot *honest_snapshot(struct gv_sim *sim, struct gv_thread *thread, uint32_t index,
                                           const struct gv_effect *effect, struct gv_snapshot *sent)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (!lies(node)) {
        return gv_snapshot_hold(sent);
    }
    struct gv_snapshot *made =
        gv_snapshot_new(sim->learning, effect->u.work.nonce, effect->u.work.codec, effect->u.work.chunk_bytes, false);
    GV_ASSERT(made != NULL);
    gv_lane_drain(thread, &node->lane);
    gv_replica_snapshot(node->replica, made, GV_ATTACK_NONE, 0.0, 0);
    return made;
}

static void open_stage(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_effect *effect,
                       struct gv_snapshot *sent)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (node->stage != NULL) { /* one exchange at a time, never beside a fetch */
        gv_sim_violate(sim, thread, index, "one-exchange-at-a-time");
        stage_free(node->stage);
    }
    node->stage = calloc(1, sizeof *node->stage + sent->chunk_count * sizeof(struct gv_frame *));
    GV_ASSERT(node->stage != NULL);
    node->stage->nonce = effect->u.work.nonce;
    node->stage->codec = effect->u.work.codec;
    node->stage->chunk_bytes = effect->u.work.chunk_bytes;
    node->stage->sent = sent;
    node->stage->snapshot = honest_snapshot(sim, thread, index, effect, sent);
    node->stage->chunk_count = sent->chunk_count;
    node->stage->hash = replica_hash(sim, thread, node);
    node->stage->merges = node->merges;
}

static void snapshot(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_effect *effect)
{
    struct gv_sim_node *node = &sim->nodes[index];
    bool pin = effect->kind == GV_FX_PIN;
    struct gv_snapshot *made =
        gv_snapshot_new(sim->learning, effect->u.work.nonce, effect->u.work.codec, effect->u.work.chunk_bytes, pin);
    GV_ASSERT(made != NULL);
    struct gv_sim_work *work = work_new(sim, node, WORK_SNAPSHOT);
    work->snapshot = gv_snapshot_hold(made);
    work->noise_seed = gv_random_next(&node->random);
    work->answer = pin ? GV_EV_PINNED : GV_EV_SNAPSHOT;
    work->nonce = effect->u.work.nonce;
    uint64_t due =
        gv_sim_boundary(sim, thread, index) + copy_us(sim, gv_learning_parameters(sim->learning) * sizeof(float));
    push(thread, work, true);
    answer(sim, thread, index, work, due);
    if (!pin) {
        open_stage(sim, thread, index, effect, made);
        return;
    }
    uint32_t slot = node->pins[0] == NULL ? 0 : 1;
    GV_ASSERT(node->pins[slot] == NULL);
    node->pins[slot] = made;
}

static struct gv_snapshot *find_pin(const struct gv_sim_node *node, uint64_t nonce)
{
    for (uint32_t i = 0; i < GV_SIM_PINS_MAX; i++) {
        if (node->pins[i] != NULL && node->pins[i]->nonce == nonce) {
            return node->pins[i];
        }
    }
    return NULL;
}

static struct gv_snapshot *find_stage(const struct gv_sim_node *node, uint64_t nonce)
{
    return node->stage != NULL && node->stage->nonce == nonce ? node->stage->sent : NULL;
}

struct gv_span gv_sim_inline_state(struct gv_sim_node *node, uint64_t nonce)
{
    const struct gv_snapshot *found = find_stage(node, nonce);
    return found != NULL ? gv_snapshot_payload(found, 0) : (struct gv_span){0};
}

static void chunk_send(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_effect *effect)
{
    struct gv_sim_node *node = &sim->nodes[index];
    uint64_t nonce = effect->u.work.nonce;
    struct gv_snapshot *found = effect->u.work.fetch ? find_pin(node, nonce) : find_stage(node, nonce);
    if (found == NULL || effect->u.work.index >= found->chunk_count) {
        gv_sim_violate(sim, thread, index, "work-consistent");
        return;
    }
    struct gv_frame *frame = calloc(1, sizeof *frame);
    GV_ASSERT(frame != NULL);
    frame->snapshot = gv_snapshot_hold(found);
    frame->index = effect->u.work.index;
    frame->bytes = (uint32_t)gv_snapshot_frame(found, frame->index).bytes;
    gv_sim_local(thread)->bytes_state += frame->bytes;
    /* The worker encodes it, so what the loop sends meanwhile overtakes it, as in the daemon. */
    gv_sim_post_own(sim, thread, index, worker_time(sim, thread, node, frame->bytes), GV_SIM_ENCODED, effect->link,
                    frame);
}

static void unpin(struct gv_sim_node *node, uint64_t nonce)
{
    for (uint32_t i = 0; i < GV_SIM_PINS_MAX; i++) {
        if (node->pins[i] != NULL && node->pins[i]->nonce == nonce) {
            gv_snapshot_release(&node->pins[i]);
        }
    }
}

/* ---- effects: what arrives ---------------------------------------------------------------------------------- */

static struct gv_frame *take_parked(struct gv_sim_node *node, uint32_t handle)
{
    for (struct gv_frame **at = &node->parked; *at != NULL; at = &(*at)->next) {
        struct gv_frame *frame = *at;
        if (frame->handle == handle) {
            *at = frame->next;
            frame->next = NULL;
            return frame;
        }
    }
    return NULL;
}

static struct gv_sim_stage *fetch_stage(struct gv_sim *sim, const struct gv_effect *effect)
{
    uint32_t chunks = gv_chunk_count(sim->manifest.block_elements, 1, effect->u.work.codec, effect->u.work.chunk_bytes);
    struct gv_sim_stage *stage = calloc(1, sizeof *stage + chunks * sizeof(struct gv_frame *));
    GV_ASSERT(stage != NULL);
    stage->nonce = effect->u.work.nonce;
    stage->fetch = true;
    stage->chunk_count = chunks;
    stage->codec = effect->u.work.codec;
    stage->chunk_bytes = effect->u.work.chunk_bytes;
    return stage;
}

static void apply(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_effect *effect)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_frame *frame = take_parked(node, effect->u.work.handle);
    if (frame == NULL) {
        gv_sim_violate(sim, thread, index, "no-buffers-leak");
        return;
    }
    bool fetch = effect->u.work.fetch;
    if (fetch && node->stage == NULL) {
        node->stage = fetch_stage(sim, effect);
    }
    struct gv_sim_stage *stage = node->stage;
    uint32_t chunk = effect->u.work.index;
    bool fits = stage != NULL && stage->nonce == effect->u.work.nonce && stage->fetch == fetch &&
                chunk < stage->chunk_count && stage->chunks[chunk] == NULL;
    if (!fits) {
        gv_sim_violate(sim, thread, index, "chunk-applied-at-most-once");
        gv_sim_frame_free(frame);
        return;
    }
    if (!fetch && !stage->ready && !sim->immediate) {
        gv_lane_drain(thread, &node->lane); /* the snapshot it is compared with */
    }
    double start = work_clock(sim);
    struct gv_sim_work *work = work_new(sim, node, WORK_NONE);
    float weight = (float)effect->u.work.weight_q16 / (float)GV_Q16_ONE;
    work->verdict = gv_payload_check(sim->learning, fetch ? NULL : stage->snapshot, effect->u.work.codec,
                                     effect->u.work.chunk_bytes, chunk, weight, payload_of(frame));
    gv_sim_local(thread)->merge_s += work_clock(sim) - start;
    work->answer = GV_EV_APPLIED;
    work->nonce = effect->u.work.nonce;
    work->index = chunk;
    uint64_t bytes = frame->payload_bytes;
    stage->weight_q16 = effect->u.work.weight_q16;
    if (work->verdict == GV_OK) {
        stage->chunks[chunk] = frame;
    } else {
        gv_sim_frame_free(frame);
    }
    answer(sim, thread, index, work, worker_time(sim, thread, node, bytes));
}

static bool complete(const struct gv_sim_stage *stage, uint64_t nonce)
{
    for (uint32_t i = 0; stage != NULL && i < stage->chunk_count; i++) {
        if (stage->chunks[i] == NULL) {
            return false;
        }
    }
    return stage != NULL && stage->nonce == nonce;
}

static void merge_effect(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_effect *effect)
{
    struct gv_sim_node *node = &sim->nodes[index];
    bool adopt = effect->kind == GV_FX_ADOPT;
    if (!complete(node->stage, effect->u.work.nonce)) {
        gv_sim_violate(sim, thread, index, "commit-when-agreed");
        return;
    }
    struct gv_sim_work *work = work_new(sim, node, adopt ? WORK_ADOPT : WORK_COMMIT);
    work->stage = node->stage;
    work->answer = GV_EV_MERGED;
    work->nonce = effect->u.work.nonce;
    node->stage = NULL;
    uint64_t due =
        gv_sim_boundary(sim, thread, index) + copy_us(sim, gv_learning_parameters(sim->learning) * sizeof(float));
    node->merges++;
    push(thread, work, false);
    if (adopt) {
        node->age_q16 = effect->u.work.age;
        node->has_model = true;
    } else {
        int64_t age = (int64_t)node->age_q16 + effect->u.work.age_delta; /* steps of this round may be missing yet */
        node->age_q16 = age > 0 ? (uint64_t)age : 0;
    }
    answer(sim, thread, index, work, due);
    if (!adopt && node->training && sim->scenario->swarm.mode == GV_MODE_TRAIN &&
        sim->scenario->learning.train_on == GV_TRAIN_ON_MERGE) {
        gv_sim_train_after_merge(sim, thread, index);
    }
}

/* A failed exchange must not have changed anything, to the bit. */
static void discard(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint64_t nonce)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_sim_stage *stage = node->stage;
    if (stage == NULL || stage->nonce != nonce) {
        return;
    }
    if (stage->merges == node->merges && replica_hash(sim, thread, node) != stage->hash) {
        gv_sim_violate(sim, thread, index, "failed-exchange-changes-nothing");
    }
    stage_free(stage);
    node->stage = NULL;
}

void gv_sim_work_effect(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_effect *effect)
{
    struct gv_sim_node *node = &sim->nodes[index];
    switch (effect->kind) {
    case GV_FX_SNAPSHOT:
    case GV_FX_PIN:
        snapshot(sim, thread, index, effect);
        return;
    case GV_FX_CHUNK_SEND:
        chunk_send(sim, thread, index, effect);
        return;
    case GV_FX_APPLY:
        apply(sim, thread, index, effect);
        return;
    case GV_FX_DROP: {
        struct gv_frame *frame = take_parked(node, effect->u.work.handle);
        if (frame == NULL) {
            gv_sim_violate(sim, thread, index, "no-buffers-leak");
        }
        gv_sim_frame_free(frame);
        return;
    }
    case GV_FX_COMMIT:
    case GV_FX_ADOPT:
        merge_effect(sim, thread, index, effect);
        return;
    case GV_FX_DISCARD:
        discard(sim, thread, index, effect->u.work.nonce);
        return;
    default: /* UNPIN */
        unpin(node, effect->u.work.nonce);
        return;
    }
}

/* ---- events ------------------------------------------------------------------------------------------------- */

static void work_done(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, struct gv_sim_work *work)
{
    bool job = work->kind == WORK_SNAPSHOT || work->kind == WORK_COMMIT || work->kind == WORK_ADOPT;
    if (job && !sim->immediate) {
        gv_lane_join(thread, &sim->nodes[index].lane, &work->job);
    }
    struct gv_sim_stage *stage = sim->nodes[index].stage;
    if (work->kind == WORK_SNAPSHOT && stage != NULL && stage->nonce == work->nonce) {
        stage->ready = true;
    }
    struct gv_event event = {.kind = work->answer, .verdict = work->verdict};
    event.u.work.nonce = work->nonce;
    event.u.work.index = work->index;
    work_free(work);
    gv_sim_step(sim, thread, index, &event);
}

static void checkpoint(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (node->has_model) {
        (void)gv_sim_boundary(sim, thread, index); /* what it holds must not hang on who has looked at the model */
        node->checkpoint_age_q16 = node->age_q16 + ((uint64_t)node->pushed_steps << 16);
        push(thread, work_new(sim, node, WORK_CHECKPOINT), false);
    }
    gv_sim_post_own(sim, thread, index, thread->now_us + GV_SIM_CHECKPOINT_US, GV_SIM_CHECKPOINT, 0, NULL);
}

void gv_sim_work_event(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_occurrence *o)
{
    switch ((enum gv_sim_kind)o->kind) {
    case GV_SIM_WORK:
        work_done(sim, thread, index, o->data);
        return;
    case GV_SIM_ENCODED:
        gv_sim_transmit(sim, thread, index, o->a, o->data);
        return;
    case GV_SIM_CHECKPOINT:
        checkpoint(sim, thread, index);
        return;
    default:
        gv_sim_round_event(sim, thread, index, o);
        return;
    }
}

void gv_sim_work_drop(const struct gv_occurrence *o)
{
    work_free(o->data);
}

void gv_sim_work_start(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    if (sim->learning == NULL) {
        return;
    }
    gv_sim_rounds_start(sim, thread, index);
    if (sim->checkpoints) {
        uint64_t phase = (uint64_t)(gv_random_open(&sim->nodes[index].random) * GV_SIM_CHECKPOINT_US);
        gv_sim_post_own(sim, thread, index, thread->now_us + phase, GV_SIM_CHECKPOINT, 0, NULL);
    }
}

void gv_sim_work_free(struct gv_sim_node *node)
{
    stage_free(node->stage);
    node->stage = NULL;
    while (node->parked != NULL) {
        gv_sim_frame_free(take_parked(node, node->parked->handle));
    }
    for (uint32_t i = 0; i < GV_SIM_PINS_MAX; i++) {
        gv_snapshot_release(&node->pins[i]);
    }
}

void gv_sim_work_end(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (sim->learning == NULL) {
        return;
    }
    /* Steps that were over by now were done, whoever looks: the order of rows goes on. */
    gv_sim_catch_up(sim, thread, index);
    gv_sim_work_free(node);
    gv_sim_rounds_end(node);
}
