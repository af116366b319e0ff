/*
 * invite: signs an INVITE certificate and prints it as a token, with where to find the swarm.
 */
#include "invite.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "record.h"
#include "scope.h"
#include "store.h"
#include "units.h"

#define EXPIRES_DEFAULT_S (7u * 86400u)

struct inviting {
    struct gv_node_dir node;
    struct gv_sign_key *root; /* NULL: the node invites */
    struct gv_sign_key *key;  /* the invite's own */
    struct gv_invite invite;
    uint64_t expires_s;
    uint32_t uses;
};

static void add_seed(struct gv_invite *invite, const char *endpoint, const struct gv_curve_public *curve)
{
    /* "tcp://0.0.0.0:7400" tells nobody where to dial. */
    if (invite->seed_count >= GV_SEEDS_MAX || gv_scope_of(endpoint) == GV_SCOPE_ANY || !gv_endpoint_valid(endpoint)) {
        return;
    }
    for (uint32_t i = 0; i < invite->seed_count; i++) {
        if (strcmp(invite->seeds[i].endpoint, endpoint) == 0) {
            return;
        }
    }
    struct gv_seed *seed = &invite->seeds[invite->seed_count++];
    (void)snprintf(seed->endpoint, sizeof seed->endpoint, "%s", endpoint);
    seed->curve = *curve;
}

/* Ourselves: as the running daemon says, else as configured. */
static void add_own(struct inviting *v)
{
    const struct gv_curve_public *curve = gv_curve_key_public(v->node.curve);
    json_t *reply = NULL;
    if (gv_cli_call(v->node.dir, json_pack("{s:s}", "cmd", "status"), &reply, NULL) == GV_OK) {
        size_t index;
        json_t *endpoint;
        json_array_foreach(json_object_get(reply, "endpoints"), index, endpoint)
        {
            if (json_is_string(endpoint) && index == 0) {
                add_seed(&v->invite, json_string_value(endpoint), curve);
            }
        }
        json_decref(reply);
    }
    if (v->invite.seed_count == 0) {
        add_seed(&v->invite, v->node.config.advertise[0] != '\0' ? v->node.config.advertise : v->node.config.listen,
                 curve);
    }
}

/* Others from the address book, newest records first, so that the token outlives this node. */
static enum gv_err add_others(struct inviting *v, struct gv_diag *diag)
{
    struct gv_trust *trust = NULL;
    struct gv_directory *directory = NULL;
    enum gv_err err = gv_node_dir_book(&v->node, &trust, &directory, diag);
    if (err == GV_OK) {
        err = gv_node_dir_standing(&v->node, trust, diag);
    }
    uint64_t below = UINT64_MAX; /* the time and place of the last one taken; several may have one time */
    uint32_t behind = UINT32_MAX;
    while (err == GV_OK && v->invite.seed_count < GV_SEEDS_MAX) {
        const struct gv_record *newest = NULL;
        uint32_t at = 0;
        for (uint32_t i = 0; i < gv_directory_count(directory); i++) {
            struct gv_span bytes;
            const struct gv_record *record = gv_directory_at(directory, i, &bytes);
            bool next = record->issued_s < below || (record->issued_s == below && i > behind);
            if (record->endpoint_count > 0 && next && gv_trust_check(trust, &record->chain) == GV_OK &&
                (newest == NULL || record->issued_s > newest->issued_s)) {
                newest = record;
                at = i;
            }
        }
        if (newest == NULL) {
            break;
        }
        below = newest->issued_s;
        behind = at;
        if (memcmp(newest->curve.b, gv_curve_key_public(v->node.curve)->b, sizeof newest->curve.b) != 0) {
            add_seed(&v->invite, newest->endpoints[0], &newest->curve);
        }
    }
    gv_directory_free(&directory);
    gv_trust_free(&trust);
    return err;
}

static enum gv_err sign_invite(struct inviting *v, struct gv_diag *diag)
{
    struct gv_cert cert = {.kind = GV_CERT_INVITE,
                           .swarm = gv_swarm_id_of(&v->node.manifest.root),
                           .issued_s = (uint64_t)time(NULL),
                           .expires_s = v->expires_s,
                           .uses = v->uses};
    enum gv_err err = gv_sign_key_new(&v->key);
    if (err != GV_OK) {
        return gv_diag_set(diag, err, "cannot make a key: %s", gv_err_text((int)err));
    }
    cert.subject = *gv_sign_key_public(v->key);
    if (v->root == NULL) {
        v->invite.chain = v->node.chain;
    }
    err = gv_chain_append(&v->invite.chain, &cert, v->root != NULL ? v->root : v->node.sign);
    /* The newcomer's own certificate must still fit behind it. */
    if (err == GV_ERR_FULL || v->invite.chain.count >= GV_CHAIN_LINKS_MAX) {
        return gv_diag_set(diag, GV_ERR_FULL,
                           "this node joined through %d generations of inviters, the most there may be; "
                           "let an older member or the root invite",
                           (GV_CHAIN_LINKS_MAX - 1) / 2);
    }
    if (err != GV_OK) {
        return gv_diag_set(diag, err, "cannot sign the invite: %s", gv_err_text((int)err));
    }
    v->invite.root = v->node.manifest.root;
    memcpy(v->invite.name, v->node.manifest.name, sizeof v->invite.name);
    gv_sign_key_seed(v->key, v->invite.secret);
    return GV_OK;
}

