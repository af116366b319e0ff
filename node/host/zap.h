/*
 * The ZAP handler (ZeroMQ RFC 27): answers libzmq's question "may this CURVE key connect?" with yes and names the key
 * as User-Id, which libzmq then attaches to every message of that connection. It is not the gate: what it says is
 * frozen for the life of a connection, so authorisation is a look-up per message. It must be bound before any other
 * socket: without a handler, CURVE encrypts but authenticates nobody.
 */
#ifndef GV_ZAP_H
#define GV_ZAP_H

#include <stdbool.h>
#include <zmq.h>

#include "drops.h"
#include "gv/err.h"
#include "gv/id.h"

#define GV_ZAP_DOMAIN "grapevine"

/** Binds the handler's socket in this context; returns owned (zmq_close). */
GV_NODISCARD enum gv_err gv_zap_new(void **socket, void *context);

/** Answers waiting requests, counts those it refuses; true if there may be more. */
bool gv_zap_step(void *socket, struct gv_drops *drops);

/** The CURVE key of the connection a message came from; false if the User-Id is missing or malformed. */
bool gv_zap_key_of(struct gv_curve_public *key, zmq_msg_t *message);

#endif
