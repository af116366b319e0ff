/*
 * hostile TOKEN MODE [OTHER-TOKEN]: becomes a member with the invite and misbehaves. Exits 0 if the node answers as it
 * should: an ABORT with the right reason, or the end of the link.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib_peer.h"

#define WAIT_MS 8000
#define TRIES 20 /* the node may be busy with an honest peer */

struct attack {
    const char *mode;
    enum gv_err reason; /* of the ABORT; GV_OK: the link ends instead */
};

static const struct attack ATTACKS[] = {
    {"layout", GV_ERR_LAYOUT},      {"epoch", GV_ERR_EPOCH},       {"nan", GV_ERR_NONFINITE},
    {"infinity", GV_ERR_NONFINITE}, {"short-state", GV_ERR_CHUNK}, {"garbage", GV_OK},
    {"truncated", GV_OK},           {"multipart", GV_OK},          {"offer-abort", GV_OK},
};

static void decode_token(struct gv_invite *invite, const char *token)
{
    struct gv_diag diag = {.code = GV_OK};
    if (gv_invite_decode(invite, token, &diag) != GV_OK) {
        peer_fail("%s", diag.text);
    }
}

static struct peer *enter(struct newcomer *newcomer, const struct gv_invite *invite)
{
    struct gv_swarm_id swarm = gv_swarm_id_of(&invite->root);
    struct peer *peer = peer_dial(invite->seeds[0].endpoint, &invite->seeds[0].curve, newcomer->curve);
    if (!peer_wait_up(peer, WAIT_MS)) {
        peer_fail("the handshake did not succeed");
    }
    newcomer_hello(newcomer, peer, &swarm);
    return peer;
}

/* A chain of another swarm: REFUSE, and the link ends. */
static int other_swarm(const struct gv_invite *invite, const char *other)
{
    static struct gv_invite foreign;
    decode_token(&foreign, other);
    struct newcomer *newcomer = newcomer_new(&foreign);
    struct peer *peer = enter(newcomer, invite);
    if (peer_hear(peer, GV_KIND_WELCOME, 3000)) {
        peer_fail("a stranger was welcomed");
    }
    bool dropped = peer_wait_dropped(peer, WAIT_MS);
    peer_close(peer);
    newcomer_free(newcomer);
    return dropped ? 0 : 1;
}

/* An OFFER that would be fine but for what the mode spoils. */
static uint64_t offer(struct peer *peer, const struct gv_msg_state *state, const char *mode)
{
    static float values[7850];
    struct gv_msg *msg = calloc(1, sizeof *msg);
    struct gv_bulk bulk = {.count = 1, .item = {{.data = (const uint8_t *)values, .bytes = sizeof values}}};
    if (msg == NULL) {
        peer_fail("out of memory");
    }
    msg->kind = GV_KIND_OFFER;
    gv_random(&msg->u.offer.nonce, sizeof msg->u.offer.nonce);
    msg->u.offer.manifest_version = state->manifest_version;
    msg->u.offer.epoch = state->epoch;
    msg->u.offer.layout = state->layout;
    msg->u.offer.age = state->age;
    msg->u.offer.codecs = 1u << GV_CODEC_F32;
    msg->u.offer.chunk_bytes = GV_CHUNK_BYTES_MIN;
    msg->u.offer.inline_state = true;
    if (strcmp(mode, "layout") == 0) {
        msg->u.offer.layout.b[0] ^= 1;
    } else if (strcmp(mode, "epoch") == 0) {
        msg->u.offer.epoch += 1;
    } else if (strcmp(mode, "nan") == 0) {
        values[4711] = NAN;
    } else if (strcmp(mode, "infinity") == 0) {
        values[7849] = -INFINITY;
    } else if (strcmp(mode, "short-state") == 0) {
        bulk.item[0].bytes -= 4;
    }
    peer_say(peer, msg, &bulk);
    uint64_t nonce = msg->u.offer.nonce;
    free(msg);
    return nonce;
}

static void be_busy(struct peer *peer, uint64_t nonce)
{
    struct gv_msg *busy = calloc(1, sizeof *busy);
    if (busy == NULL) {
        peer_fail("out of memory");
    }
    struct gv_bulk none = {.count = 0};
    busy->kind = GV_KIND_BUSY;
    busy->u.exchange = (struct gv_msg_exchange){.nonce = nonce, .reason = GV_ERR_BUSY, .retry_ms = 30000};
    peer_say(peer, busy, &none);
    free(busy);
}

/* The reason of the ABORT that answers an OFFER; GV_ERR_BUSY if there is none: an honest exchange goes first, or an
   OFFER of the node crosses ours and counts. */
