/*
 * gnuplot as a plotter.
 */
#include "plot.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "html.h"

#define TIME_LIMIT_MS 30000
#define SVG_BYTES_MAX (32u << 20)

void gv_plot_string(FILE *out, const char *text, size_t most)
{
    (void)fputc('\'', out);
    for (size_t shown = 0; *text != '\0'; shown++) {
        if (shown == most) {
            (void)fputs("...", out);
            break;
        }
        size_t length = gv_html_character(text);
        if (length == 0 || *text == '`') { /* within single quotes only the quote itself means something */
            (void)fputc('?', out);
            text++;
            continue;
        }
        if (*text == '\'') {
            (void)fputc('\'', out);
        }
        (void)fwrite(text, 1, length, out);
        text += length;
    }
    (void)fputc('\'', out);
}

/* Files without a name: whatever the order in which the two sides read and write, neither can wait for the other. */
struct ends {
    int in, out, err;
};

static void close_ends(struct ends *ends)
{
    int all[] = {ends->in, ends->out, ends->err};
    for (size_t i = 0; i < 3; i++) {
        if (all[i] >= 0) {
            (void)close(all[i]);
        }
    }
    *ends = (struct ends){-1, -1, -1};
}

static enum gv_err open_ends(struct ends *ends, const char *script, size_t bytes, struct gv_diag *diag)
{
    ends->in = memfd_create("script", MFD_CLOEXEC);
    ends->out = memfd_create("drawing", MFD_CLOEXEC);
    ends->err = memfd_create("messages", MFD_CLOEXEC);
    if (ends->in < 0 || ends->out < 0 || ends->err < 0) {
        return gv_diag_set(diag, GV_ERR_IO, "no file in memory: %s", strerror(errno));
    }
    size_t done = 0;
    while (done < bytes) {
        ssize_t more = write(ends->in, script + done, bytes - done);
        if (more < 0 && errno != EINTR) {
            return gv_diag_set(diag, GV_ERR_NOMEM, "no memory for a plot's script: %s", strerror(errno));
        }
        done += more > 0 ? (size_t)more : 0;
    }
    if (lseek(ends->in, 0, SEEK_SET) != 0) {
        return gv_diag_set(diag, GV_ERR_IO, "a plot's script cannot be read: %s", strerror(errno));
    }
    return GV_OK;
}

/* Everything that was written to a file in memory, terminated; NULL without memory or above the limit. */
static char *contents(int fd)
{
    off_t bytes = lseek(fd, 0, SEEK_END);
    if (bytes < 0 || bytes > (off_t)SVG_BYTES_MAX) {
        return NULL;
    }
    char *text = malloc((size_t)bytes + 1);
    if (text == NULL) {
        return NULL;
    }
    size_t done = 0;
    while (done < (size_t)bytes) {
        ssize_t more = pread(fd, text + done, (size_t)bytes - done, (off_t)done);
        if (more <= 0 && !(more < 0 && errno == EINTR)) {
            break;
        }
        done += more > 0 ? (size_t)more : 0;
    }
    text[done] = '\0';
    return text;
}

/* Its start with signals as a new program expects them: ours may be blocked or ignored. */
static int start(pid_t *pid, const struct ends *ends)
{
    char program[] = "gnuplot", defaults[] = "-d";
    char *const arguments[] = {program, defaults, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) {
        return error;
    }
    error = posix_spawnattr_init(&attributes);
    if (error != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    (void)sigemptyset(&none);
    (void)sigemptyset(&usual);
    (void)sigaddset(&usual, SIGPIPE);
    (void)sigaddset(&usual, SIGTERM);
    (void)sigaddset(&usual, SIGINT);
    const int from[] = {ends->in, ends->out, ends->err};
    for (int to = 0; to < 3 && error == 0; to++) {
        error = posix_spawn_file_actions_adddup2(&actions, from[to], to);
    }
    if (error == 0) {
        error = posix_spawnattr_setsigmask(&attributes, &none);
    }
    if (error == 0) {
        error = posix_spawnattr_setsigdefault(&attributes, &usual);
    }
    if (error == 0) {
        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    if (error == 0) {
        error = posix_spawnp(pid, program, &actions, &attributes, arguments, environ);
    }
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Waits for its end, which it is helped to if it takes too long. False then. */
static bool join(pid_t pid, int *status)
{
    bool in_time = true;
    int fd = pidfd_open(pid, 0);
    if (fd >= 0) { /* a kernel without it waits without a limit */
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int ready;
        do {
            ready = poll(&poll_fd, 1, TIME_LIMIT_MS);
        } while (ready < 0 && errno == EINTR);
        if (ready == 0) {
            in_time = false;
            (void)kill(pid, SIGKILL);
        }
        (void)close(fd);
    }
    while (waitpid(pid, status, 0) < 0) {
        if (errno != EINTR) {
            *status = -1;
            break;
        }
    }
    return in_time;
}

/* Drops what may only stand at the start of a file of its own. Takes `drawing`. NULL if there is no drawing in it. */
static char *only_svg(char *drawing)
{
    const char *from = drawing != NULL ? strstr(drawing, "<svg") : NULL;
    const char *end = from != NULL ? strstr(from, "</svg>") : NULL;
    if (end == NULL) {
        free(drawing);
        return NULL;
    }
    size_t bytes = (size_t)(end - from) + strlen("</svg>");
    memmove(drawing, from, bytes);
    drawing[bytes] = '\0';
    return drawing;
}

/* The first line of what it said that is more than the echo of a command. */
static void quote_failure(int err_fd, char *out, size_t cap)
{
    char *said = contents(err_fd), *next = said;
    (void)snprintf(out, cap, "it drew nothing");
    while (next != NULL) {
        const char *line = strsep(&next, "\n");
        const char *found = strstr(line, "line ");
        if (found != NULL) {
            (void)snprintf(out, cap, "%s", found);
            break;
        }
    }
    free(said);
}

enum gv_err gv_plot_run(char **svg, const char *script, size_t script_bytes, struct gv_diag *diag)
{
    *svg = NULL;
    struct ends ends = {-1, -1, -1};
    enum gv_err err = open_ends(&ends, script, script_bytes, diag);
    pid_t pid = -1;
    int status = 0;
    if (err == GV_OK) {
        int error = start(&pid, &ends);
        if (error != 0) {
            err = error == ENOENT || error == EACCES || error == ENOTDIR ? GV_ERR_NOT_FOUND : GV_ERR_IO;
            err = gv_diag_set(diag, err, "gnuplot cannot be started: %s", strerror(error));
        }
    }
    if (err == GV_OK && !join(pid, &status)) {
        err = gv_diag_set(diag, GV_ERR_TIMEOUT, "gnuplot took longer than %d s", TIME_LIMIT_MS / 1000);
    } else if (err == GV_OK) {
        *svg = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? only_svg(contents(ends.out)) : NULL;
        if (*svg == NULL) {
            char said[200];
            quote_failure(ends.err, said, sizeof said);
            err = gv_diag_set(diag, GV_ERR_IO, "gnuplot failed: %s", said);
        }
    }
    close_ends(&ends);
    return err;
}
