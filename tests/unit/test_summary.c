/*
 * summary.json: the fields that scripts rely on, and what a person reads.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report_help.h"
#include "summary.h"

TestSuite(summary, .init = help_make_folder, .fini = help_remove_folder);

/* What `sim --json` prints, parsed. */
static json_t *written(const struct gv_summary *summary, const struct gv_scenario *scenario)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    cr_assert_not_null(out);
    gv_summary_write(summary, scenario, out);
    cr_assert_eq(fclose(out), 0);
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    cr_assert_not_null(json, "%s in %s", error.text, text);
    free(text);
    return json;
}

Test(summary, has_the_promised_fields_first_and_in_order)
{
    static const char *const names[] = {"nodes",
                                        "virtual_s",
                                        "wall_s",
                                        "events",
                                        "exchanges_done",
                                        "exchanges_failed",
                                        "bytes_per_node",
                                        "accuracy_mean",
                                        "accuracy_min",
                                        "accuracy_of_mean_model",
                                        "consensus_distance",
                                        "components",
                                        "live_nodes",
                                        "invariants_checked",
                                        "peak_rss_bytes",
                                        "threads",
                                        "seed",
                                        "trace_hash"};
    struct gv_sample last = help_sample(7);
    struct gv_summary summary = help_summary(&last);
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    summary.last.invariants_checked = 12345;
    json_t *json = written(&summary, &scenario);
    const char *key;
    json_t *value;
    size_t at = 0;
    json_object_foreach(json, key, value)
    {
        if (at < sizeof names / sizeof names[0]) {
            cr_expect_str_eq(key, names[at]);
        }
        at++;
    }
    cr_expect_geq(at, sizeof names / sizeof names[0]);
    cr_expect_str_eq(json_string_value(json_object_get(json, "trace_hash")), "00123456789abcde");
    cr_expect_eq(json_integer_value(json_object_get(json, "seed")), 17);
    cr_expect_eq(json_integer_value(json_object_get(json, "nodes")), 102);
    cr_expect_eq(json_integer_value(json_object_get(json, "live_nodes")), 101);
    cr_expect_eq(json_integer_value(json_object_get(json, "invariants_checked")), 12345);
    cr_expect_float_eq(json_real_value(json_object_get(json, "accuracy_min")), last.accuracy_min, 1e-14);
    cr_expect(json_is_false(json_object_get(json, "partial")));
    cr_expect(json_is_null(json_object_get(json, "violated")));
    json_decref(json);
}

Test(summary, what_is_not_known_is_null)
{
    struct gv_sample last = help_empty_sample(7);
    struct gv_summary summary = help_summary(&last);
    struct gv_scenario scenario = help_scenario(GV_MODE_MEMBERSHIP);
    summary.compute_share = (double)NAN;
    summary.last.wall_s = 0.0;
    summary.mean_drift = (double)INFINITY;
    json_t *json = written(&summary, &scenario);
    cr_expect(json_is_null(json_object_get(json, "accuracy_mean")));
    cr_expect(json_is_null(json_object_get(json, "consensus_distance")));
    cr_expect(json_is_null(json_object_get(json, "compute_share")));
    cr_expect(json_is_null(json_object_get(json, "events_per_s")), "nothing is divided by zero");
    cr_expect(json_is_null(json_object_get(json, "mean_drift")), "JSON has no infinity");
    json_decref(json);
}

Test(summary, a_large_seed_is_not_rounded)
{
    struct gv_sample last = help_sample(7);
    struct gv_summary summary = help_summary(&last);
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    summary.seed = UINT64_MAX;
    json_t *json = written(&summary, &scenario);
    cr_expect_str_eq(json_string_value(json_object_get(json, "seed")), "18446744073709551615");
    json_decref(json);
}

Test(summary, how_the_run_ended_is_said)
{
    struct gv_sample last = help_sample(7);
    struct gv_summary summary = help_summary(&last);
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    summary.partial = true;
    summary.violated = "bounded_sizes";
    json_t *json = written(&summary, &scenario);
    cr_expect(json_is_true(json_object_get(json, "partial")));
    cr_expect_str_eq(json_string_value(json_object_get(json, "violated")), "bounded_sizes");
    json_decref(json);
}

Test(summary, a_name_that_is_no_text_does_not_spoil_the_rest)
{
    struct gv_sample last = help_sample(7);
    struct gv_summary summary = help_summary(&last);
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    (void)snprintf(scenario.name, sizeof scenario.name, "\xff\"x");
    json_t *json = written(&summary, &scenario);
    cr_expect(json_is_null(json_object_get(json, "scenario")));
    cr_expect(json_is_integer(json_object_get(json, "nodes")));
    json_decref(json);
}

Test(summary, a_person_reads_a_dozen_lines)
{
    struct gv_sample last = help_sample(7);
    struct gv_summary summary = help_summary(&last);
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    summary.rows.test = 2000;
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    cr_assert_not_null(out);
    gv_summary_print(&summary, &scenario, out);
    cr_assert_eq(fclose(out), 0);
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++) {
        lines++;
    }
    cr_expect(lines >= 10 && lines <= 18, "%s", text);
    cr_expect_not_null(strstr(text, "hundred: train, seed 17, 2 threads\n"), "%s", text);
    cr_expect_not_null(strstr(text, "101 live of 102 ever, in 3 components"), "%s", text);
    cr_expect_not_null(strstr(text, "70.0 % on average, 60.0 % at the worst of 50 nodes"), "%s", text);
    cr_expect_not_null(strstr(text, "00123456789abcde"), "%s", text);
    cr_expect_null(strstr(text, "PARTIAL"));
    summary.last.consensus_distance = (double)NAN;
    out = fmemopen(text, sizeof text, "w");
    cr_assert_not_null(out);
    gv_summary_print(&summary, &scenario, out);
    cr_assert_eq(fclose(out), 0);
    cr_expect_not_null(strstr(text, "consensus     none: a model is not finite\n"), "%s", text);
}

