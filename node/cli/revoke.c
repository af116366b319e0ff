/*
 * revoke: signs an entry that expels a node and those below it, or closes an invite, and hands it to the swarm.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "commands.h"
#include "daemon.h"
#include "record.h"
#include "store.h"

#define INVITES_BYTES_MAX (1024u * 1024)

struct revoking {
    struct gv_node_dir node;
    struct gv_trust *trust;
    struct gv_directory *directory;
    struct gv_sign_key *root; /* NULL: the node itself signs */
    struct gv_entry entry;
    uint8_t bytes[GV_TRUST_ENTRY_BYTES_MAX];
    size_t bytes_count;
    bool live;
};

static enum gv_err keep(struct gv_entry *entry, const struct gv_id *id, struct gv_diag *diag)
{
    for (uint32_t i = 0; i < entry->kept_count; i++) {
        if (gv_id_equal(&entry->kept[i], id)) {
            return GV_OK;
        }
    }
    if (entry->kept_count == GV_KEPT_IDS_MAX) {
        return gv_diag_set(diag, GV_ERR_FULL, "one entry keeps at most %d nodes", GV_KEPT_IDS_MAX);
    }
    entry->kept[entry->kept_count++] = *id;
    return GV_OK;
}

/* An invite's id by prefix, among those this DIR has made; all 64 digits are believed. */
static enum gv_err find_invite(struct gv_id *id, const char *dir, const char *text, struct gv_diag *diag)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    char *rest = NULL;
    uint32_t found = 0;
    size_t length = strlen(text);
    if (gv_id_parse(id, text) == GV_OK) {
        return GV_OK;
    }
    if (length >= 4 && gv_store_read(dir, "invites", INVITES_BYTES_MAX, &data, &bytes, NULL) == GV_OK) {
        for (char *line = strtok_r((char *)data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
            char *blank = strchr(line, ' ');
            if (blank != NULL && strncmp(line, text, length) == 0) {
                *blank = '\0';
                found += gv_id_parse(id, line) == GV_OK ? 1 : 0;
            }
        }
        free(data);
    }
    if (found == 1) {
        return GV_OK;
    }
    return gv_diag_set(diag, GV_ERR_USAGE,
                       found == 0
                           ? "no invite made here has an id that begins with \"%.80s\"; `grapevine inspect TOKEN` "
                             "prints an invite's whole id"
                           : "more than one invite's id begins with \"%.80s\"; give more digits",
                       text);
}

/* A running daemon has seen more than the disk shows. None running is fine. */
static enum gv_err keep_users_of_daemon(struct revoking *r, struct gv_diag *diag)
{
    char hex[2 * GV_ID_BYTES + 1];
    struct gv_diag none;
    json_t *reply = NULL;
    gv_id_hex(hex, &r->entry.target, 2 * GV_ID_BYTES);
    if (gv_cli_call(r->node.dir, json_pack("{s:s,s:s}", "cmd", "invite_users", "invite", hex), &reply, &none) !=
        GV_OK) {
        return GV_OK;
    }
    enum gv_err err = GV_OK;
    size_t index;
    json_t *user;
    json_array_foreach(json_object_get(reply, "users"), index, user)
    {
        struct gv_id id;
        if (err == GV_OK && json_is_string(user) && gv_id_parse(&id, json_string_value(user)) == GV_OK) {
            err = keep(&r->entry, &id, diag);
        }
    }
    json_decref(reply);
    return err;
}

/* The member right below the entry's target in this chain, if the target is in it. */
static enum gv_err keep_user_of_chain(struct gv_entry *entry, const struct gv_chain *chain, struct gv_diag *diag)
{
    for (uint32_t link = 0; link + 1 < chain->count; link++) {
        struct gv_id subject = gv_id_of(&chain->link[link].subject);
        if (gv_id_equal(&subject, &entry->target)) {
            struct gv_id user = gv_id_of(&chain->link[link + 1].subject);
            return keep(entry, &user, diag);
        }
    }
    return GV_OK;
}

