/* The calendar of one shard; see queue.h. */
#include "queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLAB_CHUNKS 64u
#define MIDDLE_SHIFT GV_QUEUE_NEAR_BITS
#define FAR_SHIFT (MIDDLE_SHIFT + GV_QUEUE_UP_BITS)
#define BEYOND_SHIFT (FAR_SHIFT + GV_QUEUE_UP_BITS)

struct gv_queue_slab {
    struct gv_queue_slab *next;
    struct gv_queue_chunk chunks[SLAB_CHUNKS];
};

_Noreturn void gv_queue_out_of_memory(void)
{
    (void)fputs("grapevine: out of memory in the simulator's queue\n", stderr);
    abort();
}

/* ---- slots --------------------------------------------------------------------------------------------------- */

static void release(struct gv_queue *queue, struct gv_queue_chunk *chunk)
{
    chunk->next = queue->free;
    queue->free = chunk;
}

static void add_slab(struct gv_queue *queue)
{
    struct gv_queue_slab *slab = malloc(sizeof *slab);
    if (slab == NULL) {
        gv_queue_out_of_memory();
    }
    slab->next = queue->slabs;
    queue->slabs = slab;
    for (size_t i = SLAB_CHUNKS; i-- > 0;) {
        release(queue, &slab->chunks[i]);
    }
}

static void put(struct gv_queue *queue, struct gv_queue_slot *slot, const struct gv_occurrence *occurrence)
{
    if (slot->head == NULL || slot->count == GV_QUEUE_CHUNK) {
        if (queue->free == NULL) {
            add_slab(queue);
        }
        struct gv_queue_chunk *chunk = queue->free;
        queue->free = chunk->next;
        chunk->next = slot->head;
        slot->head = chunk;
        slot->count = 0;
    }
    slot->head->items[slot->count++] = *occurrence;
}

static void mark(uint64_t *used, uint64_t index)
{
    used[index / 64] |= UINT64_C(1) << (index % 64);
}

static struct gv_queue_slot take_slot(struct gv_queue_slot *slot, uint64_t *used, uint64_t index)
{
    struct gv_queue_slot taken = *slot;
    *slot = (struct gv_queue_slot){0};
    used[index / 64] &= ~(UINT64_C(1) << (index % 64));
    return taken;
}

/* The first marked index from `from` on; `words` * 64 if there is none. */
static uint64_t first_used(const uint64_t *used, uint64_t words, uint64_t from)
{
    uint64_t word = from / 64;
    if (word >= words) {
        return words * 64;
    }
    uint64_t bits = used[word] & (UINT64_MAX << (from % 64));
    while (bits == 0) {
        if (++word == words) {
            return words * 64;
        }
        bits = used[word];
    }
    return word * 64 + (uint64_t)__builtin_ctzll(bits);
}

/* Puts what a slot of a higher level held where it belongs now. */
static void deal_out(struct gv_queue *queue, struct gv_queue_slot slot)
{
    while (slot.head != NULL) {
        struct gv_queue_chunk *chunk = slot.head;
        for (uint32_t i = 0; i < slot.count; i++) {
            gv_queue_insert(queue, &chunk->items[i]);
        }
        slot = (struct gv_queue_slot){.head = chunk->next, .count = GV_QUEUE_CHUNK};
        release(queue, chunk);
    }
}

static void visit_slot(const struct gv_queue_slot *slot,
                       void (*visit)(void *context, const struct gv_occurrence *occurrence), void *context)
{
    uint32_t count = slot->count;
    for (const struct gv_queue_chunk *chunk = slot->head; chunk != NULL; chunk = chunk->next) {
        for (uint32_t i = 0; i < count; i++) {
            visit(context, &chunk->items[i]);
        }
        count = GV_QUEUE_CHUNK;
    }
}

/* ---- the open window ------------------------------------------------------------------------------------------- */

static void reserve_entries(struct gv_queue *queue, size_t count)
{
    if (count <= queue->capacity) {
        return;
    }
    size_t capacity = count < 64 ? 64 : count + count / 2;
    free(queue->entries);
    free(queue->scratch);
    queue->entries = calloc(capacity, sizeof *queue->entries);
    queue->scratch = calloc(capacity, sizeof *queue->scratch);
    if (queue->entries == NULL || queue->scratch == NULL) {
        gv_queue_out_of_memory();
    }
    queue->capacity = capacity;
}

