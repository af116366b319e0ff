/*
 * Checkpoints: two files written in turn, read and written in pieces.
 *
 *     offset  bytes
 *          0      8  magic "gvckpt\r\n" (a transfer that mangles line ends mangles it)
 *          8      4  format, 1
 *         12      4  epoch
 *         16      8  counter: the higher one is newer
 *         24      8  age, Q16 steps
 *         32      8  steps
 *         40      8  exchanges
 *         48      8  state_count
 *         56      8  served_count
 *         64     32  layout hash
 *         96    4 n  float32, state then served; n = state_count + served_count
 *     96+4n     32  BLAKE2b-256 of all bytes before
 *
 * Integers and floats are little-endian. The counts are believed only if the file has exactly the length they ask for.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gv/limits.h"
#include "store.h"
#include "store_file.h"

#define HEADER_BYTES 96u
#define DIGEST_BYTES 32u
#define FORMAT 1u
#define STATE_COUNT_MAX (2ull * GV_PARAMETERS_MAX)
#define PIECE_ELEMENTS 65536u

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats go to the file as they are in memory");

static const char *const SLOTS[2] = {"checkpoint.a", "checkpoint.b"};
static const uint8_t MAGIC[8] = {'g', 'v', 'c', 'k', 'p', 't', '\r', '\n'};

/* One slot being read. */
struct slot {
    int fd; /* -1: no such file */
    bool exists;
    char path[GV_STORE_PATH_MAX];
    struct gv_checkpoint header; /* valid if the header makes sense */
    bool sensible;
};

