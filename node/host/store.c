/*
 * The small files of a state DIR: membership, manifest, incarnation, trust.
 */
#include "store.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "manifest_text.h"
#include "units.h"

#define MEMBER_HEAD "grapevine member 1\n"
#define INCARNATION_HEAD "grapevine incarnation 1\n"
#define CHAIN_BYTES_MAX (GV_CHAIN_LINKS_MAX * GV_CERT_BYTES_MAX + 16)
#define CHAIN_TEXT_MAX (CHAIN_BYTES_MAX / 3 * 4 + 8)
#define INCARNATION_MAX (1ull << 62) /* far from where it would wrap, or leave JSON's signed integers */
#define TRUST_BYTES_MAX (64u * 1024 * 1024)

/* What to do about a file that is missing or damaged. */
static const char LOST[] = "restore it from a backup, or join again in an empty folder with a new invite";
static const char FORGET_TRUST[] =
    "restore it from a backup, or delete it: the node learns the revocations from its peers again";
static const char FORGET_INCARNATION[] =
    "restore it from a backup, or delete it: the node learns its newest incarnation from its peers";

/* Reads a small text file that begins with `head`; *text is owned and starts behind it. */
static enum gv_err read_headed(const char *dir, const char *name, const char *head, size_t max, char **owned,
                               const char **text, struct gv_diag *diag)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    enum gv_err err = gv_store_read(dir, name, max, &data, &bytes, diag);
    if (err != GV_OK) {
        return err;
    }
    if (bytes == 0) {
        free(data);
        return gv_diag_set(diag, GV_ERR_CORRUPT, "%s/%s: the file is empty", dir, name);
    }
    if (strlen((const char *)data) != bytes || strncmp((const char *)data, head, strlen(head)) != 0) {
        free(data);
        (void)gv_diag_set(diag, GV_ERR_CORRUPT,
                          "%s/%s: expected a first line \"%.*s\": the file is damaged or of a newer version", dir, name,
                          (int)strlen(head) - 1, head);
        return GV_ERR_CORRUPT;
    }
    *owned = (char *)data;
    *text = *owned + strlen(head);
    return GV_OK;
}

enum gv_err gv_store_save_member(const char *dir, const struct gv_chain *chain, struct gv_diag *diag)
{
    uint8_t bytes[CHAIN_BYTES_MAX];
    char text[sizeof MEMBER_HEAD + CHAIN_TEXT_MAX] = MEMBER_HEAD;
    size_t used = 0;
    enum gv_err err = gv_chain_encode(bytes, sizeof bytes, &used, chain);
    if (err != GV_OK) {
        return gv_diag_set(diag, err, "%s/member: %s", dir, gv_err_text((int)err));
    }
    size_t head = strlen(text);
    (void)sodium_bin2base64(text + head, sizeof text - head - 1, bytes, used, sodium_base64_VARIANT_ORIGINAL);
    size_t length = strlen(text);
    text[length++] = '\n';
    return gv_store_write(dir, "member", text, length, 0600, diag);
}

enum gv_err gv_store_load_member(const char *dir, struct gv_chain *chain, struct gv_diag *diag)
{
    char *owned;
    const char *text;
    uint8_t bytes[CHAIN_BYTES_MAX];
    size_t used = 0;
    enum gv_err err = read_headed(dir, "member", MEMBER_HEAD, sizeof MEMBER_HEAD + CHAIN_TEXT_MAX, &owned, &text, diag);
    if (err != GV_OK) {
        return gv_file_advise(diag, err, "%s", LOST);
    }
    bool decoded = sodium_base642bin(bytes, sizeof bytes, text, strlen(text), "\n", &used, NULL,
                                     sodium_base64_VARIANT_ORIGINAL) == 0 &&
                   gv_chain_decode(chain, bytes, used) == GV_OK;
    free(owned);
    if (!decoded) {
        (void)gv_diag_set(diag, GV_ERR_CORRUPT, "%s/member: expected a certificate chain, this is none", dir);
        return gv_file_advise(diag, GV_ERR_CORRUPT, "%s", LOST);
    }
    return GV_OK;
}

