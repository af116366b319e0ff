/*
 * Key files: a few lines of text that a person can recognise, back up and move, and that the program never quotes.
 *
 *     grapevine_key = 1
 *     identity = <Base64 of the Ed25519 seed>       a node's file has identity and curve,
 *     curve = <Base64 of the X25519 secret>         a root's file has only root
 *
 * Written once: created exclusively with mode 0600, fsynced together with its folder, so that a key exists in full or
 * not at all. Every buffer that has held a secret is wiped.
 */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"

#define KEY_CHARS (sodium_base64_ENCODED_LEN(32, sodium_base64_VARIANT_ORIGINAL) - 1) /* 44 */
#define FILE_BYTES_MAX 1024
#define KEYS_MAX 2

/* One secret of a file and the name it has there. */
struct item {
    const char *name;
    uint8_t secret[32];
    bool present;
};

static enum gv_err write_all(int fd, const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, text, bytes);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 && (errno == ENOSPC || errno == EDQUOT) ? GV_ERR_NO_SPACE : GV_ERR_IO;
        }
        text += n;
        bytes -= (size_t)n;
    }
    return GV_OK;
}

static enum gv_err save(const char *path, const struct item *items, size_t count, struct gv_diag *diag)
{
    char text[FILE_BYTES_MAX];
    char base64[KEY_CHARS + 1];
    size_t used = (size_t)snprintf(text, sizeof text, "grapevine_key = 1\n");
    for (size_t i = 0; i < count; i++) {
        (void)sodium_bin2base64(base64, sizeof base64, items[i].secret, 32, sodium_base64_VARIANT_ORIGINAL);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s = %s\n", items[i].name, base64);
    }
    enum gv_err err = GV_OK;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        err = errno == EEXIST ? GV_ERR_IN_USE : errno == ENOSPC ? GV_ERR_NO_SPACE : GV_ERR_IO;
        err = gv_diag_set(diag, err, "create %s: %s%s", path, strerror(errno),
                          errno == EEXIST ? "; a key is never overwritten" : "");
    } else {
        err = write_all(fd, text, used);
        if (err == GV_OK && fsync(fd) != 0) {
            err = GV_ERR_IO;
        }
        int saved_errno = errno;
        if (close(fd) != 0 && err == GV_OK) {
            saved_errno = errno;
            err = GV_ERR_IO;
        }
        if (err == GV_OK) {
            err = gv_folder_sync(path);
            saved_errno = errno;
        }
        if (err != GV_OK) {
            (void)unlink(path);
            err = gv_diag_set(diag, err, "write %s: %s", path, strerror(saved_errno));
        }
    }
    gv_wipe(text, sizeof text);
    gv_wipe(base64, sizeof base64);
    return err;
}

/* Opens path and reads it whole, if it is a small regular file that nobody else may read. */
static enum gv_err read_private(const char *path, char *text, size_t cap, size_t *bytes, struct gv_diag *diag)
{
    *bytes = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    if (fd < 0) {
        return gv_diag_set(diag, GV_ERR_KEY_FILE, "load %s: %s", path, strerror(errno));
    }
    enum gv_err err = GV_OK;
    struct stat st;
    if (fstat(fd, &st) != 0) {
        err = gv_diag_set(diag, GV_ERR_KEY_FILE, "load %s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        err = gv_diag_set(diag, GV_ERR_KEY_FILE, "load %s: not a regular file", path);
    } else if ((st.st_mode & 077) != 0) {
        err = gv_diag_set(diag, GV_ERR_KEY_FILE, "load %s: its mode is %04o, so others can use the key; chmod 600 it",
                          path, (unsigned)(st.st_mode & 07777));
    }
    while (err == GV_OK && *bytes < cap) {
        ssize_t n = read(fd, text + *bytes, cap - *bytes);
        if (n < 0 && errno != EINTR) {
            err = gv_diag_set(diag, GV_ERR_KEY_FILE, "load %s: %s", path, strerror(errno));
        }
        if (n == 0) {
            break;
        }
        *bytes += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd);
    if (err == GV_OK && *bytes == cap) {
        err = gv_diag_set(diag, GV_ERR_KEY_FILE, "load %s: longer than a key file", path);
    }
    return err;
}

/* One line "name = base64", without its newline. Says what is wrong, never what it says. */
static enum gv_err read_line(struct item *items, size_t count, const char *line, size_t bytes, struct gv_diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        size_t name = strlen(items[i].name);
        if (bytes < name + 3 || memcmp(line, items[i].name, name) != 0 || memcmp(line + name, " = ", 3) != 0) {
            continue;
        }
        size_t chars = bytes - name - 3;
        if (items[i].present) {
            return gv_diag_set(diag, GV_ERR_KEY_FILE, "a second \"%s\"", items[i].name);
        }
        if (chars != KEY_CHARS) {
            return gv_diag_set(diag, GV_ERR_KEY_FILE, "key has %zu characters, expected %zu", chars, (size_t)KEY_CHARS);
        }
        size_t decoded = 0;
        if (sodium_base642bin(items[i].secret, 32, line + name + 3, chars, NULL, &decoded, NULL,
                              sodium_base64_VARIANT_ORIGINAL) != 0 ||
            decoded != 32) {
            return gv_diag_set(diag, GV_ERR_KEY_FILE, "key is not Base64");
        }
        items[i].present = true;
        return GV_OK;
    }
    return gv_diag_set(diag, GV_ERR_KEY_FILE, "expected \"%s = ...\"", items[0].name);
}

