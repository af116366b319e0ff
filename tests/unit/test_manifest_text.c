/*
 * The manifest: what it says survives the way through text, and what is wrong with a text is said.
 */
#include <criterion/criterion.h>
#include <float.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "manifest_text.h"
#include "proto_fixture.h"

static struct fixture f;
static struct gv_manifest manifest;

static void setup(void)
{
    fixture_init(&f);
    example_manifest(&manifest, &f);
}

static void teardown(void)
{
    gv_manifest_deinit(&manifest);
    fixture_deinit(&f);
}

TestSuite(manifest_text, .init = setup, .fini = teardown);

static void same(const struct gv_manifest *a, const struct gv_manifest *b)
{
    cr_assert_str_eq(a->name, b->name);
    cr_assert_eq(memcmp(&a->root, &b->root, sizeof a->root), 0);
    cr_assert(a->version == b->version && a->epoch == b->epoch && a->inviters == b->inviters);
    cr_assert_str_eq(a->training.model, b->training.model);
    cr_assert(a->training.seed == b->training.seed && a->training.batch == b->training.batch);
    cr_assert(a->training.rate == b->training.rate && a->training.momentum == b->training.momentum);
    cr_assert(a->training.weight_decay == b->training.weight_decay && a->training.warmup == b->training.warmup);
    cr_assert(a->training.schedule == b->training.schedule && a->training.total_age == b->training.total_age);
    cr_assert(a->training.rate_decay == b->training.rate_decay);
    cr_assert(a->local_steps == b->local_steps && a->merge == b->merge && a->codec == b->codec);
    cr_assert(a->exchange_momentum == b->exchange_momentum && a->settle_exchanges == b->settle_exchanges);
    cr_assert(a->stop_age == b->stop_age && a->schema.features == b->schema.features);
    cr_assert(a->schema.classes == b->schema.classes && a->schema.scaling == b->schema.scaling);
    cr_assert_eq(a->schema.scale_count, b->schema.scale_count);
    for (uint32_t i = 0; i < a->schema.classes; i++) {
        cr_assert_str_eq(a->schema.class_names[i], b->schema.class_names[i]);
    }
    cr_assert(gv_hash_equal(&a->hash, &b->hash));
    cr_assert_eq(a->text_bytes, b->text_bytes);
    cr_assert_str_eq(a->text, b->text);
    size_t floats = a->schema.scale_count * sizeof(float);
    if (floats == 0) {
        return;
    }
    cr_assert_eq(memcmp(a->schema.mean, b->schema.mean, floats), 0);
    cr_assert_eq(memcmp(a->schema.deviation, b->schema.deviation, floats), 0);
}

/* Signs `body` as the root would and parses it. */
static enum gv_err parse_signed(const char *body, size_t bytes, struct gv_diag *diag)
{
    struct gv_signature s;
    char *text = malloc(bytes + 200);
    memcpy(text, body, bytes);
    cr_assert_eq(gv_sign(&s, f.root, GV_DOMAIN_MANIFEST, body, bytes), GV_OK);
    int used = snprintf(text + bytes, 20, "signature = ");
    char *at = text + bytes + used;
    for (size_t i = 0; i < sizeof s.b; i++) {
        at += snprintf(at, 3, "%02x", s.b[i]);
    }
    *at++ = '\n';
    struct gv_manifest read;
    enum gv_err err = gv_manifest_parse(&read, text, (size_t)(at - text), gv_sign_key_public(f.root), diag);
    free(text);
    if (err == GV_OK) {
        gv_manifest_deinit(&read);
    }
    return err;
}

/* The example with `from` replaced by `to`, signed anew. */
static enum gv_err parse_replaced(const char *from, const char *to, struct gv_diag *diag)
{
    char body[8192];
    size_t length = (size_t)(strstr(manifest.text, "signature = ") - manifest.text);
    char *place = strstr(manifest.text, from);
    cr_assert_not_null(place, "%s", from);
    int used = snprintf(body, sizeof body, "%.*s%s%.*s", (int)(place - manifest.text), manifest.text, to,
                        (int)(length - (size_t)(place - manifest.text) - strlen(from)), place + strlen(from));
    return parse_signed(body, (size_t)used, diag);
}

