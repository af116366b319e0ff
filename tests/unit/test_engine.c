/* The engine: the total order, the same histories whatever the threads and windows, controls, ends. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "learn_help.h"
#include "random.h"

#define NODES_MAX 300u

/* A world of nodes that answer each occurrence with random others, and remember what happened to them as a hash. */
struct node {
    struct gv_random random;
    uint64_t history;
    uint64_t last_us;
    uint32_t handled;
};

struct world {
    struct node nodes[NODES_MAX];
    uint32_t count;
    uint64_t latency_us; /* the smallest between two nodes */
    uint64_t every_us;   /* of controls; 0 for none but the first */
    uint64_t control_us; /* the latest */
    atomic_uint early, late, disordered, dropped, prefetched;
    uint32_t controls;
    bool exponential; /* occurrences multiply, up to a bound */
};

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

static void post_random(struct world *world, struct gv_thread *thread, struct node *node)
{
    uint32_t to = gv_random_below(&node->random, world->count);
    uint32_t kind = gv_random_below(&node->random, 16);
    uint64_t after_us = gv_random_below(&node->random, 50);
    if (kind < 4) { /* its own: at once, or soon */
        to = thread->node;
        after_us = kind == 0 ? 0 : after_us;
    } else if (kind == 4) { /* far away */
        after_us = world->latency_us + gv_random_below(&node->random, 300000000);
    } else if (to == thread->node) {
        after_us = 3;
    } else {
        after_us = world->latency_us + after_us / 10 * 10; /* many at the same time */
    }
    gv_engine_post(thread, thread->now_us + after_us, to, (uint16_t)kind, (uint16_t)(after_us % 7),
                   gv_random_below(&node->random, 1000), node->handled, world);
}

static void handle(void *context, struct gv_thread *thread, const struct gv_occurrence *occurrence)
{
    struct world *world = context;
    struct node *node = &world->nodes[occurrence->to];
    if (thread->node != occurrence->to || thread->now_us != occurrence->at_us || occurrence->at_us < node->last_us ||
        occurrence->data != world) {
        atomic_fetch_add(&world->disordered, 1);
    }
    atomic_fetch_add(&world->early, occurrence->at_us < world->control_us);
    atomic_fetch_add(&world->late, occurrence->at_us >= thread->window_us);
    node->last_us = occurrence->at_us;
    node->handled++;
    node->history = mix(node->history, occurrence->at_us);
    node->history = mix(node->history, occurrence->from);
    node->history = mix(node->history, occurrence->sequence);
    node->history = mix(node->history, occurrence->kind * 8u + occurrence->life);
    node->history = mix(node->history, (uint64_t)occurrence->a << 32 | occurrence->b);
    post_random(world, thread, node);
    if (world->exponential && node->handled % 50 == 0) {
        post_random(world, thread, node);
    }
}

static void prefetch(void *context, const struct gv_occurrence *occurrence, bool near)
{
    struct world *world = context;
    (void)occurrence;
    (void)near;
    atomic_fetch_add(&world->prefetched, 1);
}

static void touch(void *context, struct gv_thread *thread, uint32_t index)
{
    struct world *world = context;
    struct node *node = &world->nodes[index];
    node->history = mix(node->history, thread->now_us);
    thread->node = index;
    if (gv_random_below(&node->random, 8) == 0) {
        gv_engine_post(thread, thread->now_us + gv_random_below(&node->random, 9), index, 99, 0, 0, 0, world);
    }
}

static uint64_t control(void *context, struct gv_thread *thread, uint64_t now_us, bool *stop)
{
    struct world *world = context;
    (void)stop;
    for (uint32_t i = 0; i < world->count && now_us == 0; i++) {
        thread->node = i;
        gv_engine_post(thread, i / 3, world->count - 1 - i, 0, 0, 0, 0, world);
    }
    for (uint32_t i = 0; i < world->count; i++) {
        atomic_fetch_add(&world->late,
                         world->nodes[i].last_us > now_us || (now_us > 0 && world->nodes[i].last_us == now_us));
    }
    if (now_us != (uint64_t)world->controls * world->every_us) {
        atomic_fetch_add(&world->disordered, 1);
    }
    world->controls++;
    world->control_us = now_us;
    gv_engine_each(thread, world->count, touch, world);
    return world->every_us > 0 ? now_us + world->every_us : UINT64_MAX;
}

static void drop(void *context, const struct gv_occurrence *occurrence)
{
    struct world *world = context;
    cr_assert_eq(occurrence->data, world);
    atomic_fetch_add(&world->dropped, 1);
}

