/*
 * Rounds of local training of simulated nodes, and cycles of exchanges that do not hang on training: what a daemon's
 * trainer thread does between two letters.
 *
 *     round       0 ......... j ............ H     local steps end at round_us + j round_step_us
 *                   ^ asked    ^ done                a snapshot or merge waits for the next end of a step, as the
 *                                                    daemon's does; the steps up to there are pushed before it
 */
#include <math.h>

#include "world.h"

static bool by_clock(const struct gv_sim *sim)
{
    return sim->scenario->swarm.mode == GV_MODE_TRAIN && sim->scenario->learning.train_on == GV_TRAIN_ON_CLOCK;
}

/* Pushes the steps up to `step` of the round. */
static void push_up_to(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t step, bool offer)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (step > node->pushed_steps) {
        gv_sim_push_training(sim, thread, index, step - node->pushed_steps, offer);
        node->pushed_steps = step;
    }
}

static uint64_t step_end(const struct gv_sim_node *node, uint32_t step)
{
    return node->round_us + gv_sim_whole_us(node->round_step_us * step);
}

/* The first end of a step at or after now. */
uint64_t gv_sim_boundary(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (!node->training || !by_clock(sim)) {
        return thread->now_us;
    }
    uint32_t step = node->pushed_steps;
    while (step < node->round_steps && step_end(node, step) < thread->now_us) {
        step++;
    }
    push_up_to(sim, thread, index, step, false);
    uint64_t at = step_end(node, step);
    return at < thread->now_us ? thread->now_us : at;
}

static void begin_round(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    double jitter = gv_dist_draw(&sim->scenario->compute.jitter, &node->random);
    node->round_number++;
    node->round_us = thread->now_us;
    node->round_steps = gv_learning_round_steps(sim->learning, node->identity);
    node->pushed_steps = 0;
    node->round_step_us = node->step_us * (jitter > 0.01 ? jitter : 0.01);
    node->round_step_us = node->round_step_us < 1.0 ? 1.0 : node->round_step_us;
    gv_sim_post_own(sim, thread, index, step_end(node, node->round_steps - 1), GV_SIM_ROUND_LAST, node->round_number,
                    NULL);
    gv_sim_post_own(sim, thread, index, step_end(node, node->round_steps), GV_SIM_ROUND_END, node->round_number, NULL);
}

/* Books the steps of the round that were done. */
static void close_round(struct gv_sim_node *node)
{
    node->steps += node->pushed_steps;
    node->age_q16 += (uint64_t)node->pushed_steps << 16;
    node->pushed_steps = 0;
    node->round_steps = 0;
    node->round_number++;
}

/* Pushes the steps of the round that have ended by now. */
static void push_what_is_over(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    const struct gv_sim_node *node = &sim->nodes[index];
    uint32_t step = node->pushed_steps;
    while (step < node->round_steps && step_end(node, step + 1) <= thread->now_us) {
        step++;
    }
    push_up_to(sim, thread, index, step, false);
}

void gv_sim_catch_up(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (node->training && by_clock(sim)) {
        push_what_is_over(sim, thread, index);
    }
    gv_lane_drain(thread, &node->lane);
}

void gv_sim_stand_still(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint64_t until_us)
{
    struct gv_sim_node *node = &sim->nodes[index];
    uint64_t from_us = node->paused_until_us > thread->now_us ? node->paused_until_us : thread->now_us;
    if (until_us <= from_us) {
        return; /* it stands still for longer as it is */
    }
    if (node->training && by_clock(sim)) {
        push_what_is_over(sim, thread, index);
        node->round_us += until_us - from_us;
    }
    node->paused_until_us = until_us;
}

void gv_sim_train(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, bool on)
{
    struct gv_sim_node *node = &sim->nodes[index];
    if (on == node->training) {
        return;
    }
    if (!on && by_clock(sim)) {
        (void)gv_sim_boundary(sim, thread, index);
        close_round(node);
    }
    node->training = on;
    if (on && by_clock(sim)) {
        begin_round(sim, thread, index);
    }
}

/* The mean loss since the last report; what sums it up are jobs of the lane, which must be drained. */
static uint64_t take_loss(struct gv_sim_node *node)
{
    double loss = node->loss_steps > 0 ? node->loss_sum / node->loss_steps : 0.0;
    node->loss_sum = 0.0;
    node->loss_steps = 0;
    if (!isfinite(loss)) {
        return GV_LOSS_NOT_FINITE;
    }
    return (uint64_t)((loss < 1e9 ? loss : 1e9) * 65536.0);
}

/* Tells the core of steps that are over; nothing may be in the lane. */
static void report_steps(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, double seconds, uint32_t samples,
                         bool round)
{
    struct gv_sim_node *node = &sim->nodes[index];
    struct gv_event event = {.kind = GV_EV_STEPS};
    event.u.steps.total = node->steps;
    event.u.steps.loss = take_loss(node);
    event.u.steps.samples_per_s = seconds > 0.0 ? (uint64_t)(samples / seconds * 65536.0) : 0;
    event.u.steps.round = round;
    gv_sim_step(sim, thread, index, &event);
}

