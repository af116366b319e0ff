/*
 * Memory that is left: see memory.h. Files of the kernel that are not there say nothing.
 */
#include "memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOUNT_BYTES 1024
#define GROUP_BYTES 2048
#define FOLDER_BYTES (MOUNT_BYTES + GROUP_BYTES)
#define PATH_BYTES (FOLDER_BYTES + 64)
#define LINE_BYTES 4200

/* The number behind "key" at the start of a line ("" for the file's first number). False if it is not there. */
static bool read_number(uint64_t *value, const char *path, const char *key)
{
    char line[LINE_BYTES];
    FILE *file = fopen(path, "re");
    bool found = false;
    size_t length = strlen(key);
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        char *end;
        if (strncmp(line, key, length) == 0) {
            *value = strtoull(line + length, &end, 10);
            found = end != line + length;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

/* What one group leaves of its limit. Pages of files that nobody has used of late are given back on demand. */
static uint64_t group_leaves(const char *folder, const char *limit_name, const char *usage_name, const char *cache_key)
{
    char path[PATH_BYTES];
    uint64_t limit;
    uint64_t usage;
    uint64_t cache = 0;
    (void)snprintf(path, sizeof path, "%s/%s", folder, limit_name);
    if (!read_number(&limit, path, "")) { /* "max" is no number: no limit */
        return UINT64_MAX;
    }
    (void)snprintf(path, sizeof path, "%s/%s", folder, usage_name);
    if (!read_number(&usage, path, "")) {
        return UINT64_MAX;
    }
    (void)snprintf(path, sizeof path, "%s/memory.stat", folder);
    (void)read_number(&cache, path, cache_key);
    usage -= cache < usage ? cache : usage;
    return limit > usage ? limit - usage : 0;
}

/* A group and those around it, from the inside out: the root's limit is often that of the container. */
static uint64_t groups_leave(const char *mount, const char *group, bool second)
{
    char inner[GROUP_BYTES];
    char folder[FOLDER_BYTES];
    uint64_t least = UINT64_MAX;
    (void)snprintf(inner, sizeof inner, "%s", group);
    for (;;) {
        (void)snprintf(folder, sizeof folder, "%s%s", mount, inner);
        uint64_t left =
            second ? group_leaves(folder, "memory.max", "memory.current", "inactive_file ")
                   : group_leaves(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ");
        least = left < least ? left : least;
        char *slash = strrchr(inner, '/');
        if (slash == NULL) {
            return least;
        }
        *slash = '\0';
    }
}

/* "0::/user.slice" (version 2) or "9:memory:/docker/..." (version 1) */
static uint64_t cgroups_leave(const char *root)
{
    char path[MOUNT_BYTES];
    char line[LINE_BYTES];
    uint64_t least = UINT64_MAX;
    (void)snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *names = strchr(line, ':');
        char *group = names != NULL ? strchr(names + 1, ':') : NULL;
        if (group == NULL || strlen(group) >= GROUP_BYTES) {
            continue;
        }
        *group++ = '\0';
        bool second = names[1] == '\0';
        if (!second && strcmp(names + 1, "memory") != 0) {
            continue;
        }
        (void)snprintf(path, sizeof path, "%s/sys/fs/cgroup%s", root, second ? "" : "/memory");
        uint64_t left = groups_leave(path, strcmp(group, "/") == 0 ? "" : group, second);
        least = left < least ? left : least;
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return least;
}

uint64_t gv_memory_available_at(const char *root)
{
    char path[PATH_BYTES];
    uint64_t kilobytes;
    (void)snprintf(path, sizeof path, "%s/proc/meminfo", root);
    uint64_t available = read_number(&kilobytes, path, "MemAvailable:") ? kilobytes * 1024 : UINT64_MAX;
    uint64_t left = cgroups_leave(root);
    return left < available ? left : available;
}

uint64_t gv_memory_available(void)
{
    return gv_memory_available_at("");
}
