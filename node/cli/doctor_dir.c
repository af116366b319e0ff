/*
 * doctor: what lies in DIR. Reads only.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "data_spec.h"
#include "doctor.h"
#include "model.h"
#include "scope.h"
#include "store.h"
#include "units.h"

#define PORT_SAFE_MAX 32767u
#define INVITES_BYTES_MAX (1024u * 1024u)
#define CLOSE_GRACE_S 120 /* a running inviter closes its invites by then */
#define CHECKPOINT_LATE_S 3600

/* ---- configuration --------------------------------------------------------------------------------------- */

/* The file or folder that a data specification names is there and can be read. */
static bool check_data(struct gv_doctor *d)
{
    struct gv_data_spec spec;
    struct gv_diag diag = {.code = GV_OK};
    const char *data = d->node.config.data;
    if (data[0] == '\0') {
        return true;
    }
    if (gv_data_spec_parse(&spec, data, &diag) != GV_OK) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "config", "Correct data in config.ini", "data = %s: %s", data, diag.text);
        return false;
    }
    bool file = strcmp(spec.kind, "csv") == 0 || strcmp(spec.kind, "idx") == 0;
    bool readable = !file || access(spec.place, R_OK) == 0;
    if (!readable) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "config", "Put it back, or set another data in config.ini",
                      "data = %s: %s cannot be read: %s", data, spec.place, strerror(errno));
    }
    gv_data_spec_deinit(&spec);
    return readable;
}

void gv_doctor_combinations(struct gv_doctor *d)
{
    const struct gv_config *c = &d->node.config;
    char host[GV_ENDPOINT_BYTES_MAX + 1];
    uint32_t port = 0;
    const char *what = NULL;
    const char *advice = NULL;
    bool listens = gv_endpoint_split(host, &port, c->listen);
    enum gv_scope at = gv_scope_of(c->listen);
    enum gv_scope told = gv_scope_of(c->advertise);
    if (!listens && c->advertise[0] != '\0') {
        what = "an address is advertised and nobody listens there";
        advice = "Set listen, or remove advertise";
    } else if (c->advertise[0] != '\0' && told == GV_SCOPE_ANY) {
        what = "the advertised address stands for every address and leads nowhere";
        advice = "Set advertise to the address or name that others dial";
    } else if (listens && at == GV_SCOPE_LOOPBACK && c->advertise[0] != '\0' && told != GV_SCOPE_LOOPBACK) {
        what = "it listens on this machine only and advertises an address for others";
        advice = "Listen on tcp://0.0.0.0:PORT, unless something on this machine forwards to it";
    } else if (listens && port > PORT_SAFE_MAX) {
        what = "it listens on a port that the system gives to outgoing connections, too: one day it will be taken";
        advice = "Listen on a port below 32768";
    } else if (listens && ((c->family == GV_FAMILY_IPV4 && host[0] == '[') ||
                           (c->family == GV_FAMILY_IPV6 && host[0] != '[' && at != GV_SCOPE_NAME))) {
        what = "family rules out the kind of address that it listens on";
        advice = "Change family or listen";
    } else if (c->shard_count > 1 && c->data[0] == '\0') {
        what = "a shard is configured and no data to take it from";
        advice = "Set data, or remove shard";
    } else if (c->checkpoint_s > CHECKPOINT_LATE_S) {
        what = "checkpoints are more than an hour apart: so much is lost when the machine fails";
        advice = "Set checkpoint to some minutes";
    }
    if (what != NULL) {
        gv_doctor_say(d, GV_VERDICT_WARN, "config", advice, "listen = %s, advertise = %s: %s", c->listen, c->advertise,
                      what);
    } else {
        gv_doctor_say(d, GV_VERDICT_OK, "config", NULL, "config.ini can be read; data %s, listen %s",
                      c->data[0] != '\0' ? c->data : "none (serves and relays)",
                      c->listen[0] != '\0' ? c->listen : "nowhere (dials out only)");
    }
}

