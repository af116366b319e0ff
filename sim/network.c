/*
 * The modelled network: the way of one frame from its sender to the receiver's downlink.
 *
 *     send queue -> uplink -> (congestion window) -> (lost segments, sent again) -> (cut: held until it heals)
 *                -> latency, jitter -> behind the frame before -> (slow reader)
 */
#include "network.h"

#include <stdlib.h>

#include "cuts.h"
#include "line.h"
#include "loss.h"

/* In gv_path.last_us: the link breaks at the time in the other bits, and takes all later frames with it. */
static const uint64_t BROKEN = UINT64_C(1) << 63;
/* In gv_path.consumed_us: the receiver reads as fast as frames come. */
static const uint64_t AT_ONCE = UINT64_MAX;

static const uint64_t PAIR_SEED = UINT64_C(0x7061697273206f66); /* sets these draws apart from other uses of the seed */

struct gv_network {
    struct gv_lines lines;
    struct gv_cuts cuts;
    struct gv_loss loss;
    struct gv_dist latency, jitter;
    double damage, resets;
    uint64_t window_us;
    uint64_t read_us; /* a slow reader's time for a frame; 0: nobody is slow */
    uint64_t seed;
    uint32_t nodes_max;
    uint32_t initial_window; /* segments; 0: no congestion control */
    bool jitters, calm;
};

/* A draw in whole microseconds, at most `most`. */
static uint64_t draw_us(const struct gv_dist *dist, struct gv_random *random, uint64_t most)
{
    double drawn = gv_dist_draw(dist, random);
    return drawn < (double)most ? (uint64_t)drawn : most;
}

/* Whether a slow reader has GV_SEND_QUEUE_FRAMES before it already. It reads a frame in read_us, so no more can be
   under way than fit between now and the last one's time, nor more than were sent since the queue was last empty. */
static bool queue_full(const struct gv_network *network, struct gv_path *path, uint64_t now_us)
{
    if (path->consumed_us <= now_us) {
        path->frames = 0;
        return false;
    }
    uint64_t most = (path->consumed_us - now_us + network->read_us - 1) / network->read_us;
    path->frames = path->frames < most ? path->frames : (uint32_t)most;
    return path->frames >= GV_SEND_QUEUE_FRAMES;
}

/* The link breaks: at at_us, but not before the news can have reached the other end. */
static struct gv_transit reset(struct gv_path *path, uint64_t now_us, uint64_t at_us)
{
    path->last_us = at_us | BROKEN;
    uint64_t earliest_us = now_us + path->latency_us;
    return (struct gv_transit){.fate = GV_FATE_RESET, .arrive_us = at_us > earliest_us ? at_us : earliest_us};
}

enum gv_err gv_network_new(struct gv_network **network, const struct gv_scenario *scenario, uint64_t seed,
                           uint32_t nodes_max)
{
    struct gv_network *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return GV_ERR_NOMEM;
    }
    enum gv_err err = gv_lines_init(&made->lines, scenario, seed, nodes_max);
    if (err != GV_OK) {
        free(made);
        return err;
    }
    gv_cuts_init(&made->cuts, nodes_max);
    gv_loss_init(&made->loss, scenario->network.loss);
    made->latency = scenario->network.latency;
    made->jitter = scenario->network.jitter;
    made->jitters = !gv_dist_is_zero(&made->jitter);
    made->damage = scenario->network.damage;
    made->resets = scenario->network.resets;
    made->initial_window = scenario->network.initial_window;
    made->window_us = gv_network_window(scenario);
    if (scenario->network.slow_share > 0.0 && scenario->network.slow_rate > 0.0) {
        double read_us = 1e6 / scenario->network.slow_rate;
        made->read_us = read_us < 1.0 ? 1 : read_us < 1e15 ? (uint64_t)read_us : UINT64_C(1000000000000000);
    }
    made->seed = seed;
    made->nodes_max = nodes_max;
    *network = made;
    return GV_OK;
}

void gv_network_free(struct gv_network **network)
{
    if (*network != NULL) {
        gv_lines_deinit(&(*network)->lines);
        gv_cuts_deinit(&(*network)->cuts);
        free(*network);
        *network = NULL;
    }
}

uint64_t gv_network_window(const struct gv_scenario *scenario)
{
    double least = gv_dist_least(&scenario->network.latency);
    if (least >= (double)UINT32_MAX) {
        return UINT32_MAX;
    }
    return least > (double)GV_LATENCY_LEAST_US ? (uint64_t)least : GV_LATENCY_LEAST_US;
}

