/* The modelled network: latencies, queues, losses, cuts, slow readers and damage, each against its definition. */
#include <criterion/criterion.h>
#include <string.h>

#include "learn_help.h"
#include "line.h"
#include "network.h"
#include "sim_help.h"

enum { NODES = 100 };

static struct gv_network *make(const struct gv_scenario *scenario, uint64_t seed, uint32_t nodes)
{
    struct gv_network *network;
    cr_assert_eq(gv_network_new(&network, scenario, seed, nodes), GV_OK);
    return network;
}

/* 20 ms everywhere. */
static struct gv_scenario even(void)
{
    return (struct gv_scenario){.network.latency = help_constant(20000)};
}

static struct gv_random generator(uint64_t stream)
{
    struct gv_random random;
    gv_random_seed(&random, 5, stream);
    return random;
}

static struct gv_path path_of(const struct gv_network *network, uint32_t from, uint32_t to)
{
    struct gv_path path;
    gv_path_init(&path, network, from, to);
    return path;
}

/* Sends and expects delivery; returns when. */
static uint64_t deliver(struct gv_network *network, struct gv_path *path, uint32_t from, uint32_t to, uint64_t now_us,
                        uint32_t bytes, struct gv_random *random)
{
    struct gv_transit transit = gv_network_send(network, path, from, to, now_us, bytes, random);
    cr_assert_eq(transit.fate, GV_FATE_DELIVER);
    return transit.arrive_us;
}

static void expect_reset(struct gv_network *network, struct gv_path *path, uint32_t from, uint32_t to, uint64_t now_us,
                         uint64_t at_us)
{
    struct gv_random random = generator(9);
    struct gv_transit transit = gv_network_send(network, path, from, to, now_us, 100, &random);
    cr_assert_eq(transit.fate, GV_FATE_RESET);
    cr_assert_eq(transit.arrive_us, at_us, "at %lu, expected %lu", (unsigned long)transit.arrive_us,
                 (unsigned long)at_us);
}

/* Cuts the first half of the nodes from the second. */
static void cut_halves(struct gv_network *network, uint64_t from_us, uint64_t until_us, enum gv_cut cut,
                       uint64_t flap_us)
{
    uint8_t side[(NODES + 7) / 8] = {0};
    for (uint32_t n = 0; n < NODES / 2; n++) {
        side[n / 8] = (uint8_t)(side[n / 8] | 1u << (n % 8));
    }
    cr_assert_eq(gv_network_cut(network, side, from_us, until_us, cut, flap_us), GV_OK);
}

/* ---- latency ------------------------------------------------------------------------------------------- */

Test(network, window_is_the_least_latency)
{
    struct gv_scenario scenario = even();
    cr_assert_eq(gv_network_window(&scenario), 20000);
    scenario.network.latency = help_uniform(7000, 90000);
    cr_assert_eq(gv_network_window(&scenario), 7000);
    scenario.network.latency = help_exponential(50000);
    cr_assert_eq(gv_network_window(&scenario), GV_LATENCY_LEAST_US);
    scenario.network.latency = help_constant(0);
    cr_assert_eq(gv_network_window(&scenario), GV_LATENCY_LEAST_US);
}

Test(network, no_latency_is_below_the_window)
{
    static const struct gv_dist kinds[] = {{GV_DIST_CONSTANT, 50, 0},
                                           {GV_DIST_UNIFORM, 3000.7, 9000},
                                           {GV_DIST_EXPONENTIAL, 500, 0},
                                           {GV_DIST_WEIBULL, 500, 0.4},
                                           {GV_DIST_LOGNORMAL, 40000, 2.0}};
    uint64_t seed = help_seed();
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct gv_scenario scenario = {.network.latency = kinds[k]};
        struct gv_network *network = make(&scenario, seed, NODES);
        for (uint32_t from = 0; from < NODES; from++) {
            for (uint32_t to = 0; to < NODES; to++) {
                cr_assert_geq(path_of(network, from, to).latency_us, gv_network_window(&scenario));
            }
        }
        gv_network_free(&network);
    }
}