static struct world *new_world(uint32_t count, uint64_t latency_us, uint64_t every_us, uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);
    cr_assert_not_null(world);
    world->count = count;
    world->latency_us = latency_us;
    world->every_us = every_us;
    for (uint32_t i = 0; i < count; i++) {
        gv_random_seed(&world->nodes[i].random, seed, i);
    }
    return world;
}

static struct gv_engine *new_engine(struct world *world, uint64_t window_us, uint32_t threads)
{
    struct gv_world calls = {
        .context = world, .handle = handle, .prefetch = prefetch, .control = control, .drop = drop};
    void *locals[GV_THREADS_MAX] = {NULL};
    struct gv_engine *engine = NULL;
    cr_assert_eq(gv_engine_new(&engine, &calls, world->count, window_us, threads, locals), GV_OK);
    cr_assert_eq(gv_engine_threads(engine), threads);
    return engine;
}

static uint64_t handled(const struct world *world)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < world->count; i++) {
        sum += world->nodes[i].handled;
    }
    return sum;
}

/* One run; the hash of all histories. */
static uint64_t run_world(struct world *world, uint64_t window_us, uint32_t threads, uint64_t until_us)
{
    struct gv_engine *engine = new_engine(world, window_us, threads);
    gv_engine_run(engine, until_us);
    cr_assert_eq(gv_engine_events(engine), handled(world));
    gv_engine_free(&engine);
    cr_assert_null(engine);
    cr_assert_eq(world->disordered, 0);
    cr_assert_eq(world->early, 0);
    cr_assert_eq(world->late, 0);
    uint64_t hash = 0;
    for (uint32_t i = 0; i < world->count; i++) {
        hash = mix(hash, world->nodes[i].history);
        cr_assert_lt(world->nodes[i].last_us, until_us);
    }
    return hash;
}

Test(engine, gives_every_node_the_same_history_with_any_number_of_threads)
{
    uint64_t seed = help_seed();
    static const uint32_t threads[] = {1, 2, 3, 8};
    uint64_t expected = 0;
    for (uint32_t i = 0; i < 4; i++) {
        struct world *world = new_world(NODES_MAX, 40, 777, seed);
        world->exponential = true;
        uint64_t hash = run_world(world, 40, threads[i], 20000);
        expected = i == 0 ? hash : expected;
        cr_assert_eq(hash, expected, "%u threads", threads[i]);
        cr_assert_eq(world->controls, 20000 / 777 + 1);
        cr_assert_gt(world->prefetched, 1000);
        free(world);
    }
}

Test(engine, gives_every_node_the_same_history_with_any_window_up_to_the_latency)
{
    uint64_t seed = help_seed();
    static const uint64_t windows_us[] = {64, 63, 32, 7, 1};
    uint64_t expected = 0;
    for (uint32_t i = 0; i < 5; i++) {
        struct world *world = new_world(50, 64, 1000, seed);
        uint64_t hash = run_world(world, windows_us[i], 1 + i % 3, 10000);
        expected = i == 0 ? hash : expected;
        cr_assert_eq(hash, expected, "windows of %llu us", (unsigned long long)windows_us[i]);
        free(world);
    }
}

Test(engine, may_be_stopped_anywhere_and_run_on)
{
    uint64_t seed = help_seed();
    struct gv_random random;
    gv_random_seed(&random, seed, 1000);
    struct world *whole = new_world(40, 30, 500, seed);
    uint64_t expected = run_world(whole, 30, 2, 10001);
    struct world *parts = new_world(40, 30, 500, seed);
    struct gv_engine *engine = new_engine(parts, 30, 2);
    for (uint64_t until_us = 0; until_us < 10001; until_us += 1 + gv_random_below(&random, 100)) {
        gv_engine_run(engine, until_us);
        for (uint32_t i = 0; i < 40; i++) {
            cr_assert(parts->nodes[i].last_us < until_us || parts->nodes[i].handled == 0);
        }
    }
    gv_engine_run(engine, 10001);
    gv_engine_free(&engine);
    uint64_t hash = 0;
    for (uint32_t i = 0; i < 40; i++) {
        hash = mix(hash, parts->nodes[i].history);
    }
    cr_assert_eq(hash, expected);
    cr_assert_eq(parts->controls, whole->controls);
    free(whole);
    free(parts);
}