Test(summary, says_which_data_and_how_much)
{
    struct gv_sample last = help_sample(7);
    struct gv_summary summary = help_summary(&last);
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    summary.rows =
        (struct gv_row_counts){.train = 8000, .test = 2000, .test_used = 500, .node_least = 3, .node_most = 90};
    scenario.learning.samples_per_node = 1000000;
    json_t *json = written(&summary, &scenario);
    cr_expect_str_eq(json_string_value(json_object_get(json, "data")), "builtin:glyphs");
    cr_expect_eq(json_integer_value(json_object_get(json, "node_rows_min")), 3);
    cr_expect_eq(json_integer_value(json_object_get(json, "node_rows_max")), 90);
    cr_expect_eq(json_integer_value(json_object_get(json, "test_rows_used")), 500);
    cr_expect_eq(json_integer_value(json_object_get(json, "evaluated_nodes")), 50);
    json_decref(json);
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    cr_assert_not_null(out);
    gv_summary_print(&summary, &scenario, out);
    cr_assert_eq(fclose(out), 0);
    cr_expect_not_null(strstr(text, "builtin:glyphs: 3 to 90 rows a node of 8,000, 500 of 2,000 test rows\n"), "%s",
                       text);
    cr_expect_not_null(strstr(text, "no node has the 1,000,000 rows"), "%s", text);
    cr_expect_null(strstr(text, "no test rows"), "%s", text);
    summary.rows.test = summary.rows.test_used = 0;
    out = fmemopen(text, sizeof text, "w");
    cr_assert_not_null(out);
    gv_summary_print(&summary, &scenario, out);
    cr_assert_eq(fclose(out), 0);
    cr_expect_not_null(strstr(text, "no test rows: accuracies are of rows that nodes train on\n"), "%s", text);
    scenario.swarm.mode = GV_MODE_MEAN;
    json = written(&summary, &scenario);
    cr_expect_null(json_object_get(json, "data"), "averaging has none");
    json_decref(json);
}

Test(summary, says_how_evenly_nodes_are_chosen)
{
    struct gv_sample last = help_sample(7);
    struct gv_summary summary = help_summary(&last);
    struct gv_scenario scenario = help_scenario(GV_MODE_MEAN);
    for (uint32_t i = 0; i < GV_CHOICE_BINS; i++) {
        summary.newcomer_rates[i] = i == 0 ? 0.6 : i == 2 ? 0.95 : (double)NAN;
    }
    summary.last.choice = (struct gv_choice){
        .nodes = 1000, .count = 40000, .chi_square = 1922.0, .z = 16.35, .dispersion = 1.924, .spread = 0.152};
    json_t *json = written(&summary, &scenario);
    json_t *rates = json_object_get(json, "newcomer_rates");
    cr_expect_eq(json_integer_value(json_object_get(json, "choice_nodes")), 1000);
    cr_expect_eq(json_integer_value(json_object_get(json, "choice_count")), 40000);
    cr_expect_eq(json_real_value(json_object_get(json, "choice_chi_square")), 1922.0);
    cr_expect_eq(json_array_size(rates), 3, "up to the last age that a newcomer had");
    cr_expect_eq(json_real_value(json_array_get(rates, 2)), 0.95);
    cr_expect(json_is_null(json_array_get(rates, 1)));
    json_decref(json);
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    cr_assert_not_null(out);
    gv_summary_print(&summary, &scenario, out);
    cr_assert_eq(fclose(out), 0);
    cr_expect_not_null(strstr(text, "each chosen 40 times; chi-square 1922 for 999 (z 16.35), dispersion 1.924, "
                                    "rates differ by 15.2 %\n"),
                       "%s", text);
    cr_expect_not_null(strstr(text, "4, chosen 60.0 % as often as the others at first, 90 % from an age of 20 s on\n"),
                       "%s", text);
    scenario.swarm.mode = GV_MODE_MEMBERSHIP;
    json = written(&summary, &scenario);
    cr_expect_null(json_object_get(json, "choice_count"), "nobody exchanges");
    json_decref(json);
}

Test(summary, a_damaged_file_is_said)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"{\"nodes\": 1,\n oops", "line 2: "},
        {"[]", "expected one JSON object"},
        {"{}", "nodes is missing"},
        {"{\"nodes\": \"many\"}", "virtual_s is missing"},
        {"{\"nodes\": 1.5}", "nodes is no whole number"},
        {"{\"nodes\": 1, \"virtual_s\": true}", "virtual_s is no number"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *json = NULL;
        struct gv_diag diag = {.code = GV_OK};
        help_write_file(help_path("s.json"), cases[i].text);
        cr_expect_eq(gv_summary_read(&json, help_path("s.json"), &diag), GV_ERR_DATA, "%s", cases[i].text);
        cr_expect_not_null(strstr(diag.text, cases[i].said), "%s", diag.text);
        cr_expect_null(json);
    }
}