static void heap_pop(struct gv_queue *queue)
{
    struct gv_occurrence *own = queue->own;
    queue->popped = own[0];
    size_t count = --queue->own_count;
    struct gv_occurrence last = own[count];
    size_t i = 0;
    for (size_t child = 1; child < count; child = 2 * i + 1) {
        if (child + 1 < count && gv_occurrence_before(&own[child + 1], &own[child])) {
            child++;
        }
        if (!gv_occurrence_before(&own[child], &last)) {
            break;
        }
        own[i] = own[child];
        i = child;
    }
    own[i] = last;
}

/* ---- public ---------------------------------------------------------------------------------------------------- */

void gv_queue_grid_init(struct gv_queue_grid *grid, uint64_t window_us)
{
    GV_ASSERT(window_us > 0 && window_us <= UINT32_MAX);
    grid->window_us = window_us;
    grid->reciprocal = UINT64_MAX / window_us;
}

void gv_queue_init(struct gv_queue *queue, uint64_t window_us)
{
    memset(queue, 0, sizeof *queue);
    gv_queue_grid_init(&queue->grid, window_us);
    queue->beyond_next = UINT64_MAX;
}

void gv_queue_deinit(struct gv_queue *queue)
{
    while (queue->slabs != NULL) {
        struct gv_queue_slab *next = queue->slabs->next;
        free(queue->slabs);
        queue->slabs = next;
    }
    free(queue->entries);
    free(queue->scratch);
    free(queue->own);
    memset(queue, 0, sizeof *queue);
}

void gv_queue_insert(struct gv_queue *queue, const struct gv_occurrence *occurrence)
{
    uint64_t slot = gv_queue_slot_of(&queue->grid, occurrence->at_us);
    GV_ASSERT(slot >= queue->cursor);
    uint64_t apart = slot ^ queue->cursor; /* the highest digit in which they differ is the level */
    if (apart >> MIDDLE_SHIFT == 0) {
        uint64_t index = slot % GV_QUEUE_NEAR;
        mark(queue->near_used, index);
        put(queue, &queue->near[index], occurrence);
    } else if (apart >> FAR_SHIFT == 0) {
        uint64_t index = (slot >> MIDDLE_SHIFT) % GV_QUEUE_UP;
        mark(queue->middle_used, index);
        put(queue, &queue->middle[index], occurrence);
    } else if (apart >> BEYOND_SHIFT == 0) {
        uint64_t index = (slot >> FAR_SHIFT) % GV_QUEUE_UP;
        mark(queue->far_used, index);
        put(queue, &queue->far[index], occurrence);
    } else {
        if (slot < queue->beyond_next) {
            queue->beyond_next = slot;
        }
        put(queue, &queue->beyond, occurrence);
    }
}

uint64_t gv_queue_next(const struct gv_queue *queue)
{
    uint64_t cursor = queue->cursor;
    uint64_t index = first_used(queue->near_used, GV_QUEUE_NEAR / 64, cursor % GV_QUEUE_NEAR);
    if (index < GV_QUEUE_NEAR) {
        return (cursor >> MIDDLE_SHIFT << MIDDLE_SHIFT) + index;
    }
    index = first_used(queue->middle_used, GV_QUEUE_UP / 64, (cursor >> MIDDLE_SHIFT) % GV_QUEUE_UP + 1);
    if (index < GV_QUEUE_UP) {
        return (cursor >> FAR_SHIFT << FAR_SHIFT) + (index << MIDDLE_SHIFT);
    }
    index = first_used(queue->far_used, GV_QUEUE_UP / 64, (cursor >> FAR_SHIFT) % GV_QUEUE_UP + 1);
    if (index < GV_QUEUE_UP) {
        return (cursor >> BEYOND_SHIFT << BEYOND_SHIFT) + (index << FAR_SHIFT);
    }
    return queue->beyond_next;
}

