/*
 * How the exchanged state is cut into chunks: the one arithmetic that the core (how many, which next) and the host
 * (which floats) must agree on, with the far side too. PROTOCOL.md states the same rule.
 *
 * The blocks follow one another; each is cut by itself into chunks of E elements, the last one shorter. E is
 * chunk_bytes / (bytes of one element), rounded down to a multiple of 1024, at least 1024. A fetch covers block 0 only.
 * A state whose whole encoding is at most GV_INLINE_BYTES_MAX is never cut: it rides in OFFER and ACCEPT, all blocks in
 * one piece, and counts as chunk 0 of 1.
 */
#ifndef GV_CHUNKS_H
#define GV_CHUNKS_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/limits.h"
#include "gv/msg.h"

#define GV_CHUNK_GRAIN 1024u /* elements; keeps chunk borders on cache lines and quantiser blocks */

_Static_assert(GV_CHUNK_BYTES_MIN / 4 >= GV_CHUNK_GRAIN, "the smallest chunk holds a grain of float32");

/** Bytes of one encoded element; 0 for a codec that is not known. */
static inline uint32_t gv_codec_element_bytes(uint32_t codec)
{
    switch (codec) {
    case GV_CODEC_F32:
        return 4;
    case GV_CODEC_F16:
        return 2;
    default:
        return 0;
    }
}

/** Elements of a full chunk; 0 for an unknown codec. */
static inline uint64_t gv_chunk_elements(uint32_t codec, uint32_t chunk_bytes)
{
    uint32_t element_bytes = gv_codec_element_bytes(codec);
    if (element_bytes == 0) {
        return 0;
    }
    uint64_t elements = chunk_bytes / element_bytes / GV_CHUNK_GRAIN * GV_CHUNK_GRAIN;
    return elements == 0 ? GV_CHUNK_GRAIN : elements;
}

/** Bytes of the whole encoding of `block_count` blocks; UINT64_MAX for an unknown codec. */
static inline uint64_t gv_state_bytes(const uint64_t *block_elements, uint32_t block_count, uint32_t codec)
{
    uint32_t element_bytes = gv_codec_element_bytes(codec);
    if (element_bytes == 0) {
        return UINT64_MAX;
    }
    uint64_t elements = 0;
    for (uint32_t b = 0; b < block_count; b++) {
        elements += block_elements[b];
    }
    return elements * element_bytes;
}

/** True if the exchange of this state needs no chunks: it rides in OFFER and ACCEPT. */
static inline bool gv_state_is_inline(const uint64_t *block_elements, uint32_t block_count, uint32_t codec)
{
    return gv_state_bytes(block_elements, block_count, codec) <= GV_INLINE_BYTES_MAX;
}

/** Chunks of the blocks; 0 for an unknown codec or an empty state. */
static inline uint32_t gv_chunk_count(const uint64_t *block_elements, uint32_t block_count, uint32_t codec,
                                      uint32_t chunk_bytes)
{
    uint64_t full = gv_chunk_elements(codec, chunk_bytes);
    uint64_t count = 0;
    if (full == 0) {
        return 0;
    }
    for (uint32_t b = 0; b < block_count; b++) {
        count += (block_elements[b] + full - 1) / full;
    }
    return (uint32_t)count;
}

/** Where chunk `index` lies: block, first element in it and number of elements. False if there is no such chunk. */
static inline bool gv_chunk_at(uint32_t *block, uint64_t *offset, uint64_t *count, const uint64_t *block_elements,
                               uint32_t block_count, uint32_t codec, uint32_t chunk_bytes, uint32_t index)
{
    uint64_t full = gv_chunk_elements(codec, chunk_bytes);
    uint64_t left = index;
    for (uint32_t b = 0; b < block_count && full > 0; b++) {
        uint64_t chunks = (block_elements[b] + full - 1) / full;
        if (left < chunks) {
            *block = b;
            *offset = left * full;
            *count = block_elements[b] - *offset < full ? block_elements[b] - *offset : full;
            return true;
        }
        left -= chunks;
    }
    return false;
}

#endif
