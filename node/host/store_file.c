/*
 * Files, the folder that holds them, and its lock: see store.h and store_file.h.
 */
#include "store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "folder.h"

#define LOCK_POLL_MS 20

enum gv_err gv_errno_err(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return GV_ERR_NO_SPACE;
    case ENOENT:
        return GV_ERR_NOT_FOUND;
    case ENOMEM:
        return GV_ERR_NOMEM;
    case ENAMETOOLONG:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
        return GV_ERR_PATH;
    case EACCES:
    case EPERM:
    case EROFS:
        return GV_ERR_CONFIG; /* nothing is damaged; the user must permit it */
    default:
        return GV_ERR_IO;
    }
}

static enum gv_err say_errno(struct gv_diag *diag, const char *path, const char *what)
{
    int number = errno;
    return gv_diag_set(diag, gv_errno_err(number), "%s: %s: %s", path, what, strerror(number));
}

/* A rename would put a file in the place of a device, a pipe, a socket or a link: whoever uses that would lose it. */
static enum gv_err check_replaceable(const char *path, struct gv_diag *diag)
{
    struct stat info;
    if (lstat(path, &info) != 0) {
        return errno == ENOENT ? GV_OK : say_errno(diag, path, "cannot be examined");
    }
    if (S_ISREG(info.st_mode)) {
        return GV_OK;
    }
    return gv_diag_set(diag, GV_ERR_PATH, "%s: is %s; only a regular file is replaced, so name one, or a new one", path,
                       S_ISDIR(info.st_mode)   ? "a folder"
                       : S_ISLNK(info.st_mode) ? "a symbolic link"
                                               : "a device, a pipe or a socket");
}

static enum gv_err name_files(struct gv_replacement *r, const char *path, const char *suffix, struct gv_diag *diag)
{
    r->fd = -1;
    int used = snprintf(r->path, sizeof r->path, "%s", path);
    int more = snprintf(r->temporary, sizeof r->temporary, "%s%s", path, suffix);
    if (used < 0 || more < 0 || (size_t)more >= sizeof r->temporary) {
        return gv_diag_set(diag, GV_ERR_PATH, "%.200s...: the path is too long (at most %zu characters)", path,
                           GV_STORE_PATH_MAX - 1 - strlen(suffix));
    }
    return check_replaceable(path, diag);
}

static enum gv_err open_temporary(struct gv_replacement *r, unsigned mode, struct gv_diag *diag)
{
    r->fd = open(r->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
    if (r->fd < 0) {
        return errno == ENOENT ? gv_diag_set(diag, GV_ERR_PATH, "%s: its folder does not exist", r->path)
                               : say_errno(diag, r->temporary, "cannot be created");
    }
    return GV_OK;
}

enum gv_err gv_replacement_open(struct gv_replacement *r, const char *path, unsigned mode, struct gv_diag *diag)
{
    enum gv_err err = name_files(r, path, ".tmp", diag);
    if (err != GV_OK) {
        return err;
    }
    /* One left by a crash may have another mode or be someone's link. */
    (void)unlink(r->temporary);
    return open_temporary(r, mode, diag);
}

enum gv_err gv_replacement_open_anywhere(struct gv_replacement *r, const char *path, unsigned mode,
                                         struct gv_diag *diag)
{
    char suffix[16];
    (void)snprintf(suffix, sizeof suffix, ".%08x.tmp", (unsigned)randombytes_random());
    enum gv_err err = name_files(r, path, suffix, diag);
    return err == GV_OK ? open_temporary(r, mode, diag) : err;
}

enum gv_err gv_replacement_write(struct gv_replacement *r, const void *data, size_t bytes, struct gv_diag *diag)
{
    const uint8_t *at = data;
    while (bytes > 0) {
        ssize_t written = write(r->fd, at, bytes);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return say_errno(diag, r->temporary, "cannot be written");
        }
        at += written;
        bytes -= (size_t)written;
    }
    return GV_OK;
}

void gv_replacement_abort(struct gv_replacement *r)
{
    if (r->fd >= 0) {
        (void)close(r->fd);
        (void)unlink(r->temporary);
        r->fd = -1;
    }
}

