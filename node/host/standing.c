/*
 * Our standing in the swarm: our signed record and the addresses in it, the manifest in force, who is no longer a
 * member.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "manifest_text.h"
#include "model.h"
#include "node.h"
#include "scope.h"

#define CLOSE_GRACE_S 90     /* three shuffles: records of the last users have come round */
#define ENTRIES_FOR_PEOPLE 8 /* of GV_TRUST_PER_ISSUER_MAX, not for closings by ourselves */

/* ---- our record ------------------------------------------------------------------------------------------ */

enum gv_err gv_node_sign_record(struct gv_node *node)
{
    node->record.issued_s = (uint64_t)time(NULL);
    enum gv_err err = gv_record_sign(node->record_data, &node->record_bytes, &node->record, node->sign);
    if (err != GV_OK) {
        gv_log(GV_LEVEL_BROKEN, "cannot sign our record", "reason=\"%s\"", gv_err_text((int)err));
    }
    return err;
}

bool gv_node_endpoints(struct gv_node *node)
{
    char endpoint[GV_ENDPOINT_BYTES_MAX + 1] = "";
    char host[GV_ENDPOINT_BYTES_MAX + 1];
    uint32_t port;
    const char *listen = gv_net_endpoint(node->net);
    if (node->config.advertise[0] != '\0') {
        (void)snprintf(endpoint, sizeof endpoint, "%s", node->config.advertise);
    } else if (gv_endpoint_split(host, &port, listen)) {
        const char *name = gv_scope_of(listen) == GV_SCOPE_ANY ? node->observed.host : host;
        int length = name[0] != '\0' ? snprintf(endpoint, sizeof endpoint, "tcp://%s:%u", name, port) : 0;
        endpoint[length < (int)sizeof endpoint ? sizeof endpoint - 1 : 0] = '\0';
    }
    bool some = endpoint[0] != '\0' && gv_endpoint_valid(endpoint);
    uint32_t count = some ? 1 : 0;
    bool changed = count != node->record.endpoint_count || (some && strcmp(endpoint, node->record.endpoints[0]) != 0);
    node->record.endpoint_count = count;
    memset(node->record.endpoints, 0, sizeof node->record.endpoints);
    if (some) {
        memcpy(node->record.endpoints[0], endpoint, sizeof endpoint);
    }
    return changed;
}

void gv_node_observed(struct gv_node *node, const struct gv_id *peer, const char *endpoint)
{
    if (gv_observed_report(&node->observed, peer, endpoint) && gv_node_endpoints(node)) {
        node->record.sequence++;
        if (gv_node_sign_record(node) == GV_OK) {
            gv_log(GV_LEVEL_INFO, "our address", "endpoint=%s",
                   node->record.endpoint_count > 0 ? node->record.endpoints[0] : "-");
            struct gv_event event = {.kind = GV_EV_SELF};
            event.u.self.incarnation = node->record.incarnation;
            event.u.self.sequence = node->record.sequence;
            gv_node_event(node, &event);
        }
    }
}

/* ---- manifest -------------------------------------------------------------------------------------------- */

struct gv_core_manifest gv_node_core_manifest(const struct gv_node *node)
{
    const struct gv_manifest *manifest = &node->manifest;
    uint64_t parameters = gv_model_layout(node->trainer.model)->parameters;
    uint64_t stop = manifest->stop_age;
    if (node->options->until_age > 0 && (stop == 0 || node->options->until_age < stop)) {
        stop = node->options->until_age;
    }
    struct gv_core_manifest core = {.version = manifest->version,
                                    .hash = manifest->hash,
                                    .epoch = manifest->epoch,
                                    .layout = node->layout,
                                    .block_count = manifest->exchange_momentum ? 2 : 1,
                                    .codec = manifest->codec,
                                    .merge = manifest->merge,
                                    .exchange = manifest->exchange,
                                    .local_steps = manifest->local_steps,
                                    .settle_exchanges = manifest->settle_exchanges,
                                    .stop_age = stop == 0 ? GV_NEVER : stop * GV_Q16_ONE};
    for (uint32_t i = 0; i < core.block_count; i++) {
        core.block_elements[i] = parameters;
    }
    return core;
}

/* A newer version, or the same with a higher hash (two roots' hands signed differently: an alarm, but one must win). */
static bool supersedes(const struct gv_manifest *fresh, const struct gv_manifest *old)
{
    return fresh->version > old->version ||
           (fresh->version == old->version && memcmp(fresh->hash.b, old->hash.b, sizeof fresh->hash.b) > 0);
}

/* Data scaled in another way makes another model of the same parameters. */
static bool same_schema(const struct gv_schema *a, const struct gv_schema *b)
{
    if (a->features != b->features || a->classes != b->classes || a->scaling != b->scaling ||
        a->scale_count != b->scale_count) {
        return false;
    }
    size_t scales = a->scale_count * sizeof(float);
    return (a->classes == 0 || memcmp(a->class_names, b->class_names, a->classes * sizeof a->class_names[0]) == 0) &&
           (scales == 0 || (memcmp(a->mean, b->mean, scales) == 0 && memcmp(a->deviation, b->deviation, scales) == 0));
}

