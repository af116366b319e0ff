/* Lanes of jobs; see lane.h. */
#include "lane.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine_state.h"

#define SPINS_BEFORE_YIELD 128u

static void lock(struct gv_lane *lane)
{
    uint32_t spins = 0;
    while (__atomic_exchange_n(&lane->lock, 1, __ATOMIC_ACQUIRE) != 0) {
        if (++spins % SPINS_BEFORE_YIELD == 0) {
            (void)sched_yield(); /* its holder may not even be on a processor */
        } else {
            gv_bell_pause();
        }
    }
}

static void unlock(struct gv_lane *lane)
{
    __atomic_store_n(&lane->lock, 0, __ATOMIC_RELEASE);
}

static void lock_queue(struct gv_lanes *lanes)
{
    int rc = pthread_mutex_lock(&lanes->mutex);
    GV_ASSERT(rc == 0);
}

static void unlock_queue(struct gv_lanes *lanes)
{
    atomic_store(&lanes->offered, lanes->count);
    int rc = pthread_mutex_unlock(&lanes->mutex);
    GV_ASSERT(rc == 0);
}

/* ---- the queue; all with its mutex held ---------------------------------------------------------------------- */

/* The i-th place from the head, i <= capacity. */
static struct gv_lanes_place *place(struct gv_lanes *lanes, size_t i)
{
    size_t index = lanes->head + i;
    return &lanes->ring[index < lanes->capacity ? index : index - lanes->capacity];
}

static void make_room(struct gv_lanes *lanes)
{
    if (lanes->count < lanes->capacity) {
        return;
    }
    size_t capacity = lanes->capacity == 0 ? 64 : 2 * lanes->capacity;
    struct gv_lanes_place *ring = calloc(capacity, sizeof *ring);
    if (ring == NULL) {
        gv_queue_out_of_memory();
    }
    for (size_t i = 0; i < lanes->count; i++) {
        ring[i] = *place(lanes, i);
    }
    free(lanes->ring);
    lanes->ring = ring;
    lanes->head = 0;
    lanes->capacity = capacity;
}

static void push_back(struct gv_lanes *lanes, struct gv_lane *lane)
{
    make_room(lanes);
    place(lanes, lanes->count++)->lane = lane;
}

static void push_front(struct gv_lanes *lanes, struct gv_lane *lane)
{
    make_room(lanes);
    lanes->head = (lanes->head > 0 ? lanes->head : lanes->capacity) - 1;
    lanes->ring[lanes->head].lane = lane;
    lanes->count++;
}

static struct gv_lane *pop_front(struct gv_lanes *lanes)
{
    struct gv_lane *lane = lanes->ring[lanes->head].lane;
    lanes->head = lanes->head + 1 < lanes->capacity ? lanes->head + 1 : 0;
    lanes->count--;
    return lane;
}

static void take_out(struct gv_lanes *lanes, const struct gv_lane *lane)
{
    size_t kept = 0;
    for (size_t i = 0; i < lanes->count; i++) {
        struct gv_lane *other = place(lanes, i)->lane;
        if (other != lane) {
            place(lanes, kept++)->lane = other;
        }
    }
    lanes->count = kept;
}

/* ---- a lane; all with its lock held ---------------------------------------------------------------------------- */

static struct gv_job *begin(struct gv_lane *lane)
{
    struct gv_job *job = lane->head;
    lane->head = job->next;
    if (lane->head == NULL) {
        lane->tail = NULL;
    }
    lane->current = job;
    lane->running = 1;
    return job;
}

/* The job has run and may be gone. Returns whether a join sleeps on it. */
static bool end(struct gv_lane *lane)
{
    bool waited = lane->waited != 0;
    lane->current = NULL;
    lane->running = 0;
    lane->waited = 0;
    if (lane->head == NULL) {
        lane->wanted = 0;
    }
    return waited;
}

static bool to_be_offered(const struct gv_lane *lane)
{
    return lane->wanted && lane->head != NULL && !lane->running && !lane->offered;
}

/* Has `job` run, or everything if it is NULL? */
static bool settled(const struct gv_lane *lane, const struct gv_job *job)
{
    if (job == NULL) {
        return lane->head == NULL && !lane->running;
    }
    if (lane->current == job) {
        return false;
    }
    for (const struct gv_job *other = lane->head; other != NULL; other = other->next) {
        if (other == job) {
            return false;
        }
    }
    return true;
}

/* ---- both ------------------------------------------------------------------------------------------------------ */

static void offer_lane(struct gv_lanes *lanes, struct gv_lane *lane)
{
    lock_queue(lanes);
    lock(lane);
    bool yes = to_be_offered(lane);
    if (yes) {
        lane->offered = 1;
        push_back(lanes, lane);
    }
    unlock(lane);
    unlock_queue(lanes);
    if (yes) {
        gv_bell_ring(lanes->bell);
    }
}

