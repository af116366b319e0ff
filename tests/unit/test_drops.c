/* What the host cuts or lets fall has a name each. */
#include <criterion/criterion.h>
#include <string.h>

#include "drops.h"
#include "log.h"

Test(drops, have_names_of_their_own_and_add_up)
{
    struct gv_drops a = {.count = {0}};
    struct gv_drops b = {.count = {0}};
    gv_log_set_level(GV_LEVEL_BROKEN);
    for (int i = 0; i < GV_DROPS; i++) {
        cr_assert_gt(strlen(gv_drop_text((enum gv_drop)i)), 10);
        for (int k = 0; k < i; k++) {
            cr_assert_str_neq(gv_drop_name((enum gv_drop)i), gv_drop_name((enum gv_drop)k));
        }
        gv_drop(&a, (enum gv_drop)i, "tcp://192.0.2.1:1");
        gv_drop(&b, (enum gv_drop)i, "");
    }
    gv_drops_add(&a, &b);
    for (int i = 0; i < GV_DROPS; i++) {
        cr_assert_eq(a.count[i], 2);
    }
}
