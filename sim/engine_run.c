/*
 * Running: windows, controls, and what threads do meanwhile.
 *
 *     advance -> window: each shard is claimed once, by whatever thread comes -> the last to finish one: advance -> ...
 *             -> control, alone
 *             -> over
 *
 * A thread that finds no shard to claim takes a share of gv_engine_each(), else a job from the lanes on offer, else it
 * waits awake for a moment, then asleep. A window is over when its shards are, so a thread in a long job holds up
 * nobody. Claiming a shard is a single atomic operation on a set of bits. It cannot go wrong however late it comes: a
 * thread that meant the last window and gets a shard of this one has got a shard of this one, and everything it then
 * reads about the window was written before that bit was set and stays until the shard is finished.
 */
#include "engine_run.h"

/* How far ahead of handling an occurrence its node, and the occurrence itself, are fetched. */
#define PREFETCH_AHEAD 8u
#define NEAR_AHEAD 3u
#define FETCH_AHEAD 16u
/* A window that has taken this long, with shards still to claim, is worth waking the sleepers for. */
#define WAKE_AFTER_NS UINT64_C(20000)
#define PAUSES_PER_LOOK 32u
/* So many lanes on offer and nobody idle: somebody has to run jobs that nobody may ever join. */
#define OFFERED_MAX 4096u

/* ---- one shard ------------------------------------------------------------------------------------------------- */

static void take_in(struct gv_engine *engine, struct gv_shard *shard)
{
    uint32_t filled = 1 - engine->window.filling;
    for (uint32_t i = 0; i < engine->threads; i++) {
        struct gv_outbox *box = &engine->workers[i].out[filled][shard->index];
        for (size_t k = 0; k < box->count; k++) {
            gv_queue_insert(&shard->queue, &box->items[k]);
        }
        box->count = 0;
    }
}

static void look_ahead(const struct gv_engine *engine, const struct gv_queue *queue, size_t ahead, bool near)
{
    const struct gv_occurrence *occurrence = gv_queue_ahead(queue, ahead);
    if (occurrence != NULL) {
        engine->world.prefetch(engine->world.context, occurrence, near);
    }
}

static void step_shard(struct gv_engine *engine, struct gv_worker *worker, struct gv_shard *shard)
{
    struct gv_thread *thread = &worker->thread;
    struct gv_queue *queue = &shard->queue;
    gv_queue_advance(queue, engine->window.slot);
    take_in(engine, shard);
    gv_queue_open(queue, engine->window.end_us);
    bool prefetch = engine->world.prefetch != NULL;
    for (size_t i = 0; prefetch && i < PREFETCH_AHEAD; i++) {
        look_ahead(engine, queue, i, false);
    }
    thread->shard = shard;
    thread->window_us = engine->window.end_us;
    uint64_t events = 0;
    for (;;) {
        const struct gv_occurrence *far = gv_queue_ahead(queue, FETCH_AHEAD);
        if (far != NULL) {
            __builtin_prefetch(far);
        }
        if (prefetch) {
            look_ahead(engine, queue, PREFETCH_AHEAD, false);
            look_ahead(engine, queue, NEAR_AHEAD, true);
        }
        const struct gv_occurrence *occurrence = gv_queue_pop(queue);
        if (occurrence == NULL) {
            break;
        }
        thread->node = occurrence->to;
        thread->now_us = occurrence->at_us;
        engine->world.handle(engine->world.context, thread, occurrence);
        events++;
    }
    thread->shard = NULL;
    gv_queue_close(queue);
    shard->next_slot = gv_queue_next(queue);
    atomic_store_explicit(&shard->events, atomic_load_explicit(&shard->events, memory_order_relaxed) + events,
                          memory_order_relaxed);
}

/* ---- between windows --------------------------------------------------------------------------------------------- */

static uint64_t earliest_slot(const struct gv_engine *engine)
{
    uint64_t slot = UINT64_MAX;
    for (uint32_t i = 0; i < GV_SHARDS; i++) {
        slot = engine->shards[i].next_slot < slot ? engine->shards[i].next_slot : slot;
    }
    uint64_t posted_us = UINT64_MAX;
    for (uint32_t i = 0; i < engine->threads; i++) {
        posted_us = engine->workers[i].posted_min_us < posted_us ? engine->workers[i].posted_min_us : posted_us;
    }
    if (posted_us != UINT64_MAX) {
        uint64_t posted = gv_queue_slot_of(&engine->grid, posted_us);
        slot = posted < slot ? posted : slot;
    }
    return slot;
}

static uint64_t min_us(uint64_t x, uint64_t y)
{
    return x < y ? x : y;
}