Test(network, latency_belongs_to_the_pair)
{
    struct gv_scenario scenario = {.network.latency = help_uniform(10000, 80000)};
    uint64_t seed = help_seed();
    struct gv_network *a = make(&scenario, seed, NODES);
    struct gv_network *b = make(&scenario, seed, 2 * NODES); /* the room for nodes does not matter */
    struct gv_network *other = make(&scenario, seed + 1, NODES);
    uint32_t same = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        for (uint32_t j = 0; j < i; j++) {
            uint32_t latency_us = path_of(a, i, j).latency_us;
            cr_assert_eq(path_of(a, j, i).latency_us, latency_us);
            cr_assert_eq(path_of(b, i, j).latency_us, latency_us);
            same += path_of(other, i, j).latency_us == latency_us;
        }
    }
    cr_assert_lt(same, 10);
    gv_network_free(&a);
    gv_network_free(&b);
    gv_network_free(&other);
}

Test(network, latencies_follow_their_distribution)
{
    enum { MANY = 300, PAIRS = MANY * (MANY - 1) / 2 };
    static double drawn[PAIRS];
    static const struct gv_dist kinds[] = {{GV_DIST_UNIFORM, 10000, 80000}, {GV_DIST_WEIBULL, 100000, 3.0}};
    uint64_t seed = help_seed();
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        struct gv_scenario scenario = {.network.latency = kinds[k]};
        struct gv_network *network = make(&scenario, seed, MANY);
        size_t count = 0;
        for (uint32_t i = 0; i < MANY; i++) {
            for (uint32_t j = 0; j < i; j++) {
                drawn[count++] = path_of(network, i, j).latency_us;
            }
        }
        cr_assert_lt(help_distance(drawn, PAIRS, &kinds[k]), HELP_DISTANCE_MAX);
        gv_network_free(&network);
    }
}

Test(network, an_idle_unlimited_one_delivers_after_the_latency)
{
    struct gv_scenario scenario = even();
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_path path = path_of(network, 1, 2);
    struct gv_random random = generator(1);
    cr_assert_eq(deliver(network, &path, 1, 2, 1000, 1000000, &random), 21000);
    cr_assert_eq(deliver(network, &path, 1, 2, 1000, 1, &random), 21000);
    cr_assert_eq(gv_network_receive(network, 1, 2, 21000, 1000000), 21000);
    struct gv_random untouched = generator(1);
    cr_assert_arr_eq(&random, &untouched, sizeof random); /* nothing random about it */
    gv_network_free(&network);
}

Test(network, jitter_follows_its_distribution_and_nothing_overtakes)
{
    enum { FRAMES = 20000 };
    static double added[FRAMES];
    struct gv_scenario scenario = even();
    scenario.network.jitter = help_uniform(0, 30000);
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    struct gv_path busy = path_of(network, 1, 2);
    uint64_t last_us = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct gv_path fresh = path_of(network, 1, 2);
        added[i] = (double)(deliver(network, &fresh, 1, 2, i, 100, &random) - 20000 - i);
        uint64_t arrive_us = deliver(network, &busy, 1, 2, 1000 * (uint64_t)i, 100, &random);
        cr_assert_geq(arrive_us, last_us);
        last_us = arrive_us;
    }
    cr_assert_lt(help_distance(added, FRAMES, &scenario.network.jitter), HELP_DISTANCE_MAX);
    gv_network_free(&network);
}

/* ---- bandwidth ----------------------------------------------------------------------------------------- */

Test(network, frames_of_all_links_queue_on_the_senders_uplink)
{
    struct gv_scenario scenario = even();
    scenario.network.up = help_constant(1e6); /* a microsecond a byte */
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random = generator(1);
    struct gv_path first = path_of(network, 1, 2);
    struct gv_path second = path_of(network, 1, 3);
    struct gv_path back = path_of(network, 2, 1);
    cr_assert_eq(deliver(network, &first, 1, 2, 5000, 1000, &random), 26000);
    cr_assert_eq(deliver(network, &second, 1, 3, 5000, 300, &random), 26300);
    cr_assert_eq(deliver(network, &first, 1, 2, 5500, 700, &random), 27000);
    cr_assert_eq(deliver(network, &back, 2, 1, 5500, 10, &random), 25510);  /* a line of its own */
    cr_assert_eq(deliver(network, &second, 1, 3, 7500, 1, &random), 27501); /* idle since 7000 */
    cr_assert_eq(gv_network_receive(network, 1, 2, 26000, 1000), 26000);
    gv_network_free(&network);
}

