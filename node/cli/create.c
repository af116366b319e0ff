/*
 * create: a swarm's root key and manifest, and its first node.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "data.h"
#include "manifest_text.h"
#include "model.h"
#include "state.h"
#include "store.h"

#define LISTEN_DEFAULT "tcp://0.0.0.0:7400"

/* Everything a create holds; freed in one place. */
struct creation {
    struct gv_config config;
    struct gv_manifest manifest;
    struct gv_sign_key *root;
    struct gv_sign_key *sign;
    struct gv_curve_key *curve;
    struct gv_chain chain;
    struct gv_data data;
    bool has_data;
    struct gv_state_draft draft;
    char root_path[GV_STORE_PATH_MAX];
    bool root_saved;
};

static enum gv_err configure(struct creation *c, const struct gv_args *args, struct gv_diag *diag)
{
    gv_config_defaults(&c->config);
    enum gv_err err = gv_config_set(&c->config, "listen", LISTEN_DEFAULT, diag);
    if (err == GV_OK) {
        err = gv_cli_configure(&c->config, args, diag);
    }
    const char *share = gv_arg(args, "test");
    if (err == GV_OK && share != NULL) {
        char spec[GV_DATA_SPEC_BYTES_MAX];
        int used = snprintf(spec, sizeof spec, "%s,test=%s", c->config.data, share);
        if (strncmp(c->config.data, "csv:", 4) != 0 || used < 0 || (size_t)used >= sizeof spec) {
            return gv_diag_set(diag, GV_ERR_USAGE,
                               "--test is for --data csv:FILE; the other kinds bring their own test part");
        }
        err = gv_config_set(&c->config, "data", spec, diag);
    }
    return err;
}

/* Without data the schema is what the model says, with numbers for names. */
static enum gv_err schema_of_model(struct gv_schema *schema, const char *spec, struct gv_diag *diag)
{
    struct gv_model *model = NULL;
    enum gv_err err = gv_model_new(&model, spec, diag);
    if (err != GV_OK) {
        return err;
    }
    memset(schema, 0, sizeof *schema);
    schema->features = gv_model_layout(model)->features;
    schema->classes = gv_model_layout(model)->classes;
    gv_model_free(&model);
    schema->class_names = calloc(schema->classes, sizeof *schema->class_names);
    if (schema->class_names == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    }
    for (uint32_t i = 0; i < schema->classes; i++) {
        (void)snprintf(schema->class_names[i], sizeof schema->class_names[i], "%u", i);
    }
    return GV_OK;
}

static enum gv_err schema_of_data(struct creation *c, const struct gv_args *args, struct gv_diag *diag)
{
    enum gv_err err = gv_data_load(&c->data, c->config.data, diag);
    if (err != GV_OK) {
        return err;
    }
    c->has_data = true;
    gv_cli_note_skipped(args, c->data.skipped_rows);
    return gv_data_schema(&c->manifest.schema, &c->data, diag);
}

/* What a running node does with its data, so that it fails here if it must. */
static enum gv_err try_data(struct creation *c, struct gv_diag *diag)
{
    if (!c->has_data) {
        return GV_OK;
    }
    enum gv_err err = gv_data_fit(&c->data, &c->manifest.schema, diag);
    if (err == GV_OK && c->config.shard_count > 1) {
        err = gv_data_shard(&c->data, c->config.partition, c->config.shard_index, c->config.shard_count,
                            c->manifest.training.seed, diag);
    }
    if (err != GV_OK) {
        (void)gv_diag_wrap(diag, "data %s", c->config.data);
    }
    return err;
}

static enum gv_err make_manifest(struct creation *c, const struct gv_args *args, struct gv_diag *diag)
{
    struct gv_model *model = NULL;
    char assignment[256];
    const char *set;
    gv_manifest_defaults(&c->manifest);
    int used = snprintf(assignment, sizeof assignment, "name=%s", gv_arg(args, "name"));
    if (used < 0 || (size_t)used >= sizeof assignment) {
        return gv_diag_set(diag, GV_ERR_USAGE, "--name has more than %d characters", GV_NAME_BYTES_MAX);
    }
    enum gv_err err = gv_manifest_set(&c->manifest, assignment, diag);
    used = snprintf(assignment, sizeof assignment, "model=%s", gv_arg(args, "model"));
    if (err == GV_OK && (used < 0 || (size_t)used >= sizeof assignment)) {
        err = gv_diag_set(diag, GV_ERR_MODEL, "--model is too long");
    }
    if (err == GV_OK) {
        err = gv_manifest_set(&c->manifest, assignment, diag);
    }
    if (err == GV_OK) { /* before the data: it says best what is wrong with the model's text */
        err = gv_model_new(&model, c->manifest.training.model, diag);
        gv_model_free(&model);
    }
    if (err == GV_OK && c->config.data[0] != '\0') {
        err = schema_of_data(c, args, diag);
    } else if (err == GV_OK) {
        gv_cli_note(args,
                    "no --data: this node will not train, classes are named 0, 1, ... and features are not scaled");
        err = schema_of_model(&c->manifest.schema, c->manifest.training.model, diag);
    }
    for (uint32_t i = 0; err == GV_OK && (set = gv_arg_each(args, "set", i)) != NULL; i++) {
        err = gv_manifest_set(&c->manifest, set, diag);
        if (err != GV_OK) {
            (void)gv_diag_wrap(diag, "--set %s", set);
        }
    }
    if (err == GV_OK) {
        err = gv_manifest_check(&c->manifest, diag);
    }
    return err == GV_OK ? try_data(c, diag) : err;
}

