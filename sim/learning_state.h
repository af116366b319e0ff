/*
 * What learning.c and snapshot.c share.
 */
#ifndef GV_LEARNING_STATE_H
#define GV_LEARNING_STATE_H

#include "data.h"
#include "evaluate.h"
#include "learner.h"
#include "learning.h"
#include "scratch.h"

struct gv_learning {
    const struct gv_scenario *scenario;
    uint64_t seed;
    struct gv_data data;
    struct gv_model *model; /* owned; NULL in mean mode */
    struct gv_schema schema;
    uint32_t shards;
    uint32_t *rows;      /* (train.count): the training rows, shard by shard; owned */
    uint32_t *first;     /* (shards + 1): where each shard begins in `rows`; owned */
    struct gv_part part; /* of the test samples, for evaluation */
    uint64_t parameters;
    uint32_t block_count;
    uint64_t block_elements[GV_BLOCKS_MAX];
    struct gv_hash layout;
};

struct gv_replica {
    const struct gv_learning *learning;
    struct gv_learner *learner; /* owned; NULL in mean mode */
    float *vector;              /* (parameters): the learner's, or owned in mean mode */
    float *checkpoint;          /* (parameters), owned; NULL: none yet */
};

struct gv_learning_scratch {
    struct gv_scratch *scratch; /* NULL in mean mode */
};

/** Where block `block` begins in memory; the learner's state is parameters, then velocity. */
float *gv_replica_block(const struct gv_replica *replica, uint32_t block);

#endif
