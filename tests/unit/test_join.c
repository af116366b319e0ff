/*
 * Joining against a seed played by this test: a good one, and ones that refuse, lie, send garbage or say nothing.
 * Whatever goes wrong, nothing is left behind.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "data.h"
#include "host_help.h"
#include "join.h"
#include "manifest_text.h"
#include "proto_fixture.h"
#include "store.h"
#include "wire.h"

/* What the seed does. */
enum manner { GOOD, REFUSES, CLOSES, SILENT, GARBAGE, MULTIPART, WRONG_RECORD, FORGED_MANIFEST, CHATTERS };

static struct fixture f;
static struct gv_manifest manifest;
static char token[GV_TOKEN_CHARS_MAX + 1];
static char endpoint[GV_ENDPOINT_BYTES_MAX + 1];
static char data_spec[300];
static enum manner manner;
static int connection; /* the visitor's, as a descriptor of our own: its number may soon be another's */
static enum gv_err refusal;
static void *context;
static void *router;
static pthread_t thread;
static struct gv_msg_hello heard; /* what the visitor said */

static void send_to(const zmq_msg_t *to, const struct gv_msg *msg, const struct gv_bulk *bulk)
{
    zmq_msg_t id;
    size_t bytes = 0;
    size_t bound = gv_wire_bound(msg, bulk);
    uint8_t *frame = malloc(bound);
    cr_assert(frame != NULL && gv_wire_encode(frame, bound, &bytes, msg, bulk) == GV_OK);
    (void)zmq_msg_init(&id);
    (void)zmq_msg_copy(&id, (zmq_msg_t *)(uintptr_t)to);
    (void)zmq_msg_send(&id, router, ZMQ_SNDMORE);
    (void)zmq_send(router, frame, bytes, 0);
    free(frame);
}

static void welcome(const zmq_msg_t *to)
{
    uint8_t bytes[GV_RECORD_BYTES_MAX];
    size_t count = 0;
    struct gv_msg msg = {.kind = GV_KIND_WELCOME};
    struct gv_record record = example_record(&f);
    record.identity = *gv_sign_key_public(f.creator);
    record.chain = f.creator_chain;
    record.curve =
        manner == WRONG_RECORD ? *gv_curve_key_public(f.member_curve) : *gv_curve_key_public(f.creator_curve);
    cr_assert_eq(gv_record_sign(bytes, &count, &record, f.creator), GV_OK);
    struct gv_bulk bulk = {.count = 1, .item = {{.data = bytes, .bytes = count}}};
    msg.u.hello.swarm = f.swarm;
    send_to(to, &msg, &bulk);
}

static void give_manifest(const zmq_msg_t *to)
{
    struct gv_msg msg = {.kind = GV_KIND_MANIFEST};
    uint8_t *text = malloc(manifest.text_bytes);
    cr_assert_not_null(text);
    memcpy(text, manifest.text, manifest.text_bytes);
    text[manner == FORGED_MANIFEST ? 40 : 0] ^= manner == FORGED_MANIFEST ? 1 : 0;
    struct gv_bulk bulk = {.count = 1, .item = {{.data = text, .bytes = manifest.text_bytes}}};
    send_to(to, &msg, &bulk);
    free(text);
}

/* As many messages that do not concern a visitor as somebody likes to send. */
static void chatter(const zmq_msg_t *to)
{
    struct gv_msg msg = {.kind = GV_KIND_SAMPLE, .u.sample = {.count = 1}};
    for (int i = 0; i < 100; i++) {
        send_to(to, &msg, NULL);
    }
}

static void refuse(const zmq_msg_t *to)
{
    struct gv_msg msg = {.kind = GV_KIND_REFUSE, .u.refuse = {.reason = (uint32_t)refusal}};
    send_to(to, &msg, NULL);
    if (manner == CLOSES) { /* as a daemon does, once the frame has had a moment to leave */
        (void)usleep(30000);
        (void)shutdown(connection, SHUT_RDWR);
    }
}

static void send_raw(const zmq_msg_t *to, const char *text, bool more)
{
    zmq_msg_t id;
    (void)zmq_msg_init(&id);
    (void)zmq_msg_copy(&id, (zmq_msg_t *)(uintptr_t)to);
    (void)zmq_msg_send(&id, router, ZMQ_SNDMORE);
    (void)zmq_send(router, text, strlen(text), more ? ZMQ_SNDMORE : 0);
    if (more) {
        (void)zmq_send(router, text, strlen(text), 0);
    }
}

