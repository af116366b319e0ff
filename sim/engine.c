/* The engine's public side: making it, ending it, posting; see engine.h, engine_run.c for running, lane.c for jobs. */
#include "engine.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "engine_run.h"
#include "engine_state.h"

/* A wait of less than this costs less awake than going to sleep and being woken. */
#define SPIN_US 50u

static uint32_t processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        return 1;
    }
    return (uint32_t)CPU_COUNT(&set);
}

static void *thread_main(void *argument)
{
    struct gv_worker *worker = argument;
    gv_engine_serve(worker->thread.engine, worker);
    return NULL;
}

static void *allocate_lines(size_t count, size_t bytes)
{
    void *memory = aligned_alloc(GV_ENGINE_LINE, count * bytes); /* bytes is a multiple of the alignment */
    if (memory != NULL) {
        memset(memory, 0, count * bytes);
    }
    return memory;
}

static bool init_shards(struct gv_engine *engine)
{
    engine->shards = allocate_lines(GV_SHARDS, sizeof *engine->shards);
    if (engine->shards == NULL) {
        return false;
    }
    bool enough = true;
    for (uint32_t i = 0; i < GV_SHARDS; i++) {
        struct gv_shard *shard = &engine->shards[i];
        gv_queue_init(&shard->queue, engine->grid.window_us);
        shard->index = i;
        shard->next_slot = UINT64_MAX;
        atomic_init(&shard->events, 0);
        shard->sequence = calloc(engine->nodes_max / GV_SHARDS + 1, sizeof *shard->sequence);
        enough = enough && shard->sequence != NULL;
    }
    return enough;
}

static bool init_workers(struct gv_engine *engine, void *const *locals)
{
    engine->workers = allocate_lines(engine->threads, sizeof *engine->workers);
    if (engine->workers == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < engine->threads; i++) {
        engine->workers[i].thread = (struct gv_thread){.engine = engine, .index = i, .local = locals[i]};
        engine->workers[i].posted_min_us = UINT64_MAX;
    }
    return true;
}

/* Threads start only once everything they look at is there. */
static bool start_threads(struct gv_engine *engine)
{
    for (uint32_t i = 1; i < engine->threads; i++) {
        struct gv_worker *worker = &engine->workers[i];
        if (pthread_create(&worker->handle, NULL, thread_main, worker) != 0) {
            return false;
        }
        engine->started++;
    }
    return true;
}

static void drop_one(void *context, const struct gv_occurrence *occurrence)
{
    const struct gv_engine *engine = context;
    engine->world.drop(engine->world.context, occurrence);
}

static void drop_boxes(struct gv_engine *engine, struct gv_worker *worker)
{
    for (uint32_t i = 0; i < 2 * GV_SHARDS; i++) {
        struct gv_outbox *box = &worker->out[i / GV_SHARDS][i % GV_SHARDS];
        for (size_t k = 0; engine->world.drop != NULL && k < box->count; k++) {
            drop_one(engine, &box->items[k]);
        }
        free(box->items);
    }
}

static void post_out(struct gv_worker *worker, const struct gv_occurrence *occurrence, struct gv_outbox *box)
{
    if (box->count == box->capacity) {
        size_t capacity = box->capacity == 0 ? 16 : 2 * box->capacity;
        struct gv_occurrence *items = realloc(box->items, capacity * sizeof *items);
        if (items == NULL) {
            gv_queue_out_of_memory();
        }
        box->items = items;
        box->capacity = capacity;
    }
    box->items[box->count++] = *occurrence;
    if (occurrence->at_us < worker->posted_min_us) {
        worker->posted_min_us = occurrence->at_us;
    }
}

