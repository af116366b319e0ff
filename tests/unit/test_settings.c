/*
 * A scenario as keys and values.
 */
#include <criterion/criterion.h>

#include "report_help.h"
#include "settings.h"

Test(settings, hold_what_differs_from_the_defaults)
{
    struct gv_scenario scenario = help_scenario(GV_MODE_MEAN);
    struct gv_settings settings;
    scenario.network.loss = 0.05;
    cr_assert_eq(gv_settings_init(&settings, &scenario), GV_OK);
    cr_expect_str_eq(gv_settings_find(&settings, "network.loss"), "5%");
    cr_expect_str_eq(gv_settings_find(&settings, "swarm.mode"), "mean");
    cr_expect_null(gv_settings_find(&settings, "network.damage"));
    gv_settings_deinit(&settings);
    cr_expect_eq(settings.count, 0);
}

Test(settings, faults_of_one_kind_are_one_setting)
{
    struct gv_scenario scenario;
    struct gv_settings settings;
    struct gv_diag diag = {.code = GV_OK};
    gv_scenario_defaults(&scenario);
    cr_assert_eq(gv_scenario_parse(&scenario, "[faults]\nkill = 50% at 5min\nkill = 3 at 7min\n", "x", &diag), GV_OK,
                 "%s", diag.text);
    cr_assert_eq(gv_settings_init(&settings, &scenario), GV_OK);
    cr_expect_str_eq(gv_settings_find(&settings, "faults.kill"), "50% at 5min, 3 at 7min");
    gv_settings_deinit(&settings);
}
