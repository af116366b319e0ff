/*
 * metrics.csv: what is written is read, and what is damaged is named with its line.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "report_help.h"

TestSuite(metrics, .init = help_make_folder, .fini = help_remove_folder);

/* A file of a header and two samples, with one text in it replaced. */
static const char *damaged(const char *what, const char *with)
{
    char header[GV_METRICS_LINE_MAX], line[GV_METRICS_LINE_MAX], text[3 * GV_METRICS_LINE_MAX], out[sizeof text + 64];
    struct gv_sample sample = help_sample(1);
    (void)gv_metrics_header(header);
    (void)gv_metrics_line(line, &sample);
    (void)snprintf(text, sizeof text, "%s%s", header, line);
    sample = help_sample(2);
    (void)gv_metrics_line(line, &sample);
    strcat(text, line);
    char *at = strstr(text, what);
    cr_assert_not_null(at, "%s is not in the file", what);
    (void)snprintf(out, sizeof out, "%.*s%s%s", (int)(at - text), text, with, at + strlen(what));
    const char *path = help_path("m.csv");
    help_write_file(path, out);
    return path;
}

static void expect_refused(const char *what, const char *with, const char *said)
{
    struct gv_metrics metrics;
    struct gv_diag diag = {.code = GV_OK};
    cr_expect_eq(gv_metrics_read(&metrics, damaged(what, with), &diag), GV_ERR_DATA);
    cr_expect_not_null(strstr(diag.text, said), "%s", diag.text);
    cr_expect_null(metrics.samples);
}