Test(engine, drops_what_is_left_exactly_once)
{
    uint64_t seed = help_seed();
    for (uint32_t threads = 1; threads <= 4; threads += 3) {
        struct world *world = new_world(100, 40, 0, seed); /* each occurrence posts one: their number stays */
        struct gv_engine *engine = new_engine(world, 40, threads);
        gv_engine_run(engine, 1);
        gv_engine_run(engine, 5000);
        uint32_t extra = 0; /* the control's, see touch() */
        for (uint32_t i = 0; i < 100; i++) {
            struct gv_random random;
            gv_random_seed(&random, seed, i);
            extra += gv_random_below(&random, 8) == 0;
        }
        cr_assert_eq(world->dropped, 0);
        gv_engine_free(&engine);
        cr_assert_eq(world->dropped, 100 + extra);
        free(world);
    }
    struct gv_engine *none = NULL;
    gv_engine_free(&none);
}

/* ---- against a plain reference -------------------------------------------------------------------------------- */

#define POSTS 20000u

struct plain {
    struct gv_occurrence expected[POSTS];
    uint32_t next[32]; /* per node: how many of its occurrences came */
    uint32_t order[POSTS];
    atomic_uint wrong, handled;
};

static int by_node_and_time(const void *left, const void *right)
{
    const struct gv_occurrence *x = left;
    const struct gv_occurrence *y = right;
    const uint64_t keys[][2] = {{x->to, y->to}, {x->at_us, y->at_us}, {x->from, y->from}, {x->sequence, y->sequence}};
    for (size_t i = 0; i < 4; i++) {
        if (keys[i][0] != keys[i][1]) {
            return keys[i][0] < keys[i][1] ? -1 : 1;
        }
    }
    return 0;
}

static void compare(void *context, struct gv_thread *thread, const struct gv_occurrence *occurrence)
{
    struct plain *plain = context;
    (void)thread;
    const struct gv_occurrence *expected = &plain->expected[plain->next[occurrence->to]++];
    atomic_fetch_add(&plain->wrong, memcmp(expected, occurrence, sizeof *expected) != 0);
    atomic_fetch_add(&plain->handled, 1);
}

static uint64_t post_all(void *context, struct gv_thread *thread, uint64_t now_us, bool *stop)
{
    struct plain *plain = context;
    struct gv_random random;
    uint32_t sequence[32] = {0};
    (void)now_us;
    (void)stop;
    gv_random_seed(&random, help_seed(), 7);
    for (uint32_t i = 0; i < POSTS; i++) {
        uint64_t span = UINT64_C(1) << gv_random_below(&random, 45);
        struct gv_occurrence *x = &plain->expected[i];
        memset(x, 0, sizeof *x);
        x->at_us = gv_random_next(&random) % span;
        x->to = gv_random_below(&random, 32);
        x->from = gv_random_below(&random, 32);
        x->kind = 5;
        x->life = 6;
        x->a = i;
        x->b = 8;
        x->data = plain;
        x->sequence = sequence[x->from]++;
        thread->node = x->from;
        gv_engine_post(thread, x->at_us, x->to, x->kind, x->life, x->a, x->b, x->data);
    }
    qsort(plain->expected, POSTS, sizeof *plain->expected, by_node_and_time);
    for (uint32_t i = POSTS; i-- > 0;) {
        plain->next[plain->expected[i].to] = i;
    }
    return UINT64_MAX;
}

Test(engine, handles_in_the_order_of_time_destination_source_and_sequence)
{
    for (uint32_t threads = 1; threads <= 3; threads++) {
        struct plain *plain = calloc(1, sizeof *plain);
        struct gv_world calls = {.context = plain, .handle = compare, .control = post_all};
        void *locals[GV_THREADS_MAX] = {NULL};
        struct gv_engine *engine = NULL;
        cr_assert_eq(gv_engine_new(&engine, &calls, 32, 100, threads, locals), GV_OK);
        gv_engine_run(engine, UINT64_MAX);
        cr_assert_eq(plain->handled, POSTS);
        cr_assert_eq(plain->wrong, 0);
        gv_engine_free(&engine);
        free(plain);
    }
}

/* ---- controls and empty time ------------------------------------------------------------------------------------- */

struct sparse {
    uint64_t came_us[8];
    uint32_t came;
    uint64_t controls_us[8];
    uint32_t controls;
    uint64_t stop_us;
};

static void note(void *context, struct gv_thread *thread, const struct gv_occurrence *occurrence)
{
    struct sparse *sparse = context;
    sparse->came_us[sparse->came++] = occurrence->at_us;
    if (occurrence->a > 0) {
        gv_engine_post(thread, thread->now_us + UINT64_C(600000000), 0, 0, 0, occurrence->a - 1, 0, NULL);
    }
}