Test(network, frames_from_everybody_queue_on_the_receivers_downlink)
{
    struct gv_scenario scenario = even();
    scenario.network.down = help_constant(2e6);
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 1, 2);
    cr_assert_eq(deliver(network, &path, 1, 2, 5000, 1000, &random), 25000);
    cr_assert_eq(gv_network_receive(network, 1, 2, 25000, 1000), 25500);
    cr_assert_eq(gv_network_receive(network, 1, 2, 25000, 2000), 26500);
    cr_assert_eq(gv_network_receive(network, 1, 2, 26400, 2), 26501);
    cr_assert_eq(gv_network_receive(network, 1, 3, 26400, 2), 26401);
    cr_assert_eq(gv_network_receive(network, 1, 2, 30000, 1), 30001); /* half a microsecond, rounded up */
    gv_network_free(&network);
}

Test(network, a_frame_passes_the_uplink_and_the_downlink_at_the_same_time)
{
    struct gv_scenario scenario = even();
    scenario.network.up = help_constant(1e6);
    scenario.network.down = help_constant(1e6);
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 1, 2);
    cr_assert_eq(deliver(network, &path, 1, 2, 5000, 1000, &random), 26000);
    cr_assert_eq(gv_network_receive(network, 1, 2, 26000, 1000), 26000, "its first byte was there a millisecond ago");
    cr_assert_eq(gv_network_receive(network, 3, 2, 26000, 1000), 27000, "behind another's frame it waits");
    gv_network_free(&network);
    scenario.network.down = help_constant(5e5);
    network = make(&scenario, 1, NODES);
    cr_assert_eq(gv_network_receive(network, 1, 2, 26000, 1000), 27000, "the slower line says how long it takes");
    gv_network_free(&network);
}

Test(network, fractions_of_a_microsecond_add_up)
{
    struct gv_scenario scenario = even();
    scenario.network.up = help_constant(125e6); /* 1 Gbit/s: 64 bytes in 0.512 us */
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 1, 2);
    uint64_t last_us = 0;
    for (int i = 0; i < 1000; i++) {
        last_us = deliver(network, &path, 1, 2, 0, 64, &random);
    }
    cr_assert_eq(last_us, 20512);
    gv_network_free(&network);
}

Test(network, bandwidths_belong_to_the_node_and_the_direction)
{
    enum { MANY = 5000 };
    static double up[MANY], down[MANY];
    struct gv_scenario scenario = even();
    scenario.network.up = help_uniform(1e5, 1e6);
    scenario.network.down = help_uniform(1e6, 2e7);
    struct gv_network *network = make(&scenario, help_seed(), MANY);
    struct gv_random random = generator(1);
    const uint32_t bytes = 1000000000;
    for (uint32_t n = 0; n < MANY; n++) {
        struct gv_path path = path_of(network, n, (n + 1) % MANY);
        up[n] = 1e6 * bytes / (double)(deliver(network, &path, n, (n + 1) % MANY, 0, bytes, &random) - 20000);
        down[n] = 1e6 * bytes / (double)gv_network_receive(network, n, n, 0, bytes);
    }
    cr_assert_lt(help_distance(up, MANY, &scenario.network.up), HELP_DISTANCE_MAX);
    cr_assert_lt(help_distance(down, MANY, &scenario.network.down), HELP_DISTANCE_MAX);
    gv_network_free(&network);
}

Test(network, a_drawn_bandwidth_is_never_nothing)
{
    struct gv_scenario scenario = even();
    scenario.network.up = help_constant(1e-9);
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 1, 2);
    cr_assert_eq(deliver(network, &path, 1, 2, 0, 1, &random), 28000); /* a byte in 8 ms */
    gv_network_free(&network);
}

Test(network, a_line_of_two_kilobits_has_no_more)
{
    struct gv_scenario scenario = even();
    scenario.network.up = help_constant(250);
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 1, 2);
    cr_assert_eq(deliver(network, &path, 1, 2, 0, 100, &random), 420000);
    gv_network_free(&network);
}

