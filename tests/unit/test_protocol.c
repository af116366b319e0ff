/*
 * PROTOCOL.md is what this program does: its tables list every kind, and each of its examples, read from the document
 * itself, is what the encoder makes of the same fields and survives decoding and encoding again.
 *
 * In a block labelled ```hex NAME white space is ignored and <other> stands for the bytes of block `other`; a block
 * labelled ```text NAME is taken as it stands.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "invite.h"
#include "manifest_text.h"
#include "proto_fixture.h"
#include "wire.h"

static struct fixture f;
static struct example *examples;
static char *document;

static void setup(void)
{
    char path[1024];
    const char *slash = strrchr(__FILE__, '/');
    (void)snprintf(path, sizeof path, "%.*s/../../proto/PROTOCOL.md", (int)(slash - __FILE__), __FILE__);
    FILE *file = fopen(path, "rb");
    cr_assert_not_null(file, "%s (tests run in the project's root)", path);
    cr_assert_eq(fseek(file, 0, SEEK_END), 0);
    long bytes = ftell(file);
    cr_assert_eq(fseek(file, 0, SEEK_SET), 0);
    document = calloc(1, (size_t)bytes + 1);
    cr_assert_eq(fread(document, 1, (size_t)bytes, file), (size_t)bytes);
    (void)fclose(file);
    fixture_init(&f);
    examples = examples_new(&f);
}

static void teardown(void)
{
    free(examples);
    free(document);
    fixture_deinit(&f);
}

TestSuite(protocol, .init = setup, .fini = teardown);

/* The inside of block "```LABEL NAME", terminated copy; the caller frees it. */
static char *block(const char *label, const char *name, size_t name_bytes)
{
    char opening[128];
    (void)snprintf(opening, sizeof opening, "\n```%s %.*s\n", label, (int)name_bytes, name);
    const char *start = strstr(document, opening);
    cr_assert_not_null(start, "PROTOCOL.md has no block ```%s %.*s", label, (int)name_bytes, name);
    start += strlen(opening);
    const char *end = strstr(start - 1, "\n```");
    cr_assert_not_null(end);
    return strndup(start, (size_t)(end + 1 - start));
}

/* Appends the bytes of a hex block to out. */
static size_t expand(uint8_t *out, size_t used, const char *name, size_t name_bytes)
{
    bool is_manifest = name_bytes == 8 && memcmp(name, "manifest", 8) == 0;
    char *text = block(is_manifest ? "text" : "hex", name, name_bytes);
    if (is_manifest) {
        memcpy(out + used, text, strlen(text));
        used += strlen(text);
        free(text);
        return used;
    }
    for (char *at = text; *at != '\0';) {
        unsigned byte;
        if (*at == ' ' || *at == '\n') {
            at++;
        } else if (*at == '<') {
            size_t bytes = strcspn(at + 1, ">");
            used = expand(out, used, at + 1, bytes);
            at += bytes + 2;
        } else {
            cr_assert_eq(sscanf(at, "%2x", &byte), 1, "%.*s: %.10s", (int)name_bytes, name, at);
            out[used++] = (uint8_t)byte;
            at += 2;
        }
        cr_assert_leq(used, EXAMPLE_BYTES_MAX / 2);
    }
    free(text);
    return used;
}

static void to_hex(char *out, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}

Test(protocol, every_example_is_what_the_encoder_makes)
{
    for (size_t i = 0; i < EXAMPLES; i++) {
        static uint8_t bytes[EXAMPLE_BYTES_MAX];
        static char hex[2 * EXAMPLE_BYTES_MAX + 1];
        size_t count = expand(bytes, 0, examples[i].name, strlen(examples[i].name));
        to_hex(hex, examples[i].bytes, examples[i].count);
        cr_expect(count == examples[i].count && memcmp(bytes, examples[i].bytes, count) == 0,
                  "%s: the encoder makes\n%s", examples[i].name, hex);
    }
}