static bool needs_restart(const struct gv_manifest *fresh, const struct gv_manifest *old)
{
    return fresh->epoch != old->epoch || strcmp(fresh->training.model, old->training.model) != 0 ||
           fresh->exchange_momentum != old->exchange_momentum || fresh->training.batch != old->training.batch ||
           !same_schema(&fresh->schema, &old->schema);
}

void gv_node_configure_trainer(struct gv_node *node)
{
    struct gv_training *training = malloc(sizeof *training);
    node->training_dirty = true;
    if (training == NULL) {
        return;
    }
    *training = node->manifest.training;
    struct gv_mail mail = {.kind = GV_MAIL_CONFIGURE, .index = node->manifest.local_steps, .data = training};
    node->training_dirty = !gv_mailbox_try_put(node->trainer.in, &mail);
    if (node->training_dirty) {
        free(training);
    }
}

/* Rare: worth the loop's wait. */
static enum gv_err save_manifest(const struct gv_node *node, const struct gv_manifest *manifest, struct gv_diag *diag)
{
    enum gv_err err = gv_store_save_manifest(node->dir, manifest, diag);
    if (err != GV_OK) {
        gv_log_limited(GV_LEVEL_BROKEN, "manifest", "cannot save the manifest", "why=\"%s\"", diag->text);
    }
    return err;
}

void gv_node_save_manifest(struct gv_node *node)
{
    struct gv_diag diag;
    node->manifest_dirty = save_manifest(node, &node->manifest, &diag) != GV_OK;
    node->manifest_us = gv_now_us();
}

enum gv_err gv_node_take_manifest(struct gv_node *node, struct gv_manifest *manifest, struct gv_diag *diag)
{
    if (!supersedes(manifest, &node->manifest)) {
        gv_manifest_deinit(manifest);
        return GV_OK;
    }
    bool restart = needs_restart(manifest, &node->manifest);
    enum gv_err err = save_manifest(node, manifest, diag);
    if (err != GV_OK && restart) { /* a new start would find the old one: we run on, and peers offer it again */
        gv_manifest_deinit(manifest);
        return err;
    }
    node->manifest_dirty = err != GV_OK;
    node->manifest_us = gv_now_us();
    gv_log(GV_LEVEL_INFO, "new manifest", "version=%llu epoch=%u", (unsigned long long)manifest->version,
           manifest->epoch);
    bool stricter = manifest->inviters == GV_INVITERS_ROOT && node->manifest.inviters != GV_INVITERS_ROOT;
    gv_manifest_deinit(&node->manifest);
    node->manifest = *manifest;
    memset(manifest, 0, sizeof *manifest);
    node->inviters_us = stricter && !restart ? gv_now_us() : 0;
    if (node->inviters_us == 0) {
        gv_trust_set_inviters(node->trust, node->manifest.inviters);
    }
    if (restart) { /* another model: neighbours are told we will be back, and the new one starts from its seed */
        gv_node_restart(node);
        return GV_OK;
    }
    gv_node_configure_trainer(node);
    struct gv_event event = {.kind = GV_EV_MANIFEST};
    event.u.manifest = gv_node_core_manifest(node);
    gv_node_event(node, &event);
    return GV_OK;
}

void gv_node_enforce_inviters(struct gv_node *node)
{
    node->inviters_us = 0;
    gv_trust_set_inviters(node->trust, node->manifest.inviters);
    gv_node_trust_changed(node);
}

/* ---- revocation ------------------------------------------------------------------------------------------ */

void gv_node_trust_changed(struct gv_node *node)
{
    node->trust_dirty = true;
    node->trust_news = false;
    struct gv_event event = {.kind = GV_EV_TRUST};
    event.u.trust_digest = gv_trust_digest(node->trust);
    gv_node_event(node, &event);
    for (uint32_t i = gv_directory_count(node->directory); i-- > 0;) {
        struct gv_span bytes;
        const struct gv_record *record = gv_directory_at(node->directory, i, &bytes);
        if (gv_trust_check(node->trust, &record->chain) != GV_OK) {
            struct gv_id id = gv_id_of(&record->identity);
            struct gv_event revoked = {.kind = GV_EV_REVOKED};
            revoked.u.revoked = id;
            gv_directory_remove(node->directory, &id);
            node->peers_dirty = true;
            gv_node_event(node, &revoked);
        }
    }
    if (gv_trust_check(node->trust, &node->member) != GV_OK) {
        struct gv_event revoked = {.kind = GV_EV_REVOKED};
        revoked.u.revoked = node->id;
        gv_node_event(node, &revoked);
    }
}

