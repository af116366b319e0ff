/*
 * Scores and rates. A peer's score rises with what it does wrong and halves every minute: 0 good, 65535 bad. Above
 * BAD it is not chosen for anything and loses its link; what was refused is counted by reason for `status`.
 */
#include "core_state.h"

#define HALF_LIFE_US (60 * GV_SECOND)
#define SCORE_MAX 65535u
#define BAD 32768u

static void count(uint32_t counts[GV_REASONS], enum gv_err reason)
{
    uint32_t index = gv_reason_index(reason);
    if (index < GV_REASONS && counts[index] < UINT32_MAX) {
        counts[index]++;
    }
}

void gv_score_count(struct gv_core *core, enum gv_err reason)
{
    count(core->refusals, reason);
}

void gv_score_declined(struct gv_core *core, enum gv_err reason)
{
    count(core->declined, reason);
}

void gv_score_dial_failed(struct gv_core *core, uint32_t kind, enum gv_err reason)
{
    count(core->dial_failures, reason);
    core->dials_failed[kind - GV_DIAL_PEER]++;
    core->dial_failed_us = core->now_us;
    core->dial_error = (uint16_t)reason;
}

void gv_score_note(struct gv_core *core, uint32_t peer, enum gv_err reason)
{
    core->peers[peer].last_error = (uint16_t)reason;
    core->peers[peer].last_error_ds = (uint32_t)(core->now_us / (100 * GV_MS));
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
    gv_score_note(core, peer, reason);
}

bool gv_score_bad(const struct gv_core *core, uint32_t peer)
{
    return core->scores[peer] >= BAD && gv_score_now(core, peer) >= BAD;
}

/* Within the first half-life, since no score is twice BAD: where the straight line of gv_score_now() falls below it. */
uint64_t gv_score_good_at(const struct gv_core *core, uint32_t peer)
{
    _Static_assert(SCORE_MAX < 2 * BAD, "one half-life forgives everybody");
    if (!gv_score_bad(core, peer)) {
        return 0;
    }
    uint64_t score = core->scores[peer];
    return core->peers[peer].score_us + (score - BAD + 1) * 2 * HALF_LIFE_US / score + 1;
}

void gv_bucket_fill(struct gv_bucket *bucket, uint64_t now_us, uint32_t burst)
{
    bucket->filled_us = now_us;
    bucket->tokens = burst * 1024;
}

bool gv_bucket_take_leaving(struct gv_bucket *bucket, uint64_t now_us, uint32_t per_second, uint32_t burst,
                            uint32_t left)
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
    if (bucket->tokens < (1 + left) * 1024) {
        return false;
    }
    bucket->tokens -= 1024;
    return true;
}

bool gv_bucket_take(struct gv_bucket *bucket, uint64_t now_us, uint32_t per_second, uint32_t burst)
{
    return gv_bucket_take_leaving(bucket, now_us, per_second, burst, 0);
}

bool gv_rate_take(uint64_t *until_us, uint64_t now_us, uint64_t each_us, uint32_t burst)
{
    uint64_t from_us = *until_us > now_us ? *until_us : now_us;
    if (from_us - now_us > (uint64_t)(burst - 1) * each_us) {
        return false;
    }
    *until_us = from_us + each_us;
    return true;
}
