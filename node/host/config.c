/*
 * config.ini: see config.h. Every key is listed once, in KEYS, with its help, its parser and its printer; reading,
 * writing, `config DIR` and the suggestion for a mistyped key all walk that table.
 */
#include "config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "nearest.h"
#include "record.h"
#include "store.h"
#include "units.h"

#define LINE_MAX_BYTES (GV_DATA_SPEC_BYTES_MAX + 64)
#define FILE_MAX_BYTES (64 * 1024)

struct key {
    const char *name;
    const char *help; /* lines are separated by \n */
    const char *expected;
    bool (*parse)(struct gv_config *config, const char *value);
    int (*print)(const struct gv_config *config, char *out, size_t cap);
};

static bool copy_text(char *out, size_t cap, const char *value)
{
    size_t length = strlen(value);
    if (length >= cap) {
        return false;
    }
    memcpy(out, value, length + 1);
    return true;
}

/* What could not be read back from the file as it was: line breaks, and blanks at the ends, which are not kept. */
static bool survives_the_file(const char *value)
{
    size_t length = strlen(value);
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)value[i] < 0x20 || value[i] == 0x7f) {
            return false;
        }
    }
    return length == 0 || (value[0] != ' ' && value[length - 1] != ' ');
}

static bool parse_data(struct gv_config *config, const char *value)
{
    return copy_text(config->data, sizeof config->data, value);
}

static int print_data(const struct gv_config *config, char *out, size_t cap)
{
    return snprintf(out, cap, "%s", config->data);
}

static bool parse_partition(struct gv_config *config, const char *value)
{
    return gv_partition_check(value, NULL) == GV_OK && copy_text(config->partition, sizeof config->partition, value);
}

static int print_partition(const struct gv_config *config, char *out, size_t cap)
{
    return snprintf(out, cap, "%s", config->partition);
}

static bool parse_shard(struct gv_config *config, const char *value)
{
    return gv_shard_parse(&config->shard_index, &config->shard_count, value);
}

static int print_shard(const struct gv_config *config, char *out, size_t cap)
{
    return snprintf(out, cap, "%u/%u", config->shard_index + 1, config->shard_count);
}

static bool parse_endpoint(char out[GV_ENDPOINT_BYTES_MAX + 1], const char *value)
{
    return (value[0] == '\0' || gv_endpoint_valid(value)) && copy_text(out, GV_ENDPOINT_BYTES_MAX + 1, value);
}

static bool parse_listen(struct gv_config *config, const char *value)
{
    return parse_endpoint(config->listen, value);
}

static int print_listen(const struct gv_config *config, char *out, size_t cap)
{
    return snprintf(out, cap, "%s", config->listen);
}

static bool parse_advertise(struct gv_config *config, const char *value)
{
    return parse_endpoint(config->advertise, value);
}

static int print_advertise(const struct gv_config *config, char *out, size_t cap)
{
    return snprintf(out, cap, "%s", config->advertise);
}

static bool parse_family(struct gv_config *config, const char *value)
{
    if (strcmp(value, "any") == 0) {
        config->family = GV_FAMILY_ANY;
    } else if (strcmp(value, "ipv4") == 0) {
        config->family = GV_FAMILY_IPV4;
    } else if (strcmp(value, "ipv6") == 0) {
        config->family = GV_FAMILY_IPV6;
    } else {
        return false;
    }
    return true;
}

static int print_family(const struct gv_config *config, char *out, size_t cap)
{
    const char *name = config->family == GV_FAMILY_IPV4 ? "ipv4" : config->family == GV_FAMILY_IPV6 ? "ipv6" : "any";
    return snprintf(out, cap, "%s", name);
}

static bool parse_up(struct gv_config *config, const char *value)
{
    return gv_rate_parse(&config->up_bytes_per_s, value);
}

static int print_up(const struct gv_config *config, char *out, size_t cap)
{
    return gv_rate_print(out, cap, config->up_bytes_per_s);
}

static bool parse_down(struct gv_config *config, const char *value)
{
    return gv_rate_parse(&config->down_bytes_per_s, value);
}

