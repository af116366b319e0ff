/*
 * Values of a scenario's keys: text -> field and field -> text, by the table. See scenario_keys.h.
 *
 * The keys that a manifest has too are read and written by the manifest's own code, so that a scenario says
 * `rate = 0.1` and `schedule = linear` exactly as `grapevine create --set` does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "manifest_keys.h"
#include "nearest.h"
#include "scenario_faults.h"
#include "scenario_keys.h"
#include "text.h"

static void *place_of(struct gv_scenario *scenario, const struct gv_scenario_key *key)
{
    return (uint8_t *)scenario + key->offset;
}

static const void *const_place_of(const struct gv_scenario *scenario, const struct gv_scenario_key *key)
{
    return (const uint8_t *)scenario + key->offset;
}

static enum gv_err check_range(const struct gv_scenario_key *key, double value, struct gv_diag *diag)
{
    char is[64];
    char least[64];
    char most[64];
    if (value >= key->min && value <= key->max) {
        return GV_OK;
    }
    enum gv_dimension dimension = gv_scenario_key_dimension(key);
    (void)gv_quantity_write(is, sizeof is, value, dimension);
    (void)gv_quantity_write(least, sizeof least, key->min, dimension);
    (void)gv_quantity_write(most, sizeof most, key->max, dimension);
    return gv_diag_set(diag, GV_ERR_CONFIG, "%s is out of range: expected %s to %s", is, least, most);
}

/* ---- values that the manifest knows --------------------------------------------------------------------------- */

static void to_manifest(struct gv_manifest *manifest, const struct gv_scenario *scenario)
{
    *manifest = (struct gv_manifest){.training = scenario->learning.training,
                                     .local_steps = scenario->learning.local_steps,
                                     .merge = scenario->learning.merge,
                                     .exchange = scenario->learning.exchange,
                                     .exchange_momentum = scenario->learning.exchange_momentum,
                                     .codec = scenario->learning.codec,
                                     .settle_exchanges = scenario->learning.settle_exchanges};
}

static enum gv_err read_manifest_key(struct gv_scenario *scenario, const struct gv_scenario_key *key, const char *value,
                                     struct gv_diag *diag)
{
    struct gv_manifest manifest;
    size_t index = gv_manifest_key_find(key->name, strlen(key->name));
    to_manifest(&manifest, scenario);
    enum gv_err err = gv_manifest_key_read(&manifest, gv_manifest_key_at(index), value, diag);
    if (err != GV_OK) {
        return err;
    }
    scenario->learning.training = manifest.training;
    scenario->learning.local_steps = manifest.local_steps;
    scenario->learning.merge = manifest.merge;
    scenario->learning.exchange = manifest.exchange;
    scenario->learning.exchange_momentum = manifest.exchange_momentum;
    scenario->learning.codec = manifest.codec;
    scenario->learning.settle_exchanges = manifest.settle_exchanges;
    return GV_OK;
}

/* A manifest has nine digits of each float, which is enough for any; here people read them, so as few as will do. */
static void shorten_float(char out[GV_KEY_VALUE_MAX])
{
    char text[32];
    char *end;
    float value = strtof(out, &end);
    if (end == out || *end != '\0' || strpbrk(out, ".e") == NULL) {
        return;
    }
    for (int digits = 1; digits < 9; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) {
            (void)snprintf(out, GV_KEY_VALUE_MAX, "%s", text);
            return;
        }
    }
}

static void write_manifest_key(char out[GV_KEY_VALUE_MAX], const struct gv_scenario *scenario,
                               const struct gv_scenario_key *key)
{
    struct gv_manifest manifest;
    struct gv_text_out text = {.text = out, .cap = GV_KEY_VALUE_MAX};
    to_manifest(&manifest, scenario);
    out[0] = '\0';
    gv_manifest_key_write(&text, gv_manifest_key_at(gv_manifest_key_find(key->name, strlen(key->name))), &manifest);
    shorten_float(out);
}

/* ---- text -> field -------------------------------------------------------------------------------------------- */

