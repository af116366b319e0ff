/*
 * stranger TOKEN MODE: dials the first seed of an invite without being a member. Exits 0 if the node drops it, or never
 * lets it in, as it should.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib_peer.h"

/* A provisional link lives five seconds; what offends goes at once. */
#define DROP_MS 9000
#define UP_MS 5000

/* Without the right key not even the handshake ends. */
static int locked_out(const char *endpoint, const struct gv_curve_public *server)
{
    struct peer *peer = peer_dial(endpoint, server, NULL);
    bool up = peer_wait_up(peer, UP_MS);
    /* Without encryption libzmq may report its own side as ready; then it must be dropped. */
    bool good = !up || peer_wait_dropped(peer, DROP_MS);
    peer_close(peer);
    return good ? 0 : 1;
}

static void misbehave(struct peer *peer, const char *mode)
{
    static uint8_t large[3 * GV_FRAME_BYTES_MAX];
    /* The start of a HELLO: an array of 12, version 1, kind 1. */
    static const uint8_t cut[] = {0x9c, 0x01, 0x01, 0xc4};
    static const uint8_t future[] = {0x92, 0x63, 0x01};
    if (strcmp(mode, "garbage") == 0) {
        for (int i = 0; i < 8; i++) {
            gv_random(large, 700);
            (void)peer_send(peer, large, 700, false);
        }
    } else if (strcmp(mode, "truncated") == 0) {
        (void)peer_send(peer, cut, sizeof cut, false);
    } else if (strcmp(mode, "oversized") == 0) {
        (void)peer_send(peer, large, sizeof large, false);
    } else if (strcmp(mode, "multipart") == 0) {
        (void)peer_send(peer, cut, sizeof cut, true);
        (void)peer_send(peer, cut, sizeof cut, false);
    } else if (strcmp(mode, "wrong-version") == 0) {
        (void)peer_send(peer, future, sizeof future, false);
    } else if (strcmp(mode, "silent") != 0) {
        peer_fail("there is no mode %s", mode);
    }
}

int main(int argc, char **argv)
{
    struct gv_diag diag = {.code = GV_OK};
    static struct gv_invite invite;
    if (argc != 3 || gv_proto_init() != GV_OK) {
        peer_fail("usage: stranger TOKEN MODE");
    }
    if (gv_invite_decode(&invite, argv[1], &diag) != GV_OK) {
        peer_fail("%s", diag.text);
    }
    const struct gv_seed *seed = &invite.seeds[0];
    if (strcmp(argv[2], "plain") == 0) {
        return locked_out(seed->endpoint, NULL);
    }
    if (strcmp(argv[2], "wrong-key") == 0) {
        struct gv_curve_public other = seed->curve;
        other.b[3] ^= 1;
        return locked_out(seed->endpoint, &other);
    }
    struct peer *peer = peer_dial(seed->endpoint, &seed->curve, NULL);
    if (!peer_wait_up(peer, UP_MS)) {
        peer_fail("the handshake did not succeed");
    }
    misbehave(peer, argv[2]);
    bool dropped = peer_wait_dropped(peer, DROP_MS);
    peer_close(peer);
    if (!dropped) {
        peer_fail("%s: the link is still up after %d ms", argv[2], DROP_MS);
    }
    return 0;
}
