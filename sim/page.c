/*
 * The report as a page.
 */
#include "page.h"

#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "number.h"
#include "page_parts.h"
#include "plot.h"
#include "summary.h"

enum gv_err gv_page_run_init(struct gv_page_run *run, char *label, const struct gv_scenario *scenario,
                             const struct gv_metrics *metrics, json_t *summary)
{
    *run = (struct gv_page_run){.label = label, .scenario = *scenario, .summary = summary};
    enum gv_err err = label != NULL && summary != NULL ? gv_settings_init(&run->settings, scenario) : GV_ERR_NOMEM;
    if (err == GV_OK) {
        err = gv_series_init(&run->series, metrics, scenario);
    }
    if (err != GV_OK) {
        gv_page_run_deinit(run);
    }
    return err;
}

void gv_page_run_deinit(struct gv_page_run *run)
{
    free(run->label);
    gv_settings_deinit(&run->settings);
    gv_series_deinit(&run->series);
    json_decref(run->summary);
    *run = (struct gv_page_run){0};
}

/* A run that ended before its time says so before anything else. */
static void write_warning(FILE *out, const struct gv_page_run *run, bool named)
{
    char at[GV_NUMBER_CAP], end[GV_NUMBER_CAP];
    const json_t *violated = json_object_get(run->summary, "violated");
    bool partial = json_is_true(json_object_get(run->summary, "partial"));
    if (!json_is_string(violated) && !partial) {
        return;
    }
    gv_number_span(at, sizeof at, json_number_value(json_object_get(run->summary, "virtual_s")));
    gv_number_span(end, sizeof end, (double)run->scenario.swarm.duration_us / 1e6);
    (void)fputs("<p class=\"box\" role=\"alert\">", out);
    if (named) {
        (void)fputs("<b>", out);
        gv_html_text(out, run->label);
        (void)fputs("</b>: ", out);
    }
    if (json_is_string(violated)) {
        (void)fputs("<b>Invariant violated.</b> The invariant <code>", out);
        gv_html_text(out, json_string_value(violated));
        (void)fprintf(out,
                      "</code> did not hold at %s of virtual time, which ended the run (planned: %s). The numbers ", at,
                      end);
    } else {
        (void)fprintf(out, "<b>Partial run.</b> It was interrupted at %s of %s of virtual time. The numbers ", at, end);
    }
    (void)fputs("below are of the time until then.</p>\n", out);
}

static void write_lead(FILE *out, const struct gv_page_run *runs, uint32_t count)
{
    if (count > 1) {
        (void)fputs(
            "<p class=\"lead\">Runs of <code>grapevine sim</code>, laid over one another. Each keeps its colour "
            "in all plots; ratios are to the first.</p>\n<table>\n<tbody>\n",
            out);
        for (uint32_t i = 0; i < count; i++) {
            bool dashed;
            const char *colour = gv_figure_colour(i, &dashed);
            (void)fprintf(out, "<tr><td><span class=\"swatch\" style=\"border-color:%s%s\"></span><b>", colour,
                          dashed ? ";border-style:dashed" : "");
            gv_html_text(out, runs[i].label);
            (void)fprintf(out, "</b></td><td>%s, ", gv_summary_mode(runs[i].scenario.swarm.mode));
            char nodes[GV_NUMBER_CAP], span[GV_NUMBER_CAP];
            gv_number_whole(nodes, sizeof nodes, runs[i].scenario.swarm.nodes);
            gv_number_span(span, sizeof span, (double)runs[i].scenario.swarm.duration_us / 1e6);
            (void)fprintf(out, "%s nodes for %s</td></tr>\n", nodes, span);
        }
        (void)fputs("</tbody>\n</table>\n", out);
        return;
    }
    static const char *const doing[] = {"train a model together", "average a vector", "keep up their membership"};
    char nodes[GV_NUMBER_CAP], span[GV_NUMBER_CAP];
    gv_number_whole(nodes, sizeof nodes, runs[0].scenario.swarm.nodes);
    gv_number_span(span, sizeof span, (double)runs[0].scenario.swarm.duration_us / 1e6);
    (void)fprintf(out,
                  "<p class=\"lead\">%s nodes %s for %s of virtual time: a run of <code>grapevine sim</code>.</p>\n",
                  nodes, doing[runs[0].scenario.swarm.mode], span);
}

/* The drawing with a name for those who do not see it, and without the title that browsers show on hovering. */
static void write_drawing(FILE *out, const char *svg, const char *title)
{
    const char *rest = svg + strlen("<svg");
    const char *from = strstr(rest, "<title>"), *to = from != NULL ? strstr(from, "</title>") : NULL;
    (void)fputs("<svg role=\"img\" aria-label=\"", out);
    gv_html_text(out, title);
    (void)fputc('"', out);
    if (to != NULL) {
        (void)fwrite(rest, 1, (size_t)(from - rest), out);
        rest = to + strlen("</title>");
    }
    (void)fputs(rest, out);
    (void)fputc('\n', out);
}

