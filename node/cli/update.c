/*
 * update: the root signs a newer manifest, which running nodes pass on.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "data.h"
#include "manifest_text.h"
#include "model.h"
#include "store.h"

struct updating {
    struct gv_node_dir node; /* its manifest becomes the newer one */
    struct gv_manifest before;
    bool has_before;
    struct gv_data data; /* this node's own */
    bool has_data;
    struct gv_sign_key *root;
    bool live;
};

static enum gv_err set_all(struct gv_manifest *manifest, const struct gv_args *args, struct gv_diag *diag)
{
    const char *set;
    for (uint32_t i = 0; (set = gv_arg_each(args, "set", i)) != NULL; i++) {
        if (gv_manifest_set(manifest, set, diag) != GV_OK) {
            return gv_diag_wrap(diag, "--set %s", set);
        }
    }
    struct gv_model *model = NULL;
    enum gv_err err = gv_model_new(&model, manifest->training.model, diag);
    gv_model_free(&model);
    return err;
}

static enum gv_err load_data(struct updating *u, struct gv_diag *diag)
{
    enum gv_err err = gv_data_load(&u->data, u->node.config.data, diag);
    u->has_data = err == GV_OK;
    return err;
}

static bool sets(const struct gv_args *args, const char *key)
{
    const char *set;
    for (uint32_t i = 0; (set = gv_arg_each(args, "set", i)) != NULL; i++) {
        if (strncmp(set, key, strlen(key)) == 0 && (set[strlen(key)] == '=' || set[strlen(key)] == ' ')) {
            return true;
        }
    }
    return false;
}

/* Another scaling needs other means and deviations: those of this node's data, if nobody gives them. */
static enum gv_err rescale(struct updating *u, const struct gv_args *args, struct gv_diag *diag)
{
    struct gv_schema *schema = &u->node.manifest.schema;
    if (schema->scaling == u->before.schema.scaling || schema->scaling == GV_SCALING_NONE || sets(args, "mean") ||
        sets(args, "deviation")) {
        return GV_OK;
    }
    if (!u->has_data) {
        return gv_diag_set(diag, GV_ERR_CONFIG,
                           "this scaling needs a mean and a deviation, and this node has no data to learn them from; "
                           "give them with --set mean=X --set deviation=Y");
    }
    return gv_schema_scale(schema, &u->data, diag);
}

/* A model trained so far is of no use under another schema: a new epoch begins. */
static enum gv_err count_on(struct updating *u, struct gv_diag *diag)
{
    struct gv_manifest *manifest = &u->node.manifest;
    if (manifest->epoch < u->before.epoch) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "epoch %u: the swarm is at epoch %u, and no node goes back",
                           manifest->epoch, u->before.epoch);
    }
    bool same = gv_manifest_same_model(&u->before, manifest);
    if (manifest->version == UINT64_MAX || (!same && u->before.epoch == UINT32_MAX)) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "no higher version or epoch is left to count to");
    }
    manifest->version++;
    if (!same && manifest->epoch == u->before.epoch) {
        manifest->epoch++;
    }
    return GV_OK;
}

/* Says how many members are none any more. */
static void note_shut_out(const struct gv_args *args, const struct updating *u)
{
    struct gv_trust *trust = NULL;
    struct gv_directory *directory = NULL;
    if (u->node.manifest.inviters == u->before.inviters || u->node.manifest.inviters != GV_INVITERS_ROOT) {
        return;
    }
    if (gv_node_dir_book(&u->node, &trust, &directory, NULL) == GV_OK) {
        uint32_t count = gv_directory_count(directory);
        uint32_t out = 0;
        for (uint32_t i = 0; i < count; i++) {
            struct gv_span bytes;
            out += gv_chain_has_member_invite(&gv_directory_at(directory, i, &bytes)->chain) ? 1u : 0u;
        }
        gv_cli_note(args,
                    "whoever came by an invite that the root did not sign is a member no longer: %u of the %u in "
                    "DIR/peers; --set inviters=members takes that back",
                    out, count);
    }
    gv_directory_free(&directory);
    gv_trust_free(&trust);
}