static enum gv_err verdict(struct peer *peer)
{
    for (int heard = 0; heard < 20 && peer_hear_any(peer, 300); heard++) {
        if (peer->msg.kind == GV_KIND_ABORT) {
            return (enum gv_err)peer->msg.u.exchange.reason;
        }
        if (peer->msg.kind == GV_KIND_OFFER) {
            be_busy(peer, peer->msg.u.offer.nonce);
        }
    }
    return peer->dropped ? GV_ERR_LINK_LOST : GV_ERR_BUSY;
}

static struct gv_msg_state ask_state(struct peer *peer)
{
    struct gv_msg *ask = calloc(1, sizeof *ask);
    if (ask == NULL) {
        peer_fail("out of memory");
    }
    ask->kind = GV_KIND_STATE;
    struct gv_bulk none = {.count = 0};
    peer_say(peer, ask, &none);
    free(ask);
    if (!peer_hear(peer, GV_KIND_STATE_REPLY, WAIT_MS)) {
        peer_fail("no STATE_REPLY");
    }
    return peer->msg.u.state;
}

/* Each OFFER has the node order a copy of its model, each ABORT makes it pointless: they must not pile up. */
static int offer_and_abort(struct peer *peer)
{
    struct gv_msg_state state = ask_state(peer);
    struct gv_bulk none = {.count = 0};
    struct gv_msg *abort_it = calloc(1, sizeof *abort_it);
    if (abort_it == NULL) {
        peer_fail("out of memory");
    }
    abort_it->kind = GV_KIND_ABORT;
    abort_it->u.exchange.reason = GV_ERR_TIMEOUT;
    for (int i = 0; i < 200 && !peer->dropped; i++) {
        abort_it->u.exchange.nonce = offer(peer, &state, "offer-abort");
        peer_say(peer, abort_it, &none);
    }
    free(abort_it);
    return 0;
}

static int spoil_exchange(struct peer *peer, const struct attack *attack)
{
    struct gv_msg_state state = ask_state(peer);
    enum gv_err got = GV_OK;
    for (int try = 0; try < TRIES && got != attack->reason && got != GV_ERR_LINK_LOST; try++) {
        (void)offer(peer, &state, attack->mode);
        got = verdict(peer);
        if (got == GV_ERR_BUSY) { /* in an exchange with somebody else */
            (void)peer_wait_dropped(peer, 100);
        }
    }
    if (got != attack->reason && got != GV_ERR_LINK_LOST) {
        peer_fail("%s: the answer was \"%s\", expected \"%s\"", attack->mode, gv_err_text((int)got),
                  gv_err_text((int)attack->reason));
    }
    return 0;
}

static int spoil_link(struct peer *peer, const char *mode)
{
    if (strcmp(mode, "offer-abort") == 0) {
        return offer_and_abort(peer);
    }
    /* A PING, [1, 4, ...], cut short. */
    static const uint8_t cut[] = {0x99, 0x01, 0x04, 0x01};
    uint8_t noise[600];
    for (int i = 0; i < 40 && !peer->dropped; i++) {
        if (strcmp(mode, "garbage") == 0) {
            gv_random(noise, sizeof noise);
            noise[0] = 0xc1; /* never valid in msgpack */
            (void)peer_send(peer, noise, sizeof noise, false);
        } else if (strcmp(mode, "truncated") == 0) {
            (void)peer_send(peer, cut, sizeof cut, false);
        } else {
            (void)peer_send(peer, cut, sizeof cut, true);
            (void)peer_send(peer, cut, sizeof cut, false);
        }
        (void)peer_wait_dropped(peer, 50);
    }
    return peer_wait_dropped(peer, WAIT_MS) ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct gv_invite invite;
    if (argc < 3 || gv_proto_init() != GV_OK) {
        peer_fail("usage: hostile TOKEN MODE [OTHER-TOKEN]");
    }
    decode_token(&invite, argv[1]);
    if (strcmp(argv[2], "other-swarm") == 0 && argc == 4) {
        return other_swarm(&invite, argv[3]);
    }
    for (size_t i = 0; i < sizeof ATTACKS / sizeof ATTACKS[0]; i++) {
        if (strcmp(ATTACKS[i].mode, argv[2]) == 0) {
            struct newcomer *newcomer = newcomer_new(&invite);
            struct peer *peer = enter(newcomer, &invite);
            if (!peer_hear(peer, GV_KIND_WELCOME, WAIT_MS)) {
                peer_fail("a member was not welcomed");
            }
            int code =
                ATTACKS[i].reason == GV_OK ? spoil_link(peer, ATTACKS[i].mode) : spoil_exchange(peer, &ATTACKS[i]);
            peer_close(peer);
            newcomer_free(newcomer);
            return code;
        }
    }
    peer_fail("there is no mode %s", argv[2]);
}
