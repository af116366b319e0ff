/*
 * Snapshots and merging in the simulator, against the wire's decoder and the daemon's way of doing the same.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gv/chunks.h"
#include "learn_help.h"
#include "learning_state.h"
#include "merge.h"
#include "random.h"
#include "tensor.h"
#include "wire.h"

#define NONCE UINT64_C(0x1122334455667788)
#define CHUNK_BYTES 16384u

/* One way of exchanging: a bare vector of `elements`, or a model's parameters and velocity. */
struct kind {
    uint32_t elements;
    const char *model; /* NULL: a vector */
    enum gv_codec codec;
    bool inline_state;
    uint32_t chunks;
};
static const struct kind KINDS[] = {
    {.elements = 16, .codec = GV_CODEC_F32, .inline_state = true, .chunks = 1},
    {.elements = 16, .codec = GV_CODEC_F16, .inline_state = true, .chunks = 1},
    {.elements = 40000, .codec = GV_CODEC_F32, .chunks = 10}, /* 4096 to a chunk, 3136 in the last */
    {.elements = 40000, .codec = GV_CODEC_F16, .chunks = 5},  /* 8192 to a chunk, 7232 in the last */
    {.elements = 7850, .model = "softmax:784-10", .codec = GV_CODEC_F32, .inline_state = true, .chunks = 1},
    {.elements = 7850, .model = "softmax:784-10", .codec = GV_CODEC_F16, .inline_state = true, .chunks = 1},
    {.elements = 25450, .model = "mlp:784-32-10", .codec = GV_CODEC_F32, .chunks = 14}, /* each block cut by itself */
    {.elements = 25450, .model = "mlp:784-32-10", .codec = GV_CODEC_F16, .chunks = 8},
};
#define KIND_COUNT (sizeof KINDS / sizeof KINDS[0])

struct bench {
    struct gv_scenario scenario;
    struct gv_learning *learning;
    struct gv_replica *ours, *theirs;
    struct gv_snapshot *mine, *far;
    struct gv_span spans[64]; /* of far's payloads */
    size_t count;             /* floats exchanged */
};

static void learning_new(struct bench *b, const char *text)
{
    struct gv_diag diag = {0};
    gv_scenario_defaults(&b->scenario);
    cr_assert_eq(gv_scenario_parse(&b->scenario, text, "test.ini", &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_scenario_check(&b->scenario, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_learning_new(&b->learning, &b->scenario, 9, &diag), GV_OK, "%s", diag.text);
}

static void fill(float *x, size_t count, struct gv_random *random)
{
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)gv_random_normal(random);
    }
}

static void bench_init(struct bench *b, const struct kind *kind, uint64_t seed)
{
    char text[256];
    struct gv_random random;
    memset(b, 0, sizeof *b);
    if (kind->model != NULL) {
        (void)snprintf(text, sizeof text,
                       "[swarm]\nnodes = 2\n[learning]\ndata = builtin:glyphs,train=40,test=10\nmodel = %s\n"
                       "momentum = 0.9\nexchange_momentum = yes\n",
                       kind->model);
    } else {
        (void)snprintf(text, sizeof text, "[swarm]\nnodes = 2\nmode = mean\nelements = %u\n", kind->elements);
    }
    learning_new(b, text);
    cr_assert_eq(gv_learning_parameters(b->learning), kind->elements);
    cr_assert_eq(gv_replica_new(&b->ours, b->learning, 0), GV_OK);
    cr_assert_eq(gv_replica_new(&b->theirs, b->learning, 1), GV_OK);
    b->count = (size_t)kind->elements * (kind->model != NULL ? 2 : 1);
    gv_random_seed(&random, seed, 1);
    fill(b->ours->vector, b->count, &random);
    fill(b->theirs->vector, b->count, &random);
    b->mine = gv_snapshot_new(b->learning, NONCE, kind->codec, CHUNK_BYTES, false);
    b->far = gv_snapshot_new(b->learning, NONCE, kind->codec, CHUNK_BYTES, false);
    cr_assert(b->mine != NULL && b->far != NULL);
    gv_replica_snapshot(b->ours, b->mine, GV_ATTACK_NONE, 0.0, 0);
    gv_replica_snapshot(b->theirs, b->far, GV_ATTACK_NONE, 0.0, 0);
    cr_assert_leq(b->far->chunk_count, sizeof b->spans / sizeof b->spans[0]);
    for (uint32_t i = 0; i < b->far->chunk_count; i++) {
        b->spans[i] = gv_snapshot_payload(b->far, i);
    }
}

