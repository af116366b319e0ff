/*
 * What the tests of host/ share: see host_help.h.
 */
#include "host_help.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

const char *host_make_dir(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/gv-host-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    return folder;
}

void host_remove_dir(void)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
            (void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    (void)rmdir(folder);
}

const char *host_path(const char *name)
{
    static char paths[3][256];
    static unsigned next;
    char *path = paths[next++ % 3];
    (void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void host_write(const char *name, const void *data, size_t bytes)
{
    FILE *file = fopen(host_path(name), "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(data, 1, bytes, file), bytes);
    cr_assert_eq(fclose(file), 0);
}

char *host_read(const char *name, size_t *bytes)
{
    struct stat info;
    cr_assert_eq(stat(host_path(name), &info), 0, "%s is missing", name);
    char *data = malloc((size_t)info.st_size + 1);
    FILE *file = fopen(host_path(name), "rb");
    cr_assert(data != NULL && file != NULL);
    *bytes = fread(data, 1, (size_t)info.st_size, file);
    cr_assert_eq(*bytes, (size_t)info.st_size);
    data[*bytes] = '\0';
    (void)fclose(file);
    return data;
}

bool host_exists(const char *name)
{
    return access(host_path(name), F_OK) == 0;
}

unsigned host_count(void)
{
    unsigned count = 0;
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 ? 1 : 0;
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return count;
}
