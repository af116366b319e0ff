/*
 * Cuts of the modelled network: when is the way from one node to another open?
 */
#include "cuts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static unsigned side_of(const struct gv_cut_line *line, uint32_t node)
{
    return ((unsigned)line->side[node / 8u] >> (node % 8u)) & 1u;
}

/* Whether the line lies between the two at all. */
static bool parts(const struct gv_cut_line *line, uint32_t from, uint32_t to)
{
    unsigned a = side_of(line, from);
    unsigned b = side_of(line, to);
    return line->cut == GV_CUT_ONE_WAY ? a > b : a != b;
}

/* The first time at or after now_us at which this line is open. */
static uint64_t line_open_us(const struct gv_cut_line *line, uint64_t now_us)
{
    if (now_us < line->from_us || now_us >= line->until_us) {
        return now_us;
    }
    if (line->flap_us == 0) {
        return line->until_us;
    }
    uint64_t phase = (now_us - line->from_us) / line->flap_us;
    if (phase % 2u == 1u) {
        return now_us;
    }
    uint64_t into_us = (now_us - line->from_us) % line->flap_us;
    uint64_t left_us = line->flap_us - into_us;
    return left_us < line->until_us - now_us ? now_us + left_us : line->until_us;
}

void gv_cuts_init(struct gv_cuts *cuts, uint32_t nodes_max)
{
    memset(cuts, 0, sizeof *cuts);
    cuts->nodes_max = nodes_max;
}

void gv_cuts_deinit(struct gv_cuts *cuts)
{
    for (uint32_t i = 0; i < cuts->count; i++) {
        free(cuts->line[i].side);
    }
    free(cuts->line);
    memset(cuts, 0, sizeof *cuts);
}

enum gv_err gv_cuts_add(struct gv_cuts *cuts, const uint8_t *side, uint64_t from_us, uint64_t until_us, enum gv_cut cut,
                        uint64_t flap_us)
{
    if (until_us <= from_us) {
        return GV_OK;
    }
    if (cuts->count == cuts->capacity) {
        uint32_t capacity = cuts->capacity > 0 ? 2 * cuts->capacity : 8;
        struct gv_cut_line *grown = realloc(cuts->line, capacity * sizeof *grown);
        if (grown == NULL) {
            return GV_ERR_NOMEM;
        }
        cuts->line = grown;
        cuts->capacity = capacity;
    }
    size_t bytes = ((size_t)cuts->nodes_max + 7) / 8;
    uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
    if (copy == NULL) {
        return GV_ERR_NOMEM;
    }
    memcpy(copy, side, bytes);
    cuts->line[cuts->count++] = (struct gv_cut_line){
        .side = copy,
        .from_us = from_us,
        .until_us = until_us,
        .flap_us = cut == GV_CUT_FLAPPING ? flap_us : 0,
        .cut = cut,
    };
    cuts->ends_us = until_us > cuts->ends_us ? until_us : cuts->ends_us;
    return GV_OK;
}

uint64_t gv_cuts_open_us(const struct gv_cuts *cuts, uint32_t from, uint32_t to, uint64_t now_us)
{
    /* When one line opens, another may have closed: until all agree. A line's answer never goes back in time, and each
       round but the last passes the end of a closed phase, so this ends. */
    uint64_t at_us = now_us;
    bool moved = at_us < cuts->ends_us;
    while (moved && at_us < cuts->ends_us) {
        moved = false;
        for (uint32_t i = 0; i < cuts->count; i++) {
            const struct gv_cut_line *line = &cuts->line[i];
            if (at_us >= line->from_us && at_us < line->until_us && parts(line, from, to)) {
                uint64_t open_us = line_open_us(line, at_us);
                moved = moved || open_us > at_us;
                at_us = open_us;
            }
        }
    }
    return at_us;
}