enum gv_err gv_replacement_commit(struct gv_replacement *r, struct gv_diag *diag)
{
    if (fsync(r->fd) != 0) {
        enum gv_err err = say_errno(diag, r->temporary, "cannot be written to the disk");
        gv_replacement_abort(r);
        return err;
    }
    int fd = r->fd;
    r->fd = -1;
    if (close(fd) != 0 || rename(r->temporary, r->path) != 0) {
        enum gv_err err = say_errno(diag, r->path, "cannot be replaced");
        (void)unlink(r->temporary);
        return err;
    }
    return gv_folder_sync(r->path) == GV_OK ? GV_OK : say_errno(diag, r->path, "its folder cannot be synced");
}

enum gv_err gv_file_write(const char *path, const void *data, size_t bytes, unsigned mode, struct gv_diag *diag)
{
    struct gv_replacement r;
    enum gv_err err = gv_replacement_open(&r, path, mode, diag);
    if (err != GV_OK) {
        return err;
    }
    err = gv_replacement_write(&r, data, bytes, diag);
    if (err != GV_OK) {
        gv_replacement_abort(&r);
        return err;
    }
    return gv_replacement_commit(&r, diag);
}

/* The rest of an open file, which said it holds *bytes; a file that grows or shrinks meanwhile is an error. */
static enum gv_err read_open(int fd, const char *path, size_t max, uint8_t **data, size_t *bytes, struct gv_diag *diag)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return say_errno(diag, path, "cannot be examined");
    }
    if (!S_ISREG(info.st_mode)) {
        return gv_diag_set(diag, GV_ERR_PATH, "%s: not a regular file", path);
    }
    if ((uint64_t)info.st_size > max) {
        return gv_diag_set(diag, GV_ERR_CORRUPT, "%s: %lld bytes, at most %zu are expected", path,
                           (long long)info.st_size, max);
    }
    size_t size = (size_t)info.st_size;
    uint8_t *buffer = malloc(size + 1);
    if (buffer == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s: %s", path, gv_err_text(GV_ERR_NOMEM));
    }
    size_t have = 0;
    while (have < size) {
        ssize_t got = read(fd, buffer + have, size - have);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            enum gv_err err = got < 0 ? say_errno(diag, path, "cannot be read")
                                      : gv_diag_set(diag, GV_ERR_IO, "%s: ended at byte %zu of %zu", path, have, size);
            free(buffer);
            return err;
        }
        have += (size_t)got;
    }
    buffer[size] = 0;
    *data = buffer;
    *bytes = size;
    return GV_OK;
}

enum gv_err gv_file_read(const char *path, size_t max, uint8_t **data, size_t *bytes, struct gv_diag *diag)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would block */
    if (fd < 0) {
        return say_errno(diag, path, "cannot be opened");
    }
    enum gv_err err = read_open(fd, path, max, data, bytes, diag);
    (void)close(fd);
    return err;
}

enum gv_err gv_file_advise(struct gv_diag *diag, enum gv_err err, const char *format, ...)
{
    char advice[sizeof diag->text];
    if (err != GV_ERR_NOT_FOUND && err != GV_ERR_CORRUPT && err != GV_ERR_PATH) {
        return err;
    }
    if (diag != NULL) {
        size_t used = strlen(diag->text);
        va_list args;
        va_start(args, format);
        (void)vsnprintf(advice, sizeof advice, format, args);
        va_end(args);
        (void)snprintf(diag->text + used, sizeof diag->text - used, "; %s", advice);
        diag->code = GV_ERR_CONFIG;
    }
    return GV_ERR_CONFIG;
}

enum gv_err gv_store_path(char *out, const char *dir, const char *name, struct gv_diag *diag)
{
    int used = snprintf(out, GV_STORE_PATH_MAX, "%s/%s", dir, name);
    if (used < 0 || (size_t)used >= GV_STORE_PATH_MAX) {
        return gv_diag_set(diag, GV_ERR_PATH, "%.200s...: the path is too long (%d characters, at most %d)", dir, used,
                           GV_STORE_PATH_MAX - 1);
    }
    return GV_OK;
}

enum gv_err gv_store_write(const char *dir, const char *name, const void *data, size_t bytes, unsigned mode,
                           struct gv_diag *diag)
{
    char path[GV_STORE_PATH_MAX];
    enum gv_err err = gv_store_path(path, dir, name, diag);
    return err != GV_OK ? err : gv_file_write(path, data, bytes, mode, diag);
}

enum gv_err gv_store_read(const char *dir, const char *name, size_t max, uint8_t **data, size_t *bytes,
                          struct gv_diag *diag)
{
    char path[GV_STORE_PATH_MAX];
    enum gv_err err = gv_store_path(path, dir, name, diag);
    return err != GV_OK ? err : gv_file_read(path, max, data, bytes, diag);
}

