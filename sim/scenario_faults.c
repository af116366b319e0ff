/*
 * Faults as text: see scenario_faults.h.
 */
#include "scenario_faults.h"

#include <stdio.h>
#include <string.h>

#include "quantity.h"

#define TEXT_MAX 160
#define WORDS_MAX 8
#define AT_MAX_US (366.0 * 86400e6)
#define FLAP_LEAST_US 1000.0

static const char *const NAMES[] = {
    [GV_FAULT_KILL] = "kill",         [GV_FAULT_VANISH] = "vanish",       [GV_FAULT_PAUSE] = "pause",
    [GV_FAULT_RESTART] = "restart",   [GV_FAULT_LEAVE] = "leave",         [GV_FAULT_REVOKE] = "revoke",
    [GV_FAULT_COPY_KEY] = "copy_key", [GV_FAULT_PARTITION] = "partition", [GV_FAULT_ARRIVE] = "arrive",
};
_Static_assert(sizeof NAMES / sizeof NAMES[0] == GV_FAULT_KINDS, "every kind of fault has a name");

static const char *form_of(enum gv_fault_kind kind)
{
    switch (kind) {
    case GV_FAULT_PAUSE:
        return "HOW_MANY at TIME for TIME, as 10% at 2min for 30s, or none";
    case GV_FAULT_PARTITION:
        return "HOW_MANY from TIME to TIME [one-way | flapping:TIME], as 50% from 5min to 8min, or none";
    default:
        return "HOW_MANY at TIME, as 10% at 2min, 5 at 2min or seeds at 2min, or none";
    }
}

static enum gv_err parse_amount(struct gv_fault *fault, const char *text, struct gv_diag *diag)
{
    double value;
    fault->seeds = strcmp(text, "seeds") == 0;
    if (fault->seeds) {
        fault->share = 0;
        fault->count = GV_SEEDS_MAX;
        return GV_OK;
    }
    bool share = strchr(text, '%') != NULL;
    enum gv_err err = gv_quantity_parse(&value, text, share ? GV_DIM_SHARE : GV_DIM_COUNT, diag);
    if (err != GV_OK) {
        return err;
    }
    if (!(value > 0) || value > (share ? 1.0 : (double)GV_SCENARIO_NODES_MAX)) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "\"%s\" nodes: expected a share above 0%% and up to 100%%, or 1 to %u",
                           text, GV_SCENARIO_NODES_MAX);
    }
    fault->share = share ? value : 0;
    fault->count = share ? 0 : (uint32_t)value;
    return GV_OK;
}

static enum gv_err parse_time(uint64_t *us, const char *text, double least, struct gv_diag *diag)
{
    double value;
    enum gv_err err = gv_quantity_parse(&value, text, GV_DIM_TIME, diag);
    if (err == GV_OK && (value < least || value > AT_MAX_US)) {
        err = gv_diag_set(diag, GV_ERR_CONFIG, "\"%s\" is too %s", text, value < least ? "short" : "long");
    }
    if (err == GV_OK) {
        *us = (uint64_t)(value + 0.5);
    }
    return err;
}

/* Cuts at blanks. The number of words, WORDS_MAX + 1 if there are more. */
static uint32_t split_words(const char *words[WORDS_MAX], char *text)
{
    uint32_t count = 0;
    for (char *at = text + strspn(text, " \t"); *at != '\0'; at += strspn(at, " \t")) {
        if (count == WORDS_MAX) {
            return WORDS_MAX + 1;
        }
        words[count++] = at;
        at += strcspn(at, " \t");
        if (*at != '\0') {
            *at++ = '\0';
        }
    }
    return count;
}

static enum gv_err parse_cut(struct gv_fault *fault, const char *word, struct gv_diag *diag)
{
    static const char flapping[] = "flapping:";
    if (strcmp(word, "one-way") == 0) {
        fault->cut = GV_CUT_ONE_WAY;
        return GV_OK;
    }
    if (strncmp(word, flapping, strlen(flapping)) == 0) {
        fault->cut = GV_CUT_FLAPPING;
        return parse_time(&fault->flap_us, word + strlen(flapping), FLAP_LEAST_US, diag);
    }
    return gv_diag_set(diag, GV_ERR_CONFIG, "\"%s\" is no kind of partition: expected one-way or flapping:TIME", word);
}

/* HOW_MANY at TIME [for TIME] */
static enum gv_err parse_moment(struct gv_fault *fault, const char *const *words, uint32_t count, struct gv_diag *diag)
{
    bool lasts = fault->kind == GV_FAULT_PAUSE;
    if (count != (lasts ? 5U : 3U) || strcmp(words[1], "at") != 0 || (lasts && strcmp(words[3], "for") != 0)) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "expected %s", form_of(fault->kind));
    }
    uint64_t length = 0;
    enum gv_err err = parse_amount(fault, words[0], diag);
    if (err == GV_OK) {
        err = parse_time(&fault->at_us, words[2], 0, diag);
    }
    if (err == GV_OK && lasts) {
        err = parse_time(&length, words[4], 1, diag);
        fault->until_us = fault->at_us + length;
    }
    return err;
}

