/*
 * Sorting the occurrences of one window. Few: by insertion. Many: by radix on the time alone, which is nearly all of
 * the order; runs of equal time are then sorted by the rest, by insertion or, when a whole swarm acts at the same
 * instant, by merging.
 */
#include "queue.h"

#include <string.h>

#define INSERTION_MAX 32u
#define MERGE_RUN 16u
#define DIGIT_BITS_MAX 8u

static bool before(const struct gv_queue_entry *x, const struct gv_queue_entry *y)
{
    if (x->key != y->key) {
        return x->key < y->key;
    }
    if (x->occurrence->from != y->occurrence->from) {
        return x->occurrence->from < y->occurrence->from;
    }
    return x->occurrence->sequence < y->occurrence->sequence;
}

static void sort_by_insertion(struct gv_queue_entry *entries, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct gv_queue_entry entry = entries[i];
        size_t j = i;
        for (; j > 0 && before(&entry, &entries[j - 1]); j--) {
            entries[j] = entries[j - 1];
        }
        entries[j] = entry;
    }
}

/* to (n) <- x (middle) and x + middle (n - middle), merged. */
static void merge(struct gv_queue_entry *to, const struct gv_queue_entry *x, size_t middle, size_t n)
{
    size_t i = 0;
    size_t j = middle;
    for (size_t k = 0; k < n; k++) {
        if (i < middle && (j == n || before(&x[i], &x[j]))) {
            to[k] = x[i++];
        } else {
            to[k] = x[j++];
        }
    }
}

static void sort_by_merging(struct gv_queue_entry *entries, struct gv_queue_entry *scratch, size_t n)
{
    for (size_t i = 0; i < n; i += MERGE_RUN) {
        sort_by_insertion(entries + i, n - i < MERGE_RUN ? n - i : MERGE_RUN);
    }
    struct gv_queue_entry *from = entries;
    struct gv_queue_entry *to = scratch;
    for (size_t run = MERGE_RUN; run < n; run *= 2) {
        for (size_t i = 0; i < n; i += 2 * run) {
            size_t length = n - i < 2 * run ? n - i : 2 * run;
            merge(to + i, from + i, length < run ? length : run, length);
        }
        struct gv_queue_entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != entries) {
        memcpy(entries, from, n * sizeof *entries);
    }
}

/* One stable pass on `bits` bits of the time from bit `shift` of the key. */
static void distribute(struct gv_queue_entry *to, const struct gv_queue_entry *from, size_t n, unsigned shift,
                       unsigned bits)
{
    uint32_t offsets[1u << DIGIT_BITS_MAX] = {0};
    uint64_t mask = (UINT64_C(1) << bits) - 1;
    for (size_t i = 0; i < n; i++) {
        offsets[(from[i].key >> shift) & mask]++;
    }
    uint32_t sum = 0;
    for (size_t digit = 0; digit <= mask; digit++) {
        uint32_t count = offsets[digit];
        offsets[digit] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++) {
        to[offsets[(from[i].key >> shift) & mask]++] = from[i];
    }
}

static void sort_by_time(struct gv_queue_entry *entries, struct gv_queue_entry *scratch, size_t n)
{
    uint64_t any = 0;
    for (size_t i = 0; i < n; i++) {
        any |= entries[i].key >> 32;
    }
    if (any == 0) {
        return;
    }
    unsigned bits = 64u - (unsigned)__builtin_clzll(any);
    unsigned passes = (bits + DIGIT_BITS_MAX - 1) / DIGIT_BITS_MAX;
    unsigned digit = (bits + passes - 1) / passes;
    struct gv_queue_entry *from = entries;
    struct gv_queue_entry *to = scratch;
    for (unsigned pass = 0; pass < passes; pass++) {
        distribute(to, from, n, 32u + pass * digit, digit);
        struct gv_queue_entry *swap = from;
        from = to;
        to = swap;
    }
    if (from != entries) {
        memcpy(entries, from, n * sizeof *entries);
    }
}

void gv_queue_sort(struct gv_queue_entry *entries, struct gv_queue_entry *scratch, size_t n)
{
    if (n <= INSERTION_MAX) {
        sort_by_insertion(entries, n);
        return;
    }
    GV_ASSERT(n <= UINT32_MAX);
    sort_by_time(entries, scratch, n);
    for (size_t start = 0; start < n;) {
        size_t end = start + 1;
        while (end < n && entries[end].key >> 32 == entries[start].key >> 32) {
            end++;
        }
        if (end - start > INSERTION_MAX) {
            sort_by_merging(entries + start, scratch, end - start);
        } else if (end - start > 1) {
            sort_by_insertion(entries + start, end - start);
        }
        start = end;
    }
}