/* Everything a state DIR may hold; the lock is first, because an empty DIR may hold it. */
static const char *const FILES[] = {"lock",     "config.ini", "node.key",     "manifest",     "member",
                                    "peers",    "trust",      "invites",      "left",         "incarnation",
                                    "root.key", "log",        "checkpoint.a", "checkpoint.b", "control.sock"};

static bool present(const char *dir, const char *name)
{
    char path[GV_STORE_PATH_MAX];
    struct stat info;
    return gv_store_path(path, dir, name, NULL) == GV_OK && lstat(path, &info) == 0;
}

bool gv_store_exists(const char *dir)
{
    /* Without permission nobody can tell; whoever opens the files then says so. */
    return present(dir, "manifest") || present(dir, "node.key") || (access(dir, X_OK) != 0 && errno == EACCES);
}

enum gv_err gv_store_check_free(const char *dir, struct gv_diag *diag)
{
    if (present(dir, "manifest") && present(dir, "node.key")) {
        return gv_diag_set(diag, GV_ERR_PATH, "%s: already holds a node; choose another folder", dir);
    }
    for (size_t i = 1; i < sizeof FILES / sizeof FILES[0]; i++) {
        if (present(dir, FILES[i])) {
            return gv_diag_set(diag, GV_ERR_PATH,
                               "%s: holds %s, which a node would overwrite; remove it or choose another folder", dir,
                               FILES[i]);
        }
    }
    return GV_OK;
}

enum gv_err gv_store_create(const char *dir, struct gv_diag *diag)
{
    struct stat info;
    if (dir[0] == '\0') {
        return gv_diag_set(diag, GV_ERR_PATH, "the name of the state folder is empty");
    }
    if (strlen(dir) + sizeof "/checkpoint.a.tmp" > GV_STORE_PATH_MAX) {
        return gv_diag_set(diag, GV_ERR_PATH, "%.200s...: the path is too long (%zu characters)", dir, strlen(dir));
    }
    if (mkdir(dir, 0700) == 0) {
        return GV_OK;
    }
    if (errno != EEXIST) {
        return say_errno(diag, dir, "cannot create the folder");
    }
    if (stat(dir, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return gv_diag_set(diag, GV_ERR_PATH, "%s: exists and is not a folder", dir);
    }
    return gv_store_check_free(dir, diag);
}

void gv_store_discard(const char *dir, bool folder)
{
    char path[GV_STORE_PATH_MAX];
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        if (gv_store_path(path, dir, FILES[i], NULL) == GV_OK) {
            (void)unlink(path);
        }
    }
    if (folder) {
        (void)rmdir(dir); /* stays if it holds anything else */
    }
}

/* Writes this process's number into the lock, for the message of who comes second. */
static void sign_lock(int fd)
{
    char text[32];
    int used = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* Only for people to read: a full disk must not keep a node from starting. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)used, 0) != used) {
        return;
    }
}

enum gv_err gv_store_lock(int *fd, const char *dir, struct gv_diag *diag)
{
    char path[GV_STORE_PATH_MAX];
    char holder[32] = "";
    enum gv_err err = gv_store_path(path, dir, "lock", diag);
    if (err != GV_OK) {
        return err;
    }
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0) {
        return say_errno(diag, path, "cannot be opened");
    }
    if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
        int number = errno;
        ssize_t got = pread(lock, holder, sizeof holder - 1, 0);
        (void)close(lock);
        if (number != EWOULDBLOCK) {
            return gv_diag_set(diag, GV_ERR_IO, "%s: cannot be locked: %s", path, strerror(number));
        }
        holder[got > 0 ? strspn(holder, "0123456789") : 0] = '\0';
        return gv_diag_set(diag, GV_ERR_IN_USE,
                           "%s: in use by another process%s%s; stop it first (`grapevine stop %s`)", dir,
                           holder[0] != '\0' ? ", " : "", holder, dir);
    }
    sign_lock(lock);
    *fd = lock;
    return GV_OK;
}

enum gv_err gv_store_await_lock(int *fd, const char *dir, int wait_ms, struct gv_diag *diag)
{
    for (int waited_ms = 0;; waited_ms += LOCK_POLL_MS) {
        enum gv_err err = gv_store_lock(fd, dir, diag);
        if (err != GV_ERR_IN_USE || waited_ms >= wait_ms) {
            return err;
        }
        struct timespec pause = {.tv_nsec = LOCK_POLL_MS * 1000000L};
        (void)nanosleep(&pause, NULL);
    }
}
