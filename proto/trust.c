/*
 * The set of revocations and closings, and who came through which invite. See trust.h for the rules.
 *
 * Both tables are plain arrays searched from front to back: an entry or an admission is rare beside the signatures that
 * it takes to verify one (about 100 us each), and a thousand comparisons cost less than one of those.
 */
#include "trust.h"

#include <stdlib.h>

#include "cursor.h"
#include "pack.h"
#include "trust_entry.h"

#define STORE_VERSION 1
#define PATH_MAX_IDS ((GV_CHAIN_LINKS_MAX + 1) / 2) /* members in a chain */

struct held {
    struct gv_hash hash;
    struct gv_id target;
    struct gv_id *kept; /* (kept_count), ascending, owned */
    uint64_t issued_s;
    uint8_t *data; /* owned */
    uint32_t bytes;
    uint32_t kept_count;
    uint32_t path_count;             /* 0: by the root */
    struct gv_id path[PATH_MAX_IDS]; /* members of the issuer's chain, from the root down; the last is the issuer */
    enum gv_entry_kind kind;
};

struct use {
    struct gv_id inviter; /* zero: the root */
    struct gv_id invite;
    struct gv_id user;
};

_Static_assert(sizeof(struct use) == 3 * GV_ID_BYTES, "stored as it lies");

struct gv_trust {
    struct gv_sign_public root;
    enum gv_inviters inviters;
    uint64_t digest;
    uint32_t count;
    uint32_t use_count, use_cap;
    struct use *uses; /* (use_cap), oldest first */
    struct held entries[GV_TRUST_ENTRIES_MAX];
    uint8_t hashes[8 * GV_TRUST_ENTRIES_MAX];
};

static void chain_ids(struct gv_id ids[GV_CHAIN_LINKS_MAX], const struct gv_chain *chain)
{
    GV_ASSERT(chain->count <= GV_CHAIN_LINKS_MAX);
    for (uint32_t i = 0; i < chain->count; i++) {
        ids[i] = gv_id_of(&chain->link[i].subject);
    }
}

static uint64_t first_eight(const struct gv_hash *hash)
{
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++) {
        value = value << 8 | hash->b[i];
    }
    return value;
}

static enum gv_err judge(const struct held *e, const struct gv_chain *chain, const struct gv_id *ids)
{
    static const struct gv_id nobody;
    const struct gv_id *issuer = e->path_count > 0 ? &e->path[e->path_count - 1] : &nobody;
    return gv_entry_judge(e->kind, &e->target, e->kept, e->kept_count, issuer, e->path_count == 0, chain, ids);
}

/* What the root alone says about the owner of this chain. */
static enum gv_err judged_by_root(const struct gv_trust *trust, const struct gv_chain *chain)
{
    struct gv_id ids[GV_CHAIN_LINKS_MAX];
    chain_ids(ids, chain);
    for (uint32_t i = 0; i < trust->count; i++) {
        enum gv_err err = trust->entries[i].path_count == 0 ? judge(&trust->entries[i], chain, ids) : GV_OK;
        if (err != GV_OK) {
            return err;
        }
    }
    return GV_OK;
}

/* < 0 if a stays rather than b. */
static int precedence(const struct held *a, const struct held *b)
{
    if (a->issued_s != b->issued_s) {
        return a->issued_s < b->issued_s ? -1 : 1;
    }
    return memcmp(a->hash.b, b->hash.b, sizeof a->hash.b);
}

/* What counts against one limit. */
struct bucket {
    enum { OF_ROOT, OF_MEMBERS, OF_ISSUER, OF_BRANCH } kind;
    uint32_t limit;
    const struct gv_id *id; /* ISSUER, BRANCH */
    uint32_t generation;    /* BRANCH */
};

/*
 * Of a branch are all entries with its id at its generation of their issuer's path. At any other the id counts against
 * another limit: a member may come into a path twice, by an invite of its own guest, and if an entry were held to a
 * limit that those beside it are not, what is kept would depend on which came first.
 */
static bool in_bucket(const struct bucket *bucket, const struct held *e)
{
    switch (bucket->kind) {
    case OF_ROOT:
        return e->path_count == 0;
    case OF_ISSUER:
        return e->path_count > 0 && gv_id_equal(&e->path[e->path_count - 1], bucket->id);
    case OF_BRANCH:
        return bucket->generation < e->path_count && gv_id_equal(&e->path[bucket->generation], bucket->id);
    default:
        return e->path_count > 0;
    }
}

