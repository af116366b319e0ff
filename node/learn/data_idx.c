/*
 * IDX, the format of MNIST and its likes: four files with fixed names, gzipped or not.
 *
 *     0  two zero bytes, type (0x08: unsigned bytes), rank
 *     4  rank big-endian 32-bit sizes, the first of them the number of samples
 *        then the bytes
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data_file.h"
#include "data_read.h"

#define TYPE_BYTES 0x08U
#define RANK_MAX 4U

/* One array of bytes as its file holds it. */
struct array {
    uint32_t rank;
    uint64_t count; /* the first size */
    uint64_t inner; /* the product of the others: bytes of one sample */
    uint8_t *bytes; /* (count, inner), owned */
};

static bool exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0;
}

/* The path of dir/name or dir/name.gz, whichever is there. Returns owned; NULL with *err GV_OK if neither is. */
static char *find_file(const char *dir, const char *name, enum gv_err *err)
{
    size_t bytes = strlen(dir) + strlen(name) + sizeof "/.gz";
    char *path = malloc(bytes);
    if (path == NULL) {
        *err = GV_ERR_NOMEM;
        return NULL;
    }
    *err = GV_OK;
    (void)snprintf(path, bytes, "%s/%s", dir, name);
    if (exists(path)) {
        return path;
    }
    (void)snprintf(path, bytes, "%s/%s.gz", dir, name);
    if (exists(path)) {
        return path;
    }
    free(path);
    return NULL;
}

