/*
 * What a person asks over the control socket, and the answers.
 */
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "manifest_text.h"
#include "node.h"

/* A file's name in it may be no UTF-8, or cut within a character, and JSON holds nothing else. */
static json_t *refuse(enum gv_err err, const char *why)
{
    struct gv_diag plain;
    json_t *reply = json_pack("{s:b, s:i, s:s}", "ok", 0, "code", (int)err, "error", why);
    if (reply != NULL) {
        return reply;
    }
    (void)gv_diag_set(&plain, err, "%s", why);
    for (char *at = plain.text; *at != '\0'; at++) {
        *at = (unsigned char)*at < 0x80 ? *at : '?';
    }
    return json_pack("{s:b, s:i, s:s}", "ok", 0, "code", (int)err, "error", plain.text);
}

static json_t *done(void)
{
    return json_pack("{s:b}", "ok", 1);
}

static double from_q16(uint64_t value)
{
    return (double)value / 65536.0;
}

static const char *state_text(enum gv_state state)
{
    switch (state) {
#define STATE_CASE(name, number, text) \
    case GV_STATE_##name:              \
        return text;
        GV_STATE_LIST(STATE_CASE)
#undef STATE_CASE
    default:
        return "?";
    }
}

static uint64_t resident_bytes(void)
{
    unsigned long long total = 0;
    unsigned long long resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL) {
        return 0;
    }
    int got = fscanf(file, "%llu %llu", &total, &resident);
    (void)fclose(file);
    return got == 2 ? resident * (unsigned long long)sysconf(_SC_PAGESIZE) : 0;
}

static void set_id(json_t *object, const char *key, const uint8_t *bytes)
{
    char hex[2 * GV_ID_BYTES + 1];
    struct gv_id id;
    memcpy(id.b, bytes, sizeof id.b);
    gv_id_hex(hex, &id, 2 * GV_ID_BYTES);
    (void)json_object_set_new(object, key, json_string(hex));
}