Test(network, takes_at_most_40_bytes_a_node)
{
    cr_assert_leq(sizeof(struct gv_line) + sizeof(uint8_t), 40);
}

/* ---- the congestion window --------------------------------------------------------------------------------- */

Test(network, a_frame_larger_than_the_window_waits_for_acknowledgements)
{
    struct gv_scenario scenario = even();
    scenario.network.initial_window = 10;
    struct gv_network *network = make(&scenario, help_seed(), 3);
    struct gv_random random = generator(0);
    struct gv_path path = path_of(network, 0, 1);
    cr_assert_eq(deliver(network, &path, 0, 1, 0, 14481, &random), 40000 + 20000);
    cr_assert_eq(deliver(network, &path, 0, 1, 10, 100, &random), 40000 + 20000, "nothing overtakes it");
    struct gv_path other = path_of(network, 0, 2);
    cr_assert_eq(deliver(network, &other, 0, 2, 10, 14480, &random), 20010, "each link has a window of its own");
    gv_network_free(&network);
}

Test(network, a_window_costs_nothing_on_a_line_that_is_slower)
{
    struct gv_scenario scenario = even();
    scenario.network.up = help_constant(125000); /* 2.5 KB in a latency */
    scenario.network.initial_window = 10;
    struct gv_network *network = make(&scenario, help_seed(), 2);
    struct gv_random random = generator(0);
    struct gv_path path = path_of(network, 0, 1);
    cr_assert_eq(deliver(network, &path, 0, 1, 0, 125000, &random), 1000000 + 20000);
    gv_network_free(&network);
}

Test(network, a_loss_halves_the_window)
{
    struct gv_scenario scenario = even();
    scenario.network.loss = 0.5;
    scenario.network.initial_window = 10;
    struct gv_network *network = make(&scenario, help_seed(), 2);
    struct gv_random random = generator(0);
    struct gv_path path = path_of(network, 0, 1);
    uint64_t now_us = 0;
    for (uint64_t waited_us = 0; waited_us == 0; now_us += 10000000) {
        struct gv_transit transit = gv_network_send(network, &path, 0, 1, now_us, 100, &random);
        cr_assert_eq(transit.fate, GV_FATE_DELIVER);
        waited_us = transit.arrive_us - now_us - 20000;
    }
    gv_network_calm(network);
    cr_assert_eq(deliver(network, &path, 0, 1, now_us, 7241, &random), now_us + 40000 + 20000, "of ten segments, five");
    gv_network_free(&network);
}

/* ---- loss ---------------------------------------------------------------------------------------------- */

Test(network, a_lost_segment_delays_its_frame_and_those_behind_it)
{
    enum { FRAMES = 50000 };
    struct gv_scenario scenario = even();
    scenario.network.loss = 0.02;
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    struct gv_path path = path_of(network, 1, 2);
    struct gv_path other = path_of(network, 1, 3);
    size_t delayed = 0;
    for (uint64_t i = 0; i < FRAMES; i++) { /* far enough apart for the longest wait */
        uint64_t now_us = i * 20000000;
        uint64_t arrive_us = deliver(network, &path, 1, 2, now_us, 1448, &random);
        uint64_t wait_us = arrive_us - now_us - 20000;
        unsigned losses = 0;
        while (losses < 6 && wait_us != UINT64_C(200000) * ((UINT64_C(1) << losses) - 1)) {
            losses++;
        }
        cr_assert_lt(losses, 6, "%lu us", (unsigned long)wait_us);
        if (wait_us > 0) {
            delayed++;
            /* Right behind it: not before it, on that link only. */
            cr_assert_geq(deliver(network, &path, 1, 2, now_us + 1, 1, &random), arrive_us);
            cr_assert_geq(deliver(network, &other, 1, 3, now_us + 1, 1, &random), now_us + 20001);
        }
    }
    help_expect_share(delayed, FRAMES, 0.02);
    gv_network_free(&network);
}

