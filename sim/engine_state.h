/* What the parts of the engine know of it; nobody else includes this. */
#ifndef GV_ENGINE_STATE_H
#define GV_ENGINE_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "bell.h"
#include "engine.h"
#include "lane.h"
#include "queue.h"

/* Different threads write next to each other: a cache line each, and its neighbour, which is fetched with it. */
#define GV_ENGINE_LINE 128

/* One in GV_SHARDS of the nodes; in a window, one thread's. */
struct gv_shard {
    _Alignas(GV_ENGINE_LINE) struct gv_queue queue;
    uint32_t index;
    uint32_t *sequence; /* of node / GV_SHARDS: how many it has posted */
    uint64_t next_slot; /* gv_queue_next() after its last window */
    _Atomic uint64_t events;
};

/* What a thread posted to a shard: filled in one window, taken in by the shard's next. */
struct gv_outbox {
    struct gv_occurrence *items;
    size_t count, capacity;
};

struct gv_worker {
    _Alignas(GV_ENGINE_LINE) struct gv_thread thread;
    struct gv_outbox out[2][GV_SHARDS]; /* of windows of even and odd number */
    uint64_t posted_min_us;             /* the earliest in the outboxes being filled */
    pthread_t handle;
};

struct gv_window {
    uint64_t slot;
    uint64_t start_us, end_us;
    uint32_t filling; /* the outboxes that posts go to, 0 or 1; the others are taken in */
};

/* Work shared out by gv_engine_each(). */
struct gv_each {
    void (*work)(void *context, struct gv_thread *thread, uint32_t index);
    void *context;
    uint32_t count;
};

struct gv_engine {
    struct gv_world world;
    struct gv_queue_grid grid;
    uint32_t nodes_max, threads;
    uint32_t spin_us; /* how long a thread waits awake; 0 if there are more threads than processors */
    struct gv_shard *shards;
    struct gv_worker *workers; /* (threads) */
    uint32_t started;          /* threads that exist beside the caller's */
    struct gv_lanes lanes;
    struct gv_bell bell;

    /* Written by the one thread that is between windows, read by those that hold a part of the window. */
    struct gv_window window;
    struct gv_each each;
    uint64_t now_us, until_us, control_us;
    uint64_t opened_ns; /* wall time, if anybody slept when the window opened; else 0 */
    bool controlling;

    _Alignas(GV_ENGINE_LINE) _Atomic uint32_t unclaimed; /* shards of the window, a bit each */
    _Alignas(GV_ENGINE_LINE) _Atomic uint32_t unfinished;
    _Alignas(GV_ENGINE_LINE) _Atomic uint32_t each_unclaimed;
    _Alignas(GV_ENGINE_LINE) _Atomic uint32_t each_unfinished;
    _Alignas(GV_ENGINE_LINE) _Atomic bool over; /* the run */
    _Atomic bool ending;                        /* the threads */
};

static inline struct gv_lanes *gv_engine_lanes(struct gv_engine *engine)
{
    return &engine->lanes;
}

/* Wall time, for deciding how long to wait awake; never for anything that a result could depend on. */
static inline uint64_t gv_engine_wall_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

#endif
