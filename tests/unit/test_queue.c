/* The calendar of a shard: the total order, far occurrences, windows that are cut, the arithmetic of the grid. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "learn_help.h"
#include "queue.h"
#include "random.h"

static int by_order(const void *x, const void *y)
{
    return gv_occurrence_before(x, y) ? -1 : gv_occurrence_before(y, x);
}

static void insert_at(struct gv_queue *queue, uint64_t at_us, uint32_t to, uint32_t sequence)
{
    struct gv_occurrence occurrence = {.at_us = at_us, .to = to, .from = to, .sequence = sequence};
    gv_queue_insert(queue, &occurrence);
}

/* Opens windows one after another until nothing is queued; out (max) <- what came, in its order. */
static size_t take_all(struct gv_queue *queue, struct gv_occurrence *out, size_t max, uint64_t *windows)
{
    size_t taken = 0;
    for (uint64_t slot = gv_queue_next(queue); slot != UINT64_MAX; slot = gv_queue_next(queue)) {
        gv_queue_advance(queue, slot);
        gv_queue_open(queue, (slot + 1) * queue->grid.window_us);
        const struct gv_occurrence *next;
        while ((next = gv_queue_pop(queue)) != NULL) {
            cr_assert_lt(taken, max);
            out[taken++] = *next;
        }
        gv_queue_close(queue);
        (*windows)++;
    }
    return taken;
}

/* n random occurrences: times up to span_us from a few shared values or all different, few or many nodes. */
static struct gv_occurrence *random_occurrences(struct gv_random *random, size_t n, uint64_t span_us, bool crowded)
{
    struct gv_occurrence *all = calloc(n, sizeof *all);
    cr_assert_not_null(all);
    for (size_t i = 0; i < n; i++) {
        uint64_t at_us = crowded ? gv_random_below(random, 3) * (span_us / 3) : gv_random_next(random) % span_us;
        all[i] = (struct gv_occurrence){.at_us = at_us,
                                        .to = gv_random_below(random, 7),
                                        .from = gv_random_below(random, 7),
                                        .sequence = (uint32_t)i};
    }
    return all;
}

static void check_order(struct gv_random *random, size_t n, uint64_t window_us, uint64_t span_us, bool crowded)
{
    static struct gv_queue queue;
    gv_queue_init(&queue, window_us);
    struct gv_occurrence *all = random_occurrences(random, n, span_us, crowded);
    struct gv_occurrence *out = calloc(n, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        gv_queue_insert(&queue, &all[i]);
    }
    uint64_t windows = 0;
    cr_assert_eq(take_all(&queue, out, n, &windows), n);
    qsort(all, n, sizeof *all, by_order);
    cr_assert_eq(memcmp(all, out, n * sizeof *all), 0, "window %llu span %llu", (unsigned long long)window_us,
                 (unsigned long long)span_us);
    free(all);
    free(out);
    gv_queue_deinit(&queue);
}

Test(queue, gives_everything_out_in_the_total_order)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 1);
    static const uint64_t spans[] = {10, 1000, 300000, 1u << 20, UINT64_C(1) << 34, UINT64_C(1) << 50};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        check_order(&random, 3000, 1 + gv_random_below(&random, 1000), spans[i], false);
        check_order(&random, 3000, 1 + gv_random_below(&random, 1000), spans[i], true);
        check_order(&random, 40, 70000, spans[i], false);
    }
}

Test(queue, merges_what_is_added_to_the_open_window)
{
    static struct gv_queue queue;
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 2);
    gv_queue_init(&queue, 1000);
    for (uint32_t i = 0; i < 500; i++) {
        insert_at(&queue, gv_random_below(&random, 1000), i % 50, i);
    }
    gv_queue_open(&queue, 1000);
    struct gv_occurrence last = {0};
    uint32_t sequence = 500;
    size_t popped = 0;
    const struct gv_occurrence *next;
    while ((next = gv_queue_pop(&queue)) != NULL) {
        cr_assert(popped == 0 || gv_occurrence_before(&last, next));
        last = *next;
        popped++;
        for (uint32_t i = gv_random_below(&random, 3); i > 0 && sequence < 5000; i--) {
            struct gv_occurrence added = last;
            added.at_us += gv_random_below(&random, (uint32_t)(1000 - last.at_us));
            added.sequence = sequence++;
            gv_queue_insert_open(&queue, &added);
        }
    }
    cr_assert_eq(popped, sequence);
    cr_assert_gt(sequence, 600);
    gv_queue_close(&queue);
    cr_assert_eq(gv_queue_next(&queue), UINT64_MAX);
    gv_queue_deinit(&queue);
}