static void bench_deinit(struct bench *b)
{
    gv_snapshot_release(&b->mine);
    gv_snapshot_release(&b->far);
    gv_replica_free(&b->ours);
    gv_replica_free(&b->theirs);
    gv_learning_free(&b->learning);
}

/* Where chunk `index` lies among the exchanged floats. */
static size_t place(const struct bench *b, const struct kind *kind, uint32_t index, size_t *count)
{
    uint32_t block = 0;
    uint64_t offset = 0;
    uint64_t elements = b->count;
    if (!kind->inline_state) {
        const uint64_t blocks[] = {kind->elements, kind->elements};
        cr_assert(gv_chunk_at(&block, &offset, &elements, blocks, kind->model != NULL ? 2 : 1, kind->codec, CHUNK_BYTES,
                              index));
    }
    *count = (size_t)elements;
    return (size_t)(block * kind->elements + offset);
}

/* ---- what is sent ---------------------------------------------------------------------------------------------- */

Test(snapshot, frames_decode_to_their_chunks)
{
    uint64_t seed = help_seed();
    for (size_t k = 0; k < KIND_COUNT; k++) {
        const struct kind *kind = &KINDS[k];
        static struct gv_msg msg;
        struct gv_bulk bulk;
        struct bench b;
        size_t covered = 0;
        bench_init(&b, kind, seed);
        cr_assert_eq(b.mine->inline_state, kind->inline_state, "kind %zu", k);
        cr_assert_eq(b.mine->chunk_count, kind->chunks, "kind %zu: %u chunks", k, b.mine->chunk_count);
        for (uint32_t i = 0; i < kind->chunks; i++) {
            size_t count;
            size_t at = place(&b, kind, i, &count);
            size_t bytes = gv_tensor_bytes(kind->codec, count);
            uint8_t *expected = malloc(bytes);
            struct gv_span payload = gv_snapshot_payload(b.mine, i);
            struct gv_span frame = gv_snapshot_frame(b.mine, i);
            cr_assert_not_null(expected);
            gv_tensor_encode(expected, kind->codec, b.ours->vector + at, count);
            cr_assert_eq(payload.bytes, bytes);
            cr_assert_arr_eq(payload.data, expected, bytes, "kind %zu, chunk %u", k, i);
            cr_assert_eq((uintptr_t)payload.data % 64, 0, "payloads lie on cache lines");
            if (!kind->inline_state) {
                cr_assert_eq(gv_wire_decode(&msg, &bulk, frame.data, frame.bytes), GV_OK);
                cr_assert_eq(msg.kind, GV_KIND_CHUNK);
                cr_assert_eq(msg.u.chunk.nonce, NONCE);
                cr_assert_eq(msg.u.chunk.index, i);
                cr_assert_eq(bulk.count, 1);
                cr_assert_eq(bulk.item[0].data, payload.data);
                cr_assert_eq(bulk.item[0].bytes, bytes);
            }
            covered += count;
            free(expected);
        }
        cr_assert_eq(covered, b.count, "kind %zu: all that is exchanged is in one chunk", k);
        cr_assert_eq(gv_snapshot_payload(b.mine, kind->chunks).bytes, 0, "there is no further chunk");
        bench_deinit(&b);
    }
}

Test(snapshot, a_fetch_holds_the_parameters_alone_and_is_never_inline)
{
    uint64_t seed = help_seed();
    for (size_t k = 0; k < KIND_COUNT; k++) {
        const struct kind *kind = &KINDS[k];
        static struct gv_msg msg;
        struct gv_bulk bulk;
        struct bench b;
        bench_init(&b, kind, seed);
        struct gv_snapshot *pin = gv_snapshot_new(b.learning, NONCE + 1, kind->codec, CHUNK_BYTES, true);
        cr_assert_not_null(pin);
        gv_replica_snapshot(b.ours, pin, GV_ATTACK_NONE, 0.0, 0);
        cr_assert_not(pin->inline_state);
        size_t bytes = 0;
        for (uint32_t i = 0; i < pin->chunk_count; i++) {
            struct gv_span frame = gv_snapshot_frame(pin, i);
            cr_assert_eq(gv_wire_decode(&msg, &bulk, frame.data, frame.bytes), GV_OK);
            cr_assert_eq(msg.u.chunk.nonce, NONCE + 1);
            cr_assert_eq(msg.u.chunk.index, i);
            bytes += bulk.item[0].bytes;
        }
        cr_assert_eq(bytes, gv_tensor_bytes(kind->codec, kind->elements));
        gv_snapshot_release(&pin);
        bench_deinit(&b);
    }
}