static int print_down(const struct gv_config *config, char *out, size_t cap)
{
    return gv_rate_print(out, cap, config->down_bytes_per_s);
}

static bool parse_hours(struct gv_config *config, const char *value)
{
    return gv_hours_parse(&config->hours_from, &config->hours_to, value);
}

static int print_hours(const struct gv_config *config, char *out, size_t cap)
{
    return gv_hours_print(out, cap, config->hours_from, config->hours_to);
}

static bool parse_cpu(struct gv_config *config, const char *value)
{
    return gv_percent_parse(&config->cpu_percent, value);
}

static int print_cpu(const struct gv_config *config, char *out, size_t cap)
{
    return snprintf(out, cap, "%u%%", config->cpu_percent);
}

static bool parse_log_level(struct gv_config *config, const char *value)
{
    return gv_log_parse_level(&config->log_level, value) == GV_OK;
}

static int print_log_level(const struct gv_config *config, char *out, size_t cap)
{
    return snprintf(out, cap, "%s", gv_log_level_name(config->log_level));
}

static bool parse_period(uint64_t *seconds, const char *value)
{
    uint64_t parsed;
    if (!gv_duration_parse(&parsed, value) || parsed < 1 || parsed > 86400) {
        return false;
    }
    *seconds = parsed;
    return true;
}

static bool parse_checkpoint(struct gv_config *config, const char *value)
{
    return parse_period(&config->checkpoint_s, value);
}

static int print_checkpoint(const struct gv_config *config, char *out, size_t cap)
{
    return gv_duration_print(out, cap, config->checkpoint_s);
}

static bool parse_evaluate(struct gv_config *config, const char *value)
{
    return parse_period(&config->evaluate_s, value);
}

static int print_evaluate(const struct gv_config *config, char *out, size_t cap)
{
    return gv_duration_print(out, cap, config->evaluate_s);
}

static const struct key KEYS[] = {
    {"data",
     "Data to train on: idx:DIR, csv:FILE[,label=last|COLUMN][,header][,test=0.2] or builtin:glyphs.\n"
     "Empty: this node only serves and relays. Relative paths are relative to where the program is started.",
     "a data specification of at most 4095 characters", parse_data, print_data},
    {"partition", "Trials only: how `shard` cuts the data: iid, dirichlet:ALPHA or classes:K.",
     "iid, dirichlet:ALPHA with ALPHA from 0.001 to 1000000, or classes:K with K from 1", parse_partition,
     print_partition},
    {"shard", "Trials only: train on part I of N of the data, as I/N. 1/1 is all of it.",
     "I/N with 1 <= I <= N, as 1/8", parse_shard, print_shard},
    {"listen", "Where others reach this node, as tcp://0.0.0.0:7400 or tcp://[::]:7400. Empty: dial out only.",
     "tcp://ADDRESS:PORT, or nothing for outbound only", parse_listen, print_listen},
    {"advertise", "The address to tell others, as tcp://example.org:7400. Empty: what other nodes observe.",
     "tcp://HOST:PORT, or nothing", parse_advertise, print_advertise},
    {"family", "Which addresses to use: any, ipv4 or ipv6.", "any, ipv4 or ipv6", parse_family, print_family},
    {"up", "Cap for what is sent, as 20Mbit or 500kB (a second). 0: none.", "0, or a rate with its unit: 20Mbit, 500kB",
     parse_up, print_up},
    {"down", "Cap for what is received, likewise.", "0, or a rate with its unit: 20Mbit, 500kB", parse_down,
     print_down},
    {"hours", "When to train, local time, as 22:00-07:00; or always. Outside these hours the node goes on serving.",
     "always, or HH:MM-HH:MM", parse_hours, print_hours},
    {"cpu", "How much of one core training may use.", "1% to 100%", parse_cpu, print_cpu},
    {"log_level", "broken, unusual, info or debug.", "broken, unusual, info or debug", parse_log_level,
     print_log_level},
    {"checkpoint", "Time between checkpoints.", "a duration of 1s to 1d, as 60s or 5m", parse_checkpoint,
     print_checkpoint},
    {"evaluate", "Time between evaluations on the test part of the data.", "a duration of 1s to 1d, as 30s",
     parse_evaluate, print_evaluate},
};