static enum gv_err write_figure(FILE *out, const struct gv_figure *figure, uint32_t number,
                                const struct gv_figure_run *runs, uint32_t count, const struct gv_figure_mark *marks,
                                uint32_t mark_count)
{
    struct gv_diag why = {.code = GV_OK};
    char *script = NULL, *svg = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&script, &bytes);
    if (to == NULL) {
        return GV_ERR_NOMEM;
    }
    gv_figure_script(to, figure, runs, count, marks, mark_count);
    bool written = ferror(to) == 0;
    written = fclose(to) == 0 && written;
    enum gv_err err = written ? gv_plot_run(&svg, script, bytes, &why) : GV_ERR_NOMEM;
    free(script);
    if (err == GV_ERR_NOMEM || err == GV_ERR_NOT_FOUND || err == GV_ERR_TIMEOUT) {
        return err;
    }
    (void)fprintf(out, "<figure id=\"%s\">\n", figure->id);
    if (err == GV_OK) {
        write_drawing(out, svg, figure->title);
    } else {
        (void)fputs("<p class=\"note\">This plot could not be drawn: ", out);
        gv_html_text(out, why.text);
        (void)fputs(".</p>\n", out);
        (void)fprintf(stderr, "note: figure %u of the report could not be drawn: %.200s\n", number, why.text);
    }
    (void)fprintf(out, "<figcaption><b>Figure %u. %s.</b> %s</figcaption>\n</figure>\n", number, figure->title,
                  count > 1 && figure->compared_caption != NULL ? figure->compared_caption : figure->caption);
    free(svg);
    return GV_OK;
}

static bool figure_meant(const struct gv_figure *figure, const struct gv_page_run *runs, uint32_t count)
{
    unsigned modes = 0;
    for (uint32_t i = 0; i < count; i++) {
        modes |= 1u << runs[i].scenario.swarm.mode;
    }
    return (figure->modes & modes) != 0;
}

static enum gv_err write_figures(FILE *out, const struct gv_page_run *runs, uint32_t count)
{
    struct gv_figure_run drawn[GV_FIGURE_RUNS_MAX];
    struct gv_figure_mark marks[GV_FIGURE_MARKS_MAX];
    size_t figure_count;
    const struct gv_figure *figures = gv_figures(&figure_count);
    uint32_t mark_count = gv_page_marks(marks, runs, count), number = 0;
    for (uint32_t i = 0; i < count; i++) {
        drawn[i] = (struct gv_figure_run){.label = runs[i].label,
                                          .series = &runs[i].series,
                                          .cycle_s = (double)runs[i].scenario.swarm.round_us / 1e6};
    }
    (void)fputs("<section>\n<h2>Plots</h2>\n", out);
    gv_page_legend(out, runs, count);
    (void)fputs("<div class=\"figures\">\n", out);
    enum gv_err err = GV_OK;
    for (size_t i = 0; i < figure_count && err == GV_OK; i++) {
        if (figure_meant(&figures[i], runs, count) && gv_figure_shows(&figures[i], drawn, count)) {
            err = write_figure(out, &figures[i], ++number, drawn, count, marks, mark_count);
        }
    }
    (void)fputs("</div>\n", out);
    if (err == GV_ERR_NOT_FOUND) {
        (void)fputs("<p class=\"note\">Plots need <b>gnuplot</b>, which was not found. Install it (package "
                    "<code>gnuplot-nox</code>) and lay the run out anew with <code>grapevine sim compare</code>; all "
                    "values are in <code>metrics.csv</code>.</p>\n",
                    out);
        (void)fputs("note: gnuplot was not found: the report has no plots\n", stderr);
        err = GV_OK;
    } else if (err == GV_ERR_TIMEOUT) { /* the next one would hang as well */
        (void)fputs("<p class=\"note\">Plots are missing: <b>gnuplot</b> did not end. All values are in "
                    "<code>metrics.csv</code>.</p>\n",
                    out);
        (void)fputs("note: gnuplot did not end: the report lacks plots\n", stderr);
        err = GV_OK;
    } else if (err == GV_OK && number == 0) {
        (void)fputs("<p class=\"note\">There is nothing to plot: the run ended before its first sample.</p>\n", out);
    }
    (void)fputs("</section>\n", out);
    return err;
}

static enum gv_err write_page(FILE *out, const struct gv_page_run *runs, uint32_t count, bool comparison)
{
    const char *title = count > 1 ? "Comparison of simulations" : runs[0].label;
    gv_html_begin(out, comparison ? "grapevine sim compare" : "grapevine sim", title);
    (void)fputs("<h1>", out);
    gv_html_text(out, title);
    (void)fputs("</h1>\n", out);
    for (uint32_t i = 0; i < count; i++) {
        write_warning(out, &runs[i], count > 1);
    }
    write_lead(out, runs, count);
    (void)fputs(count > 1 ? "<div>\n" : "<div class=\"tables\">\n", out);
    gv_page_settings(out, runs, count);
    gv_page_results(out, runs, count);
    (void)fputs("</div>\n", out);
    enum gv_err err = write_figures(out, runs, count);
    for (uint32_t i = 0; i < count; i++) {
        (void)fputs("<details><summary>Scenario", out);
        if (count > 1) {
            (void)fputs(" of ", out);
            gv_html_text(out, runs[i].label);
        }
        (void)fputs("</summary>\n<pre>", out);
        gv_html_text(out, runs[i].settings.text);
        (void)fputs("</pre></details>\n", out);
    }
    gv_html_end(out);
    return err;
}

enum gv_err gv_page_make(char **html, size_t *bytes, const struct gv_page_run *runs, uint32_t count, bool comparison,
                         struct gv_diag *diag)
{
    GV_ASSERT(count >= 1 && count <= GV_FIGURE_RUNS_MAX);
    *html = NULL;
    *bytes = 0;
    FILE *out = open_memstream(html, bytes);
    if (out == NULL) {
        return gv_diag_set(diag, GV_ERR_NOMEM, "no memory for the report");
    }
    struct gv_plain plain;
    gv_plain_begin(&plain);
    enum gv_err err = write_page(out, runs, count, comparison);
    gv_plain_end(&plain);
    bool written = ferror(out) == 0;
    written = fclose(out) == 0 && written;
    if (err != GV_OK || !written) {
        free(*html);
        *html = NULL;
        return gv_diag_set(diag, err != GV_OK ? err : GV_ERR_NOMEM, "no memory for the report");
    }
    return GV_OK;
}