static enum gv_err read_number(struct gv_scenario *scenario, const struct gv_scenario_key *key, const char *value,
                               struct gv_diag *diag)
{
    double number;
    enum gv_err err = gv_quantity_parse(&number, value, gv_scenario_key_dimension(key), diag);
    err = err != GV_OK ? err : check_range(key, number, diag);
    if (err != GV_OK) {
        return err;
    }
    if (key->type == GV_VALUE_TIME) {
        uint64_t us = (uint64_t)(number + 0.5);
        memcpy(place_of(scenario, key), &us, sizeof us);
    } else if (key->type == GV_VALUE_COUNT || key->type == GV_VALUE_EPOCHS) {
        uint32_t count = (uint32_t)number;
        memcpy(place_of(scenario, key), &count, sizeof count);
        scenario->learning.epochs = key->type == GV_VALUE_EPOCHS || scenario->learning.epochs;
    } else {
        memcpy(place_of(scenario, key), &number, sizeof number);
    }
    return GV_OK;
}

static enum gv_err read_dist(struct gv_scenario *scenario, const struct gv_scenario_key *key, const char *value,
                             struct gv_diag *diag)
{
    struct gv_dist dist;
    enum gv_err err = gv_dist_parse(&dist, value, gv_scenario_key_dimension(key), diag);
    err = err != GV_OK ? err : check_range(key, dist.a, diag);
    if (err == GV_OK && dist.kind == GV_DIST_UNIFORM) {
        err = check_range(key, dist.b, diag);
    }
    if (err != GV_OK) {
        return err;
    }
    memcpy(place_of(scenario, key), &dist, sizeof dist);
    if (key->type == GV_VALUE_BOTH) {
        scenario->network.down = dist;
    }
    return GV_OK;
}

static enum gv_err read_name(struct gv_scenario *scenario, const struct gv_scenario_key *key, const char *value,
                             struct gv_diag *diag)
{
    char list[GV_KEY_VALUE_MAX];
    for (uint32_t i = 0; key->names[i] != NULL; i++) {
        if (strcmp(key->names[i], value) != 0) {
            continue;
        }
        if (key->type == GV_VALUE_BOOL) {
            bool flag = i == 1;
            memcpy(place_of(scenario, key), &flag, sizeof flag);
        } else {
            memcpy(place_of(scenario, key), &i, sizeof i);
        }
        return GV_OK;
    }
    gv_scenario_key_names(list, key);
    const char *nearest = gv_nearest(value, strlen(value), key->names);
    if (nearest != NULL) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "\"%.40s\" is not %s; did you mean \"%s\"?", value, list, nearest);
    }
    return gv_diag_set(diag, GV_ERR_CONFIG, "\"%.40s\" is not %s", value, list);
}

static enum gv_err read_text(struct gv_scenario *scenario, const struct gv_scenario_key *key, const char *value,
                             struct gv_diag *diag)
{
    bool data = key->type == GV_VALUE_DATA;
    size_t cap = data ? sizeof scenario->learning.data : sizeof scenario->learning.partition;
    size_t bytes = strlen(value);
    if (bytes == 0 || bytes >= cap || !gv_text_utf8(value, bytes)) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "expected 1 to %zu bytes of text without control characters", cap - 1);
    }
    struct gv_diag inner = {.text = ""};
    if (!data && gv_partition_check(value, &inner) != GV_OK) {
        return gv_diag_set(diag, GV_ERR_CONFIG, "%s", inner.text);
    }
    memcpy(place_of(scenario, key), value, bytes + 1);
    return GV_OK;
}

enum gv_err gv_scenario_key_read(struct gv_scenario *scenario, size_t index, const char *value, struct gv_diag *diag)
{
    const struct gv_scenario_key *key = gv_scenario_key_at(index);
    switch (key->type) {
    case GV_VALUE_COUNT:
    case GV_VALUE_TIME:
    case GV_VALUE_SHARE:
    case GV_VALUE_NUMBER:
    case GV_VALUE_BANDWIDTH:
    case GV_VALUE_SHARE_RATE:
    case GV_VALUE_COUNT_RATE:
    case GV_VALUE_EPOCHS:
        return read_number(scenario, key, value, diag);
    case GV_VALUE_ENUM:
    case GV_VALUE_BOOL:
        return read_name(scenario, key, value, diag);
    case GV_VALUE_DATA:
    case GV_VALUE_PARTITION:
        return read_text(scenario, key, value, diag);
    case GV_VALUE_DIST_TIME:
    case GV_VALUE_DIST_BANDWIDTH:
    case GV_VALUE_DIST_NUMBER:
    case GV_VALUE_BOTH:
        return read_dist(scenario, key, value, diag);
    case GV_VALUE_FAULT:
        return gv_scenario_faults_read(scenario, (enum gv_fault_kind)key->offset, value, diag);
    case GV_VALUE_MANIFEST:
    case GV_VALUE_LOCAL_STEPS:
        break;
    }
    enum gv_err err = read_manifest_key(scenario, key, value, diag);
    if (err == GV_OK && key->type == GV_VALUE_LOCAL_STEPS) {
        scenario->learning.epochs = false;
    }
    return err;
}