Test(network, a_frame_behind_a_lost_one_arrives_with_it)
{
    struct gv_scenario scenario = even();
    scenario.network.loss = 0.5;
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random = generator(2);
    struct gv_path path = path_of(network, 1, 2);
    struct gv_path link = path_of(network, 1, 2);
    int met = 0;
    for (uint64_t i = 0; i < 200; i++) { /* until a frame that was lost is followed by one that was not */
        struct gv_random before = random;
        path = link;
        struct gv_transit first = gv_network_send(network, &path, 1, 2, 0, 100, &random);
        struct gv_path alone = link;
        struct gv_random again = random;
        struct gv_transit second_alone = gv_network_send(network, &alone, 1, 2, 5, 100, &again);
        struct gv_transit second = gv_network_send(network, &path, 1, 2, 5, 100, &random);
        if (first.fate == GV_FATE_DELIVER && second_alone.fate == GV_FATE_DELIVER &&
            first.arrive_us > second_alone.arrive_us) {
            cr_assert_eq(second.arrive_us, first.arrive_us);
            met++;
        }
        random = before;
        (void)gv_random_next(&random);
    }
    cr_assert_gt(met, 10);
    gv_network_free(&network);
}

Test(network, waits_grow_with_the_round_trip)
{
    struct gv_scenario scenario = {.network.latency = help_constant(100000), .network.loss = 0.5};
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random = generator(1);
    int delayed = 0;
    for (int i = 0; i < 100; i++) {
        struct gv_path path = path_of(network, 1, 2);
        struct gv_transit transit = gv_network_send(network, &path, 1, 2, 0, 100, &random);
        if (transit.fate == GV_FATE_DELIVER && transit.arrive_us > 100000) {
            cr_assert_eq((transit.arrive_us - 100000) % 400000, 0); /* two round trips of 200 ms */
            delayed++;
        }
    }
    cr_assert_gt(delayed, 20);
    gv_network_free(&network);
}

Test(network, six_losses_in_a_row_reset_the_link_for_good)
{
    struct gv_scenario scenario = even();
    scenario.network.loss = 1.0;
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_path path = path_of(network, 1, 2);
    expect_reset(network, &path, 1, 2, 7, 12600007); /* 200 ms x (1 + 2 + 4 + 8 + 16 + 32) */
    gv_network_calm(network);
    expect_reset(network, &path, 1, 2, 5000000, 12600007);  /* what follows is lost with it */
    expect_reset(network, &path, 1, 2, 50000000, 50020000); /* and never before the past */
    struct gv_path fresh = path_of(network, 1, 2);
    struct gv_random random = generator(1);
    cr_assert_eq(deliver(network, &fresh, 1, 2, 5000000, 100, &random), 5020000);
    gv_network_free(&network);
}

Test(network, resets_come_as_often_as_six_losses)
{
    enum { FRAMES = 50000 };
    struct gv_scenario scenario = even();
    scenario.network.loss = 0.5;
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    size_t resets = 0;
    for (int i = 0; i < FRAMES; i++) {
        struct gv_path path = path_of(network, 1, 2);
        resets += gv_network_send(network, &path, 1, 2, 0, 100, &random).fate == GV_FATE_RESET;
    }
    help_expect_share(resets, FRAMES, 1.0 / 64.0);
    gv_network_free(&network);
}

/* ---- cuts ---------------------------------------------------------------------------------------------- */

Test(network, frames_into_a_cut_arrive_in_order_after_it_heals)
{
    struct gv_scenario scenario = even();
    struct gv_network *network = make(&scenario, 1, NODES);
    cut_halves(network, 1000000, 9000000, GV_CUT_CLEAN, 0);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 0, 99);
    struct gv_path same = path_of(network, 0, 1);
    cr_assert_eq(deliver(network, &path, 0, 99, 999999, 10, &random), 1019999);
    cr_assert_eq(deliver(network, &path, 0, 99, 1000000, 10, &random), 9020000);
    cr_assert_eq(deliver(network, &path, 0, 99, 8999999, 10, &random), 9020000);
    cr_assert_eq(deliver(network, &path, 0, 99, 9000000, 10, &random), 9020000);
    cr_assert_eq(deliver(network, &path, 0, 99, 9000001, 10, &random), 9020001);
    cr_assert_eq(deliver(network, &same, 0, 1, 2000000, 10, &random), 2020000);
    cr_assert_eq(gv_network_reaches(network, 0, 99, 2000000), 9000000);
    cr_assert_eq(gv_network_reaches(network, 99, 0, 2000000), 9000000);
    cr_assert_eq(gv_network_reaches(network, 0, 99, 999999), 999999);
    gv_network_free(&network);
}

