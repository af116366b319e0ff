/*
 * The address book DIR/peers, one entry a line, so that a person can look at it and a torn line costs one entry:
 *
 *     grapevine peers 1
 *     seed tcp://192.0.2.1:7400 <CURVE public key, Base64>
 *     record <signed record, Base64>
 *
 * Of seeds the first GV_SEEDS_MAX are taken. The daemon reads the book once, when it starts, and writes it later.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "gv/limits.h"
#include "record.h"
#include "store.h"

#define PEERS_HEAD "grapevine peers 1\n"
#define RECORD_TEXT_MAX (GV_RECORD_BYTES_MAX / 3 * 4 + 8)
#define KEY_TEXT_MAX 64
#define PEERS_BYTES_MAX ((GV_ADDRESS_BOOK_MAX + 256ul) * (RECORD_TEXT_MAX + 16))

/* Where the lines of a book go. */
struct book {
    struct gv_seed *seeds;
    uint32_t *seed_count;
    struct gv_directory *directory;
    const struct gv_trust *trust;
    const struct gv_sign_public *root;
};

static bool base64_decode(uint8_t *out, size_t cap, size_t *bytes, const char *text, size_t length)
{
    return sodium_base642bin(out, cap, text, length, NULL, bytes, NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
}

/* "ENDPOINT KEY" */
static bool take_seed(struct book *book, const char *text, size_t length)
{
    struct gv_seed seed;
    size_t endpoint = strcspn(text, " \n");
    size_t bytes = 0;
    memset(&seed, 0, sizeof seed);
    if (endpoint + 1 >= length || endpoint > GV_ENDPOINT_BYTES_MAX) {
        return false;
    }
    memcpy(seed.endpoint, text, endpoint);
    if (!gv_endpoint_valid(seed.endpoint) ||
        !base64_decode(seed.curve.b, sizeof seed.curve.b, &bytes, text + endpoint + 1, length - endpoint - 1) ||
        bytes != sizeof seed.curve.b || *book->seed_count >= GV_SEEDS_MAX) {
        return false;
    }
    book->seeds[(*book->seed_count)++] = seed;
    return true;
}

static bool take_record(struct book *book, const char *text, size_t length)
{
    uint8_t bytes[GV_RECORD_BYTES_MAX];
    struct gv_record record;
    struct gv_ref ref;
    size_t used = 0;
    if (book->directory == NULL) {
        return true;
    }
    return base64_decode(bytes, sizeof bytes, &used, text, length) &&
           gv_record_verify(&record, book->root, bytes, used) == GV_OK &&
           (book->trust == NULL || gv_trust_check(book->trust, &record.chain) == GV_OK) &&
           gv_directory_put(book->directory, &ref, &record, bytes, used, NULL, NULL) == GV_OK;
}

static bool take_line(struct book *book, const char *line, size_t length)
{
    if (strncmp(line, "seed ", 5) == 0) {
        return take_seed(book, line + 5, length - 5);
    }
    if (strncmp(line, "record ", 7) == 0) {
        return take_record(book, line + 7, length - 7);
    }
    return false;
}

static enum gv_err write_book(FILE *out, const struct gv_seed *seeds, uint32_t seed_count,
                              const struct gv_directory *directory)
{
    char key[KEY_TEXT_MAX];
    char text[RECORD_TEXT_MAX];
    (void)fputs(PEERS_HEAD, out);
    for (uint32_t i = 0; i < seed_count; i++) {
        (void)sodium_bin2base64(key, sizeof key, seeds[i].curve.b, sizeof seeds[i].curve.b,
                                sodium_base64_VARIANT_ORIGINAL);
        (void)fprintf(out, "seed %s %s\n", seeds[i].endpoint, key);
    }
    uint32_t count = directory == NULL ? 0 : gv_directory_count(directory);
    for (uint32_t i = 0; i < count; i++) {
        struct gv_span bytes;
        if (gv_directory_at(directory, i, &bytes) != NULL && bytes.bytes <= GV_RECORD_BYTES_MAX) {
            (void)sodium_bin2base64(text, sizeof text, bytes.data, bytes.bytes, sodium_base64_VARIANT_ORIGINAL);
            (void)fprintf(out, "record %s\n", text);
        }
    }
    return ferror(out) != 0 ? GV_ERR_NOMEM : GV_OK;
}

enum gv_err gv_store_save_peers(const char *dir, const struct gv_seed *seeds, uint32_t seed_count,
                                const struct gv_directory *directory, struct gv_diag *diag)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (out == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s/peers: %s", dir, gv_err_text(GV_ERR_NOMEM));
    }
    enum gv_err err = write_book(out, seeds, seed_count, directory);
    if (fclose(out) != 0 || err != GV_OK) {
        free(text);
        return gv_diag_set(diag, GV_ERR_NOMEM, "%s/peers: %s", dir, gv_err_text(GV_ERR_NOMEM));
    }
    err = gv_store_write(dir, "peers", text, bytes, 0600, diag);
    free(text);
    return err;
}

enum gv_err gv_store_load_peers(const char *dir, struct gv_seed *seeds, uint32_t *seed_count,
                                struct gv_directory *directory, const struct gv_trust *trust,
                                const struct gv_sign_public *root, uint32_t *skipped, struct gv_diag *diag)
{
    struct book book = {seeds, seed_count, directory, trust, root};
    uint8_t *data = NULL;
    size_t bytes = 0;
    *seed_count = 0;
    *skipped = 0;
    enum gv_err err = gv_store_read(dir, "peers", PEERS_BYTES_MAX, &data, &bytes, diag);
    if (err == GV_ERR_NOT_FOUND) {
        return GV_OK;
    }
    if (err != GV_OK) {
        return err;
    }
    /* A missing head is one damaged line like any other: what can be read is worth more than strictness. */
    const char *line = (const char *)data;
    const char *end = line + bytes;
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((stop != NULL ? stop : end) - line);
        bool head = length + 1 == strlen(PEERS_HEAD) && strncmp(line, PEERS_HEAD, length) == 0;
        if (length > 0 && !head && !take_line(&book, line, length)) {
            (*skipped)++;
        }
        line += length + 1;
    }
    free(data);
    return GV_OK;
}