void gv_doctor_config(struct gv_doctor *d)
{
    char path[GV_STORE_PATH_MAX];
    struct gv_diag diag = {.code = GV_OK};
    enum gv_err err = gv_store_path(path, d->node.dir, "config.ini", &diag);
    if (err == GV_OK) {
        err = gv_config_load(&d->node.config, path, &diag);
    }
    d->has_config = err == GV_OK;
    if (!d->has_config) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "config", "Correct it; `grapevine config DIR` lists the keys", "%s",
                      diag.text);
    } else if (check_data(d)) {
        gv_doctor_combinations(d);
    }
}

/* ---- keys and membership --------------------------------------------------------------------------------- */

static void check_root_key(struct gv_doctor *d)
{
    char path[GV_STORE_PATH_MAX];
    if (gv_store_path(path, d->node.dir, "root.key", NULL) == GV_OK && access(path, F_OK) == 0) {
        gv_doctor_say(d, GV_VERDICT_WARN, "root key",
                      "Move it to a safe place and keep a copy: no daemon needs it, and whoever has it owns the swarm",
                      "the swarm's root key lies in %s", path);
    }
}

void gv_doctor_keys(struct gv_doctor *d)
{
    char path[GV_STORE_PATH_MAX];
    struct gv_diag diag = {.code = GV_OK};
    enum gv_err err = gv_store_path(path, d->node.dir, "node.key", &diag);
    if (err == GV_OK) {
        err = gv_node_keys_load(path, &d->node.sign, &d->node.curve, &diag);
    }
    d->has_keys = err == GV_OK;
    if (!d->has_keys) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "keys", "Restore node.key from a backup if it is lost", "%s", diag.text);
        return;
    }
    struct stat folder;
    if (stat(d->node.dir, &folder) == 0 && (folder.st_mode & 022) != 0) {
        gv_doctor_say(d, GV_VERDICT_WARN, "keys", "chmod 700 it", "others may write into %s, whose mode is %04o",
                      d->node.dir, (unsigned)(folder.st_mode & 07777));
    } else {
        char hex[17];
        struct gv_id id = gv_id_of(gv_sign_key_public(d->node.sign));
        gv_id_hex(hex, &id, 16);
        gv_doctor_say(d, GV_VERDICT_OK, "keys", NULL, "node.key is readable by its owner only; this node is %s", hex);
    }
    check_root_key(d);
}

static enum gv_err load_membership(struct gv_doctor *d, struct gv_diag *diag)
{
    enum gv_err err = gv_store_load_manifest(d->node.dir, &d->node.manifest, NULL, diag);
    d->node.has_manifest = err == GV_OK;
    if (err == GV_OK) {
        err = gv_store_load_member(d->node.dir, &d->node.chain, diag);
        d->has_member = err == GV_OK && d->node.chain.count > 0;
    }
    if (err != GV_OK || !d->has_member || !d->has_keys) {
        return err;
    }
    err = gv_chain_verify(&d->node.chain, &d->node.manifest.root);
    const struct gv_sign_public *subject = &d->node.chain.link[d->node.chain.count - 1].subject;
    if (err == GV_OK && memcmp(subject->b, gv_sign_key_public(d->node.sign)->b, sizeof subject->b) != 0) {
        err = GV_ERR_KEY_MISMATCH;
    }
    return err == GV_OK ? GV_OK
                        : gv_diag_set(diag, err, "node.key, member and manifest do not belong together: %s",
                                      gv_err_text((int)err));
}

/* What was learnt of others: only what can be read counts, a damaged book is said by the daemon's log. */
static enum gv_err load_trust(struct gv_doctor *d, struct gv_diag *diag)
{
    uint32_t skipped = 0;
    enum gv_err err = gv_trust_new(&d->trust, &d->node.manifest.root);
    if (err == GV_OK) {
        gv_trust_set_inviters(d->trust, d->node.manifest.inviters);
        err = gv_store_load_trust(d->node.dir, d->trust, diag);
    }
    if (err == GV_OK) {
        err = gv_directory_new(&d->directory, GV_ADDRESS_BOOK_MAX);
    }
    return err != GV_OK ? err
                        : gv_store_load_peers(d->node.dir, d->seeds, &d->seed_count, d->directory, d->trust,
                                              &d->node.manifest.root, &skipped, diag);
}