/* Everyone known to have come in through this invite stays, this node too. */
static enum gv_err keep_users(struct revoking *r, struct gv_diag *diag)
{
    struct gv_id users[GV_KEPT_IDS_MAX];
    enum gv_err err = keep_user_of_chain(&r->entry, &r->node.chain, diag);
    if (err == GV_OK) {
        err = keep_users_of_daemon(r, diag);
    }
    uint32_t count = gv_trust_users(r->trust, &r->entry.target, users, GV_KEPT_IDS_MAX);
    for (uint32_t i = 0; i < count && i < GV_KEPT_IDS_MAX && err == GV_OK; i++) {
        err = keep(&r->entry, &users[i], diag);
    }
    for (uint32_t i = 0; i < gv_directory_count(r->directory) && err == GV_OK; i++) {
        struct gv_span bytes;
        err = keep_user_of_chain(&r->entry, &gv_directory_at(r->directory, i, &bytes)->chain, diag);
    }
    return err;
}

static bool is_below(const struct gv_chain *chain, const struct gv_id *target)
{
    for (uint32_t link = 0; link + 1 < chain->count; link++) {
        struct gv_id subject = gv_id_of(&chain->link[link].subject);
        if (gv_id_equal(&subject, target)) {
            return true;
        }
    }
    return false;
}

/* Whom a person wants to keep. */
static enum gv_err keep_named(struct revoking *r, const struct gv_args *args, const char *text, struct gv_diag *diag)
{
    struct gv_id id;
    struct gv_id own = gv_id_of(gv_sign_key_public(r->node.sign));
    enum gv_err err = gv_cli_find_node(&id, text, r->directory, diag);
    if (err != GV_OK) {
        return err;
    }
    if (gv_id_equal(&id, &r->entry.target)) {
        return gv_diag_set(diag, GV_ERR_USAGE, "--keep %s: that is the one to be revoked, which cannot be kept", text);
    }
    const struct gv_record *record = gv_directory_record(r->directory, &id);
    const struct gv_chain *chain = gv_id_equal(&id, &own) ? &r->node.chain : (record != NULL ? &record->chain : NULL);
    if (chain == NULL || !is_below(chain, &r->entry.target)) {
        gv_cli_note(args,
                    "--keep %s: as far as is known here it did not join through that one, and then it would stay in "
                    "any case",
                    text);
    }
    return keep(&r->entry, &id, diag);
}

static enum gv_err fill_entry(struct revoking *r, const struct gv_args *args, struct gv_diag *diag)
{
    const char *target = args->positional[1];
    const char *text;
    struct gv_id own = gv_id_of(gv_sign_key_public(r->node.sign));
    bool invite = gv_arg_given(args, "invite");
    r->entry.kind = invite ? GV_ENTRY_CLOSE : GV_ENTRY_REVOKE;
    r->entry.issued_s = (uint64_t)time(NULL);
    enum gv_err err = invite ? find_invite(&r->entry.target, r->node.dir, target, diag)
                             : gv_cli_find_node(&r->entry.target, target, r->directory, diag);
    if (err == GV_OK && !invite && gv_id_equal(&r->entry.target, &own)) {
        err = gv_diag_set(diag, GV_ERR_USAGE, "%s is this node itself; `grapevine leave %s --yes` takes it out", target,
                          r->node.dir);
    }
    for (uint32_t i = 0; err == GV_OK && (text = gv_arg_each(args, "keep", i)) != NULL; i++) {
        err = keep_named(r, args, text, diag);
    }
    return err == GV_OK && invite ? keep_users(r, diag) : err;
}

static enum gv_err sign_entry(struct revoking *r, struct gv_diag *diag)
{
    struct gv_swarm_id swarm = gv_swarm_id_of(&r->node.manifest.root);
    r->entry.by_root = r->root != NULL;
    if (r->root == NULL) {
        r->entry.issuer_chain = r->node.chain;
    }
    enum gv_err err =
        gv_entry_sign(r->bytes, &r->bytes_count, &r->entry, &swarm, r->root != NULL ? r->root : r->node.sign);
    return err == GV_OK ? GV_OK : gv_diag_set(diag, err, "cannot sign: %s", gv_err_text((int)err));
}

/* Without the root key the entry holds only below this node; say so where the target's chain is known. */
static enum gv_err check_reach(const struct revoking *r, struct gv_diag *diag)
{
    const struct gv_record *record = gv_directory_record(r->directory, &r->entry.target);
    if (r->root != NULL || r->entry.kind != GV_ENTRY_REVOKE || record == NULL) {
        return GV_OK;
    }
    struct gv_id own = gv_id_of(gv_sign_key_public(r->node.sign));
    if (is_below(&record->chain, &own)) {
        return GV_OK;
    }
    return gv_diag_set(diag, GV_ERR_KEY_FILE,
                       "that node did not join through this one, so only the root key can revoke it; "
                       "say where it is with --root-key FILE");
}

