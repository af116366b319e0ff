/*
 * config.ini: every key there and back, and what bad lines get.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "host_help.h"
#include "proto_fixture.h"

static void setup(void)
{
    (void)host_make_dir();
}

TestSuite(config, .init = setup, .fini = host_remove_dir);

static enum gv_err load_text(struct gv_config *config, const char *text, struct gv_diag *diag)
{
    host_write("config.ini", text, strlen(text));
    return gv_config_load(config, host_path("config.ini"), diag);
}

static void expect_refused(const char *text, const char *part, const char *line)
{
    struct gv_config config;
    struct gv_diag diag = {.text = ""};
    gv_config_defaults(&config);
    config.cpu_percent = 7;
    cr_expect_eq(load_text(&config, text, &diag), GV_ERR_CONFIG, "\"%s\"", text);
    cr_expect_not_null(strstr(diag.text, part), "\"%s\" gave: %s", text, diag.text);
    cr_expect_not_null(strstr(diag.text, line), "\"%s\" gave: %s", text, diag.text);
    cr_expect_not_null(strstr(diag.text, "config.ini"), "%s", diag.text);
    cr_expect_eq(config.cpu_percent, 7, "a refused file changes nothing");
}

Test(config, a_file_is_read_over_the_defaults)
{
    struct gv_config c;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(load_text(&c,
                           "# comment\n; another\n\n data = csv:/home/a b;c/x.csv,label=last\n"
                           "listen=tcp://0.0.0.0:7400\n  up = 20Mbit\ndown: 500kB\nhours = 22:00-07:00\r\ncpu = 50%",
                           &diag),
                 GV_OK, "%s", diag.text);
    cr_expect_str_eq(c.data, "csv:/home/a b;c/x.csv,label=last");
    cr_expect_str_eq(c.listen, "tcp://0.0.0.0:7400");
    cr_expect_eq(c.up_bytes_per_s, 2500000);
    cr_expect_eq(c.down_bytes_per_s, 500000);
    cr_expect(c.hours_from == 22 * 60 && c.hours_to == 7 * 60);
    cr_expect_eq(c.cpu_percent, 50);
    cr_expect_eq(c.checkpoint_s, 60, "the default");
    cr_expect_eq(c.shard_count, 1, "the default");
}

Test(config, an_unknown_key_names_line_and_nearest)
{
    expect_refused("data = x\n\nlisen = tcp://0.0.0.0:7400\n", "did you mean \"listen\"", "line 3");
    expect_refused("quintessence = 1\n", "unknown key \"quintessence\"", "line 1");
}

Test(config, a_bad_value_is_quoted_with_what_was_expected)
{
    expect_refused("\nup = 20\n", "up = \"20\": expected 0, or a rate with its unit", "line 2");
    expect_refused("hours = night\n", "HH:MM-HH:MM", "line 1");
    expect_refused("cpu = 0%\n", "1% to 100%", "line 1");
    expect_refused("listen = 0.0.0.0:7400\n", "tcp://", "line 1");
    expect_refused("family = ipx\n", "any, ipv4 or ipv6", "line 1");
    expect_refused("shard = 9/8\n", "I/N", "line 1");
    expect_refused("partition = fair\n", "dirichlet:ALPHA", "line 1");
    expect_refused("log_level = loud\n", "broken, unusual, info or debug", "line 1");
    expect_refused("checkpoint = 0s\n", "1s to 1d", "line 1");
    expect_refused("evaluate = 2d\n", "1s to 1d", "line 1");
}

Test(config, what_is_no_line_of_it_is_refused)
{
    expect_refused("cpu = 50%\n[node]\ncpu = 50%\n", "no sections", "line 2");
    expect_refused("cpu = 50%\n [node]\n", "no sections", "line 2");
    expect_refused("partition = dirichlet:0\n", "0.001", "line 1");
    expect_refused("partition = classes:x\n", "classes:K", "line 1");
    expect_refused("cpu = 50%\njust words\n", "key = value", "line 2");
    struct gv_config c;
    struct gv_diag diag = {.text = ""};
    host_write("config.ini", "\ncpu = 5\0%\n", 11);
    cr_expect_eq(gv_config_load(&c, host_path("config.ini"), &diag), GV_ERR_CONFIG);
    cr_expect_not_null(strstr(diag.text, "line 2: a zero byte"), "%s", diag.text);
    cr_expect_eq(gv_config_load(&c, host_path("nothing.ini"), &diag), GV_ERR_CONFIG);
}

Test(config, a_key_stands_once)
{
    expect_refused("cpu = 50%\n\nup = 20Mbit\ncpu = 50%\n", "cpu is set in line 1 already", "line 4");
}

Test(config, long_values_are_kept_or_refused_but_never_cut)
{
    struct gv_config c;
    struct gv_diag diag = {.text = ""};
    static char text[3 * GV_DATA_SPEC_BYTES_MAX];
    for (size_t length = GV_DATA_SPEC_BYTES_MAX - 2; length <= GV_DATA_SPEC_BYTES_MAX + 1; length++) {
        size_t head = (size_t)snprintf(text, sizeof text, "data = ");
        memset(text + head, 'x', length);
        (void)snprintf(text + head + length, 16, "\ncpu = 5%%\n");
        enum gv_err err = load_text(&c, text, &diag);
        cr_expect_eq(err, length < GV_DATA_SPEC_BYTES_MAX ? GV_OK : GV_ERR_CONFIG, "%zu: %s", length, diag.text);
        cr_expect(err != GV_OK || strlen(c.data) == length);
    }
    memset(text, 'x', sizeof text - 1);
    cr_expect_eq(load_text(&c, text, &diag), GV_ERR_CONFIG);
    cr_expect_not_null(strstr(diag.text, "characters"), "%s", diag.text);
}

Test(config, every_key_is_written_and_read_back)
{
    static const char *const values[][2] = {{"data", "idx:/data/fashion mnist"},
                                            {"partition", "dirichlet:0.3"},
                                            {"shard", "3/8"},
                                            {"listen", "tcp://[::]:7400"},
                                            {"advertise", "tcp://example.org:7400"},
                                            {"family", "ipv6"},
                                            {"up", "20Mbit"},
                                            {"down", "4Mbit"},
                                            {"hours", "22:00-07:00"},
                                            {"cpu", "50%"},
                                            {"log_level", "debug"},
                                            {"checkpoint", "5m"},
                                            {"evaluate", "45s"}};
    struct gv_config written;
    struct gv_config read;
    struct gv_diag diag = {.text = ""};
    const char *key;
    const char *origin;
    char value[GV_DATA_SPEC_BYTES_MAX];
    gv_config_defaults(&written);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        cr_assert_eq(gv_config_set(&written, values[i][0], values[i][1], &diag), GV_OK, "%s", diag.text);
    }
    cr_assert_eq(gv_config_save(&written, host_path("config.ini"), &diag), GV_OK, "%s", diag.text);
    cr_assert_eq(gv_config_load(&read, host_path("config.ini"), &diag), GV_OK, "%s", diag.text);
    uint32_t index = 0;
    for (; gv_config_item(&read, index, &key, value, sizeof value, &origin); index++) {
        cr_expect_str_eq(key, values[index][0]);
        cr_expect_str_eq(value, values[index][1]);
        cr_expect_str_eq(origin, "config.ini");
        cr_expect_not_null(gv_config_help(index));
    }
    cr_expect_eq(index, sizeof values / sizeof values[0], "this test covers every key");
    cr_expect_null(gv_config_help(index));
}

Test(config, defaults_stay_defaults_when_written)
{
    struct gv_config written;
    struct gv_config read;
    const char *key;
    const char *origin;
    char value[GV_DATA_SPEC_BYTES_MAX];
    gv_config_defaults(&written);
    cr_assert_eq(gv_config_save(&written, host_path("config.ini"), NULL), GV_OK);
    cr_assert_eq(gv_config_load(&read, host_path("config.ini"), NULL), GV_OK);
    for (uint32_t i = 0; gv_config_item(&read, i, &key, value, sizeof value, &origin); i++) {
        cr_expect_str_eq(origin, "default");
    }
    cr_expect_eq(read.cpu_percent, 100);
}

Test(config, values_that_the_file_would_change_are_refused)
{
    struct gv_config c;
    gv_config_defaults(&c);
    cr_expect_eq(gv_config_set(&c, "data", "csv:a\ncpu = 1%", NULL), GV_ERR_CONFIG);
    cr_expect_eq(gv_config_set(&c, "data", " csv:a", NULL), GV_ERR_CONFIG);
    cr_expect_eq(gv_config_set(&c, "data", "csv:a ", NULL), GV_ERR_CONFIG);
    cr_expect_eq(gv_config_set(&c, "data", "", NULL), GV_OK, "empty: serve only");
}

Test(config, random_bytes_do_no_harm)
{
    uint64_t state = fixture_seed();
    static const char letters[] = "data=listenup20Mbit:;#[]\n\n \t\r\"%/,\0\xff";
    char text[512];
    for (int i = 0; i < 2000; i++) {
        struct gv_config c;
        size_t length = fixture_random(&state) % sizeof text;
        for (size_t at = 0; at < length; at++) {
            text[at] = letters[fixture_random(&state) % (sizeof letters - 1)];
        }
        host_write("config.ini", text, length);
        enum gv_err err = gv_config_load(&c, host_path("config.ini"), NULL);
        cr_assert(err == GV_OK || err == GV_ERR_CONFIG);
    }
}
