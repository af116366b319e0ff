/* Sleeping and waking; see bell.h. */
#include "bell.h"

#include "gv/err.h"

static void lock(struct gv_bell *bell)
{
    int rc = pthread_mutex_lock(&bell->mutex);
    GV_ASSERT(rc == 0);
}

static void unlock(struct gv_bell *bell)
{
    int rc = pthread_mutex_unlock(&bell->mutex);
    GV_ASSERT(rc == 0);
}

bool gv_bell_init(struct gv_bell *bell)
{
    bell->rings = 0;
    atomic_init(&bell->sleepers, 0);
    if (pthread_mutex_init(&bell->mutex, NULL) != 0) {
        return false;
    }
    if (pthread_cond_init(&bell->rung, NULL) != 0) {
        (void)pthread_mutex_destroy(&bell->mutex);
        return false;
    }
    return true;
}

void gv_bell_deinit(struct gv_bell *bell)
{
    (void)pthread_cond_destroy(&bell->rung);
    (void)pthread_mutex_destroy(&bell->mutex);
}

uint64_t gv_bell_enter(struct gv_bell *bell)
{
    lock(bell);
    uint64_t rings = bell->rings;
    unlock(bell);
    (void)atomic_fetch_add(&bell->sleepers, 1);
    return rings;
}

void gv_bell_leave(struct gv_bell *bell)
{
    (void)atomic_fetch_sub(&bell->sleepers, 1);
}

void gv_bell_sleep(struct gv_bell *bell, uint64_t entered)
{
    lock(bell);
    while (bell->rings == entered) {
        int rc = pthread_cond_wait(&bell->rung, &bell->mutex);
        GV_ASSERT(rc == 0);
    }
    unlock(bell);
    gv_bell_leave(bell);
}

void gv_bell_ring(struct gv_bell *bell)
{
    if (!gv_bell_sleepers(bell)) {
        return;
    }
    lock(bell);
    bell->rings++;
    int rc = pthread_cond_broadcast(&bell->rung);
    GV_ASSERT(rc == 0);
    unlock(bell);
}