Test(network, a_cut_longer_than_a_connection_lives_resets_the_link)
{
    struct gv_scenario scenario = even();
    struct gv_network *network = make(&scenario, 1, NODES);
    cut_halves(network, 1000000, 20000000, GV_CUT_CLEAN, 0);
    struct gv_path path = path_of(network, 0, 99);
    expect_reset(network, &path, 0, 99, 4999999, 19999999); /* 15 s later; it would have been held for 15.000001 s */
    expect_reset(network, &path, 0, 99, 6000000, 19999999);
    struct gv_random random = generator(1);
    struct gv_path other = path_of(network, 1, 99);
    cr_assert_eq(deliver(network, &other, 1, 99, 5000000, 10, &random), 20020000); /* held for exactly 15 s */
    gv_network_free(&network);
}

Test(network, a_one_way_cut_lets_the_second_side_speak)
{
    struct gv_scenario scenario = even();
    struct gv_network *network = make(&scenario, 1, NODES);
    cut_halves(network, 0, 60000000, GV_CUT_ONE_WAY, 0);
    struct gv_random random = generator(1);
    struct gv_path there = path_of(network, 0, 99);
    struct gv_path back = path_of(network, 99, 0);
    expect_reset(network, &there, 0, 99, 3, 15000003);
    cr_assert_eq(deliver(network, &back, 99, 0, 3, 10, &random), 20003);
    gv_network_free(&network);
}

Test(network, a_flapping_cut_holds_frames_for_a_phase)
{
    struct gv_scenario scenario = even();
    struct gv_network *network = make(&scenario, 1, NODES);
    cut_halves(network, 1000000, 61000000, GV_CUT_FLAPPING, 10000000);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 99, 0);
    cr_assert_eq(deliver(network, &path, 99, 0, 1000000, 10, &random), 11020000);
    cr_assert_eq(deliver(network, &path, 99, 0, 11000000, 10, &random), 11020000);
    cr_assert_eq(deliver(network, &path, 99, 0, 20999999, 10, &random), 21019999);
    cr_assert_eq(deliver(network, &path, 99, 0, 21000000, 10, &random), 31020000);
    gv_network_free(&network);
}

Test(network, overlapping_cuts_hold_until_the_last_opens)
{
    struct gv_scenario scenario = even();
    struct gv_network *network = make(&scenario, 1, NODES);
    cut_halves(network, 1000000, 4000000, GV_CUT_CLEAN, 0);
    cut_halves(network, 3500000, 8000000, GV_CUT_CLEAN, 0);
    cut_halves(network, 9000000, 10000000, GV_CUT_CLEAN, 0);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 0, 99);
    cr_assert_eq(deliver(network, &path, 0, 99, 2000000, 10, &random), 8020000);
    gv_network_free(&network);
}

Test(network, a_frame_waits_on_the_uplink_before_it_meets_the_cut)
{
    struct gv_scenario scenario = even();
    scenario.network.up = help_constant(1e6);
    struct gv_network *network = make(&scenario, 1, NODES);
    cut_halves(network, 1000000, 4000000, GV_CUT_CLEAN, 0);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 0, 99);
    cr_assert_eq(deliver(network, &path, 0, 99, 0, 999999, &random), 1019999);
    cr_assert_eq(deliver(network, &path, 0, 99, 0, 1, &random), 4020000);
    gv_network_free(&network);
}

/* ---- slow readers, damage, and what ends with the faults ----------------------------------------------- */