bool gv_network_dialable(const struct gv_network *network, uint32_t node)
{
    return gv_lines_dialable(&network->lines, node);
}

void gv_path_init(struct gv_path *path, const struct gv_network *network, uint32_t from, uint32_t to)
{
    uint64_t pair = from < to ? (uint64_t)from << 32 | to : (uint64_t)to << 32 | from;
    struct gv_random random;
    gv_random_seed(&random, network->seed ^ PAIR_SEED, pair);
    uint64_t latency_us = draw_us(&network->latency, &random, UINT32_MAX);
    bool slow = network->read_us > 0 && gv_lines_slow(&network->lines, to);
    *path = (struct gv_path){
        .latency_us = (uint32_t)(latency_us > network->window_us ? latency_us : network->window_us),
        .consumed_us = slow ? 0 : AT_ONCE,
    };
    gv_congestion_init(&path->congestion, network->initial_window);
}

struct gv_transit gv_network_send(struct gv_network *network, struct gv_path *path, uint32_t from, uint32_t to,
                                  uint64_t now_us, uint32_t bytes, struct gv_random *random)
{
    if ((path->last_us & BROKEN) != 0) {
        return reset(path, now_us, path->last_us & ~BROKEN);
    }
    bool slow = path->consumed_us != AT_ONCE;
    if (slow && queue_full(network, path, now_us)) {
        return (struct gv_transit){.fate = GV_FATE_FULL};
    }
    uint64_t round_trip_us = 2 * (uint64_t)path->latency_us;
    uint64_t through_us = gv_lines_up(&network->lines, from, now_us, bytes);
    uint64_t allowed_us = gv_congestion_send(&path->congestion, now_us, round_trip_us, bytes);
    uint64_t gone_us = through_us > allowed_us ? through_us : allowed_us;
    if (network->resets > 0.0 && gv_random_open(random) < network->resets) {
        return reset(path, now_us, gone_us);
    }
    if (gv_loss_possible(&network->loss)) {
        uint64_t delay_us;
        bool lives = gv_loss_draw(&network->loss, random, bytes, round_trip_us, GV_LINK_DEAD_US, &delay_us);
        gone_us += delay_us;
        if (delay_us > 0) {
            gv_congestion_lost(&path->congestion);
        }
        if (!lives) {
            return reset(path, now_us, gone_us);
        }
    }
    uint64_t open_us = gv_network_reaches(network, from, to, gone_us);
    if (open_us - gone_us > GV_LINK_DEAD_US) {
        return reset(path, now_us, gone_us + GV_LINK_DEAD_US);
    }
    uint64_t arrive_us = open_us + path->latency_us;
    if (network->jitters) {
        arrive_us += draw_us(&network->jitter, random, UINT32_MAX);
    }
    arrive_us = arrive_us > path->last_us ? arrive_us : path->last_us;
    path->last_us = arrive_us;
    if (slow) {
        arrive_us = (arrive_us > path->consumed_us ? arrive_us : path->consumed_us) + network->read_us;
        path->consumed_us = arrive_us;
        path->frames++;
    }
    bool damaged = network->damage > 0.0 && gv_random_open(random) < network->damage;
    return (struct gv_transit){.fate = GV_FATE_DELIVER, .arrive_us = arrive_us, .damaged = damaged};
}

uint64_t gv_network_receive(struct gv_network *network, uint32_t from, uint32_t node, uint64_t now_us, uint32_t bytes)
{
    return gv_lines_down(&network->lines, from, node, now_us, bytes);
}

uint64_t gv_network_reaches(const struct gv_network *network, uint32_t from, uint32_t to, uint64_t now_us)
{
    return network->calm ? now_us : gv_cuts_open_us(&network->cuts, from, to, now_us);
}

void gv_network_calm(struct gv_network *network)
{
    network->calm = true;
    network->damage = network->resets = 0.0;
    gv_loss_init(&network->loss, 0.0);
}

enum gv_err gv_network_cut(struct gv_network *network, const uint8_t *side, uint64_t from_us, uint64_t until_us,
                           enum gv_cut cut, uint64_t flap_us)
{
    return gv_cuts_add(&network->cuts, side, from_us, until_us, cut, flap_us);
}