static enum gv_err parse(struct item *items, size_t count, const char *text, size_t bytes, struct gv_diag *diag)
{
    static const char first[] = "grapevine_key = ";
    const char *end = text + bytes;
    for (unsigned number = 1; text < end; number++) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((newline != NULL ? newline : end) - text);
        enum gv_err err = GV_OK;
        if (number > 1) {
            err = read_line(items, count, text, length, diag);
        } else if (length <= strlen(first) || memcmp(text, first, strlen(first)) != 0) {
            err = gv_diag_set(diag, GV_ERR_KEY_FILE, "not a grapevine key file");
        } else if (length != strlen(first) + 1 || text[strlen(first)] != '1') {
            err = gv_diag_set(diag, GV_ERR_KEY_FILE, "written by a newer version");
        }
        if (err != GV_OK) {
            (void)gv_diag_wrap(diag, "line %u", number);
            return err;
        }
        text += length + 1;
    }
    for (size_t i = 0; i < count; i++) {
        if (!items[i].present) {
            return gv_diag_set(diag, GV_ERR_KEY_FILE, "no line \"%s = ...\"", items[i].name);
        }
    }
    return GV_OK;
}

static enum gv_err load(const char *path, struct item *items, size_t count, struct gv_diag *diag)
{
    char text[FILE_BYTES_MAX];
    size_t bytes;
    enum gv_err err = read_private(path, text, sizeof text, &bytes, diag);
    if (err == GV_OK) {
        err = bytes > 0
                  ? parse(items, count, text, bytes, diag)
                  : gv_diag_set(diag, GV_ERR_KEY_FILE, "the file is empty, expected a key; restore it from a backup");
        if (err != GV_OK) {
            (void)gv_diag_wrap(diag, "load %s", path);
        }
    }
    gv_wipe(text, sizeof text);
    return err;
}

enum gv_err gv_node_keys_save(const char *path, const struct gv_sign_key *sign, const struct gv_curve_key *curve,
                              struct gv_diag *diag)
{
    struct item items[KEYS_MAX] = {{.name = "identity"}, {.name = "curve"}};
    gv_sign_key_seed(sign, items[0].secret);
    memcpy(items[1].secret, gv_curve_key_secret(curve), 32);
    enum gv_err err = save(path, items, 2, diag);
    gv_wipe(items, sizeof items);
    return err;
}

enum gv_err gv_node_keys_load(const char *path, struct gv_sign_key **sign, struct gv_curve_key **curve,
                              struct gv_diag *diag)
{
    *sign = NULL;
    *curve = NULL;
    struct item items[KEYS_MAX] = {{.name = "identity"}, {.name = "curve"}};
    enum gv_err err = load(path, items, 2, diag);
    if (err == GV_OK) {
        err = gv_sign_key_from_seed(sign, items[0].secret);
        if (err == GV_OK) {
            err = gv_curve_key_from_secret(curve, items[1].secret);
        }
        if (err != GV_OK) {
            gv_sign_key_free(sign);
            err = gv_diag_set(diag, err, "load %s: %s", path, gv_err_text((int)err));
        }
    }
    gv_wipe(items, sizeof items);
    return err;
}

enum gv_err gv_root_key_save(const char *path, const struct gv_sign_key *root, struct gv_diag *diag)
{
    struct item item = {.name = "root"};
    gv_sign_key_seed(root, item.secret);
    enum gv_err err = save(path, &item, 1, diag);
    gv_wipe(&item, sizeof item);
    return err;
}

enum gv_err gv_root_key_load(const char *path, struct gv_sign_key **root, struct gv_diag *diag)
{
    *root = NULL;
    struct item item = {.name = "root"};
    enum gv_err err = load(path, &item, 1, diag);
    if (err == GV_OK) {
        err = gv_sign_key_from_seed(root, item.secret);
        if (err != GV_OK) {
            err = gv_diag_set(diag, err, "load %s: %s", path, gv_err_text((int)err));
        }
    }
    gv_wipe(&item, sizeof item);
    return err;
}
