/* The manifest in force: what a node does that cannot keep a new one. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "manifest_text.h"
#include "node.h"

/* On disk there is no room, or no disk: a start anew would find the old manifest, or end at the last checkpoint. */
Test(standing, a_manifest_that_cannot_be_saved_starts_nothing_anew)
{
    struct gv_node *node = calloc(1, sizeof *node);
    struct gv_diag diag = {.code = GV_OK};
    cr_assert_not_null(node);
    cr_assert_eq(gv_mailbox_new(&node->trainer.in), GV_OK);
    node->dir = "/nowhere/at/all";
    node->manifest.version = 1;
    struct gv_manifest fresh = {.version = 2, .epoch = 1};
    cr_expect_neq(gv_node_take_manifest(node, &fresh, &diag), GV_OK);
    cr_expect_neq(diag.text[0], '\0', "the person who gave it is told");
    cr_expect_eq(node->manifest.version, 1);
    cr_expect_eq((int)node->ending, (int)GV_RUNNING);
    cr_expect_not(node->restart);
    gv_mailbox_free(&node->trainer.in);
    free(node);
}
