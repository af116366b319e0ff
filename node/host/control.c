/*
 * The server side of the control socket. Nothing here blocks and nothing a client does can hold up the loop: lines and
 * clients are bounded, a client that does not read its replies is not read from, one that idles is dropped.
 */
#include "control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control_path.h"
#include "log.h"

#define IDLE_US (30ull * 1000 * 1000)
#define READ_PIECE 16384u
#define BACKLOG 16
#define ACCEPT_PAUSE_US 1000000u
#define SKIP_BYTES_MAX (2u * GV_CONTROL_LINE_MAX) /* of a line that is too long */

struct client {
    int fd; /* -1: free */
    uint64_t active_us;
    char *in; /* what came, not yet a whole line; owned */
    size_t in_used, in_cap;
    char *out; /* replies not yet sent; owned */
    size_t out_used, out_sent;
    bool skipping; /* the rest of a line that is too long */
    size_t skipped;
    bool closing; /* once the replies are out */
    bool ended;   /* it will say nothing more, but may still read */
};

struct gv_control {
    int fd;
    uint64_t paused_us; /* since when no descriptor is left for another client; 0: there are some */
    gv_control_handler handler;
    void *context;
    struct sockaddr_un address;
    struct client clients[GV_CONTROL_CLIENTS_MAX];
};

static void client_drop(struct client *client)
{
    if (client->fd >= 0) {
        (void)close(client->fd);
    }
    free(client->in);
    free(client->out);
    memset(client, 0, sizeof *client);
    client->fd = -1;
}

static bool pending(const struct client *client)
{
    return client->out_sent < client->out_used;
}

static json_t *error_reply(enum gv_err err, const char *text)
{
    return json_pack("{s:b,s:i,s:s}", "ok", 0, "code", (int)err, "error", text);
}

/* Queues a reply behind those not yet sent. False: no memory. Takes the reference. */
static bool queue_reply(struct client *client, json_t *reply)
{
    static const char lost[] = "{\"ok\":false,\"code\":1,\"error\":\"out of memory\"}";
    char *text = reply == NULL ? NULL : json_dumps(reply, JSON_COMPACT);
    json_decref(reply);
    const char *line = text != NULL ? text : lost;
    size_t length = strlen(line) + 1; /* with the terminator, which the line break then replaces */
    char *grown = realloc(client->out, client->out_used + length);
    if (grown != NULL) {
        memcpy(grown + client->out_used, line, length);
        client->out = grown;
        client->out_used += length;
        client->out[client->out_used - 1] = '\n';
    }
    free(text);
    return grown != NULL;
}

static bool answer(struct gv_control *control, struct client *client, const char *line, size_t length)
{
    json_error_t wrong;
    json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES, &wrong);
    json_t *reply;
    if (json_is_object(request) && json_is_string(json_object_get(request, "cmd"))) {
        reply = control->handler(control->context, request);
    } else if (request == NULL) {
        char text[JSON_ERROR_TEXT_LENGTH + 64];
        (void)snprintf(text, sizeof text, "not a line of JSON: %s (column %d)", wrong.text, wrong.column);
        reply = error_reply(GV_ERR_USAGE, text);
    } else {
        reply = error_reply(GV_ERR_USAGE, "expected an object with a text \"cmd\", as {\"cmd\": \"status\"}");
    }
    json_decref(request);
    return queue_reply(client, reply);
}

/* What of the input belongs to a line that is too long and has been answered. */
static size_t skip_line(struct client *client)
{
    const char *stop = client->in_used > 0 ? memchr(client->in, '\n', client->in_used) : NULL;
    client->skipping = stop == NULL;
    client->skipped = stop == NULL ? client->skipped + client->in_used : 0;
    client->closing = client->skipped > SKIP_BYTES_MAX;
    return stop == NULL ? client->in_used : (size_t)(stop - client->in) + 1;
}