static void forget_entry(struct gv_trust *trust, uint32_t index)
{
    struct held *e = &trust->entries[index];
    trust->digest ^= first_eight(&e->hash);
    free(e->data);
    free(e->kept);
    trust->count--;
    memmove(e, e + 1, (trust->count - index) * sizeof *e);
    memmove(trust->hashes + 8 * (size_t)index, trust->hashes + 8 * ((size_t)index + 1),
            8 * (size_t)(trust->count - index));
}

/*
 * Holds one bucket to its limit before `fresh` joins it. Its latest entry gives way; if that is `fresh` itself, it is
 * not let in. So what a bucket ends up with does not depend on who came first, and nodes agree on it. Without `forget`
 * it only says whether `fresh` would be let in.
 */
static enum gv_err make_room(struct gv_trust *trust, const struct held *fresh, bool forget, struct bucket bucket)
{
    uint32_t inside_count = 0;
    uint32_t latest = 0;
    for (uint32_t i = 0; i < trust->count; i++) {
        if (!in_bucket(&bucket, &trust->entries[i])) {
            continue;
        }
        if (inside_count == 0 || precedence(&trust->entries[i], &trust->entries[latest]) > 0) {
            latest = i;
        }
        inside_count++;
    }
    if (inside_count < bucket.limit) {
        return GV_OK;
    }
    bool displaces = fresh->path_count == 0 && bucket.kind != OF_ROOT; /* the root's entries, members' */
    if (!displaces && precedence(fresh, &trust->entries[latest]) > 0) {
        return GV_ERR_FULL;
    }
    if (forget) {
        forget_entry(trust, latest);
    }
    return GV_OK;
}

static uint32_t count_members(const struct gv_trust *trust)
{
    uint32_t members = 0;
    for (uint32_t i = 0; i < trust->count; i++) {
        members += trust->entries[i].path_count > 0 ? 1 : 0;
    }
    return members;
}

static enum gv_err make_all_room(struct gv_trust *trust, const struct held *fresh, bool forget)
{
    if (fresh->path_count == 0) {
        if (trust->count < GV_TRUST_ENTRIES_MAX) {
            return GV_OK;
        }
        uint32_t members = count_members(trust);
        struct bucket all = {.kind = OF_MEMBERS, .limit = members};
        struct bucket roots = {.kind = OF_ROOT, .limit = GV_TRUST_ENTRIES_MAX};
        return make_room(trust, fresh, forget, members > 0 ? all : roots);
    }
    struct bucket bucket = {
        .kind = OF_ISSUER, .limit = GV_TRUST_PER_ISSUER_MAX, .id = &fresh->path[fresh->path_count - 1]};
    enum gv_err err = make_room(trust, fresh, forget, bucket);
    for (uint32_t g = fresh->path_count; g-- > 0 && err == GV_OK;) {
        bucket = (struct bucket){
            .kind = OF_BRANCH, .limit = GV_TRUST_MEMBERS_MAX >> g, .id = &fresh->path[g], .generation = g};
        err = make_room(trust, fresh, forget, bucket);
    }
    uint32_t roots = trust->count - count_members(trust);
    uint32_t rest = GV_TRUST_ENTRIES_MAX - roots;
    uint32_t limit = rest < GV_TRUST_MEMBERS_MAX ? rest : GV_TRUST_MEMBERS_MAX;
    if (err == GV_OK && limit == 0) {
        err = GV_ERR_FULL;
    }
    bucket = (struct bucket){.kind = OF_MEMBERS, .limit = limit};
    return err == GV_OK ? make_room(trust, fresh, forget, bucket) : err;
}

/* Drops what an entry of the root has just made void. The issuer's chain is read again from the entry. */
static void drop_void(struct gv_trust *trust)
{
    for (uint32_t i = trust->count; i-- > 0;) {
        if (trust->entries[i].path_count == 0) {
            continue;
        }
        struct gv_entry entry;
        struct gv_swarm_id swarm;
        enum gv_err err = gv_entry_decode(&entry, &swarm, trust->entries[i].data, trust->entries[i].bytes);
        GV_ASSERT(err == GV_OK); /* it was verified when it came */
        if (judged_by_root(trust, &entry.issuer_chain) != GV_OK) {
            forget_entry(trust, i);
        }
    }
}

