/*
 * A visit: see visit.h. One DEALER per seed, thrown away afterwards.
 */
#include "visit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "clock.h"
#include "manifest_text.h"
#include "resolver.h"
#include "wire.h"

#define ANSWER_MS 3300    /* connecting, the encrypted handshake and WELCOME */
#define MANIFEST_MS 6000  /* a quarter of a megabyte over a slow line */
#define LAST_WORDS_MS 200 /* for frames that the monitor has overtaken */
#define RECONNECT_MS 60000
#define FRAMES_MAX 64 /* of other kinds before we give up on a seed */

/* One attempt at one seed. */
struct attempt {
    struct gv_visit *visit;
    const struct gv_seed *seed;
    const char *address; /* one of the seed's */
    void *socket;
    void *monitor;
    int64_t deadline_ms;
    bool welcome;
};

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

static int answer_ms(const struct gv_visit *visit)
{
    return visit->answer_ms > 0 ? visit->answer_ms : ANSWER_MS;
}

/*
 * Not RECONNECT_IVL -1 and IMMEDIATE 1, as for links: with those libzmq 4.3 throws away what has arrived but is not
 * read yet when the connection ends, and a REFUSE is just that. A reconnect after a minute comes too late to do harm.
 */
static bool configure(void *socket, const struct gv_visit *visit, const struct gv_seed *seed)
{
    int64_t frame_max = GV_FRAME_BYTES_MAX + GV_CURVE_OVERHEAD_BYTES;
    return set_int(socket, ZMQ_LINGER, 0) && set_int(socket, ZMQ_HANDSHAKE_IVL, 3000) &&
           set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS) && set_int(socket, ZMQ_IMMEDIATE, 0) &&
           set_int(socket, ZMQ_RCVHWM, 8) && set_int(socket, ZMQ_IPV6, visit->family == GV_FAMILY_IPV4 ? 0 : 1) &&
           zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &frame_max, sizeof frame_max) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, seed->curve.b, GV_KEY_BYTES) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, gv_curve_key_public(visit->curve)->b, GV_KEY_BYTES) == 0 &&
           zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, gv_curve_key_secret(visit->curve), GV_KEY_BYTES) == 0;
}

static enum gv_err open_attempt(struct attempt *attempt, void *context, uint32_t number, struct gv_diag *diag)
{
    char name[32];
    int events = ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    (void)snprintf(name, sizeof name, "inproc://visit-%u", number);
    attempt->socket = zmq_socket(context, ZMQ_DEALER);
    attempt->monitor = zmq_socket(context, ZMQ_PAIR);
    if (attempt->socket == NULL || attempt->monitor == NULL ||
        !configure(attempt->socket, attempt->visit, attempt->seed) || !set_int(attempt->monitor, ZMQ_LINGER, 0) ||
        zmq_socket_monitor(attempt->socket, name, events) != 0 || zmq_connect(attempt->monitor, name) != 0) {
        return gv_diag_set(diag, GV_ERR_NET, "cannot open a socket: %s", zmq_strerror(errno));
    }
    if (zmq_connect(attempt->socket, attempt->address) != 0) {
        return gv_diag_set(diag, GV_ERR_TIMEOUT, "cannot be dialled: %s", zmq_strerror(errno));
    }
    return GV_OK;
}

static void close_attempt(struct attempt *attempt)
{
    if (attempt->socket != NULL) {
        (void)zmq_socket_monitor(attempt->socket, NULL, 0);
    }
    if (attempt->monitor != NULL) {
        (void)zmq_close(attempt->monitor);
    }
    if (attempt->socket != NULL) {
        (void)zmq_close(attempt->socket);
    }
}

