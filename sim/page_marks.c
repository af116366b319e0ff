/*
 * Faults in the plots: a letter at the moment each strikes, and what the letters mean.
 */
#include <string.h>

#include "html.h"
#include "number.h"
#include "page_parts.h"

/* Marks closer than this share of the time axis bear one label together. */
#define LABEL_SHARE 0.03

static bool same_fault(const struct gv_fault *a, const struct gv_fault *b)
{
    return a->kind == b->kind && a->share == b->share && a->seeds == b->seeds && a->count == b->count &&
           a->at_us == b->at_us && a->until_us == b->until_us && a->cut == b->cut && a->flap_us == b->flap_us;
}

static bool same_faults(const struct gv_page_run *runs, uint32_t count)
{
    const struct gv_scenario *first = &runs[0].scenario;
    for (uint32_t i = 1; i < count; i++) {
        const struct gv_scenario *other = &runs[i].scenario;
        if (other->fault_count != first->fault_count || other->faults_end_us != first->faults_end_us) {
            return false;
        }
        for (uint32_t f = 0; f < first->fault_count; f++) {
            if (!same_fault(&first->faults[f], &other->faults[f])) {
                return false;
            }
        }
    }
    return true;
}

static char letter_of(uint32_t index)
{
    return (char)(index < 26 ? 'A' + (int)index : 'a' + (int)(index - 26) % 26);
}

/* By time, in place; those of one moment keep their order. */
static void sort_faults(struct gv_scenario *scenario)
{
    for (uint32_t i = 1; i < scenario->fault_count; i++) {
        struct gv_fault fault = scenario->faults[i];
        uint32_t at = i;
        for (; at > 0 && scenario->faults[at - 1].at_us > fault.at_us; at--) {
            scenario->faults[at] = scenario->faults[at - 1];
        }
        scenario->faults[at] = fault;
    }
}

_Static_assert(GV_SCENARIO_FAULTS_MAX + 1 <= 52 && GV_SCENARIO_FAULTS_MAX + 1 <= GV_FIGURE_MARKS_MAX,
               "each fault and their end has a letter");

/* Leaves one label for marks that are too close to have their own. */
static void join_labels(struct gv_figure_mark *marks, uint32_t count, double end_s)
{
    for (uint32_t i = 0, next; i < count; i = next) {
        next = i + 1;
        while (next < count && marks[next].from_s - marks[i].from_s < LABEL_SHARE * end_s) {
            marks[next++].letter[0] = '\0';
        }
        if (next > i + 1) {
            (void)snprintf(marks[i].letter, sizeof marks[i].letter, "%c%s%c", letter_of(i),
                           next > i + 2 ? "\xe2\x80\x93" : ",", letter_of(next - 1));
        }
    }
}

uint32_t gv_page_marks(struct gv_figure_mark *marks, const struct gv_page_run *runs, uint32_t count)
{
    struct gv_scenario scenario = runs[0].scenario;
    uint32_t made = 0;
    if (!same_faults(runs, count)) {
        return 0;
    }
    sort_faults(&scenario);
    for (; made < scenario.fault_count; made++) {
        const struct gv_fault *fault = &scenario.faults[made];
        uint64_t until = fault->until_us > fault->at_us ? fault->until_us : fault->at_us;
        marks[made] = (struct gv_figure_mark){.from_s = (double)fault->at_us / 1e6, .until_s = (double)until / 1e6};
        (void)snprintf(marks[made].letter, sizeof marks[made].letter, "%c", letter_of(made));
    }
    if (scenario.faults_end_us > 0) {
        double end_s = (double)scenario.faults_end_us / 1e6;
        marks[made] = (struct gv_figure_mark){.from_s = end_s, .until_s = end_s};
        (void)snprintf(marks[made].letter, sizeof marks[made].letter, "%c", letter_of(made));
        made++;
    }
    join_labels(marks, made, (double)scenario.swarm.duration_us / 1e6);
    return made;
}

static void write_fault(FILE *out, const struct gv_fault *fault)
{
    static const char *const kinds[] = {
        "nodes killed",         "nodes vanish without a word",
        "nodes paused",         "nodes killed and restarted from the last checkpoint",
        "nodes leave for good", "nodes revoked",
        "keys copied",          "nodes cut off from the others",
        "nodes arrive",
    };
    _Static_assert(sizeof kinds / sizeof kinds[0] == GV_FAULT_KINDS, "each fault has a name");
    char at[GV_NUMBER_CAP], until[GV_NUMBER_CAP];
    gv_number_span(at, sizeof at, (double)fault->at_us / 1e6);
    gv_number_span(until, sizeof until, (double)fault->until_us / 1e6);
    if (fault->seeds) {
        (void)fputs("all seed ", out);
    } else if (fault->share > 0.0) {
        (void)fprintf(out, "%g\xc2\xa0%% of the ", 100.0 * fault->share);
    } else {
        (void)fprintf(out, "%u ", fault->count);
    }
    (void)fputs(kinds[fault->kind], out);
    if (fault->kind == GV_FAULT_PARTITION && fault->cut == GV_CUT_ONE_WAY) {
        (void)fputs(" in one direction", out);
    }
    if (fault->kind == GV_FAULT_PARTITION && fault->cut == GV_CUT_FLAPPING) {
        char each[GV_NUMBER_CAP];
        gv_number_span(each, sizeof each, (double)fault->flap_us / 1e6);
        (void)fprintf(out, ", healed and cut again every %s,", each);
    }
    if (fault->until_us > fault->at_us) {
        (void)fprintf(out, " from %s to %s", at, until);
    } else {
        (void)fprintf(out, " at %s", at);
    }
}

void gv_page_legend(FILE *out, const struct gv_page_run *runs, uint32_t count)
{
    struct gv_scenario scenario = runs[0].scenario;
    if ((scenario.fault_count == 0 && scenario.faults_end_us == 0) || !same_faults(runs, count)) {
        return;
    }
    sort_faults(&scenario);
    (void)fputs("<p>Letters in the plots mark what was done to the swarm: ", out);
    uint32_t i = 0;
    for (; i < scenario.fault_count; i++) {
        (void)fprintf(out, "%s<b>%c</b>\xc2\xa0", i > 0 ? "; " : "", letter_of(i));
        write_fault(out, &scenario.faults[i]);
    }
    if (scenario.faults_end_us > 0) {
        char at[GV_NUMBER_CAP];
        gv_number_span(at, sizeof at, (double)scenario.faults_end_us / 1e6);
        (void)fprintf(out,
                      "%s<b>%c</b>\xc2\xa0"
                      "all faults and churn end at %s",
                      i > 0 ? "; " : "", letter_of(i), at);
    }
    (void)fputs(".</p>\n", out);
}
