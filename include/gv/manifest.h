/*
 * What the members of a swarm share, parsed: the manifest's fields. proto/manifest.c reads and signs its text form;
 * learn/ takes the parts it needs from here.
 */
#ifndef GV_MANIFEST_H
#define GV_MANIFEST_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/id.h"
#include "gv/limits.h"
#include "gv/msg.h"

enum gv_schedule {
    GV_SCHEDULE_CONSTANT = 0,
    GV_SCHEDULE_LINEAR = 1,  /* warm-up, then linearly to zero */
    GV_SCHEDULE_INVERSE = 2, /* rate / (1 + rate_decay age) */
};
enum gv_scaling {
    GV_SCALING_NONE = 0,
    GV_SCALING_UNIT = 1,     /* (x - mean) / deviation with one mean and deviation for all features (images) */
    GV_SCALING_STANDARD = 2, /* one mean and deviation per feature (tables) */
};
enum gv_inviters { GV_INVITERS_MEMBERS = 0, GV_INVITERS_ROOT = 1 };

/* What data must look like to fit the swarm. */
struct gv_schema {
    uint32_t features;
    uint32_t classes;
    char (*class_names)[GV_NAME_BYTES_MAX + 1]; /* (classes), owned, never NULL once parsed */
    enum gv_scaling scaling;
    uint32_t scale_count; /* 0, 1 or features */
    float *mean;          /* (scale_count), owned */
    float *deviation;     /* (scale_count), owned, > 0 */
};

struct gv_training {
    char model[128]; /* "mlp:784-128-10" */
    uint64_t seed;   /* of the initial parameters */
    float rate;      /* peak learning rate */
    float momentum;  /* v <- momentum v + g, x <- x - rate v */
    float weight_decay;
    enum gv_schedule schedule;
    float warmup;       /* fraction of total_age, for GV_SCHEDULE_LINEAR */
    uint64_t total_age; /* steps of the swarm's clock over which the schedule runs; 0 with GV_SCHEDULE_CONSTANT */
    float rate_decay;   /* 1/step, for GV_SCHEDULE_INVERSE; else 0 */
    uint32_t batch;
};

struct gv_manifest {
    char name[GV_NAME_BYTES_MAX + 1];
    struct gv_sign_public root;
    uint64_t version;
    uint32_t epoch; /* model generation */
    enum gv_inviters inviters;
    struct gv_training training;
    uint32_t local_steps; /* H */
    uint32_t merge;       /* enum gv_merge of core.h */
    uint32_t exchange;    /* enum gv_exchange_kind of core.h */
    bool exchange_momentum;
    enum gv_codec codec;
    uint32_t settle_exchanges;
    uint64_t stop_age; /* steps; 0: never */
    struct gv_schema schema;
    struct gv_hash hash; /* of the signed text */
    char *text;          /* the signed text as it came, signature line included, owned */
    uint32_t text_bytes;
};

#endif