/* A node that an entry expels ends at once, before it has passed the entry on. */
static enum gv_err check_own_membership(const struct revoking *r, struct gv_diag *diag)
{
    struct gv_trust *alone = NULL;
    char own[2 * GV_ID_BYTES + 1];
    bool added = false;
    enum gv_err err = gv_trust_new(&alone, &r->node.manifest.root);
    if (err == GV_OK) {
        err = gv_trust_add(alone, &added, r->bytes, r->bytes_count);
    }
    if (err != GV_OK) {
        gv_trust_free(&alone);
        return gv_diag_set(diag, err, "the entry does not hold: %s", gv_err_text((int)err));
    }
    bool stays = gv_trust_check(alone, &r->node.chain) == GV_OK;
    gv_trust_free(&alone);
    if (stays) {
        return GV_OK;
    }
    struct gv_id id = gv_id_of(gv_sign_key_public(r->node.sign));
    gv_id_hex(own, &id, 2 * GV_ID_BYTES);
    return gv_diag_set(diag, GV_ERR_USAGE,
                       "this node joined through the one to be revoked, so it would be expelled with it; add --keep %s "
                       "to stay a member",
                       own);
}

static enum gv_err publish(struct revoking *r, struct gv_diag *diag)
{
    char text[GV_TRUST_ENTRY_BYTES_MAX / 3 * 4 + 8];
    bool added = false;
    int lock = -1;
    (void)sodium_bin2base64(text, sizeof text, r->bytes, r->bytes_count, sodium_base64_VARIANT_ORIGINAL);
    enum gv_err err = gv_cli_hand_over(&lock, r->node.dir, json_pack("{s:s,s:s}", "cmd", "trust", "entry", text), diag);
    r->live = lock < 0;
    if (err != GV_OK || r->live) {
        return err;
    }
    /* The lock may have come after a wait, and a daemon saves what it has learnt on its way down: read that. */
    gv_trust_free(&r->trust);
    err = gv_node_dir_trust(&r->node, &r->trust, diag);
    if (err == GV_OK) {
        err = gv_trust_add(r->trust, &added, r->bytes, r->bytes_count);
        err = err != GV_OK ? gv_diag_set(diag, err, "the entry does not hold: %s", gv_err_text((int)err))
                           : gv_store_save_trust(r->node.dir, r->trust, diag);
    }
    (void)close(lock);
    return err;
}

static enum gv_err make_and_publish(struct revoking *r, const struct gv_args *args, struct gv_diag *diag)
{
    enum gv_err err = gv_node_dir_open(&r->node, args->positional[0], diag);
    if (err == GV_OK) {
        err = gv_node_dir_keys(&r->node, diag);
    }
    if (err == GV_OK) {
        err = gv_node_dir_book(&r->node, &r->trust, &r->directory, diag);
    }
    if (err == GV_OK) {
        err = gv_cli_root_key(&r->root, &r->node, args, gv_arg(args, "root-key") != NULL, diag);
    }
    if (err == GV_OK) {
        err = fill_entry(r, args, diag);
    }
    if (err == GV_OK) {
        err = check_reach(r, diag);
    }
    if (err == GV_OK) {
        err = sign_entry(r, diag);
    }
    if (err == GV_OK) {
        err = check_own_membership(r, diag);
    }
    return err == GV_OK ? publish(r, diag) : err;
}

int gv_cmd_revoke(const struct gv_args *args)
{
    struct gv_diag diag = {.code = GV_OK};
    char hex[9];
    struct revoking *r = calloc(1, sizeof *r);
    if (r == NULL) {
        (void)gv_diag_set(&diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
        return gv_cli_fail(args, &diag);
    }
    enum gv_err err = make_and_publish(r, args, &diag);
    if (err == GV_OK) {
        gv_id_hex(hex, &r->entry.target, 8);
        gv_cli_note(args, "%s %s, signed by %s, %u kept; %s",
                    r->entry.kind == GV_ENTRY_CLOSE ? "invite closed:" : "revoked:", hex,
                    r->entry.by_root ? "the root" : "this node (it holds only for those who joined through it)",
                    r->entry.kept_count,
                    r->live ? "the running node passes it on" : "it is passed on once this node runs");
    }
    gv_sign_key_free(&r->root);
    gv_directory_free(&r->directory);
    gv_trust_free(&r->trust);
    gv_node_dir_close(&r->node);
    free(r);
    return err == GV_OK ? GV_EXIT_OK : gv_cli_fail(args, &diag);
}
