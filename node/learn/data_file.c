/*
 * Reading files through zlib, which passes on what is not gzipped.
 */
#include "data_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Deflate cannot shrink its input to less than 1/1032 (258 bytes in two bits). */
#define DEFLATE_RATIO_MAX 1032U

/* zlib counts with unsigned int; a gibibyte at a time is plenty. */
#define READ_BYTES_MAX ((size_t)1 << 30)

enum gv_err gv_data_file_open(struct gv_data_file *file, const char *path, struct gv_diag *diag)
{
    memset(file, 0, sizeof *file);
    /* Non-blocking, lest a named pipe without a writer holds us up. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return gv_diag_set(diag, GV_ERR_DATA, "%s: cannot be opened: %s", path, strerror(errno));
    }
    struct stat status;
    if (fstat(fd, &status) != 0) {
        enum gv_err err = gv_diag_set(diag, GV_ERR_IO, "%s: cannot be looked at: %s", path, strerror(errno));
        (void)close(fd);
        return err;
    }
    if (!S_ISREG(status.st_mode)) {
        (void)close(fd);
        return gv_diag_set(diag, GV_ERR_DATA, "%s: is %s, expected a file", path,
                           S_ISDIR(status.st_mode) ? "a directory" : "a device or pipe");
    }
    if (status.st_size == 0) {
        (void)close(fd);
        return gv_diag_set(diag, GV_ERR_DATA, "%s: is empty", path);
    }
    file->gz = gzdopen(fd, "rb");
    if (file->gz == NULL) {
        (void)close(fd);
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s: out of memory", path);
    }
    (void)gzbuffer(file->gz, 128 * 1024);
    uint64_t size = (uint64_t)status.st_size;
    if (gzdirect(file->gz) != 0) {
        file->content_max = size;
    } else {
        file->content_max = size < UINT64_MAX / DEFLATE_RATIO_MAX ? size * DEFLATE_RATIO_MAX : UINT64_MAX;
    }
    return GV_OK;
}

static enum gv_err read_failure(struct gv_data_file *file, struct gv_diag *diag)
{
    int code;
    const char *text = gzerror(file->gz, &code);
    switch (code) {
    case Z_OK:
    case Z_STREAM_END:
        return GV_OK;
    case Z_BUF_ERROR:
        return gv_diag_set(diag, GV_ERR_DATA, "the gzip stream ends too early: the file is truncated, copy it again");
    case Z_DATA_ERROR:
        return gv_diag_set(diag, GV_ERR_DATA, "the gzip stream is damaged (%s): copy the file again", text);
    case Z_MEM_ERROR:
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    default:
        return gv_diag_set(diag, GV_ERR_IO, "cannot be read: %s", code == Z_ERRNO ? strerror(errno) : text);
    }
}

enum gv_err gv_data_file_read(struct gv_data_file *file, void *out, size_t *got, size_t bytes, struct gv_diag *diag)
{
    *got = 0;
    while (*got < bytes) {
        size_t left = bytes - *got;
        int count = gzread(file->gz, (uint8_t *)out + *got, (unsigned)(left < READ_BYTES_MAX ? left : READ_BYTES_MAX));
        if (count <= 0) {
            return read_failure(file, diag);
        }
        *got += (size_t)count;
    }
    return GV_OK;
}

void gv_data_file_close(struct gv_data_file *file)
{
    if (file->gz != NULL) {
        (void)gzclose_r(file->gz);
        file->gz = NULL;
    }
}