static enum gv_err hold(struct held *fresh, const struct gv_entry *entry, const struct gv_hash *hash,
                        const uint8_t *data, size_t bytes)
{
    *fresh = (struct held){
        .hash = *hash,
        .target = entry->target,
        .issued_s = entry->issued_s,
        .bytes = (uint32_t)bytes,
        .kept_count = entry->kept_count,
        .kind = entry->kind,
    };
    for (uint32_t i = 0; i < entry->issuer_chain.count; i++) {
        if (entry->issuer_chain.link[i].kind == GV_CERT_MEMBER) {
            fresh->path[fresh->path_count++] = gv_id_of(&entry->issuer_chain.link[i].subject);
        }
    }
    fresh->data = malloc(bytes);
    fresh->kept = malloc((entry->kept_count + 1) * sizeof *fresh->kept);
    if (fresh->data == NULL || fresh->kept == NULL) {
        free(fresh->data);
        free(fresh->kept);
        return GV_ERR_NOMEM;
    }
    memcpy(fresh->data, data, bytes);
    memcpy(fresh->kept, entry->kept, entry->kept_count * sizeof *fresh->kept);
    return GV_OK;
}

/* The invite that made the owner of this chain a member, or NULL if that was the root itself. */
static const struct gv_cert *own_invite(const struct gv_chain *chain)
{
    return chain->count >= 2 ? &chain->link[chain->count - 2] : NULL;
}

static bool was_seen(const struct gv_trust *trust, const struct gv_id *invite, const struct gv_id *user)
{
    for (uint32_t i = 0; i < trust->use_count; i++) {
        if (gv_id_equal(&trust->uses[i].user, user) && gv_id_equal(&trust->uses[i].invite, invite)) {
            return true;
        }
    }
    return false;
}

/* Forgets a use, of `count` in all or (with an inviter) of its invites: the oldest of the latest quarter. Whoever came
   before is not made a stranger again by those who came later, of whom any member can make any number. */
static void forget_use(struct gv_trust *trust, const struct gv_id *inviter, uint32_t count)
{
    uint32_t stay = count - count / 4;
    uint32_t at = 0;
    for (; at + 1 < trust->use_count; at++) {
        bool counts = inviter == NULL || gv_id_equal(&trust->uses[at].inviter, inviter);
        if (counts && stay == 0) {
            break;
        }
        stay -= counts ? 1 : 0;
    }
    trust->use_count--;
    memmove(trust->uses + at, trust->uses + at + 1, (trust->use_count - at) * sizeof *trust->uses);
}

static void remember_use(struct gv_trust *trust, const struct use *use)
{
    uint32_t by_inviter = 0;
    for (uint32_t i = 0; i < trust->use_count && !gv_id_is_zero(&use->inviter); i++) {
        by_inviter += gv_id_equal(&trust->uses[i].inviter, &use->inviter) ? 1 : 0;
    }
    if (by_inviter >= GV_TRUST_SEEN_PER_INVITER_MAX) {
        forget_use(trust, &use->inviter, by_inviter);
    } else if (trust->use_count == GV_TRUST_SEEN_MAX) {
        forget_use(trust, NULL, trust->use_count);
    }
    if (trust->use_count == trust->use_cap) {
        uint32_t cap = trust->use_cap == 0 ? 64 : 2 * trust->use_cap;
        struct use *grown = realloc(trust->uses, cap * sizeof *grown);
        if (grown == NULL) {
            return; /* best effort: the invite may be used once more */
        }
        trust->uses = grown;
        trust->use_cap = cap;
    }
    trust->uses[trust->use_count++] = *use;
}

enum gv_err gv_trust_new(struct gv_trust **trust, const struct gv_sign_public *root)
{
    *trust = calloc(1, sizeof **trust);
    if (*trust == NULL) {
        return GV_ERR_NOMEM;
    }
    (*trust)->root = *root;
    return GV_OK;
}

void gv_trust_free(struct gv_trust **trust)
{
    if (*trust == NULL) {
        return;
    }
    for (uint32_t i = 0; i < (*trust)->count; i++) {
        free((*trust)->entries[i].data);
        free((*trust)->entries[i].kept);
    }
    free((*trust)->uses);
    free(*trust);
    *trust = NULL;
}