static uint64_t sparse_control(void *context, struct gv_thread *thread, uint64_t now_us, bool *stop)
{
    static const uint64_t next_us[] = {1, 1500, 600000000, 600000001, UINT64_C(2400000000), UINT64_MAX};
    struct sparse *sparse = context;
    if (now_us == 0) {
        thread->node = 0;
        gv_engine_post(thread, 1500, 0, 0, 0, 3, 0, NULL);
    }
    *stop = now_us == sparse->stop_us;
    sparse->controls_us[sparse->controls] = now_us;
    return next_us[sparse->controls++];
}

static struct sparse run_sparse(uint32_t threads, uint64_t until_us, uint64_t stop_us)
{
    struct sparse sparse = {.stop_us = stop_us};
    struct gv_world calls = {.context = &sparse, .handle = note, .control = sparse_control};
    void *locals[GV_THREADS_MAX] = {NULL};
    struct gv_engine *engine = NULL;
    cr_assert_eq(gv_engine_new(&engine, &calls, 1, 1, threads, locals), GV_OK);
    gv_engine_run(engine, until_us);
    gv_engine_free(&engine);
    return sparse;
}

Test(engine, runs_controls_at_their_times_and_skips_empty_windows)
{
    static const uint64_t controls_us[] = {0, 1, 1500, 600000000, 600000001, UINT64_C(2400000000)};
    for (uint32_t threads = 1; threads <= 2; threads++) { /* 1.8e9 windows of 1 us pass, all but four of them empty */
        struct sparse sparse = run_sparse(threads, UINT64_MAX, UINT64_MAX);
        cr_assert_eq(sparse.controls, 6);
        cr_assert_eq(memcmp(sparse.controls_us, controls_us, sizeof controls_us), 0);
        cr_assert_eq(sparse.came, 4);
        for (uint32_t i = 0; i < 4; i++) {
            cr_assert_eq(sparse.came_us[i], 1500 + UINT64_C(600000000) * i);
        }
    }
}

Test(engine, ends_when_time_is_over_or_a_control_says_so)
{
    for (uint32_t threads = 1; threads <= 2; threads++) {
        struct sparse over = run_sparse(threads, 1500, UINT64_MAX);
        cr_assert_eq(over.controls, 3, "the control at the end of time is the last thing");
        cr_assert_eq(over.came, 0, "an occurrence at the end of time is not handled");
        struct sparse stopped = run_sparse(threads, UINT64_MAX, 600000000);
        cr_assert_eq(stopped.controls, 4);
        cr_assert_eq(stopped.came, 1);
    }
}

/* ---- each -------------------------------------------------------------------------------------------------------- */

struct cover {
    atomic_uchar seen[70000];
    uint32_t count;
    bool covered;
};

static void see(void *context, struct gv_thread *thread, uint32_t index)
{
    struct cover *cover = context;
    (void)thread;
    atomic_fetch_add(&cover->seen[index], 1);
}

static void never(void *context, struct gv_thread *thread, const struct gv_occurrence *occurrence)
{
    (void)context;
    (void)thread;
    (void)occurrence;
    cr_assert_fail("nothing was posted");
}

static uint64_t cover_all(void *context, struct gv_thread *thread, uint64_t now_us, bool *stop)
{
    struct cover *cover = context;
    (void)stop;
    for (uint32_t i = 0; i < 70000; i++) {
        atomic_store(&cover->seen[i], 0);
    }
    gv_engine_each(thread, cover->count, see, cover);
    cover->covered = true;
    for (uint32_t i = 0; i < 70000; i++) {
        cover->covered = cover->covered && cover->seen[i] == (i < cover->count);
    }
    return cover->covered && now_us < 30 ? now_us + 1 : UINT64_MAX;
}

Test(engine, covers_each_index_once)
{
    static const uint32_t counts[] = {0, 1, 2, 31, 1000, 70000};
    static struct cover cover;
    for (uint32_t threads = 1; threads <= 8; threads += 1 + threads) {
        for (uint32_t i = 0; i < 6; i++) {
            cover.count = counts[i];
            struct gv_world calls = {.context = &cover, .handle = never, .control = cover_all};
            void *locals[GV_THREADS_MAX] = {NULL};
            struct gv_engine *engine = NULL;
            cr_assert_eq(gv_engine_new(&engine, &calls, 1, 1000, threads, locals), GV_OK);
            gv_engine_run(engine, UINT64_MAX);
            cr_assert(cover.covered);
            gv_engine_free(&engine);
        }
    }
}