/* The invite by which this node came in; NULL: the root signed it. */
static const struct gv_cert *own_invite(const struct gv_doctor *d)
{
    uint32_t count = d->node.chain.count;
    return count >= 2 && d->node.chain.link[count - 2].kind == GV_CERT_INVITE ? &d->node.chain.link[count - 2] : NULL;
}

/* It has left a trace of having been let in: a checkpoint, or a daemon with a neighbour. */
static bool taken_in(const struct gv_doctor *d)
{
    static const char *const slots[] = {"checkpoint.a", "checkpoint.b"};
    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        char path[GV_STORE_PATH_MAX];
        if (gv_store_path(path, d->node.dir, slots[i], NULL) == GV_OK && access(path, F_OK) == 0) {
            return true;
        }
    }
    return json_integer_value(json_object_get(d->status, "peers_active")) > 0 ||
           json_integer_value(json_object_get(d->status, "exchanges_done")) > 0;
}

/* Expiry matters to a newcomer only: whoever has been let in once stays. */
static void check_own_invite(struct gv_doctor *d)
{
    const struct gv_cert *invite = own_invite(d);
    char when[32];
    if (invite == NULL) {
        gv_doctor_say(d, GV_VERDICT_OK, "membership", NULL, "a member of \"%s\", signed by its root",
                      d->node.manifest.name);
        return;
    }
    bool expired = invite->expires_s != 0 && invite->expires_s < (uint64_t)time(NULL);
    gv_cli_time(when, invite->expires_s);
    if (expired && !taken_in(d)) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "membership",
                      "If no member lets it in any more: ask for a new invite and join in an empty folder",
                      "the invite by which this node joined \"%s\" expired at %s, and it has never run long enough to "
                      "write a checkpoint",
                      d->node.manifest.name, when);
    } else {
        gv_doctor_say(d, GV_VERDICT_OK, "membership", NULL, "a member of \"%s\"; its invite %s %s%s",
                      d->node.manifest.name, expired ? "expired" : "admits newcomers until",
                      invite->expires_s == 0 ? "for ever" : when,
                      expired ? ", which ends no membership that has begun" : "");
    }
}

void gv_doctor_membership(struct gv_doctor *d)
{
    static const char advice[] =
        "Restore node.key, member and manifest from one backup, or join again in an empty folder";
    struct gv_diag diag = {.code = GV_OK};
    if (load_membership(d, &diag) != GV_OK) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "membership", advice, "%s", diag.text);
        return;
    }
    if (!d->has_member) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "membership", advice, "member holds no certificate");
        return;
    }
    if (load_trust(d, &diag) != GV_OK) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "membership", NULL, "%s", diag.text);
        return;
    }
    if (gv_node_dir_standing(&d->node, d->trust, &diag) != GV_OK) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "membership", NULL, "%s", diag.text);
        return;
    }
    d->belongs = d->has_keys;
    check_own_invite(d);
}

/* ---- invites --------------------------------------------------------------------------------------------- */

