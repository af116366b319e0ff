/*
 * Why a node has no neighbour: see lonely.h.
 */
#include "lonely.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"

struct line {
    char *text;
    size_t used;
    bool more; /* a part stands there already */
};

GV_PRINTF(2, 3)
static void add(struct line *line, const char *format, ...)
{
    va_list args;
    size_t room = GV_LONELY_BYTES - line->used;
    va_start(args, format);
    int length = vsnprintf(line->text + line->used, room, format, args);
    va_end(args);
    line->used += length < 0 ? 0 : ((size_t)length < room ? (size_t)length : room - 1);
}

static void part(struct line *line)
{
    add(line, line->more ? "; " : "no neighbour: ");
    line->more = true;
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void add_reason(struct line *line, const uint64_t counts[GV_REASONS])
{
    enum gv_err most = gv_tally_most(counts);
    uint32_t index = gv_reason_index(most);
    bool only = index < GV_REASONS && counts[index] == gv_tally_sum(counts);
    add(line, " (%s%s)", only ? "" : "mostly: ", gv_err_text((int)most));
}

static void add_since(struct line *line, const struct gv_lonely *facts, uint64_t then_us)
{
    add(line, ", the last %" PRIu64 " s ago", gv_elapsed_us(facts->now_us, then_us) / 1000000u);
}

/* Dials that nobody answered: those that were answered with a refusal are told apart. */
static void add_dials(struct line *line, const struct gv_lonely *facts)
{
    const struct gv_core_stats *core = facts->core;
    uint64_t unanswered[GV_REASONS];
    for (uint32_t i = 0; i < GV_REASONS; i++) {
        uint64_t refused = facts->tally->refused_by_peers[i];
        unanswered[i] = core->dial_failures[i] > refused ? core->dial_failures[i] - refused : 0;
    }
    uint64_t sum = gv_tally_sum(unanswered);
    if (sum == 0) {
        return;
    }
    part(line);
    add(line, "%" PRIu64 " dial%s", sum, plural(sum));
    if (core->seed_count > 0) {
        add(line, " to %u seed%s", core->seed_count, plural(core->seed_count));
    }
    if (facts->addresses > 0) {
        add(line, "%s%u known address%s", core->seed_count > 0 ? " and " : " to ", facts->addresses,
            facts->addresses == 1 ? "" : "es");
    }
    add(line, " failed");
    add_reason(line, unanswered);
    if (core->last_dial_error != facts->tally->last_refused) {
        add_since(line, facts, core->last_dial_failure_us);
    }
}

static void add_refused(struct line *line, const struct gv_lonely *facts)
{
    uint64_t sum = gv_tally_sum(facts->tally->refused_by_peers);
    if (sum > 0) {
        part(line);
        add(line, "refused %" PRIu64 " time%s", sum, plural(sum));
        add_reason(line, facts->tally->refused_by_peers);
        add_since(line, facts, facts->tally->last_refused_us);
    }
}

/* What this node holds against others. */
static void add_own(struct line *line, const struct gv_lonely *facts)
{
    static const enum gv_err about_members[] = {GV_ERR_SIGNATURE, GV_ERR_CHAIN,      GV_ERR_SWARM,       GV_ERR_EXPIRED,
                                                GV_ERR_USED_UP,   GV_ERR_CLOSED,     GV_ERR_REVOKED,     GV_ERR_VERSION,
                                                GV_ERR_STALE,     GV_ERR_COPIED_KEY, GV_ERR_KEY_MISMATCH};
    uint64_t counts[GV_REASONS] = {0};
    for (size_t i = 0; i < sizeof about_members / sizeof about_members[0]; i++) {
        uint32_t index = gv_reason_index(about_members[i]);
        counts[index] = facts->core->refusals[index];
    }
    uint64_t sum = gv_tally_sum(counts);
    if (sum > 0) {
        part(line);
        add(line, "this node refused others %" PRIu64 " time%s", sum, plural(sum));
        add_reason(line, counts);
    }
    sum = gv_tally_sum(facts->tally->shut_out);
    if (sum > 0) {
        part(line);
        add(line, "it shut peers out %" PRIu64 " time%s", sum, plural(sum));
        add_reason(line, facts->tally->shut_out);
    }
}

/* Where nothing has gone wrong, what there is to be seen. */
static void add_state(struct line *line, const struct gv_lonely *facts)
{
    const struct gv_core_stats *core = facts->core;
    uint32_t begun = 0;
    uint32_t under_way = 0;
    for (uint32_t i = 0; i < GV_TARGETS; i++) {
        begun += core->dials[i].begun;
        under_way += core->dials[i].under_way;
    }
    part(line);
    if (core->links > 0) {
        uint64_t declined = core->declined[gv_reason_index(GV_ERR_CROWDED)];
        add(line, "linked to %u peer%s", core->links, plural(core->links));
        if (declined > 0) {
            add(line, ", which turned %" PRIu64 " request%s for a place down", declined, plural(declined));
        }
    } else if (under_way > 0) {
        add(line, "%u dial%s under way", under_way, under_way == 1 ? " is" : "s are");
    } else if (core->seed_count > 0 || facts->addresses > 0 || core->peers_known > 0) {
        add(line, begun > 0 ? "it has dialled only itself" : "nothing has been tried yet");
    } else if (!facts->listens) {
        add(line, "it knows nobody to dial and does not listen");
    } else if (facts->tally->seen_count > 0) {
        add(line, "it knows nobody to dial, and nobody of those who dialled it is there now");
    } else if (facts->endpoint[0] != '\0') {
        add(line, "it knows nobody to dial, and nobody has dialled it at %s", facts->endpoint);
    } else {
        add(line, "it knows nobody to dial, and nobody has dialled it: its own address is not known either (set "
                  "advertise)");
    }
}

bool gv_lonely_why(char out[GV_LONELY_BYTES], const struct gv_lonely *facts)
{
    struct line line = {.text = out};
    out[0] = '\0';
    if (facts->core->peers_active > 0) {
        return false;
    }
    add_dials(&line, facts);
    add_refused(&line, facts);
    add_own(&line, facts);
    if (!line.more || facts->core->links > 0) {
        add_state(&line, facts);
    }
    return true;
}
