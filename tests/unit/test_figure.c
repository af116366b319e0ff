/*
 * The scripts of figures: every figure of every mode, for one run and for many, is one that gnuplot takes.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "figure.h"
#include "number.h"
#include "plot.h"
#include "report_help.h"

#define RUNS 12u

struct scene {
    struct gv_series series[RUNS];
    struct gv_figure_run runs[RUNS];
};

static void set_scene(struct scene *scene, uint32_t samples, struct gv_sample (*make)(uint32_t))
{
    struct gv_scenario scenario = help_scenario(GV_MODE_TRAIN);
    for (uint32_t r = 0; r < RUNS; r++) {
        struct gv_metrics metrics = {0};
        for (uint32_t i = 0; i < samples; i++) {
            struct gv_sample sample = make(i);
            cr_assert_eq(gv_metrics_add(&metrics, &sample), GV_OK);
        }
        cr_assert_eq(gv_series_init(&scene->series[r], &metrics, &scenario), GV_OK);
        gv_metrics_deinit(&metrics);
        scene->runs[r] = (struct gv_figure_run){"it's <a> {name}_1 @ \\ \"x\"", &scene->series[r], 1.0};
    }
}

static void clear_scene(struct scene *scene)
{
    for (uint32_t r = 0; r < RUNS; r++) {
        gv_series_deinit(&scene->series[r]);
    }
}

static char *script_of(const struct gv_figure *figure, const struct scene *scene, uint32_t run_count)
{
    static const struct gv_figure_mark marks[] = {{5.0, 5.0, "A"}, {6.0, 8.0, "B"}, {1e6, 1e6, "C"}};
    char *script = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&script, &bytes);
    cr_assert_not_null(out);
    gv_figure_script(out, figure, scene->runs, run_count, marks, 3);
    cr_assert_eq(fclose(out), 0);
    return script;
}

Test(figure, names_and_captions_are_there)
{
    size_t count;
    const struct gv_figure *figures = gv_figures(&count);
    cr_expect_geq(count, 12);
    for (size_t i = 0; i < count; i++) {
        cr_expect_neq(figures[i].modes, 0, "%s", figures[i].id);
        cr_expect_gt(strlen(figures[i].caption), 30, "%s", figures[i].id);
        cr_expect_eq(strspn(figures[i].id, "abcdefghijklmnopqrstuvwxyz"), strlen(figures[i].id), "%s", figures[i].id);
        for (size_t k = 0; k < i; k++) {
            cr_expect_str_neq(figures[i].id, figures[k].id);
        }
    }
}

Test(figure, nothing_known_is_nothing_shown)
{
    struct scene scene;
    size_t count;
    const struct gv_figure *figures = gv_figures(&count);
    set_scene(&scene, 4, help_empty_sample);
    for (size_t i = 0; i < count; i++) {
        bool of_values = figures[i].panels[0].scale == GV_SCALE_SHARE || figures[i].panels[0].scale == GV_SCALE_LOG;
        if (of_values) {
            cr_expect_not(gv_figure_shows(&figures[i], scene.runs, RUNS), "%s", figures[i].id);
        }
    }
    clear_scene(&scene);
}

Test(figure, no_name_leaves_its_string)
{
    struct scene scene;
    size_t count;
    const struct gv_figure *figures = gv_figures(&count);
    set_scene(&scene, 4, help_sample);
    char *script = script_of(&figures[0], &scene, 2);
    cr_expect_not_null(strstr(script, " title 'it''s <a> {name}_1 @ \\ \"x\"'"), "%s", script);
    cr_expect_not_null(strstr(script, "noenhanced"));
    free(script);
    clear_scene(&scene);
}

Test(figure, a_mark_beyond_the_end_is_not_drawn)
{
    struct scene scene;
    size_t count;
    const struct gv_figure *figures = gv_figures(&count);
    set_scene(&scene, 4, help_sample);
    char *script = script_of(&figures[0], &scene, 1);
    cr_expect_not_null(strstr(script, "set label 'A' at 5,"));
    cr_expect_not_null(strstr(script, "set object rectangle from 6,"));
    cr_expect_null(strstr(script, "'C'"));
    free(script);
    clear_scene(&scene);
}

Test(figure, colours_repeat_with_dashes)
{
    bool dashed;
    const char *first = gv_figure_colour(0, &dashed);
    cr_expect_not(dashed);
    cr_expect_str_eq(gv_figure_colour(6, &dashed), first);
    cr_expect(dashed);
}

/* At the start there are as many components as nodes. */
static struct gv_sample apart_then_two(uint32_t step)
{
    struct gv_sample sample = help_sample(step);
    sample.components = step == 0 ? 100 : 2;
    return sample;
}

Test(figure, one_and_two_components_lie_well_apart)
{
    struct scene scene;
    size_t count;
    const struct gv_figure *figures = gv_figures(&count);
    set_scene(&scene, 4, apart_then_two);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(figures[i].id, "nodes") == 0) {
            char *script = script_of(&figures[i], &scene, 1);
            const char *log = strstr(script, "set logscale y");
            cr_assert_not_null(log, "%s", script);
            cr_expect_not_null(strstr(log, "1e0,2e0,5e0"), "both are labelled: %s", log);
            free(script);
        }
    }
    clear_scene(&scene);
}

/* With gnuplot itself, where it is. One value only, and one sample only, are what axes fail on. */
static void expect_drawn(uint32_t samples)
{
    struct scene scene;
    size_t count;
    const struct gv_figure *figures = gv_figures(&count);
    set_scene(&scene, samples, help_sample);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t runs = 1; runs <= RUNS; runs += RUNS - 1) {
            if (!gv_figure_shows(&figures[i], scene.runs, runs)) {
                continue;
            }
            struct gv_diag diag = {.code = GV_OK};
            char *script = script_of(&figures[i], &scene, runs), *svg = NULL;
            enum gv_err err = gv_plot_run(&svg, script, strlen(script), &diag);
            if (err == GV_ERR_NOT_FOUND) {
                cr_skip_test("gnuplot is not installed");
            }
            cr_expect_eq(err, GV_OK, "%s of %u: %s\n%s", figures[i].id, runs, diag.text, script);
            cr_expect(svg != NULL && strstr(svg, "<script") == NULL && strstr(svg, "<a>") == NULL);
            free(svg);
            free(script);
        }
    }
    clear_scene(&scene);
}

Test(figure, gnuplot_draws_them_all)
{
    expect_drawn(5);
}

Test(figure, gnuplot_draws_a_single_sample)
{
    expect_drawn(1);
}
