/*
 * How much data there is: see learning_rows.h.
 */
#include "learning_rows.h"

#include "learning_state.h"

void gv_learning_rows(const struct gv_learning *learning, struct gv_row_counts *rows)
{
    *rows = (struct gv_row_counts){0};
    if (learning->model == NULL) {
        return;
    }
    uint32_t most = learning->scenario->learning.samples_per_node;
    rows->train = learning->data.train.count;
    rows->test = learning->data.test.count;
    rows->test_used = rows->test > 0 ? learning->part.count : 0;
    for (uint32_t k = 0; k < learning->shards; k++) {
        uint64_t shard = learning->first[k + 1] - learning->first[k];
        shard = most > 0 && most < shard ? most : shard;
        rows->node_least = k == 0 || shard < rows->node_least ? shard : rows->node_least;
        rows->node_most = shard > rows->node_most ? shard : rows->node_most;
    }
}
