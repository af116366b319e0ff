/*
 * Each node's line to the network. Time is kept in nanoseconds here: on a fast line a frame takes less than a
 * microsecond.
 */
#include "line.h"

#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define DIALABLE 1u
#define SLOW 2u

static const uint64_t LINE_SEED = UINT64_C(0x6c696e6573206f66); /* sets these draws apart from other uses of the seed */

/* Nodes of one shard lie together: two threads do not write to the same cache line. */
static struct gv_line *line_of(const struct gv_lines *lines, uint32_t node)
{
    return &lines->line[(size_t)(node % GV_SHARDS) * lines->per_shard + node / GV_SHARDS];
}

static double draw_ns(const struct gv_dist *dist, struct gv_random *random)
{
    if (gv_dist_is_zero(dist)) {
        return 0.0;
    }
    double bytes_per_s = gv_dist_draw(dist, random);
    return 1e9 / (bytes_per_s > GV_BANDWIDTH_LEAST ? bytes_per_s : GV_BANDWIDTH_LEAST);
}

static uint64_t queue(uint64_t *free_ns, double byte_ns, uint64_t now_ns, uint32_t bytes)
{
    uint64_t start_ns = *free_ns > now_ns ? *free_ns : now_ns;
    *free_ns = start_ns + (uint64_t)(byte_ns * (double)bytes);
    return (*free_ns + 999u) / 1000u;
}

enum gv_err gv_lines_init(struct gv_lines *lines, const struct gv_scenario *scenario, uint64_t seed, uint32_t nodes_max)
{
    memset(lines, 0, sizeof *lines);
    bool limited = !gv_dist_is_zero(&scenario->network.up) || !gv_dist_is_zero(&scenario->network.down);
    lines->per_shard = nodes_max / GV_SHARDS + 1;
    lines->traits = calloc((size_t)nodes_max + 1, sizeof *lines->traits);
    if (limited) {
        lines->line = calloc((size_t)GV_SHARDS * lines->per_shard, sizeof *lines->line);
    }
    if (lines->traits == NULL || (limited && lines->line == NULL)) {
        gv_lines_deinit(lines);
        return GV_ERR_NOMEM;
    }
    for (uint32_t node = 0; node < nodes_max; node++) {
        struct gv_random random;
        gv_random_seed(&random, seed ^ LINE_SEED, node);
        bool outbound_only = gv_random_open(&random) < scenario->network.outbound_only;
        bool slow = gv_random_open(&random) < scenario->network.slow_share;
        lines->traits[node] = (uint8_t)((node == 0 || !outbound_only ? DIALABLE : 0) | (slow ? SLOW : 0));
        if (limited) {
            struct gv_line *line = line_of(lines, node);
            line->up_ns = draw_ns(&scenario->network.up, &random);
            line->down_ns = draw_ns(&scenario->network.down, &random);
        }
    }
    return GV_OK;
}

void gv_lines_deinit(struct gv_lines *lines)
{
    free(lines->line);
    free(lines->traits);
    memset(lines, 0, sizeof *lines);
}

bool gv_lines_dialable(const struct gv_lines *lines, uint32_t node)
{
    return (lines->traits[node] & DIALABLE) != 0;
}

bool gv_lines_slow(const struct gv_lines *lines, uint32_t node)
{
    return (lines->traits[node] & SLOW) != 0;
}

uint64_t gv_lines_up(struct gv_lines *lines, uint32_t node, uint64_t now_us, uint32_t bytes)
{
    if (lines->line == NULL) {
        return now_us;
    }
    struct gv_line *line = line_of(lines, node);
    return line->up_ns > 0.0 ? queue(&line->up_free_ns, line->up_ns, now_us * 1000u, bytes) : now_us;
}

uint64_t gv_lines_down(struct gv_lines *lines, uint32_t from, uint32_t node, uint64_t now_us, uint32_t bytes)
{
    if (lines->line == NULL) {
        return now_us;
    }
    struct gv_line *line = line_of(lines, node);
    if (!(line->down_ns > 0.0)) {
        return now_us;
    }
    uint64_t last_ns = now_us * 1000u;
    uint64_t apart_ns = (uint64_t)(line_of(lines, from)->up_ns * (double)bytes); /* the first byte and the last */
    uint64_t through_us = queue(&line->down_free_ns, line->down_ns, last_ns > apart_ns ? last_ns - apart_ns : 0, bytes);
    return through_us > now_us ? through_us : now_us;
}
