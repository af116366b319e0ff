/*
 * Worker processes. See campaign_worker.h. Parent and worker are of one program, so structures cross as they lie.
 */
#include "campaign_worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "campaign.h"

#define STOP UINT64_MAX /* instead of a seed */

static bool read_all(int fd, void *out, size_t bytes)
{
    char *at = out;
    while (bytes > 0) {
        ssize_t got = recv(fd, at, bytes, 0);
        if (got <= 0 && !(got < 0 && errno == EINTR)) {
            return false;
        }
        at += got > 0 ? got : 0;
        bytes -= got > 0 ? (size_t)got : 0;
    }
    return true;
}

static bool write_all(int fd, const void *data, size_t bytes)
{
    const char *at = data;
    while (bytes > 0) {
        ssize_t put = send(fd, at, bytes, MSG_NOSIGNAL);
        if (put < 0 && errno != EINTR) {
            return false;
        }
        at += put > 0 ? put : 0;
        bytes -= put > 0 ? (size_t)put : 0;
    }
    return true;
}

static void run_seed(struct gv_campaign_result *result, uint64_t seed, const volatile sig_atomic_t *interrupted)
{
    char text[GV_CAMPAIGN_TEXT_MAX];
    struct gv_scenario scenario;
    struct gv_summary summary;
    struct gv_diag diag = {.text = ""};
    memset(result, 0, sizeof *result);
    memset(&summary, 0, sizeof summary);
    result->seed = seed;
    gv_campaign_scenario(text, seed);
    result->err = gv_scenario_parse(&scenario, text, "campaign", &diag);
    if (result->err == GV_OK) {
        result->err = gv_scenario_check(&scenario, &diag);
    }
    if (result->err == GV_OK) {
        const struct gv_run run = {
            .seed = seed, .threads = 1, .quiet = true, .trail = true, .interrupted = interrupted};
        result->err = gv_simulate(&summary, &result->violation, &scenario, &run, &diag);
    }
    if (result->err != GV_OK) {
        (void)snprintf(result->text, sizeof result->text, "%.*s", (int)sizeof result->text - 1, diag.text);
        return;
    }
    result->partial = summary.partial;
    result->trace_hash = summary.trace_hash;
    result->events = summary.last.events;
    result->exchanges = summary.last.exchanges_done;
    result->invariants_checked = summary.last.invariants_checked;
}

static _Noreturn void work(int parent, const volatile sig_atomic_t *interrupted)
{
    struct gv_campaign_result *result = malloc(sizeof *result);
    uint64_t seed;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody would hear of the results */
    while (result != NULL && read_all(parent, &seed, sizeof seed) && seed != STOP) {
        run_seed(result, seed, interrupted);
        if (!write_all(parent, result, sizeof *result)) {
            break;
        }
    }
    free(result);
    (void)fflush(NULL);
    _exit(0);
}

bool gv_campaign_worker_start(struct gv_campaign_worker *worker, const volatile sig_atomic_t *interrupted)
{
    int ends[2];
    memset(worker, 0, sizeof *worker);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        return false;
    }
    (void)fflush(NULL); /* or both processes would write what is buffered */
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        work(ends[1], interrupted);
    }
    (void)close(ends[1]);
    if (pid < 0) {
        (void)close(ends[0]);
        return false;
    }
    worker->pid = pid;
    worker->socket = ends[0];
    return true;
}

bool gv_campaign_worker_give(struct gv_campaign_worker *worker, uint64_t seed)
{
    worker->busy = true;
    worker->seed = seed;
    worker->waited_s = 0.0;
    return write_all(worker->socket, &seed, sizeof seed);
}

/* Takes leave of a process and says how it ended. */
static void reap(struct gv_campaign_worker *worker, char *text, size_t cap)
{
    int status = 0;
    (void)close(worker->socket);
    while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        (void)snprintf(text, cap, "the process ended with signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    } else {
        (void)snprintf(text, cap, "the process ended with exit code %d", WEXITSTATUS(status));
    }
    memset(worker, 0, sizeof *worker);
}

bool gv_campaign_worker_take(struct gv_campaign_worker *worker, struct gv_campaign_result *result)
{
    uint64_t seed = worker->seed;
    worker->busy = false;
    if (read_all(worker->socket, result, sizeof *result)) {
        return true;
    }
    memset(result, 0, sizeof *result);
    result->seed = seed;
    reap(worker, result->text, sizeof result->text);
    return false;
}

void gv_campaign_worker_end(struct gv_campaign_worker *worker)
{
    char unused[128];
    uint64_t stop = STOP;
    if (worker->pid == 0) {
        return;
    }
    if (worker->busy || !write_all(worker->socket, &stop, sizeof stop)) {
        (void)kill(worker->pid, SIGKILL);
    }
    reap(worker, unused, sizeof unused);
}
