/*
 * The engine: virtual time, a queue of occurrences, and the threads that work it off.
 *
 *     occurrences   ordered by (time, destination, source, the source's sequence): a total order that nothing about
 *                   threads can change
 *     windows       virtual time is cut into windows no longer than the smallest latency between nodes, so that within
 *                   a window nodes cannot influence each other; shards of nodes step through a window in parallel
 *     controls      between windows, alone, at times of its own choosing: faults, arrivals, reports
 *     jobs          pure work (training, merging) that runs on any thread while occurrences go on, in order within its
 *                   lane, and is joined when its result is due
 *
 * The same occurrences are handled in the same order per node with 1, 2 or 8 threads: shard = node % GV_SHARDS whatever
 * the number of threads, a node's occurrences are handled one after another, and what a node posts to another arrives
 * in a later window.
 */
#ifndef GV_ENGINE_H
#define GV_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/err.h"

#define GV_SHARDS 32u
#define GV_THREADS_MAX 64u

struct gv_engine;
struct gv_lane;

/* One thing that happens to one node. */
struct gv_occurrence {
    uint64_t at_us;
    uint32_t to;       /* node */
    uint32_t from;     /* node; equal to `to` for its own timers and results */
    uint32_t sequence; /* of the source, counted by the engine */
    uint16_t kind;     /* the world's */
    uint16_t life;     /* the world's: which life of the destination it is meant for */
    uint32_t a, b;     /* the world's */
    void *data;        /* the world's; who owns it is the kind's affair */
};

/* A thread's place in the engine, handed to everything that runs on it. */
struct gv_thread {
    struct gv_engine *engine;
    uint32_t index;         /* 0 .. threads - 1 */
    uint32_t node;          /* whose occurrence is being handled */
    uint64_t now_us;        /* virtual */
    uint64_t window_us;     /* the window's end: what is posted to another node is due then at the earliest */
    void *local;            /* the world's, one per thread (scratch memory) */
    struct gv_shard *shard; /* the engine's: whose window it works on; NULL in a control */
};

struct gv_world {
    void *context;
    /* Handles one occurrence. Takes occurrence->data. */
    void (*handle)(void *context, struct gv_thread *thread, const struct gv_occurrence *occurrence);
    /* Loads what handling will touch into the cache; called twice some occurrences ahead, `near` the second time, when
     * what the first call asked for has come. May be NULL. */
    void (*prefetch)(void *context, const struct gv_occurrence *occurrence, bool near);
    /* Between windows, alone: everything due at or before now_us; returns the time of the next control, UINT64_MAX for
     * none; *stop ends the run. Called first at time 0. */
    uint64_t (*control)(void *context, struct gv_thread *thread, uint64_t now_us, bool *stop);
    /* Frees occurrence->data of what is left in the queue at the end. */
    void (*drop)(void *context, const struct gv_occurrence *occurrence);
};

/** `nodes_max` bounds the nodes' numbers; `window_us` > 0 is the smallest latency between two nodes. `locals` holds one
 *  pointer per thread (struct gv_thread.local). Starts threads - 1 threads; the caller's is the first. Returns owned.
 */
GV_NODISCARD enum gv_err gv_engine_new(struct gv_engine **engine, const struct gv_world *world, uint32_t nodes_max,
                                       uint64_t window_us, uint32_t threads, void *const *locals);
/** Ends the threads and drops what is queued. */
void gv_engine_free(struct gv_engine **engine);

/** Runs until virtual time `until_us` is over (a control due at until_us itself is the last thing), a control says
 *  stop, or the queue is empty and no control is due. Then works off the lanes that stand offered. May be called again.
 *  Controls come on any of the threads. */
void gv_engine_run(struct gv_engine *engine, uint64_t until_us);

/** Posts an occurrence from thread->node (in a control: from `from`, which the caller sets in thread->node). For
 *  another node at_us must not be before thread->window_us; for itself, not before now; never after 2^62. Copies it;
 *  out of memory ends the program with a message. */
void gv_engine_post(struct gv_thread *thread, uint64_t at_us, uint32_t to, uint16_t kind, uint16_t life, uint32_t a,
                    uint32_t b, void *data);

/** Queues the occurrence being handled (or one like it, of the same destination) again for later, with its source and
 *  sequence as they are. */
void gv_engine_repost(struct gv_thread *thread, uint64_t at_us, const struct gv_occurrence *occurrence);

uint64_t gv_engine_events(const struct gv_engine *engine); /* handled so far; exact between windows */
uint32_t gv_engine_threads(const struct gv_engine *engine);

/** In a control: work(context, thread, index) for each index < count, on all threads, in any order; returns when all
 *  are done. Work may join and drain, and post if it sets thread->node, each node in one index only. */
void gv_engine_each(struct gv_thread *thread, uint32_t count,
                    void (*work)(void *context, struct gv_thread *thread, uint32_t index), void *context);

/* ---- jobs ------------------------------------------------------------------------------------------------ */

/* A job neither posts nor joins. It may run inside a join, so thread->local is then also in use by what joins.
 *
 * Embedded in the caller's own structure, which stays where it is until the job is joined or, if it is never joined,
 * until it has run: `run` may free it as the last thing it does if nobody will join it. */
struct gv_job {
    void (*run)(struct gv_job *job, struct gv_thread *thread); /* thread->local is the running thread's */
    struct gv_job *next;                                       /* the lane's */
    bool done;                                                 /* it has been joined */
};

/* Jobs of one lane run one after another in the order in which they were pushed, never two at once, on whatever thread
 * is free. Embedded in the node; only the node's own occurrences (or a control) push and join. 32 bytes or so. */
struct gv_lane {
    struct gv_job *head, *tail;
    struct gv_job *current; /* being run; compared, never followed: it may have freed itself */
    uint32_t lock;          /* the engine's */
    uint8_t running;        /* a thread works on it */
    uint8_t offered;        /* it stands in the engine's queue of lanes */
    uint8_t wanted;         /* an offered job may wait in it */
    uint8_t waited;         /* a join sleeps until the current job has run */
};

void gv_lane_init(struct gv_lane *lane);

/** Appends a job. With `offer`, idle threads may take up the lane from now on; else it runs when a later job is offered
 *  or joined (small jobs are cheapest right before the next large one, while its memory is warm). */
void gv_lane_push(struct gv_thread *thread, struct gv_lane *lane, struct gv_job *job, bool offer);

/** Returns when `job` of this lane has run: runs the lane up to it here unless another thread does, and then helps with
 *  other lanes meanwhile. */
void gv_lane_join(struct gv_thread *thread, struct gv_lane *lane, struct gv_job *job);

/** Joins everything in the lane, and takes the lane itself out of the engine's hands: only now may its memory go. */
void gv_lane_drain(struct gv_thread *thread, struct gv_lane *lane);

#endif