static bool keep_user(struct gv_entry *entry, const struct gv_id *user)
{
    for (uint32_t i = 0; i < entry->kept_count; i++) {
        if (gv_id_equal(&entry->kept[i], user)) {
            return true;
        }
    }
    if (entry->kept_count == GV_KEPT_IDS_MAX) {
        return false;
    }
    entry->kept[entry->kept_count++] = *user;
    return true;
}

/* Everyone who came in through this invite, as far as we know. False: more than an entry can keep. */
static bool keep_users(const struct gv_node *node, struct gv_entry *entry)
{
    struct gv_id users[GV_KEPT_IDS_MAX];
    uint32_t count = gv_trust_users(node->trust, &entry->target, users, GV_KEPT_IDS_MAX);
    bool all = count <= GV_KEPT_IDS_MAX;
    for (uint32_t i = 0; i < count && all; i++) {
        all = keep_user(entry, &users[i]);
    }
    for (uint32_t i = 0; i < gv_directory_count(node->directory) && all; i++) {
        struct gv_span bytes;
        const struct gv_chain *chain = &gv_directory_at(node->directory, i, &bytes)->chain;
        for (uint32_t link = 0; link + 1 < chain->count && all; link++) {
            struct gv_id subject = gv_id_of(&chain->link[link].subject);
            struct gv_id user = gv_id_of(&chain->link[link + 1].subject);
            all = !gv_id_equal(&subject, &entry->target) || keep_user(entry, &user);
        }
    }
    return all;
}

/* *closed stays false for one that nobody has used: its expiry is enough, and entries are few. */
static enum gv_err close_invite(struct gv_node *node, const struct gv_id *invite, bool *closed)
{
    uint8_t data[GV_TRUST_ENTRY_BYTES_MAX];
    size_t bytes = 0;
    struct gv_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        return GV_ERR_NOMEM;
    }
    entry->kind = GV_ENTRY_CLOSE;
    entry->target = *invite;
    entry->issued_s = (uint64_t)time(NULL);
    entry->issuer_chain = node->member;
    enum gv_err err = keep_users(node, entry) ? GV_OK : GV_ERR_FULL;
    bool used = err == GV_OK && entry->kept_count > 0;
    if (used) {
        err = gv_entry_sign(data, &bytes, entry, &node->swarm, node->sign);
    }
    free(entry);
    if (used && err == GV_OK) {
        err = gv_trust_add(node->trust, closed, data, bytes);
    }
    if (err == GV_OK && *closed) {
        gv_node_trust_changed(node);
    }
    return err;
}

/*
 * Only an inviter that was up when the invite expired knows who used it in time, and only once their records have had
 * time to reach it: an entry made by one that was away would expel members who joined meanwhile.
 */
static bool may_close(const struct gv_node *node, uint64_t expires_s)
{
    uint64_t now_s = (uint64_t)time(NULL);
    uint64_t up_s = (gv_now_us() - node->started_us) / 1000000u;
    return expires_s > 0 && now_s > expires_s + CLOSE_GRACE_S && now_s - expires_s < up_s;
}

void gv_node_close_invites(struct gv_node *node)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    struct gv_diag diag;
    enum gv_err found = gv_store_read(node->dir, "invites", 1024 * 1024, &data, &bytes, &diag);
    if (found != GV_OK) {
        if (found != GV_ERR_NOT_FOUND) { /* it is not there before the first invite */
            gv_log_limited(GV_LEVEL_UNUSUAL, "", "cannot close invites", "why=\"%s\"", diag.text);
        }
        return;
    }
    char *rest = NULL;
    uint32_t issued = gv_trust_issued(node->trust, &node->id);
    for (char *line = strtok_r((char *)data, "\n", &rest);
         line != NULL && issued < GV_TRUST_PER_ISSUER_MAX - ENTRIES_FOR_PEOPLE; line = strtok_r(NULL, "\n", &rest)) {
        char hex[2 * GV_ID_BYTES + 1];
        unsigned long long expires_s = 0;
        struct gv_id invite;
        bool by_root = strstr(line, " root") != NULL; /* the root signed it, so only the root can close it */
        if (by_root || sscanf(line, "%64s %llu", hex, &expires_s) != 2 || gv_id_parse(&invite, hex) != GV_OK ||
            !may_close(node, expires_s) || gv_trust_closed(node->trust, &invite)) {
            continue;
        }
        bool closed = false;
        enum gv_err err = close_invite(node, &invite, &closed);
        if (err != GV_OK) {
            gv_log_limited(GV_LEVEL_UNUSUAL, hex, "cannot close an invite", "invite=%.8s reason=\"%s\"", hex,
                           gv_err_text((int)err));
        } else if (closed) {
            issued++;
            gv_log(GV_LEVEL_INFO, "invite closed", "invite=%.8s", hex);
        }
    }
    free(data);
}