static void round_end(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    uint32_t samples = gv_learning_round_samples(sim->learning, node->identity);
    double seconds = (double)(thread->now_us - node->round_us) / 1e6;
    push_up_to(sim, thread, index, node->round_steps, false);
    gv_lane_drain(thread, &node->lane);
    close_round(node);
    gv_sim_local(thread)->models++;
    if (node->training) {
        begin_round(sim, thread, index);
    }
    report_steps(sim, thread, index, seconds, samples, true);
}

/* Rounds that do not hang on training: each node initiates once per cycle, at a random time in it. */
static void schedule_cycle(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint64_t cycles_ahead)
{
    uint64_t cycle_us = sim->scenario->swarm.round_us;
    uint64_t begin = (thread->now_us / cycle_us + cycles_ahead) * cycle_us;
    uint64_t at = begin + (uint64_t)(gv_random_open(&sim->nodes[index].random) * (double)cycle_us);
    gv_sim_post_own(sim, thread, index, at > thread->now_us ? at : thread->now_us + 1, GV_SIM_ROUND, 0, NULL);
}

static void cycle(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    schedule_cycle(sim, thread, index, 1);
    if (sim->scenario->swarm.peers == GV_PEERS_ORACLE) {
        gv_sim_introduce(sim, thread, index);
        return;
    }
    if (sim->scenario->swarm.mode == GV_MODE_MEAN) { /* a round counts as a step */
        node->steps++;
        node->age_q16 += GV_Q16_ONE;
    }
    if (sim->scenario->swarm.mode == GV_MODE_TRAIN) { /* it may still train after a merge, and the loss is reported */
        gv_lane_drain(thread, &node->lane);
    }
    report_steps(sim, thread, index, 0.0, 0, true);
}

/* train_on = merge: local training follows the merge. */
void gv_sim_train_after_merge(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    struct gv_sim_node *node = &sim->nodes[index];
    uint32_t steps = gv_learning_round_steps(sim->learning, node->identity);
    uint64_t from = node->busy_us > thread->now_us ? node->busy_us : thread->now_us;
    node->busy_us = from + 1 + gv_sim_whole_us(node->step_us * steps);
    gv_sim_push_training(sim, thread, index, steps, true);
    node->age_q16 += (uint64_t)steps << 16;
    gv_sim_post_own(sim, thread, index, node->busy_us, GV_SIM_TRAINED, steps, NULL);
}

static void trained(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, uint32_t steps)
{
    struct gv_sim_node *node = &sim->nodes[index];
    gv_lane_drain(thread, &node->lane);
    node->steps += steps;
    gv_sim_local(thread)->models++;
    report_steps(sim, thread, index, node->step_us * steps / 1e6,
                 gv_learning_round_samples(sim->learning, node->identity), false);
}

/* The process has stood still since this was scheduled, and the end of that step comes as much later. */
static bool comes_later(struct gv_thread *thread, const struct gv_sim_node *node, const struct gv_occurrence *o)
{
    uint64_t at = step_end(node, o->kind == GV_SIM_ROUND_LAST ? node->round_steps - 1 : node->round_steps);
    if (at <= thread->now_us) {
        return false;
    }
    gv_engine_repost(thread, at, o);
    return true;
}

void gv_sim_round_event(struct gv_sim *sim, struct gv_thread *thread, uint32_t index, const struct gv_occurrence *o)
{
    struct gv_sim_node *node = &sim->nodes[index];
    bool current = o->a == node->round_number && node->training;
    switch ((enum gv_sim_kind)o->kind) {
    case GV_SIM_ROUND:
        cycle(sim, thread, index);
        return;
    case GV_SIM_ROUND_LAST:
        if (current && !comes_later(thread, node, o)) {
            push_up_to(sim, thread, index, node->round_steps, true);
        }
        return;
    case GV_SIM_ROUND_END:
        if (current && !comes_later(thread, node, o)) {
            round_end(sim, thread, index);
        }
        return;
    default:
        trained(sim, thread, index, o->a);
        return;
    }
}

void gv_sim_rounds_start(struct gv_sim *sim, struct gv_thread *thread, uint32_t index)
{
    if (!by_clock(sim)) {
        schedule_cycle(sim, thread, index, 0);
    }
}

void gv_sim_rounds_end(struct gv_sim_node *node)
{
    node->training = false;
    node->pushed_steps = node->round_steps = 0;
    node->round_number++;
    node->loss_sum = 0.0;
    node->loss_steps = 0;
    node->steps = 0;
    node->busy_us = node->worker_us = 0;
}
