/*
 * Bandwidth caps: see shaper.h. The bucket holds at most a quarter of a second's worth, so that a cap is felt at once.
 */
#include "shaper.h"

#include "clock.h"

void gv_shaper_set(struct gv_shaper *shaper, uint64_t bytes_per_s)
{
    shaper->bytes_per_s = bytes_per_s;
}

bool gv_shaper_put(struct gv_shaper *shaper, const struct gv_mail *mail, uint32_t bytes)
{
    if (shaper->count == GV_SHAPER_QUEUE) {
        return false;
    }
    uint32_t at = (shaper->first + shaper->count++) % GV_SHAPER_QUEUE;
    shaper->queue[at].mail = *mail;
    shaper->queue[at].bytes = bytes;
    return true;
}

static void refill(struct gv_shaper *shaper, uint64_t now_us)
{
    uint64_t elapsed_us = gv_elapsed_us(now_us, shaper->updated_us);
    elapsed_us = elapsed_us > 1000000u ? 1000000u : elapsed_us;
    int64_t full = (int64_t)(shaper->bytes_per_s / 4);
    uint64_t gained = shaper->bytes_per_s * elapsed_us / 1000000u;
    if (gained == 0) {
        return; /* the time is kept until it makes a byte */
    }
    shaper->tokens += (int64_t)gained;
    shaper->tokens = shaper->tokens > full ? full : shaper->tokens;
    shaper->updated_us = now_us;
}

bool gv_shaper_take(struct gv_shaper *shaper, struct gv_mail *mail, uint64_t now_us)
{
    if (shaper->count == 0) {
        return false;
    }
    if (shaper->bytes_per_s > 0) {
        refill(shaper, now_us);
        if (shaper->tokens < 0) {
            return false;
        }
        shaper->tokens -= shaper->queue[shaper->first].bytes;
    }
    *mail = shaper->queue[shaper->first].mail;
    shaper->first = (shaper->first + 1) % GV_SHAPER_QUEUE;
    shaper->count--;
    return true;
}

void gv_shaper_debit(struct gv_shaper *shaper, size_t bytes)
{
    int64_t floor = -(int64_t)shaper->bytes_per_s;
    if (shaper->bytes_per_s > 0 && shaper->tokens > floor) {
        int64_t tokens = shaper->tokens - (int64_t)bytes;
        shaper->tokens = tokens > floor ? tokens : floor;
    }
}

bool gv_shaper_forget(struct gv_shaper *shaper, struct gv_mail *mail, uint64_t nonce)
{
    for (uint32_t i = 0; i < shaper->count; i++) {
        uint32_t at = (shaper->first + i) % GV_SHAPER_QUEUE;
        if (shaper->queue[at].mail.nonce == nonce) {
            *mail = shaper->queue[at].mail;
            for (uint32_t k = i; k + 1 < shaper->count; k++) {
                shaper->queue[(shaper->first + k) % GV_SHAPER_QUEUE] =
                    shaper->queue[(shaper->first + k + 1) % GV_SHAPER_QUEUE];
            }
            shaper->count--;
            return true;
        }
    }
    return false;
}

bool gv_shaper_holds(const struct gv_shaper *shaper, uint64_t nonce, uint32_t index)
{
    for (uint32_t i = 0; i < shaper->count; i++) {
        const struct gv_mail *mail = &shaper->queue[(shaper->first + i) % GV_SHAPER_QUEUE].mail;
        if (mail->nonce == nonce && mail->index == index) {
            return true;
        }
    }
    return false;
}

uint64_t gv_shaper_deadline(const struct gv_shaper *shaper, uint64_t now_us)
{
    if (shaper->count == 0) {
        return UINT64_MAX;
    }
    if (shaper->bytes_per_s == 0 || shaper->tokens >= 0) {
        return now_us;
    }
    return now_us + (uint64_t)-shaper->tokens * 1000000u / shaper->bytes_per_s + 1000u;
}
