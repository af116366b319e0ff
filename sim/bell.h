/*
 * Where threads without work sleep, and what wakes them. Ringing costs one load while nobody sleeps.
 *
 * A sleeper enters, looks once more whether there is work, and then either leaves or sleeps; whoever makes work first
 * publishes it (sequentially consistent) and then rings. Either the sleeper sees the work, or the ringer the sleeper.
 */
#ifndef GV_BELL_H
#define GV_BELL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct gv_bell {
    pthread_mutex_t mutex;
    pthread_cond_t rung;
    uint64_t rings; /* guarded by mutex */
    _Atomic uint32_t sleepers;
};

/** False if the system has no room for it. */
bool gv_bell_init(struct gv_bell *bell);
void gv_bell_deinit(struct gv_bell *bell);

/** Announces a sleeper; returns what gv_bell_sleep() takes. */
uint64_t gv_bell_enter(struct gv_bell *bell);
void gv_bell_leave(struct gv_bell *bell);

/** Sleeps until the bell has rung since gv_bell_enter(), and leaves. */
void gv_bell_sleep(struct gv_bell *bell, uint64_t entered);

/** Wakes everybody. */
void gv_bell_ring(struct gv_bell *bell);

static inline bool gv_bell_sleepers(struct gv_bell *bell)
{
    return atomic_load(&bell->sleepers) != 0;
}

/* A moment's rest of a thread that spins, kind to its neighbour on the same core. */
static inline void gv_bell_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
