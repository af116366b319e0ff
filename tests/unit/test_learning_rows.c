/*
 * How much data there is and how it is shared out.
 */
#include <criterion/criterion.h>

#include "learning_rows.h"

static struct gv_row_counts rows_of(const char *text)
{
    struct gv_scenario scenario;
    struct gv_learning *learning = NULL;
    struct gv_row_counts rows;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(gv_scenario_parse(&scenario, text, "trial.ini", &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_learning_new(&learning, &scenario, 1, &diag), GV_OK, "%s", diag.text);
    gv_learning_rows(learning, &rows);
    gv_learning_free(&learning);
    return rows;
}

#define SEVEN "[swarm]\nnodes = 7\n[learning]\ndata = builtin:glyphs,train=203,test=60\n"

Test(learning_rows, are_counted_for_the_poorest_and_the_richest)
{
    struct gv_row_counts rows = rows_of(SEVEN);
    cr_expect(rows.train == 203 && rows.test == 60 && rows.test_used == 60);
    cr_expect(rows.node_least == 29 && rows.node_most == 29, "203 rows are 7 times 29");
    rows = rows_of(SEVEN "partition = dirichlet:0.1\n");
    cr_expect_lt(rows.node_least, 29);
    cr_expect_gt(rows.node_most, 29);
}

Test(learning_rows, are_as_few_as_the_scenario_asks_for)
{
    struct gv_row_counts rows = rows_of(SEVEN "samples_per_node = 6\nevaluate_samples = 20\n");
    cr_expect(rows.node_least == 6 && rows.node_most == 6 && rows.test_used == 20 && rows.test == 60);
    rows = rows_of(SEVEN "samples_per_node = 6000\n");
    cr_expect(rows.node_least == 29 && rows.node_most == 29, "there are no more");
}

Test(learning_rows, averaging_has_none)
{
    struct gv_row_counts rows = rows_of("[swarm]\nmode = mean\nnodes = 5\n");
    cr_expect(rows.train == 0 && rows.test == 0 && rows.node_most == 0);
}
