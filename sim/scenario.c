/*
 * Scenarios as INI text: defaults, reading, --set, writing, the list of keys. See scenario.h; what a key takes is in
 * scenario_keys.c, what goes together in scenario_check.c.
 */
#include "scenario.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "manifest_text.h"
#include "number.h"
#include "scenario_keys.h"
#include "text.h"

#define LINE_MAX_BYTES (GV_KEY_VALUE_MAX + 128)
#define FILE_MAX_BYTES ((size_t)1024 * 1024)
#define SECTION_MAX 48 /* what inih keeps of a section's name */

/* One text being read. */
struct reading {
    struct gv_scenario *scenario;
    struct gv_diag *diag;
    const char *at; /* what inih has not asked for yet; zero-terminated */
    unsigned line;
    enum gv_err failed; /* GV_OK: nothing is wrong yet */
};

/* Keeps the first diagnosis, with its line. */
static void fail_line(struct reading *reading, enum gv_err err)
{
    if (reading->failed == GV_OK) {
        reading->failed = err;
        (void)gv_diag_wrap(reading->diag, "%s:%u", reading->scenario->source, reading->line);
    }
}

/* inih tells nobody of a section without keys, and cuts long names. */
static void check_section(struct reading *reading, const char *text, size_t bytes)
{
    char name[SECTION_MAX + 1] = "";
    const char *end = memchr(text, ']', bytes);
    size_t length = end != NULL ? (size_t)(end - text) - 1 : 0;
    if (end == NULL || length > SECTION_MAX) {
        fail_line(reading, gv_diag_set(reading->diag, GV_ERR_CONFIG, "\"%.*s\": expected a section, as [network]",
                                       bytes < 64 ? (int)bytes : 64, text));
        return;
    }
    memcpy(name, text + 1, length);
    name[length] = '\0';
    const char *rest = end + 1 + strspn(end + 1, " \t\r");
    size_t left = rest < text + bytes ? (size_t)(text + bytes - rest) : 0;
    if (!gv_scenario_section_known(name)) {
        fail_line(reading, gv_scenario_section_unknown(name, reading->diag));
    } else if (left > 0 && *rest != '#' && *rest != ';') { /* inih reads on in the next line */
        fail_line(reading,
                  gv_diag_set(reading->diag, GV_ERR_CONFIG, "\"%.*s\" behind [%s]: expected it on a line of its own",
                              left < 64 ? (int)left : 64, rest, name));
    }
}

/* fgets() over memory for inih: counts lines, which inih does not tell its handler, and takes away the blanks before a
 * line, which inih would read as the continuation of the line above. */
static char *next_line(char *out, int cap, void *stream)
{
    struct reading *reading = stream;
    if (*reading->at == '\0' || reading->failed != GV_OK) {
        return NULL;
    }
    reading->line++;
    size_t length = strcspn(reading->at, "\n");
    size_t blanks = strspn(reading->at, " \t");
    const char *text = reading->at + (blanks < length ? blanks : length);
    size_t text_length = (size_t)(reading->at + length - text);
    reading->at += length + (reading->at[length] == '\n' ? 1 : 0);
    if (text_length + 2 > (size_t)cap) {
        fail_line(reading, gv_diag_set(reading->diag, GV_ERR_CONFIG, "%zu characters, at most %d are allowed",
                                       text_length, cap - 2));
        return NULL;
    }
    if (*text == '[') {
        check_section(reading, text, text_length);
    }
    memcpy(out, text, text_length);
    out[text_length] = '\n';
    out[text_length + 1] = '\0';
    return reading->failed == GV_OK ? out : NULL;
}

/* In one file a setting stands once; only faults add up. `epochs` and `local_steps` are two ways to say one thing. */
static enum gv_err check_first(const struct gv_scenario *scenario, size_t index, uint32_t line, struct gv_diag *diag)
{
    const struct gv_scenario_key *key = gv_scenario_key_at(index);
    bool steps = key->type == GV_VALUE_EPOCHS || key->type == GV_VALUE_LOCAL_STEPS;
    if (line == GV_SCENARIO_SET || key->type == GV_VALUE_FAULT) {
        return GV_OK;
    }
    if (scenario->given[index] != 0) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "%s.%s is set in line %u already: take one of the two lines out",
                           key->section, key->name, scenario->given[index]);
    }
    for (size_t i = 0; steps && i < gv_scenario_key_count(); i++) {
        const struct gv_scenario_key *other = gv_scenario_key_at(i);
        bool same = other->type == GV_VALUE_EPOCHS || other->type == GV_VALUE_LOCAL_STEPS;
        if (same && scenario->given[i] != 0) {
            return gv_diag_set(diag, GV_ERR_CONFIG, "%s.%s says what %s in line %u has said: take one of the two out",
                               key->section, key->name, other->name, scenario->given[i]);
        }
    }
    return GV_OK;
}