void gv_doctor_invites(struct gv_doctor *d)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    uint32_t good = 0;
    uint32_t expired = 0;
    uint32_t unclosed = 0;
    uint64_t now_s = (uint64_t)time(NULL);
    if (gv_store_read(d->node.dir, "invites", INVITES_BYTES_MAX, &data, &bytes, NULL) != GV_OK) {
        return; /* never invited anybody */
    }
    char *rest = NULL;
    for (char *line = strtok_r((char *)data, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char hex[2 * GV_ID_BYTES + 1];
        uint64_t expires_s = 0;
        struct gv_id id;
        if (sscanf(line, "%64s %" SCNu64, hex, &expires_s) != 2 || gv_id_parse(&id, hex) != GV_OK) {
            continue;
        }
        bool closed = d->trust != NULL && gv_trust_closed(d->trust, &id);
        bool over = expires_s > 0 && expires_s < now_s;
        good += !closed && !over ? 1 : 0;
        expired += over ? 1 : 0;
        bool used = d->trust != NULL && gv_trust_users(d->trust, &id, NULL, 0) > 0;
        unclosed += over && !closed && used && expires_s + CLOSE_GRACE_S < now_s ? 1 : 0;
    }
    free(data);
    bool late = unclosed > 0;
    gv_doctor_say(d, late ? GV_VERDICT_WARN : GV_VERDICT_OK, "invites",
                  late ? "Close them: `grapevine revoke DIR INVITE-ID --invite`, with ids from DIR/invites" : NULL,
                  "of this node's own, %u admit newcomers, %u have expired, %u of those were used and are not closed",
                  good, expired, unclosed);
}

/* ---- disk ------------------------------------------------------------------------------------------------ */

static uint64_t checkpoint_bytes(const struct gv_doctor *d)
{
    struct gv_model *model = NULL;
    if (!d->node.has_manifest || gv_model_new(&model, d->node.manifest.training.model, NULL) != GV_OK) {
        return 0;
    }
    uint64_t bytes = 3u * sizeof(float) * (uint64_t)gv_model_layout(model)->parameters; /* state and served model */
    gv_model_free(&model);
    return bytes;
}

static void check_space(struct gv_doctor *d)
{
    struct statvfs disk;
    char free_text[32];
    char need_text[32];
    uint64_t need = checkpoint_bytes(d);
    if (statvfs(d->node.dir, &disk) != 0) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "disk", NULL, "%s cannot be looked at: %s", d->node.dir, strerror(errno));
        return;
    }
    uint64_t left = (uint64_t)disk.f_bavail * (uint64_t)disk.f_frsize;
    (void)gv_bytes_print(free_text, sizeof free_text, left);
    (void)gv_bytes_print(need_text, sizeof need_text, need);
    if (access(d->node.dir, W_OK | X_OK) != 0) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "disk", "Run as the owner of DIR, on a disk that may be written",
                      "%s cannot be written: %s", d->node.dir, strerror(errno));
    } else if (left < 2 * need + 65536 || (disk.f_files > 0 && disk.f_favail == 0)) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "disk", "Make room: without it no checkpoint is written",
                      "%s free, a checkpoint takes %s, twice while it is written", free_text, need_text);
    } else {
        bool tight = left < 10 * need;
        gv_doctor_say(d, tight ? GV_VERDICT_WARN : GV_VERDICT_OK, "disk", tight ? "Make room" : NULL,
                      "can be written, %s free; a checkpoint takes %s", free_text, need_text);
    }
}

static void check_checkpoint(struct gv_doctor *d)
{
    struct gv_checkpoint checkpoint;
    struct gv_diag diag = {.code = GV_OK};
    bool damaged = false;
    enum gv_err err = gv_store_load_checkpoint(d->node.dir, &checkpoint, NULL, NULL, &damaged, &diag);
    if (err == GV_ERR_NOT_FOUND) {
        gv_doctor_say(d, GV_VERDICT_SKIP, "checkpoint", NULL, "none has been written yet");
    } else if (err != GV_OK) {
        gv_doctor_say(d, GV_VERDICT_FAIL, "checkpoint", NULL, "%s", diag.text);
    } else {
        gv_doctor_say(d, damaged ? GV_VERDICT_WARN : GV_VERDICT_OK, "checkpoint",
                      damaged ? "Nothing: the next checkpoint replaces it. If it happens again, check the disk" : NULL,
                      "the newest intact one has %" PRIu64 " steps, age %.0f%s", checkpoint.steps,
                      (double)checkpoint.age / 65536.0, damaged ? "; the other slot is damaged" : "");
    }
}

void gv_doctor_disk(struct gv_doctor *d)
{
    check_space(d);
    check_checkpoint(d);
}