Test(snapshot, lives_until_its_last_reference_is_gone)
{
    struct bench b;
    bench_init(&b, &KINDS[2], help_seed());
    struct gv_snapshot *other = gv_snapshot_hold(b.far);
    uint8_t *copy = malloc(b.spans[3].bytes);
    cr_assert_not_null(copy);
    cr_assert_eq(other, b.far);
    memcpy(copy, b.spans[3].data, b.spans[3].bytes);
    gv_snapshot_release(&b.far);
    cr_assert_null(b.far);
    cr_assert_arr_eq(gv_snapshot_payload(other, 3).data, copy,
                     b.spans[3].bytes); /* AddressSanitizer would see it freed */
    gv_snapshot_release(&other);
    cr_assert_null(other);
    gv_snapshot_release(&other);
    free(copy);
    bench_deinit(&b);
}

/* ---- merging ----------------------------------------------------------------------------------------------------- */

/* What the daemon does: a quantised copy, of it a delta in place, added to the live state. */
static void daemon_merge(float *live, const struct bench *b, const struct kind *kind, float weight)
{
    float *stage = malloc(b->count * sizeof *stage);
    float *scratch = malloc(b->count * sizeof *scratch);
    uint8_t *encoded = malloc(gv_tensor_bytes(kind->codec, b->count));
    cr_assert(stage != NULL && scratch != NULL && encoded != NULL);
    memcpy(stage, b->ours->vector, b->count * sizeof *stage);
    gv_tensor_quantise(encoded, kind->codec, stage, b->count);
    for (uint32_t i = 0; i < b->far->chunk_count; i++) {
        size_t count;
        size_t at = place(b, kind, i, &count);
        enum gv_err err = gv_tensor_decode(scratch, count, kind->codec, b->spans[i].data, b->spans[i].bytes);
        cr_assert_eq(err, GV_OK);
        cr_assert(gv_merge_stage(stage + at, scratch, count, weight));
    }
    gv_merge_commit(live, stage, b->count);
    free(stage);
    free(scratch);
    free(encoded);
}

static void expect_daemon(const struct kind *kind, float weight, bool trained_meanwhile, uint64_t seed)
{
    struct bench b;
    struct gv_random random;
    bench_init(&b, kind, seed);
    gv_random_seed(&random, seed, 2);
    if (trained_meanwhile) { /* the state moves between snapshot and commit */
        fill(b.ours->vector, b.count, &random);
    }
    float *expected = malloc(b.count * sizeof *expected);
    float *live = malloc(b.count * sizeof *live);
    cr_assert(expected != NULL && live != NULL);
    memcpy(expected, b.ours->vector, b.count * sizeof *expected);
    memcpy(live, b.ours->vector, b.count * sizeof *live);
    if (trained_meanwhile) { /* the daemon's copy is of the state as it was at the snapshot */
        struct gv_random again;
        gv_random_seed(&again, seed, 1);
        fill(b.ours->vector, b.count, &again);
    }
    daemon_merge(expected, &b, kind, weight);
    memcpy(b.ours->vector, live, b.count * sizeof *live);
    for (uint32_t i = 0; i < b.far->chunk_count; i++) {
        enum gv_err err = gv_payload_check(b.learning, b.mine, kind->codec, CHUNK_BYTES, i, weight, b.spans[i]);
        cr_assert_eq(err, GV_OK);
    }
    gv_replica_commit(b.ours, b.mine, b.spans, weight);
    cr_assert_arr_eq(b.ours->vector, expected, b.count * sizeof *expected, "%u elements, codec %d, weight %g",
                     kind->elements, (int)kind->codec, (double)weight);
    free(expected);
    free(live);
    bench_deinit(&b);
}

Test(snapshot, merging_is_the_daemons_bit_for_bit)
{
    static const float WEIGHTS[] = {0.5F, 1.0F, 0.0F, 1.0F / 3.0F, 12345.0F / 65536.0F};
    uint64_t seed = help_seed();
    for (size_t k = 0; k < KIND_COUNT; k++) {
        for (size_t w = 0; w < sizeof WEIGHTS / sizeof WEIGHTS[0]; w++) {
            expect_daemon(&KINDS[k], WEIGHTS[w], false, seed + 7 * k + w);
            expect_daemon(&KINDS[k], WEIGHTS[w], true, seed + 7 * k + w);
        }
    }
}