void gv_trust_set_inviters(struct gv_trust *trust, enum gv_inviters inviters)
{
    trust->inviters = inviters;
}

enum gv_err gv_trust_add(struct gv_trust *trust, bool *added, const uint8_t *entry, size_t bytes)
{
    *added = false;
    struct gv_hash hash = gv_hash_of(entry, bytes);
    for (uint32_t i = 0; i < trust->count; i++) {
        if (gv_hash_equal(&trust->entries[i].hash, &hash)) {
            return GV_OK;
        }
    }
    struct gv_entry decoded;
    struct gv_id issuer;
    enum gv_err err = gv_entry_verify(&decoded, &issuer, &trust->root, entry, bytes);
    if (err != GV_OK) {
        return err;
    }
    if (!decoded.by_root && judged_by_root(trust, &decoded.issuer_chain) != GV_OK) {
        return GV_ERR_REVOKED;
    }
    struct held fresh;
    err = hold(&fresh, &decoded, &hash, entry, bytes);
    if (err != GV_OK) {
        return err;
    }
    err = make_all_room(trust, &fresh, false); /* one bucket may have none: then no other loses an entry */
    err = err == GV_OK ? make_all_room(trust, &fresh, true) : err;
    if (err != GV_OK) {
        free(fresh.data);
        free(fresh.kept);
        return err;
    }
    memcpy(trust->hashes + 8 * (size_t)trust->count, hash.b, 8);
    trust->entries[trust->count++] = fresh;
    trust->digest ^= first_eight(&hash);
    *added = true;
    if (decoded.by_root) {
        drop_void(trust);
    }
    return GV_OK;
}

uint64_t gv_trust_digest(const struct gv_trust *trust)
{
    return trust->digest;
}

uint32_t gv_trust_count(const struct gv_trust *trust)
{
    return trust->count;
}

uint32_t gv_trust_issued(const struct gv_trust *trust, const struct gv_id *member)
{
    struct bucket bucket = {.kind = OF_ISSUER, .id = member};
    uint32_t count = 0;
    for (uint32_t i = 0; i < trust->count; i++) {
        count += in_bucket(&bucket, &trust->entries[i]) ? 1 : 0;
    }
    return count;
}

struct gv_span gv_trust_entry(const struct gv_trust *trust, uint32_t index)
{
    GV_ASSERT(index < trust->count);
    return (struct gv_span){.data = trust->entries[index].data, .bytes = trust->entries[index].bytes};
}

struct gv_span gv_trust_hashes(const struct gv_trust *trust)
{
    return (struct gv_span){.data = trust->hashes, .bytes = 8 * (size_t)trust->count};
}

enum gv_err gv_trust_check(const struct gv_trust *trust, const struct gv_chain *chain)
{
    if (trust->inviters == GV_INVITERS_ROOT && gv_chain_has_member_invite(chain)) {
        return GV_ERR_CHAIN;
    }
    struct gv_id ids[GV_CHAIN_LINKS_MAX];
    chain_ids(ids, chain);
    for (uint32_t i = 0; i < trust->count; i++) {
        enum gv_err err = judge(&trust->entries[i], chain, ids);
        if (err != GV_OK) {
            return err;
        }
    }
    return GV_OK;
}

enum gv_err gv_trust_admit(const struct gv_trust *trust, const struct gv_chain *chain, uint64_t now_s)
{
    enum gv_err err = gv_trust_check(trust, chain);
    const struct gv_cert *invite = own_invite(chain);
    if (err != GV_OK || invite == NULL) {
        return err;
    }
    struct gv_id invite_id = gv_id_of(&invite->subject);
    struct gv_id user = gv_id_of(&chain->link[chain->count - 1].subject);
    if (was_seen(trust, &invite_id, &user)) {
        return GV_OK;
    }
    if (invite->expires_s != 0 && now_s > invite->expires_s) {
        return GV_ERR_EXPIRED;
    }
    return gv_trust_users(trust, &invite_id, NULL, 0) >= invite->uses ? GV_ERR_USED_UP : GV_OK;
}

