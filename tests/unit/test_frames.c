/* Frames on their way to the core: what is kept for each link. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "node.h"

Test(frames, a_late_verdict_leaves_the_next_link_in_its_place_alone)
{
    struct gv_node *node = calloc(1, sizeof *node);
    cr_assert_not_null(node);
    struct gv_check_rate *rate = &node->check_rates[5];
    *rate =
        (struct gv_check_rate){.link = GV_LINK_SLOTS + 5, .greeted = true, .verifying = true, .checks = 1, .tokens = 3};
    gv_node_checked(node, 5);
    cr_expect_eq(rate->link, GV_LINK_SLOTS + 5);
    cr_expect(rate->greeted && rate->verifying && rate->checks == 1 && rate->tokens == 3);
    gv_node_checked(node, GV_LINK_SLOTS + 5);
    cr_expect(rate->greeted && !rate->verifying && rate->checks == 0 && rate->tokens == 3);
    free(node);
}