/* Waits until the socket is ready for `events`. GV_ERR_LINK_LOST if the connection failed first. */
static enum gv_err wait_for(struct attempt *attempt, short events)
{
    for (;;) {
        zmq_pollitem_t items[2] = {{.socket = attempt->socket, .events = events},
                                   {.socket = attempt->monitor, .events = ZMQ_POLLIN}};
        int64_t left = attempt->deadline_ms - gv_now_ms();
        int ready = left <= 0 ? 0 : zmq_poll(items, 2, (long)left);
        if (ready == 0) {
            return GV_ERR_TIMEOUT;
        }
        if (ready < 0) {
            if (errno == EINTR) {
                continue;
            }
            return GV_ERR_NET;
        }
        if ((items[0].revents & events) != 0) {
            return GV_OK;
        }
        /* Closed; but a REFUSE comes just before the close, and the monitor may overtake it. */
        return zmq_poll(items, 1, LAST_WORDS_MS) > 0 ? GV_OK : GV_ERR_LINK_LOST;
    }
}

static enum gv_err send_frame(struct attempt *attempt, const struct gv_msg *msg, const struct gv_bulk *bulk)
{
    size_t bytes = 0;
    size_t bound = gv_wire_bound(msg, bulk);
    uint8_t *frame = malloc(bound);
    if (frame == NULL) {
        return GV_ERR_NOMEM;
    }
    enum gv_err err = gv_wire_encode(frame, bound, &bytes, msg, bulk);
    if (err == GV_OK) {
        err = wait_for(attempt, ZMQ_POLLOUT);
    }
    if (err == GV_OK && zmq_send(attempt->socket, frame, bytes, ZMQ_DONTWAIT) < 0) {
        err = GV_ERR_LINK_LOST;
    }
    free(frame);
    return err;
}

static enum gv_err send_hello(struct attempt *attempt)
{
    const struct gv_visit *visit = attempt->visit;
    struct gv_msg *msg = calloc(1, sizeof *msg);
    struct gv_bulk bulk = {.count = 1, .item = {{.data = visit->record, .bytes = visit->record_bytes}}};
    if (msg == NULL) {
        return GV_ERR_NOMEM;
    }
    msg->kind = GV_KIND_HELLO;
    msg->u.hello.swarm = gv_swarm_id_of(&visit->invite->root);
    msg->u.hello.purpose = GV_PURPOSE_VISIT;
    msg->u.hello.state = GV_STATE_JOINING;
    msg->u.hello.boot = visit->boot;
    msg->u.hello.wall_s = (uint64_t)time(NULL);
    (void)snprintf(msg->u.hello.observed, sizeof msg->u.hello.observed, "%s", attempt->seed->endpoint);
    enum gv_err err = send_frame(attempt, msg, &bulk);
    free(msg);
    return err;
}

static enum gv_err send_want(struct attempt *attempt)
{
    struct gv_msg *msg = calloc(1, sizeof *msg);
    struct gv_bulk bulk = {.count = 0};
    if (msg == NULL) {
        return GV_ERR_NOMEM;
    }
    msg->kind = GV_KIND_MANIFEST_WANT;
    enum gv_err err = send_frame(attempt, msg, &bulk);
    free(msg);
    return err;
}

static enum gv_err take_welcome(struct attempt *attempt, bool *done, const struct gv_msg_hello *hello,
                                const struct gv_bulk *bulk, struct gv_diag *diag)
{
    struct gv_visit *visit = attempt->visit;
    const struct gv_span *record = &bulk->item[0];
    enum gv_err err = bulk->count != 1 || record->bytes > sizeof visit->host_bytes ? GV_ERR_MALFORMED : GV_OK;
    if (err == GV_OK) {
        err = gv_record_verify(&visit->host, &visit->invite->root, record->data, record->bytes);
    }
    if (err == GV_OK && memcmp(visit->host.curve.b, attempt->seed->curve.b, sizeof visit->host.curve.b) != 0) {
        err = GV_ERR_KEY_MISMATCH;
    }
    if (err != GV_OK) {
        return gv_diag_set(diag, err, "it does not prove to be a member: %s", gv_err_text((int)err));
    }
    memcpy(visit->host_bytes, record->data, record->bytes);
    visit->host_bytes_count = record->bytes;
    memcpy(visit->observed, hello->observed, sizeof visit->observed);
    visit->wall_s = hello->wall_s;
    attempt->welcome = true;
    *done = visit->greeting_only;
    if (*done) {
        return GV_OK;
    }
    attempt->deadline_ms = gv_now_ms() + MANIFEST_MS;
    return send_want(attempt);
}

