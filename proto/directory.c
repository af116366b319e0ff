/*
 * The table of verified records. See directory.h.
 *
 * Records lie on the heap one by one and are found through two chained hash tables: by id, and by the hash of their
 * bytes. Peers can try keys until they like the hash, so the tables are keyed (SipHash), or a member could aim all its
 * records at one bucket. A list orders them by when they were last confirmed; its head goes first when room is needed.
 */
#include "directory.h"

#include <sodium.h>
#include <stdlib.h>

#include "identity.h"

#define HASHES_KEPT 4 /* the present record's and those of the last it replaced: late copies need no verifying */

struct node;

struct hash_slot {
    struct gv_hash hash;
    struct node *owner;
    struct hash_slot *next;
};

struct node {
    struct gv_record record;
    struct gv_id id;
    struct gv_span bytes; /* owned */
    uint32_t position;    /* in `dense` */
    uint32_t hash_count;
    struct hash_slot hashes[HASHES_KEPT]; /* [0] is the present one */
    struct node *next_by_id;
    struct node *older, *newer;
};

struct gv_directory {
    uint32_t capacity;
    uint32_t count;
    uint32_t mask;       /* buckets - 1 */
    struct node **dense; /* (capacity) */
    struct node **by_id; /* (mask + 1) */
    struct hash_slot **by_hash;
    struct node *oldest, *newest;
    uint8_t key[crypto_shorthash_KEYBYTES];
};

static uint32_t bucket_of(const struct gv_directory *d, const uint8_t bytes[32])
{
    uint64_t digest;
    _Static_assert(crypto_shorthash_BYTES == sizeof digest, "SipHash-2-4");
    (void)crypto_shorthash((uint8_t *)&digest, bytes, 32, d->key);
    return (uint32_t)digest & d->mask;
}

static struct node *find(const struct gv_directory *d, const struct gv_id *id)
{
    struct node *n = d->by_id[bucket_of(d, id->b)];
    while (n != NULL && !gv_id_equal(&n->id, id)) {
        n = n->next_by_id;
    }
    return n;
}

static void hashes_insert(struct gv_directory *d, struct node *n)
{
    for (uint32_t i = 0; i < n->hash_count; i++) {
        struct hash_slot **head = &d->by_hash[bucket_of(d, n->hashes[i].hash.b)];
        n->hashes[i].owner = n;
        n->hashes[i].next = *head;
        *head = &n->hashes[i];
    }
}

static void hashes_remove(struct gv_directory *d, struct node *n)
{
    for (uint32_t i = 0; i < n->hash_count; i++) {
        struct hash_slot **at = &d->by_hash[bucket_of(d, n->hashes[i].hash.b)];
        while (*at != &n->hashes[i]) {
            at = &(*at)->next;
        }
        *at = n->hashes[i].next;
    }
}

static void list_remove(struct gv_directory *d, struct node *n)
{
    *(n->older != NULL ? &n->older->newer : &d->oldest) = n->newer;
    *(n->newer != NULL ? &n->newer->older : &d->newest) = n->older;
}

static void list_append(struct gv_directory *d, struct node *n)
{
    n->older = d->newest;
    n->newer = NULL;
    *(d->newest != NULL ? &d->newest->newer : &d->oldest) = n;
    d->newest = n;
}

static void node_remove(struct gv_directory *d, struct node *n)
{
    struct node **at = &d->by_id[bucket_of(d, n->id.b)];
    while (*at != n) {
        at = &(*at)->next_by_id;
    }
    *at = n->next_by_id;
    hashes_remove(d, n);
    list_remove(d, n);
    struct node *last = d->dense[--d->count];
    d->dense[n->position] = last;
    last->position = n->position;
    free((void *)(uintptr_t)n->bytes.data);
    free(n);
}

static enum gv_err make_room(struct gv_directory *d, bool (*keep)(void *context, const struct gv_id *id), void *context)
{
    if (d->count < d->capacity) {
        return GV_OK;
    }
    for (struct node *n = d->oldest; n != NULL; n = n->newer) {
        if (keep == NULL || !keep(context, &n->id)) {
            node_remove(d, n);
            return GV_OK;
        }
    }
    return GV_ERR_FULL;
}

/* Puts a newer record in the place of n's. `copy` becomes n's. */
static void node_update(struct gv_directory *d, struct node *n, const struct gv_record *record, struct gv_span copy,
                        const struct gv_hash *hash)
{
    hashes_remove(d, n);
    n->hash_count = n->hash_count < HASHES_KEPT ? n->hash_count + 1 : HASHES_KEPT;
    for (uint32_t i = n->hash_count - 1; i > 0; i--) {
        n->hashes[i].hash = n->hashes[i - 1].hash;
    }
    n->hashes[0].hash = *hash;
    hashes_insert(d, n);
    n->record = *record;
    free((void *)(uintptr_t)n->bytes.data);
    n->bytes = copy;
}

