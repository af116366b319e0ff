/*
 * The monotonic clock, and how to measure with it.
 */
#ifndef GV_CLOCK_H
#define GV_CLOCK_H

#include <stdint.h>
#include <time.h>

/** Monotonic microseconds. */
static inline uint64_t gv_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/** Monotonic milliseconds, for deadlines. */
static inline int64_t gv_now_ms(void)
{
    return (int64_t)(gv_now_us() / 1000u);
}

/** Time since `since_us`; 0 if that lies ahead, as it may when `now_us` was read at the start of a turn. */
static inline uint64_t gv_elapsed_us(uint64_t now_us, uint64_t since_us)
{
    int64_t elapsed = (int64_t)(now_us - since_us);
    return elapsed > 0 ? (uint64_t)elapsed : 0;
}

#endif
