/* What the host counts of the core's effects, and who has dialled us from where. */
#include <criterion/criterion.h>
#include <string.h>

#include "scope.h"
#include "tally.h"

static struct gv_effect log_of(enum gv_log_code code, enum gv_err reason)
{
    struct gv_effect fx = {.kind = GV_FX_LOG, .reason = reason};
    fx.u.log.code = code;
    return fx;
}

Test(tally, counts_each_kind_by_its_reason)
{
    struct gv_tally tally = {.last_refused_us = 0};
    struct gv_effect refused = log_of(GV_LOG_WE_REFUSED, GV_ERR_EXPIRED);
    struct gv_effect shut = log_of(GV_LOG_SHUT_OUT, GV_ERR_RATE);
    struct gv_effect other = log_of(GV_LOG_PEER_REFUSED, GV_ERR_EXPIRED);
    struct gv_effect close = {.kind = GV_FX_CLOSE, .reason = GV_ERR_CROWDED};
    struct gv_effect alarm = {.kind = GV_FX_ALARM, .reason = GV_ERR_COPIED_KEY};
    gv_tally_effect(&tally, &refused, 5);
    gv_tally_effect(&tally, &refused, 7);
    gv_tally_effect(&tally, &shut, 8);
    gv_tally_effect(&tally, &other, 9);
    gv_tally_effect(&tally, &close, 10);
    gv_tally_effect(&tally, &alarm, 11);
    cr_assert_eq(tally.refused_by_peers[gv_reason_index(GV_ERR_EXPIRED)], 2);
    cr_assert_eq(tally.last_refused, GV_ERR_EXPIRED);
    cr_assert_eq(tally.last_refused_us, 7);
    cr_assert_eq(tally.shut_out[gv_reason_index(GV_ERR_RATE)], 1);
    cr_assert_eq(tally.closed[gv_reason_index(GV_ERR_CROWDED)], 1);
    cr_assert_eq(tally.alarms[gv_reason_index(GV_ERR_COPIED_KEY)], 1);
}

Test(tally, counts_each_peer_that_dials_us_once_and_by_how_far_it_came)
{
    struct gv_tally tally = {.last_refused_us = 0};
    struct gv_id a = {.b = {1}};
    struct gv_id b = {.b = {2}};
    gv_tally_came_in(&tally, &a, "tcp://127.0.0.1:4000", 5);
    gv_tally_came_in(&tally, &a, "tcp://127.0.0.1:4001", 6);
    gv_tally_came_in(&tally, &b, "tcp://8.8.8.8:4000", 7);
    cr_assert_eq(tally.came_in[GV_SCOPE_LOOPBACK], 1);
    cr_assert_eq(tally.came_in[GV_SCOPE_PRIVATE], 0);
    cr_assert_eq(tally.came_in[GV_SCOPE_PUBLIC], 1);
    cr_assert_eq(tally.came_in_us, 7);
}