/* HOW_MANY from TIME to TIME [one-way | flapping:TIME] */
static enum gv_err parse_partition(struct gv_fault *fault, const char *const *words, uint32_t count,
                                   struct gv_diag *diag)
{
    if (count < 5 || count > 6 || strcmp(words[1], "from") != 0 || strcmp(words[3], "to") != 0) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "expected %s", form_of(fault->kind));
    }
    enum gv_err err = parse_amount(fault, words[0], diag);
    if (err == GV_OK) {
        err = parse_time(&fault->at_us, words[2], 0, diag);
    }
    if (err == GV_OK) {
        err = parse_time(&fault->until_us, words[4], 0, diag);
    }
    if (err == GV_OK && count == 6) {
        err = parse_cut(fault, words[5], diag);
    }
    if (err == GV_OK && fault->until_us <= fault->at_us) {
        err =
            gv_diag_set(diag, GV_ERR_CONFIG, "ends at %s, which is not after its beginning at %s", words[4], words[2]);
    }
    if (err == GV_OK && fault->cut == GV_CUT_FLAPPING && fault->flap_us >= fault->until_us - fault->at_us) {
        err = gv_diag_set(diag, GV_ERR_CONFIG, "%s is not shorter than the partition: it would never heal between",
                          words[5]);
    }
    return err;
}

static enum gv_err parse_one(struct gv_fault *fault, enum gv_fault_kind kind, const char *text, size_t bytes,
                             struct gv_diag *diag)
{
    char copy[TEXT_MAX + 1];
    const char *words[WORDS_MAX] = {NULL};
    *fault = (struct gv_fault){.kind = kind};
    if (bytes > TEXT_MAX) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "%zu characters: expected %s", bytes, form_of(kind));
    }
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    uint32_t count = split_words(words, copy);
    enum gv_err err = kind == GV_FAULT_PARTITION ? parse_partition(fault, words, count, diag)
                                                 : parse_moment(fault, words, count, diag);
    if (err != GV_OK) {
        (void)gv_diag_wrap(diag, "\"%.*s\"", (int)bytes, text);
    }
    return err;
}

static void remove_kind(struct gv_scenario *scenario, enum gv_fault_kind kind)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < scenario->fault_count; i++) {
        if (scenario->faults[i].kind != kind) {
            scenario->faults[kept++] = scenario->faults[i];
        }
    }
    memset(&scenario->faults[kept], 0, (GV_SCENARIO_FAULTS_MAX - kept) * sizeof scenario->faults[0]);
    scenario->fault_count = kept;
}

/* By time; of one moment, in the order in which they were given. */
static void insert(struct gv_scenario *scenario, const struct gv_fault *fault)
{
    uint32_t at = scenario->fault_count++;
    for (; at > 0 && scenario->faults[at - 1].at_us > fault->at_us; at--) {
        scenario->faults[at] = scenario->faults[at - 1];
    }
    scenario->faults[at] = *fault;
}

const char *gv_scenario_fault_name(enum gv_fault_kind kind)
{
    return NAMES[kind];
}

enum gv_err gv_scenario_faults_read(struct gv_scenario *scenario, enum gv_fault_kind kind, const char *text,
                                    struct gv_diag *diag)
{
    struct gv_fault parsed[GV_SCENARIO_FAULTS_MAX];
    uint32_t count = 0;
    if (strcmp(text, "none") == 0) {
        remove_kind(scenario, kind);
        return GV_OK;
    }
    for (const char *at = text; at != NULL;) {
        size_t bytes = strcspn(at, ",");
        if (scenario->fault_count + count == GV_SCENARIO_FAULTS_MAX) {
            return gv_diag_set(diag, GV_ERR_CONFIG, "more than %d faults in all", GV_SCENARIO_FAULTS_MAX);
        }
        enum gv_err err = parse_one(&parsed[count++], kind, at, bytes, diag);
        if (err != GV_OK) {
            return err;
        }
        at = at[bytes] == ',' ? at + bytes + 1 : NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        insert(scenario, &parsed[i]);
    }
    return GV_OK;
}

size_t gv_scenario_fault_write(char *out, size_t cap, const struct gv_fault *fault)
{
    char amount[48];
    char at[48];
    char until[48];
    char flap[48];
    int used;
    if (fault->seeds) {
        (void)snprintf(amount, sizeof amount, "seeds");
    } else if (fault->share > 0) {
        (void)gv_quantity_write(amount, sizeof amount, fault->share, GV_DIM_SHARE);
    } else {
        (void)snprintf(amount, sizeof amount, "%u", fault->count);
    }
    uint64_t end = fault->kind == GV_FAULT_PAUSE ? fault->until_us - fault->at_us : fault->until_us;
    (void)gv_quantity_write(at, sizeof at, (double)fault->at_us, GV_DIM_TIME);
    (void)gv_quantity_write(until, sizeof until, (double)end, GV_DIM_TIME);
    (void)gv_quantity_write(flap, sizeof flap, (double)fault->flap_us, GV_DIM_TIME);
    if (fault->kind == GV_FAULT_PARTITION) {
        const char *how = fault->cut == GV_CUT_ONE_WAY ? " one-way" : fault->cut == GV_CUT_FLAPPING ? " flapping:" : "";
        used = snprintf(out, cap, "%s from %s to %s%s%s", amount, at, until, how,
                        fault->cut == GV_CUT_FLAPPING ? flap : "");
    } else if (fault->kind == GV_FAULT_PAUSE) {
        used = snprintf(out, cap, "%s at %s for %s", amount, at, until);
    } else {
        used = snprintf(out, cap, "%s at %s", amount, at);
    }
    return used < 0 ? 0 : (size_t)used;
}
