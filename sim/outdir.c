/*
 * The folder that a simulation or a comparison writes into.
 */
#include "outdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const RUN_FILES[] = {"scenario.ini", "metrics.csv", "summary.json", "report.html", NULL};
static const char *const COMPARISON_FILES[] = {"report.html", NULL};

static enum gv_err err_of(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return GV_ERR_NO_SPACE;
    case ENOMEM:
        return GV_ERR_NOMEM;
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOTDIR:
    case ENOENT:
    case ELOOP:
    case ENAMETOOLONG:
        return GV_ERR_PATH;
    default:
        return GV_ERR_IO;
    }
}

/* mkdir -p. `path` is cut at each slash in turn and restored. */
static enum gv_err make_folders(char *path, struct gv_diag *diag)
{
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at != '\0') {
            continue;
        }
        char end = *at;
        *at = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST && !(errno == EROFS && access(path, F_OK) == 0)) {
            return gv_diag_set(diag, err_of(errno), "%s: cannot be created: %s", path, strerror(errno));
        }
        *at = end;
        if (end == '\0') {
            return GV_OK;
        }
    }
}

/* True if the file `name` begins with `mark`. */
static bool begins_with(int dir, const char *name, const char *mark)
{
    char text[128];
    size_t length = strlen(mark);
    GV_ASSERT(length <= sizeof text);
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, text, length);
    (void)close(fd);
    return got == (ssize_t)length && memcmp(text, mark, length) == 0;
}

