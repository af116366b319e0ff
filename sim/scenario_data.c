/*
 * Where a scenario's data is on this machine: gv_scenario_find_data(). A scenario that ships may say `data = auto`, or
 * name a file in $GV_DATA, and runs wherever there is such data.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scenario.h"

#define VARIABLE "GV_DATA"
#define AUTO_FOLDER "fashion-mnist"
#define AUTO_ELSE "builtin:glyphs"

static enum gv_err fail(const struct gv_scenario *scenario, struct gv_diag *diag, const char *what, const char *advice)
{
    (void)gv_diag_set(diag, GV_ERR_DATA, "learning.data = %.200s: %s; %s", scenario->learning.data, what, advice);
    if (scenario->source[0] != '\0' && diag != NULL) {
        (void)gv_diag_wrap(diag, "%s", scenario->source);
    }
    return GV_ERR_DATA;
}

/* data <- head, folder, tail. False if that is too long. */
static bool put_together(struct gv_scenario *scenario, size_t head, const char *folder, const char *tail)
{
    char result[sizeof scenario->learning.data];
    int used = snprintf(result, sizeof result, "%.*s%s%s", (int)head, scenario->learning.data, folder, tail);
    if (used < 0 || (size_t)used >= sizeof result) {
        return false;
    }
    memcpy(scenario->learning.data, result, sizeof result);
    return true;
}

static enum gv_err expand(struct gv_scenario *scenario, const char *folder, struct gv_diag *diag)
{
    static const char *const forms[] = {"${" VARIABLE "}", "$" VARIABLE};
    char tail[sizeof scenario->learning.data];
    for (size_t i = 0; i < 2; i++) {
        char *at = strstr(scenario->learning.data, forms[i]);
        if (at == NULL) {
            continue;
        }
        if (folder == NULL) {
            return fail(
                scenario, diag, "the environment has no " VARIABLE,
                "set it to the folder that holds the data sets, or name another file with --set learning.data=");
        }
        if (strchr(folder, ',') != NULL) {
            return fail(scenario, diag, "the folder in " VARIABLE " has a comma in its name, which would end the path",
                        "give it another name");
        }
        (void)snprintf(tail, sizeof tail, "%s", at + strlen(forms[i]));
        if (!put_together(scenario, (size_t)(at - scenario->learning.data), folder, tail)) {
            return fail(scenario, diag, "with the folder in " VARIABLE " it is too long", "use a shorter path");
        }
        return GV_OK;
    }
    return GV_OK;
}

/* The four files may be gzipped or not; their reader says more. */
static bool folder_has_files(const char *path)
{
    DIR *folder = opendir(path);
    bool found = false;
    for (const struct dirent *entry = NULL; folder != NULL && (entry = readdir(folder)) != NULL;) {
        found = found || strncmp(entry->d_name, "train-images", 12) == 0;
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return found;
}

static enum gv_err choose(struct gv_scenario *scenario, const char *folder)
{
    char path[sizeof scenario->learning.data];
    int used = folder == NULL ? -1 : snprintf(path, sizeof path, "idx:%s/" AUTO_FOLDER, folder);
    bool fits = used > 0 && (size_t)used < sizeof path && strchr(path, ',') == NULL;
    if (fits && folder_has_files(path + 4)) {
        memcpy(scenario->learning.data, path, (size_t)used + 1);
    } else {
        (void)snprintf(scenario->learning.data, sizeof scenario->learning.data, AUTO_ELSE);
    }
    return GV_OK;
}

enum gv_err gv_scenario_find_data(struct gv_scenario *scenario, struct gv_diag *diag)
{
    char path[sizeof scenario->learning.data];
    struct stat info;
    const char *folder = getenv(VARIABLE);
    folder = folder != NULL && folder[0] == '\0' ? NULL : folder;
    if (scenario->swarm.mode != GV_MODE_TRAIN) {
        return GV_OK;
    }
    if (strcmp(scenario->learning.data, "auto") == 0) {
        return choose(scenario, folder);
    }
    enum gv_err err = expand(scenario, folder, diag);
    bool idx = strncmp(scenario->learning.data, "idx:", 4) == 0;
    if (err != GV_OK || (!idx && strncmp(scenario->learning.data, "csv:", 4) != 0)) {
        return err;
    }
    (void)snprintf(path, sizeof path, "%s", scenario->learning.data + 4);
    path[strcspn(path, ",")] = '\0';
    if (stat(path, &info) != 0) {
        return fail(scenario, diag, "there is no such file or folder",
                    "correct the path, or use builtin:glyphs, which needs none");
    }
    if (idx && (!S_ISDIR(info.st_mode) || !folder_has_files(path))) {
        return fail(scenario, diag, "there is no train-images-idx3-ubyte[.gz]",
                    "expected the folder that holds the four files of such a data set");
    }
    if (access(path, R_OK) != 0) {
        return fail(scenario, diag, "it may not be read", "change its permissions");
    }
    return GV_OK;
}
