/*
 * What spreads by being seen: the manifest's version and the digest of the set of revocations, both in every HELLO,
 * PING and PONG. Whoever sees something it lacks asks for it, so a change crosses the swarm in a few probe rounds, and
 * nothing is pushed.
 *
 *     seen                                      done, at most once in ASK_US a link
 *     a newer manifest                          MANIFEST_WANT(ours)
 *     our version with another hash             MANIFEST_WANT(ours - 1): anybody can claim that; an alarm once the
 *                                               manifest itself, which the root has signed, has come
 *     another digest of revocations             TRUST_HAVE: they answer with what we lack
 */
#include "core_state.h"

#define ASK_US (2 * GV_SECOND)
#define ALARM_EVERY_US (60 * GV_SECOND)

/* Two manifests of one version: the root's key has signed both. */
static bool conflicts(const struct gv_core *core, uint64_t version, const struct gv_hash *hash)
{
    return version == core->manifest.version && !gv_hash_equal(hash, &core->manifest.hash);
}

/* A verified one has come; what it changes, the host reports by an event of its own. */
static void on_manifest(struct gv_core *core, uint32_t link, const struct gv_msg_manifest *manifest)
{
    bool again = core->manifest_alarm_us != 0 && core->now_us - core->manifest_alarm_us < ALARM_EVERY_US;
    if (conflicts(core, manifest->version, &manifest->hash) && !again) {
        core->manifest_alarm_us = core->now_us;
        gv_fx_alarm(core, &core->peers[core->link_peers[link]].ref.id, GV_ERR_MANIFEST);
    }
}

void gv_gossip_seen(struct gv_core *core, uint32_t row, uint64_t version, const struct gv_hash *hash, uint64_t digest)
{
    struct gv_link *link = &core->links[row];
    bool conflict = conflicts(core, version, hash);
    bool want = version > core->manifest.version || conflict;
    if (want && (link->manifest_us == 0 || core->now_us - link->manifest_us >= ASK_US)) {
        link->manifest_us = core->now_us;
        uint64_t have = core->manifest.version;
        gv_fx_send(core, row, GV_KIND_MANIFEST_WANT)->u.manifest.version = conflict && have > 0 ? have - 1 : have;
    }
    if (digest != core->trust_digest && (link->trust_us == 0 || core->now_us - link->trust_us >= ASK_US)) {
        link->trust_us = core->now_us;
        (void)gv_fx_send(core, row, GV_KIND_TRUST_HAVE);
    }
}

void gv_gossip_message(struct gv_core *core, uint32_t link, const struct gv_msg *msg)
{
    if (msg->kind == GV_KIND_MANIFEST_WANT && msg->u.manifest.version < core->manifest.version) {
        (void)gv_fx_send(core, link, GV_KIND_MANIFEST);
    } else if (msg->kind == GV_KIND_TRUST_HAVE) {
        (void)gv_fx_send(core, link, GV_KIND_TRUST);
    } else if (msg->kind == GV_KIND_MANIFEST) {
        on_manifest(core, link, &msg->u.manifest);
    } /* TRUST: the host reads it and reports what changed */
}