/* DIR/invites: so that a running node closes the invite when it has expired, and a person can. */
static enum gv_err remember(const struct inviting *v, struct gv_diag *diag)
{
    char path[GV_STORE_PATH_MAX];
    char hex[2 * GV_ID_BYTES + 1];
    char line[160];
    struct gv_id id = gv_id_of(gv_sign_key_public(v->key));
    enum gv_err err = gv_store_path(path, v->node.dir, "invites", diag);
    if (err != GV_OK) {
        return err;
    }
    gv_id_hex(hex, &id, 2 * GV_ID_BYTES);
    int used = snprintf(line, sizeof line, "%s %" PRIu64 " %u%s\n", hex, v->expires_s, v->uses,
                        v->root != NULL ? " root" : "");
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool written = fd >= 0 && write(fd, line, (size_t)used) == used && fsync(fd) == 0;
    int number = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    return written ? GV_OK : gv_diag_set(diag, GV_ERR_IO, "%s: cannot be written: %s", path, strerror(number));
}

static enum gv_err no_seed(const struct inviting *v, struct gv_diag *diag)
{
    if (v->node.config.listen[0] == '\0') {
        return gv_diag_set(diag, GV_ERR_CONFIG,
                           "this node does not listen and knows nobody who does, so the token would "
                           "lead nowhere; set listen in %s/config.ini",
                           v->node.dir);
    }
    return gv_diag_set(diag, GV_ERR_CONFIG,
                       "this node listens on %s and does not know under which address others reach it; "
                       "set advertise = tcp://HOST:PORT in %s/config.ini",
                       v->node.config.listen, v->node.dir);
}

static enum gv_err invite(struct inviting *v, const struct gv_args *args, struct gv_diag *diag)
{
    enum gv_err err = gv_node_dir_open(&v->node, args->positional[0], diag);
    if (err == GV_OK) {
        err = gv_node_dir_keys(&v->node, diag);
    }
    bool root_only = v->node.manifest.inviters == GV_INVITERS_ROOT;
    if (err == GV_OK && (root_only || gv_arg(args, "root-key") != NULL)) {
        err = gv_cli_root_key(&v->root, &v->node, args, true, diag);
        if (err != GV_OK && root_only) {
            (void)gv_diag_wrap(diag, "in this swarm only the root invites");
        }
    }
    if (err == GV_OK) {
        add_own(v);
        bool own = v->invite.seed_count > 0;
        err = add_others(v, diag);
        if (!own && v->invite.seed_count > 0) {
            gv_cli_note(args, "this node's own address is not known; the token leads to other members only");
        }
    }
    if (err == GV_OK && v->invite.seed_count == 0) {
        err = no_seed(v, diag);
    }
    if (err == GV_OK) {
        err = sign_invite(v, diag);
    }
    return err;
}

static enum gv_err publish(struct inviting *v, const struct gv_args *args, struct gv_diag *diag)
{
    char token[GV_TOKEN_CHARS_MAX + 1];
    char when[32];
    enum gv_err err = gv_invite_encode(token, &v->invite);
    if (err != GV_OK) {
        return gv_diag_set(diag, err, "cannot write the token: %s", gv_err_text((int)err));
    }
    err = remember(v, diag);
    if (err == GV_OK) {
        gv_cli_time(when, v->expires_s);
        gv_cli_note(args, "admits %u newcomer%s to \"%s\" until %s; whoever has the token can use it", v->uses,
                    v->uses == 1 ? "" : "s", v->node.manifest.name, when);
        (void)puts(token);
    }
    sodium_memzero(token, sizeof token);
    return err;
}

int gv_cmd_invite(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    const char *expires = gv_arg(args, "expires");
    const char *uses = gv_arg(args, "uses");
    uint64_t life_s = EXPIRES_DEFAULT_S;
    uint64_t count = 1;
    if (expires != NULL && (!gv_duration_parse(&life_s, expires) || life_s == 0)) {
        return gv_cli_usage(args, "--expires \"%.40s\": expected a duration as 7d, 12h or 30m", expires);
    }
    if (uses != NULL && (!gv_u64_parse(&count, uses) || count < 1 || count > GV_INVITE_USES_MAX)) {
        return gv_cli_usage(args, "--uses \"%.40s\": expected 1 to %d", uses, GV_INVITE_USES_MAX);
    }
    struct inviting *v = calloc(1, sizeof *v);
    if (v == NULL) {
        (void)gv_diag_set(&diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
        return gv_cli_fail(args, &diag);
    }
    v->expires_s = (uint64_t)time(NULL) + life_s;
    v->uses = (uint32_t)count;
    enum gv_err err = invite(v, args, &diag);
    if (err == GV_OK) {
        err = publish(v, args, &diag);
    }
    gv_node_dir_close(&v->node);
    gv_sign_key_free(&v->root);
    gv_sign_key_free(&v->key);
    sodium_memzero(&v->invite, sizeof v->invite);
    free(v);
    return err == GV_OK ? gv_cli_finish(args) : gv_cli_fail(args, &diag);
}