/* One frame. *done once the manifest is here. Kinds that do not concern a visitor are ignored. */
static enum gv_err take_frame(struct attempt *attempt, bool *done, const struct gv_msg *msg, const struct gv_bulk *bulk,
                              struct gv_diag *diag)
{
    if (msg->kind == GV_KIND_REFUSE) {
        /* A reason from another program's future or of a liar must not look like success. */
        enum gv_err err = msg->u.refuse.reason >= 100 && msg->u.refuse.reason < 200 ? (enum gv_err)msg->u.refuse.reason
                                                                                    : GV_ERR_PROTOCOL;
        return gv_diag_set(diag, err, "it refused: %s", gv_err_text((int)err));
    }
    if (msg->kind == GV_KIND_WELCOME && !attempt->welcome) {
        return take_welcome(attempt, done, &msg->u.hello, bulk, diag);
    }
    if (msg->kind == GV_KIND_MANIFEST && attempt->welcome && bulk->count == 1) {
        struct gv_diag inner = {.code = GV_OK};
        const struct gv_span *text = &bulk->item[0];
        enum gv_err err = gv_manifest_parse(&attempt->visit->manifest, (const char *)text->data, text->bytes,
                                            &attempt->visit->invite->root, &inner);
        *done = err == GV_OK;
        return err == GV_OK ? GV_OK : gv_diag_set(diag, err, "its manifest cannot be used: %s", inner.text);
    }
    return GV_OK;
}

static enum gv_err receive(struct attempt *attempt, bool *done, struct gv_msg *msg, struct gv_diag *diag)
{
    zmq_msg_t frame;
    struct gv_bulk bulk;
    enum gv_err err = wait_for(attempt, ZMQ_POLLIN);
    if (err != GV_OK) {
        return err;
    }
    (void)zmq_msg_init(&frame);
    if (zmq_msg_recv(&frame, attempt->socket, ZMQ_DONTWAIT) < 0) {
        err = errno == EAGAIN || errno == EINTR ? GV_OK : GV_ERR_NET;
    } else if (zmq_msg_more(&frame) != 0) {
        err = GV_ERR_MULTIPART;
    } else {
        err = gv_wire_decode(msg, &bulk, zmq_msg_data(&frame), zmq_msg_size(&frame));
        if (err == GV_OK) {
            err = take_frame(attempt, done, msg, &bulk, diag);
        } else if (err == GV_ERR_KIND) {
            err = GV_OK; /* of a newer program */
        }
    }
    (void)zmq_msg_close(&frame);
    return err;
}

/* diag->code stays GV_OK where nothing better than the error's own text is known. */
static enum gv_err converse(struct attempt *attempt, struct gv_diag *diag)
{
    bool done = false;
    struct gv_msg *msg = calloc(1, sizeof *msg);
    if (msg == NULL) {
        return GV_ERR_NOMEM;
    }
    enum gv_err err = send_hello(attempt);
    for (int frames = 0; err == GV_OK && !done; frames++) {
        err = frames < FRAMES_MAX ? receive(attempt, &done, msg, diag) : GV_ERR_RATE;
    }
    free(msg);
    return err;
}

/* `number` is another for each attempt. */
static enum gv_err try_address(struct gv_visit *visit, void *context, const struct gv_seed *seed, const char *address,
                               uint32_t number, struct gv_diag *diag)
{
    struct attempt attempt = {
        .visit = visit, .seed = seed, .address = address, .deadline_ms = gv_now_ms() + answer_ms(visit)};
    diag->code = GV_OK;
    enum gv_err err = open_attempt(&attempt, context, number, diag);
    if (err == GV_OK) {
        err = converse(&attempt, diag);
    }
    close_attempt(&attempt);
    if (err == GV_OK) {
        return GV_OK;
    }
    if (diag->code == GV_OK && !attempt.welcome && (err == GV_ERR_TIMEOUT || err == GV_ERR_LINK_LOST)) {
        bool lost = err == GV_ERR_LINK_LOST;
        err =
            gv_diag_set(diag, GV_ERR_TIMEOUT, "%s", lost ? "cannot be reached, or closed the connection" : "no answer");
    } else if (diag->code == GV_OK) {
        (void)gv_diag_set(diag, err, "%s", gv_err_text((int)err));
    }
    return err;
}

