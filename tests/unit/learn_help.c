/*
 * What the tests of learn/ share.
 */
#include "learn_help.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

/* Each test runs in a process of its own, so these are the test's. */
static char directory[64];
static char path[512];

uint64_t help_seed(void)
{
    const char *text = getenv("SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
    fprintf(stderr, "SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

const char *help_make_dir(void)
{
    (void)snprintf(directory, sizeof directory, "/tmp/grapevine-test-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    return directory;
}

void help_remove_dir(void)
{
    DIR *dir = opendir(directory);
    if (dir == NULL) {
        return;
    }
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        (void)snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (entry->d_name[0] != '.') {
            (void)remove(path);
        }
    }
    (void)closedir(dir);
    (void)rmdir(directory);
}

const char *help_write(const char *name, const void *content, size_t bytes)
{
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(content, 1, bytes, file), bytes);
    cr_assert_eq(fclose(file), 0);
    return path;
}

const char *help_write_gz(const char *name, const void *content, size_t bytes)
{
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    gzFile file = gzopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(gzwrite(file, content, (unsigned)bytes), (int)bytes);
    cr_assert_eq(gzclose(file), Z_OK);
    return path;
}

void help_load(struct gv_data *data, const char *spec)
{
    struct gv_diag diag = {0};
    cr_assert_eq(gv_data_load(data, spec, &diag), GV_OK, "%s", diag.text);
}

void help_refuse(const char *spec, const char *part)
{
    struct gv_data data;
    struct gv_diag diag = {0};
    enum gv_err err = gv_data_load(&data, spec, &diag);
    cr_assert_eq(err, GV_ERR_DATA, "%s: error %d", spec, (int)err);
    cr_assert_eq(diag.code, GV_ERR_DATA);
    cr_assert_not_null(strstr(diag.text, part), "\"%s\" does not say \"%s\"", diag.text, part);
    cr_assert_null(data.train.labels, "a refused data set leaves nothing behind");
}

const char *help_real_data(const char *name)
{
    const char *root = getenv("GV_DATA");
    (void)snprintf(path, sizeof path, "%s/%s", root != NULL ? root : "../shared/data", name);
    if (access(path, R_OK) != 0) {
        cr_skip("no real data at %s (GV_DATA says where)", path);
    }
    return path;
}

uint64_t help_hash(const void *bytes, size_t count)
{
    const uint8_t *b = bytes;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ b[i]) * UINT64_C(0x100000001b3);
    }
    return hash;
}