Test(metrics, what_is_written_is_read)
{
    char text[GV_METRICS_LINE_MAX];
    FILE *file = fopen(help_path("m.csv"), "wb");
    cr_assert_not_null(file);
    (void)gv_metrics_header(text);
    (void)fputs(text, file);
    for (uint32_t i = 0; i < 70; i++) {
        struct gv_sample sample = help_sample(i);
        cr_assert_eq(gv_metrics_line(text, &sample), strlen(text));
        (void)fputs(text, file);
    }
    cr_assert_eq(fclose(file), 0);
    struct gv_metrics metrics;
    struct gv_diag diag = {.code = GV_OK};
    cr_assert_eq(gv_metrics_read(&metrics, help_path("m.csv"), &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(metrics.count, 70);
    for (uint32_t i = 0; i < 70; i++) {
        char again[GV_METRICS_LINE_MAX];
        struct gv_sample sample = help_sample(i);
        (void)gv_metrics_line(text, &sample);
        (void)gv_metrics_line(again, &metrics.samples[i]);
        cr_expect_str_eq(again, text);
        cr_expect_eq(metrics.samples[i].variance, sample.variance, "to the last bit");
        cr_expect_eq(metrics.samples[i].in_degree_mean, sample.in_degree_mean);
        cr_expect_eq(metrics.samples[i].bytes, sample.bytes);
        cr_expect_eq(metrics.samples[i].choice.count, sample.choice.count);
        cr_expect_eq(metrics.samples[i].choice.z, sample.choice.z);
        cr_expect_eq(metrics.samples[i].newcomer_s, sample.newcomer_s);
        cr_expect_eq(metrics.samples[i].rss_bytes, sample.rss_bytes);
    }
    gv_metrics_deinit(&metrics);
}

Test(metrics, the_header_names_the_fields_of_the_summary)
{
    char header[GV_METRICS_LINE_MAX];
    static const char *const names[] = {"virtual_s,",
                                        "wall_s,",
                                        "events,",
                                        "nodes,",
                                        "live_nodes,",
                                        "components,",
                                        "accuracy_mean,",
                                        "accuracy_min,",
                                        "accuracy_of_mean_model,",
                                        "consensus_distance,",
                                        "exchanges_done,",
                                        "exchanges_failed,",
                                        "bytes_per_node,",
                                        "invariants_checked,"};
    (void)gv_metrics_header(header);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        cr_expect_not_null(strstr(header, names[i]), "%s", names[i]);
    }
    cr_expect_eq(strncmp(header, "virtual_s,wall_s,", 17), 0);
}

Test(metrics, what_is_not_known_is_empty)
{
    char line[GV_METRICS_LINE_MAX], header[GV_METRICS_LINE_MAX];
    struct gv_sample sample = help_empty_sample(1);
    (void)gv_metrics_line(line, &sample);
    (void)gv_metrics_header(header);
    cr_expect_not_null(strstr(line, ",98,,,,,,,,,,,,,,,,,1002,"), "%s", line);
    cr_expect_null(strstr(line, "nan"));
    strcat(header, line);
    help_write_file(help_path("m.csv"), header);
    struct gv_metrics metrics;
    cr_assert_eq(gv_metrics_read(&metrics, help_path("m.csv"), NULL), GV_OK);
    cr_expect(isnan(metrics.samples[0].accuracy_mean) && isnan(metrics.samples[0].age_mean));
    cr_expect_eq(metrics.samples[0].exchanges_done, 1002);
    gv_metrics_deinit(&metrics);
}

Test(metrics, bytes_are_shared_among_all_nodes_there_ever_were)
{
    struct gv_sample sample = {.bytes = 1000, .live_nodes = 10, .nodes = 50};
    cr_expect_eq(gv_metrics_bytes_per_node(&sample), 20.0);
    sample.nodes = 0;
    cr_expect_eq(gv_metrics_bytes_per_node(&sample), 100.0);
    sample.live_nodes = 0;
    cr_expect(isnan(gv_metrics_bytes_per_node(&sample)));
}

Test(metrics, damage_is_named_with_its_line)
{
    expect_refused("\n20,", "\n20;", "line 3: virtual_s is '20;0.2', expected a number or nothing");
    expect_refused(",101,", ",-101,", "line 2: live_nodes is '-101', expected a whole number");
    expect_refused(",101,", ",4294967296,", "line 2: live_nodes is '4294967296'");
    expect_refused(",101,", ", 101,", "line 2: live_nodes is ' 101'");
    expect_refused("\n20,", "\n5,", "line 3: virtual_s is 5, expected at least 10");
    expect_refused("\n20,", "\n,", "line 3: virtual_s is nan");
    expect_refused("\n10,", "\n", "line 2: ");
    expect_refused("\n10,", "\n10,,", "line 2: ");
    expect_refused("wall_s", "clock", "line 1: field 2 is 'clock', expected 'wall_s'");
    expect_refused(",rss_bytes", "", "line 1: field 48 is '', expected 'rss_bytes'");
    expect_refused(",rss_bytes", ",rss_bytes,more", "line 1: 'more' after the last field");
    expect_refused(",2012\n", ",2012,1\n", "line 3: has more than the 48 fields");
    expect_refused(",2012\n", "\n", "line 3: ends after 47 fields, expected 48");
    expect_refused(",2012\n", ",2012", "line 3: is cut off");
    expect_refused(",2012\n", ",2012\n\n", "line 4: ");
}

Test(metrics, what_is_no_file_is_said)
{
    struct gv_metrics metrics;
    struct gv_diag diag = {.code = GV_OK};
    cr_expect_eq(gv_metrics_read(&metrics, help_path("none"), &diag), GV_ERR_NOT_FOUND);
    cr_expect_not_null(strstr(diag.text, "/none: cannot be opened"), "%s", diag.text);
    help_write_file(help_path("empty"), "");
    cr_expect_eq(gv_metrics_read(&metrics, help_path("empty"), &diag), GV_ERR_DATA);
    cr_expect_not_null(strstr(diag.text, "/empty: is empty"), "%s", diag.text);
    cr_expect_eq(gv_metrics_read(&metrics, help_path(""), &diag), GV_ERR_IO, "a folder");
}
