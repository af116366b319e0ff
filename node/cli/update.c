/*
 * update: the root signs a newer manifest, which running nodes pass on.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "manifest_text.h"
#include "model.h"
#include "store.h"

static enum gv_err change(struct gv_manifest *manifest, const struct gv_args *args, struct gv_diag *diag)
{
    char model_before[sizeof manifest->training.model];
    uint32_t epoch_before = manifest->epoch;
    struct gv_model *model = NULL;
    const char *set;
    memcpy(model_before, manifest->training.model, sizeof model_before);
    for (uint32_t i = 0; (set = gv_arg_each(args, "set", i)) != NULL; i++) {
        if (gv_manifest_set(manifest, set, diag) != GV_OK) {
            return gv_diag_wrap(diag, "--set %s", set);
        }
    }
    enum gv_err err = gv_model_new(&model, manifest->training.model, diag);
    gv_model_free(&model);
    if (err != GV_OK) {
        return err;
    }
    manifest->version++;
    if (strcmp(model_before, manifest->training.model) != 0 && manifest->epoch == epoch_before) {
        manifest->epoch++;
    }
    return gv_manifest_check(manifest, diag);
}

/* Hands it to the daemon, or to the disk if none runs. */
static enum gv_err publish(const struct gv_node_dir *node, bool *live, struct gv_diag *diag)
{
    const struct gv_manifest *manifest = &node->manifest;
    int lock;
    json_t *request = json_pack("{s:s,s:s%}", "cmd", "manifest", "text", manifest->text, (size_t)manifest->text_bytes);
    enum gv_err err = gv_cli_call(node->dir, request, NULL, diag);
    *live = err == GV_OK;
    if (err != GV_ERR_NOT_FOUND) {
        return err;
    }
    err = gv_store_lock(&lock, node->dir, diag);
    if (err == GV_OK) {
        err = gv_store_save_manifest(node->dir, manifest, diag);
        (void)close(lock);
    }
    return err;
}

int gv_cmd_update(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    struct gv_node_dir node;
    struct gv_sign_key *root = NULL;
    bool live = false;
    if (gv_arg(args, "set") == NULL) {
        return gv_cli_usage(args, "--set K=V is missing");
    }
    enum gv_err err = gv_node_dir_open(&node, args->positional[0], &diag);
    if (err == GV_OK) {
        err = gv_cli_root_key(&root, &node, args, true, &diag);
    }
    uint32_t epoch = node.has_manifest ? node.manifest.epoch : 0;
    if (err == GV_OK) {
        err = change(&node.manifest, args, &diag);
    }
    if (err == GV_OK) {
        err = gv_manifest_sign(&node.manifest, root, &diag);
    }
    if (err == GV_OK) {
        err = publish(&node, &live, &diag);
    }
    if (err == GV_OK) {
        gv_cli_note(args, "manifest %llu is signed; %s", (unsigned long long)node.manifest.version,
                    live ? "the running node passes it on" : "it is passed on once this node runs");
        if (node.manifest.epoch != epoch) {
            gv_cli_note(args, "the model changes: every node begins again (epoch %u)", node.manifest.epoch);
        }
    }
    gv_sign_key_free(&root);
    gv_node_dir_close(&node);
    return err == GV_OK ? GV_EXIT_OK : gv_cli_fail(args, &diag);
}
