/* What the trainer tells: numbers in fixed point, whatever the loss. */
#include <criterion/criterion.h>
#include <math.h>

#include "trainer.h"

Test(trainer, writes_any_number_in_fixed_point)
{
    cr_expect_eq(gv_q16(1.5), 98304);
    cr_expect_eq(gv_q16(0), 0);
    cr_expect_eq(gv_q16(-1), 0);
    cr_expect_eq(gv_q16((double)NAN), 0);
    cr_expect_eq(gv_q16((double)INFINITY), 0);
    cr_expect_eq(gv_q16(0x1p47), 1ull << 63);
    cr_expect_eq(gv_q16(0x1p48), UINT64_MAX);
    cr_expect_eq(gv_q16(1e300), UINT64_MAX);
}
