/*
 * The yardstick for exchanges: ZeroMQ with CURVE and nothing else. Two processes on loopback send each other the same
 * number of frames at the same time, as two nodes do, but read nothing, decode nothing and add nothing.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "bench.h"

#define KEY_CHARS 41
#define HIGH_WATER 8
#define WAIT_MS 20000
#define RESULT_WAIT_MS 60000

struct side {
    const char *endpoint;
    char server_public[KEY_CHARS], server_secret[KEY_CHARS];
    uint32_t frames;
    size_t frame_bytes;
    int result; /* write end: the server's seconds */
};

static void *open_socket(void *context, const struct side *side, bool server)
{
    void *socket = zmq_socket(context, ZMQ_DEALER);
    int one = 1, water = HIGH_WATER, linger = 2000, wait = WAIT_MS;
    char public[KEY_CHARS], secret[KEY_CHARS];
    bool good = socket != NULL && zmq_curve_keypair(public, secret) == 0 &&
                zmq_setsockopt(socket, ZMQ_SNDHWM, &water, sizeof water) == 0 &&
                zmq_setsockopt(socket, ZMQ_RCVHWM, &water, sizeof water) == 0 &&
                zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
                zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait, sizeof wait) == 0 &&
                zmq_setsockopt(socket, ZMQ_SNDTIMEO, &wait, sizeof wait) == 0;
    if (good && server) {
        good = zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &one, sizeof one) == 0 &&
               zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, side->server_secret, KEY_CHARS) == 0 &&
               zmq_bind(socket, side->endpoint) == 0;
    } else if (good) {
        good = zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, side->server_public, KEY_CHARS) == 0 &&
               zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public, KEY_CHARS) == 0 &&
               zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret, KEY_CHARS) == 0 &&
               zmq_connect(socket, side->endpoint) == 0;
    }
    if (!good && socket != NULL) {
        (void)zmq_close(socket);
        socket = NULL;
    }
    return socket;
}

/* Sends and receives all frames, whichever is possible. */
static bool pump(void *socket, const struct side *side, uint8_t *frame)
{
    uint32_t sent = 0, received = 0;
    while (sent < side->frames || received < side->frames) {
        zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
        if (sent < side->frames) {
            item.events = ZMQ_POLLIN | ZMQ_POLLOUT;
        }
        if (zmq_poll(&item, 1, WAIT_MS) <= 0) {
            return false;
        }
        if ((item.revents & ZMQ_POLLOUT) != 0 && sent < side->frames &&
            zmq_send(socket, frame, side->frame_bytes, ZMQ_DONTWAIT) >= 0) {
            sent++;
        }
        if ((item.revents & ZMQ_POLLIN) != 0) {
            zmq_msg_t message;
            (void)zmq_msg_init(&message);
            if (zmq_msg_recv(&message, socket, ZMQ_DONTWAIT) >= 0) {
                received++;
            }
            (void)zmq_msg_close(&message);
        }
    }
    return true;
}

/* A process: greet (so that the handshake is over), pump, say that it is done. */
_Noreturn static void run_side(const struct side *side, bool server)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    void *context = zmq_ctx_new();
    void *socket = context != NULL ? open_socket(context, side, server) : NULL;
    uint8_t *frame = calloc(1, side->frame_bytes);
    char greeting[8];
    bool good = socket != NULL && frame != NULL;
    if (good && server) {
        good = zmq_recv(socket, greeting, sizeof greeting, 0) > 0 && zmq_send(socket, "go", 2, 0) > 0;
    } else if (good) {
        good = zmq_send(socket, "hello", 5, 0) > 0 && zmq_recv(socket, greeting, sizeof greeting, 0) > 0;
    }
    double start = gv_bench_now();
    good = good && pump(socket, side, frame);
    /* The server's time ends when the client too has everything. */
    if (good && server) {
        good = zmq_recv(socket, greeting, sizeof greeting, 0) > 0;
        double seconds = gv_bench_now() - start;
        good = good && write(side->result, &seconds, sizeof seconds) == (ssize_t)sizeof seconds;
    } else if (good) {
        good = zmq_send(socket, "done", 4, 0) > 0;
    }
    if (socket != NULL) {
        (void)zmq_close(socket);
        (void)zmq_ctx_term(context);
    }
    free(frame);
    _exit(good ? 0 : 1);
}

static enum gv_err collect(double *seconds, int fd, const pid_t pids[2], struct gv_diag *diag)
{
    struct pollfd item = {.fd = fd, .events = POLLIN};
    bool good = pids[0] > 0 && pids[1] > 0 && poll(&item, 1, RESULT_WAIT_MS) > 0 &&
                read(fd, seconds, sizeof *seconds) == (ssize_t)sizeof *seconds;
    for (int i = 0; i < 2; i++) {
        if (pids[i] > 0) {
            if (!good) {
                (void)kill(pids[i], SIGKILL);
            }
            (void)waitpid(pids[i], NULL, 0);
        }
    }
    return good ? GV_OK : gv_diag_set(diag, GV_ERR_NET, "the bare link moved nothing");
}

enum gv_err gv_bench_bare_link(double *seconds, uint32_t frames, size_t frame_bytes, struct gv_diag *diag)
{
    char endpoint[128];
    (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%d", 18000 + (int)(getpid() % 1000));
    struct side side = {.endpoint = endpoint, .frames = frames, .frame_bytes = frame_bytes};
    int ends[2];
    if (zmq_curve_keypair(side.server_public, side.server_secret) != 0) {
        return gv_diag_set(diag, GV_ERR_CRYPTO, "this libzmq has no CURVE");
    }
    if (pipe(ends) != 0) {
        return gv_diag_set(diag, GV_ERR_IO, "pipe: %s", strerror(errno));
    }
    side.result = ends[1];
    pid_t pids[2];
    for (int i = 0; i < 2; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            run_side(&side, i == 0);
        }
    }
    (void)close(ends[1]);
    enum gv_err err = collect(seconds, ends[0], pids, diag);
    (void)close(ends[0]);
    return err;
}
