/*
 * The chunk arithmetic that core, host and far side share.
 */
#include <criterion/criterion.h>

#include "gv/chunks.h"

Test(core_chunks, cover_every_element_once_and_in_order)
{
    uint64_t shapes[][2] = {{1, 1}, {101770, 0}, {65536, 65536}, {65537, 1023}, {25000000, 25000000}};
    uint32_t sizes[] = {GV_CHUNK_BYTES_MIN, 100000, GV_CHUNK_BYTES_MAX};
    for (size_t s = 0; s < 5; s++) {
        for (size_t z = 0; z < 3; z++) {
            for (uint32_t codec = 0; codec < GV_CODEC_COUNT; codec++) {
                uint32_t blocks = shapes[s][1] == 0 ? 1 : 2;
                uint32_t count = gv_chunk_count(shapes[s], blocks, codec, sizes[z]);
                uint64_t next[2] = {0, 0};
                for (uint32_t i = 0; i < count; i++) {
                    uint32_t block = 9;
                    uint64_t offset = 0;
                    uint64_t elements = 0;
                    cr_assert(gv_chunk_at(&block, &offset, &elements, shapes[s], blocks, codec, sizes[z], i));
                    cr_assert_eq(offset, next[block]);
                    cr_assert_gt(elements, 0);
                    cr_assert_leq(elements * gv_codec_element_bytes(codec), sizes[z]);
                    next[block] += elements;
                }
                cr_assert_eq(next[0], shapes[s][0]);
                cr_assert_eq(next[1], shapes[s][1]);
                uint32_t block = 0;
                uint64_t offset = 0;
                uint64_t elements = 0;
                cr_assert(!gv_chunk_at(&block, &offset, &elements, shapes[s], blocks, codec, sizes[z], count));
            }
        }
    }
}

Test(core_chunks, an_unknown_codec_has_none)
{
    uint64_t elements[] = {1000};
    cr_assert_eq(gv_chunk_count(elements, 1, 99, GV_CHUNK_BYTES_MIN), 0);
    cr_assert(!gv_state_is_inline(elements, 1, 99));
    cr_assert(gv_state_is_inline(elements, 1, GV_CODEC_F32));
}
