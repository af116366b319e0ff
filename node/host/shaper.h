/*
 * Bandwidth caps: a token bucket and a queue of letters that wait for it. Control messages are small and never wait.
 */
#ifndef GV_SHAPER_H
#define GV_SHAPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gv/limits.h"
#include "mailbox.h"

#define GV_SHAPER_QUEUE 64

struct gv_shaper {
    uint64_t bytes_per_s; /* 0: no cap */
    int64_t tokens;       /* bytes; may go below zero by one letter, or a second's worth of what went past */
    uint64_t updated_us;
    uint32_t first, count;
    struct {
        struct gv_mail mail;
        uint32_t bytes;
    } queue[GV_SHAPER_QUEUE];
};

void gv_shaper_set(struct gv_shaper *shaper, uint64_t bytes_per_s);
/** Queues a letter of so many bytes; false if the queue is full. */
bool gv_shaper_put(struct gv_shaper *shaper, const struct gv_mail *mail, uint32_t bytes);
/** Takes the next letter whose turn has come. */
bool gv_shaper_take(struct gv_shaper *shaper, struct gv_mail *mail, uint64_t now_us);
/** Counts bytes that went past the queue (small frames, states that ride inline): a second's worth of debt at most, or
 *  who asks for small things all the time would stop the queue for good. */
void gv_shaper_debit(struct gv_shaper *shaper, size_t bytes);
/** Takes out a letter that concerns this nonce, whatever its turn; false if there is none. */
bool gv_shaper_forget(struct gv_shaper *shaper, struct gv_mail *mail, uint64_t nonce);
/** Whether a letter about this chunk waits. */
bool gv_shaper_holds(const struct gv_shaper *shaper, uint64_t nonce, uint32_t index);
/** When to ask again; UINT64_MAX if nothing waits. */
uint64_t gv_shaper_deadline(const struct gv_shaper *shaper, uint64_t now_us);

#endif