Test(manifest_text, comes_back_as_it_went)
{
    struct gv_manifest back;
    struct gv_diag diag;
    cr_assert_eq(gv_manifest_parse(&back, manifest.text, manifest.text_bytes, &manifest.root, &diag), GV_OK, "%s",
                 diag.text);
    same(&manifest, &back);
    cr_assert_str_eq(back.schema.class_names[2], "50% other");
    gv_manifest_deinit(&back);
    cr_assert_eq(gv_manifest_parse(&back, manifest.text, manifest.text_bytes, NULL, &diag), GV_OK);
    gv_manifest_deinit(&back);
    cr_assert_eq(gv_manifest_parse(&back, manifest.text, manifest.text_bytes, gv_sign_key_public(f.member), &diag),
                 GV_ERR_SWARM);
    cr_assert_null(back.text);
}

Test(manifest_text, without_data_has_no_schema)
{
    struct gv_manifest bare, back;
    struct gv_diag diag;
    gv_manifest_defaults(&bare);
    cr_assert_eq(gv_manifest_sign(&bare, f.root, &diag), GV_ERR_CONFIG, "no name, no model");
    strcpy(bare.name, "bare");
    strcpy(bare.training.model, "softmax:784-10");
    cr_assert_eq(gv_manifest_sign(&bare, f.root, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_manifest_sign(&bare, f.root, &diag), GV_OK, "again, without a leak");
    cr_assert_eq(gv_manifest_parse(&back, bare.text, bare.text_bytes, &bare.root, &diag), GV_OK, "%s", diag.text);
    cr_assert_not_null(back.schema.class_names);
    cr_assert_eq(back.training.warmup, 0.05f);
    cr_assert_eq(back.local_steps, 16);
    gv_manifest_deinit(&back);
    gv_manifest_deinit(&bare);
}

Test(manifest_text, floats_come_back_to_the_bit)
{
    uint64_t state = fixture_seed();
    struct gv_diag diag;
    for (int round = 0; round < 300; round++) {
        struct gv_manifest back;
        for (uint32_t i = 0; i < manifest.schema.scale_count; i++) {
            uint32_t bits = (uint32_t)fixture_random(&state);
            bits = (bits & 0x7f800000) == 0x7f800000 ? bits & 0xbfffffff : bits;
            memcpy(&manifest.schema.mean[i], &bits, 4);
            bits = 0x20000000 + (bits & 0x3fffffff); /* above 1e-19 */
            memcpy(&manifest.schema.deviation[i], &bits, 4);
        }
        manifest.schema.mean[0] = round % 2 == 0 ? FLT_MAX : -FLT_MAX;
        uint32_t rate = 0x38000000 + (uint32_t)(fixture_random(&state) & 0x07ffffff);
        memcpy(&manifest.training.rate, &rate, 4);
        cr_assert_eq(gv_manifest_sign(&manifest, f.root, &diag), GV_OK, "%s", diag.text);
        cr_assert_eq(gv_manifest_parse(&back, manifest.text, manifest.text_bytes, &manifest.root, &diag), GV_OK, "%s",
                     diag.text);
        same(&manifest, &back);
        gv_manifest_deinit(&back);
    }
}

Test(manifest_text, does_not_depend_on_the_locale)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8", "C"};
    char *before = strdup(manifest.text);
    size_t i = 0;
    while (setlocale(LC_ALL, names[i]) == NULL) {
        i++;
    }
    struct gv_diag diag;
    struct gv_manifest back;
    cr_assert_eq(gv_manifest_set(&manifest, "rate=0.1", &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_manifest_sign(&manifest, f.root, &diag), GV_OK);
    cr_assert_str_eq(manifest.text, before);
    cr_assert_eq(gv_manifest_parse(&back, before, strlen(before), NULL, &diag), GV_OK);
    gv_manifest_deinit(&back);
    cr_assert_eq(gv_manifest_set(&manifest, "rate=0,1", &diag), GV_ERR_CONFIG);
    free(before);
}

Test(manifest_text, no_byte_can_be_altered)
{
    struct gv_manifest back;
    char *text = malloc(manifest.text_bytes);
    memcpy(text, manifest.text, manifest.text_bytes);
    for (uint32_t at = 0; at < manifest.text_bytes; at++) {
        text[at] ^= (char)(1 << at % 7);
        cr_assert_neq(gv_manifest_parse(&back, text, manifest.text_bytes, &manifest.root, NULL), GV_OK, "byte %u", at);
        cr_assert_neq(gv_manifest_parse(&back, text, manifest.text_bytes, NULL, NULL), GV_OK, "byte %u", at);
        text[at] = manifest.text[at];
    }
    free(text);
    for (uint32_t cut = 0; cut < manifest.text_bytes; cut++) {
        char *exact = malloc(cut > 0 ? cut : 1);
        memcpy(exact, manifest.text, cut);
        cr_assert_neq(gv_manifest_parse(&back, exact, cut, NULL, NULL), GV_OK, "cut at %u", cut);
        free(exact);
    }
}

Test(manifest_text, keys_of_a_newer_program_are_ignored)
{
    struct gv_diag diag;
    cr_assert_eq(parse_replaced("seed = 7\n", "seed = 7\nouter_step = nesterov\nouter_step = twice\n", &diag), GV_OK,
                 "%s", diag.text);
}

Test(manifest_text, what_is_wrong_with_a_signed_text_is_said)
{
    static const struct {
        const char *from, *to, *says;
        enum gv_err err;
    } bad[] = {
        {"seed = 7\n", "", "no line \"seed", GV_ERR_MANIFEST},
        {"seed = 7\n", "seed = 7\nseed = 7\n", "line 9: seed: a second time", GV_ERR_MANIFEST},
        {"seed = 7\n", "seed=7\n", "line 8: expected \"key = value\"", GV_ERR_MANIFEST},
        {"seed = 7\n", "seed = 7\n\n", "line 9: expected \"key = value\"", GV_ERR_MANIFEST},
        {"seed = 7\n", "seed = -7\n", "line 8: seed: \"-7\"", GV_ERR_MANIFEST},
        {"seed = 7\n", "seed = 18446744073709551616\n", "line 8: seed", GV_ERR_MANIFEST},
        {"rate = 0.100000001\n", "rate = nan\n", "line 10: rate: \"nan\"", GV_ERR_MANIFEST},
        {"rate = 0.100000001\n", "rate = inf\n", "line 10: rate", GV_ERR_MANIFEST},
        {"rate = 0.100000001\n", "rate = 0x1\n", "line 10: rate", GV_ERR_MANIFEST},
        {"rate = 0.100000001\n", "rate = 1e99\n", "line 10: rate", GV_ERR_MANIFEST},
        {"rate = 0.100000001\n", "rate = 0\n", "rate is 0", GV_ERR_MANIFEST},
        {"codec = f16\n", "codec = f15\n", "codec: \"f15\" is not f32 or f16", GV_ERR_MANIFEST},
        {"exchange_momentum = no\n", "exchange_momentum = maybe\n", "exchange_momentum", GV_ERR_MANIFEST},
        {"mean = 5.80000019,3,", "mean = 5.80000019,,", "mean: value 2", GV_ERR_MANIFEST},
        {"mean = 5.80000019,3,", "mean = 3,", "deviation: 4 values, but mean has 3", GV_ERR_MANIFEST},
        {"deviation = 0.8", "deviation = -0.8", "deviation: value 1", GV_ERR_MANIFEST},
        {"features = 4\n", "features = 5\n", "takes 4 features", GV_ERR_MANIFEST},
        {"classes = setosa,", "classes = setosa,setosa,", "classes: class 2", GV_ERR_MANIFEST},
        {"classes = setosa,", "classes = ,", "classes: class 1", GV_ERR_MANIFEST},
        {"classes = setosa,", "classes = a%0ab,", "classes: class 1", GV_ERR_MANIFEST},
        {"classes = setosa,", "classes = a%2,", "classes: class 1", GV_ERR_MANIFEST},
        {"name = example\n", "name = \n", "name", GV_ERR_MANIFEST},
        {"name = example\n", "name = ex\x1b[2Jample\n", "that can be read", GV_ERR_MANIFEST},
        {"total_age = 2000\n", "total_age = 0\n", "total_age", GV_ERR_MANIFEST},
        {"grapevine_manifest = 1\n", "grapevine_manifest = 2\n", "version", GV_ERR_VERSION},
        {"grapevine_manifest = 1\n", "", "not a manifest", GV_ERR_MANIFEST},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gv_diag diag = {0};
        cr_expect_eq(parse_replaced(bad[i].from, bad[i].to, &diag), bad[i].err, "%s: %s", bad[i].to, diag.text);
        cr_expect_eq(diag.code, bad[i].err);
        cr_expect_not_null(strstr(diag.text, bad[i].says), "%s: %s", bad[i].to, diag.text);
    }
}

Test(manifest_text, settings_are_checked_and_named)
{
    static const struct {
        const char *assignment, *says;
    } bad[] = {
        {"rate", "expected key=value"},
        {"rat=1", "did you mean \"rate\"?"},
        {"momentun=0.5", "\"momentum\"?"},
        {"localsteps=5", "\"local_steps\"?"},
        {"root=00", "signing"},
        {"version=2", "signing"},
        {"signature=1", "there is no key"},
        {"batch=0", "whole number from 1 to 32767"},
        {"batch=32768", "whole number from 1 to 32767"}, /* more than a node could train with */
        {"batch=1.5", "whole number"},
        {"momentum=1", "momentum"},
        {"warmup=101%", "warmup"},
        {"rate=5%", "rate"},
        {"schedule=cosine", "constant, linear, inverse"},
        {"stop_age=1e5", "whole number"},
        {"=1", "there is no key"},
        {"colour=red", "\"colour\""},
        {"rate=1e7", "from 0 to 1e+06"},
        {"rate_decay=-1", "from 0 to 1000"},
        {"seed=-1", "from 0 to 18446744073709551615"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gv_diag diag = {0};
        cr_expect_eq(gv_manifest_set(&manifest, bad[i].assignment, &diag), GV_ERR_CONFIG, "%s", bad[i].assignment);
        cr_expect_not_null(strstr(diag.text, bad[i].says), "%s: %s", bad[i].assignment, diag.text);
    }
    struct gv_diag diag;
    cr_assert_eq(gv_manifest_set(&manifest, "warmup = 12.5%", &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(manifest.training.warmup, 0.125f);
    cr_assert_eq(gv_manifest_set(&manifest, "merge=age", &diag), GV_OK);
    cr_assert_eq(manifest.merge, 1);
    cr_assert_eq(gv_manifest_set(&manifest, "exchange_momentum=yes", &diag), GV_OK);
    cr_assert(manifest.exchange_momentum);
    cr_assert_eq(gv_manifest_set(&manifest, "inviters=root", &diag), GV_OK);
    cr_assert_eq(manifest.inviters, GV_INVITERS_ROOT);
}

Test(manifest_text, contradictions_are_found)
{
    static const char *const together[][2] = {
        {"schedule=constant", "total_age"},
        {"model=mlp:4-8-2", "2 classes"},
        {"model=softmax:5-3", "5 features"},
        {"scaling=unit", "scaling needs 1"},
        {"mean=1,2", "scaling needs 4"},
        {"classes=only", "at least two"},
        {"features=0", "expected both"},
        {"rate=11", "at most 10"},
        {"rate_decay=1", "without schedule=inverse"},
        {"schedule=inverse", "total_age"},
    };
    for (size_t i = 0; i < sizeof together / sizeof together[0]; i++) {
        struct gv_diag diag = {0};
        struct gv_manifest m;
        cr_assert_eq(gv_manifest_parse(&m, manifest.text, manifest.text_bytes, NULL, &diag), GV_OK);
        cr_assert_eq(gv_manifest_set(&m, together[i][0], &diag), GV_OK, "%s: %s", together[i][0], diag.text);
        cr_expect_eq(gv_manifest_check(&m, &diag), GV_ERR_CONFIG, "%s", together[i][0]);
        cr_expect_not_null(strstr(diag.text, together[i][1]), "%s: %s", together[i][0], diag.text);
        cr_expect_eq(gv_manifest_sign(&m, f.root, &diag), GV_ERR_CONFIG);
        gv_manifest_deinit(&m);
    }
    manifest.exchange_momentum = true;
    manifest.training.momentum = 0;
    cr_assert_eq(gv_manifest_check(&manifest, NULL), GV_ERR_CONFIG);
}

Test(manifest_text, an_inverse_schedule_needs_its_decay_and_may_begin_high)
{
    struct gv_diag diag = {0};
    struct gv_manifest back;
    cr_assert_eq(gv_manifest_set(&manifest, "total_age=0", &diag), GV_OK);
    cr_assert_eq(gv_manifest_set(&manifest, "schedule=inverse", &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_manifest_set(&manifest, "rate=100", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_manifest_check(&manifest, &diag), GV_ERR_CONFIG);
    cr_expect_not_null(strstr(diag.text, "needs rate_decay"), "%s", diag.text);
    cr_assert_eq(gv_manifest_set(&manifest, "rate_decay=0.1", &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_manifest_sign(&manifest, f.root, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_manifest_parse(&back, manifest.text, manifest.text_bytes, &manifest.root, &diag), GV_OK, "%s",
                 diag.text);
    same(&manifest, &back);
    cr_expect_eq(back.training.schedule, GV_SCHEDULE_INVERSE);
    cr_expect_eq(back.training.rate_decay, 0.1f);
    gv_manifest_deinit(&back);
}

Test(manifest_text, a_word_unlike_any_key_gets_no_suggestion)
{
    struct gv_diag diag = {0};
    cr_expect_eq(gv_manifest_set(&manifest, "colour=red", &diag), GV_ERR_CONFIG);
    cr_expect_null(strstr(diag.text, "did you mean"), "%s", diag.text);
    cr_expect_eq(gv_manifest_set(&manifest, "weight=1", &diag), GV_ERR_CONFIG);
    cr_expect_not_null(strstr(diag.text, "\"weight_decay\""), "%s", diag.text);
}

Test(manifest_text, scaling_none_takes_mean_and_deviation_away)
{
    struct gv_diag diag = {0};
    cr_assert_eq(gv_manifest_set(&manifest, "scaling=none", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(manifest.schema.scale_count, 0);
    cr_expect_eq(gv_manifest_sign(&manifest, f.root, &diag), GV_OK, "%s", diag.text);
}

Test(manifest_text, another_schema_is_another_model)
{
    static const struct {
        const char *set;
        bool same;
    } changes[] = {
        {"rate=0.5", true},       {"epoch=9", true},       {"model=softmax:4-3", false}, {"scaling=none", false},
        {"classes=a,b,c", false}, {"mean=1,2,3,4", false}, {"deviation=1,2,3,4", false},
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct gv_diag diag = {0};
        struct gv_manifest m;
        cr_assert_eq(gv_manifest_parse(&m, manifest.text, manifest.text_bytes, NULL, &diag), GV_OK);
        cr_expect(gv_manifest_same_model(&manifest, &m));
        cr_assert_eq(gv_manifest_set(&m, changes[i].set, &diag), GV_OK, "%s: %s", changes[i].set, diag.text);
        cr_expect_eq(gv_manifest_same_model(&manifest, &m), changes[i].same, "%s", changes[i].set);
        gv_manifest_deinit(&m);
    }
}

Test(manifest_text, a_list_lost_on_the_way_to_the_same_length_is_another_model)
{
    static const char *const ways[][3] = {{"mean=1,2", "mean=5.8,3,3.8,1.2"},
                                          {"scaling=none", "mean=5.8,3,3.8,1.2", "scaling=standard"}};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct gv_diag diag = {0};
        struct gv_manifest m;
        cr_assert_eq(gv_manifest_parse(&m, manifest.text, manifest.text_bytes, NULL, &diag), GV_OK);
        for (size_t k = 0; k < 3 && ways[i][k] != NULL; k++) {
            cr_assert_eq(gv_manifest_set(&m, ways[i][k], &diag), GV_OK, "%s: %s", ways[i][k], diag.text);
        }
        cr_assert_eq(m.schema.scale_count, manifest.schema.scale_count);
        cr_expect_null(m.schema.deviation);
        cr_expect_not(gv_manifest_same_model(&manifest, &m));
        cr_expect_not(gv_manifest_same_model(&m, &manifest));
        cr_expect_eq(gv_manifest_check(&m, &diag), GV_ERR_CONFIG);
        gv_manifest_deinit(&m);
    }
}

Test(manifest_text, awkward_class_names_survive)
{
    static const char *const names[] = {
        "a,b", "100%", " lead", "trail ", "tab\there is refused later", "Gr\xc3\xbc\xc3\x9f", "%2c"};
    struct gv_diag diag;
    struct gv_manifest back;
    gv_manifest_deinit(&manifest);
    gv_manifest_defaults(&manifest);
    strcpy(manifest.name, "names");
    strcpy(manifest.training.model, "softmax:2-6");
    manifest.schema.features = 2;
    manifest.schema.classes = 6;
    manifest.schema.class_names = calloc(6, sizeof *manifest.schema.class_names);
    for (size_t i = 0, k = 0; i < 7; i++) {
        if (i != 4) {
            strcpy(manifest.schema.class_names[k++], names[i]);
        }
    }
    cr_assert_eq(gv_manifest_sign(&manifest, f.root, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_manifest_parse(&back, manifest.text, manifest.text_bytes, NULL, &diag), GV_OK, "%s", diag.text);
    same(&manifest, &back);
    gv_manifest_deinit(&back);
}

Test(manifest_text, the_largest_schema_fits)
{
    struct gv_diag diag;
    struct gv_manifest back;
    gv_manifest_deinit(&manifest);
    gv_manifest_defaults(&manifest);
    strcpy(manifest.name, "large");
    strcpy(manifest.training.model, "softmax:4096-1024");
    manifest.schema.features = GV_SCALED_FEATURES_MAX;
    manifest.schema.scale_count = GV_SCALED_FEATURES_MAX;
    manifest.schema.scaling = GV_SCALING_STANDARD;
    manifest.schema.mean = calloc(GV_SCALED_FEATURES_MAX, sizeof(float));
    manifest.schema.deviation = calloc(GV_SCALED_FEATURES_MAX, sizeof(float));
    manifest.schema.classes = GV_CLASSES_MAX;
    manifest.schema.class_names = calloc(GV_CLASSES_MAX, sizeof *manifest.schema.class_names);
    for (uint32_t i = 0; i < GV_SCALED_FEATURES_MAX; i++) {
        manifest.schema.mean[i] = -1.2345678e-20f * (float)(i + 1);
        manifest.schema.deviation[i] = 1.2345678e-20f * (float)(i + 1);
    }
    for (uint32_t i = 0; i < GV_CLASSES_MAX; i++) {
        memset(manifest.schema.class_names[i], 'x', GV_NAME_BYTES_MAX);
        (void)snprintf(manifest.schema.class_names[i], 10, "%u", i);
        manifest.schema.class_names[i][strlen(manifest.schema.class_names[i])] = 'x';
    }
    cr_assert_eq(gv_manifest_sign(&manifest, f.root, &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_manifest_parse(&back, manifest.text, manifest.text_bytes, NULL, &diag), GV_OK, "%s", diag.text);
    same(&manifest, &back);
    gv_manifest_deinit(&back);
    for (uint32_t i = 0; i < GV_CLASSES_MAX; i++) {
        memset(manifest.schema.class_names[i], ',', GV_NAME_BYTES_MAX); /* three bytes each once escaped */
    }
    cr_assert_eq(gv_manifest_sign(&manifest, f.root, &diag), GV_ERR_OVERSIZE);
}
