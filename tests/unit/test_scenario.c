/*
 * Scenarios as text: defaults, reading, --set, writing, and what bad lines get.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_help.h"
#include "scenario.h"

static struct gv_scenario parse(const char *text)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(gv_scenario_parse(&scenario, text, "some/where/trial.ini", &diag), GV_OK, "%s", diag.text);
    return scenario;
}

static char *written(const struct gv_scenario *scenario)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    cr_assert_not_null(out);
    gv_scenario_write(scenario, out);
    cr_assert_eq(fclose(out), 0);
    return text;
}

static void expect_refused(const char *text, const char *where, const char *part)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {.text = ""};
    gv_scenario_defaults(&scenario);
    scenario.swarm.nodes = 7;
    cr_expect_eq(gv_scenario_parse(&scenario, text, "trial.ini", &diag), GV_ERR_CONFIG, "\"%s\"", text);
    cr_expect_eq(strncmp(diag.text, where, strlen(where)), 0, "\"%s\" gave: %s", text, diag.text);
    cr_expect_not_null(strstr(diag.text, part), "\"%s\" gave: %s", text, diag.text);
    cr_expect_eq(scenario.swarm.nodes, 7, "a refused scenario changes nothing");
}

Test(scenario, every_default_goes_together)
{
    struct gv_scenario scenario;
    struct gv_diag diag = {.text = ""};
    gv_scenario_defaults(&scenario);
    cr_assert_eq(gv_scenario_check(&scenario, &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(scenario.report.every_us, 10000000, "a sixtieth of ten minutes");
    cr_expect(scenario.report.invariants);
}

Test(scenario, a_file_is_read_over_the_defaults)
{
    struct gv_scenario s =
        parse("# comment\n; another\n\n[swarm]\n nodes = 50\nduration=90s\nmode : train\n"
              "[views]\nactive = 6\nprobe = 2s\nbook = 3\n"
              "[learning]\nmodel = mlp:784-128-10\nrate = 0.1\nschedule = linear\ntotal_age = 5000\n"
              "warmup = 10%\nepochs = 2\nexchange = push\ntrain_on = merge\nsettle = 0\n"
              "codec = f16\npartition = dirichlet:0.3\ndata = csv:/a b;c/x.csv,label=last\n"
              "[network]\nlatency = lognormal:20ms,0.3\nbandwidth = 20Mbit\ndown = 50Mbit\nloss = 0.1%\n"
              "[churn]\nrate = 5%/min\ndowntime = exponential:1min\narrivals = 3/min\n"
              "[adversaries]\nfraction = 10%\nattack = sign-flip\n[report]\ninvariants = no\nevery = 3s\n"
              "choice_from = 20s");
    cr_expect_str_eq(s.name, "trial");
    cr_expect_str_eq(s.source, "some/where/trial.ini");
    cr_expect_eq(s.swarm.nodes, 50);
    cr_expect_eq(s.swarm.duration_us, 90000000);
    cr_expect_eq(s.views.active_target, 6);
    cr_expect_eq(s.views.probe_us, 2000000);
    cr_expect_eq(s.views.passive_max, 96, "the core's default");
    cr_expect_eq(s.book, 3);
    cr_expect_str_eq(s.learning.training.model, "mlp:784-128-10");
    cr_expect_eq(s.learning.training.rate, 0.1f);
    cr_expect_eq(s.learning.training.schedule, GV_SCHEDULE_LINEAR);
    cr_expect_eq(s.learning.training.warmup, 0.1f);
    cr_expect_eq(s.learning.local_steps, 2);
    cr_expect(s.learning.epochs);
    cr_expect_eq(s.learning.exchange, GV_EXCHANGE_PUSH);
    cr_expect_eq(s.learning.train_on, GV_TRAIN_ON_MERGE);
    cr_expect_eq(s.learning.codec, GV_CODEC_F16);
    cr_expect_str_eq(s.learning.partition, "dirichlet:0.3");
    cr_expect_str_eq(s.learning.data, "csv:/a b;c/x.csv,label=last");
    cr_expect(s.network.latency.kind == GV_DIST_LOGNORMAL && s.network.latency.a == 20e3);
    cr_expect(s.network.up.a == 2.5e6 && s.network.down.a == 6.25e6);
    cr_expect(s.network.loss > 0.00099 && s.network.loss < 0.00101);
    cr_expect(s.churn.rate * 60e6 > 0.0499 && s.churn.rate * 60e6 < 0.0501);
    cr_expect(s.churn.downtime.kind == GV_DIST_EXPONENTIAL && s.churn.downtime.a == 60e6);
    cr_expect_eq(s.adversaries.attack, GV_ATTACK_SIGN_FLIP);
    cr_expect_not(s.report.invariants);
    cr_expect_eq(s.report.every_us, 3000000);
    cr_expect_eq(s.report.choice_from_us, 20000000);
}

Test(scenario, an_unknown_key_names_its_line_and_the_nearest)
{
    expect_refused("[network]\n\nlatnecy = 50ms\n", "trial.ini:3: ", "did you mean \"latency\"");
    expect_refused("[learning]\nratte = 1\n", "trial.ini:2: ", "did you mean \"rate\"");
    expect_refused("[faults]\nkil = 50% at 5min\n", "trial.ini:2: ", "did you mean \"kill\"");
    expect_refused("[swarm]\nlatency = 50ms\n", "trial.ini:2: ", "belongs in [network]");
    expect_refused("[swarm]\nquality = 5\n", "trial.ini:2: ", "--keys");
    expect_refused("[swam]\nnodes = 5\n", "trial.ini:1: ", "did you mean [swarm]");
    expect_refused("[pizza]\n", "trial.ini:1: ", "swarm, views, learning");
    expect_refused("\nnodes = 5\n", "trial.ini:2: ", "no section");
}

Test(scenario, a_line_that_is_none_names_its_number)
{
    expect_refused("[swarm]\nnodes\n", "trial.ini:2: ", "key = value");
    expect_refused("[swarm\nnodes = 5\n", "trial.ini:1: ", "expected a section");
    expect_refused("[swarm] nodes = 5\n", "trial.ini:1: ", "\"nodes = 5\" behind [swarm]");
    expect_refused("[swarm]\nnodes = 5\n  more\n", "trial.ini:3: ", "key = value");
    char *line = malloc(10001);
    cr_assert_not_null(line);
    (void)snprintf(line, 10001, "[learning]\ndata = %09900d\n", 1);
    expect_refused(line, "trial.ini:2: ", "characters");
    free(line);
}

Test(scenario, a_bad_value_says_what_was_expected)
{
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"[network]\nlatency = 50", "has no unit"},
        {"[network]\nlatency = 50mss", "not a unit"},
        {"[network]\nlatency = 5h", "out of range: expected 0 to 1h"},
        {"[network]\nlatency = uniform:1s,5h", "out of range"},
        {"[network]\nbandwidth = 20", "Mbit"},
        {"[network]\nloss = 80%", "expected 0 to 50%"},
        {"[network]\nloss = 5 %", "expected a share"},
        {"[network]\nslow_rate = 0", "expected 0.001"},
        {"[swarm]\nnodes = 0", "expected 1 to 1000000"},
        {"[swarm]\nnodes = 1000001", "expected 1 to 1000000"},
        {"[swarm]\nnodes = 10.5", "not whole"},
        {"[swarm]\nnodes = many", "whole number"},
        {"[swarm]\nnodes = 100 # many", "comments stand on lines of their own"},
        {"[swarm]\nnodes =", "whole number"},
        {"[swarm]\nseeds = 4", "expected 1 to 3"},
        {"[swarm]\nduration = 10", "min"},
        {"[swarm]\nduration = 0", "expected 1ms"},
        {"[swarm]\nmode = trian", "did you mean \"train\""},
        {"[swarm]\nmode = x", "train, mean or membership"},
        {"[swarm]\nround = 0", "expected 1ms"},
        {"[views]\nactive = 17", "expected 1 to 16"},
        {"[views]\nprobe = 1ms", "expected 10ms"},
        {"[learning]\nrate = fast", "not a number from 0 to"},
        {"[learning]\nbatch = 0", "whole number from 1"},
        {"[learning]\nschedule = cosine", "constant, linear, inverse"},
        {"[learning]\nmerge = median", "mean or age"},
        {"[learning]\nexchange = pull", "pair or push"},
        {"[learning]\ntrain_on = merg", "did you mean \"merge\""},
        {"[learning]\npartition = random", "iid"},
        {"[learning]\ndata =", "expected 1 to"},
        {"[learning]\nepochs = 0", "expected 1 to 1000"},
        {"[learning]\nlocal_steps = 0", "whole number from 1"},
        {"[compute]\nstep_time = 0", "expected 1us"},
        {"[compute]\nstraggler_factor = 0.5", "expected 1 to"},
        {"[churn]\nrate = 3/min", "share per time"},
        {"[churn]\nrate = 5%", "share per time"},
        {"[churn]\narrivals = 5%/min", "number per time"},
        {"[churn]\ndrift = 50%", "expected 0 to 10%"},
        {"[adversaries]\nattack = signflip", "did you mean \"sign-flip\""},
        {"[report]\ninvariants = maybe", "no or yes"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect_refused(bad[i].text, "trial.ini:2: ", bad[i].part);
    }
}

Test(scenario, faults_of_one_kind_add_up)
{
    struct gv_scenario s = parse("[faults]\nkill = 50% at 5min, 20% at 8min\nkill = 3 at 1min\n");
    cr_expect_eq(s.fault_count, 3);
    cr_expect_eq(s.faults[0].count, 3, "by time");
    cr_expect_eq(s.faults[2].at_us, 480000000);
}

Test(scenario, a_key_that_stands_twice_is_refused_with_both_lines)
{
    expect_refused("[swarm]\nnodes = 5\nnodes = 6\n", "trial.ini:3: ", "set in line 2");
    expect_refused("[swarm]\nnodes = 5\n[network]\nloss = 0\n[swarm]\nnodes = 5\n", "trial.ini:6: ", "set in line 2");
    expect_refused("[faults]\nend = 1min\nend = 2min\n", "trial.ini:3: ", "set in line 2");
    expect_refused("[learning]\nepochs = 3\nlocal_steps = 4\n", "trial.ini:3: ", "what epochs in line 2 has said");
    struct gv_scenario s = parse("[learning]\nepochs = 3\n");
    cr_expect_eq(gv_scenario_set(&s, "learning.local_steps=4", NULL), GV_OK);
    cr_expect(!s.learning.epochs && s.learning.local_steps == 4, "--set has the last word");
}

Test(scenario, floats_have_as_few_digits_as_they_need)
{
    struct gv_scenario s = parse("[learning]\nrate = 0.035\nmomentum = 0.8\nweight_decay = 0.0001\n");
    cr_assert_eq(gv_scenario_check(&s, NULL), GV_OK);
    char *text = written(&s);
    cr_expect_not_null(strstr(text, "\nrate = 0.035\nmomentum = 0.8\n"), "%s", text);
    cr_expect_not_null(strstr(text, "\nweight_decay = 0.0001\n"), "%s", text);
    free(text);
    s = parse("[learning]\nrate = 0.123456789\n");
    text = written(&s);
    struct gv_scenario again = parse(text);
    cr_expect_eq(again.learning.training.rate, s.learning.training.rate, "%s", text);
    free(text);
}

Test(scenario, how_often_is_reported_is_written_only_if_somebody_said_so)
{
    struct gv_scenario s = parse("[swarm]\nmode = mean\nduration = 77s\n");
    char *text = written(&s);
    cr_expect_null(strstr(text, "every"), "unchecked: %s", text);
    free(text);
    cr_assert_eq(gv_scenario_check(&s, NULL), GV_OK);
    text = written(&s);
    cr_expect_null(strstr(text, "every"), "checked: %s", text);
    free(text);
    s = parse("[report]\nevery = 7s\n");
    text = written(&s);
    cr_expect_not_null(strstr(text, "every = 7s"), "%s", text);
    free(text);
}

Test(scenario, set_changes_one_key)
{
    struct gv_scenario s = parse("[swarm]\nnodes = 5\n[faults]\nkill = 50% at 5min\n");
    struct gv_diag diag = {.text = ""};
    cr_expect_eq(gv_scenario_set(&s, "swarm.nodes=9", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_scenario_set(&s, "network.latency = uniform:1ms,2ms ", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_scenario_set(&s, "faults.kill=1 at 1min", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_scenario_set(&s, "learning.data=csv:a.b=c.csv", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(s.swarm.nodes, 9);
    cr_expect_eq(s.network.latency.kind, GV_DIST_UNIFORM);
    cr_expect_eq(s.fault_count, 1, "it takes the place of the file's");
    cr_expect_eq(gv_scenario_set(&s, "faults.kill=2 at 2min", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(s.fault_count, 2, "several --set add up");
    cr_expect_str_eq(s.learning.data, "csv:a.b=c.csv");
    cr_expect_eq(gv_scenario_set(&s, "faults.kill=none", &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(s.fault_count, 0);
}

Test(scenario, set_refuses_what_a_file_refuses)
{
    static const struct {
        const char *assignment;
        enum gv_err err;
        const char *part;
    } bad[] = {
        {"swarm.nodes", GV_ERR_USAGE, "expected section.key=value"},
        {"nodes=5", GV_ERR_USAGE, "expected section.key=value"},
        {"=", GV_ERR_USAGE, "expected section.key=value"},
        {"", GV_ERR_USAGE, "expected section.key=value"},
        {"a=b.c", GV_ERR_USAGE, "expected section.key=value"},
        {"swarm.nodse=5", GV_ERR_CONFIG, "did you mean \"nodes\""},
        {"swram.nodes=5", GV_ERR_CONFIG, "did you mean [swarm]"},
        {".nodes=5", GV_ERR_CONFIG, "unknown section"},
        {"swarm.=5", GV_ERR_CONFIG, "unknown key"},
        {"network.latency=50", GV_ERR_CONFIG, "has no unit"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gv_scenario s;
        struct gv_diag diag = {.text = ""};
        gv_scenario_defaults(&s);
        cr_expect_eq(gv_scenario_set(&s, bad[i].assignment, &diag), bad[i].err, "%s: %s", bad[i].assignment, diag.text);
        cr_expect_not_null(strstr(diag.text, bad[i].part), "%s gave: %s", bad[i].assignment, diag.text);
        cr_expect_not_null(strstr(diag.text, "--set"), "%s", diag.text);
    }
}

Test(scenario, only_what_differs_from_the_defaults_is_written)
{
    struct gv_scenario s;
    gv_scenario_defaults(&s);
    cr_assert_eq(gv_scenario_check(&s, NULL), GV_OK);
    char *text = written(&s);
    cr_expect_str_eq(text, "[learning]\ndata = builtin:glyphs\n", "which data is always said");
    free(text);
    s = parse("[swarm]\nnodes = 100\nduration = 5min\n[network]\nbandwidth = 20Mbit\n[faults]\npause = 10% at 2min for "
              "30s\n");
    cr_assert_eq(gv_scenario_check(&s, NULL), GV_OK);
    text = written(&s);
    cr_expect_str_eq(text, "[swarm]\nduration = 5min\n\n[learning]\ndata = builtin:glyphs\n\n[network]\nup = "
                           "20Mbit\ndown = 20Mbit\n\n[faults]\npause = 10% at "
                           "2min for 30s\n");
    free(text);
}

Test(scenario, what_is_written_reads_back_to_the_same)
{
    static const char *const texts[] = {
        "[swarm]\nnodes = 33\nduration = 1h\nmode = mean\npeers = oracle\nelements = 3\nround = 250ms\n[report]\nevery "
        "= 10s\n",
        "[swarm]\nduration = 1h\n[report]\nevery = 1min\ninvariants = no\n",
        "[learning]\nepochs = 2\nscaling = none\nrate = 0.3\nweight_decay = 0.0001\nsamples_per_node = "
        "6\nexchange_momentum = yes\n"
        "[compute]\njitter = lognormal:1,0.3\nstraggler_share = 3.3%\nstraggler_factor = 7.5\n",
        "[churn]\nsession = weibull:10min,0.6\ndowntime = exponential:45s\ntorn_state = 12.5%\ndrift = 0.01%\noffset = "
        "90s\n"
        "[faults]\nkill = 50% at 5min, 3 at 1min\npartition = 25% from 1min to 2min flapping:10s\nrevoke = 2 at 4min\n"
        "partition = 10 from 1min to 3min one-way\nend = 8min\n[adversaries]\nfraction = 7%\nattack = noise\nscale = "
        "0.3\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct gv_scenario s = parse(texts[i]);
        struct gv_diag diag = {.text = ""};
        cr_assert_eq(gv_scenario_check(&s, &diag), GV_OK, "%s", diag.text);
        char *text = written(&s);
        struct gv_scenario again = parse(text);
        cr_assert_eq(gv_scenario_check(&again, &diag), GV_OK, "%s", diag.text);
        memcpy(again.given, s.given, sizeof s.given);
        cr_expect_eq(memcmp(&s, &again, sizeof s), 0, "%s", text);
        free(text);
    }
}

Test(scenario, every_key_is_listed_with_its_default)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    gv_scenario_list_keys(out);
    cr_assert_eq(fclose(out), 0);
    static const char *const parts[] = {"[swarm]",
                                        "nodes",
                                        "default 100",
                                        "lognormal:50ms,0.5",
                                        "[faults]",
                                        "HOW_MANY at TIME",
                                        "train, mean or membership",
                                        "1 to 16; default 8"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        cr_expect_not_null(strstr(text, parts[i]), "%s", parts[i]);
    }
    free(text);
}

Test(scenario, files_that_are_none_are_refused, .init = (void (*)(void))host_make_dir, .fini = host_remove_dir)
{
    struct gv_scenario s;
    struct gv_diag diag = {.text = ""};
    cr_expect_eq(gv_scenario_load(&s, host_path("absent.ini"), &diag), GV_ERR_CONFIG);
    cr_expect_not_null(strstr(diag.text, "absent.ini: No such file"), "%s", diag.text);
    cr_expect_eq(gv_scenario_load(&s, host_path("."), &diag), GV_ERR_CONFIG);
    cr_expect_not_null(strstr(diag.text, "directory"), "%s", diag.text);
    host_write("zero.ini", "[swarm]\0", 8);
    cr_expect_eq(gv_scenario_load(&s, host_path("zero.ini"), &diag), GV_ERR_CONFIG);
    cr_expect_not_null(strstr(diag.text, "text file"), "%s", diag.text);
    char *large = calloc(1, 2000000);
    cr_assert_not_null(large);
    memset(large, '\n', 2000000);
    host_write("large.ini", large, 2000000);
    free(large);
    cr_expect_eq(gv_scenario_load(&s, host_path("large.ini"), &diag), GV_ERR_CONFIG);
    cr_expect_not_null(strstr(diag.text, "megabyte"), "%s", diag.text);
    host_write("good.ini", "\xef\xbb\xbf[swarm]\r\nnodes = 12\r\n", 24);
    cr_expect_eq(gv_scenario_load(&s, host_path("good.ini"), &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(s.swarm.nodes, 12);
}

Test(scenario, all_that_ship_are_valid)
{
    DIR *folder = opendir("sim/scenarios");
    uint32_t count = 0;
    cr_assert_not_null(folder, "run from the top folder");
    for (const struct dirent *entry = NULL; (entry = readdir(folder)) != NULL;) {
        char path[300];
        struct gv_scenario s;
        struct gv_diag diag = {.text = ""};
        if (strstr(entry->d_name, ".ini") == NULL) {
            continue;
        }
        (void)snprintf(path, sizeof path, "sim/scenarios/%s", entry->d_name);
        cr_expect_eq(gv_scenario_load(&s, path, &diag), GV_OK, "%s", diag.text);
        cr_expect_eq(gv_scenario_check(&s, &diag), GV_OK, "%s", diag.text);
        count++;
    }
    (void)closedir(folder);
    cr_expect_geq(count, 19);
}