static void answer_hello(const zmq_msg_t *from, const struct gv_msg *msg)
{
    heard = msg->u.hello;
    switch (manner) {
    case REFUSES:
    case CLOSES:
        refuse(from);
        return;
    case SILENT:
        return;
    case GARBAGE:
        send_raw(from, "garbage", false);
        return;
    case MULTIPART:
        send_raw(from, "half", true);
        return;
    case CHATTERS:
        chatter(from);
        return;
    default:
        welcome(from);
    }
}

static void *seed_main(void *unused)
{
    (void)unused;
    for (;;) {
        zmq_msg_t from;
        zmq_msg_t frame;
        struct gv_msg msg;
        struct gv_bulk bulk;
        (void)zmq_msg_init(&from);
        (void)zmq_msg_init(&frame);
        bool alive = zmq_msg_recv(&from, router, 0) >= 0 && zmq_msg_recv(&frame, router, 0) >= 0;
        connection = alive ? dup(zmq_msg_get(&frame, ZMQ_SRCFD)) : -1;
        if (alive && gv_wire_decode(&msg, &bulk, zmq_msg_data(&frame), zmq_msg_size(&frame)) == GV_OK) {
            if (msg.kind == GV_KIND_HELLO) {
                answer_hello(&from, &msg);
            } else if (msg.kind == GV_KIND_MANIFEST_WANT) {
                give_manifest(&from);
            }
        }
        if (connection >= 0) {
            (void)close(connection);
        }
        (void)zmq_msg_close(&from);
        (void)zmq_msg_close(&frame);
        if (!alive) {
            (void)zmq_close(router);
            return NULL;
        }
    }
}

static void start_seed(enum manner how)
{
    int on = 1;
    int zero = 0;
    size_t size = sizeof endpoint;
    manner = how;
    context = zmq_ctx_new();
    router = zmq_socket(context, ZMQ_ROUTER);
    (void)zmq_setsockopt(router, ZMQ_LINGER, &zero, sizeof zero);
    cr_assert_eq(zmq_setsockopt(router, ZMQ_CURVE_SERVER, &on, sizeof on), 0);
    cr_assert_eq(zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, gv_curve_key_secret(f.creator_curve), GV_KEY_BYTES), 0);
    cr_assert_eq(zmq_bind(router, "tcp://127.0.0.1:*"), 0);
    cr_assert_eq(zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);
    cr_assert_eq(pthread_create(&thread, NULL, seed_main, NULL), 0);
}

static void make_token(const char *const *endpoints, uint32_t count)
{
    struct gv_invite invite;
    example_invite(&invite, &f);
    invite.seed_count = count;
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(invite.seeds[i].endpoint, sizeof invite.seeds[i].endpoint, "%s", endpoints[i]);
        invite.seeds[i].curve = *gv_curve_key_public(f.creator_curve);
    }
    cr_assert_eq(gv_invite_encode(token, &invite), GV_OK);
}