#define KEY_COUNT (sizeof KEYS / sizeof KEYS[0])
_Static_assert(KEY_COUNT <= 64, "from_file has a bit for each key");

/* KEY_COUNT: there is none. */
static size_t index_of(const char *name)
{
    size_t i = 0;
    while (i < KEY_COUNT && strcmp(name, KEYS[i].name) != 0) {
        i++;
    }
    return i;
}

static enum gv_err unknown_key(const char *name, struct gv_diag *diag)
{
    const char *names[KEY_COUNT + 1] = {NULL};
    for (size_t i = 0; i < KEY_COUNT; i++) {
        names[i] = KEYS[i].name;
    }
    const char *nearest = gv_nearest(name, strlen(name), names);
    if (nearest != NULL) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "unknown key \"%.64s\"; did you mean \"%s\"?", name, nearest);
    }
    return gv_diag_set(diag, GV_ERR_CONFIG, "unknown key \"%.64s\"; `grapevine config DIR` lists the known ones", name);
}

/* One file being read. */
struct reading {
    struct gv_config *config;
    struct gv_diag *diag;
    const char *at; /* what inih has not asked for yet; zero-terminated */
    unsigned line;
    unsigned set_in[KEY_COUNT]; /* the line of each key, 0: none yet */
    bool failed;
};

GV_PRINTF(3, 4)
static void fail_line(struct reading *reading, enum gv_err err, const char *format, ...)
{
    if (!reading->failed) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(reading->diag->text, sizeof reading->diag->text, format, args);
        va_end(args);
        reading->diag->code = err;
        (void)gv_diag_wrap(reading->diag, "line %u", reading->line);
    }
    reading->failed = true;
}

/* fgets() over memory for inih: counts lines, which inih does not tell its handler, and takes away the blanks before a
 * line, which inih would read as the continuation of the line above. */
static char *next_line(char *out, int cap, void *stream)
{
    struct reading *reading = stream;
    if (*reading->at == '\0' || reading->failed) {
        return NULL;
    }
    reading->line++;
    size_t length = strcspn(reading->at, "\n");
    size_t blanks = strspn(reading->at, " \t");
    const char *text = reading->at + (blanks < length ? blanks : length);
    size_t text_length = (size_t)(reading->at + length - text);
    reading->at += length + (reading->at[length] == '\n' ? 1 : 0);
    if (text_length + 2 > (size_t)cap) {
        fail_line(reading, GV_ERR_CONFIG, "%zu characters, at most %d are allowed", text_length, cap - 2);
        return NULL;
    }
    if (*text == '[') { /* inih tells nobody of a section without keys */
        fail_line(reading, GV_ERR_CONFIG, "\"%.*s\": config.ini has no sections",
                  text_length < 64 ? (int)text_length : 64, text);
        return NULL;
    }
    memcpy(out, text, text_length);
    out[text_length] = '\n';
    out[text_length + 1] = '\0';
    return out;
}

static int take_pair(void *user, const char *section, const char *name, const char *value)
{
    struct reading *reading = user;
    struct gv_diag inner = {.code = GV_OK};
    size_t key = index_of(name);
    (void)section;
    if (key < KEY_COUNT && reading->set_in[key] != 0) { /* whoever wrote the first did not mean the second */
        fail_line(reading, GV_ERR_CONFIG, "%s is set in line %u already: take one of the two lines out", name,
                  reading->set_in[key]);
        return 0;
    }
    enum gv_err err = gv_config_set(reading->config, name, value, &inner);
    if (err != GV_OK) {
        fail_line(reading, err, "%s", inner.text);
        return 0;
    }
    reading->set_in[key] = reading->line;
    return 1;
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

void gv_config_defaults(struct gv_config *config)
{
    memset(config, 0, sizeof *config);
    (void)copy_text(config->partition, sizeof config->partition, "iid");
    config->shard_count = 1;
    config->cpu_percent = 100;
    config->log_level = GV_LEVEL_INFO;
    config->checkpoint_s = 60;
    config->evaluate_s = 30;
}

enum gv_err gv_config_set(struct gv_config *config, const char *key, const char *value, struct gv_diag *diag)
{
    size_t i = index_of(key);
    if (i == KEY_COUNT) {
        return unknown_key(key, diag);
    }
    if (!survives_the_file(value) || !KEYS[i].parse(config, value)) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "%s = \"%.200s\": expected %s", key, value, KEYS[i].expected);
    }
    config->from_file |= 1ull << i;
    return GV_OK;
}

