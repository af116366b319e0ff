/*
 * Scores and rates. A peer's score rises with what it does wrong and halves every minute: 0 good, 65535 bad. Above
 * BAD it is not chosen for anything and loses its link; what was refused is counted by reason for `status`.
 */
#include "core_state.h"

#define HALF_LIFE_US (60 * GV_SECOND)
#define SCORE_MAX 65535u
#define BAD 32768u

void gv_score_count(struct gv_core *core, enum gv_err reason)
{
    if (reason >= 100 && (uint32_t)reason - 100 < GV_REASONS) {
        core->refusals[reason - 100]++;
    }
}

uint32_t gv_score_now(const struct gv_core *core, uint32_t peer)
{
    if (core->scores[peer] == 0) {
        return 0;
    }
    uint64_t passed_us = core->now_us - core->peers[peer].score_us;
    uint64_t halvings = passed_us / HALF_LIFE_US;
    if (halvings > 16) {
        return 0;
    }
    uint64_t score = (uint64_t)core->scores[peer] >> halvings;
    /* Between two halvings a straight line: at most 6 % above the exponential. */
    return (uint32_t)(score - score * (passed_us % HALF_LIFE_US) / (2 * HALF_LIFE_US));
}

void gv_score_add(struct gv_core *core, uint32_t peer, enum gv_err reason, uint32_t amount)
{
    gv_score_count(core, reason);
    if (peer == GV_NOBODY) {
        return;
    }
    struct gv_peer *p = &core->peers[peer];
    uint32_t score = gv_score_now(core, peer) + amount;
    core->scores[peer] = (uint16_t)(score > SCORE_MAX ? SCORE_MAX : score);
    core->accused = core->accused || core->scores[peer] >= BAD;
    p->score_us = core->now_us;
    p->last_error = (uint16_t)reason;
}

bool gv_score_bad(const struct gv_core *core, uint32_t peer)
{
    return core->scores[peer] >= BAD && gv_score_now(core, peer) >= BAD;
}

void gv_bucket_fill(struct gv_bucket *bucket, uint64_t now_us, uint32_t burst)
{
    bucket->filled_us = now_us;
    bucket->tokens = burst * 1024;
}

bool gv_bucket_take(struct gv_bucket *bucket, uint64_t now_us, uint32_t per_second, uint32_t burst)
{
    uint64_t passed_us = now_us - bucket->filled_us;
    if (passed_us > 100 * GV_SECOND) {
        passed_us = 100 * GV_SECOND;
    }
    uint64_t gained = passed_us * per_second * 1024 / GV_SECOND;
    if (gained > 0) {
        uint64_t tokens = bucket->tokens + gained;
        bucket->tokens = (uint32_t)(tokens > (uint64_t)burst * 1024 ? (uint64_t)burst * 1024 : tokens);
        bucket->filled_us = now_us;
    }
    if (bucket->tokens < 1024) {
        return false;
    }
    bucket->tokens -= 1024;
    return true;
}