static enum gv_err try_seed(struct gv_visit *visit, void *context, uint32_t number, struct gv_diag *diag)
{
    const struct gv_seed *seed = &visit->invite->seeds[number];
    struct gv_addresses addresses;
    const char *family = visit->family == GV_FAMILY_IPV4 ? "ipv4" : "ipv6";
    enum gv_err err = gv_resolve(&addresses, seed->endpoint, visit->family, answer_ms(visit));
    if (err == GV_ERR_FAMILY) {
        return gv_diag_set(diag, err, "family = %s rules this address out", family);
    }
    if (err != GV_OK) {
        return gv_diag_set(diag, GV_ERR_TIMEOUT, "no %s%saddress is found for this name",
                           visit->family != GV_FAMILY_ANY ? family : "", visit->family != GV_FAMILY_ANY ? " " : "");
    }
    err = GV_ERR_TIMEOUT;
    for (uint32_t i = 0; i < addresses.count && err == GV_ERR_TIMEOUT; i++) {
        err = try_address(visit, context, seed, addresses.endpoint[i], GV_ADDRESSES_MAX * number + i, diag);
    }
    visit->seed = err == GV_OK ? number : visit->seed;
    return err;
}

/* Which of two failures says more: a refusal about us beats one that may pass, that beats silence,
 * and that a seed that was not asked. */
static int weight_of(enum gv_err err)
{
    switch (err) {
    case GV_OK:
        return 0;
    case GV_ERR_FAMILY:
        return 1;
    case GV_ERR_TIMEOUT:
        return 2;
    case GV_ERR_LINK_LOST:
    case GV_ERR_NET:
        return 3;
    case GV_ERR_BUSY:
    case GV_ERR_CROWDED:
    case GV_ERR_RATE:
    case GV_ERR_STOPPING:
        return 4;
    default:
        return 5;
    }
}

enum gv_err gv_visit(struct gv_visit *visit, struct gv_diag *diag)
{
    struct gv_diag one;
    char all[sizeof one.text] = "";
    size_t used = 0;
    enum gv_err worst = GV_OK;
    void *context = zmq_ctx_new();
    if (context == NULL) {
        return gv_diag_set(diag, GV_ERR_NET, "cannot start ZeroMQ: %s", zmq_strerror(errno));
    }
    enum gv_err err = GV_ERR_TIMEOUT;
    for (uint32_t i = 0; i < visit->invite->seed_count; i++) {
        err = try_seed(visit, context, i, &one);
        if (err == GV_OK) {
            break;
        }
        worst = weight_of(err) > weight_of(worst) ? err : worst;
        (void)snprintf(visit->outcome, sizeof visit->outcome, "%.159s", one.text);
        int more = snprintf(all + used, sizeof all - used, "%s%s: %s", used > 0 ? "; " : "",
                            visit->invite->seeds[i].endpoint, one.text);
        used = more < 0 || (size_t)more >= sizeof all - used ? sizeof all - 1 : used + (size_t)more;
    }
    (void)zmq_ctx_term(context);
    if (err == GV_OK) {
        return GV_OK;
    }
    if (visit->invite->seed_count == 0) {
        return gv_diag_set(diag, GV_ERR_TOKEN, "the token names no seed to ask");
    }
    if (worst == GV_ERR_FAMILY) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "no seed of the invite can be asked (%s)", all);
    }
    if (worst == GV_ERR_TIMEOUT) {
        return gv_diag_set(diag, worst, "no seed of the invite answers (%s); try later", all);
    }
    return gv_diag_set(diag, worst, "%s", all);
}