static void put32(uint8_t *out, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static void put64(uint8_t *out, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

static uint32_t get32(const uint8_t *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static uint64_t get64(const uint8_t *in)
{
    return (uint64_t)get32(in) | (uint64_t)get32(in + 4) << 32;
}

static void header_encode(uint8_t out[HEADER_BYTES], const struct gv_checkpoint *c)
{
    memcpy(out, MAGIC, sizeof MAGIC);
    put32(out + 8, FORMAT);
    put32(out + 12, c->epoch);
    put64(out + 16, c->counter);
    put64(out + 24, c->age);
    put64(out + 32, c->steps);
    put64(out + 40, c->exchanges);
    put64(out + 48, c->state_count);
    put64(out + 56, c->served_count);
    memcpy(out + 64, c->layout.b, sizeof c->layout.b);
}

/* False if this is no header of ours or its counts are not those of a file of this length. */
static bool header_decode(struct gv_checkpoint *c, const uint8_t in[HEADER_BYTES], uint64_t file_bytes)
{
    if (memcmp(in, MAGIC, sizeof MAGIC) != 0 || get32(in + 8) != FORMAT) {
        return false;
    }
    c->epoch = get32(in + 12);
    c->counter = get64(in + 16);
    c->age = get64(in + 24);
    c->steps = get64(in + 32);
    c->exchanges = get64(in + 40);
    c->state_count = get64(in + 48);
    c->served_count = get64(in + 56);
    memcpy(c->layout.b, in + 64, sizeof c->layout.b);
    return c->state_count <= STATE_COUNT_MAX && c->served_count <= STATE_COUNT_MAX &&
           file_bytes == HEADER_BYTES + sizeof(float) * (c->state_count + c->served_count) + DIGEST_BYTES;
}

static bool read_full(int fd, void *out, size_t bytes)
{
    uint8_t *at = out;
    while (bytes > 0) {
        ssize_t got = read(fd, at, bytes);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        at += got;
        bytes -= (size_t)got;
    }
    return true;
}

/* Opens a slot and looks at its header. Only running out of descriptors or the like is an error here. */
static enum gv_err slot_open(struct slot *slot, const char *dir, const char *name, struct gv_diag *diag)
{
    uint8_t header[HEADER_BYTES];
    struct stat info;
    memset(slot, 0, sizeof *slot);
    slot->fd = -1;
    enum gv_err err = gv_store_path(slot->path, dir, name, diag);
    if (err != GV_OK) {
        return err;
    }
    slot->fd = open(slot->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (slot->fd < 0 && errno == ENOENT) {
        return GV_OK;
    }
    slot->exists = true;
    if (slot->fd < 0) {
        int number = errno;
        return gv_diag_set(diag, GV_ERR_IO, "%s: cannot be opened: %s", slot->path, strerror(number));
    }
    slot->sensible = fstat(slot->fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size >= 0 &&
                     read_full(slot->fd, header, sizeof header) &&
                     header_decode(&slot->header, header, (uint64_t)info.st_size);
    return GV_OK;
}

static void slot_close(struct slot *slot)
{
    if (slot->fd >= 0) {
        (void)close(slot->fd);
        slot->fd = -1;
    }
}

/* Reads `count` floats to out, or through `piece` to nowhere if out is NULL, hashing them. */
static bool hash_floats(crypto_generichash_state *hash, int fd, float *out, float *piece, uint64_t count)
{
    while (count > 0) {
        size_t part = count < PIECE_ELEMENTS ? (size_t)count : PIECE_ELEMENTS;
        float *to = out != NULL ? out : piece;
        if (!read_full(fd, to, part * sizeof *to)) {
            return false;
        }
        (void)crypto_generichash_update(hash, (const unsigned char *)to, part * sizeof *to);
        out = out != NULL ? out + part : NULL;
        count -= part;
    }
    return true;
}

/* Reads the whole slot and compares the digest; the values go to state and served where those are not NULL. */
static enum gv_err slot_verify(struct slot *slot, float *state, float *served)
{
    crypto_generichash_state hash;
    uint8_t header[HEADER_BYTES];
    uint8_t digest[DIGEST_BYTES];
    uint8_t stored[DIGEST_BYTES];
    if (!slot->sensible || lseek(slot->fd, HEADER_BYTES, SEEK_SET) != HEADER_BYTES) {
        return GV_ERR_CORRUPT;
    }
    float *piece = malloc(PIECE_ELEMENTS * sizeof *piece);
    if (piece == NULL) {
        return GV_ERR_NOMEM;
    }
    header_encode(header, &slot->header); /* every byte of the header is a field, so this is what was read */
    (void)crypto_generichash_init(&hash, NULL, 0, sizeof digest);
    (void)crypto_generichash_update(&hash, header, sizeof header);
    bool intact = hash_floats(&hash, slot->fd, state, piece, slot->header.state_count) &&
                  hash_floats(&hash, slot->fd, served, piece, slot->header.served_count) &&
                  read_full(slot->fd, stored, sizeof stored);
    (void)crypto_generichash_final(&hash, digest, sizeof digest);
    free(piece);
    return intact && sodium_memcmp(digest, stored, sizeof digest) == 0 ? GV_OK : GV_ERR_CORRUPT;
}

/* Opens both and orders them: the one with the higher counter first, what makes no sense last. */
static enum gv_err open_both(struct slot slot[2], const char *dir, struct gv_diag *diag)
{
    slot[1].fd = -1;
    enum gv_err err = slot_open(&slot[0], dir, SLOTS[0], diag);
    if (err == GV_OK) {
        err = slot_open(&slot[1], dir, SLOTS[1], diag);
    }
    if (err != GV_OK) {
        slot_close(&slot[0]);
        slot_close(&slot[1]);
        return err;
    }
    if (slot[1].sensible && (!slot[0].sensible || slot[1].header.counter > slot[0].header.counter)) {
        struct slot first = slot[1];
        slot[1] = slot[0];
        slot[0] = first;
    }
    return GV_OK;
}

/* Which file to write and which counter: never over the newest intact slot. If neither can be read now, one of them may
   be later: what is written comes after both. */
static enum gv_err choose_slot(char path[GV_STORE_PATH_MAX], uint64_t *counter, const char *dir, struct gv_diag *diag)
{
    struct slot slot[2];
    enum gv_err err = open_both(slot, dir, diag);
    if (err != GV_OK) {
        return err;
    }
    *counter = slot[0].sensible ? slot[0].header.counter + 1 : 1;
    memcpy(path, slot[0].path, sizeof slot[0].path);
    for (unsigned i = 0; i < 2; i++) {
        if (slot_verify(&slot[i], NULL, NULL) == GV_OK) {
            *counter = slot[i].header.counter + 1;
            memcpy(path, slot[1 - i].path, sizeof slot[1 - i].path);
            break;
        }
    }
    slot_close(&slot[0]);
    slot_close(&slot[1]);
    return GV_OK;
}

/* Writes and hashes. */
static enum gv_err put(struct gv_replacement *file, crypto_generichash_state *hash, const void *data, size_t bytes,
                       struct gv_diag *diag)
{
    (void)crypto_generichash_update(hash, data, bytes);
    return gv_replacement_write(file, data, bytes, diag);
}

static enum gv_err write_all(struct gv_replacement *file, const struct gv_checkpoint *checkpoint, float *piece,
                             gv_checkpoint_reader read_piece, void *context, struct gv_diag *diag)
{
    crypto_generichash_state hash;
    uint8_t header[HEADER_BYTES];
    uint8_t digest[DIGEST_BYTES];
    size_t count = (size_t)(checkpoint->state_count + checkpoint->served_count);
    header_encode(header, checkpoint);
    (void)crypto_generichash_init(&hash, NULL, 0, sizeof digest);
    enum gv_err err = put(file, &hash, header, sizeof header, diag);
    for (size_t at = 0; at < count && err == GV_OK;) {
        size_t part = count - at < PIECE_ELEMENTS ? count - at : PIECE_ELEMENTS;
        err = read_piece(context, piece, at, part);
        if (err != GV_OK) {
            return gv_diag_set(diag, err, "%s: the state could not be copied: %s", file->path, gv_err_text((int)err));
        }
        err = put(file, &hash, piece, part * sizeof *piece, diag);
        at += part;
    }
    if (err != GV_OK) {
        return err;
    }
    (void)crypto_generichash_final(&hash, digest, sizeof digest);
    return gv_replacement_write(file, digest, sizeof digest, diag);
}

enum gv_err gv_store_stream_checkpoint(const char *dir, struct gv_checkpoint *checkpoint, gv_checkpoint_reader read,
                                       void *context, struct gv_diag *diag)
{
    char path[GV_STORE_PATH_MAX];
    struct gv_replacement file;
    GV_ASSERT(checkpoint->state_count <= STATE_COUNT_MAX && checkpoint->served_count <= STATE_COUNT_MAX);
    enum gv_err err = choose_slot(path, &checkpoint->counter, dir, diag);
    if (err != GV_OK) {
        return err;
    }
    float *piece = malloc(PIECE_ELEMENTS * sizeof *piece);
    if (piece == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s: %s", path, gv_err_text(GV_ERR_NOMEM));
    }
    err = gv_replacement_open(&file, path, 0600, diag);
    if (err == GV_OK) {
        err = write_all(&file, checkpoint, piece, read, context, diag);
        if (err == GV_OK) {
            err = gv_replacement_commit(&file, diag);
        } else {
            gv_replacement_abort(&file);
        }
    }
    free(piece);
    return err;
}

struct in_memory {
    const float *state;
    const float *served;
    size_t state_count;
};

static enum gv_err copy_piece(void *context, float *out, size_t offset, size_t count)
{
    const struct in_memory *memory = context;
    for (size_t i = 0; i < count; i++) {
        size_t at = offset + i;
        out[i] = at < memory->state_count ? memory->state[at] : memory->served[at - memory->state_count];
    }
    return GV_OK;
}

enum gv_err gv_store_save_checkpoint(const char *dir, struct gv_checkpoint *checkpoint, const float *state,
                                     const float *served, struct gv_diag *diag)
{
    struct in_memory memory = {.state = state, .served = served, .state_count = (size_t)checkpoint->state_count};
    GV_ASSERT(served != NULL || checkpoint->served_count == 0);
    return gv_store_stream_checkpoint(dir, checkpoint, copy_piece, &memory, diag);
}

enum gv_err gv_store_load_checkpoint(const char *dir, struct gv_checkpoint *checkpoint, float *state, float *served,
                                     bool *damaged, struct gv_diag *diag)
{
    struct slot slot[2];
    bool passed_over = false;
    enum gv_err err = open_both(slot, dir, diag);
    if (err != GV_OK) {
        return err;
    }
    bool any = slot[0].exists || slot[1].exists;
    bool senseless = (slot[0].exists && !slot[0].sensible) || (slot[1].exists && !slot[1].sensible);
    err = GV_ERR_CORRUPT;
    for (unsigned i = 0; i < 2 && err == GV_ERR_CORRUPT; i++) {
        bool fits = state == NULL || (slot[i].header.state_count == checkpoint->state_count &&
                                      slot[i].header.served_count == checkpoint->served_count);
        if (slot[i].exists && fits) {
            err = slot_verify(&slot[i], state, served);
            if (err == GV_OK) {
                *checkpoint = slot[i].header;
            }
        }
        passed_over = passed_over || (slot[i].exists && err == GV_ERR_CORRUPT);
    }
    slot_close(&slot[0]);
    slot_close(&slot[1]);
    *damaged = passed_over || senseless;
    if (!any) {
        return gv_diag_set(diag, GV_ERR_NOT_FOUND, "%s: no checkpoint", dir);
    }
    if (err == GV_ERR_CORRUPT) {
        return gv_diag_set(diag, err,
                           "%s: checkpoint.a and checkpoint.b are both missing or damaged; remove them and "
                           "the node will take the swarm's model again",
                           dir);
    }
    return err == GV_OK ? GV_OK : gv_diag_set(diag, err, "%s: checkpoint: %s", dir, gv_err_text((int)err));
}