static uint32_t big_endian(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static enum gv_err read_exactly(struct gv_data_file *file, void *out, uint64_t offset, size_t bytes,
                                struct gv_diag *diag)
{
    size_t got;
    enum gv_err err = gv_data_file_read(file, out, &got, bytes, diag);
    if (err == GV_OK && got < bytes) {
        return gv_diag_set(diag, GV_ERR_DATA, "ends at byte %llu, expected %llu: the file is truncated",
                           (unsigned long long)(offset + got), (unsigned long long)(offset + bytes));
    }
    return err;
}

/* Magic and sizes, checked against what a file of this size can hold before anything is allocated for them. */
static enum gv_err read_head(struct gv_data_file *file, struct array *array, bool labels, struct gv_diag *diag)
{
    uint8_t head[4 + 4 * RANK_MAX];
    enum gv_err err = read_exactly(file, head, 0, 4, diag);
    if (err != GV_OK) {
        return err;
    }
    array->rank = head[3];
    bool rank_fits = labels ? array->rank == 1 : array->rank >= 2 && array->rank <= RANK_MAX;
    if (head[0] != 0 || head[1] != 0 || head[2] != TYPE_BYTES || !rank_fits) {
        return gv_diag_set(diag, GV_ERR_DATA, "byte 0: magic 0x%08x, expected %s", big_endian(head),
                           labels ? "0x00000801 (labels)" : "0x00000803 (images)");
    }
    err = read_exactly(file, head + 4, 4, 4 * (size_t)array->rank, diag);
    if (err != GV_OK) {
        return err;
    }
    array->count = big_endian(head + 4);
    array->inner = 1;
    for (uint32_t d = 1; d < array->rank; d++) {
        uint32_t size = big_endian(head + 4 + 4 * (size_t)d);
        if (size == 0 || size > GV_FEATURES_MAX || array->inner * size > GV_FEATURES_MAX) {
            return gv_diag_set(diag, GV_ERR_DATA, "byte %u: a size of %u makes no sample of 1 to %u values", 4 + 4 * d,
                               size, GV_FEATURES_MAX);
        }
        array->inner *= size;
    }
    uint64_t promised = 4 + 4 * (uint64_t)array->rank + array->count * array->inner;
    if (array->count == 0 || array->count == UINT32_MAX || promised > file->content_max) {
        return gv_diag_set(diag, GV_ERR_DATA,
                           "byte 4: the header promises %llu samples of %llu bytes; a file of this size holds at most "
                           "%llu bytes",
                           (unsigned long long)array->count, (unsigned long long)array->inner,
                           (unsigned long long)file->content_max);
    }
    return GV_OK;
}

static enum gv_err read_body(struct gv_data_file *file, struct array *array, struct gv_diag *diag)
{
    uint64_t bytes = array->count * array->inner;
    uint64_t offset = 4 + 4 * (uint64_t)array->rank;
    array->bytes = malloc(bytes);
    if (array->bytes == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory for %llu bytes", (unsigned long long)bytes);
    }
    enum gv_err err = read_exactly(file, array->bytes, offset, bytes, diag);
    if (err != GV_OK) {
        return err;
    }
    /* One byte more: it must not be there, and asking for it makes zlib verify its checksum. */
    uint8_t extra;
    size_t got;
    err = gv_data_file_read(file, &extra, &got, 1, diag);
    if (err == GV_OK && got != 0) {
        return gv_diag_set(diag, GV_ERR_DATA, "goes on after byte %llu, where its header ends it",
                           (unsigned long long)(offset + bytes));
    }
    return err;
}

/* Reads dir/name[.gz]. An absent file is an error unless `optional`; then array->bytes stays NULL. */
static enum gv_err read_array(struct array *array, const char *dir, const char *name, bool optional,
                              struct gv_diag *diag)
{
    memset(array, 0, sizeof *array);
    enum gv_err err;
    char *path = find_file(dir, name, &err);
    if (path == NULL) {
        if (err != GV_OK) {
            return gv_diag_set(diag, err, "out of memory");
        }
        if (optional) {
            return GV_OK;
        }
        return gv_diag_set(diag, GV_ERR_DATA, "%s/%s: no such file, with or without .gz", dir, name);
    }
    struct gv_data_file file;
    err = gv_data_file_open(&file, path, diag);
    if (err == GV_OK) {
        err = read_head(&file, array, strstr(name, "labels") != NULL, diag);
        if (err == GV_OK) {
            err = read_body(&file, array, diag);
        }
        gv_data_file_close(&file);
        if (err != GV_OK) {
            (void)gv_diag_wrap(diag, "%s", path);
            free(array->bytes);
            array->bytes = NULL;
        }
    }
    free(path);
    return err;
}

/* Images and labels of one part into samples; *features is the images' size. */
static enum gv_err read_part(struct gv_samples *samples, uint64_t *features, const char *dir, const char *part,
                             bool optional, struct gv_diag *diag)
{
    char images_name[32];
    char labels_name[32];
    (void)snprintf(images_name, sizeof images_name, "%s-images-idx3-ubyte", part);
    (void)snprintf(labels_name, sizeof labels_name, "%s-labels-idx1-ubyte", part);
    struct array images;
    enum gv_err err = read_array(&images, dir, images_name, optional, diag);
    if (err != GV_OK) {
        return err;
    }
    struct array labels;
    err = read_array(&labels, dir, labels_name, optional && images.bytes == NULL, diag);
    if (err != GV_OK) {
        free(images.bytes);
        return err;
    }
    samples->bytes = images.bytes;
    *features = images.inner;
    if (images.count != labels.count) {
        free(labels.bytes);
        return gv_diag_set(diag, GV_ERR_DATA, "%s: %llu images in %s, but %llu labels in %s", dir,
                           (unsigned long long)images.count, images_name, (unsigned long long)labels.count,
                           labels_name);
    }
    if (labels.bytes == NULL) {
        return GV_OK;
    }
    samples->labels = malloc(labels.count * sizeof *samples->labels);
    if (samples->labels == NULL) {
        free(labels.bytes);
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    samples->count = labels.count;
    for (size_t i = 0; i < samples->count; i++) {
        samples->labels[i] = labels.bytes[i];
    }
    free(labels.bytes);
    return GV_OK;
}

static uint32_t largest_label(const struct gv_samples *samples)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < samples->count; i++) {
        largest = samples->labels[i] > largest ? samples->labels[i] : largest;
    }
    return largest;
}

enum gv_err gv_data_read_idx(struct gv_data *data, struct gv_data_spec *spec, struct gv_diag *diag)
{
    enum gv_err err = gv_data_spec_finish(spec, "no options", diag);
    if (err != GV_OK) {
        return err;
    }
    struct stat status;
    if (stat(spec->place, &status) != 0) {
        return gv_diag_set(diag, GV_ERR_DATA, "%s: %s", spec->place, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode)) {
        return gv_diag_set(diag, GV_ERR_DATA,
                           "%s: is not a directory; idx: wants the one that holds train-images-idx3-ubyte[.gz] and its "
                           "companions",
                           spec->place);
    }
    uint64_t features;
    err = read_part(&data->train, &features, spec->place, "train", false, diag);
    if (err != GV_OK) {
        return err;
    }
    data->features = (uint32_t)features;
    err = read_part(&data->test, &features, spec->place, "t10k", true, diag);
    if (err != GV_OK) {
        return err;
    }
    if (data->test.count > 0 && features != data->features) {
        return gv_diag_set(diag, GV_ERR_DATA, "%s: training images have %u values, test images %llu", spec->place,
                           data->features, (unsigned long long)features);
    }
    uint32_t train = largest_label(&data->train);
    uint32_t test = largest_label(&data->test);
    return gv_data_number_classes(data, 1 + (train > test ? train : test), diag);
}
