/*
 * What the subcommands share: see cli.h.
 */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "daemon.h"
#include "invite.h"
#include "manifest_text.h"
#include "store.h"

#define HAND_OVER_POLL_MS 50

int gv_cli_fail(const struct gv_args *args, const struct gv_diag *diag)
{
    (void)fprintf(stderr, "grapevine %s: %s\n", args->command, diag->text);
    return gv_exit_for(diag->code);
}

int gv_cli_usage(const struct gv_args *args, const char *format, ...)
{
    va_list list;
    (void)fprintf(stderr, "grapevine %s: ", args->command);
    va_start(list, format);
    (void)vfprintf(stderr, format, list);
    va_end(list);
    (void)fprintf(stderr, "; see `grapevine help %s`\n", args->command);
    return GV_EXIT_USAGE;
}

void gv_cli_note(const struct gv_args *args, const char *format, ...)
{
    va_list list;
    (void)fprintf(stderr, "grapevine %s: ", args->command);
    va_start(list, format);
    (void)vfprintf(stderr, format, list);
    va_end(list);
    (void)fputc('\n', stderr);
}

void gv_cli_note_skipped(const struct gv_args *args, uint64_t rows)
{
    if (rows > 0) {
        gv_cli_note(args, "%llu rows of the data are skipped: a field is empty or not finite",
                    (unsigned long long)rows);
    }
}

int gv_cli_finish(const struct gv_args *args)
{
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        gv_cli_note(args, "the result could not be written to standard output: %s", strerror(errno));
        return GV_EXIT_FAILED;
    }
    return GV_EXIT_OK;
}

json_t *gv_cli_json_text(const char *text)
{
    json_t *string = json_string(text);
    char *plain = string == NULL ? strdup(text) : NULL;
    if (plain != NULL) {
        for (char *at = plain; *at != '\0'; at++) {
            *at = (unsigned char)*at < 0x80 ? *at : '?';
        }
        string = json_string(plain);
        free(plain);
    }
    return string;
}

int gv_cli_print_json(const struct gv_args *args, const json_t *object)
{
    if (object == NULL || json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10)) != 0) {
        gv_cli_note(args, "the result could not be written as JSON");
        return GV_EXIT_FAILED;
    }
    (void)putchar('\n');
    return gv_cli_finish(args);
}

/* "csv:a.csv,header" -> "csv:/home/me/a.csv,header" */
static enum gv_err absolute_spec(char out[GV_DATA_SPEC_BYTES_MAX], const char *spec, struct gv_diag *diag)
{
    const char *colon = strchr(spec, ':');
    bool file = strncmp(spec, "idx:", 4) == 0 || strncmp(spec, "csv:", 4) == 0;
    char *folder = NULL;
    int used;
    if (file && colon[1] != '/' && colon[1] != '\0') {
        folder = getcwd(NULL, 0);
        if (folder == NULL) {
            return gv_diag_set(diag, GV_ERR_IO, "cannot find the current folder: %s", strerror(errno));
        }
        used = snprintf(out, GV_DATA_SPEC_BYTES_MAX, "%.4s%s/%s", spec, folder, colon + 1);
    } else {
        used = snprintf(out, GV_DATA_SPEC_BYTES_MAX, "%s", spec);
    }
    free(folder);
    if (used < 0 || used >= GV_DATA_SPEC_BYTES_MAX) {
        return gv_diag_set(diag, GV_ERR_DATA, "the data specification has %d characters, at most %d are allowed", used,
                           GV_DATA_SPEC_BYTES_MAX - 1);
    }
    return GV_OK;
}

enum gv_err gv_cli_configure(struct gv_config *config, const struct gv_args *args, struct gv_diag *diag)
{
    static const char *const keys[] = {"listen", "advertise", "family", "shard", "partition"};
    char spec[GV_DATA_SPEC_BYTES_MAX];
    const char *data = gv_arg(args, "data");
    if (data != NULL) {
        enum gv_err err = absolute_spec(spec, data, diag);
        if (err == GV_OK) {
            err = gv_config_set(config, "data", spec, diag);
        }
        if (err != GV_OK) {
            return err;
        }
    }
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *value = gv_arg(args, keys[i]);
        enum gv_err err = value == NULL ? GV_OK : gv_config_set(config, keys[i], value, diag);
        if (err != GV_OK) {
            (void)gv_diag_wrap(diag, "--%s", keys[i]);
            return err;
        }
    }
    return GV_OK;
}

enum gv_err gv_node_dir_open(struct gv_node_dir *node, const char *dir, struct gv_diag *diag)
{
    char path[GV_STORE_PATH_MAX];
    memset(node, 0, sizeof *node);
    node->dir = dir;
    if (!gv_store_exists(dir)) {
        return gv_diag_set(diag, GV_ERR_CONFIG,
                           "%s holds no node; make one with `grapevine create` or `grapevine join`", dir);
    }
    enum gv_err err = gv_store_load_manifest(dir, &node->manifest, NULL, diag);
    node->has_manifest = err == GV_OK;
    if (err == GV_OK) {
        err = gv_store_path(path, dir, "config.ini", diag);
    }
    if (err == GV_OK) {
        err = gv_config_load(&node->config, path, diag);
    }
    return err;
}

