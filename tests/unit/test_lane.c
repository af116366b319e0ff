/* Lanes of jobs: order, exactly once, joins that cannot deadlock, memory that may go after a drain. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine.h"
#include "learn_help.h"
#include "random.h"

#define NODES 96u
#define JOBS 40u /* per node */

struct world;

struct task {
    struct gv_job job;
    struct world *world;
    uint32_t node, number;
    uint32_t work; /* rounds of arithmetic */
    bool frees;    /* itself; nobody joins it */
};

struct node {
    struct gv_lane lane;
    struct gv_random random;
    struct task *open[JOBS]; /* pushed, to be joined */
    uint32_t pushed, joined;
    atomic_uint running; /* jobs of this lane at this moment */
    atomic_uint run;     /* jobs that have run */
    uint64_t sink;
};

struct world {
    struct node nodes[NODES];
    atomic_uint disordered, overlapping, total, frees;
    bool drain_at_the_end;
};

static void run_task(struct gv_job *job, struct gv_thread *thread)
{
    (void)thread;
    struct task *task = (struct task *)job;
    struct node *node = &task->world->nodes[task->node];
    if (atomic_fetch_add(&node->running, 1) != 0) {
        atomic_fetch_add(&task->world->overlapping, 1);
    }
    if (node->run != task->number) {
        atomic_fetch_add(&task->world->disordered, 1);
    }
    for (uint32_t i = 0; i < task->work; i++) {
        node->sink = node->sink * UINT64_C(6364136223846793005) + i;
    }
    atomic_fetch_add(&node->run, 1);
    atomic_fetch_add(&task->world->total, 1);
    atomic_fetch_sub(&node->running, 1);
    if (task->frees) {
        atomic_fetch_add(&task->world->frees, 1);
        free(task);
    }
}

static void push_one(struct world *world, struct gv_thread *thread, uint32_t index)
{
    struct node *node = &world->nodes[index];
    struct task *task = calloc(1, sizeof *task);
    cr_assert_not_null(task);
    task->job.run = run_task;
    task->world = world;
    task->node = index;
    task->number = node->pushed;
    task->work = gv_random_below(&node->random, 3) == 0 ? 2000 : 10;
    task->frees = gv_random_below(&node->random, 4) == 0;
    node->open[node->pushed++] = task->frees ? NULL : task;
    gv_lane_push(thread, &node->lane, &task->job, gv_random_below(&node->random, 2) == 0);
}

/* Joins the oldest that is not joined yet; the memory of a joined job may go at once. */
static void join_one(struct gv_thread *thread, struct node *node)
{
    while (node->joined < node->pushed && node->open[node->joined] == NULL) {
        node->joined++;
    }
    if (node->joined == node->pushed) {
        return;
    }
    struct task *task = node->open[node->joined];
    gv_lane_join(thread, &node->lane, &task->job);
    cr_assert(task->job.done);
    cr_assert_gt(node->run, task->number);
    free(task);
    node->open[node->joined++] = NULL;
}

static void handle(void *context, struct gv_thread *thread, const struct gv_occurrence *occurrence)
{
    struct world *world = context;
    struct node *node = &world->nodes[occurrence->to];
    if (node->pushed < JOBS && gv_random_below(&node->random, 2) == 0) {
        push_one(world, thread, occurrence->to);
    } else {
        join_one(thread, node);
    }
    if (node->pushed < JOBS || node->joined < node->pushed) {
        gv_engine_post(thread, thread->now_us + 1 + gv_random_below(&node->random, 400), occurrence->to, 0, 0, 0, 0,
                       NULL);
        return;
    }
    gv_lane_drain(thread, &node->lane);
}

static void drain_node(void *context, struct gv_thread *thread, uint32_t index)
{
    struct world *world = context;
    struct node *node = &world->nodes[index];
    gv_lane_drain(thread, &node->lane);
    cr_assert_eq(node->run, node->pushed);
    memset(&node->lane, 0xa5, sizeof node->lane); /* nobody may look at it any more */
}

static uint64_t control(void *context, struct gv_thread *thread, uint64_t now_us, bool *stop)
{
    struct world *world = context;
    if (now_us == 0) {
        for (uint32_t i = 0; i < NODES; i++) {
            thread->node = i;
            gv_engine_post(thread, i, i, 0, 0, 0, 0, NULL);
        }
        return world->drain_at_the_end ? 3000 : UINT64_MAX;
    }
    gv_engine_each(thread, NODES, drain_node, world);
    *stop = true;
    return UINT64_MAX;
}