Test(queue, keeps_the_rest_of_a_window_that_is_cut)
{
    static struct gv_queue queue;
    gv_queue_init(&queue, 1000);
    for (uint32_t i = 0; i < 100; i++) {
        insert_at(&queue, 5000 + 10 * i, 1, i);
    }
    gv_queue_advance(&queue, 5);
    uint32_t expected = 0;
    for (uint64_t end_us = 5000; end_us <= 6000; end_us += 125) {
        gv_queue_open(&queue, end_us);
        const struct gv_occurrence *next;
        while ((next = gv_queue_pop(&queue)) != NULL) {
            cr_assert_lt(next->at_us, end_us);
            cr_assert_eq(next->sequence, expected++);
        }
        gv_queue_close(&queue);
        cr_assert_eq(expected, (end_us - 5000 + 9) / 10);
        cr_assert_eq(gv_queue_next(&queue), expected < 100 ? 5 : UINT64_MAX);
    }
    gv_queue_deinit(&queue);
}

Test(queue, passes_over_empty_windows_in_a_few_steps)
{
    static struct gv_queue queue;
    struct gv_occurrence out[6];
    static const uint64_t times_us[] = {
        3, 999999, 600000000, UINT64_C(86400000000), UINT64_C(1) << 50, GV_QUEUE_TIME_MAX_US};
    gv_queue_init(&queue, 50);
    for (uint32_t i = 0; i < 6; i++) {
        insert_at(&queue, times_us[5 - i], i, 0);
    }
    uint64_t windows = 0;
    cr_assert_eq(take_all(&queue, out, 6, &windows), 6);
    for (uint32_t i = 0; i < 6; i++) {
        cr_assert_eq(out[i].at_us, times_us[i]);
    }
    cr_assert_leq(windows, 6 * 4, "each may take a step per level: %llu", (unsigned long long)windows);
    gv_queue_deinit(&queue);
}

static void count(void *context, const struct gv_occurrence *occurrence)
{
    (void)context;
    ++*(uint8_t *)occurrence->data;
}

Test(queue, visits_each_queued_occurrence_once)
{
    static struct gv_queue queue;
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 3);
    static const uint64_t spans[] = {1000, 100000, UINT64_C(1) << 27, UINT64_C(1) << 40};
    uint8_t seen[400] = {0};
    gv_queue_init(&queue, 10);
    for (uint32_t i = 0; i < 400; i++) {
        struct gv_occurrence occurrence = {.at_us = gv_random_next(&random) % spans[i % 4], .data = &seen[i]};
        gv_queue_insert(&queue, &occurrence);
    }
    gv_queue_visit(&queue, count, NULL);
    for (uint32_t i = 0; i < 400; i++) {
        cr_assert_eq(seen[i], 1);
    }
    gv_queue_deinit(&queue);
}

Test(queue, divides_exactly)
{
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 4);
    for (uint32_t i = 0; i < 200000; i++) {
        struct gv_queue_grid grid;
        uint64_t window_us = 1 + (gv_random_next(&random) >> (32 + gv_random_below(&random, 32)));
        window_us = window_us > UINT32_MAX ? UINT32_MAX : window_us;
        gv_queue_grid_init(&grid, window_us);
        uint64_t at_us = gv_random_next(&random) >> (2 + gv_random_below(&random, 60));
        uint64_t near_us = at_us / window_us * window_us; /* where the rounding decides */
        cr_assert_eq(gv_queue_slot_of(&grid, at_us), at_us / window_us);
        cr_assert_eq(gv_queue_slot_of(&grid, near_us), at_us / window_us);
        if (near_us > 0) {
            cr_assert_eq(gv_queue_slot_of(&grid, near_us - 1), at_us / window_us - 1);
        }
    }
}

Test(queue, sorts_any_number_of_entries)
{
    static struct gv_occurrence occurrences[1000];
    static struct gv_queue_entry entries[1000], scratch[1000];
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 5);
    for (size_t n = 0; n <= 1000; n += n < 100 ? 1 : 97) {
        for (uint32_t shift = 0; shift <= 32; shift += 8) {
            for (size_t i = 0; i < n; i++) {
                uint64_t key = (gv_random_next(&random) >> 32 >> shift) << 32 | gv_random_below(&random, 3);
                occurrences[i] = (struct gv_occurrence){.from = gv_random_below(&random, 3), .sequence = (uint32_t)i};
                entries[i] = (struct gv_queue_entry){.key = key, .occurrence = &occurrences[i]};
            }
            gv_queue_sort(entries, scratch, n);
            for (size_t i = 1; i < n; i++) {
                const struct gv_occurrence *x = entries[i - 1].occurrence;
                const struct gv_occurrence *y = entries[i].occurrence;
                cr_assert(entries[i - 1].key < entries[i].key ||
                          (entries[i - 1].key == entries[i].key && gv_occurrence_before(x, y)));
            }
        }
    }
}