enum gv_err gv_node_dir_keys(struct gv_node_dir *node, struct gv_diag *diag)
{
    char path[GV_STORE_PATH_MAX];
    enum gv_err err = gv_store_path(path, node->dir, "node.key", diag);
    if (err == GV_OK) {
        err = gv_node_keys_load(path, &node->sign, &node->curve, diag);
    }
    return err != GV_OK ? err : gv_store_load_member(node->dir, &node->chain, diag);
}

void gv_node_dir_close(struct gv_node_dir *node)
{
    if (node->has_manifest) {
        gv_manifest_deinit(&node->manifest);
        node->has_manifest = false;
    }
    gv_sign_key_free(&node->sign);
    gv_curve_key_free(&node->curve);
}

enum gv_err gv_node_dir_standing(const struct gv_node_dir *node, const struct gv_trust *trust, struct gv_diag *diag)
{
    char left[GV_STORE_PATH_MAX];
    enum gv_err err = gv_store_path(left, node->dir, "left", diag);
    if (err == GV_OK && access(left, F_OK) == 0) {
        return gv_diag_set(diag, GV_ERR_LEFT,
                           "%s: this node has left its swarm for good; join again in an empty folder", node->dir);
    }
    if (err == GV_OK) {
        err = gv_trust_check(trust, &node->chain);
    }
    return err == GV_OK ? GV_OK
                        : gv_diag_set(diag, err,
                                      "%s: this node is no longer a member of the swarm: %s; join again in an empty "
                                      "folder with a new invite",
                                      node->dir, gv_err_text((int)err));
}

enum gv_err gv_node_dir_trust(const struct gv_node_dir *node, struct gv_trust **trust, struct gv_diag *diag)
{
    enum gv_err err = gv_trust_new(trust, &node->manifest.root);
    if (err != GV_OK) {
        return gv_diag_set(diag, err, "%s", gv_err_text((int)err));
    }
    gv_trust_set_inviters(*trust, node->manifest.inviters);
    return gv_store_load_trust(node->dir, *trust, diag);
}

enum gv_err gv_cli_standing(const char *dir, struct gv_diag *diag)
{
    struct gv_node_dir node;
    struct gv_trust *trust = NULL;
    enum gv_err standing = GV_OK;
    enum gv_err err = gv_node_dir_open(&node, dir, NULL);
    if (err == GV_OK) {
        err = gv_node_dir_keys(&node, NULL);
    }
    if (err == GV_OK) {
        err = gv_node_dir_trust(&node, &trust, NULL);
    }
    if (err == GV_OK) {
        standing = gv_node_dir_standing(&node, trust, diag);
    }
    gv_trust_free(&trust);
    gv_node_dir_close(&node);
    return standing;
}

enum gv_err gv_node_dir_book(const struct gv_node_dir *node, struct gv_trust **trust, struct gv_directory **directory,
                             struct gv_diag *diag)
{
    struct gv_seed seeds[GV_SEEDS_MAX];
    uint32_t seed_count = 0;
    uint32_t skipped = 0;
    *directory = NULL;
    enum gv_err err = gv_node_dir_trust(node, trust, diag);
    if (err != GV_OK) {
        return err;
    }
    err = gv_directory_new(directory, GV_ADDRESS_BOOK_MAX);
    if (err != GV_OK) {
        return gv_diag_set(diag, err, "%s", gv_err_text((int)err));
    }
    /* Without the trust: whoever is revoked already can still be named. */
    return gv_store_load_peers(node->dir, seeds, &seed_count, *directory, NULL, &node->manifest.root, &skipped, diag);
}

enum gv_err gv_cli_root_key(struct gv_sign_key **root, const struct gv_node_dir *node, const struct gv_args *args,
                            bool required, struct gv_diag *diag)
{
    char standard[GV_STORE_PATH_MAX];
    const char *path = gv_arg(args, "root-key");
    *root = NULL;
    if (path == NULL) {
        enum gv_err err = gv_store_path(standard, node->dir, "root.key", diag);
        if (err != GV_OK) {
            return err;
        }
        path = standard;
        if (access(path, F_OK) != 0) {
            return !required ? GV_OK
                             : gv_diag_set(diag, GV_ERR_KEY_FILE,
                                           "this needs the swarm's root key, and there is no %s; "
                                           "say where it is with --root-key FILE",
                                           path);
        }
    }
    enum gv_err err = gv_root_key_load(path, root, diag);
    if (err != GV_OK) {
        return err;
    }
    if (memcmp(gv_sign_key_public(*root)->b, node->manifest.root.b, sizeof node->manifest.root.b) != 0) {
        gv_sign_key_free(root);
        return gv_diag_set(diag, GV_ERR_KEY_FILE, "%s: this is the root key of another swarm", path);
    }
    return GV_OK;
}