enum gv_err gv_config_load(struct gv_config *config, const char *path, struct gv_diag *diag)
{
    uint8_t *text = NULL;
    size_t bytes = 0;
    struct gv_diag local = {.code = GV_OK};
    struct gv_config parsed;
    diag = diag != NULL ? diag : &local;
    struct reading reading = {.config = &parsed, .diag = diag};
    enum gv_err err = gv_file_read(path, FILE_MAX_BYTES, &text, &bytes, diag);
    if (err != GV_OK) {
        return gv_file_advise(diag, err,
                              "expected \"key = value\" lines; restore it from a backup, or make an empty file "
                              "to run with every default (without data and listening nowhere)");
    }
    gv_config_defaults(&parsed);
    reading.at = (const char *)text;
    if (strlen(reading.at) != bytes) {
        reading.line = 1;
        for (const char *at = strchr(reading.at, '\n'); at != NULL; at = strchr(at + 1, '\n')) {
            reading.line++;
        }
        fail_line(&reading, GV_ERR_CONFIG, "a zero byte: this is not a text file");
    }
    int line = reading.failed ? 0 : parse_ini(&reading);
    free(text);
    if (line > 0) {
        reading.line = (unsigned)line;
        fail_line(&reading, GV_ERR_CONFIG, "not of the form \"key = value\"");
    } else if (line < 0) {
        fail_line(&reading, GV_ERR_NOMEM, "%s", gv_err_text(GV_ERR_NOMEM));
    }
    if (reading.failed) {
        return gv_diag_wrap(diag, "%s", path);
    }
    *config = parsed;
    return GV_OK;
}

enum gv_err gv_config_save(const struct gv_config *config, const char *path, struct gv_diag *diag)
{
    char *text = NULL;
    size_t bytes = 0;
    char value[GV_DATA_SPEC_BYTES_MAX];
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s: %s", path, gv_err_text(GV_ERR_NOMEM));
    }
    (void)fprintf(out, "# What this node may use and where it is. A running node rereads this file on SIGHUP.\n");
    for (size_t i = 0; i < KEY_COUNT; i++) {
        (void)fprintf(out, "\n");
        for (const char *help = KEYS[i].help; *help != '\0';) {
            size_t length = strcspn(help, "\n");
            (void)fprintf(out, "# %.*s\n", (int)length, help);
            help += length + (help[length] == '\n' ? 1 : 0);
        }
        (void)KEYS[i].print(config, value, sizeof value);
        /* A default stays a default: it may improve with the program. */
        bool chosen = (config->from_file >> i & 1) != 0;
        (void)fprintf(out, "%s%s = %s\n", chosen ? "" : "#", KEYS[i].name, value);
    }
    bool complete = ferror(out) == 0;
    if (fclose(out) != 0 || !complete) {
        free(text);
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s: %s", path, gv_err_text(GV_ERR_NOMEM));
    }
    enum gv_err err = gv_file_write(path, text, bytes, 0600, diag);
    free(text);
    return err;
}

const char *gv_config_help(uint32_t index)
{
    return index < KEY_COUNT ? KEYS[index].help : NULL;
}

bool gv_config_item(const struct gv_config *config, uint32_t index, const char **key, char *value, size_t cap,
                    const char **origin)
{
    if (index >= KEY_COUNT) {
        return false;
    }
    *key = KEYS[index].name;
    (void)KEYS[index].print(config, value, cap);
    *origin = (config->from_file >> index & 1) != 0 ? "config.ini" : "default";
    return true;
}