Test(network, a_slow_readers_queue_is_full_at_64)
{
    struct gv_scenario scenario = even();
    scenario.network.slow_share = 1.0;
    scenario.network.slow_rate = 4.0; /* 250 ms each */
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 1, 2);
    for (uint64_t i = 0; i < GV_SEND_QUEUE_FRAMES; i++) {
        cr_assert_eq(deliver(network, &path, 1, 2, 1000, 10, &random), 21000 + (i + 1) * 250000);
    }
    struct gv_path kept = path;
    cr_assert_eq(gv_network_send(network, &path, 1, 2, 1000, 10, &random).fate, GV_FATE_FULL);
    cr_assert_eq(gv_network_send(network, &path, 1, 2, 270999, 10, &random).fate, GV_FATE_FULL);
    cr_assert_eq(path.consumed_us, kept.consumed_us); /* what is refused delays nobody */
    cr_assert_eq(path.last_us, kept.last_us);
    cr_assert_eq(deliver(network, &path, 1, 2, 271000, 10, &random), 21000 + 65 * 250000); /* the first one is read */
    cr_assert_eq(gv_network_send(network, &path, 1, 2, 271000, 10, &random).fate, GV_FATE_FULL);
    struct gv_path other = path_of(network, 3, 2);
    cr_assert_eq(deliver(network, &other, 3, 2, 1000, 10, &random), 271000); /* each link has its queue */
    gv_network_free(&network);
}

Test(network, what_follows_on_a_path_comes_behind_what_its_reader_has_not_read)
{
    struct gv_scenario scenario = even();
    for (int slow = 0; slow < 2; slow++) {
        scenario.network.slow_share = slow;
        scenario.network.slow_rate = 4.0;
        struct gv_network *network = make(&scenario, 1, NODES);
        struct gv_random random = generator(1);
        struct gv_path path = path_of(network, 1, 2);
        cr_assert_eq(gv_path_through_us(&path), 0, "nothing was sent");
        for (uint32_t i = 0; i < 3; i++) {
            uint64_t read_us = deliver(network, &path, 1, 2, 1000, 10, &random);
            cr_assert_eq(gv_path_through_us(&path), read_us);
        }
        gv_network_free(&network);
    }
}

Test(network, a_slow_reader_keeps_up_with_what_it_can_read)
{
    struct gv_scenario scenario = {.network.latency = help_constant(2000000)}; /* many fit on the way */
    scenario.network.slow_share = 1.0;
    scenario.network.slow_rate = 10.0;
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 1, 2);
    for (uint64_t i = 0; i < 5000; i++) {
        cr_assert_eq(deliver(network, &path, 1, 2, i * 100000, 10, &random), i * 100000 + 2100000);
    }
    gv_network_free(&network);
}

Test(network, few_frames_on_a_long_way_do_not_fill_the_queue)
{
    struct gv_scenario scenario = {.network.latency = help_constant(2000000)};
    scenario.network.slow_share = 1.0;
    scenario.network.slow_rate = 1000.0; /* 2,000 of its periods fit into the latency */
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 1, 2);
    for (uint64_t i = 0; i < 1000; i++) {
        (void)deliver(network, &path, 1, 2, i * 2500000, 10, &random);
        (void)deliver(network, &path, 1, 2, i * 2500000, 10, &random);
    }
    gv_network_free(&network);
}

Test(network, shares_of_nodes_are_slow_outbound_only_and_neither)
{
    enum { MANY = 20000 };
    struct gv_scenario scenario = even();
    scenario.network.outbound_only = 0.5;
    scenario.network.slow_share = 0.1;
    scenario.network.slow_rate = 1.0;
    struct gv_network *network = make(&scenario, help_seed(), MANY);
    struct gv_random random = generator(1);
    size_t hidden = 0;
    size_t slow = 0;
    size_t both = 0;
    for (uint32_t n = 1; n < MANY; n++) {
        struct gv_path path = path_of(network, 0, n);
        bool is_slow = deliver(network, &path, 0, n, 0, 10, &random) > 20000;
        bool is_hidden = !gv_network_dialable(network, n);
        slow += is_slow;
        hidden += is_hidden;
        both += is_slow && is_hidden;
    }
    help_expect_share(hidden, MANY - 1, 0.5);
    help_expect_share(slow, MANY - 1, 0.1);
    help_expect_share(both, MANY - 1, 0.05);
    gv_network_free(&network);
}

Test(network, the_first_node_can_always_be_dialled)
{
    struct gv_scenario scenario = even();
    scenario.network.outbound_only = 1.0;
    struct gv_network *network = make(&scenario, help_seed(), NODES);
    cr_assert(gv_network_dialable(network, 0));
    cr_assert_not(gv_network_dialable(network, 1));
    gv_network_free(&network);
}