/* Reads one value; the diagnosis names key and value. */
static enum gv_err set_key(struct gv_scenario *scenario, const char *section, const char *name, const char *value,
                           uint32_t line, struct gv_diag *diag)
{
    if (section[0] == '\0') {
        return gv_diag_set(diag, GV_ERR_CONFIG, "\"%.64s\" stands in no section: expected a line as [swarm] before it",
                           name);
    }
    size_t index = gv_scenario_key_find(section, name);
    if (index == GV_KEY_NONE) {
        return gv_scenario_key_unknown(section, name, diag);
    }
    if (check_first(scenario, index, line, diag) != GV_OK) {
        return GV_ERR_CONFIG;
    }
    /* Lines of a kind of fault add up, but what --set says takes their place. */
    bool kind = strcmp(section, "faults") == 0 && strcmp(name, "end") != 0;
    bool from_file = scenario->given[index] != 0 && scenario->given[index] != GV_SCENARIO_SET;
    if (kind && from_file && line == GV_SCENARIO_SET) {
        (void)!gv_scenario_key_read(scenario, index, "none", NULL);
    }
    enum gv_err err = gv_scenario_key_read(scenario, index, value, diag);
    if (err != GV_OK) {
        bool comment = strstr(value, " #") != NULL || strstr(value, " ;") != NULL;
        (void)gv_diag_wrap(diag, "%s.%s = %.80s%s", section, name, value,
                           comment ? " (comments stand on lines of their own)" : "");
        return err;
    }
    scenario->given[index] = line;
    return GV_OK;
}

static int take_pair(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    enum gv_err err = set_key(reading->scenario, section, name, value, reading->line, reading->diag);
    if (err != GV_OK) {
        fail_line(reading, err);
    }
    return err == GV_OK ? 1 : 0;
}

/* inih as Debian builds it takes its limits from variables; they are set to the same values before each use. */
static int parse_ini(struct reading *reading)
{
    ini_use_stack = false;
    ini_max_line = LINE_MAX_BYTES;
    ini_initial_alloc = LINE_MAX_BYTES;
    ini_allow_multiline = false;
    ini_allow_inline_comments = false; /* a file name may hold " ;" */
    ini_stop_on_first_error = true;
    return ini_parse_stream(next_line, reading, take_pair, reading);
}

