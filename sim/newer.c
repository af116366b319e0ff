/*
 * What the next version of the program may send. See newer.h.
 */
#include "newer.h"

#include <string.h>

#include "gv/err.h"

#define FIXARRAY 0x90u /* MessagePack: the head of an array of up to 15 is 0x90 + length */
#define FIXARRAY_MAX 15u

void gv_newer_greet(struct gv_msg *msg)
{
    if (msg->kind == GV_KIND_HELLO || msg->kind == GV_KIND_WELCOME) {
        msg->u.hello.features = UINT64_MAX;
    }
}

size_t gv_newer_extend(uint8_t *frame, size_t bytes)
{
    static const uint8_t field[] = {0x92, 0xc4, 0x02, 0xaa, 0xbb, 0x2a}; /* [bin(2), 42] */
    _Static_assert(sizeof field <= GV_NEWER_BYTES, "the room that is asked for");
    uint32_t length = frame[0] - FIXARRAY;
    GV_ASSERT(length < FIXARRAY_MAX); /* no kind has more */
    frame[0] = (uint8_t)(FIXARRAY + length + 1);
    memcpy(frame + bytes, field, sizeof field);
    return bytes + sizeof field;
}

const uint8_t *gv_newer_unknown(size_t *bytes)
{
    static const uint8_t frame[] = {0x93, 0x01, 0xcc, 0xf0, 0xa1, 'x'}; /* [1, kind 240, "x"] */
    *bytes = sizeof frame;
    return frame;
}
