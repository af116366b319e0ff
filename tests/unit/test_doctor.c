/* What doctor makes of settings and clocks; the rest is looked at by tests/system/doctor.sh. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

static struct gv_doctor *d;

static void setup(void)
{
    d = calloc(1, sizeof *d);
    d->quiet = true;
    d->checks = json_array();
    gv_config_defaults(&d->node.config);
}

static void teardown(void)
{
    json_decref(d->checks);
    free(d);
}

TestSuite(doctor, .init = setup, .fini = teardown);

static const char *last(const char *key)
{
    const char *text =
        json_string_value(json_object_get(json_array_get(d->checks, json_array_size(d->checks) - 1), key));
    return text != NULL ? text : "";
}

static void set(const char *key, const char *value)
{
    cr_assert_eq(gv_config_set(&d->node.config, key, value, NULL), GV_OK, "%s", key);
}

static void finds(const char *verdict, const char *words)
{
    gv_doctor_combinations(d);
    cr_assert_str_eq(last("verdict"), verdict, "%s", last("found"));
    cr_assert_not_null(strstr(last("found"), words), "%s", last("found"));
    cr_assert_eq(last("advice")[0] != '\0', strcmp(verdict, "ok") != 0);
}

Test(doctor, a_node_that_dials_out_only_is_fine)
{
    finds("ok", "dials out only");
    set("listen", "tcp://0.0.0.0:7400");
    set("advertise", "tcp://node.example.org:7400");
    finds("ok", "tcp://0.0.0.0:7400");
}

Test(doctor, settings_that_do_not_go_together)
{
    set("advertise", "tcp://node.example.org:7400");
    finds("warn", "nobody listens there");
    set("listen", "tcp://127.0.0.1:7400");
    finds("warn", "this machine only");
    set("listen", "tcp://0.0.0.0:40000");
    finds("warn", "outgoing connections");
    set("listen", "tcp://[::]:7400");
    set("family", "ipv4");
    finds("warn", "family");
    set("family", "any");
    set("advertise", "tcp://0.0.0.0:7400");
    finds("warn", "leads nowhere");
    set("advertise", "");
    set("shard", "1/2");
    finds("warn", "no data");
    set("data", "builtin:glyphs");
    set("checkpoint", "1d");
    finds("warn", "an hour apart");
}

static void clock_is(const char *verdict, uint64_t now_s, bool known, int64_t offset_s)
{
    gv_doctor_clock(d, now_s, known, offset_s, "a seed");
    cr_assert_str_eq(last("verdict"), verdict, "%s", last("found"));
}

Test(doctor, clocks)
{
    const uint64_t now_s = 1800000000;
    clock_is("ok", now_s, false, 0);
    clock_is("ok", now_s, true, 59);
    clock_is("ok", now_s, true, -59);
    clock_is("warn", now_s, true, 61);
    cr_assert_not_null(strstr(last("found"), "a seed is 61 s ahead"), "%s", last("found"));
    clock_is("warn", now_s, true, -600);
    clock_is("fail", now_s, true, -7200);
    cr_assert_not_null(strstr(last("found"), "7200 s behind"));
    d->has_member = true;
    d->node.chain.count = 2;
    d->node.chain.link[1].issued_s = now_s;
    clock_is("ok", now_s - 30, false, 0);
    clock_is("fail", now_s - 86400, false, 0);
    cr_assert_not_null(strstr(last("found"), "before this node's certificate was issued"), "%s", last("found"));
}

Test(doctor, counts_what_it_says)
{
    gv_doctor_say(d, GV_VERDICT_FAIL, "a", "do this", "what %d", 7);
    gv_doctor_say(d, GV_VERDICT_OK, "b", NULL, "fine");
    cr_assert_eq(d->counts[GV_VERDICT_FAIL], 1);
    cr_assert_eq(d->counts[GV_VERDICT_OK], 1);
    cr_assert_eq(json_array_size(d->checks), 2);
    cr_assert(json_is_null(json_object_get(json_array_get(d->checks, 1), "advice")));
}