static void setup(void)
{
    struct gv_data data;
    struct gv_diag diag;
    char text[4000] = "";
    (void)host_make_dir();
    fixture_init(&f);
    for (int i = 0; i < 60; i++) {
        size_t used = strlen(text);
        (void)snprintf(text + used, sizeof text - used, "%d.5,%d.25,%s\n", i % 7, i % 11, i % 2 == 0 ? "even" : "odd");
    }
    host_write("good.csv", text, strlen(text));
    (void)snprintf(data_spec, sizeof data_spec, "csv:%s", host_path("good.csv"));
    gv_manifest_defaults(&manifest);
    cr_assert_eq(gv_manifest_set(&manifest, "name=example", &diag), GV_OK);
    cr_assert_eq(gv_manifest_set(&manifest, "model=mlp:2-4-2", &diag), GV_OK);
    cr_assert_eq(gv_data_load(&data, data_spec, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_data_schema(&manifest.schema, &data, &diag), GV_OK, "%s", diag.text);
    gv_data_deinit(&data);
    cr_assert_eq(gv_manifest_sign(&manifest, f.root, &diag), GV_OK, "%s", diag.text);
}

static void teardown(void)
{
    if (context != NULL) {
        (void)zmq_ctx_shutdown(context);
        (void)pthread_join(thread, NULL);
        (void)zmq_ctx_term(context);
    }
    gv_manifest_deinit(&manifest);
    fixture_deinit(&f);
    (void)rmdir(host_path("node"));
    host_remove_dir();
}

TestSuite(join, .init = setup, .fini = teardown, .timeout = 30);

static enum gv_family family; /* GV_FAMILY_ANY */

static enum gv_err join(const char *spec, struct gv_join_result *result, struct gv_diag *diag)
{
    struct gv_config config;
    struct gv_join_options options = {.token = token, .dir = host_path("node"), .config = &config};
    gv_config_defaults(&config);
    config.family = family;
    cr_assert_eq(gv_config_set(&config, "data", spec, NULL), GV_OK);
    diag->text[0] = '\0';
    return gv_join(&options, result, diag);
}

/* A join that must fail with this error, a diagnosis that says `part`, and nothing left behind. */
static void expect_failure(const char *spec, enum gv_err expected, const char *part)
{
    struct gv_join_result result;
    struct gv_diag diag;
    cr_expect_eq(join(spec, &result, &diag), expected, "%s", diag.text);
    cr_expect_not_null(strstr(diag.text, part), "expected \"%s\", got: %s", part, diag.text);
    cr_expect_not(host_exists("node"), "something is left behind");
}

Test(join, a_good_seed_leads_to_a_node)
{
    struct gv_join_result result;
    struct gv_diag diag = {.text = ""};
    struct gv_chain chain;
    struct gv_manifest read;
    struct gv_seed seeds[GV_SEEDS_MAX];
    uint32_t seed_count = 0;
    uint32_t skipped = 9;
    uint64_t incarnation = 0;
    struct gv_directory *book = NULL;
    start_seed(GOOD);
    make_token((const char *const[]){endpoint}, 1);
    cr_assert_eq(join(data_spec, &result, &diag), GV_OK, "%s", diag.text);
    const char *dir = host_path("node");
    cr_expect(gv_store_exists(dir));
    cr_expect_str_eq(result.name, "example");
    cr_expect_str_eq(result.seed, endpoint);
    cr_expect_eq(heard.purpose, GV_PURPOSE_VISIT);
    cr_assert_eq(gv_store_load_member(dir, &chain, &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_chain_verify(&chain, gv_sign_key_public(f.root)), GV_OK);
    struct gv_id id = gv_id_of(&chain.link[chain.count - 1].subject);
    cr_expect(gv_id_equal(&id, &result.id));
    cr_assert_eq(gv_store_load_manifest(dir, &read, gv_sign_key_public(f.root), &diag), GV_OK, "%s", diag.text);
    gv_manifest_deinit(&read);
    cr_assert_eq(gv_store_load_incarnation(dir, &incarnation, &diag), GV_OK);
    cr_expect_eq(incarnation, 1, "the visit used it: the first start is a newer one");
    cr_assert_eq(gv_directory_new(&book, 4), GV_OK);
    cr_assert_eq(gv_store_load_peers(dir, seeds, &seed_count, book, NULL, gv_sign_key_public(f.root), &skipped, &diag),
                 GV_OK);
    cr_expect(seed_count == 1 && gv_directory_count(book) == 1 && skipped == 0);
    gv_directory_free(&book);
    cr_expect_eq(join(data_spec, &result, &diag), GV_ERR_PATH, "a second time");
    cr_expect(gv_store_exists(dir), "and the first is unharmed");
    gv_store_discard(dir, true);
}

Test(join, without_data_the_node_only_serves)
{
    struct gv_join_result result;
    struct gv_diag diag;
    start_seed(GOOD);
    make_token((const char *const[]){endpoint}, 1);
    cr_expect_eq(join("", &result, &diag), GV_OK, "%s", diag.text);
    gv_store_discard(host_path("node"), true);
}

Test(join, a_dead_seed_is_passed_over)
{
    struct gv_join_result result;
    struct gv_diag diag;
    start_seed(GOOD);
    make_token((const char *const[]){"tcp://127.0.0.1:1", endpoint}, 2);
    cr_expect_eq(join(data_spec, &result, &diag), GV_OK, "%s", diag.text);
    cr_expect_str_eq(result.seed, endpoint);
    gv_store_discard(host_path("node"), true);
}

Test(join, nobody_there_is_told_at_once)
{
    make_token((const char *const[]){"tcp://127.0.0.1:1"}, 1);
    expect_failure(data_spec, GV_ERR_TIMEOUT, "no seed of the invite answers (tcp://127.0.0.1:1");
}

Test(join, seeds_of_the_other_family_are_not_silent_but_ruled_out)
{
    family = GV_FAMILY_IPV4;
    make_token((const char *const[]){"tcp://[::1]:1"}, 1);
    expect_failure(data_spec, GV_ERR_CONFIG, "(tcp://[::1]:1: family = ipv4 rules this address out)");
    make_token((const char *const[]){"tcp://[::1]:1", "tcp://127.0.0.1:1"}, 2);
    expect_failure(data_spec, GV_ERR_TIMEOUT, "no seed of the invite answers (tcp://[::1]:1: family = ipv4 rules");
    family = GV_FAMILY_IPV6;
    make_token((const char *const[]){"tcp://127.0.0.1:1"}, 1);
    expect_failure(data_spec, GV_ERR_CONFIG, "(tcp://127.0.0.1:1: family = ipv6 rules this address out)");
}

Test(join, a_silent_seed_is_given_up)
{
    start_seed(SILENT);
    make_token((const char *const[]){endpoint}, 1);
    expect_failure(data_spec, GV_ERR_TIMEOUT, "no answer");
}

Test(join, a_refusal_tells_its_reason)
{
    static const enum gv_err reasons[] = {GV_ERR_EXPIRED, GV_ERR_USED_UP, GV_ERR_CLOSED, GV_ERR_REVOKED,
                                          GV_ERR_CROWDED};
    start_seed(REFUSES);
    make_token((const char *const[]){endpoint}, 1);
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        refusal = reasons[i];
        expect_failure(data_spec, reasons[i], gv_err_text((int)reasons[i]));
    }
}

Test(join, a_refusal_is_heard_though_the_link_closes_behind_it)
{
    start_seed(CLOSES);
    make_token((const char *const[]){endpoint}, 1);
    refusal = GV_ERR_EXPIRED;
    for (int i = 0; i < 10; i++) {
        expect_failure(data_spec, GV_ERR_EXPIRED, "expired");
    }
}

Test(join, a_refusal_says_more_than_silence)
{
    start_seed(REFUSES);
    refusal = GV_ERR_USED_UP;
    make_token((const char *const[]){endpoint, "tcp://127.0.0.1:1"}, 2);
    expect_failure(data_spec, GV_ERR_USED_UP, "used up");
}

Test(join, a_seed_must_be_who_the_token_names)
{
    start_seed(WRONG_RECORD);
    make_token((const char *const[]){endpoint}, 1);
    expect_failure(data_spec, GV_ERR_KEY_MISMATCH, "does not prove to be a member");
}

Test(join, a_forged_manifest_is_refused)
{
    start_seed(FORGED_MANIFEST);
    make_token((const char *const[]){endpoint}, 1);
    struct gv_join_result result;
    struct gv_diag diag;
    cr_expect_neq(join(data_spec, &result, &diag), GV_OK);
    cr_expect_not_null(strstr(diag.text, "manifest cannot be used"), "%s", diag.text);
    cr_expect_not(host_exists("node"));
}

Test(join, garbage_ends_the_visit)
{
    start_seed(GARBAGE);
    make_token((const char *const[]){endpoint}, 1);
    expect_failure(data_spec, GV_ERR_MALFORMED, endpoint);
}

Test(join, a_multipart_frame_ends_the_visit)
{
    start_seed(MULTIPART);
    make_token((const char *const[]){endpoint}, 1);
    expect_failure(data_spec, GV_ERR_MULTIPART, endpoint);
}

Test(join, endless_chatter_ends_the_visit)
{
    start_seed(CHATTERS);
    make_token((const char *const[]){endpoint}, 1);
    expect_failure(data_spec, GV_ERR_RATE, endpoint);
}

Test(join, data_that_does_not_fit_is_refused_and_says_how)
{
    char spec[300];
    start_seed(GOOD);
    make_token((const char *const[]){endpoint}, 1);
    host_write("wide.csv", "1,2,3,even\n4,5,6,odd\n", 21);
    (void)snprintf(spec, sizeof spec, "csv:%s", host_path("wide.csv"));
    expect_failure(spec, GV_ERR_DATA, "features");
    host_write("other.csv", "1,2,even\n4,5,prime\n", 19);
    (void)snprintf(spec, sizeof spec, "csv:%s", host_path("other.csv"));
    expect_failure(spec, GV_ERR_DATA, "prime");
}

Test(join, unreadable_data_is_told_before_anybody_is_asked)
{
    make_token((const char *const[]){"tcp://127.0.0.1:1"}, 1);
    expect_failure("csv:/nowhere/at/all.csv", GV_ERR_DATA, "/nowhere/at/all.csv");
}

Test(join, what_is_no_token_is_told)
{
    (void)snprintf(token, sizeof token, "hello");
    expect_failure(data_spec, GV_ERR_TOKEN, "token");
}

Test(join, a_folder_with_other_things_keeps_them)
{
    struct gv_join_result result;
    struct gv_diag diag;
    make_token((const char *const[]){"tcp://127.0.0.1:1"}, 1);
    cr_assert_eq(gv_store_create(host_path("node"), NULL), GV_OK);
    host_write("node/notes.txt", "mine", 4);
    cr_expect_eq(join(data_spec, &result, &diag), GV_ERR_TIMEOUT);
    cr_expect(host_exists("node/notes.txt"));
    cr_expect_not(host_exists("node/lock"));
    (void)unlink(host_path("node/notes.txt"));
}
