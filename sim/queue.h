/*
 * The calendar of one shard: which occurrence comes next, in the total order (time, destination, source, sequence).
 *
 * Time is cut into slots as long as a window. The near slots hold one window each; those further away hold 1,024 and
 * 262,144 windows, and are dealt out one level down when the cursor reaches them (a hierarchical timing wheel:
 * Varghese, Lauck, "Hashed and hierarchical timing wheels", 1987, with sorting within the slot as in Brown, "Calendar
 * queues", 1988). A timer ten minutes away is therefore touched three times at most, and an empty window is never
 * looked at.
 *
 *     insert   -> slot of the near, middle or far level, in chunks, unsorted
 *     advance     the cursor goes to a slot; slots of higher levels that begin there are dealt out
 *     open     -> entries: what is due before the window's end, sorted
 *     pop      <- entries and `own` (what was posted for this very window meanwhile), merged
 *     close       frees the chunks
 */
#ifndef GV_QUEUE_H
#define GV_QUEUE_H

#include <stddef.h>

#include "engine.h"

#define GV_QUEUE_NEAR_BITS 10u
#define GV_QUEUE_NEAR (1u << GV_QUEUE_NEAR_BITS)
#define GV_QUEUE_UP_BITS 8u
#define GV_QUEUE_UP (1u << GV_QUEUE_UP_BITS)
/* Twelve occurrences make a chunk of half a kilobyte: on average half of one is unused per slot in use. */
#define GV_QUEUE_CHUNK 12u

_Static_assert(sizeof(struct gv_occurrence) <= 48, "millions are queued");

/* The latest time that can be posted for: leaves room for the arithmetic with window ends. */
#define GV_QUEUE_TIME_MAX_US (UINT64_C(1) << 62)

/* Division by the window's length, through a multiplication. */
struct gv_queue_grid {
    uint64_t window_us;  /* > 0, below 2^32 */
    uint64_t reciprocal; /* floor((2^64 - 1) / window_us) */
};

struct gv_queue_chunk {
    struct gv_queue_chunk *next;
    struct gv_occurrence items[GV_QUEUE_CHUNK];
};

struct gv_queue_slot {
    struct gv_queue_chunk *head; /* only the head is not full */
    uint32_t count;              /* in the head */
};

/* One occurrence of the open window, as it is sorted. */
struct gv_queue_entry {
    uint64_t key; /* (time within the slot) << 32 | destination; equal keys: source, sequence */
    const struct gv_occurrence *occurrence;
};

struct gv_queue_slab;

struct gv_queue {
    struct gv_queue_grid grid;
    uint64_t cursor; /* slot number of the open window: time / window_us */
    struct gv_queue_slot near[GV_QUEUE_NEAR];
    struct gv_queue_slot middle[GV_QUEUE_UP];
    struct gv_queue_slot far[GV_QUEUE_UP];
    struct gv_queue_slot beyond;
    uint64_t beyond_next; /* first slot number in `beyond`; UINT64_MAX for none */
    uint64_t near_used[GV_QUEUE_NEAR / 64];
    uint64_t middle_used[GV_QUEUE_UP / 64];
    uint64_t far_used[GV_QUEUE_UP / 64];
    struct gv_queue_chunk *free;
    struct gv_queue_slab *slabs;
    struct gv_queue_chunk *opened; /* what the entries point into */
    struct gv_queue_entry *entries, *scratch;
    size_t count, position, capacity;
    struct gv_occurrence *own; /* a heap */
    size_t own_count, own_capacity;
    struct gv_occurrence popped; /* from the heap */
};

/** Ends the program with a message: the simulator is out of memory. */
_Noreturn void gv_queue_out_of_memory(void);

void gv_queue_grid_init(struct gv_queue_grid *grid, uint64_t window_us);

__extension__ typedef unsigned __int128 gv_queue_wide;

/** at_us / window_us, at_us up to GV_QUEUE_TIME_MAX_US. */
static inline uint64_t gv_queue_slot_of(const struct gv_queue_grid *grid, uint64_t at_us)
{
    uint64_t slot = (uint64_t)(((gv_queue_wide)at_us * grid->reciprocal) >> 64); /* exact, or one too low */
    return slot + (at_us - slot * grid->window_us >= grid->window_us);
}

/** The total order. */
static inline bool gv_occurrence_before(const struct gv_occurrence *x, const struct gv_occurrence *y)
{
    if (x->at_us != y->at_us) {
        return x->at_us < y->at_us;
    }
    if (x->to != y->to) {
        return x->to < y->to;
    }
    if (x->from != y->from) {
        return x->from < y->from;
    }
    return x->sequence < y->sequence;
}

/** Sorts entries (n); scratch (n) is overwritten. */
void gv_queue_sort(struct gv_queue_entry *entries, struct gv_queue_entry *scratch, size_t n);

/** window_us in (0, 2^32). Allocates nothing. */
void gv_queue_init(struct gv_queue *queue, uint64_t window_us);
void gv_queue_deinit(struct gv_queue *queue);

/** Copies an occurrence in; its slot must not lie before the cursor. */
void gv_queue_insert(struct gv_queue *queue, const struct gv_occurrence *occurrence);

/** The first slot that may hold something, UINT64_MAX if nothing is queued: never later than the earliest occurrence,
 *  and exact when that lies within the near level. */
uint64_t gv_queue_next(const struct gv_queue *queue);

/** Moves the cursor forwards; nothing may be queued before it. No window may be open. */
void gv_queue_advance(struct gv_queue *queue, uint64_t slot);

/** Opens the cursor's slot up to end_us; the rest of the slot stays queued. */
void gv_queue_open(struct gv_queue *queue, uint64_t end_us);

/** Adds to the open window: due before its end. */
void gv_queue_insert_open(struct gv_queue *queue, const struct gv_occurrence *occurrence);

/** The next of the open window, in order; NULL at its end. Borrowed until the next call or the close. */
const struct gv_occurrence *gv_queue_pop(struct gv_queue *queue);

/** What gv_queue_pop() will return after `ahead` others, as far as is known; NULL if nothing is. */
static inline const struct gv_occurrence *gv_queue_ahead(const struct gv_queue *queue, size_t ahead)
{
    return ahead < queue->count - queue->position ? queue->entries[queue->position + ahead].occurrence : NULL;
}

/** Ends the open window; everything in it must have been popped. */
void gv_queue_close(struct gv_queue *queue);

/** Calls visit for everything queued, in no order. No window may be open. */
void gv_queue_visit(const struct gv_queue *queue, void (*visit)(void *context, const struct gv_occurrence *occurrence),
                    void *context);

#endif
