/*
 * A scenario as a list of keys and values, taken from its INI text.
 */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "number.h"

static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1]) != NULL) {
        text[--length] = '\0';
    }
    return text;
}

static enum gv_err add(struct gv_settings *settings, const char *section, const char *key, const char *value)
{
    char *name = NULL;
    if (asprintf(&name, "%s.%s", section, key) < 0) {
        return GV_ERR_NOMEM;
    }
    struct gv_setting *more = reallocarray(settings->list, settings->count + 1, sizeof *more);
    char *copy = strdup(value);
    if (more != NULL) {
        settings->list = more;
    }
    if (more == NULL || copy == NULL) {
        free(name);
        free(copy);
        return GV_ERR_NOMEM;
    }
    settings->list[settings->count++] = (struct gv_setting){.key = name, .value = copy};
    return GV_OK;
}

/* `text` is cut up. */
static enum gv_err parse(struct gv_settings *settings, char *text)
{
    const char *section = "";
    enum gv_err err = GV_OK;
    char *next = text;
    while (next != NULL && err == GV_OK) {
        char *line = trim(strsep(&next, "\n"));
        if (line[0] == '#' || line[0] == ';' || line[0] == '\0') {
            continue;
        }
        char *end = strchr(line, line[0] == '[' ? ']' : '=');
        if (end == NULL) {
            continue;
        }
        *end = '\0';
        if (line[0] == '[') {
            section = trim(line + 1);
        } else {
            err = add(settings, section, trim(line), trim(end + 1));
        }
    }
    return err;
}

enum gv_err gv_settings_init(struct gv_settings *settings, const struct gv_scenario *scenario)
{
    *settings = (struct gv_settings){0};
    size_t bytes = 0;
    FILE *out = open_memstream(&settings->text, &bytes);
    if (out == NULL) {
        return GV_ERR_NOMEM;
    }
    struct gv_plain plain;
    gv_plain_begin(&plain);
    gv_scenario_write(scenario, out);
    gv_plain_end(&plain);
    bool written = ferror(out) == 0;
    written = fclose(out) == 0 && written;
    char *copy = written ? strdup(settings->text) : NULL;
    enum gv_err err = copy != NULL ? parse(settings, copy) : GV_ERR_NOMEM;
    free(copy);
    if (err != GV_OK) {
        gv_settings_deinit(settings);
    }
    return err;
}

void gv_settings_deinit(struct gv_settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        free(settings->list[i].key);
        free(settings->list[i].value);
    }
    free(settings->list);
    free(settings->text);
    *settings = (struct gv_settings){0};
}

const char *gv_settings_find(const struct gv_settings *settings, const char *key)
{
    for (size_t i = 0; i < settings->count; i++) {
        if (strcmp(settings->list[i].key, key) == 0) {
            return settings->list[i].value;
        }
    }
    return NULL;
}
