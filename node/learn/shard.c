/*
 * Cutting one data set into the shards of several nodes, for trials: alike (iid), with class shares that differ
 * (dirichlet; Hsu, Qi, Brown, "Measuring the effects of non-identical data distribution", 2019), or with a few classes
 * each (McMahan et al., 2017). Every row belongs to exactly one shard.
 */
#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "data_spec.h"
#include "random.h"

#define STREAM_SHARD 0x73686172U /* "shar" */

/* No shard is left with less than a usual batch, or than half of an even share if that is less. */
#define SHARD_ROWS_MIN 32U

struct cut {
    struct gv_random random;
    uint32_t classes;
    uint32_t count;         /* shards */
    size_t rows;            /* in all */
    const uint16_t *labels; /* (rows), borrowed */
    uint32_t *order;        /* (rows), owned: row numbers in random order */
    size_t *class_rows;     /* (classes), owned: rows of each class */
    size_t *quota;          /* (classes, count), owned: how many rows of a class a shard gets */
};

static void cut_deinit(struct cut *cut)
{
    free(cut->order);
    free(cut->class_rows);
    free(cut->quota);
}

static enum gv_err cut_init(struct cut *cut, const struct gv_data *data, uint32_t count, uint64_t seed,
                            struct gv_diag *diag)
{
    memset(cut, 0, sizeof *cut);
    cut->classes = data->classes;
    cut->count = count;
    cut->rows = data->train.count;
    cut->labels = data->train.labels;
    cut->order = calloc(cut->rows, sizeof *cut->order);
    cut->class_rows = calloc(cut->classes, sizeof *cut->class_rows);
    cut->quota = calloc((size_t)cut->classes * count, sizeof *cut->quota);
    if (cut->order == NULL || cut->class_rows == NULL || cut->quota == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    gv_random_seed(&cut->random, seed, STREAM_SHARD);
    for (size_t i = 0; i < cut->rows; i++) {
        cut->class_rows[cut->labels[i]]++;
    }
    return GV_OK;
}

/* order <- all rows in random order. */
static void shuffle_rows(struct cut *cut)
{
    for (size_t i = 0; i < cut->rows; i++) {
        cut->order[i] = (uint32_t)i;
    }
    gv_random_shuffle(&cut->random, cut->order, cut->rows);
}

/* Deals each class's rows, in random order, to the shards by their quotas, which sum to the class's rows. */
static void deal_by_quota(struct cut *cut, uint32_t *owner)
{
    shuffle_rows(cut);
    for (size_t i = 0; i < cut->rows; i++) {
        uint32_t row = cut->order[i];
        size_t *quota = cut->quota + (size_t)cut->labels[row] * cut->count;
        uint32_t shard = 0;
        while (quota[shard] == 0) {
            shard++;
            GV_ASSERT(shard < cut->count);
        }
        quota[shard]--;
        owner[row] = shard;
    }
}

static size_t shard_rows(const struct cut *cut, uint32_t shard)
{
    size_t sum = 0;
    for (uint32_t c = 0; c < cut->classes; c++) {
        sum += cut->quota[(size_t)c * cut->count + shard];
    }
    return sum;
}

/* ---- iid -------------------------------------------------------------------------------------------------- */

static void cut_iid(struct cut *cut, uint32_t *owner)
{
    shuffle_rows(cut);
    for (size_t i = 0; i < cut->rows; i++) {
        owner[cut->order[i]] = (uint32_t)((uint64_t)i * cut->count / cut->rows);
    }
}

/* ---- dirichlet -------------------------------------------------------------------------------------------- */

/* Quotas of one class: its rows by the shares' running sum, so that they add up exactly. */
static void draw_quota(struct cut *cut, uint32_t class, double *share, double alpha)
{
    gv_random_dirichlet(&cut->random, share, cut->count, alpha);
    size_t rows = cut->class_rows[class];
    size_t *quota = cut->quota + (size_t) class * cut->count;
    double running = 0.0;
    size_t dealt = 0;
    for (uint32_t s = 0; s < cut->count; s++) {
        running += share[s];
        size_t until = s + 1 == cut->count ? rows : (size_t)(running * (double)rows + 0.5);
        until = until > rows ? rows : until;
        until = until < dealt ? dealt : until;
        quota[s] = until - dealt;
        dealt = until;
    }
}

/* Moves rows from the largest shard, out of its largest class, to shards below the least. */
static enum gv_err top_up(struct cut *cut, struct gv_diag *diag)
{
    size_t half = cut->rows / cut->count / 2;
    size_t least = half < SHARD_ROWS_MIN ? half : SHARD_ROWS_MIN;
    least = least == 0 ? 1 : least;
    size_t *held = calloc(cut->count, sizeof *held);
    if (held == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    for (uint32_t s = 0; s < cut->count; s++) {
        held[s] = shard_rows(cut, s);
    }
    for (uint32_t s = 0; s < cut->count; s++) {
        while (held[s] < least) {
            uint32_t rich = 0;
            for (uint32_t t = 1; t < cut->count; t++) {
                rich = held[t] > held[rich] ? t : rich;
            }
            uint32_t class = 0;
            for (uint32_t c = 1; c < cut->classes; c++) {
                class = cut->quota[(size_t)c * cut->count + rich] > cut->quota[(size_t) class * cut->count + rich]
                            ? c
                            : class;
            }
            cut->quota[(size_t) class * cut->count + rich]--;
            cut->quota[(size_t) class * cut->count + s]++;
            held[rich]--;
            held[s]++;
        }
    }
    free(held);
    return GV_OK;
}

static enum gv_err cut_dirichlet(struct cut *cut, uint32_t *owner, double alpha, struct gv_diag *diag)
{
    double *share = calloc(cut->count, sizeof *share);
    if (share == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    for (uint32_t c = 0; c < cut->classes; c++) {
        draw_quota(cut, c, share, alpha);
    }
    free(share);
    enum gv_err err = top_up(cut, diag);
    if (err == GV_OK) {
        deal_by_quota(cut, owner);
    }
    return err;
}

/* ---- classes ---------------------------------------------------------------------------------------------- */

/* The class with rows that the fewest shards hold so far, and not this one; ties at random. */
static uint32_t scarcest_class(struct cut *cut, const uint32_t *holders, uint32_t shard)
{
    uint32_t best = cut->classes;
    uint32_t ties = 0;
    for (uint32_t c = 0; c < cut->classes; c++) {
        if (cut->class_rows[c] == 0 || cut->quota[(size_t)c * cut->count + shard] != 0) {
            continue;
        }
        if (best == cut->classes || holders[c] < holders[best]) {
            best = c;
            ties = 1;
        } else if (holders[c] == holders[best] && gv_random_below(&cut->random, ++ties) == 0) {
            best = c;
        }
    }
    return best;
}

/* Marks K classes a shard in quota, then replaces the marks by even shares of each class's rows. */
static void share_classes(struct cut *cut, uint32_t *holders, uint32_t per_shard)
{
    for (uint32_t s = 0; s < cut->count; s++) {
        for (uint32_t k = 0; k < per_shard; k++) {
            uint32_t class = scarcest_class(cut, holders, s);
            GV_ASSERT(class < cut->classes);
            cut->quota[(size_t) class * cut->count + s] = 1;
            holders[class]++;
        }
    }
    for (uint32_t c = 0; c < cut->classes; c++) {
        uint64_t rank = 0;
        for (uint32_t s = 0; s < cut->count; s++) {
            size_t *quota = &cut->quota[(size_t)c * cut->count + s];
            if (*quota != 0) {
                uint64_t rows = cut->class_rows[c];
                *quota = (size_t)(rows * (rank + 1) / holders[c] - rows * rank / holders[c]);
                rank++;
            }
        }
    }
}

static enum gv_err cut_classes(struct cut *cut, uint32_t *owner, uint32_t per_shard, struct gv_diag *diag)
{
    uint32_t present = 0;
    for (uint32_t c = 0; c < cut->classes; c++) {
        present += cut->class_rows[c] > 0 ? 1U : 0U;
    }
    if (per_shard > present || (uint64_t)per_shard * cut->count < present) {
        return gv_diag_set(diag, GV_ERR_DATA, "%u shards of %u classes each cannot share out %u classes", cut->count,
                           per_shard, present);
    }
    uint32_t *holders = calloc(cut->classes, sizeof *holders);
    if (holders == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    share_classes(cut, holders, per_shard);
    free(holders);
    for (uint32_t s = 0; s < cut->count; s++) {
        if (shard_rows(cut, s) == 0) {
            return gv_diag_set(diag, GV_ERR_DATA, "shard %u of %u would be empty: too few samples", s, cut->count);
        }
    }
    deal_by_quota(cut, owner);
    return GV_OK;
}

/* ---- public ----------------------------------------------------------------------------------------------- */

/* A partition's text, read. */
struct partition {
    enum { BY_CHANCE, BY_DIRICHLET, BY_CLASSES } kind;
    double alpha;
    uint32_t classes;
};

static enum gv_err read_partition(struct partition *p, const char *text, struct gv_diag *diag)
{
    memset(p, 0, sizeof *p);
    if (strcmp(text, "iid") == 0) {
        p->kind = BY_CHANCE;
        return GV_OK;
    }
    if (strncmp(text, "dirichlet:", 10) == 0) {
        char *end;
        p->kind = BY_DIRICHLET;
        p->alpha = strtod(text + 10, &end);
        if (end != text + 10 && *end == '\0' && p->alpha >= 0.001 && p->alpha <= 1e6) {
            return GV_OK;
        }
        return gv_diag_set(diag, GV_ERR_DATA, "expected dirichlet:ALPHA with ALPHA from 0.001 to 1000000");
    }
    if (strncmp(text, "classes:", 8) == 0) {
        uint64_t classes;
        p->kind = BY_CLASSES;
        if (gv_parse_number(&classes, text + 8) && classes >= 1 && classes <= GV_CLASSES_MAX) {
            p->classes = (uint32_t)classes;
            return GV_OK;
        }
        return gv_diag_set(diag, GV_ERR_DATA, "expected classes:K with K from 1 to %d", GV_CLASSES_MAX);
    }
    return gv_diag_set(diag, GV_ERR_DATA, "expected iid, dirichlet:ALPHA or classes:K");
}

static enum gv_err cut_as_told(struct cut *cut, uint32_t *owner, const char *partition, struct gv_diag *diag)
{
    struct partition p;
    enum gv_err err = read_partition(&p, partition, diag);
    if (err != GV_OK) {
        return err;
    }
    switch (p.kind) {
    case BY_DIRICHLET:
        return cut_dirichlet(cut, owner, p.alpha, diag);
    case BY_CLASSES:
        return cut_classes(cut, owner, p.classes, diag);
    case BY_CHANCE:
        break;
    }
    cut_iid(cut, owner);
    return GV_OK;
}

enum gv_err gv_partition_check(const char *partition, struct gv_diag *diag)
{
    struct partition p;
    return read_partition(&p, partition, diag);
}

enum gv_err gv_data_partition(uint32_t *owner, const struct gv_data *data, const char *partition, uint32_t count,
                              uint64_t seed, struct gv_diag *diag)
{
    if (count == 0 || count > data->train.count) {
        return gv_diag_set(diag, GV_ERR_DATA, "%zu training samples cannot be cut into %u shards", data->train.count,
                           count);
    }
    struct cut cut;
    enum gv_err err = cut_init(&cut, data, count, seed, diag);
    if (err == GV_OK) {
        err = cut_as_told(&cut, owner, partition, diag);
        if (err != GV_OK) {
            (void)gv_diag_wrap(diag, "partition \"%.100s\"", partition);
        }
    }
    cut_deinit(&cut);
    return err;
}

/* Moves the rows of one shard to the front. */
static size_t keep_rows(struct gv_data *data, const uint32_t *owner, uint32_t index)
{
    struct gv_samples *train = &data->train;
    size_t n = data->features;
    size_t kept = 0;
    for (size_t i = 0; i < train->count; i++) {
        if (owner[i] != index) {
            continue;
        }
        if (train->bytes != NULL) {
            memmove(train->bytes + kept * n, train->bytes + i * n, n);
        } else {
            memmove(train->values + kept * n, train->values + i * n, n * sizeof *train->values);
        }
        train->labels[kept++] = train->labels[i];
    }
    return kept;
}

/* Gives memory back. Shrinking cannot sensibly fail; if it does, the larger block stays. */
static void *shrink(void *memory, size_t bytes)
{
    void *smaller = memory == NULL ? NULL : realloc(memory, bytes);
    return smaller != NULL ? smaller : memory;
}

enum gv_err gv_data_shard(struct gv_data *data, const char *partition, uint32_t index, uint32_t count, uint64_t seed,
                          struct gv_diag *diag)
{
    if (index >= count) {
        return gv_diag_set(diag, GV_ERR_DATA, "there is no shard %u of %u: they count from 0", index, count);
    }
    uint32_t *owner = calloc(data->train.count + 1, sizeof *owner);
    if (owner == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    enum gv_err err = gv_data_partition(owner, data, partition, count, seed, diag);
    if (err == GV_OK) {
        struct gv_samples *train = &data->train;
        train->count = keep_rows(data, owner, index);
        GV_ASSERT(train->count > 0);
        train->bytes = shrink(train->bytes, train->count * data->features);
        train->values = shrink(train->values, train->count * data->features * sizeof *train->values);
        train->labels = shrink(train->labels, train->count * sizeof *train->labels);
    }
    free(owner);
    return err;
}