Test(snapshot, two_ends_that_merge_by_half_conserve_their_sum)
{
    uint64_t seed = help_seed();
    for (size_t k = 0; k < KIND_COUNT; k++) {
        struct bench b;
        struct gv_span mine[64];
        bench_init(&b, &KINDS[k], seed);
        float *before = malloc(2 * b.count * sizeof *before);
        cr_assert_not_null(before);
        memcpy(before, b.ours->vector, b.count * sizeof *before);
        memcpy(before + b.count, b.theirs->vector, b.count * sizeof *before);
        for (uint32_t i = 0; i < b.mine->chunk_count; i++) {
            mine[i] = gv_snapshot_payload(b.mine, i);
        }
        gv_replica_commit(b.ours, b.mine, b.spans, 0.5F);
        gv_replica_commit(b.theirs, b.far, mine, 0.5F);
        double drift = 0.0;
        for (size_t i = 0; i < b.count; i++) {
            double sum = (double)b.ours->vector[i] + (double)b.theirs->vector[i];
            double was = (double)before[i] + (double)before[b.count + i];
            /* Both add exactly opposite deltas, rounded once each: half a unit in the last place of values below 8. */
            cr_assert_lt(fabs(sum - was), 5e-7, "kind %zu, element %zu: %.9g, was %.9g", k, i, sum, was);
            cr_assert_lt(fabs((double)b.ours->vector[i] - (double)b.theirs->vector[i]),
                         KINDS[k].codec == GV_CODEC_F32 ? 1e-6 : 8e-3, "they meet in the middle");
            drift += sum - was;
        }
        cr_assert_lt(fabs(drift), 1e-7 * (double)b.count);
        free(before);
        bench_deinit(&b);
    }
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void put(uint8_t *payload, enum gv_codec codec, size_t at, float value)
{
    uint16_t half = isnan(value) ? 0x7e00 : value < 0.0F ? 0xfc00 : 0x7c00;
    if (codec == GV_CODEC_F32) {
        memcpy(payload + 4 * at, &value, sizeof value);
    } else {
        memcpy(payload + 2 * at, &half, sizeof half);
    }
}

Test(snapshot, a_payload_with_a_value_that_is_none_is_refused)
{
    static const float BAD[] = {NAN, INFINITY, -INFINITY};
    uint64_t seed = help_seed();
    for (size_t k = 0; k < KIND_COUNT; k++) {
        struct bench b;
        enum gv_codec codec = KINDS[k].codec;
        bench_init(&b, &KINDS[k], seed);
        uint32_t last = b.far->chunk_count - 1;
        size_t count;
        (void)place(&b, &KINDS[k], last, &count);
        uint8_t *copy = malloc(b.spans[last].bytes);
        cr_assert_not_null(copy);
        const struct gv_span span = {.data = copy, .bytes = b.spans[last].bytes};
        for (size_t v = 0; v < 3 * 3; v++) {
            const size_t places[] = {0, count / 2, count - 1};
            memcpy(copy, b.spans[last].data, span.bytes);
            put(copy, codec, places[v / 3], BAD[v % 3]);
            enum gv_err err = gv_payload_check(b.learning, b.mine, codec, CHUNK_BYTES, last, 0.5F, span);
            cr_assert_eq(err, GV_ERR_NONFINITE, "kind %zu, value %zu", k, v);
            /* weight 0 must not let it through: 0 times infinity is no number */
            err = gv_payload_check(b.learning, b.mine, codec, CHUNK_BYTES, last, 0.0F, span);
            cr_assert_eq(err, GV_ERR_NONFINITE, "kind %zu, value %zu, weight 0", k, v);
        }
        free(copy);
        bench_deinit(&b);
    }
}

Test(snapshot, a_fetched_payload_with_a_value_that_is_none_is_refused)
{
    struct bench b;
    bench_init(&b, &KINDS[2], help_seed());
    struct gv_snapshot *pin = gv_snapshot_new(b.learning, NONCE, GV_CODEC_F32, CHUNK_BYTES, true);
    cr_assert_not_null(pin);
    b.theirs->vector[39999] = NAN;
    gv_replica_snapshot(b.theirs, pin, GV_ATTACK_NONE, 0.0, 0);
    for (uint32_t i = 0; i < pin->chunk_count; i++) {
        enum gv_err err =
            gv_payload_check(b.learning, NULL, GV_CODEC_F32, CHUNK_BYTES, i, 0.0F, gv_snapshot_payload(pin, i));
        cr_assert_eq(err, i + 1 == pin->chunk_count ? GV_ERR_NONFINITE : GV_OK);
    }
    gv_snapshot_release(&pin);
    bench_deinit(&b);
}

Test(snapshot, a_difference_that_overflows_is_refused)
{
    struct bench b;
    bench_init(&b, &KINDS[0], help_seed());
    b.ours->vector[3] = -3e38F;
    b.theirs->vector[3] = 3e38F;
    gv_replica_snapshot(b.ours, b.mine, GV_ATTACK_NONE, 0.0, 0);
    gv_replica_snapshot(b.theirs, b.far, GV_ATTACK_NONE, 0.0, 0);
    enum gv_err err =
        gv_payload_check(b.learning, b.mine, GV_CODEC_F32, CHUNK_BYTES, 0, 0.5F, gv_snapshot_payload(b.far, 0));
    cr_assert_eq(err, GV_ERR_NONFINITE);
    err = gv_payload_check(b.learning, b.far, GV_CODEC_F32, CHUNK_BYTES, 0, 0.5F, gv_snapshot_payload(b.far, 0));
    cr_assert_eq(err, GV_OK, "large values that agree are none of our business");
    bench_deinit(&b);
}

Test(snapshot, a_payload_of_the_wrong_size_or_place_is_refused)
{
    uint64_t seed = help_seed();
    for (size_t k = 0; k < KIND_COUNT; k++) {
        struct bench b;
        enum gv_codec codec = KINDS[k].codec;
        bench_init(&b, &KINDS[k], seed);
        for (uint32_t i = 0; i < b.far->chunk_count; i++) {
            struct gv_span span = b.spans[i];
            span.bytes--;
            cr_assert_eq(gv_payload_check(b.learning, b.mine, codec, CHUNK_BYTES, i, 0.5F, span), GV_ERR_CHUNK);
            span.bytes = 0;
            cr_assert_eq(gv_payload_check(b.learning, b.mine, codec, CHUNK_BYTES, i, 0.5F, span), GV_ERR_CHUNK);
            span.bytes = b.spans[i].bytes + gv_codec_element_bytes(codec);
            cr_assert_eq(gv_payload_check(b.learning, b.mine, codec, CHUNK_BYTES, i, 0.5F, span), GV_ERR_CHUNK);
        }
        uint32_t beyond = b.far->chunk_count;
        cr_assert_eq(gv_payload_check(b.learning, b.mine, codec, CHUNK_BYTES, beyond, 0.5F, b.spans[0]), GV_ERR_CHUNK);
        cr_assert_eq(gv_payload_check(b.learning, b.mine, codec, CHUNK_BYTES, UINT32_MAX, 0.5F, b.spans[0]),
                     GV_ERR_CHUNK);
        if (beyond > 1) { /* the last one is shorter */
            cr_assert_eq(gv_payload_check(b.learning, b.mine, codec, CHUNK_BYTES, 0, 0.5F, b.spans[beyond - 1]),
                         GV_ERR_CHUNK);
        }
        bench_deinit(&b);
    }
}

/* ---- adopting a fetched model --------------------------------------------------------------------------------- */

Test(snapshot, a_fetched_model_replaces_ours)
{
    uint64_t seed = help_seed();
    for (size_t k = 0; k < KIND_COUNT; k++) {
        const struct kind *kind = &KINDS[k];
        struct bench b;
        bench_init(&b, kind, seed);
        struct gv_snapshot *pin = gv_snapshot_new(b.learning, NONCE, kind->codec, CHUNK_BYTES, true);
        struct gv_span chunks[64];
        cr_assert_not_null(pin);
        gv_replica_snapshot(b.theirs, pin, GV_ATTACK_NONE, 0.0, 0);
        for (uint32_t i = 0; i < pin->chunk_count; i++) {
            chunks[i] = gv_snapshot_payload(pin, i);
            enum gv_err err = gv_payload_check(b.learning, NULL, kind->codec, CHUNK_BYTES, i, 0.0F, chunks[i]);
            cr_assert_eq(err, GV_OK);
        }
        gv_replica_adopt(b.ours, chunks, pin->chunk_count, kind->codec, CHUNK_BYTES);
        for (size_t i = 0; i < kind->elements; i++) {
            double off = fabs((double)b.ours->vector[i] - (double)b.theirs->vector[i]);
            double most = kind->codec == GV_CODEC_F32 ? 0.0 : fabs((double)b.theirs->vector[i]) / 2048.0 + 1e-7;
            cr_assert_leq(off, most, "kind %zu, element %zu", k, i);
        }
        for (size_t i = kind->elements; i < b.count; i++) {
            cr_assert(b.ours->vector[i] == 0.0F, "the velocity was another model's");
        }
        gv_snapshot_release(&pin);
        bench_deinit(&b);
    }
}

/* ---- attacks ----------------------------------------------------------------------------------------------------- */

/* All that a snapshot sends, decoded. */
static void sent(float *out, const struct bench *b, const struct gv_snapshot *snapshot, const struct kind *kind)
{
    for (uint32_t i = 0; i < snapshot->chunk_count; i++) {
        size_t count;
        size_t at = place(b, kind, i, &count);
        struct gv_span span = gv_snapshot_payload(snapshot, i);
        enum gv_err err = gv_tensor_decode(out + at, count, kind->codec, span.data, span.bytes);
        cr_assert_eq(err, GV_OK);
    }
}

Test(snapshot, a_sign_flipper_sends_the_opposite_and_keeps_its_own)
{
    uint64_t seed = help_seed();
    for (size_t k = 0; k < KIND_COUNT; k++) {
        struct bench b;
        bench_init(&b, &KINDS[k], seed);
        uint64_t before = gv_replica_hash(b.theirs);
        float *honest = malloc(b.count * sizeof *honest);
        float *flipped = malloc(b.count * sizeof *flipped);
        cr_assert(honest != NULL && flipped != NULL);
        sent(honest, &b, b.far, &KINDS[k]);
        gv_replica_snapshot(b.theirs, b.far, GV_ATTACK_SIGN_FLIP, 4.0, seed);
        sent(flipped, &b, b.far, &KINDS[k]);
        for (size_t i = 0; i < b.count; i++) { /* a power of two: exact in either codec, but for denormal halves */
            cr_assert(fabs((double)flipped[i] + 4.0 * (double)honest[i]) <= 4e-7, "element %zu: %.9g for %.9g", i,
                      (double)flipped[i], (double)honest[i]);
        }
        cr_assert_eq(gv_replica_hash(b.theirs), before);
        free(honest);
        free(flipped);
        bench_deinit(&b);
    }
}

Test(snapshot, noise_has_its_deviation_in_deviations_of_the_parameters)
{
    const struct kind *kind = &KINDS[2];
    uint64_t seed = help_seed();
    struct bench b;
    static float noisy[40000];
    static float again[40000];
    bench_init(&b, kind, seed);
    for (size_t i = 0; i < b.count; i++) {
        b.theirs->vector[i] *= 3.0F;
    }
    gv_replica_snapshot(b.theirs, b.far, GV_ATTACK_NOISE, 0.5, seed);
    sent(noisy, &b, b.far, kind);
    double sum = 0.0, squares = 0.0, own = 0.0, cross = 0.0;
    for (size_t i = 0; i < b.count; i++) {
        double noise = (double)noisy[i] - (double)b.theirs->vector[i];
        sum += noise;
        squares += noise * noise;
        own += (double)b.theirs->vector[i] * (double)b.theirs->vector[i];
        cross += noise * (double)b.theirs->vector[i];
    }
    double n = (double)b.count;
    double expected = 0.5 * sqrt(own / n);
    double deviation = sqrt(squares / n);
    /* Six deviations of the estimates of a mean, a deviation and a correlation from n draws. */
    cr_assert_lt(fabs(deviation / expected - 1.0), 6.0 / sqrt(2.0 * n), "%g, expected %g", deviation, expected);
    cr_assert_lt(fabs(sum / n), 6.0 * expected / sqrt(n));
    cr_assert_lt(fabs(cross / sqrt(squares * own)), 6.0 / sqrt(n));
    gv_replica_snapshot(b.theirs, b.far, GV_ATTACK_NOISE, 0.5, seed);
    sent(again, &b, b.far, kind);
    cr_assert_arr_eq(again, noisy, sizeof noisy, "the same seed, the same noise");
    gv_replica_snapshot(b.theirs, b.far, GV_ATTACK_NOISE, 0.5, seed + 1);
    sent(again, &b, b.far, kind);
    cr_assert_neq(memcmp(again, noisy, sizeof noisy), 0, "another seed, another noise");
    bench_deinit(&b);
}
