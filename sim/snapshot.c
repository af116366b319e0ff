/*
 * Snapshots, and merging with what came of the far side's. See learning.h.
 *
 * With float32 a snapshot is at once what is sent and what the sender's own delta is taken from, so an exchange costs a
 * node one pass of copying, one of checking and one of adding.
 */
#include <stdlib.h>
#include <string.h>

#include "gv/chunks.h"
#include "learning_state.h"
#include "merge.h"
#include "random.h"
#include "tensor.h"
#include "wire.h"

#define HEAD_ROOM 64u /* keeps payloads on cache lines */
#define SCRATCH_ELEMENTS 2048u

_Static_assert(GV_CHUNK_HEAD_BYTES_MAX <= HEAD_ROOM, "a chunk's head fits before its payload");

/* ---- cutting --------------------------------------------------------------------------------------------------- */

static bool is_inline(const struct gv_learning *learning, uint32_t codec, bool fetch)
{
    return !fetch && gv_state_is_inline(learning->block_elements, learning->block_count, codec);
}

static bool place(const struct gv_learning *learning, uint32_t codec, uint32_t chunk_bytes, bool fetch, uint32_t index,
                  uint32_t *block, uint64_t *offset, uint64_t *count)
{
    if (is_inline(learning, codec, fetch)) {
        *block = 0;
        *offset = 0;
        *count = learning->block_elements[0] + (learning->block_count > 1 ? learning->block_elements[1] : 0);
        return index == 0;
    }
    return gv_chunk_at(block, offset, count, learning->block_elements, fetch ? 1 : learning->block_count, codec,
                       chunk_bytes, index);
}

static size_t cache_lines(size_t bytes)
{
    return (bytes + 63u) / 64u * 64u;
}

struct gv_snapshot *gv_snapshot_new(const struct gv_learning *learning, uint64_t nonce, uint32_t codec,
                                    uint32_t chunk_bytes, bool fetch)
{
    bool whole = is_inline(learning, codec, fetch);
    uint32_t blocks = fetch ? 1 : learning->block_count;
    uint32_t chunks = whole ? 1 : gv_chunk_count(learning->block_elements, blocks, codec, chunk_bytes);
    uint64_t elements = gv_chunk_elements(codec, chunk_bytes);
    if (whole || elements > learning->parameters) {
        elements = learning->block_elements[0] * (whole ? blocks : 1);
    }
    size_t stride = cache_lines(HEAD_ROOM + gv_tensor_bytes((enum gv_codec)codec, elements));
    size_t front = cache_lines(sizeof(struct gv_snapshot) + chunks);
    uint8_t *memory = aligned_alloc(64, front + stride * chunks); /* one block: thousands are made a second */
    if (memory == NULL) {
        return NULL;
    }
    struct gv_snapshot *made = (struct gv_snapshot *)(void *)memory;
    *made = (struct gv_snapshot){.codec = codec,
                                 .chunk_bytes = chunk_bytes,
                                 .chunk_count = chunks,
                                 .inline_state = whole,
                                 .fetch = fetch,
                                 .nonce = nonce,
                                 .learning = learning,
                                 .stride = stride,
                                 .slots = memory + front,
                                 .head_bytes = memory + sizeof *made};
    atomic_init(&made->references, 1);
    memset(made->head_bytes, 0, chunks);
    return made;
}