enum gv_err gv_cli_call(const char *dir, json_t *request, json_t **reply, struct gv_diag *diag)
{
    json_t *answer = NULL;
    if (request == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    }
    enum gv_err err = gv_control_call(dir, request, &answer, GV_CALL_MS, diag);
    json_decref(request);
    if (err == GV_ERR_NOT_FOUND && !gv_store_exists(dir)) {
        return gv_diag_set(diag, err, "%s holds no node; make one with `grapevine create` or `grapevine join`", dir);
    }
    struct gv_diag gone;
    if (err == GV_ERR_NOT_FOUND && gv_cli_standing(dir, &gone) != GV_OK) {
        return gv_diag_set(diag, err, "no daemon runs, and none can: %s", gone.text);
    }
    if (err != GV_OK) {
        return err;
    }
    if (!json_is_true(json_object_get(answer, "ok"))) {
        const char *text = json_string_value(json_object_get(answer, "error"));
        json_int_t code = json_integer_value(json_object_get(answer, "code"));
        err = gv_diag_set(diag, code > 0 && code < 300 ? (enum gv_err)code : GV_ERR_IO, "the daemon says: %s",
                          text != NULL ? text : "no");
        json_decref(answer);
        return err;
    }
    if (reply != NULL) {
        *reply = answer;
    } else {
        json_decref(answer);
    }
    return GV_OK;
}

enum gv_err gv_cli_hand_over(int *lock, const char *dir, json_t *request, struct gv_diag *diag)
{
    enum gv_err err = GV_ERR_NOT_FOUND;
    *lock = -1;
    for (int waited = 0;; waited += HAND_OVER_POLL_MS) {
        err = gv_cli_call(dir, json_incref(request), NULL, diag);
        if (err == GV_ERR_NOT_FOUND) {
            err = gv_store_lock(lock, dir, diag);
        }
        bool starting = err == GV_ERR_IN_USE || err == GV_ERR_BUSY || err == GV_ERR_STOPPING;
        if (!starting || waited >= GV_HAND_OVER_MS) {
            json_decref(request);
            return err;
        }
        struct timespec pause = {.tv_nsec = HAND_OVER_POLL_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
}

enum gv_err gv_cli_find_node(struct gv_id *id, const char *text, const struct gv_directory *directory,
                             struct gv_diag *diag)
{
    char hex[2 * GV_ID_BYTES + 1];
    size_t length = strlen(text);
    uint32_t found = 0;
    if (length == 2 * GV_ID_BYTES && gv_id_parse(id, text) == GV_OK) {
        return GV_OK;
    }
    if (length < 4 || length > 2 * GV_ID_BYTES || strspn(text, "0123456789abcdef") != length) {
        return gv_diag_set(diag, GV_ERR_USAGE,
                           "\"%.80s\" is not a node's id: expected 4 to 64 hexadecimal digits, as "
                           "`grapevine peers` lists them",
                           text);
    }
    for (uint32_t i = 0; i < gv_directory_count(directory); i++) {
        struct gv_span bytes;
        const struct gv_record *record = gv_directory_at(directory, i, &bytes);
        struct gv_id one = gv_id_of(&record->identity);
        gv_id_hex(hex, &one, 2 * GV_ID_BYTES);
        if (strncmp(hex, text, length) == 0) {
            *id = one;
            found++;
        }
    }
    if (found == 1) {
        return GV_OK;
    }
    return gv_diag_set(diag, GV_ERR_USAGE,
                       found == 0 ? "no known node's id begins with \"%s\"; give all 64 digits if you are sure"
                                  : "more than one known node's id begins with \"%s\"; give more digits",
                       text);
}

enum gv_err gv_cli_token(char *out, const char *argument, struct gv_diag *diag)
{
    size_t length = 0;
    if (strcmp(argument, "-") == 0) {
        length = fread(out, 1, GV_TOKEN_TEXT_MAX + 1, stdin);
    } else {
        length = strnlen(argument, GV_TOKEN_TEXT_MAX + 1);
        memcpy(out, argument, length);
    }
    if (length > GV_TOKEN_TEXT_MAX) {
        return gv_diag_set(diag, GV_ERR_TOKEN, "this is no token: it is longer than %d characters", GV_TOKEN_TEXT_MAX);
    }
    out[length] = '\0';
    return GV_OK;
}

void gv_cli_time(char out[32], uint64_t wall_s)
{
    time_t t = (time_t)wall_s;
    struct tm utc;
    if (gmtime_r(&t, &utc) == NULL || strftime(out, 32, "%Y-%m-%d %H:%M UTC", &utc) == 0) {
        (void)snprintf(out, 32, "?");
    }
}
