/*
 * The model of a state DIR: see served.h.
 */
#include "served.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "store.h"

#define CHECKPOINT_WAIT_MS 30000
#define CHECKPOINT_POLL_MS 20

const char *gv_served_name(const struct gv_served *served)
{
    return served->raw ? "raw" : "served";
}

static json_int_t count_of(const json_t *reply, const char *key)
{
    return json_integer_value(json_object_get(reply, key));
}

/* Until the daemon has written more than `before`. One more that failed than `failed_before`: it cannot. */
static enum gv_err await_checkpoint(const char *dir, json_int_t before, json_int_t failed_before, struct gv_diag *diag)
{
    json_t *reply = NULL;
    int64_t deadline = gv_now_ms() + CHECKPOINT_WAIT_MS;
    while (gv_now_ms() < deadline) {
        enum gv_err err = gv_cli_call(dir, json_pack("{s:s}", "cmd", "status"), &reply, diag);
        if (err != GV_OK) {
            return err == GV_ERR_NOT_FOUND ? GV_OK : err; /* it ended meanwhile, with a checkpoint */
        }
        bool written = count_of(reply, "checkpoints") > before;
        if (!written && count_of(reply, "checkpoints_failed") > failed_before) {
            const char *why = json_string_value(json_object_get(reply, "checkpoint_error"));
            err = gv_diag_set(diag, GV_ERR_IO, "the daemon on %s cannot write a checkpoint: %s", dir,
                              why != NULL ? why : "its log says why");
        }
        json_decref(reply);
        if (written || err != GV_OK) {
            return err;
        }
        struct timespec pause = {.tv_nsec = CHECKPOINT_POLL_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
    return gv_diag_set(diag, GV_ERR_TIMEOUT,
                       "the daemon on %s was asked for a checkpoint and has not written one within "
                       "%d s; its log says why",
                       dir, CHECKPOINT_WAIT_MS / 1000);
}

/* Asks a running daemon for a checkpoint and waits until it is on disk. No daemon is no error. */
static enum gv_err refresh(const char *dir, struct gv_diag *diag)
{
    json_t *reply = NULL;
    enum gv_err err = gv_cli_call(dir, json_pack("{s:s}", "cmd", "checkpoint"), &reply, diag);
    if (err == GV_ERR_NOT_FOUND || err == GV_ERR_BUSY) {
        return GV_OK; /* no daemon, or it has no model yet: then the disk says so */
    }
    if (err != GV_OK) {
        return err;
    }
    json_int_t before = count_of(reply, "checkpoints");
    json_int_t failed_before = count_of(reply, "checkpoints_failed");
    json_decref(reply);
    return await_checkpoint(dir, before, failed_before, diag);
}

static enum gv_err check_fit(const struct gv_served *served, const struct gv_checkpoint *checkpoint,
                             struct gv_diag *diag)
{
    size_t parameters = gv_model_layout(served->model)->parameters;
    struct gv_hash layout = gv_layout_hash(served->model);
    if (checkpoint->epoch != served->node.manifest.epoch || !gv_hash_equal(&checkpoint->layout, &layout) ||
        checkpoint->state_count < parameters ||
        (checkpoint->served_count != 0 && checkpoint->served_count != parameters)) {
        return gv_diag_set(diag, GV_ERR_CONFIG,
                           "%s: the checkpoint is of epoch %u and the manifest of epoch %u (%s): the "
                           "model was changed; run the node to take up the new one",
                           served->node.dir, checkpoint->epoch, served->node.manifest.epoch,
                           served->node.manifest.training.model);
    }
    return GV_OK;
}

static enum gv_err load_parameters(struct gv_served *served, struct gv_diag *diag)
{
    struct gv_checkpoint checkpoint;
    bool damaged = false;
    const char *dir = served->node.dir;
    enum gv_err err = gv_store_load_checkpoint(dir, &checkpoint, NULL, NULL, &damaged, diag);
    if (err == GV_ERR_NOT_FOUND) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "%s: no model yet: the node has not written a checkpoint; run it first",
                           dir);
    }
    if (err == GV_OK) {
        err = check_fit(served, &checkpoint, diag);
    }
    if (err != GV_OK) {
        return err;
    }
    size_t count = (size_t)(checkpoint.state_count + checkpoint.served_count);
    served->memory = malloc(count * sizeof *served->memory);
    if (served->memory == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s: no memory for a model of %zu values", dir, count);
    }
    float *second = served->memory + checkpoint.state_count;
    err = gv_store_load_checkpoint(dir, &checkpoint, served->memory, checkpoint.served_count > 0 ? second : NULL,
                                   &damaged, diag);
    served->parameters = served->raw || checkpoint.served_count == 0 ? served->memory : second;
    served->steps = checkpoint.steps;
    served->age = (double)checkpoint.age / 65536.0;
    return err;
}

enum gv_err gv_served_open(struct gv_served *served, const struct gv_args *args, struct gv_diag *diag)
{
    struct gv_diag late = {.code = GV_OK};
    memset(served, 0, sizeof *served);
    served->raw = gv_arg_given(args, "raw");
    enum gv_err err = gv_node_dir_open(&served->node, args->positional[0], diag);
    if (err == GV_OK) {
        err = gv_model_new(&served->model, served->node.manifest.training.model, diag);
    }
    if (err != GV_OK) {
        return err;
    }
    bool fresh = refresh(served->node.dir, &late) == GV_OK;
    err = load_parameters(served, diag);
    if (fresh) {
        return err;
    }
    /* What keeps the daemon from writing, as a full disk, does not keep us from reading. */
    if (err == GV_OK) {
        gv_cli_note(args, "%s; this is the model of the last checkpoint, at age %.0f after %" PRIu64 " steps",
                    late.text, served->age, served->steps);
    } else {
        *diag = late;
        err = late.code;
    }
    return err;
}

void gv_served_close(struct gv_served *served)
{
    free(served->memory);
    served->memory = NULL;
    gv_model_free(&served->model);
    gv_node_dir_close(&served->node);
}

enum gv_err gv_served_data(const struct gv_served *served, struct gv_data *data, const struct gv_samples **samples,
                           const char *spec, bool labelled, struct gv_diag *diag)
{
    enum gv_err err = labelled ? gv_data_load(data, spec, diag) : gv_data_load_unlabelled(data, spec, diag);
    if (err != GV_OK) {
        return err;
    }
    err = gv_data_fit(data, &served->node.manifest.schema, diag);
    *samples = data->test.count > 0 ? &data->test : &data->train;
    if (err == GV_OK && (*samples)->count == 0) {
        err = gv_diag_set(diag, GV_ERR_DATA, "it holds no samples");
    }
    if (err != GV_OK) {
        (void)gv_diag_wrap(diag, "data %s", spec);
        gv_data_deinit(data);
    }
    return err;
}