static void set_count(json_t *object, const char *key, uint64_t value)
{
    (void)json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_real(json_t *object, const char *key, double value, bool known)
{
    (void)json_object_set_new(object, key, known && isfinite(value) ? json_real(value) : json_null());
}

static void add_swarm(const struct gv_node *node, json_t *reply, const struct gv_core_stats *stats)
{
    json_t *swarm = json_object();
    set_id(swarm, "id", node->swarm.b);
    (void)json_object_set_new(swarm, "name", json_string(node->manifest.name));
    set_count(swarm, "nodes", stats->swarm_nodes);
    set_real(swarm, "accuracy", from_q16(stats->swarm_accuracy), stats->swarm_figures);
    set_real(swarm, "loss", from_q16(stats->swarm_loss), stats->swarm_figures);
    set_real(swarm, "samples_per_s", from_q16(stats->swarm_samples_per_s), stats->swarm_figures);
    (void)json_object_set_new(reply, "swarm", swarm);
}

static void add_learning(const struct gv_node *node, json_t *reply, const struct gv_core_stats *stats)
{
    /* The trainer thread sets its own up until the node has started. */
    const struct gv_trainer *trainer = node->started ? &node->trainer : NULL;
    set_count(reply, "steps", trainer != NULL ? trainer->checkpoint.steps + node->steps : 0);
    set_real(reply, "age", from_q16(stats->age), true);
    set_real(reply, "loss", from_q16(node->evaluated_loss),
             node->evaluated > 0 && node->evaluated_loss != GV_LOSS_NOT_FINITE);
    set_real(reply, "training_loss", from_q16(node->loss), node->steps > 0 && node->loss != GV_LOSS_NOT_FINITE);
    (void)json_object_set_new(reply, "model_finite", json_boolean(!node->diverged));
    set_real(reply, "accuracy", from_q16(node->accuracy), node->evaluated > 0);
    (void)json_object_set_new(reply, "accuracy_on",
                              trainer == NULL ? json_null()
                                              : json_string(trainer->evaluates_train ? "training data" : "test data"));
    set_count(reply, "accuracy_samples", node->evaluated);
    set_real(reply, "compute_share", node->wall_us > 0 ? (double)node->compute_us / (double)node->wall_us : 0,
             node->wall_us > 0);
    set_real(reply, "samples_per_s", from_q16(node->samples_per_s), true);
}

static json_t *status(struct gv_node *node)
{
    struct gv_core_stats stats;
    struct gv_net_stats net;
    uint64_t now_us = gv_now_us();
    json_t *reply = done();
    memset(&stats, 0, sizeof stats);
    if (node->started) {
        gv_core_stats(node->core, &stats);
    }
    gv_net_stats(node->net, &net);
    (void)json_object_set_new(reply, "state", json_string(state_text(stats.state)));
    set_id(reply, "node_id", node->id.b);
    (void)json_object_set_new(reply, "resting", json_boolean(node->settled || !node->in_hours));
    set_count(reply, "manifest_version", node->manifest.version);
    set_count(reply, "incarnation", node->record.incarnation);
    set_count(reply, "uptime_s", (now_us - node->started_us) / 1000000u);
    add_learning(node, reply, &stats);
    set_count(reply, "peers_active", stats.peers_active);
    set_count(reply, "peers_known", stats.peers_known);
    set_count(reply, "exchanges_done", stats.exchanges_done);
    set_count(reply, "exchanges_failed", stats.exchanges_failed);
    set_count(reply, "exchanges_refused", stats.exchanges_refused);
    set_count(reply, "exchanges_in_doubt", stats.exchanges_doubt);
    set_real(reply, "last_exchange_s", (double)gv_elapsed_us(now_us, stats.last_exchange_us) / 1e6,
             stats.last_exchange_us > 0);
    set_count(reply, "bytes_sent", net.bytes_out);
    set_count(reply, "bytes_received", net.bytes_in);
    set_count(reply, "rss_bytes", resident_bytes());
    add_swarm(node, reply, &stats);
    json_t *endpoints = json_array();
    for (uint32_t i = 0; i < node->record.endpoint_count; i++) {
        (void)json_array_append_new(endpoints, json_string(node->record.endpoints[i]));
    }
    (void)json_object_set_new(reply, "endpoints", endpoints);
    (void)json_object_set_new(reply, "listening", json_string(gv_net_endpoint(node->net)));
    set_count(reply, "connections", net.inbound + net.outbound);
    set_count(reply, "connections_cut", net.kicked);
    gv_node_troubles(node, reply, &stats, &net);
    (void)json_object_set_new(reply, "clock_offset_s", json_integer((json_int_t)stats.clock_offset_s));
    (void)json_object_set_new(reply, "has_model", json_boolean(gv_node_has_model(node)));
    set_count(reply, "checkpoints", node->checkpoints);
    set_count(reply, "checkpoints_failed", node->checkpoints_failed);
    (void)json_object_set_new(
        reply, "checkpoint_error",
        json_string(node->checkpoint_error != GV_OK ? gv_err_text((int)node->checkpoint_error) : ""));
    (void)json_object_set_new(reply, "checkpoint_damaged",
                              json_boolean(node->started && node->trainer.checkpoint_damaged));
    return reply;
}

/* Seconds until then, null if that is past. */
static void set_left(json_t *object, const char *key, uint64_t then_us, uint64_t now_us)
{
    set_real(object, key, then_us > now_us ? (double)(then_us - now_us) / 1e6 : 0, then_us > now_us);
}

static json_t *one_peer(const struct gv_node *node, const struct gv_peer_info *peer, uint64_t now_us)
{
    static const char *const roles[] = {"passive", "active", "linked", "former"};
    const struct gv_record *record = gv_directory_record(node->directory, &peer->ref.id);
    json_t *object = json_object();
    set_id(object, "node_id", peer->ref.id.b);
    (void)json_object_set_new(object, "role", json_string(roles[peer->role <= GV_PEER_FORMER ? peer->role : 0]));
    (void)json_object_set_new(object, "suspected", json_boolean(peer->suspected));
    (void)json_object_set_new(object, "dialled", json_boolean(peer->dialled));
    set_count(object, "incarnation", peer->ref.incarnation);
    set_real(object, "score", from_q16(peer->score), true);
    set_real(object, "rtt_ms", (double)peer->rtt_us / 1000.0, peer->rtt_us > 0);
    set_real(object, "heard_s", (double)gv_elapsed_us(now_us, peer->heard_us) / 1e6, peer->heard_us > 0);
    (void)json_object_set_new(object, "endpoint",
                              json_string(record != NULL && record->endpoint_count > 0 ? record->endpoints[0] : ""));
    (void)json_object_set_new(object, "last_error",
                              json_string(peer->last_error != 0 ? gv_err_text((int)peer->last_error) : ""));
    set_real(object, "last_error_s", (double)gv_elapsed_us(now_us, peer->last_error_us) / 1e6, peer->last_error != 0);
    set_count(object, "dial_failures", peer->dial_failures);
    (void)json_object_set_new(object, "dialling", json_boolean(peer->dialling));
    (void)json_object_set_new(object, "asked", json_boolean(peer->asked));
    set_left(object, "dial_after_s", peer->dial_after_us, now_us);
    set_left(object, "neighbour_after_s", peer->neighbour_after_us, now_us);
    set_left(object, "exchange_after_s", peer->exchange_after_us, now_us);
    set_left(object, "shut_out_s", peer->shut_out_until_us, now_us);
    return object;
}

static void list_peers(const struct gv_node *node, json_t *list,
                       uint32_t (*take)(const struct gv_core *core, struct gv_peer_info *peers, uint32_t cap))
{
    const uint32_t cap = GV_PASSIVE_MAX + GV_LINKS_MAX + GV_ACTIVE_MAX;
    struct gv_peer_info *infos = calloc(cap, sizeof *infos);
    uint32_t count = infos != NULL ? take(node->core, infos, cap) : 0;
    for (uint32_t i = 0; i < count && i < cap; i++) {
        (void)json_array_append_new(list, one_peer(node, &infos[i], gv_now_us()));
    }
    free(infos);
}

static json_t *peers(const struct gv_node *node)
{
    json_t *reply = done();
    json_t *list = json_array();
    if (node->started) {
        list_peers(node, list, gv_core_peers);
        list_peers(node, list, gv_core_former_peers);
    }
    (void)json_object_set_new(reply, "peers", list);
    return reply;
}

static void command(struct gv_node *node, enum gv_command what)
{
    struct gv_event event = {.kind = GV_EV_COMMAND};
    event.u.command = what;
    gv_node_event(node, &event);
}

static json_t *add_trust(struct gv_node *node, const char *text)
{
    uint8_t entry[GV_TRUST_ENTRY_BYTES_MAX];
    size_t bytes = 0;
    bool added = false;
    if (text == NULL || sodium_base642bin(entry, sizeof entry, text, strlen(text), " \n", &bytes, NULL,
                                          sodium_base64_VARIANT_ORIGINAL) != 0) {
        return refuse(GV_ERR_USAGE, "the entry is not Base64");
    }
    enum gv_err err = gv_trust_add(node->trust, &added, entry, bytes);
    if (err != GV_OK) {
        return refuse(err, gv_err_text((int)err));
    }
    json_t *reply = done();
    (void)json_object_set_new(reply, "added", json_boolean(added));
    if (added) {
        gv_node_trust_changed(node);
    }
    return reply;
}

static json_t *new_manifest(struct gv_node *node, const char *text)
{
    struct gv_manifest manifest;
    struct gv_diag diag;
    if (text == NULL) {
        return refuse(GV_ERR_USAGE, "no manifest given");
    }
    if (!node->started) { /* the trainer reads the one in force while it loads */
        return refuse(GV_ERR_BUSY, "the node is still loading its data; try again in a moment");
    }
    if (gv_manifest_parse(&manifest, text, strlen(text), &node->manifest.root, &diag) != GV_OK) {
        return refuse(diag.code, diag.text);
    }
    if (manifest.version <= node->manifest.version) {
        gv_manifest_deinit(&manifest);
        return refuse(GV_ERR_MANIFEST, "its version is not newer than the one in force");
    }
    if (gv_node_take_manifest(node, &manifest, &diag) != GV_OK) {
        return refuse(diag.code, diag.text);
    }
    return done();
}

/* A checkpoint right now, for those who read the files beside a running node. It is on disk when the count in `status`
 * has passed the one given here; if that of the failed has, it could not be written. */
static json_t *checkpoint(struct gv_node *node)
{
    if (!gv_node_checkpoint(node) && !node->checkpointing) {
        return refuse(GV_ERR_BUSY, "there is no model to write yet");
    }
    json_t *reply = done();
    set_count(reply, "checkpoints", node->checkpoints);
    set_count(reply, "checkpoints_failed", node->checkpoints_failed);
    return reply;
}

static json_t *end(struct gv_node *node)
{
    node->restart = false;
    gv_node_end(node, GV_EXIT_OK);
    return done();
}

/* On disk before the first farewell: whoever has said one must never run again, since others may keep it. */
static json_t *leave(struct gv_node *node)
{
    struct gv_diag diag;
    if (node->ending != GV_RUNNING && !node->leaving) {
        return refuse(GV_ERR_STOPPING, "the daemon is ending; run it again to leave");
    }
    if (!node->started) {
        return refuse(GV_ERR_BUSY,
                      "the node is still loading its data, so nobody could be told; try again in a moment");
    }
    if (gv_store_write(node->dir, "left", "left\n", 5, 0600, &diag) != GV_OK) {
        return refuse(diag.code, diag.text);
    }
    node->leaving = true;
    return end(node);
}

/* Who came in through an invite, as far as this node has seen: whoever closes it keeps them. */
static json_t *invite_users(const struct gv_node *node, const char *text)
{
    struct gv_id invite;
    struct gv_id users[GV_KEPT_IDS_MAX];
    if (text == NULL || gv_id_parse(&invite, text) != GV_OK) {
        return refuse(GV_ERR_USAGE, "an invite's id has 64 hexadecimal digits");
    }
    json_t *reply = done();
    json_t *list = json_array();
    uint32_t count = gv_trust_users(node->trust, &invite, users, GV_KEPT_IDS_MAX);
    for (uint32_t i = 0; i < count && i < GV_KEPT_IDS_MAX; i++) {
        char hex[2 * GV_ID_BYTES + 1];
        gv_id_hex(hex, &users[i], 2 * GV_ID_BYTES);
        (void)json_array_append_new(list, json_string(hex));
    }
    (void)json_object_set_new(reply, "users", list);
    set_count(reply, "count", count);
    return reply;
}

json_t *gv_node_request(void *context, const json_t *request)
{
    struct gv_node *node = context;
    const char *cmd = json_string_value(json_object_get(request, "cmd"));
    if (cmd == NULL) {
        return refuse(GV_ERR_USAGE, "a request is an object with a \"cmd\"");
    }
    if (strcmp(cmd, "status") == 0) {
        return status(node);
    }
    if (strcmp(cmd, "peers") == 0) {
        return peers(node);
    }
    if (strcmp(cmd, "pause") == 0 || strcmp(cmd, "resume") == 0) {
        node->paused = cmd[0] == 'p';
        command(node, node->paused ? GV_CMD_PAUSE : GV_CMD_RESUME);
        gv_log(GV_LEVEL_INFO, node->paused ? "paused" : "resumed", "by=request");
        return done();
    }
    if (strcmp(cmd, "stop") == 0) {
        return end(node);
    }
    if (strcmp(cmd, "leave") == 0) {
        return leave(node);
    }
    if (strcmp(cmd, "reload") == 0) {
        struct gv_diag diag;
        return gv_node_reload(node, &diag) == GV_OK ? done() : refuse(diag.code, diag.text);
    }
    if (strcmp(cmd, "checkpoint") == 0) {
        return checkpoint(node);
    }
    if (strcmp(cmd, "trust") == 0) {
        return add_trust(node, json_string_value(json_object_get(request, "entry")));
    }
    if (strcmp(cmd, "invite_users") == 0) {
        return invite_users(node, json_string_value(json_object_get(request, "invite")));
    }
    if (strcmp(cmd, "manifest") == 0) {
        return new_manifest(node, json_string_value(json_object_get(request, "text")));
    }
    return refuse(GV_ERR_USAGE, "unknown cmd; known are status, peers, pause, resume, stop, leave, checkpoint, trust, "
                                "manifest, invite_users, reload");
}