enum gv_err gv_store_save_manifest(const char *dir, const struct gv_manifest *manifest, struct gv_diag *diag)
{
    return gv_store_write(dir, "manifest", manifest->text, manifest->text_bytes, 0600, diag);
}

enum gv_err gv_store_load_manifest(const char *dir, struct gv_manifest *manifest, const struct gv_sign_public *root,
                                   struct gv_diag *diag)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    struct gv_diag local;
    enum gv_err err = gv_store_read(dir, "manifest", GV_MANIFEST_BYTES_MAX, &data, &bytes, diag);
    if (err != GV_OK) {
        return gv_file_advise(diag, err, "%s", LOST);
    }
    diag = diag != NULL ? diag : &local;
    err = gv_manifest_parse(manifest, (const char *)data, bytes, root, diag);
    free(data);
    if (err == GV_OK || err == GV_ERR_NOMEM) {
        return err;
    }
    (void)gv_diag_wrap(diag, "%s/manifest", dir);
    return gv_file_advise(diag, GV_ERR_CORRUPT, "%s", LOST);
}

enum gv_err gv_store_load_incarnation(const char *dir, uint64_t *incarnation, struct gv_diag *diag)
{
    char *owned;
    const char *text;
    struct gv_diag local;
    diag = diag != NULL ? diag : &local;
    enum gv_err err = read_headed(dir, "incarnation", INCARNATION_HEAD, 256, &owned, &text, diag);
    if (err == GV_ERR_NOT_FOUND) {
        *incarnation = 0;
        return GV_OK;
    }
    if (err != GV_OK) {
        return gv_file_advise(diag, err, "%s", FORGET_INCARNATION);
    }
    char number[32] = "";
    size_t length = strcspn(text, "\n");
    if (length < sizeof number) {
        memcpy(number, text, length);
    }
    bool good =
        gv_u64_parse(incarnation, number) && *incarnation <= INCARNATION_MAX && strcmp(text + length, "\n") == 0;
    free(owned);
    if (!good) {
        (void)gv_diag_set(diag, GV_ERR_CORRUPT, "%s/incarnation: expected one number, at most %llu", dir,
                          INCARNATION_MAX);
        return gv_file_advise(diag, GV_ERR_CORRUPT, "%s", FORGET_INCARNATION);
    }
    return GV_OK;
}

enum gv_err gv_store_save_incarnation(const char *dir, uint64_t incarnation, struct gv_diag *diag)
{
    char text[64];
    int used = snprintf(text, sizeof text, INCARNATION_HEAD "%" PRIu64 "\n", incarnation);
    return gv_store_write(dir, "incarnation", text, (size_t)used, 0600, diag);
}

enum gv_err gv_store_save_trust(const char *dir, const struct gv_trust *trust, struct gv_diag *diag)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    enum gv_err err = gv_trust_encode(trust, &data, &bytes);
    if (err != GV_OK) {
        return gv_diag_set(diag, err, "%s/trust: %s", dir, gv_err_text((int)err));
    }
    err = gv_store_write(dir, "trust", data, bytes, 0600, diag);
    free(data);
    return err;
}

enum gv_err gv_store_load_trust(const char *dir, struct gv_trust *trust, struct gv_diag *diag)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    enum gv_err err = gv_store_read(dir, "trust", TRUST_BYTES_MAX, &data, &bytes, diag);
    if (err == GV_ERR_NOT_FOUND) {
        return GV_OK;
    }
    if (err != GV_OK) {
        return gv_file_advise(diag, err, "%s", FORGET_TRUST);
    }
    err = gv_trust_decode(trust, data, bytes);
    free(data);
    if (err == GV_OK || err == GV_ERR_NOMEM) {
        return err == GV_OK ? GV_OK : gv_diag_set(diag, err, "%s/trust: %s", dir, gv_err_text((int)err));
    }
    (void)gv_diag_set(diag, GV_ERR_CORRUPT, "%s/trust: expected signed entries, %s", dir,
                      bytes == 0 ? "the file is empty" : "the file is damaged");
    return gv_file_advise(diag, GV_ERR_CORRUPT, "%s", FORGET_TRUST);
}