bool gv_trust_seen(struct gv_trust *trust, const struct gv_chain *chain)
{
    const struct gv_cert *invite = own_invite(chain);
    if (invite == NULL) {
        return false;
    }
    struct use use = {
        .invite = gv_id_of(&invite->subject),
        .user = gv_id_of(&chain->link[chain->count - 1].subject),
    };
    if (chain->count >= 3) {
        use.inviter = gv_id_of(&chain->link[chain->count - 3].subject);
    }
    if (was_seen(trust, &use.invite, &use.user) ||
        gv_trust_users(trust, &use.invite, NULL, 0) >= GV_TRUST_SEEN_PER_USE_MAX * invite->uses) {
        return false;
    }
    remember_use(trust, &use);
    return true;
}

bool gv_trust_concerns(const struct gv_trust *trust, uint32_t index, const struct gv_chain *chain)
{
    struct gv_id ids[GV_CHAIN_LINKS_MAX];
    chain_ids(ids, chain);
    for (uint32_t i = 0; i < chain->count; i++) {
        if (gv_id_equal(&trust->entries[index].target, &ids[i])) {
            return true;
        }
    }
    return false;
}

bool gv_trust_closed(const struct gv_trust *trust, const struct gv_id *invite)
{
    for (uint32_t i = 0; i < trust->count; i++) {
        if (trust->entries[i].kind == GV_ENTRY_CLOSE && gv_id_equal(&trust->entries[i].target, invite)) {
            return true;
        }
    }
    return false;
}

uint32_t gv_trust_users(const struct gv_trust *trust, const struct gv_id *invite, struct gv_id *ids, uint32_t cap)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < trust->use_count; i++) {
        if (gv_id_equal(&trust->uses[i].invite, invite)) {
            if (count < cap) {
                ids[count] = trust->uses[i].user;
            }
            count++;
        }
    }
    return count;
}

enum gv_err gv_trust_encode(const struct gv_trust *trust, uint8_t **data, size_t *bytes)
{
    size_t cap = 32 + trust->use_count * sizeof *trust->uses;
    for (uint32_t i = 0; i < trust->count; i++) {
        cap += 5 + (size_t)trust->entries[i].bytes;
    }
    *bytes = 0;
    *data = malloc(cap);
    if (*data == NULL) {
        return GV_ERR_NOMEM;
    }
    struct gv_pack p;
    gv_pack_init(&p, *data, cap);
    gv_pack_array(&p, 3);
    gv_pack_u64(&p, STORE_VERSION);
    gv_pack_array(&p, trust->count);
    for (uint32_t i = 0; i < trust->count; i++) {
        gv_pack_bin(&p, trust->entries[i].data, trust->entries[i].bytes);
    }
    gv_pack_bin(&p, (const uint8_t *)trust->uses, trust->use_count * sizeof *trust->uses);
    enum gv_err err = gv_pack_end(&p, bytes);
    GV_ASSERT(err == GV_OK);
    return GV_OK;
}

enum gv_err gv_trust_decode(struct gv_trust *trust, const uint8_t *data, size_t bytes)
{
    struct gv_cursor c;
    gv_cursor_init(&c, data, bytes);
    if (gv_cursor_array(&c, 3) != 3) {
        return GV_ERR_CORRUPT;
    }
    (void)gv_cursor_range(&c, STORE_VERSION, STORE_VERSION);
    uint32_t count = gv_cursor_array(&c, GV_TRUST_ENTRIES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct gv_span entry = gv_cursor_bin(&c, 1, GV_TRUST_ENTRY_BYTES_MAX);
        bool added;
        enum gv_err err = gv_cursor_ok(&c) ? gv_trust_add(trust, &added, entry.data, entry.bytes) : GV_ERR_CORRUPT;
        if (err == GV_ERR_NOMEM) {
            return err;
        }
        if (err != GV_OK && err != GV_ERR_REVOKED && err != GV_ERR_FULL) {
            return GV_ERR_CORRUPT;
        }
    }
    struct gv_span uses = gv_cursor_bin(&c, 0, GV_TRUST_SEEN_MAX * sizeof(struct use));
    if (gv_cursor_end(&c) != GV_OK || uses.bytes % sizeof(struct use) != 0) {
        return GV_ERR_CORRUPT;
    }
    struct use *copy = malloc(uses.bytes + 1);
    if (copy == NULL) {
        return GV_ERR_NOMEM;
    }
    memcpy(copy, uses.data, uses.bytes);
    free(trust->uses);
    trust->uses = copy;
    trust->use_count = (uint32_t)(uses.bytes / sizeof *copy);
    trust->use_cap = trust->use_count;
    return GV_OK;
}
