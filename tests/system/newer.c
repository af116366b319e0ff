/*
 * newer ARGS...: the program as its next version may be (sim/newer.h), for a swarm of two versions. It is the same
 * program, but for three functions that the linker puts these in front of: every frame has one more field, greetings
 * announce features that nobody knows, and beside each PING goes a message of an unknown kind.
 */
#include <string.h>
#include <zmq.h>

#include "net.h"
#include "newer.h"
#include "wire.h"

size_t __real_gv_wire_bound(const struct gv_msg *msg, const struct gv_bulk *bulk);
enum gv_err __real_gv_wire_encode(uint8_t *frame, size_t cap, size_t *bytes, const struct gv_msg *msg,
                                  const struct gv_bulk *bulk);
enum gv_err __real_gv_net_send(struct gv_net *net, uint32_t link, zmq_msg_t *message);
size_t __wrap_gv_wire_bound(const struct gv_msg *msg, const struct gv_bulk *bulk);
enum gv_err __wrap_gv_wire_encode(uint8_t *frame, size_t cap, size_t *bytes, const struct gv_msg *msg,
                                  const struct gv_bulk *bulk);
enum gv_err __wrap_gv_net_send(struct gv_net *net, uint32_t link, zmq_msg_t *message);

size_t __wrap_gv_wire_bound(const struct gv_msg *msg, const struct gv_bulk *bulk)
{
    return __real_gv_wire_bound(msg, bulk) + GV_NEWER_BYTES;
}

enum gv_err __wrap_gv_wire_encode(uint8_t *frame, size_t cap, size_t *bytes, const struct gv_msg *msg,
                                  const struct gv_bulk *bulk)
{
    struct gv_msg newer = *msg;
    gv_newer_greet(&newer);
    enum gv_err err =
        cap < GV_NEWER_BYTES ? GV_ERR_RANGE : __real_gv_wire_encode(frame, cap - GV_NEWER_BYTES, bytes, &newer, bulk);
    if (err == GV_OK) {
        *bytes = gv_newer_extend(frame, *bytes);
    }
    return err;
}

static bool is_ping(zmq_msg_t *message)
{
    const uint8_t *frame = zmq_msg_data(message); /* array, version, kind: a byte each */
    return zmq_msg_size(message) > 2 && frame[2] == GV_KIND_PING;
}

enum gv_err __wrap_gv_net_send(struct gv_net *net, uint32_t link, zmq_msg_t *message)
{
    size_t bytes;
    const uint8_t *frame = gv_newer_unknown(&bytes);
    zmq_msg_t unknown;
    bool beside = is_ping(message);
    enum gv_err err = __real_gv_net_send(net, link, message);
    if (err == GV_OK && beside && zmq_msg_init_size(&unknown, bytes) == 0) {
        memcpy(zmq_msg_data(&unknown), frame, bytes);
        beside = __real_gv_net_send(net, link, &unknown) == GV_OK;
    }
    return err;
}