static void control(struct gv_engine *engine, struct gv_worker *worker, bool *stop)
{
    struct gv_thread *thread = &worker->thread;
    engine->now_us = engine->control_us;
    thread->now_us = engine->now_us;
    thread->window_us = engine->now_us;
    engine->controlling = true;
    uint64_t next_us = engine->world.control(engine->world.context, thread, engine->now_us, stop);
    engine->controlling = false;
    GV_ASSERT(next_us > engine->now_us);
    engine->control_us = next_us;
}

static void finish(struct gv_engine *engine)
{
    atomic_store(&engine->over, true);
    gv_bell_ring(&engine->bell);
}

/* Alone: runs the controls that are due and prepares the next window. False when the run is over. */
static bool advance(struct gv_engine *engine, struct gv_worker *worker)
{
    for (bool stop = false; !stop;) {
        uint64_t slot = earliest_slot(engine);
        uint64_t at_us = slot == UINT64_MAX ? UINT64_MAX : slot * engine->grid.window_us;
        at_us = at_us < engine->now_us ? engine->now_us : at_us; /* the rest of a window that was cut */
        if (engine->control_us != UINT64_MAX && engine->control_us <= min_us(at_us, engine->until_us)) {
            control(engine, worker, &stop);
            continue;
        }
        if (at_us >= engine->until_us) {
            if (engine->until_us != UINT64_MAX && engine->until_us > engine->now_us) {
                engine->now_us = engine->until_us;
            }
            return false;
        }
        struct gv_window *window = &engine->window;
        window->slot = slot;
        window->start_us = at_us;
        window->end_us = min_us((slot + 1) * engine->grid.window_us, min_us(engine->control_us, engine->until_us));
        window->filling = 1 - window->filling;
        engine->now_us = window->end_us; /* once it is over */
        for (uint32_t i = 0; i < engine->threads; i++) {
            engine->workers[i].posted_min_us = UINT64_MAX;
        }
        return true;
    }
    return false;
}