struct gv_snapshot *gv_snapshot_hold(struct gv_snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

void gv_snapshot_release(struct gv_snapshot **snapshot)
{
    struct gv_snapshot *old = *snapshot;
    *snapshot = NULL;
    if (old != NULL && atomic_fetch_sub_explicit(&old->references, 1, memory_order_acq_rel) == 1) {
        free(old);
    }
}

static uint8_t *payload_at(const struct gv_snapshot *snapshot, uint32_t index)
{
    return snapshot->slots + index * snapshot->stride + HEAD_ROOM;
}

struct gv_span gv_snapshot_payload(const struct gv_snapshot *snapshot, uint32_t index)
{
    uint32_t block = 0;
    uint64_t offset = 0;
    uint64_t count = 0;
    if (!place(snapshot->learning, snapshot->codec, snapshot->chunk_bytes, snapshot->fetch, index, &block, &offset,
               &count)) {
        return (struct gv_span){0};
    }
    return (struct gv_span){.data = payload_at(snapshot, index),
                            .bytes = gv_tensor_bytes((enum gv_codec)snapshot->codec, count)};
}

struct gv_span gv_snapshot_frame(const struct gv_snapshot *snapshot, uint32_t index)
{
    struct gv_span span = gv_snapshot_payload(snapshot, index);
    span.data -= snapshot->head_bytes[index];
    span.bytes += snapshot->head_bytes[index];
    return span;
}

/* ---- filling --------------------------------------------------------------------------------------------------- */

struct alteration {
    enum gv_attack attack;
    double scale;     /* SIGN_FLIP */
    double deviation; /* NOISE: of what is added */
    struct gv_random random;
};

/* The root of the mean square of a block. */
static double deviation_of(const float *x, uint64_t count)
{
    double squares = 0.0;
    for (uint64_t i = 0; i < count; i++) {
        squares += (double)x[i] * (double)x[i];
    }
    double mean = count > 0 ? squares / (double)count : 0.0;
    return mean > 0.0 ? gv_portable_exp(0.5 * gv_portable_log(mean)) : 0.0;
}

/* What a hostile node sends instead of x (count). */
static void alter(float *x, uint64_t count, struct alteration *how)
{
    for (uint64_t i = 0; i < count; i++) {
        if (how->attack == GV_ATTACK_SIGN_FLIP) {
            x[i] = (float)(-how->scale * (double)x[i]);
        } else {
            x[i] = (float)((double)x[i] + how->deviation * gv_random_normal(&how->random));
        }
    }
}

static void encode(uint8_t *out, enum gv_codec codec, const float *x, uint64_t count, struct alteration *how)
{
    if (how->attack == GV_ATTACK_NONE) {
        gv_tensor_encode(out, codec, x, count);
        return;
    }
    float altered[SCRATCH_ELEMENTS];
    for (uint64_t done = 0; done < count; done += SCRATCH_ELEMENTS) {
        uint64_t part = count - done < SCRATCH_ELEMENTS ? count - done : SCRATCH_ELEMENTS;
        memcpy(altered, x + done, part * sizeof *altered);
        alter(altered, part, how);
        gv_tensor_encode(out + gv_tensor_bytes(codec, done), codec, altered, part);
    }
}

void gv_replica_snapshot(const struct gv_replica *replica, struct gv_snapshot *snapshot, enum gv_attack attack,
                         double scale, uint64_t random_seed)
{
    struct alteration how = {.attack = attack, .scale = scale};
    gv_random_seed(&how.random, random_seed, 0);
    if (attack == GV_ATTACK_NOISE) {
        how.deviation = scale * deviation_of(gv_replica_block(replica, 0), replica->learning->parameters);
    }
    for (uint32_t i = 0; i < snapshot->chunk_count; i++) {
        uint32_t block = 0;
        uint64_t offset = 0;
        uint64_t count = 0;
        bool exists = place(replica->learning, snapshot->codec, snapshot->chunk_bytes, snapshot->fetch, i, &block,
                            &offset, &count);
        GV_ASSERT(exists);
        uint8_t *payload = payload_at(snapshot, i);
        enum gv_codec codec = (enum gv_codec)snapshot->codec;
        encode(payload, codec, gv_replica_block(replica, block) + offset, count, &how);
        if (!snapshot->inline_state) {
            uint8_t head[GV_CHUNK_HEAD_BYTES_MAX];
            size_t bytes = gv_wire_chunk_head(head, snapshot->nonce, i, (uint32_t)gv_tensor_bytes(codec, count));
            memcpy(payload - bytes, head, bytes);
            snapshot->head_bytes[i] = (uint8_t)bytes;
        }
    }
}

/* ---- what arrives ------------------------------------------------------------------------------------------------ */

/* Deltas of a piece, for codecs whose bytes are no float32; false: one is not finite. */
static bool deltas(float *out, const uint8_t *ours, const uint8_t *theirs, enum gv_codec codec, uint64_t count,
                   float weight)
{
    float far[SCRATCH_ELEMENTS];
    size_t bytes = gv_tensor_bytes(codec, count);
    return gv_tensor_decode(out, count, codec, ours, bytes) == GV_OK &&
           gv_tensor_decode(far, count, codec, theirs, bytes) == GV_OK && gv_merge_stage(out, far, count, weight);
}

static bool check_pair(const uint8_t *ours, const uint8_t *theirs, enum gv_codec codec, uint64_t count, float weight)
{
    if (codec == GV_CODEC_F32) {
        return gv_merge_check_bytes(ours, theirs, count, weight);
    }
    float delta[SCRATCH_ELEMENTS];
    for (uint64_t done = 0; done < count; done += SCRATCH_ELEMENTS) {
        uint64_t part = count - done < SCRATCH_ELEMENTS ? count - done : SCRATCH_ELEMENTS;
        size_t at = gv_tensor_bytes(codec, done);
        if (!deltas(delta, ours + at, theirs + at, codec, part, weight)) {
            return false;
        }
    }
    return true;
}

static bool check_alone(const uint8_t *bytes, enum gv_codec codec, uint64_t count)
{
    if (codec == GV_CODEC_F32) {
        return gv_guard_finite_bytes(bytes, count);
    }
    float values[SCRATCH_ELEMENTS];
    for (uint64_t done = 0; done < count; done += SCRATCH_ELEMENTS) {
        uint64_t part = count - done < SCRATCH_ELEMENTS ? count - done : SCRATCH_ELEMENTS;
        if (gv_tensor_decode(values, part, codec, bytes + gv_tensor_bytes(codec, done), gv_tensor_bytes(codec, part)) !=
            GV_OK) {
            return false;
        }
    }
    return true;
}

enum gv_err gv_payload_check(const struct gv_learning *learning, const struct gv_snapshot *ours, uint32_t codec,
                             uint32_t chunk_bytes, uint32_t index, float weight, struct gv_span payload)
{
    uint32_t block = 0;
    uint64_t offset = 0;
    uint64_t count = 0;
    if (!place(learning, codec, chunk_bytes, ours == NULL, index, &block, &offset, &count) ||
        payload.bytes != gv_tensor_bytes((enum gv_codec)codec, count)) {
        return GV_ERR_CHUNK;
    }
    bool finite = ours == NULL ? check_alone(payload.data, (enum gv_codec)codec, count)
                               : check_pair(gv_snapshot_payload(ours, index).data, payload.data, (enum gv_codec)codec,
                                            count, weight);
    return finite ? GV_OK : GV_ERR_NONFINITE;
}

static void add_pair(float *live, const uint8_t *ours, const uint8_t *theirs, enum gv_codec codec, uint64_t count,
                     float weight)
{
    if (codec == GV_CODEC_F32) {
        gv_merge_apply_bytes(live, ours, theirs, count, weight);
        return;
    }
    float delta[SCRATCH_ELEMENTS];
    for (uint64_t done = 0; done < count; done += SCRATCH_ELEMENTS) {
        uint64_t part = count - done < SCRATCH_ELEMENTS ? count - done : SCRATCH_ELEMENTS;
        size_t at = gv_tensor_bytes(codec, done);
        bool finite = deltas(delta, ours + at, theirs + at, codec, part, weight);
        GV_ASSERT(finite);
        gv_merge_commit(live + done, delta, part);
    }
}

void gv_replica_commit(struct gv_replica *replica, const struct gv_snapshot *ours, const struct gv_span *theirs,
                       float weight)
{
    for (uint32_t i = 0; i < ours->chunk_count; i++) {
        uint32_t block = 0;
        uint64_t offset = 0;
        uint64_t count = 0;
        bool exists = place(replica->learning, ours->codec, ours->chunk_bytes, false, i, &block, &offset, &count);
        GV_ASSERT(exists);
        add_pair(gv_replica_block(replica, block) + offset, gv_snapshot_payload(ours, i).data, theirs[i].data,
                 (enum gv_codec)ours->codec, count, weight);
    }
}

void gv_replica_adopt(struct gv_replica *replica, const struct gv_span *chunks, uint32_t count, uint32_t codec,
                      uint32_t chunk_bytes)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t block = 0;
        uint64_t offset = 0;
        uint64_t elements = 0;
        bool exists = place(replica->learning, codec, chunk_bytes, true, i, &block, &offset, &elements);
        GV_ASSERT(exists && chunks[i].bytes == gv_tensor_bytes((enum gv_codec)codec, elements));
        enum gv_err err =
            gv_tensor_decode(replica->vector + offset, elements, (enum gv_codec)codec, chunks[i].data, chunks[i].bytes);
        GV_ASSERT(err == GV_OK);
    }
    float *velocity = replica->learner != NULL ? gv_learner_velocity(replica->learner) : NULL;
    if (velocity != NULL) {
        memset(velocity, 0, replica->learning->parameters * sizeof *velocity);
    }
}