void gv_queue_advance(struct gv_queue *queue, uint64_t slot)
{
    GV_ASSERT(slot >= queue->cursor && queue->opened == NULL);
    uint64_t apart = slot ^ queue->cursor;
    queue->cursor = slot;
    if (apart >> BEYOND_SHIFT != 0 && queue->beyond.head != NULL) {
        struct gv_queue_slot beyond = queue->beyond;
        queue->beyond = (struct gv_queue_slot){0};
        queue->beyond_next = UINT64_MAX;
        deal_out(queue, beyond);
    }
    if (apart >> FAR_SHIFT != 0) {
        uint64_t index = (slot >> FAR_SHIFT) % GV_QUEUE_UP;
        deal_out(queue, take_slot(&queue->far[index], queue->far_used, index));
    }
    if (apart >> MIDDLE_SHIFT != 0) {
        uint64_t index = (slot >> MIDDLE_SHIFT) % GV_QUEUE_UP;
        deal_out(queue, take_slot(&queue->middle[index], queue->middle_used, index));
    }
}

void gv_queue_open(struct gv_queue *queue, uint64_t end_us)
{
    GV_ASSERT(queue->opened == NULL && queue->own_count == 0);
    uint64_t index = queue->cursor % GV_QUEUE_NEAR;
    uint64_t start_us = queue->cursor * queue->grid.window_us;
    struct gv_queue_slot slot = take_slot(&queue->near[index], queue->near_used, index);
    queue->opened = slot.head;
    queue->count = 0;
    queue->position = 0;
    uint32_t count = slot.count;
    size_t total = 0;
    for (const struct gv_queue_chunk *chunk = slot.head; chunk != NULL; chunk = chunk->next) {
        total += chunk == slot.head ? count : GV_QUEUE_CHUNK;
    }
    reserve_entries(queue, total);
    for (const struct gv_queue_chunk *chunk = slot.head; chunk != NULL; chunk = chunk->next) {
        for (uint32_t i = 0; i < count; i++) {
            const struct gv_occurrence *occurrence = &chunk->items[i];
            if (occurrence->at_us >= end_us) {
                gv_queue_insert(queue, occurrence);
                continue;
            }
            queue->entries[queue->count].key = (occurrence->at_us - start_us) << 32 | occurrence->to;
            queue->entries[queue->count++].occurrence = occurrence;
        }
        count = GV_QUEUE_CHUNK;
    }
    gv_queue_sort(queue->entries, queue->scratch, queue->count);
}

void gv_queue_insert_open(struct gv_queue *queue, const struct gv_occurrence *occurrence)
{
    if (queue->own_count == queue->own_capacity) {
        size_t capacity = queue->own_capacity == 0 ? 16 : 2 * queue->own_capacity;
        struct gv_occurrence *own = realloc(queue->own, capacity * sizeof *own);
        if (own == NULL) {
            gv_queue_out_of_memory();
        }
        queue->own = own;
        queue->own_capacity = capacity;
    }
    size_t i = queue->own_count++;
    while (i > 0 && gv_occurrence_before(occurrence, &queue->own[(i - 1) / 2])) {
        queue->own[i] = queue->own[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    queue->own[i] = *occurrence;
}

const struct gv_occurrence *gv_queue_pop(struct gv_queue *queue)
{
    const struct gv_occurrence *entry =
        queue->position < queue->count ? queue->entries[queue->position].occurrence : NULL;
    if (queue->own_count > 0 && (entry == NULL || gv_occurrence_before(&queue->own[0], entry))) {
        heap_pop(queue);
        return &queue->popped;
    }
    queue->position += entry != NULL;
    return entry;
}

void gv_queue_close(struct gv_queue *queue)
{
    GV_ASSERT(queue->position == queue->count && queue->own_count == 0);
    while (queue->opened != NULL) {
        struct gv_queue_chunk *next = queue->opened->next;
        release(queue, queue->opened);
        queue->opened = next;
    }
    queue->count = 0;
    queue->position = 0;
}

void gv_queue_visit(const struct gv_queue *queue, void (*visit)(void *context, const struct gv_occurrence *occurrence),
                    void *context)
{
    for (size_t i = 0; i < GV_QUEUE_NEAR; i++) {
        visit_slot(&queue->near[i], visit, context);
    }
    for (size_t i = 0; i < GV_QUEUE_UP; i++) {
        visit_slot(&queue->middle[i], visit, context);
        visit_slot(&queue->far[i], visit, context);
    }
    visit_slot(&queue->beyond, visit, context);
}
