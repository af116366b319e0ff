/*
 * Fuzz target: any bytes as a frame. Whatever decodes must encode again and then read the same.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "wire.h"

FUZZ_TARGET(data, size)
{
    static struct gv_msg msg, again;
    struct gv_bulk bulk, bulk_again;
    memset(&msg, 0, sizeof msg); /* whole messages are compared, decoding fills only its kind's part */
    memset(&again, 0, sizeof again);
    if (gv_wire_decode(&msg, &bulk, data, size) != GV_OK) {
        return 0;
    }
    size_t cap = gv_wire_bound(&msg, &bulk);
    size_t bytes;
    uint8_t *frame = malloc(cap);
    if (frame == NULL) {
        return 0;
    }
    GV_ASSERT(gv_wire_encode(frame, cap, &bytes, &msg, &bulk) == GV_OK);
    GV_ASSERT(gv_wire_decode(&again, &bulk_again, frame, bytes) == GV_OK);
    GV_ASSERT(memcmp(&msg, &again, sizeof msg) == 0 && bulk.count == bulk_again.count);
    for (uint32_t i = 0; i < bulk.count; i++) {
        GV_ASSERT(bulk.item[i].bytes == bulk_again.item[i].bytes);
        GV_ASSERT(bulk.item[i].bytes == 0 ||
                  memcmp(bulk.item[i].data, bulk_again.item[i].data, bulk.item[i].bytes) == 0);
    }
    free(frame);
    return 0;
}

FUZZ_MAIN