static bool is_one_of(const char *const *names, const char *name)
{
    for (; *names != NULL; names++) {
        if (strcmp(*names, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Only files that such a run writes, and the file by which it is known as written by one. Names that begin with a dot
 * disturb nobody, and nothing with such a name is replaced but temporary files of ours. */
static enum gv_err check_contents(const struct gv_outdir *outdir, enum gv_outdir_kind kind, struct gv_diag *diag)
{
    bool run = kind == GV_OUTDIR_RUN;
    int fd = fcntl(outdir->fd, F_DUPFD_CLOEXEC, 0);
    DIR *entries = fd >= 0 ? fdopendir(fd) : NULL;
    if (entries == NULL) {
        int error = errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return gv_diag_set(diag, err_of(error), "%s: cannot be read: %s", outdir->path, strerror(error));
    }
    bool marked = run ? begins_with(outdir->fd, "scenario.ini", GV_OUTDIR_RUN_MARK)
                      : begins_with(outdir->fd, "report.html", GV_OUTDIR_COMPARISON_MARK);
    enum gv_err err = GV_OK;
    const struct dirent *entry;
    while (err == GV_OK && (entry = readdir(entries)) != NULL) {
        const char *name = entry->d_name;
        if (name[0] != '.' && !(marked && is_one_of(run ? RUN_FILES : COMPARISON_FILES, name))) {
            err = gv_diag_set(diag, GV_ERR_PATH,
                              "%s: holds %.80s, which no %s has written; choose an empty folder or a new one",
                              outdir->path, name, run ? "simulation" : "comparison");
        }
    }
    (void)closedir(entries);
    return err;
}

enum gv_err gv_outdir_open(struct gv_outdir *outdir, const char *dir, enum gv_outdir_kind kind, struct gv_diag *diag)
{
    *outdir = (struct gv_outdir){.fd = -1, .path = strdup(dir)};
    if (outdir->path == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s: no memory", dir);
    }
    enum gv_err err = dir[0] != '\0' ? make_folders(outdir->path, diag)
                                     : gv_diag_set(diag, GV_ERR_PATH, "the output folder has no name");
    if (err == GV_OK && (outdir->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        err = gv_diag_set(diag, err_of(errno), "%s: cannot be opened as a folder: %s", dir, strerror(errno));
    }
    if (err == GV_OK && flock(outdir->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        err = gv_diag_set(diag, GV_ERR_IN_USE, "%s: another run is writing into it", dir);
    }
    if (err == GV_OK) {
        err = check_contents(outdir, kind, diag);
    }
    if (err == GV_OK && faccessat(outdir->fd, ".", W_OK | X_OK, AT_EACCESS) != 0) {
        err = gv_diag_set(diag, GV_ERR_PATH, "%s: cannot be written: %s", dir, strerror(errno));
    }
    if (err != GV_OK) {
        gv_outdir_close(outdir);
    }
    return err;
}

enum gv_err gv_outdir_create(struct gv_outdir *outdir, const char *name, int *fd, struct gv_diag *diag)
{
    enum gv_err err = gv_outdir_remove(outdir, name, diag);
    if (err != GV_OK) {
        return err;
    }
    *fd = openat(outdir->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (*fd < 0) {
        return gv_diag_set(diag, err_of(errno), "%s/%s: cannot be created: %s", outdir->path, name, strerror(errno));
    }
    return GV_OK;
}

enum gv_err gv_outdir_append(const struct gv_outdir *outdir, const char *name, int fd, const char *text, size_t bytes,
                             struct gv_diag *diag)
{
    off_t before = lseek(fd, 0, SEEK_END);
    size_t done = 0;
    while (before >= 0 && done < bytes) {
        ssize_t more = write(fd, text + done, bytes - done);
        if (more > 0) {
            done += (size_t)more;
        } else if (more == 0 || errno != EINTR) {
            break;
        }
    }
    if (before >= 0 && done == bytes) {
        return GV_OK;
    }
    int error = errno;
    if (before >= 0 && ftruncate(fd, before) != 0) {
        return gv_diag_set(diag, err_of(error), "%s/%s: cannot be written (%s), and its last line is cut off",
                           outdir->path, name, strerror(error));
    }
    return gv_diag_set(diag, err_of(error), "%s/%s: cannot be written: %s", outdir->path, name, strerror(error));
}

enum gv_err gv_outdir_replace(struct gv_outdir *outdir, const char *name, const char *text, size_t bytes,
                              struct gv_diag *diag)
{
    char temporary[64];
    int length = snprintf(temporary, sizeof temporary, ".%s.new", name);
    GV_ASSERT(length > 0 && (size_t)length < sizeof temporary);
    int fd = -1;
    enum gv_err err = gv_outdir_create(outdir, temporary, &fd, diag);
    if (err != GV_OK) {
        return err;
    }
    err = gv_outdir_append(outdir, name, fd, text, bytes, diag);
    if (err == GV_OK && fsync(fd) != 0) {
        err = gv_diag_set(diag, err_of(errno), "%s/%s: cannot be written: %s", outdir->path, name, strerror(errno));
    }
    if (close(fd) != 0 && err == GV_OK) {
        err = gv_diag_set(diag, err_of(errno), "%s/%s: cannot be written: %s", outdir->path, name, strerror(errno));
    }
    if (err == GV_OK && renameat(outdir->fd, temporary, outdir->fd, name) != 0) {
        err = gv_diag_set(diag, err_of(errno), "%s/%s: cannot be replaced: %s", outdir->path, name, strerror(errno));
    }
    if (err != GV_OK) {
        (void)unlinkat(outdir->fd, temporary, 0);
        return err;
    }
    (void)fsync(outdir->fd); /* some file systems know no fsync of folders; the file itself is safe */
    return GV_OK;
}

enum gv_err gv_outdir_remove(struct gv_outdir *outdir, const char *name, struct gv_diag *diag)
{
    if (unlinkat(outdir->fd, name, 0) != 0 && errno != ENOENT) {
        return gv_diag_set(diag, err_of(errno), "%s/%s: cannot be removed: %s", outdir->path, name, strerror(errno));
    }
    return GV_OK;
}

void gv_outdir_close(struct gv_outdir *outdir)
{
    if (outdir->fd >= 0) {
        (void)close(outdir->fd);
    }
    free(outdir->path);
    *outdir = (struct gv_outdir){.fd = -1};
}
