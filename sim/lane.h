/*
 * Lanes of jobs, and the queue of lanes that have been offered to idle threads. The public part is in engine.h.
 *
 * Order of locks: the queue's mutex, then a lane's lock word. A lane is in the queue exactly while it is `offered`, and
 * is worked on exactly while it is `running`; both may be true. Nothing touches a lane after letting go of its lock
 * unless it is one of the two, so a drained lane's memory may go.
 */
#ifndef GV_LANE_H
#define GV_LANE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "bell.h"
#include "engine.h"

struct gv_lanes_place {
    struct gv_lane *lane; /* borrowed; embedded in a node */
};

struct gv_lanes {
    pthread_mutex_t mutex;
    struct gv_lanes_place *ring; /* (capacity), `count` from `head` on */
    size_t head, count, capacity;
    size_t active;          /* lanes that gv_lanes_work() is at */
    _Atomic size_t offered; /* == count; read without the mutex */
    _Atomic bool finishing; /* somebody waits until all is done */
    struct gv_bell *bell;   /* borrowed */
    uint32_t spin_us;       /* how long to wait awake */
};

/** False if the system has no room for it. */
bool gv_lanes_init(struct gv_lanes *lanes, struct gv_bell *bell, uint32_t spin_us);
void gv_lanes_deinit(struct gv_lanes *lanes);

static inline size_t gv_lanes_offered(struct gv_lanes *lanes)
{
    return atomic_load(&lanes->offered);
}

/** Runs the first job of the lane that has stood offered longest. False if there is none. */
bool gv_lanes_work(struct gv_lanes *lanes, struct gv_thread *thread);

/** Nothing is offered, and no gv_lanes_work() is at work. */
bool gv_lanes_idle(struct gv_lanes *lanes);

#endif
