/*
 * The client side of the control socket, for the subcommands: one request, one reply.
 */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "control_path.h"

#define READ_PIECE 65536u

static enum gv_err no_daemon(const char *dir, struct gv_diag *diag)
{
    return gv_diag_set(diag, GV_ERR_NOT_FOUND, "no daemon runs on %s; start it with `grapevine run %s`", dir, dir);
}

/* It ends, or starts again: whoever asks once more finds its successor, or that there is none. */
static enum gv_err hung_up(const char *dir, struct gv_diag *diag)
{
    return gv_diag_set(diag, GV_ERR_STOPPING,
                       "the daemon on %s is stopping or starting again and did not answer; try again", dir);
}

static enum gv_err connect_to(int *fd, const char *dir, struct gv_diag *diag)
{
    struct sockaddr_un address;
    enum gv_err err = gv_control_address(&address, dir, diag);
    if (err != GV_OK) {
        return err;
    }
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0) {
        return gv_diag_set(diag, GV_ERR_IO, "control socket: %s", strerror(errno));
    }
    if (connect(s, (const struct sockaddr *)&address, sizeof address) != 0) {
        int number = errno;
        (void)close(s);
        if (number == ENOENT || number == ECONNREFUSED || number == ENOTDIR) {
            return no_daemon(dir, diag);
        }
        if (number == EAGAIN) {
            return gv_diag_set(diag, GV_ERR_BUSY, "%s: the daemon has too many callers; try again", address.sun_path);
        }
        return gv_diag_set(diag, GV_ERR_IO, "%s: cannot connect: %s", address.sun_path, strerror(number));
    }
    *fd = s;
    return GV_OK;
}

static enum gv_err wait_for(int fd, short events, int64_t deadline, const char *dir, struct gv_diag *diag)
{
    for (;;) {
        int64_t left = deadline - gv_now_ms();
        struct pollfd item = {.fd = fd, .events = events};
        int ready = left <= 0 ? 0 : poll(&item, 1, (int)left);
        if (ready > 0) {
            return GV_OK;
        }
        if (ready == 0) {
            return gv_diag_set(diag, GV_ERR_TIMEOUT, "the daemon on %s did not answer in time", dir);
        }
        if (errno != EINTR) {
            return gv_diag_set(diag, GV_ERR_IO, "control socket: poll: %s", strerror(errno));
        }
    }
}

static enum gv_err send_line(int fd, const char *text, int64_t deadline, const char *dir, struct gv_diag *diag)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t sent = send(fd, text, left, MSG_NOSIGNAL);
        if (sent > 0) {
            text += sent;
            left -= (size_t)sent;
        } else if (errno == EAGAIN) {
            enum gv_err err = wait_for(fd, POLLOUT, deadline, dir, diag);
            if (err != GV_OK) {
                return err;
            }
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return hung_up(dir, diag);
        } else if (errno != EINTR) {
            return gv_diag_set(diag, GV_ERR_IO, "the daemon on %s: %s", dir, strerror(errno));
        }
    }
    return GV_OK;
}

/* Reads up to the line's end into owned memory. */
static enum gv_err read_line(int fd, char **line, int64_t deadline, const char *dir, struct gv_diag *diag)
{
    char *text = NULL;
    size_t used = 0;
    enum gv_err err = GV_OK;
    while (err == GV_OK) {
        char *grown = used < GV_CONTROL_LINE_MAX ? realloc(text, used + READ_PIECE + 1) : NULL;
        if (grown == NULL) {
            err = gv_diag_set(diag, GV_ERR_NOMEM, "the daemon's answer is longer than %d bytes or than memory",
                              GV_CONTROL_LINE_MAX);
            break;
        }
        text = grown;
        ssize_t got = recv(fd, text + used, READ_PIECE, 0);
        if (got > 0) {
            size_t from = used;
            used += (size_t)got;
            if (memchr(text + from, '\n', (size_t)got) != NULL) {
                text[used] = '\0';
                *line = text;
                return GV_OK;
            }
        } else if (got == 0 || errno == ECONNRESET) {
            err = hung_up(dir, diag);
        } else if (errno == EAGAIN) {
            err = wait_for(fd, POLLIN, deadline, dir, diag);
        } else if (errno != EINTR) {
            err = gv_diag_set(diag, GV_ERR_IO, "the daemon on %s: %s", dir, strerror(errno));
        }
    }
    free(text);
    return err;
}

static enum gv_err converse(int fd, const char *line, json_t **reply, int64_t deadline, const char *dir,
                            struct gv_diag *diag)
{
    char *text = NULL;
    json_error_t wrong;
    enum gv_err err = send_line(fd, line, deadline, dir, diag);
    if (err == GV_OK) {
        err = send_line(fd, "\n", deadline, dir, diag);
    }
    if (err == GV_OK) {
        err = read_line(fd, &text, deadline, dir, diag);
    }
    if (err != GV_OK) {
        return err;
    }
    json_t *answer = json_loads(text, JSON_REJECT_DUPLICATES, &wrong);
    free(text);
    if (!json_is_object(answer)) {
        json_decref(answer);
        return gv_diag_set(diag, GV_ERR_IO, "the daemon's answer is not a JSON object: %s", wrong.text);
    }
    *reply = answer;
    return GV_OK;
}

enum gv_err gv_control_call(const char *dir, const json_t *request, json_t **reply, int timeout_ms,
                            struct gv_diag *diag)
{
    int fd = -1;
    int64_t deadline = gv_now_ms() + timeout_ms;
    enum gv_err err = connect_to(&fd, dir, diag);
    if (err != GV_OK) {
        return err;
    }
    char *line = json_dumps(request, JSON_COMPACT);
    if (line == NULL) {
        err = gv_diag_set(diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    } else if (strlen(line) > GV_CONTROL_LINE_MAX) {
        err = gv_diag_set(diag, GV_ERR_USAGE, "the request has %zu bytes, at most %d are possible", strlen(line),
                          GV_CONTROL_LINE_MAX);
    } else {
        err = converse(fd, line, reply, deadline, dir, diag);
    }
    free(line);
    (void)close(fd);
    return err;
}
