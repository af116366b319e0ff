/*
 * Keys, signatures, ids and key files.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity.h"
#include "proto_fixture.h"

static void setup(void)
{
    cr_assert_eq(gv_proto_init(), GV_OK);
}

TestSuite(identity, .init = setup);

/* A fresh folder under TMPDIR and a path in it; `leave_folder` removes both. */
static void enter_folder(char *folder, char *path)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(folder, 200, "%s/gv-identity-XXXXXX", tmp != NULL ? tmp : "/tmp");
    cr_assert_not_null(mkdtemp(folder));
    (void)snprintf(path, 256, "%s/node.key", folder);
}

static void leave_folder(const char *folder, const char *path)
{
    (void)unlink(path);
    (void)rmdir(folder);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

static enum gv_err load_text(const char *path, const char *text, struct gv_diag *diag)
{
    struct gv_sign_key *sign;
    struct gv_curve_key *curve;
    write_file(path, text, 0600);
    enum gv_err err = gv_node_keys_load(path, &sign, &curve, diag);
    gv_sign_key_free(&sign);
    gv_curve_key_free(&curve);
    return err;
}

/* RFC 8032, 7.1, test 1. */
Test(identity, derives_the_public_key_of_rfc_8032)
{
    struct gv_id seed;
    struct gv_id public;
    struct gv_sign_key *key;
    cr_assert_eq(gv_id_parse(&seed, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"), GV_OK);
    cr_assert_eq(gv_id_parse(&public, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"), GV_OK);
    cr_assert_eq(gv_sign_key_from_seed(&key, seed.b), GV_OK);
    cr_assert_eq(memcmp(gv_sign_key_public(key)->b, public.b, 32), 0);
    uint8_t back[32];
    gv_sign_key_seed(key, back);
    cr_assert_eq(memcmp(back, seed.b, 32), 0);
    gv_sign_key_free(&key);
    cr_assert_null(key);
}

/* RFC 7748, 6.1, Bob's keys. */
Test(identity, derives_the_link_key_of_rfc_7748)
{
    struct gv_id secret;
    struct gv_id public;
    struct gv_curve_key *key;
    cr_assert_eq(gv_id_parse(&secret, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"), GV_OK);
    cr_assert_eq(gv_id_parse(&public, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"), GV_OK);
    cr_assert_eq(gv_curve_key_from_secret(&key, secret.b), GV_OK);
    cr_assert_eq(memcmp(gv_curve_key_public(key)->b, public.b, 32), 0);
    cr_assert_eq(memcmp(gv_curve_key_secret(key), secret.b, 32), 0);
    gv_curve_key_free(&key);
}

Test(identity, a_signature_is_for_one_purpose_one_key_and_these_bytes)
{
    struct gv_sign_key *a = fixture_key(1);
    struct gv_sign_key *b = fixture_key(2);
    struct gv_signature s;
    cr_assert_eq(gv_sign(&s, a, GV_DOMAIN_RECORD, "hello", 5), GV_OK);
    cr_assert_eq(gv_verify(&s, gv_sign_key_public(a), GV_DOMAIN_RECORD, "hello", 5), GV_OK);
    cr_assert_eq(gv_verify(&s, gv_sign_key_public(a), GV_DOMAIN_LEAVE, "hello", 5), GV_ERR_SIGNATURE);
    cr_assert_eq(gv_verify(&s, gv_sign_key_public(b), GV_DOMAIN_RECORD, "hello", 5), GV_ERR_SIGNATURE);
    cr_assert_eq(gv_verify(&s, gv_sign_key_public(a), GV_DOMAIN_RECORD, "hellO", 5), GV_ERR_SIGNATURE);
    cr_assert_eq(gv_verify(&s, gv_sign_key_public(a), GV_DOMAIN_RECORD, "hello", 4), GV_ERR_SIGNATURE);
    s.b[10] ^= 1;
    cr_assert_eq(gv_verify(&s, gv_sign_key_public(a), GV_DOMAIN_RECORD, "hello", 5), GV_ERR_SIGNATURE);
    gv_sign_key_free(&a);
    gv_sign_key_free(&b);
}

Test(identity, signs_what_does_not_fit_the_stack)
{
    size_t bytes = GV_MANIFEST_BYTES_MAX;
    char *text = calloc(1, bytes);
    struct gv_sign_key *key = fixture_key(1);
    struct gv_signature s;
    cr_assert_eq(gv_sign(&s, key, GV_DOMAIN_MANIFEST, text, bytes), GV_OK);
    cr_assert_eq(gv_verify(&s, gv_sign_key_public(key), GV_DOMAIN_MANIFEST, text, bytes), GV_OK);
    text[bytes - 1] = 1;
    cr_assert_eq(gv_verify(&s, gv_sign_key_public(key), GV_DOMAIN_MANIFEST, text, bytes), GV_ERR_SIGNATURE);
    gv_sign_key_free(&key);
    free(text);
}

Test(identity, new_keys_differ)
{
    struct gv_sign_key *a;
    struct gv_sign_key *b;
    struct gv_curve_key *c;
    struct gv_curve_key *d;
    cr_assert(gv_sign_key_new(&a) == GV_OK && gv_sign_key_new(&b) == GV_OK);
    cr_assert(gv_curve_key_new(&c) == GV_OK && gv_curve_key_new(&d) == GV_OK);
    cr_assert_neq(memcmp(gv_sign_key_public(a)->b, gv_sign_key_public(b)->b, 32), 0);
    cr_assert_neq(memcmp(gv_curve_key_public(c)->b, gv_curve_key_public(d)->b, 32), 0);
    gv_sign_key_free(&a);
    gv_sign_key_free(&b);
    gv_curve_key_free(&c);
    gv_curve_key_free(&d);
    gv_curve_key_free(&d); /* NULL is fine */
}

Test(identity, ids_go_to_hex_and_back)
{
    struct gv_sign_key *key = fixture_key(1);
    struct gv_id id = gv_id_of(gv_sign_key_public(key));
    struct gv_id back;
    char hex[65];
    gv_id_hex(hex, &id, 64);
    cr_assert_eq(gv_id_parse(&back, hex), GV_OK);
    cr_assert(gv_id_equal(&id, &back));
    gv_id_hex(hex, &id, 7);
    cr_assert_eq(strlen(hex), 7);
    cr_assert_eq(gv_id_parse(&back, hex), GV_ERR_RANGE);
    cr_assert_eq(gv_id_parse(&back, ""), GV_ERR_RANGE);
    gv_id_hex(hex, &id, 64);
    hex[63] = 'g';
    cr_assert_eq(gv_id_parse(&back, hex), GV_ERR_RANGE);
    cr_assert(gv_id_equal(&id, &back), "untouched on an error");
    gv_sign_key_free(&key);
}

Test(identity, key_files_come_back_as_they_went)
{
    char folder[200], path[256];
    struct gv_diag diag;
    struct gv_sign_key *sign, *sign_back;
    struct gv_curve_key *curve, *curve_back;
    enter_folder(folder, path);
    cr_assert(gv_sign_key_new(&sign) == GV_OK && gv_curve_key_new(&curve) == GV_OK);
    cr_assert_eq(gv_node_keys_save(path, sign, curve, &diag), GV_OK);
    struct stat st;
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 07777, 0600);
    cr_assert_eq(gv_node_keys_load(path, &sign_back, &curve_back, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(memcmp(gv_sign_key_public(sign)->b, gv_sign_key_public(sign_back)->b, 32), 0);
    cr_assert_eq(memcmp(gv_curve_key_public(curve)->b, gv_curve_key_public(curve_back)->b, 32), 0);
    cr_assert_eq(gv_node_keys_save(path, sign, curve, &diag), GV_ERR_IN_USE, "never overwritten");
    gv_sign_key_free(&sign_back);
    cr_assert_eq(gv_root_key_load(path, &sign_back, &diag), GV_ERR_KEY_FILE, "a node's keys are no root key");
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(gv_root_key_save(path, sign, &diag), GV_OK);
    cr_assert_eq(gv_root_key_load(path, &sign_back, &diag), GV_OK);
    cr_assert_eq(memcmp(gv_sign_key_public(sign)->b, gv_sign_key_public(sign_back)->b, 32), 0);
    gv_sign_key_free(&sign);
    gv_sign_key_free(&sign_back);
    gv_curve_key_free(&curve);
    gv_curve_key_free(&curve_back);
    leave_folder(folder, path);
}

Test(identity, a_key_file_that_others_may_read_is_refused)
{
    static const mode_t modes[] = {0644, 0640, 0604, 0620, 0610, 0601};
    char folder[200], path[256];
    struct gv_diag diag;
    struct gv_sign_key *sign;
    struct gv_sign_key *key = fixture_key(1);
    enter_folder(folder, path);
    cr_assert_eq(gv_root_key_save(path, key, &diag), GV_OK);
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        cr_assert_eq(chmod(path, modes[i]), 0);
        cr_assert_eq(gv_root_key_load(path, &sign, &diag), GV_ERR_KEY_FILE);
        cr_assert_null(sign);
        cr_assert_not_null(strstr(diag.text, "chmod 600"));
    }
    gv_sign_key_free(&key);
    leave_folder(folder, path);
}

Test(identity, a_damaged_key_file_is_named_but_never_quoted)
{
#define GOOD "grapevine_key = 1\nidentity = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
#define SECRET "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "the file is empty"},
        {"hello\n", "not a grapevine key file"},
        {"grapevine_key = 2\n", "newer"},
        {GOOD, "no line \"curve"},
        {GOOD "curve = QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n", "line 3: key has 40 characters, expected 44"},
        {GOOD "curve = " SECRET "QQ\n", "line 3: key has 46 characters, expected 44"},
        {GOOD "curve = QUFBQUFB*UFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n", "line 3: key is not Base64"},
        {GOOD "curve = QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\n", "line 3: key is not Base64"},
        {GOOD "identity = " SECRET "\n", "line 3: a second"},
        {GOOD "corve = " SECRET "\n", "line 3: expected"},
        {GOOD "curve = " SECRET "\n\n", "line 4: expected"},
    };
    char folder[200], path[256];
    enter_folder(folder, path);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gv_diag diag = {0};
        cr_assert_eq(load_text(path, bad[i].text, &diag), GV_ERR_KEY_FILE, "file %zu", i);
        cr_assert_not_null(strstr(diag.text, bad[i].says), "file %zu: %s", i, diag.text);
        cr_assert_not_null(strstr(diag.text, path), "%s", diag.text);
        cr_assert_null(strstr(diag.text, "QUFB"), "%s", diag.text);
    }
    struct gv_diag diag;
    cr_assert_eq(load_text(path, GOOD "curve = " SECRET, &diag), GV_OK, "a missing last newline is harmless");
    char large[2000];
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    cr_assert_eq(load_text(path, large, &diag), GV_ERR_KEY_FILE);
    leave_folder(folder, path);
}

Test(identity, what_is_not_a_file_is_refused_without_waiting)
{
    char folder[200], path[256];
    struct gv_diag diag;
    struct gv_sign_key *key = fixture_key(1);
    struct gv_sign_key *loaded;
    enter_folder(folder, path);
    cr_assert_eq(gv_root_key_load(path, &loaded, &diag), GV_ERR_KEY_FILE, "missing");
    cr_assert_eq(gv_root_key_load(folder, &loaded, &diag), GV_ERR_KEY_FILE, "a folder");
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(gv_root_key_load(path, &loaded, &diag), GV_ERR_KEY_FILE, "a pipe");
    char deeper[300];
    (void)snprintf(deeper, sizeof deeper, "%s/none/node.key", folder);
    cr_assert_eq(gv_root_key_save(deeper, key, &diag), GV_ERR_IO);
    cr_assert_not_null(strstr(diag.text, deeper));
    gv_sign_key_free(&key);
    leave_folder(folder, path);
}

Test(identity, a_key_file_that_cannot_be_written_whole_is_not_left_behind)
{
    char folder[200], path[256];
    struct gv_diag diag = {0};
    struct gv_sign_key *key = fixture_key(1);
    struct rlimit limit;
    enter_folder(folder, path);
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit small = {.rlim_cur = 10, .rlim_max = limit.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum gv_err err = gv_root_key_save(path, key, &diag);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_assert_eq(err, GV_ERR_IO);
    cr_assert_not_null(strstr(diag.text, path), "%s", diag.text);
    cr_assert_neq(access(path, F_OK), 0);
    gv_sign_key_free(&key);
    leave_folder(folder, path);
}