enum gv_err gv_engine_new(struct gv_engine **engine, const struct gv_world *world, uint32_t nodes_max,
                          uint64_t window_us, uint32_t threads, void *const *locals)
{
    GV_ASSERT(window_us > 0 && threads > 0 && threads <= GV_THREADS_MAX && world->handle != NULL &&
              world->control != NULL);
    *engine = NULL;
    struct gv_engine *made = allocate_lines(1, sizeof *made);
    if (made == NULL) {
        return GV_ERR_NOMEM;
    }
    made->world = *world;
    made->nodes_max = nodes_max;
    made->threads = threads;
    made->spin_us = threads <= processors() ? SPIN_US : 0;
    gv_queue_grid_init(&made->grid, window_us < UINT32_MAX ? window_us : UINT32_MAX);
    if (!gv_bell_init(&made->bell)) {
        free(made);
        return GV_ERR_NOMEM;
    }
    if (!gv_lanes_init(&made->lanes, &made->bell, made->spin_us)) {
        gv_bell_deinit(&made->bell);
        free(made);
        return GV_ERR_NOMEM;
    }
    if (!init_shards(made) || !init_workers(made, locals) || !start_threads(made)) {
        gv_engine_free(&made);
        return GV_ERR_NOMEM;
    }
    *engine = made;
    return GV_OK;
}

void gv_engine_free(struct gv_engine **engine)
{
    struct gv_engine *old = *engine;
    if (old == NULL) {
        return;
    }
    *engine = NULL;
    atomic_store(&old->ending, true);
    gv_bell_ring(&old->bell);
    for (uint32_t i = 1; i <= old->started; i++) {
        (void)pthread_join(old->workers[i].handle, NULL);
    }
    for (uint32_t i = 0; old->workers != NULL && i < old->threads; i++) {
        drop_boxes(old, &old->workers[i]);
    }
    for (uint32_t i = 0; old->shards != NULL && i < GV_SHARDS; i++) {
        if (old->world.drop != NULL) {
            gv_queue_visit(&old->shards[i].queue, drop_one, old);
        }
        gv_queue_deinit(&old->shards[i].queue);
        free(old->shards[i].sequence);
    }
    gv_lanes_deinit(&old->lanes);
    gv_bell_deinit(&old->bell);
    free(old->workers);
    free(old->shards);
    free(old);
}

void gv_engine_run(struct gv_engine *engine, uint64_t until_us)
{
    engine->until_us = until_us;
    gv_engine_run_on(engine, &engine->workers[0]);
}

static void put(struct gv_thread *thread, const struct gv_occurrence *occurrence)
{
    struct gv_engine *engine = thread->engine;
    struct gv_shard *shard = thread->shard;
    uint32_t to = occurrence->to;
    if (shard != NULL && to % GV_SHARDS == shard->index) {
        if (occurrence->at_us < thread->window_us) {
            gv_queue_insert_open(&shard->queue, occurrence);
        } else {
            gv_queue_insert(&shard->queue, occurrence);
        }
        return;
    }
    struct gv_worker *worker = &engine->workers[thread->index];
    post_out(worker, occurrence, &worker->out[engine->window.filling][to % GV_SHARDS]);
}

void gv_engine_post(struct gv_thread *thread, uint64_t at_us, uint32_t to, uint16_t kind, uint16_t life, uint32_t a,
                    uint32_t b, void *data)
{
    struct gv_engine *engine = thread->engine;
    uint32_t from = thread->node;
    GV_ASSERT(to < engine->nodes_max && from < engine->nodes_max && at_us <= GV_QUEUE_TIME_MAX_US);
    GV_ASSERT(at_us >= (to == from ? thread->now_us : thread->window_us));
    GV_ASSERT(thread->shard != NULL || engine->controlling);
    struct gv_occurrence occurrence = {.at_us = at_us,
                                       .to = to,
                                       .from = from,
                                       .sequence = engine->shards[from % GV_SHARDS].sequence[from / GV_SHARDS]++,
                                       .kind = kind,
                                       .life = life,
                                       .a = a,
                                       .b = b,
                                       .data = data};
    put(thread, &occurrence);
}

void gv_engine_repost(struct gv_thread *thread, uint64_t at_us, const struct gv_occurrence *occurrence)
{
    GV_ASSERT(occurrence->to == thread->node && at_us > thread->now_us && at_us <= GV_QUEUE_TIME_MAX_US);
    struct gv_occurrence later = *occurrence;
    later.at_us = at_us;
    put(thread, &later);
}

uint64_t gv_engine_events(const struct gv_engine *engine)
{
    uint64_t events = 0;
    for (uint32_t i = 0; i < GV_SHARDS; i++) {
        events += atomic_load_explicit(&engine->shards[i].events, memory_order_relaxed);
    }
    return events;
}

uint32_t gv_engine_threads(const struct gv_engine *engine)
{
    return engine->threads;
}