Test(protocol, every_message_decodes_and_encodes_to_itself)
{
    for (size_t i = EXAMPLE_OBJECTS; i < EXAMPLES; i++) {
        static uint8_t bytes[EXAMPLE_BYTES_MAX], again[EXAMPLE_BYTES_MAX];
        static struct gv_msg msg;
        struct gv_bulk bulk;
        size_t count_again;
        size_t count = expand(bytes, 0, examples[i].name, strlen(examples[i].name));
        cr_assert_eq(gv_wire_decode(&msg, &bulk, bytes, count), GV_OK, "%s", examples[i].name);
        cr_assert_eq(msg.kind, examples[i].kind);
        cr_assert_eq(gv_wire_encode(again, sizeof again, &count_again, &msg, &bulk), GV_OK);
        cr_assert_eq(count, count_again);
        cr_assert_eq(memcmp(bytes, again, count), 0, "%s", examples[i].name);
    }
}

Test(protocol, every_signed_object_verifies)
{
    static uint8_t bytes[EXAMPLE_BYTES_MAX];
    const struct gv_sign_public *root = gv_sign_key_public(f.root);
    struct gv_chain chain;
    struct gv_record record;
    struct gv_id id;
    uint64_t incarnation;
    struct gv_trust *trust;
    struct gv_manifest manifest;
    bool added;
    size_t count = expand(bytes, 0, "chain", 5);
    cr_assert_eq(gv_chain_decode(&chain, bytes, count), GV_OK);
    cr_assert_eq(gv_chain_verify(&chain, root), GV_OK);
    count = expand(bytes, 0, "record", 6);
    cr_assert_eq(gv_record_verify(&record, root, bytes, count), GV_OK);
    count = expand(bytes, 0, "leave", 5);
    cr_assert_eq(gv_leave_verify(&id, &incarnation, &f.swarm, bytes, count), GV_OK);
    cr_assert_eq(gv_trust_new(&trust, root), GV_OK);
    count = expand(bytes, 0, "entry-close", 11);
    cr_assert_eq(gv_trust_add(trust, &added, bytes, count), GV_OK);
    cr_assert_eq(gv_trust_check(trust, &chain), GV_OK, "kept");
    count = expand(bytes, 0, "entry-revoke", 12);
    cr_assert_eq(gv_trust_add(trust, &added, bytes, count), GV_OK);
    cr_assert_eq(gv_trust_check(trust, &chain), GV_ERR_REVOKED);
    gv_trust_free(&trust);
    count = expand(bytes, 0, "manifest", 8);
    cr_assert_eq(gv_manifest_parse(&manifest, (const char *)bytes, count, root, NULL), GV_OK);
    gv_manifest_deinit(&manifest);
}

Test(protocol, the_token_is_the_example_invite)
{
    static struct gv_invite invite, expected;
    char token[GV_TOKEN_CHARS_MAX + 1];
    char *text = block("text", "token", 5);
    struct gv_diag diag;
    char joined[GV_TOKEN_CHARS_MAX + 1] = "";
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        strcat(joined, line); /* broken for the page's width */
    }
    example_invite(&expected, &f);
    cr_assert_eq(gv_invite_encode(token, &expected), GV_OK);
    cr_assert_str_eq(joined, token);
    cr_assert_eq(gv_invite_decode(&invite, joined, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(memcmp(&invite, &expected, sizeof invite), 0);
    free(text);
}

Test(protocol, every_kind_and_error_is_in_the_tables)
{
    for (uint32_t kind = 1; kind < GV_KIND_COUNT; kind++) {
        char row[64];
        (void)snprintf(row, sizeof row, "\n| %u | %s |", kind, gv_kind_name(kind));
        cr_expect_not_null(strstr(document, row), "%s", row);
    }
    for (int err = GV_ERR_TRUNCATED; err < GV_ERR_USAGE; err++) {
        char row[128];
        if (strcmp(gv_err_text(err), gv_err_text(-1)) != 0) {
            (void)snprintf(row, sizeof row, "\n| %d | %s |", err, gv_err_text(err));
            cr_expect_not_null(strstr(document, row), "%s", row);
        }
    }
}
