/*
 * pause, resume, stop and leave: one order each to the running daemon.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "store.h"

#define END_WAIT_MS 60000 /* a last checkpoint on a slow disk */

static enum gv_err order(const struct gv_args *args, const char *cmd, struct gv_diag *diag)
{
    return gv_cli_call(args->positional[0], json_pack("{s:s}", "cmd", cmd), NULL, diag);
}

static int simple_order(const struct gv_args *args, const char *note)
{
    struct gv_diag diag = {.code = GV_OK};
    if (order(args, args->command, &diag) != GV_OK) {
        return gv_cli_fail(args, &diag);
    }
    gv_cli_note(args, "%s", note);
    return GV_EXIT_OK;
}

/* The daemon lets go of the lock when it ends; scripts may then start it again at once. */
static enum gv_err wait_for_end(const char *dir, struct gv_diag *diag)
{
    int lock;
    enum gv_err err = gv_store_await_lock(&lock, dir, END_WAIT_MS, diag);
    if (err == GV_OK) {
        (void)close(lock);
    } else if (err == GV_ERR_IN_USE) {
        err = gv_diag_set(diag, GV_ERR_TIMEOUT, "the daemon on %s was told to end and has not within %d s", dir,
                          END_WAIT_MS / 1000);
    }
    return err;
}

int gv_cmd_pause(const struct gv_args *args)
{
    return simple_order(args, "training is paused; the node goes on serving others");
}

int gv_cmd_resume(const struct gv_args *args)
{
    return simple_order(args, "training goes on");
}

/* Of the newest checkpoint on disk; 0: there is none. */
static uint64_t checkpoint_counter(const char *dir)
{
    struct gv_checkpoint checkpoint;
    bool damaged;
    bool found = gv_store_load_checkpoint(dir, &checkpoint, NULL, NULL, &damaged, NULL) == GV_OK;
    return found ? checkpoint.counter : 0;
}

/* Whether the daemon has a model of the swarm's, which it writes down when it ends. */
static bool has_model(const char *dir)
{
    json_t *status = NULL;
    if (gv_cli_call(dir, json_pack("{s:s}", "cmd", "status"), &status, NULL) != GV_OK) {
        return false;
    }
    bool has = json_is_true(json_object_get(status, "has_model"));
    json_decref(status);
    return has;
}

int gv_cmd_stop(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    const char *dir = args->positional[0];
    bool writes = has_model(dir);
    uint64_t before = checkpoint_counter(dir);
    enum gv_err err = order(args, "stop", &diag);
    if (err == GV_OK) {
        err = wait_for_end(dir, &diag);
    }
    if (err == GV_OK && writes && checkpoint_counter(dir) == before) {
        err = gv_diag_set(&diag, GV_ERR_IO,
                          "stopped, but the last checkpoint could not be written; the one before it is intact. The "
                          "node's log and `grapevine doctor %s` say why",
                          dir);
    }
    if (err != GV_OK) {
        return gv_cli_fail(args, &diag);
    }
    gv_cli_note(args, "stopped; `grapevine run %s` brings it back as the same node", dir);
    return GV_EXIT_OK;
}

int gv_cmd_leave(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    const char *dir = args->positional[0];
    if (!gv_arg_given(args, "yes")) {
        return gv_cli_usage(args,
                            "this takes the node out of its swarm for good: its identity ends, and %s cannot be run "
                            "again (`grapevine stop` only ends the daemon). Say --yes if you mean it",
                            dir);
    }
    enum gv_err err = order(args, "leave", &diag);
    if (err == GV_ERR_NOT_FOUND && gv_cli_standing(dir, &diag) != GV_OK) {
        err = diag.code;
    } else if (err == GV_ERR_NOT_FOUND && gv_store_exists(dir)) {
        (void)gv_diag_set(&diag, err,
                          "no daemon runs on %s, so nobody could be told; start it with `grapevine run %s` and "
                          "leave then",
                          dir, dir);
    } else if (err == GV_OK) {
        err = wait_for_end(dir, &diag);
    }
    if (err == GV_OK) {
        err = gv_store_write(dir, "left", "left\n", 5, 0600, &diag);
    }
    if (err != GV_OK) {
        return gv_cli_fail(args, &diag);
    }
    struct gv_checkpoint checkpoint;
    bool damaged = false;
    bool model = gv_store_load_checkpoint(dir, &checkpoint, NULL, NULL, &damaged, NULL) == GV_OK;
    gv_cli_note(args, "the node has left its swarm; %s %scannot be run again", dir,
                model ? "holds its model still (`grapevine export`), and " : "holds no model, and ");
    return GV_EXIT_OK;
}