/* Answers the whole lines that are there, one reply outstanding at a time. */
static void take_lines(struct gv_control *control, struct client *client)
{
    size_t at = client->skipping ? skip_line(client) : 0;
    while (!pending(client) && !client->closing && client->in_used > at) {
        const char *line = client->in + at;
        const char *stop = memchr(line, '\n', client->in_used - at);
        if (stop == NULL) {
            break;
        }
        if (stop > line && !answer(control, client, line, (size_t)(stop - line))) {
            client->closing = true;
        }
        at += (size_t)(stop - line) + 1;
    }
    if (at > 0) {
        memmove(client->in, client->in + at, client->in_used - at);
        client->in_used -= at;
    }
    /* Its rest is read all the same: a connection closed with bytes unread would take the reply with it. */
    if (client->in_used > GV_CONTROL_LINE_MAX) {
        client->closing = !queue_reply(client, error_reply(GV_ERR_USAGE, "the line is longer than 1 MiB"));
        client->skipping = true;
        client->in_used = 0;
    }
}

/* One read. False: the client is gone. */
static bool take_bytes(struct client *client, uint64_t now_us)
{
    if (client->in_cap - client->in_used < READ_PIECE) {
        char *grown = realloc(client->in, client->in_used + 2 * READ_PIECE);
        if (grown == NULL) {
            return false;
        }
        client->in = grown;
        client->in_cap = client->in_used + 2 * READ_PIECE;
    }
    ssize_t got = recv(client->fd, client->in + client->in_used, READ_PIECE, MSG_DONTWAIT);
    if (got > 0) {
        client->in_used += (size_t)got;
        client->active_us = now_us;
        return true;
    }
    client->ended = got == 0;
    return got == 0 || errno == EAGAIN || errno == EINTR;
}

/* False: the client is gone, or done with. */
static bool send_replies(struct client *client, uint64_t now_us)
{
    while (pending(client)) {
        ssize_t sent = send(client->fd, client->out + client->out_sent, client->out_used - client->out_sent,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        client->out_sent += (size_t)sent;
        client->active_us = now_us;
    }
    free(client->out);
    client->out = NULL;
    client->out_used = 0;
    client->out_sent = 0;
    return !client->closing;
}

static void client_step(struct gv_control *control, struct client *client, uint64_t now_us)
{
    bool alive = send_replies(client, now_us);
    if (alive && !pending(client)) {
        alive = client->ended || take_bytes(client, now_us);
        size_t before = client->in_used + 1;
        while (alive && !pending(client) && client->in_used < before) { /* until no whole line is left */
            before = client->in_used;
            take_lines(control, client);
            alive = send_replies(client, now_us);
        }
        alive = alive && (!client->ended || pending(client));
    }
    if (!alive || now_us - client->active_us > IDLE_US) {
        client_drop(client);
    }
}

/* A free place, or that of the client silent for longest: only this user's processes can connect at all. */
static struct client *place_for(struct gv_control *control)
{
    struct client *longest = &control->clients[0];
    for (size_t i = 0; i < GV_CONTROL_CLIENTS_MAX; i++) {
        struct client *client = &control->clients[i];
        if (client->fd < 0) {
            return client;
        }
        if (client->active_us < longest->active_us) {
            longest = client;
        }
    }
    client_drop(longest);
    return longest;
}

/* The listener stays readable while nothing can be accepted: polled, it would keep the loop awake. */
static void pause_accepting(struct gv_control *control, uint64_t now_us)
{
    if (control->paused_us == 0) {
        gv_log(GV_LEVEL_BROKEN, "the control socket accepts nobody", "why=\"%s\"", strerror(errno));
    }
    control->paused_us = now_us;
}

static void accept_all(struct gv_control *control, uint64_t now_us)
{
    if (control->paused_us != 0 && now_us - control->paused_us < ACCEPT_PAUSE_US) {
        return;
    }
    for (int i = 0; i < BACKLOG; i++) {
        int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
            pause_accepting(control, now_us);
            return;
        }
        control->paused_us = 0;
        if (fd < 0) {
            return;
        }
        struct client *client = place_for(control);
        client->fd = fd;
        client->active_us = now_us;
    }
}

