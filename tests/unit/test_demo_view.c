/*
 * The demo's summary, where some of what it compares is not known.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo.h"

static struct gv_demo demo;
static char *said; /* on standard output */

static void setup(void)
{
    demo = (struct gv_demo){.node_count = 2, .data = "data", .central_accuracy = -1.0};
    for (uint32_t i = 0; i <= demo.node_count; i++) {
        demo.nodes[i] = (struct gv_demo_node){
            .phase = GV_DEMO_FINISHED, .final_accuracy = -1.0, .alone_accuracy = -1.0, .compute_share = -1.0};
    }
}

static void teardown(void)
{
    free(said);
    said = NULL;
}

TestSuite(demo_view, .init = setup, .fini = teardown);

static bool summary(void)
{
    size_t bytes;
    FILE *kept = stdout;
    stdout = open_memstream(&said, &bytes);
    cr_assert_not_null(stdout);
    bool beaten = gv_demo_summary(&demo);
    (void)fclose(stdout);
    stdout = kept;
    return beaten;
}

Test(demo_view, what_cannot_be_judged_has_no_accuracy)
{
    cr_expect_not(summary());
    cr_expect_not_null(strstr(said, "worst node -, best node trained alone -, one model on all the data"), "%s", said);
    cr_expect_null(strstr(said, "%"), "%s", said);
}

Test(demo_view, the_worst_of_those_that_can_be_judged_is_compared)
{
    demo.nodes[0].final_accuracy = 0.9;
    demo.nodes[1].final_accuracy = 0.8;
    demo.nodes[2].alone_accuracy = 0.75;
    cr_expect(summary());
    cr_expect_not_null(strstr(said, "worst node 80.0%, best node trained alone 75.0%"), "%s", said);
    teardown();
    demo.nodes[0].alone_accuracy = 0.85;
    cr_expect_not(summary());
}