/* Another thread is at this lane and there is nothing to help with: waits for either to change. */
static void await(struct gv_lanes *lanes, struct gv_lane *lane, const struct gv_job *job)
{
    uint64_t until_ns = lanes->spin_us > 0 ? gv_engine_wall_ns() + lanes->spin_us * UINT64_C(1000) : 0;
    while (until_ns > 0 && gv_engine_wall_ns() < until_ns) {
        for (uint32_t i = 0; i < 16; i++) {
            gv_bell_pause();
        }
        lock(lane);
        bool changed = !lane->running || settled(lane, job);
        unlock(lane);
        if (changed || gv_lanes_offered(lanes) > 0) {
            return;
        }
    }
    uint64_t entered = gv_bell_enter(lanes->bell);
    lock(lane);
    bool changed = !lane->running || settled(lane, job);
    if (!changed) {
        lane->waited = 1;
    }
    unlock(lane);
    if (changed || gv_lanes_offered(lanes) > 0) {
        gv_bell_leave(lanes->bell);
        return;
    }
    gv_bell_sleep(lanes->bell, entered);
}

static void join(struct gv_thread *thread, struct gv_lane *lane, const struct gv_job *job)
{
    struct gv_lanes *lanes = gv_engine_lanes(thread->engine);
    lock(lane);
    while (!settled(lane, job)) {
        if (!lane->running) {
            struct gv_job *next = begin(lane);
            unlock(lane);
            next->run(next, thread);
            lock(lane);
            (void)end(lane); /* who else could wait? */
            continue;
        }
        unlock(lane);
        if (!gv_lanes_work(lanes, thread)) {
            await(lanes, lane, job);
        }
        lock(lane);
    }
    lane->waited = 0;
    bool offer = to_be_offered(lane); /* the queue came to it while it ran here */
    unlock(lane);
    if (offer) {
        offer_lane(lanes, lane);
    }
}

/* ---- public ---------------------------------------------------------------------------------------------------- */

bool gv_lanes_init(struct gv_lanes *lanes, struct gv_bell *bell, uint32_t spin_us)
{
    memset(lanes, 0, sizeof *lanes);
    lanes->bell = bell;
    lanes->spin_us = spin_us;
    atomic_init(&lanes->offered, 0);
    atomic_init(&lanes->finishing, false);
    return pthread_mutex_init(&lanes->mutex, NULL) == 0;
}

void gv_lanes_deinit(struct gv_lanes *lanes)
{
    free(lanes->ring);
    (void)pthread_mutex_destroy(&lanes->mutex);
}

bool gv_lanes_work(struct gv_lanes *lanes, struct gv_thread *thread)
{
    if (gv_lanes_offered(lanes) == 0) {
        return false;
    }
    struct gv_lane *lane = NULL;
    struct gv_job *job = NULL;
    lock_queue(lanes);
    while (job == NULL && lanes->count > 0) {
        lane = pop_front(lanes);
        lock(lane);
        lane->offered = 0;
        if (!lane->running && lane->head != NULL) {
            job = begin(lane);
        }
        unlock(lane);
    }
    lanes->active += job != NULL;
    unlock_queue(lanes);
    if (job == NULL) {
        return false;
    }
    job->run(job, thread);
    lock_queue(lanes);
    lock(lane);
    bool ring = end(lane);
    if (to_be_offered(lane)) {
        lane->offered = 1;
        push_front(lanes, lane); /* its memory is warm, and it has waited longest */
        ring = true;
    }
    unlock(lane);
    lanes->active--;
    ring = ring || (atomic_load(&lanes->finishing) && lanes->active == 0 && lanes->count == 0);
    unlock_queue(lanes);
    if (ring) {
        gv_bell_ring(lanes->bell);
    }
    return true;
}

bool gv_lanes_idle(struct gv_lanes *lanes)
{
    lock_queue(lanes);
    bool idle = lanes->count == 0 && lanes->active == 0;
    unlock_queue(lanes);
    return idle;
}

void gv_lane_init(struct gv_lane *lane)
{
    memset(lane, 0, sizeof *lane);
}

void gv_lane_push(struct gv_thread *thread, struct gv_lane *lane, struct gv_job *job, bool offer)
{
    job->next = NULL;
    job->done = false;
    lock(lane);
    if (lane->tail == NULL) {
        lane->head = job;
    } else {
        lane->tail->next = job;
    }
    lane->tail = job;
    if (offer) {
        lane->wanted = 1;
    }
    bool yes = to_be_offered(lane);
    unlock(lane);
    if (yes) {
        offer_lane(gv_engine_lanes(thread->engine), lane);
    }
}

void gv_lane_join(struct gv_thread *thread, struct gv_lane *lane, struct gv_job *job)
{
    join(thread, lane, job);
    job->done = true;
}

void gv_lane_drain(struct gv_thread *thread, struct gv_lane *lane)
{
    struct gv_lanes *lanes = gv_engine_lanes(thread->engine);
    join(thread, lane, NULL);
    lock_queue(lanes);
    lock(lane);
    if (lane->offered) {
        take_out(lanes, lane);
        lane->offered = 0;
    }
    unlock(lane);
    unlock_queue(lanes);
}
