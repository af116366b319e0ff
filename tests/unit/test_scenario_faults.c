/*
 * Faults as text: each kind, each form, and what is none.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "scenario_faults.h"

static struct gv_fault one(enum gv_fault_kind kind, const char *text)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {.text = ""};
    memset(&scenario, 0, sizeof scenario);
    cr_assert_eq(gv_scenario_faults_read(&scenario, kind, text, &diag), GV_OK, "%s: %s", text, diag.text);
    cr_assert_eq(scenario.fault_count, 1);
    return scenario.faults[0];
}

Test(scenario_faults, each_form_is_read)
{
    struct gv_fault f = one(GV_FAULT_KILL, "50% at 5min");
    cr_expect(f.kind == GV_FAULT_KILL && f.share == 0.5 && f.count == 0 && f.at_us == 300000000 && f.until_us == 0);
    f = one(GV_FAULT_LEAVE, "  5   at 0.5s ");
    cr_expect(f.kind == GV_FAULT_LEAVE && f.share == 0 && f.count == 5 && f.at_us == 500000);
    f = one(GV_FAULT_PAUSE, "10% at 2min for 30s");
    cr_expect(f.share == 0.1 && f.at_us == 120000000 && f.until_us == 150000000);
    f = one(GV_FAULT_PARTITION, "50% from 5min to 8min");
    cr_expect(f.at_us == 300000000 && f.until_us == 480000000 && f.cut == GV_CUT_CLEAN);
    f = one(GV_FAULT_PARTITION, "20 from 5min to 8min one-way");
    cr_expect(f.count == 20 && f.cut == GV_CUT_ONE_WAY);
    f = one(GV_FAULT_PARTITION, "50% from 5min to 8min flapping:10s");
    cr_expect(f.cut == GV_CUT_FLAPPING && f.flap_us == 10000000);
}

Test(scenario_faults, each_kind_has_the_name_of_its_key)
{
    static const char *const names[] = {"kill",   "vanish",   "pause",     "restart", "leave",
                                        "revoke", "copy_key", "partition", "arrive"};
    for (uint32_t i = 0; i < GV_FAULT_KINDS; i++) {
        cr_expect_str_eq(gv_scenario_fault_name((enum gv_fault_kind)i), names[i]);
    }
}

Test(scenario_faults, they_add_up_in_the_order_of_their_times)
{
    struct gv_scenario scenario;
    memset(&scenario, 0, sizeof scenario);
    cr_assert_eq(gv_scenario_faults_read(&scenario, GV_FAULT_KILL, "1 at 5min, 2 at 1min", NULL), GV_OK);
    cr_assert_eq(gv_scenario_faults_read(&scenario, GV_FAULT_RESTART, "3 at 3min,4 at 5min", NULL), GV_OK);
    static const uint32_t counts[] = {2, 3, 1, 4};
    cr_assert_eq(scenario.fault_count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        cr_expect_eq(scenario.faults[i].count, counts[i], "%u: of one moment, the one given first comes first", i);
    }
    cr_assert_eq(gv_scenario_faults_read(&scenario, GV_FAULT_KILL, "none", NULL), GV_OK);
    cr_assert_eq(scenario.fault_count, 2);
    cr_expect(scenario.faults[0].count == 3 && scenario.faults[1].count == 4);
}

Test(scenario_faults, what_is_none_is_refused_whole)
{
    static const struct {
        enum gv_fault_kind kind;
        const char *text, *part;
    } bad[] = {
        {GV_FAULT_KILL, "", "HOW_MANY at TIME"},
        {GV_FAULT_KILL, "50%", "HOW_MANY at TIME"},
        {GV_FAULT_KILL, "50% on 5min", "HOW_MANY at TIME"},
        {GV_FAULT_KILL, "50% at 5min for 10s", "HOW_MANY at TIME"},
        {GV_FAULT_KILL, "50% at 5", "has no unit"},
        {GV_FAULT_KILL, "0 at 5min", "1 to 1000000"},
        {GV_FAULT_KILL, "0% at 5min", "above 0%"},
        {GV_FAULT_KILL, "150% at 5min", "100%"},
        {GV_FAULT_KILL, "0.5 at 5min", "not whole"},
        {GV_FAULT_KILL, "half at 5min", "not a number"},
        {GV_FAULT_KILL, "1 at 5min,", "HOW_MANY at TIME"},
        {GV_FAULT_KILL, "1 at 5min, 2 at 6", "has no unit"},
        {GV_FAULT_KILL, "1 at 500d", "too long"},
        {GV_FAULT_KILL, "a b c d e f g h i j k", "HOW_MANY at TIME"},
        {GV_FAULT_PAUSE, "10% at 2min", "for TIME"},
        {GV_FAULT_PAUSE, "10% at 2min for 0s", "too short"},
        {GV_FAULT_PAUSE, "10% from 2min to 3min", "for TIME"},
        {GV_FAULT_PARTITION, "50% at 5min", "from TIME to TIME"},
        {GV_FAULT_PARTITION, "50% from 5min", "from TIME to TIME"},
        {GV_FAULT_PARTITION, "50% from 5min to 4min", "not after its beginning"},
        {GV_FAULT_PARTITION, "50% from 5min to 5min", "not after its beginning"},
        {GV_FAULT_PARTITION, "50% from 5min to 8min both-ways", "one-way or flapping"},
        {GV_FAULT_PARTITION, "50% from 5min to 8min flapping", "one-way or flapping"},
        {GV_FAULT_PARTITION, "50% from 5min to 8min flapping:10", "has no unit"},
        {GV_FAULT_PARTITION, "50% from 5min to 8min flapping:3min", "never heal"},
        {GV_FAULT_PARTITION, "50% from 5min to 8min flapping:1us", "too short"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gv_scenario scenario;
        struct gv_diag diag = {.text = ""};
        memset(&scenario, 0, sizeof scenario);
        cr_expect_eq(gv_scenario_faults_read(&scenario, bad[i].kind, bad[i].text, &diag), GV_ERR_CONFIG, "\"%s\"",
                     bad[i].text);
        cr_expect_not_null(strstr(diag.text, bad[i].part), "\"%s\" gave: %s", bad[i].text, diag.text);
        cr_expect_eq(scenario.fault_count, 0, "\"%s\" must change nothing", bad[i].text);
    }
}

Test(scenario_faults, there_are_only_so_many)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {.text = ""};
    memset(&scenario, 0, sizeof scenario);
    for (uint32_t i = 0; i < GV_SCENARIO_FAULTS_MAX; i++) {
        cr_assert_eq(gv_scenario_faults_read(&scenario, GV_FAULT_LEAVE, "1 at 1s", NULL), GV_OK);
    }
    cr_expect_eq(gv_scenario_faults_read(&scenario, GV_FAULT_LEAVE, "1 at 1s", &diag), GV_ERR_CONFIG);
    cr_expect_not_null(strstr(diag.text, "more than 32"), "%s", diag.text);
}

Test(scenario_faults, are_written_as_they_are_read)
{
    static const struct {
        enum gv_fault_kind kind;
        const char *text;
    } good[] = {{GV_FAULT_KILL, "50% at 5min"},
                {GV_FAULT_ARRIVE, "12 at 90s"},
                {GV_FAULT_PAUSE, "3.5% at 2min for 30s"},
                {GV_FAULT_PARTITION, "50% from 5min to 8min"},
                {GV_FAULT_PARTITION, "7 from 5min to 8min one-way"},
                {GV_FAULT_PARTITION, "50% from 5min to 8min flapping:10s"}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char text[160];
        struct gv_fault fault = one(good[i].kind, good[i].text);
        cr_expect_eq(gv_scenario_fault_write(text, sizeof text, &fault), strlen(good[i].text));
        cr_expect_str_eq(text, good[i].text);
    }
}