static void node_insert(struct gv_directory *d, struct node *n)
{
    struct node **head = &d->by_id[bucket_of(d, n->id.b)];
    n->next_by_id = *head;
    *head = n;
    hashes_insert(d, n);
    list_append(d, n);
    n->position = d->count;
    d->dense[d->count++] = n;
}

enum gv_err gv_directory_new(struct gv_directory **directory, uint32_t capacity)
{
    *directory = NULL;
    if (capacity < 1 || capacity > 1u << 20) {
        return GV_ERR_RANGE;
    }
    struct gv_directory *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return GV_ERR_NOMEM;
    }
    d->capacity = capacity;
    d->mask = 1;
    while (d->mask < capacity) {
        d->mask = d->mask << 1 | 1;
    }
    d->dense = calloc(capacity, sizeof(struct node *));
    d->by_id = calloc((size_t)d->mask + 1, sizeof(struct node *));
    d->by_hash = calloc((size_t)d->mask + 1, sizeof(struct hash_slot *));
    crypto_shorthash_keygen(d->key);
    *directory = d;
    if (d->dense == NULL || d->by_id == NULL || d->by_hash == NULL) {
        gv_directory_free(directory);
        return GV_ERR_NOMEM;
    }
    return GV_OK;
}

void gv_directory_free(struct gv_directory **directory)
{
    struct gv_directory *d = *directory;
    if (d == NULL) {
        return;
    }
    while (d->newest != NULL) {
        node_remove(d, d->newest);
    }
    free(d->dense);
    free(d->by_id);
    free(d->by_hash);
    free(d);
    *directory = NULL;
}

bool gv_directory_knows(const struct gv_directory *directory, const struct gv_hash *hash, struct gv_ref *ref)
{
    const struct hash_slot *slot = directory->by_hash[bucket_of(directory, hash->b)];
    while (slot != NULL && !gv_hash_equal(&slot->hash, hash)) {
        slot = slot->next;
    }
    if (slot != NULL && ref != NULL) {
        *ref = gv_record_ref(&slot->owner->record);
    }
    return slot != NULL;
}

enum gv_err gv_directory_put(struct gv_directory *directory, struct gv_ref *ref, const struct gv_record *record,
                             const uint8_t *data, size_t bytes, bool (*keep)(void *context, const struct gv_id *id),
                             void *context)
{
    GV_ASSERT(bytes > 0 && bytes <= GV_RECORD_BYTES_MAX);
    *ref = gv_record_ref(record);
    struct gv_hash hash = gv_hash_of(data, bytes);
    struct node *n = find(directory, &ref->id);
    if (n != NULL) {
        struct gv_ref stored = gv_record_ref(&n->record);
        if (gv_ref_order(ref, &stored) <= 0) {
            if (gv_hash_equal(&n->hashes[0].hash, &hash)) { /* confirmed */
                list_remove(directory, n);
                list_append(directory, n);
            }
            *ref = stored;
            return GV_OK;
        }
    } else {
        enum gv_err err = make_room(directory, keep, context);
        if (err != GV_OK) {
            return err;
        }
    }
    uint8_t *copy = malloc(bytes);
    struct node *fresh = n == NULL ? calloc(1, sizeof *fresh) : NULL;
    if (copy == NULL || (n == NULL && fresh == NULL)) {
        free(copy);
        free(fresh);
        return GV_ERR_NOMEM;
    }
    memcpy(copy, data, bytes);
    struct gv_span span = {.data = copy, .bytes = bytes};
    if (n != NULL) {
        node_update(directory, n, record, span, &hash);
        list_remove(directory, n);
        list_append(directory, n);
        return GV_OK;
    }
    fresh->record = *record;
    fresh->id = ref->id;
    fresh->bytes = span;
    fresh->hash_count = 1;
    fresh->hashes[0].hash = hash;
    node_insert(directory, fresh);
    return GV_OK;
}

struct gv_span gv_directory_bytes(const struct gv_directory *directory, const struct gv_id *id)
{
    static const struct gv_span nothing;
    const struct node *n = find(directory, id);
    return n != NULL ? n->bytes : nothing;
}

const struct gv_record *gv_directory_record(const struct gv_directory *directory, const struct gv_id *id)
{
    const struct node *n = find(directory, id);
    return n != NULL ? &n->record : NULL;
}

void gv_directory_remove(struct gv_directory *directory, const struct gv_id *id)
{
    struct node *n = find(directory, id);
    if (n != NULL) {
        node_remove(directory, n);
    }
}

uint32_t gv_directory_count(const struct gv_directory *directory)
{
    return directory->count;
}

const struct gv_record *gv_directory_at(const struct gv_directory *directory, uint32_t index, struct gv_span *bytes)
{
    GV_ASSERT(index < directory->count);
    const struct node *n = directory->dense[index];
    if (bytes != NULL) {
        *bytes = n->bytes;
    }
    return &n->record;
}