/* Removes what an earlier process left behind; anything but a socket is not ours to remove. */
static enum gv_err clear_path(const char *path, struct gv_diag *diag)
{
    struct stat info;
    if (lstat(path, &info) != 0) {
        return GV_OK;
    }
    if (!S_ISSOCK(info.st_mode)) {
        return gv_diag_set(diag, GV_ERR_PATH, "%s: exists and is not a socket; remove it", path);
    }
    if (unlink(path) != 0) {
        return gv_diag_set(diag, GV_ERR_IO, "%s: cannot be removed: %s", path, strerror(errno));
    }
    return GV_OK;
}

static enum gv_err listen_on(struct gv_control *control, struct gv_diag *diag)
{
    const char *path = control->address.sun_path;
    control->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* fchmod() before bind() gives the file its mode from its first moment, without touching the process's umask. */
    if (control->fd < 0 || fchmod(control->fd, 0600) != 0 ||
        bind(control->fd, (const struct sockaddr *)&control->address, sizeof control->address) != 0) {
        return gv_diag_set(diag, GV_ERR_IO, "%s: cannot bind the control socket: %s", path, strerror(errno));
    }
    if (chmod(path, 0600) != 0 || listen(control->fd, BACKLOG) != 0) {
        int number = errno;
        (void)unlink(path);
        return gv_diag_set(diag, GV_ERR_IO, "%s: cannot listen: %s", path, strerror(number));
    }
    return GV_OK;
}

enum gv_err gv_control_new(struct gv_control **control, const char *dir, gv_control_handler handler, void *context,
                           struct gv_diag *diag)
{
    struct gv_control *fresh = calloc(1, sizeof *fresh);
    if (fresh == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "control socket: %s", gv_err_text(GV_ERR_NOMEM));
    }
    fresh->fd = -1;
    fresh->handler = handler;
    fresh->context = context;
    for (size_t i = 0; i < GV_CONTROL_CLIENTS_MAX; i++) {
        fresh->clients[i].fd = -1;
    }
    enum gv_err err = gv_control_address(&fresh->address, dir, diag);
    if (err == GV_OK) {
        err = clear_path(fresh->address.sun_path, diag);
    }
    if (err == GV_OK) {
        err = listen_on(fresh, diag);
    }
    if (err != GV_OK) {
        if (fresh->fd >= 0) {
            (void)close(fresh->fd);
        }
        free(fresh);
        return err;
    }
    *control = fresh;
    return GV_OK;
}

void gv_control_free(struct gv_control **control)
{
    struct gv_control *old = *control;
    if (old == NULL) {
        return;
    }
    for (size_t i = 0; i < GV_CONTROL_CLIENTS_MAX; i++) {
        (void)(old->clients[i].fd >= 0 && send_replies(&old->clients[i], 0));
        client_drop(&old->clients[i]);
    }
    (void)unlink(old->address.sun_path);
    (void)close(old->fd);
    free(old);
    *control = NULL;
}

uint32_t gv_control_fds(const struct gv_control *control, struct gv_control_poll *fds)
{
    uint32_t count = 0;
    if (control->paused_us == 0) {
        fds[count++] = (struct gv_control_poll){.fd = control->fd, .write = false};
    }
    for (size_t i = 0; i < GV_CONTROL_CLIENTS_MAX; i++) {
        const struct client *client = &control->clients[i];
        if (client->fd >= 0) {
            fds[count++] = (struct gv_control_poll){.fd = client->fd, .write = pending(client)};
        }
    }
    return count;
}

void gv_control_step(struct gv_control *control, uint64_t now_us)
{
    accept_all(control, now_us);
    for (size_t i = 0; i < GV_CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i].fd >= 0) {
            client_step(control, &control->clients[i], now_us);
        }
    }
}