static enum gv_err change(struct updating *u, const struct gv_args *args, struct gv_diag *diag)
{
    struct gv_manifest *manifest = &u->node.manifest;
    enum gv_err err = gv_manifest_parse(&u->before, manifest->text, manifest->text_bytes, NULL, diag);
    u->has_before = err == GV_OK;
    if (err == GV_OK) {
        err = set_all(manifest, args, diag);
    }
    bool other = err == GV_OK && !gv_manifest_same_model(&u->before, manifest);
    if (other && u->node.config.data[0] != '\0') {
        err = load_data(u, diag);
    }
    if (err == GV_OK) {
        err = rescale(u, args, diag);
    }
    if (err == GV_OK) {
        err = gv_manifest_check(manifest, diag);
    }
    if (err == GV_OK) {
        err = count_on(u, diag);
    }
    if (err == GV_OK && manifest->inviters == GV_INVITERS_ROOT && gv_chain_has_member_invite(&u->node.chain)) {
        err = gv_diag_set(diag, GV_ERR_CONFIG,
                          "inviters=root would shut out this node itself: it came by an invite that the root did not "
                          "sign. Update from the node that created the swarm");
    }
    if (err == GV_OK && u->has_data && gv_data_fit(&u->data, &manifest->schema, diag) != GV_OK) {
        err = gv_diag_wrap(diag, "this node's own data %s would not fit", u->node.config.data);
    }
    return err;
}

/* With the DIR's lock held: it may have come after a wait in which a daemon or another `update` wrote a newer one. */
static enum gv_err write_newer(const struct gv_node_dir *node, struct gv_diag *diag)
{
    struct gv_manifest present;
    enum gv_err err = gv_store_load_manifest(node->dir, &present, &node->manifest.root, diag);
    if (err != GV_OK) {
        return err;
    }
    uint64_t version = present.version;
    gv_manifest_deinit(&present);
    if (version >= node->manifest.version) {
        return gv_diag_set(diag, GV_ERR_MANIFEST, "manifest %" PRIu64 " has come into force meanwhile; try again",
                           version);
    }
    return gv_store_save_manifest(node->dir, &node->manifest, diag);
}

/* Hands it to the daemon, or to the disk if none runs. */
static enum gv_err publish(struct updating *u, struct gv_diag *diag)
{
    const struct gv_manifest *manifest = &u->node.manifest;
    int lock = -1;
    json_t *request = json_pack("{s:s,s:s%}", "cmd", "manifest", "text", manifest->text, (size_t)manifest->text_bytes);
    enum gv_err err = gv_cli_hand_over(&lock, u->node.dir, request, diag);
    u->live = lock < 0;
    if (err == GV_OK && !u->live) {
        err = write_newer(&u->node, diag);
        (void)close(lock);
    }
    return err;
}

static enum gv_err update(struct updating *u, const struct gv_args *args, struct gv_diag *diag)
{
    enum gv_err err = gv_node_dir_open(&u->node, args->positional[0], diag);
    err = err == GV_OK ? gv_node_dir_keys(&u->node, diag) : err;
    if (err == GV_OK) {
        err = gv_cli_root_key(&u->root, &u->node, args, true, diag);
    }
    if (err == GV_OK) {
        err = change(u, args, diag);
    }
    if (err == GV_OK) {
        err = gv_manifest_sign(&u->node.manifest, u->root, diag);
    }
    return err == GV_OK ? publish(u, diag) : err;
}

int gv_cmd_update(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    if (gv_arg(args, "set") == NULL) {
        return gv_cli_usage(args, "--set K=V is missing");
    }
    struct updating *u = calloc(1, sizeof *u);
    if (u == NULL) {
        (void)gv_diag_set(&diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
        return gv_cli_fail(args, &diag);
    }
    enum gv_err err = update(u, args, &diag);
    if (err == GV_OK) {
        gv_cli_note(args, "manifest %llu is signed; %s", (unsigned long long)u->node.manifest.version,
                    u->live ? "the running node passes it on" : "it is passed on once this node runs");
        note_shut_out(args, u);
        if (u->node.manifest.epoch != u->before.epoch) {
            gv_cli_note(args, "the model or its data's schema changes: every node begins again (epoch %u)",
                        u->node.manifest.epoch);
        }
    }
    if (u->has_before) {
        gv_manifest_deinit(&u->before);
    }
    if (u->has_data) {
        gv_data_deinit(&u->data);
    }
    gv_sign_key_free(&u->root);
    gv_node_dir_close(&u->node);
    free(u);
    return err == GV_OK ? GV_EXIT_OK : gv_cli_fail(args, &diag);
}
