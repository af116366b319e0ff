/*
 * Lost segments of a TCP connection. One draw tells for a whole frame whether anything is lost, so that frames of many
 * segments cost no more than small ones.
 */
#include "loss.h"

/* x^n for n >= 1, by repeated squaring. */
static double power(double x, uint32_t n)
{
    double result = 1.0;
    while (n > 1) {
        if (n % 2 == 1) {
            result *= x;
        }
        x *= x;
        n /= 2;
    }
    return result * x;
}

/* How many segments get through before the first lost one; `segments` if none of them is lost. The number before a loss
   is geometric: floor(ln u / ln(1 - share)) (Devroye, "Non-uniform random variate generation", 1986, X.2). It is at
   least `segments` if and only if u <= (1 - share)^segments, which needs no logarithm. */
static uint32_t intact(const struct gv_loss *loss, struct gv_random *random, uint32_t segments)
{
    double u = gv_random_open(random);
    if (u <= power(loss->survives, segments)) {
        return segments;
    }
    double gap = gv_portable_log(u) * loss->per_log;
    return gap < (double)segments ? (uint32_t)gap : segments - 1;
}

void gv_loss_init(struct gv_loss *loss, double share)
{
    loss->share = share;
    loss->survives = 1.0 - share;
    loss->per_log = 0.0;
    if (loss->survives > 0.0 && loss->survives < 1.0) {
        loss->per_log = 1.0 / gv_portable_log(loss->survives);
    }
}

bool gv_loss_draw(const struct gv_loss *loss, struct gv_random *random, uint32_t bytes, uint64_t round_trip_us,
                  uint64_t patience_us, uint64_t *delay_us)
{
    *delay_us = 0;
    uint64_t timeout_us = 2 * round_trip_us;
    timeout_us = timeout_us > GV_RETRANSMIT_LEAST_US ? timeout_us : GV_RETRANSMIT_LEAST_US;
    uint32_t left = bytes / GV_SEGMENT_BYTES + (bytes % GV_SEGMENT_BYTES > 0 || bytes == 0);
    while (left > 0) {
        uint32_t passed = intact(loss, random, left);
        left -= passed;
        if (left == 0) {
            break;
        }
        left--;
        unsigned losses = 1;
        while (losses < GV_SEGMENT_LOSSES_MAX && gv_random_open(random) < loss->share) {
            losses++;
        }
        uint64_t held_us = timeout_us * ((UINT64_C(1) << losses) - 1);
        if (left >= GV_SEGMENTS_TELLING && losses < GV_SEGMENT_LOSSES_MAX) {
            /* Its first loss is told by those behind it, the next ones by the timer. */
            held_us = round_trip_us + timeout_us * ((UINT64_C(1) << (losses - 1)) - 1);
        }
        if (losses == GV_SEGMENT_LOSSES_MAX || held_us > patience_us) {
            *delay_us += held_us < patience_us ? held_us : patience_us;
            return false;
        }
        *delay_us += held_us;
    }
    return true;
}