static enum gv_err make_keys(struct creation *c, struct gv_diag *diag)
{
    enum gv_err err = gv_sign_key_new(&c->root);
    if (err == GV_OK) {
        err = gv_sign_key_new(&c->sign);
    }
    if (err == GV_OK) {
        err = gv_curve_key_new(&c->curve);
    }
    if (err == GV_OK) {
        struct gv_cert member = {.kind = GV_CERT_MEMBER,
                                 .swarm = gv_swarm_id_of(gv_sign_key_public(c->root)),
                                 .subject = *gv_sign_key_public(c->sign),
                                 .issued_s = (uint64_t)time(NULL)};
        err = gv_chain_append(&c->chain, &member, c->root);
    }
    return err == GV_OK ? GV_OK : gv_diag_set(diag, err, "cannot make the keys: %s", gv_err_text((int)err));
}

static enum gv_err write_all(struct creation *c, const struct gv_args *args, struct gv_diag *diag)
{
    const char *root_file = gv_arg(args, "root-key");
    struct gv_state_files files = {
        .sign = c->sign, .curve = c->curve, .chain = &c->chain, .manifest = &c->manifest, .config = &c->config};
    enum gv_err err = root_file == NULL ? gv_store_path(c->root_path, c->draft.dir, "root.key", diag) : GV_OK;
    if (root_file != NULL) {
        int used = snprintf(c->root_path, sizeof c->root_path, "%s", root_file);
        err = used > 0 && (size_t)used < sizeof c->root_path
                  ? GV_OK
                  : gv_diag_set(diag, GV_ERR_PATH, "--root-key: unusable path");
    }
    if (err == GV_OK) {
        err = gv_root_key_save(c->root_path, c->root, diag);
        c->root_saved = err == GV_OK;
        if (err == GV_ERR_IN_USE) { /* a file that is there already; no process is in the way */
            diag->code = GV_ERR_PATH;
            err = GV_ERR_PATH;
        }
    }
    if (err == GV_OK) {
        err = gv_manifest_sign(&c->manifest, c->root, diag);
    }
    return err == GV_OK ? gv_state_write(&c->draft, &files, diag) : err;
}

static enum gv_err create(struct creation *c, const struct gv_args *args, struct gv_diag *diag)
{
    enum gv_err err = configure(c, args, diag);
    if (err == GV_OK) {
        err = gv_state_begin(&c->draft, args->positional[0], diag);
    }
    if (err == GV_OK) {
        err = make_manifest(c, args, diag);
    }
    if (err == GV_OK) {
        err = make_keys(c, diag);
    }
    return err == GV_OK ? write_all(c, args, diag) : err;
}

static void tell(const struct creation *c, const struct gv_args *args)
{
    char hex[2 * GV_ID_BYTES + 1];
    struct gv_id id = gv_id_of(gv_sign_key_public(c->sign));
    gv_id_hex(hex, &id, 8);
    gv_cli_note(args, "swarm \"%s\" with model %s; this node is %s and listens on %s", c->manifest.name,
                c->manifest.training.model, hex, c->config.listen[0] != '\0' ? c->config.listen : "nothing");
    if (c->config.listen[0] == '\0') {
        gv_cli_note(args, "a node that does not listen can be joined by nobody: set listen in config.ini");
    }
    gv_cli_note(args,
                "the root key is %s. It signs updates and revocations, and no node ever opens it. Move it to a safe "
                "place off this machine and keep a copy: without it the swarm goes on, but nobody can change its "
                "manifest",
                c->root_path);
    gv_cli_note(args, "next: grapevine run %s; then grapevine invite %s", args->positional[0], args->positional[0]);
}

int gv_cmd_create(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    if (gv_arg(args, "name") == NULL || gv_arg(args, "model") == NULL) {
        return gv_cli_usage(args, "--%s is missing", gv_arg(args, "name") == NULL ? "name NAME" : "model SPEC");
    }
    struct creation *c = calloc(1, sizeof *c);
    if (c == NULL) {
        (void)gv_diag_set(&diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
        return gv_cli_fail(args, &diag);
    }
    enum gv_err err = create(c, args, &diag);
    if (err == GV_OK) {
        tell(c, args);
        gv_state_keep(&c->draft);
    } else {
        if (c->root_saved) {
            (void)unlink(c->root_path);
        }
        gv_state_drop(&c->draft);
    }
    if (c->has_data) {
        gv_data_deinit(&c->data);
    }
    gv_manifest_deinit(&c->manifest);
    gv_sign_key_free(&c->root);
    gv_sign_key_free(&c->sign);
    gv_curve_key_free(&c->curve);
    free(c);
    return err == GV_OK ? GV_EXIT_OK : gv_cli_fail(args, &diag);
}