/* ---- field -> text -------------------------------------------------------------------------------------------- */

static bool write_faults(char out[GV_KEY_VALUE_MAX], const struct gv_scenario *scenario, enum gv_fault_kind kind)
{
    size_t used = 0;
    for (uint32_t i = 0; i < scenario->fault_count; i++) {
        if (scenario->faults[i].kind == kind) {
            used += (size_t)snprintf(out + used, GV_KEY_VALUE_MAX - used, "%s", used > 0 ? ", " : "");
            used += gv_scenario_fault_write(out + used, GV_KEY_VALUE_MAX - used, &scenario->faults[i]);
        }
    }
    return used > 0;
}

static double load_number(const struct gv_scenario *scenario, const struct gv_scenario_key *key)
{
    double number;
    uint64_t us;
    uint32_t count;
    if (key->type == GV_VALUE_TIME) {
        memcpy(&us, const_place_of(scenario, key), sizeof us);
        return (double)us;
    }
    if (key->type == GV_VALUE_COUNT || key->type == GV_VALUE_EPOCHS) {
        memcpy(&count, const_place_of(scenario, key), sizeof count);
        return count;
    }
    memcpy(&number, const_place_of(scenario, key), sizeof number);
    return number;
}

bool gv_scenario_key_write(char out[GV_KEY_VALUE_MAX], const struct gv_scenario *scenario, size_t index)
{
    const struct gv_scenario_key *key = gv_scenario_key_at(index);
    uint32_t number;
    switch (key->type) {
    case GV_VALUE_EPOCHS:
    case GV_VALUE_LOCAL_STEPS:
        if (scenario->learning.epochs != (key->type == GV_VALUE_EPOCHS)) {
            return false;
        }
        (void)snprintf(out, GV_KEY_VALUE_MAX, "%u", scenario->learning.local_steps);
        return true;
    case GV_VALUE_COUNT:
    case GV_VALUE_TIME:
    case GV_VALUE_SHARE:
    case GV_VALUE_NUMBER:
    case GV_VALUE_BANDWIDTH:
    case GV_VALUE_SHARE_RATE:
    case GV_VALUE_COUNT_RATE:
        (void)gv_quantity_write(out, GV_KEY_VALUE_MAX, load_number(scenario, key), gv_scenario_key_dimension(key));
        return true;
    case GV_VALUE_ENUM:
        memcpy(&number, const_place_of(scenario, key), sizeof number);
        (void)snprintf(out, GV_KEY_VALUE_MAX, "%s", key->names[number]);
        return true;
    case GV_VALUE_BOOL:
        (void)snprintf(out, GV_KEY_VALUE_MAX, "%s", key->names[*(const bool *)const_place_of(scenario, key) ? 1 : 0]);
        return true;
    case GV_VALUE_DATA:
    case GV_VALUE_PARTITION:
        (void)snprintf(out, GV_KEY_VALUE_MAX, "%s", (const char *)const_place_of(scenario, key));
        return true;
    case GV_VALUE_DIST_TIME:
    case GV_VALUE_DIST_BANDWIDTH:
    case GV_VALUE_DIST_NUMBER:
        (void)gv_dist_write(out, GV_KEY_VALUE_MAX, const_place_of(scenario, key), gv_scenario_key_dimension(key));
        return true;
    case GV_VALUE_FAULT:
        return write_faults(out, scenario, (enum gv_fault_kind)key->offset);
    case GV_VALUE_BOTH:
        return false;
    case GV_VALUE_MANIFEST:
        break;
    }
    write_manifest_key(out, scenario, key);
    return true;
}