Test(network, damages_as_many_frames_as_asked)
{
    enum { FRAMES = 50000 };
    struct gv_scenario scenario = even();
    scenario.network.damage = 0.03;
    struct gv_network *network = make(&scenario, 1, NODES);
    struct gv_random random;
    gv_random_seed(&random, help_seed(), 0);
    struct gv_path path = path_of(network, 1, 2);
    size_t damaged = 0;
    for (uint64_t i = 0; i < FRAMES; i++) {
        damaged += gv_network_send(network, &path, 1, 2, i, 10, &random).damaged;
    }
    help_expect_share(damaged, FRAMES, 0.03);
    gv_network_free(&network);
}

Test(network, is_calm_after_calm)
{
    struct gv_scenario scenario = even();
    scenario.network.damage = 0.5;
    scenario.network.loss = 0.5;
    struct gv_network *network = make(&scenario, 1, NODES);
    cut_halves(network, 0, UINT64_MAX, GV_CUT_CLEAN, 0);
    gv_network_calm(network);
    struct gv_random random = generator(1);
    struct gv_path path = path_of(network, 0, 99);
    for (uint64_t i = 0; i < 1000; i++) {
        struct gv_transit transit = gv_network_send(network, &path, 0, 99, i, 10000, &random);
        cr_assert_eq(transit.fate, GV_FATE_DELIVER);
        cr_assert_eq(transit.arrive_us, i + 20000);
        cr_assert_not(transit.damaged);
    }
    cr_assert_eq(gv_network_reaches(network, 0, 99, 5), 5);
    gv_network_free(&network);
}

/* ---- determinism --------------------------------------------------------------------------------------- */

static const uint32_t TURNS = 400;

/* Lets every node send TURNS frames to its successor and receive as many; `by_node`: one node after another. */
static void run(struct gv_network *network, bool by_node, uint64_t *log)
{
    static struct gv_path path[NODES];
    static struct gv_random random[NODES];
    for (uint32_t n = 0; n < NODES; n++) {
        path[n] = path_of(network, n, (n + 1) % NODES);
        gv_random_seed(&random[n], 3, n);
    }
    for (uint32_t i = 0; i < NODES * TURNS; i++) {
        uint32_t n = by_node ? i / TURNS : i % NODES;
        uint32_t turn = by_node ? i % TURNS : i / NODES;
        uint64_t now_us = 50000 * (uint64_t)turn;
        uint32_t bytes = 1 + (turn * 7919 + n * 104729) % 5000;
        struct gv_transit transit = gv_network_send(network, &path[n], n, (n + 1) % NODES, now_us, bytes, &random[n]);
        uint64_t *entry = &log[((size_t)n * TURNS + turn) * 2];
        entry[0] = transit.arrive_us * 8 + (uint64_t)transit.fate * 2 + transit.damaged;
        entry[1] = gv_network_receive(network, (n + 1) % NODES, n, now_us, bytes);
    }
}

Test(network, does_not_depend_on_the_order_among_nodes)
{
    static uint64_t first[NODES * 400 * 2], second[NODES * 400 * 2];
    struct gv_scenario scenario = {.network = {.latency = help_uniform(5000, 50000),
                                               .jitter = help_exponential(3000),
                                               .up = help_uniform(2e4, 2e5),
                                               .down = help_uniform(2e4, 2e5),
                                               .loss = 0.1,
                                               .slow_share = 0.2,
                                               .slow_rate = 15.0,
                                               .damage = 0.05}};
    uint64_t seed = help_seed();
    struct gv_network *a = make(&scenario, seed, NODES);
    struct gv_network *b = make(&scenario, seed, NODES);
    cut_halves(a, 2000000, 9000000, GV_CUT_FLAPPING, 700000);
    cut_halves(b, 2000000, 9000000, GV_CUT_FLAPPING, 700000);
    run(a, true, first);
    run(b, false, second);
    cr_assert_eq(memcmp(first, second, sizeof first), 0);
    gv_network_free(&a);
    gv_network_free(&b);
}