/* The whole file as text, freed by the caller; NULL with a diagnosis. */
static char *read_file(const char *path, struct gv_diag *diag)
{
    char *text = malloc(FILE_MAX_BYTES + 1);
    FILE *file = text != NULL ? fopen(path, "re") : NULL;
    size_t bytes = file != NULL ? fread(text, 1, FILE_MAX_BYTES + 1, file) : 0;
    const char *why = NULL;
    if (text == NULL) {
        (void)gv_diag_set(diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    } else if (file == NULL || ferror(file) != 0) {
        why = strerror(errno);
    } else if (bytes > FILE_MAX_BYTES) {
        why = "more than a megabyte: this is no scenario";
    } else {
        text[bytes] = '\0';
        why = strlen(text) != bytes ? "a zero byte: this is not a text file" : NULL;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    if (why != NULL) {
        (void)gv_diag_set(diag, GV_ERR_CONFIG, "%s: %s; expected a scenario, as those in sim/scenarios", path, why);
    }
    if (why != NULL || text == NULL) {
        free(text);
        return NULL;
    }
    return text;
}

/* "sim/scenarios/churn.ini" -> "churn" */
static void take_name(struct gv_scenario *scenario, const char *source)
{
    const char *slash = strrchr(source, '/');
    const char *base = slash != NULL ? slash + 1 : source;
    const char *dot = strrchr(base, '.');
    size_t bytes = dot != NULL && dot > base ? (size_t)(dot - base) : strlen(base);
    (void)snprintf(scenario->name, sizeof scenario->name, "%.*s", (int)(bytes < 256 ? bytes : 256), base);
    (void)snprintf(scenario->source, sizeof scenario->source, "%s", source);
}

void gv_scenario_defaults(struct gv_scenario *scenario)
{
    struct gv_manifest manifest;
    gv_manifest_defaults(&manifest);
    memset(scenario, 0, sizeof *scenario); /* padding too: scenarios are compared */
    scenario->swarm.nodes = 100;
    scenario->swarm.duration_us = UINT64_C(600000000);
    scenario->swarm.seeds = 3;
    scenario->swarm.elements = 16;
    scenario->swarm.round_us = 1000000;
    gv_core_defaults(&scenario->views);
    scenario->book = 16;
    scenario->learning.training = manifest.training;
    (void)snprintf(scenario->learning.training.model, sizeof scenario->learning.training.model, "softmax:784-10");
    (void)snprintf(scenario->learning.data, sizeof scenario->learning.data, "builtin:glyphs");
    (void)snprintf(scenario->learning.partition, sizeof scenario->learning.partition, "iid");
    scenario->learning.local_steps = manifest.local_steps;
    scenario->learning.merge = manifest.merge;
    scenario->learning.exchange = manifest.exchange;
    scenario->learning.codec = manifest.codec;
    scenario->learning.exchange_momentum = manifest.exchange_momentum;
    scenario->learning.settle_exchanges = manifest.settle_exchanges;
    scenario->learning.evaluate_nodes = 50;
    scenario->learning.evaluate_samples = 2000;
    scenario->network.latency = (struct gv_dist){.kind = GV_DIST_LOGNORMAL, .a = 50e3, .b = 0.5};
    scenario->network.slow_rate = 10;
    scenario->compute.step_time.a = 10e3;
    scenario->compute.jitter.a = 1;
    scenario->compute.straggler_factor = 10;
    scenario->compute.memory_rate = 1e9;
    scenario->adversaries.scale = 1;
    scenario->report.invariants = true;
}

enum gv_err gv_scenario_parse(struct gv_scenario *scenario, const char *text, const char *name, struct gv_diag *diag)
{
    struct gv_diag local;
    struct gv_plain plain;
    struct gv_scenario *parsed = malloc(sizeof *parsed);
    if (parsed == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    }
    gv_scenario_defaults(parsed);
    take_name(parsed, name);
    text += strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* some editors begin UTF-8 with this mark */
    struct reading reading = {.scenario = parsed, .diag = diag != NULL ? diag : &local, .at = text};
    if (!gv_text_utf8(parsed->name, strlen(parsed->name))) {
        parsed->name[0] = '\0';
    }
    gv_plain_begin(&plain);
    int line = parse_ini(&reading);
    gv_plain_end(&plain);
    if (line > 0 && reading.failed == GV_OK) {
        reading.line = (unsigned)line;
        fail_line(&reading, gv_diag_set(reading.diag, GV_ERR_CONFIG, "expected \"key = value\" or \"[section]\""));
    } else if (line < 0 && reading.failed == GV_OK) {
        reading.failed = gv_diag_set(reading.diag, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    }
    if (reading.failed == GV_OK) {
        memcpy(scenario, parsed, sizeof *scenario);
    }
    free(parsed);
    return reading.failed;
}

enum gv_err gv_scenario_load(struct gv_scenario *scenario, const char *path, struct gv_diag *diag)
{
    struct gv_diag local;
    diag = diag != NULL ? diag : &local;
    char *text = read_file(path, diag);
    if (text == NULL) {
        return diag->code;
    }
    enum gv_err err = gv_scenario_parse(scenario, text, path, diag);
    free(text);
    return err;
}

enum gv_err gv_scenario_set(struct gv_scenario *scenario, const char *assignment, struct gv_diag *diag)
{
    char section[SECTION_MAX + 1];
    char name[SECTION_MAX + 1];
    char value[GV_KEY_VALUE_MAX];
    struct gv_plain plain;
    const char *equals = strchr(assignment, '=');
    const char *dot = strchr(assignment, '.');
    if (equals == NULL || dot == NULL || dot > equals) {
        return gv_diag_set(diag, GV_ERR_USAGE, "--set %.80s: expected section.key=value, as swarm.nodes=50",
                           assignment);
    }
    size_t name_bytes = (size_t)(equals - dot) - 1;
    while (name_bytes > 0 && dot[name_bytes] == ' ') {
        name_bytes--;
    }
    const char *start = equals + 1 + strspn(equals + 1, " \t");
    size_t value_bytes = strlen(start);
    while (value_bytes > 0 && (start[value_bytes - 1] == ' ' || start[value_bytes - 1] == '\t')) {
        value_bytes--;
    }
    size_t section_bytes = (size_t)(dot - assignment);
    if (section_bytes > SECTION_MAX || name_bytes > SECTION_MAX || value_bytes >= sizeof value) {
        return gv_diag_set(diag, GV_ERR_USAGE, "--set %.80s...: too long", assignment);
    }
    (void)snprintf(section, sizeof section, "%.*s", (int)section_bytes, assignment);
    (void)snprintf(name, sizeof name, "%.*s", (int)name_bytes, dot + 1);
    (void)snprintf(value, sizeof value, "%.*s", (int)value_bytes, start);
    gv_plain_begin(&plain);
    enum gv_err err = gv_scenario_section_known(section)
                          ? set_key(scenario, section, name, value, GV_SCENARIO_SET, diag)
                          : gv_scenario_section_unknown(section, diag);
    gv_plain_end(&plain);
    if (err != GV_OK) {
        (void)gv_diag_wrap(diag, "--set");
    }
    return err;
}

/* What a reader must know is written whatever the default is; how often is reported only if somebody chose it. */
static bool goes_without_saying(const struct gv_scenario *scenario, const struct gv_scenario *defaults, size_t index,
                                const char *value)
{
    char standard[GV_KEY_VALUE_MAX];
    const struct gv_scenario_key *key = gv_scenario_key_at(index);
    if (key->type == GV_VALUE_DATA) {
        return scenario->swarm.mode != GV_MODE_TRAIN;
    }
    if (key->offset == offsetof(struct gv_scenario, report.every_us) && scenario->report.every_us == 0) {
        return true;
    }
    return gv_scenario_key_write(standard, defaults, index) && strcmp(value, standard) == 0;
}

void gv_scenario_write(const struct gv_scenario *scenario, FILE *out)
{
    char value[GV_KEY_VALUE_MAX];
    const char *section = "";
    struct gv_scenario defaults;
    struct gv_plain plain;
    gv_plain_begin(&plain);
    gv_scenario_defaults(&defaults);
    defaults.report.every_us = gv_scenario_every(scenario->swarm.duration_us);
    for (size_t i = 0; i < gv_scenario_key_count(); i++) {
        const struct gv_scenario_key *key = gv_scenario_key_at(i);
        if (!gv_scenario_key_write(value, scenario, i) || goes_without_saying(scenario, &defaults, i, value)) {
            continue;
        }
        if (strcmp(section, key->section) != 0) {
            (void)fprintf(out, "%s[%s]\n", section[0] != '\0' ? "\n" : "", key->section);
            section = key->section;
        }
        (void)fprintf(out, "%s = %s\n", gv_scenario_key_name(i), value);
    }
    gv_plain_end(&plain);
}

void gv_scenario_list_keys(FILE *out)
{
    char takes[GV_KEY_VALUE_MAX];
    char standard[GV_KEY_VALUE_MAX];
    struct gv_scenario defaults;
    struct gv_plain plain;
    gv_plain_begin(&plain);
    gv_scenario_defaults(&defaults);
    for (size_t i = 0; i < gv_scenario_key_count(); i++) {
        const struct gv_scenario_key *key = gv_scenario_key_at(i);
        if (i == 0 || strcmp(key->section, gv_scenario_key_at(i - 1)->section) != 0) {
            (void)fprintf(out, "%s[%s]\n", i > 0 ? "\n" : "", key->section);
        }
        bool said = gv_scenario_key_write(standard, &defaults, i);
        gv_scenario_key_takes(takes, i);
        (void)fprintf(out, "  %-17s %s\n  %-17s %s%s%s\n", gv_scenario_key_name(i), key->help, "", takes,
                      said ? "; default " : "", said ? standard : "");
    }
    (void)fprintf(out,
                  "\nunits          time us, ms, s, min, h, d; bandwidth bit, kbit, Mbit, Gbit, kB, MB, GB a second;"
                  "\n               shares 5%% or 0.05; rates 5%%/min, 3/s\n"
                  "distributions  a value alone, uniform:LEAST,MOST, exponential:MEAN, weibull:SCALE,SHAPE,\n"
                  "               lognormal:MEDIAN,SIGMA\n"
                  "HOW_MANY       10%% of the live nodes, or a whole number; several faults with commas between;\n"
                  "               --set takes the place of the file's faults of that kind, `none` takes them out\n");
    gv_plain_end(&plain);
}
