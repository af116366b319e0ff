/*
 * ZAP: requests are [version, request id, domain, address, identity, mechanism, key], answers
 * [version, request id, status, text, user id, metadata].
 */
#include "zap.h"

#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#define REQUEST_FRAMES 7

enum { FRAME_VERSION, FRAME_REQUEST_ID, FRAME_DOMAIN, FRAME_ADDRESS, FRAME_IDENTITY, FRAME_MECHANISM, FRAME_KEY };

enum gv_err gv_zap_new(void **socket, void *context)
{
    void *rep = zmq_socket(context, ZMQ_REP);
    if (rep == NULL) {
        return GV_ERR_NET;
    }
    int linger = 0;
    if (zmq_setsockopt(rep, ZMQ_LINGER, &linger, sizeof linger) != 0 || zmq_bind(rep, "inproc://zeromq.zap.01") != 0) {
        (void)zmq_close(rep);
        return GV_ERR_NET;
    }
    *socket = rep;
    return GV_OK;
}

static bool frame_is(zmq_msg_t *frame, const char *text)
{
    return zmq_msg_size(frame) == strlen(text) && memcmp(zmq_msg_data(frame), text, strlen(text)) == 0;
}

/* Receives one request; frames beyond the known ones are read and forgotten. Returns how many frames there were. */
static int receive(void *socket, zmq_msg_t frames[REQUEST_FRAMES])
{
    int count = 0;
    int more = 1;
    while (more != 0) {
        zmq_msg_t extra;
        (void)zmq_msg_init(&extra);
        zmq_msg_t *frame = count < REQUEST_FRAMES ? &frames[count] : &extra;
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
            (void)zmq_msg_close(&extra);
            return count;
        }
        more = zmq_msg_more(frame);
        count++;
        (void)zmq_msg_close(&extra);
    }
    return count;
}

static void answer(void *socket, zmq_msg_t *request_id, bool accept, const char *user_id)
{
    (void)zmq_send(socket, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    (void)zmq_send(socket, zmq_msg_data(request_id), zmq_msg_size(request_id), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    (void)zmq_send(socket, accept ? "200" : "400", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    (void)zmq_send(socket, accept ? "OK" : "no", 2, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    (void)zmq_send(socket, user_id, strlen(user_id), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    (void)zmq_send(socket, "", 0, ZMQ_DONTWAIT);
}

bool gv_zap_step(void *socket, struct gv_drops *drops)
{
    for (int turn = 0; turn < 64; turn++) {
        zmq_msg_t frames[REQUEST_FRAMES];
        for (int i = 0; i < REQUEST_FRAMES; i++) {
            (void)zmq_msg_init(&frames[i]);
        }
        int count = receive(socket, frames);
        if (count > 0) {
            char user_id[2 * GV_KEY_BYTES + 1] = "";
            bool accept = count == REQUEST_FRAMES && frame_is(&frames[FRAME_VERSION], "1.0") &&
                          frame_is(&frames[FRAME_DOMAIN], GV_ZAP_DOMAIN) &&
                          frame_is(&frames[FRAME_MECHANISM], "CURVE") &&
                          zmq_msg_size(&frames[FRAME_KEY]) == GV_KEY_BYTES;
            if (accept) {
                (void)sodium_bin2hex(user_id, sizeof user_id, zmq_msg_data(&frames[FRAME_KEY]), GV_KEY_BYTES);
            }
            if (!accept) {
                gv_drop(drops, GV_DROP_AUTHENTICATION, "");
            }
            answer(socket, &frames[FRAME_REQUEST_ID], accept, user_id);
        }
        for (int i = 0; i < REQUEST_FRAMES; i++) {
            (void)zmq_msg_close(&frames[i]);
        }
        if (count == 0) {
            return false;
        }
    }
    return true;
}

bool gv_zap_key_of(struct gv_curve_public *key, zmq_msg_t *message)
{
    const char *user_id = zmq_msg_gets(message, "User-Id");
    size_t bytes = 0;
    return user_id != NULL && strlen(user_id) == 2 * GV_KEY_BYTES &&
           sodium_hex2bin(key->b, sizeof key->b, user_id, 2 * GV_KEY_BYTES, NULL, &bytes, NULL) == 0 &&
           bytes == GV_KEY_BYTES;
}