static struct world *run(uint32_t threads, uint64_t value, bool drain)
{
    struct world *world = calloc(1, sizeof *world);
    cr_assert_not_null(world);
    world->drain_at_the_end = drain;
    for (uint32_t i = 0; i < NODES; i++) {
        gv_lane_init(&world->nodes[i].lane);
        gv_random_seed(&world->nodes[i].random, value, i);
    }
    struct gv_world calls = {.context = world, .handle = handle, .control = control};
    void *locals[GV_THREADS_MAX] = {NULL};
    struct gv_engine *engine = NULL;
    cr_assert_eq(gv_engine_new(&engine, &calls, NODES, 100, threads, locals), GV_OK);
    gv_engine_run(engine, UINT64_MAX);
    gv_engine_free(&engine);
    return world;
}

static void free_world(struct world *world)
{
    for (uint32_t i = 0; i < NODES; i++) {
        for (uint32_t k = 0; k < JOBS; k++) {
            free(world->nodes[i].open[k]);
        }
    }
    free(world);
}

Test(lane, runs_each_job_once_and_in_order_whatever_the_threads)
{
    uint64_t value = help_seed();
    static const uint32_t threads[] = {1, 2, 3, 8};
    uint64_t sink[NODES] = {0};
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t round = 0; round < 4; round++) {
            struct world *world = run(threads[i], value, false);
            cr_assert_eq(world->disordered, 0);
            cr_assert_eq(world->overlapping, 0);
            for (uint32_t k = 0; k < NODES; k++) {
                cr_assert_eq(world->nodes[k].pushed, JOBS);
                cr_assert_eq(world->nodes[k].run, JOBS);
                cr_assert(i + round == 0 || world->nodes[k].sink == sink[k]);
                sink[k] = world->nodes[k].sink;
            }
            free_world(world);
        }
    }
}

Test(lane, is_empty_and_free_to_go_after_a_drain)
{
    uint64_t value = help_seed();
    for (uint32_t threads = 1; threads <= 8; threads++) {
        struct world *world = run(threads, value + threads, true);
        uint32_t pushed = 0;
        for (uint32_t i = 0; i < NODES; i++) {
            pushed += world->nodes[i].pushed;
        }
        cr_assert_eq(world->total, pushed);
        cr_assert_gt(pushed, NODES);
        cr_assert_eq(world->disordered + world->overlapping, 0);
        free_world(world);
    }
}

/* ---- what is offered is worked off, what is not waits ------------------------------------------------------------ */

struct trace {
    struct gv_lane lane;
    struct gv_job jobs[3];
    atomic_uint ran;
    uint32_t mode;
    uint32_t before_join;
};

static void count_run(struct gv_job *job, struct gv_thread *thread)
{
    struct trace *trace = thread->local;
    (void)job;
    atomic_fetch_add(&trace->ran, 1);
}

static void push_three(void *context, struct gv_thread *thread, const struct gv_occurrence *occurrence)
{
    struct trace *trace = context;
    (void)occurrence;
    for (uint32_t i = 0; i < 3; i++) {
        trace->jobs[i].run = count_run;
        gv_lane_push(thread, &trace->lane, &trace->jobs[i], trace->mode == 2 && i == 2);
    }
    if (trace->mode == 1) {
        struct timespec moment = {.tv_nsec = 2000000};
        (void)nanosleep(&moment, NULL); /* time enough for an idle thread to take what it may not */
        trace->before_join = atomic_load(&trace->ran);
        gv_lane_join(thread, &trace->lane, &trace->jobs[1]);
        gv_lane_join(thread, &trace->lane, &trace->jobs[1]); /* again: returns at once */
    }
}

static uint64_t post_one(void *context, struct gv_thread *thread, uint64_t now_us, bool *stop)
{
    (void)context;
    (void)now_us;
    (void)stop;
    thread->node = 0;
    gv_engine_post(thread, 10, 0, 0, 0, 0, 0, NULL);
    return UINT64_MAX;
}

static uint32_t ran_of_three(uint32_t threads, uint32_t mode)
{
    struct trace trace = {.mode = mode};
    struct gv_world calls = {.context = &trace, .handle = push_three, .control = post_one};
    void *locals[GV_THREADS_MAX];
    for (uint32_t i = 0; i < GV_THREADS_MAX; i++) {
        locals[i] = &trace;
    }
    struct gv_engine *engine = NULL;
    gv_lane_init(&trace.lane);
    cr_assert_eq(gv_engine_new(&engine, &calls, 1, 100, threads, locals), GV_OK);
    gv_engine_run(engine, UINT64_MAX);
    gv_engine_free(&engine);
    cr_assert_eq(trace.before_join, 0);
    return trace.ran;
}

Test(lane, runs_what_was_not_offered_only_when_something_is_offered_or_joined)
{
    for (uint32_t threads = 1; threads <= 4; threads++) {
        cr_assert_eq(ran_of_three(threads, 0), 0, "nothing offered, nothing joined");
        cr_assert_eq(ran_of_three(threads, 1), 2, "the second of three joined");
        cr_assert_eq(ran_of_three(threads, 2), 3, "the third of three offered");
    }
}