static void open_or_finish(struct gv_engine *engine, struct gv_worker *worker)
{
    if (!advance(engine, worker)) {
        finish(engine);
        return;
    }
    engine->opened_ns = gv_bell_sleepers(&engine->bell) ? gv_engine_wall_ns() : 0;
    atomic_store(&engine->unfinished, GV_SHARDS);
    atomic_store(&engine->unclaimed, UINT32_MAX);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

/* Even threads go upwards, odd ones downwards, in pairs that share a stretch and meet in its middle: so long as nobody
 * is held up, a thread gets the same shards every time and finds their nodes in its cache. */
static uint32_t preferred(const struct gv_engine *engine, uint32_t index, uint32_t unclaimed)
{
    uint32_t pairs = (engine->threads + 1) / 2;
    uint32_t pair = index / 2;
    uint32_t start = pair * GV_SHARDS / pairs % GV_SHARDS;
    if (index % 2 == 0) {
        uint32_t after = unclaimed & UINT32_MAX << start;
        return (uint32_t)__builtin_ctz(after != 0 ? after : unclaimed);
    }
    uint32_t end = (pair + 1) * GV_SHARDS / pairs - 1;
    uint32_t until = unclaimed & UINT32_MAX >> (GV_SHARDS - 1 - end % GV_SHARDS);
    return GV_SHARDS - 1 - (uint32_t)__builtin_clz(until != 0 ? until : unclaimed);
}

/* Wakes the sleepers once a window turns out to be long. */
static void call_for_help(struct gv_engine *engine)
{
    if (gv_bell_sleepers(&engine->bell) && gv_engine_wall_ns() - engine->opened_ns > WAKE_AFTER_NS) {
        gv_bell_ring(&engine->bell);
    }
}

/* Steps one shard of the window. False if there is none to claim. */
static bool step_some_shard(struct gv_engine *engine, struct gv_worker *worker)
{
    uint32_t unclaimed = atomic_load_explicit(&engine->unclaimed, memory_order_relaxed);
    while (unclaimed != 0) {
        uint32_t index = preferred(engine, worker->thread.index, unclaimed);
        uint32_t bit = UINT32_C(1) << index;
        unclaimed = atomic_fetch_and(&engine->unclaimed, ~bit);
        if ((unclaimed & bit) == 0) {
            continue;
        }
        step_shard(engine, worker, &engine->shards[index]);
        if ((unclaimed & ~bit) != 0) {
            call_for_help(engine);
        }
        if (atomic_fetch_sub(&engine->unfinished, 1) == 1) {
            open_or_finish(engine, worker);
        }
        while (gv_lanes_offered(&engine->lanes) > OFFERED_MAX && gv_lanes_work(&engine->lanes, &worker->thread)) {
        }
        return true;
    }
    return false;
}

/* Does a part of gv_engine_each(). False if there is nothing to claim. */
static bool work_on_each(struct gv_engine *engine, struct gv_worker *worker)
{
    uint32_t left = atomic_load(&engine->each_unclaimed);
    uint32_t share = 0;
    do {
        if (left == 0) {
            return false;
        }
        share = left / (4 * engine->threads);
        share = share == 0 ? 1 : share;
    } while (!atomic_compare_exchange_weak(&engine->each_unclaimed, &left, left - share));
    struct gv_thread *thread = &worker->thread;
    thread->now_us = engine->now_us;
    thread->window_us = engine->now_us;
    uint32_t first = engine->each.count - left;
    for (uint32_t i = first; i < first + share; i++) {
        engine->each.work(engine->each.context, thread, i);
    }
    if (atomic_fetch_sub(&engine->each_unfinished, share) == share) {
        gv_bell_ring(&engine->bell);
    }
    return true;
}

static bool something_to_do(struct gv_engine *engine)
{
    return atomic_load(&engine->unclaimed) != 0 || atomic_load(&engine->each_unclaimed) != 0 ||
           gv_lanes_offered(&engine->lanes) != 0;
}

/* Waits, first awake, then asleep, until there is something to do or ready(). */
static void rest(struct gv_engine *engine, bool (*ready)(struct gv_engine *engine))
{
    if (engine->spin_us > 0) {
        uint64_t until_ns = gv_engine_wall_ns() + engine->spin_us * UINT64_C(1000);
        do {
            for (uint32_t i = 0; i < PAUSES_PER_LOOK; i++) {
                gv_bell_pause();
                if (something_to_do(engine) || ready(engine)) {
                    return;
                }
            }
        } while (gv_engine_wall_ns() < until_ns);
    }
    uint64_t entered = gv_bell_enter(&engine->bell);
    if (something_to_do(engine) || ready(engine)) {
        gv_bell_leave(&engine->bell);
        return;
    }
    gv_bell_sleep(&engine->bell, entered);
}

static bool do_something(struct gv_engine *engine, struct gv_worker *worker)
{
    return step_some_shard(engine, worker) || work_on_each(engine, worker) ||
           gv_lanes_work(&engine->lanes, &worker->thread);
}

static bool ending(struct gv_engine *engine)
{
    return atomic_load(&engine->ending);
}

static bool over(struct gv_engine *engine)
{
    return atomic_load(&engine->over);
}

static bool all_idle(struct gv_engine *engine)
{
    return gv_lanes_idle(&engine->lanes);
}

static bool each_done(struct gv_engine *engine)
{
    return atomic_load(&engine->each_unfinished) == 0;
}

static void run_alone(struct gv_engine *engine, struct gv_worker *worker)
{
    while (advance(engine, worker)) {
        for (uint32_t i = 0; i < GV_SHARDS; i++) {
            step_shard(engine, worker, &engine->shards[i]);
        }
        while (gv_lanes_offered(&engine->lanes) > OFFERED_MAX && gv_lanes_work(&engine->lanes, &worker->thread)) {
        }
    }
}

void gv_engine_serve(struct gv_engine *engine, struct gv_worker *worker)
{
    while (!ending(engine)) {
        if (!do_something(engine, worker)) {
            rest(engine, ending);
        }
    }
}

void gv_engine_run_on(struct gv_engine *engine, struct gv_worker *worker)
{
    if (engine->threads == 1) {
        run_alone(engine, worker);
    } else {
        atomic_store(&engine->over, false);
        open_or_finish(engine, worker);
        while (!over(engine)) {
            if (!do_something(engine, worker)) {
                rest(engine, over);
            }
        }
    }
    atomic_store(&engine->lanes.finishing, true);
    while (!all_idle(engine)) {
        if (!gv_lanes_work(&engine->lanes, &worker->thread)) {
            rest(engine, all_idle);
        }
    }
    atomic_store(&engine->lanes.finishing, false);
}

void gv_engine_each(struct gv_thread *thread, uint32_t count,
                    void (*work)(void *context, struct gv_thread *thread, uint32_t index), void *context)
{
    struct gv_engine *engine = thread->engine;
    struct gv_worker *worker = &engine->workers[thread->index];
    GV_ASSERT(engine->controlling && thread->shard == NULL);
    if (engine->threads == 1 || count < 2) {
        for (uint32_t i = 0; i < count; i++) {
            work(context, thread, i);
        }
        return;
    }
    engine->each = (struct gv_each){.work = work, .context = context, .count = count};
    atomic_store(&engine->each_unfinished, count);
    atomic_store(&engine->each_unclaimed, count);
    gv_bell_ring(&engine->bell);
    while (work_on_each(engine, worker)) {
    }
    while (!each_done(engine)) {
        if (!gv_lanes_work(&engine->lanes, thread)) {
            rest(engine, each_done);
        }
    }
}
