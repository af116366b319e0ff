/*
 * From a figure's description to gnuplot's script.
 */
#include "figure.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "plot.h"

#define WIDTH 640
#define HEIGHT_SINGLE 360
#define HEIGHT_DOUBLE 460
#define KEY_LETTERS 28u  /* of a run's label */
#define POINTS_UP_TO 40u /* with this few samples, each is also a dot */

/* Of Okabe and Ito, "Color universal design", 2008: told apart by all kinds of colour vision. The yellow is left out,
 * it is too light for lines on white. */
static const char *const PALETTE[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"};
#define PALETTE_COUNT (sizeof PALETTE / sizeof PALETTE[0])

/* How an axis is shown: values times `factor`, from low to high. */
struct axis {
    double factor, low, high;
    const char *unit; /* what stands for the %s of its label */
    bool log;
};

const char *gv_figure_colour(uint32_t run_index, bool *dashed)
{
    *dashed = run_index / PALETTE_COUNT % 2 == 1;
    return PALETTE[run_index % PALETTE_COUNT];
}

static bool line_shown(const struct gv_figure_line *line, uint32_t run_count)
{
    return run_count == 1 || line->compared;
}

static size_t line_count(const struct gv_figure_panel *panel)
{
    size_t count = 0;
    while (count < GV_FIGURE_LINES_MAX && panel->lines[count].name != NULL) {
        count++;
    }
    return count;
}

static size_t panel_count(const struct gv_figure *figure)
{
    size_t count = 0;
    while (count < GV_FIGURE_PANELS_MAX && figure->panels[count].label != NULL) {
        count++;
    }
    return count;
}

static bool is_log(enum gv_figure_scale scale)
{
    return scale == GV_SCALE_LOG || scale == GV_SCALE_PIECES;
}

/* The range of what a panel shows, without theory. False if it shows nothing. */
static bool panel_range(const struct gv_figure_panel *panel, const struct gv_figure_run *runs, uint32_t run_count,
                        double *low, double *high)
{
    bool found = false, positive = is_log(panel->scale);
    *low = DBL_MAX;
    *high = -DBL_MAX;
    for (size_t i = 0; i < line_count(panel); i++) {
        const struct gv_figure_line *line = &panel->lines[i];
        if (!line_shown(line, run_count) || line->style == GV_STYLE_THEORY) {
            continue;
        }
        for (uint32_t r = 0; r < run_count; r++) {
            found = gv_series_range(runs[r].series, line->column, positive, low, high) || found;
            if (line->style == GV_STYLE_BAND) {
                found = gv_series_range(runs[r].series, line->upper, positive, low, high) || found;
            }
        }
    }
    return found;
}

bool gv_figure_shows(const struct gv_figure *figure, const struct gv_figure_run *runs, uint32_t run_count)
{
    double low, high;
    for (size_t i = 0; i < panel_count(figure); i++) {
        if (panel_range(&figure->panels[i], runs, run_count, &low, &high)) {
            return true;
        }
    }
    return false;
}

struct unit {
    double from, factor;
    const char *name;
};

static void choose_unit(struct axis *axis, enum gv_figure_scale scale, double largest)
{
    static const struct unit times[] = {
        {3 * 86400.0, 1 / 86400.0, "d"}, {3 * 3600.0, 1 / 3600.0, "h"}, {180.0, 1 / 60.0, "min"}, {0.0, 1.0, "s"}};
    static const struct unit bytes[] = {{2e9, 1e-9, "G"}, {2e6, 1e-6, "M"}, {2e3, 1e-3, "k"}, {0.0, 1.0, ""}};
    static const struct unit counts[] = {{2e6, 1e-6, " (millions)"}, {2e4, 1e-3, " (thousands)"}, {0.0, 1.0, ""}};
    const struct unit *unit = scale == GV_SCALE_TIME                               ? times
                              : scale == GV_SCALE_BYTES                            ? bytes
                              : scale == GV_SCALE_COUNT || scale == GV_SCALE_WHOLE ? counts
                                                                                   : NULL;
    *axis = (struct axis){.factor = scale == GV_SCALE_SHARE ? 100.0 : 1.0, .unit = ""};
    if (unit != NULL) {
        while (largest < unit->from) {
            unit++;
        }
        axis->factor = unit->factor;
        axis->unit = unit->name;
    }
}

/* The next number of the series ..., 0.1, 0.2, 0.5, 1, 2, 5, ... that is not above (not below) the value. */
static double step_125(double value, bool up)
{
    double decade = pow(10.0, floor(log10(value)));
    static const double steps[] = {1.0, 2.0, 5.0, 10.0};
    if (up) {
        for (size_t i = 0; i < 4; i++) {
            if (value <= steps[i] * decade * (1.0 + 1e-9)) {
                return steps[i] * decade;
            }
        }
    }
    for (size_t i = 3; i > 0; i--) {
        if (!up && value >= steps[i] * decade * (1.0 - 1e-9)) {
            return steps[i] * decade;
        }
    }
    return up ? 10.0 * decade : decade;
}

static struct axis choose_axis(enum gv_figure_scale scale, double low, double high)
{
    struct axis axis;
    choose_unit(&axis, scale, high);
    low *= axis.factor;
    high *= axis.factor;
    if (scale == GV_SCALE_LOG) {
        axis.log = true;
        axis.low = step_125(low, false);
        axis.high = step_125(high, true);
        if (axis.high < axis.low * 4.0) {
            axis.low = step_125(axis.low * 0.6, false);
            axis.high = step_125(axis.high * 1.6, true);
        }
    } else if (scale == GV_SCALE_PIECES) {
        axis.log = true;
        axis.low = 0.7; /* a line at 1 stands clear of the axis */
        axis.high = fmax(step_125(high, true), 5.0) * 1.2;
    } else if (scale == GV_SCALE_SHARE) {
        double space = fmax(0.06 * (high - low), 1.0);
        axis.low = fmax(0.0, low - space);
        axis.high = fmin(100.0, high + space);
    } else {
        axis.low = fmin(0.0, low);
        axis.high = high > 0.0 ? high * 1.08 : 1.0;
    }
    return axis;
}

static void write_value(FILE *out, double value)
{
    if (isfinite(value)) {
        (void)fprintf(out, " %.9g", value);
    } else {
        (void)fputs(" NaN", out);
    }
}

/* One block of data a run, for a panel: x, then each line's column and, for a band, its upper one. */
static void write_data(FILE *out, const struct gv_figure *figure, size_t panel_index, const struct axis *x,
                       const struct axis *y, const struct gv_figure_run *runs, uint32_t run_count)
{
    const struct gv_figure_panel *panel = &figure->panels[panel_index];
    for (uint32_t r = 0; r < run_count; r++) {
        (void)fprintf(out, "$data%zu_%u << END\n", panel_index, r);
        for (uint32_t p = 0; p < runs[r].series->count; p++) {
            const double *at = runs[r].series->points[p];
            write_value(out, at[figure->x] * x->factor);
            for (size_t i = 0; i < line_count(panel); i++) {
                write_value(out, at[panel->lines[i].column] * y->factor);
                write_value(out, panel->lines[i].style == GV_STYLE_BAND ? at[panel->lines[i].upper] * y->factor
                                                                        : (double)NAN);
            }
            (void)fputc('\n', out);
        }
        (void)fputs("END\n", out);
    }
}

static void write_marks(FILE *out, const struct axis *x, const struct gv_figure_mark *marks, uint32_t mark_count)
{
    for (uint32_t i = 0; i < mark_count; i++) {
        double from = marks[i].from_s * x->factor, until = fmin(marks[i].until_s * x->factor, x->high);
        if (from > x->high) {
            continue;
        }
        if (until > from) {
            (void)fprintf(out,
                          "set object rectangle from %.9g,graph 0 to %.9g,graph 1 behind fc rgb '#000000' "
                          "fs transparent solid 0.07 noborder\n",
                          from, until);
        }
        (void)fprintf(out, "set arrow from %.9g,graph 0 to %.9g,graph 1 nohead back lc rgb '#777777' lw 1 dt (4,3)\n",
                      from, from);
        if (marks[i].letter[0] != '\0') {
            (void)fprintf(out,
                          "set label '%s' at %.9g,graph 1 offset character 0,0.45 center front noenhanced "
                          "font ',11' tc rgb '#444444'\n",
                          marks[i].letter, from);
        }
    }
}

/* A label in which an @ stands for the unit. */
static void write_label(FILE *out, char axis, const char *label, const char *unit)
{
    size_t before = strcspn(label, "@");
    (void)fprintf(out, "set %clabel '%.*s%s%s' offset character %s tc rgb '#1a1a1a'\n", axis, (int)before, label,
                  label[before] != '\0' ? unit : "", label[before] != '\0' ? label + before + 1 : "",
                  axis == 'x' ? "0,0.7" : "0.6,0");
}

/* At most `parts` intervals along the axis. */
static void write_y(FILE *out, const struct gv_figure_panel *panel, const struct axis *y, int parts)
{
    write_label(out, 'y', panel->label, y->unit);
    (void)fprintf(out, "set yrange [%.9g:%.9g]\n", y->low, y->high);
    (void)fputs("unset logscale y\nset mytics default\nset format y '%h'\n", out);
    if (!y->log) {
        double step = step_125((y->high - y->low) / parts, true);
        step = panel->scale == GV_SCALE_WHOLE && y->factor == 1.0 ? fmax(step, 1.0) : step;
        (void)fprintf(out, "set ytics autofreq\nset ytics %.9g\n", step);
        return;
    }
    (void)fputs("set logscale y\n", out);
    double decades = log10(y->high / y->low);
    if (decades > 3.5) {
        (void)fprintf(out, "set ytics %.0e\nset format y '10^{%%T}'\n", pow(10.0, ceil(decades / 8.0)));
        return;
    }
    /* Few decades: each of 1, 2, 5 is labelled, or few labels would be left. */
    (void)fputs("set ytics (", out);
    const char *between = "";
    for (int exponent = (int)floor(log10(y->low)); exponent <= (int)ceil(log10(y->high)); exponent++) {
        for (int step = 1; step <= 5; step += step == 1 ? 1 : 3) {
            (void)fprintf(out, "%s%de%d", between, step, exponent);
            between = ",";
        }
    }
    (void)fputs(")\n", out);
}

/* `with` and what follows it, for a line of a run. */
static void write_style(FILE *out, const struct gv_figure_line *line, uint32_t run, uint32_t run_count, uint32_t points)
{
    bool dashed = false;
    const char *colour = run_count > 1 ? gv_figure_colour(run, &dashed) : PALETTE[line->colour];
    if (line->style == GV_STYLE_BAND) {
        (void)fprintf(out, " with filledcurves fc rgb '%s' fs transparent solid 0.18 noborder", colour);
        return;
    }
    if (line->style == GV_STYLE_THEORY) {
        (void)fputs(" with lines lc rgb '#1a1a1a' lw 1.6 dt (2,3)", out);
        return;
    }
    bool second = line->style != GV_STYLE_LINE;
    double width = line->style == GV_STYLE_LINE ? 2.2 : 1.5;
    const char *dash = line->style == GV_STYLE_DASHED ? (dashed ? " dt (3,3,9,3)" : " dt (7,4)")
                       : dashed                       ? " dt (14,4)"
                                                      : "";
    if (points <= POINTS_UP_TO && !second) {
        (void)fprintf(out, " with linespoints pt 7 ps 0.35 lc rgb '%s' lw %.1f%s", colour, width, dash);
    } else {
        (void)fprintf(out, " with lines lc rgb '%s' lw %.1f%s", colour, width, dash);
    }
}

static void write_key(FILE *out, const struct gv_figure_line *line, const char *label, uint32_t run_count)
{
    if (run_count == 1 || line->style == GV_STYLE_THEORY) {
        (void)fputs(" title ", out);
        gv_plot_string(out, line->name, 60);
    } else if (line->compared_name == NULL) {
        (void)fputs(" title ", out);
        gv_plot_string(out, label, KEY_LETTERS);
    } else {
        (void)fputs(" notitle", out);
    }
}

static void write_plot(FILE *out, const struct gv_figure *figure, size_t panel_index, const struct gv_figure_run *runs,
                       uint32_t run_count)
{
    const struct gv_figure_panel *panel = &figure->panels[panel_index];
    const char *between = "plot";
    for (size_t i = 0; i < line_count(panel); i++) {
        const struct gv_figure_line *line = &panel->lines[i];
        if (!line_shown(line, run_count)) {
            continue;
        }
        for (uint32_t r = 0; r < run_count; r++) {
            double low = DBL_MAX, high = -DBL_MAX;
            bool seen = gv_series_range(runs[r].series, line->column, is_log(panel->scale), &low, &high);
            if (!seen) { /* gnuplot takes a plot without a point for an error */
                continue;
            }
            (void)fprintf(out, "%s $data%zu_%u using 1:%zu", between, panel_index, r, 2 + 2 * i);
            if (line->style == GV_STYLE_BAND) {
                (void)fprintf(out, ":%zu", 3 + 2 * i);
            }
            write_style(out, line, r, run_count, runs[r].series->count);
            write_key(out, line, runs[r].label, run_count);
            between = ", \\\n    ";
            if (line->style == GV_STYLE_THEORY) {
                break;
            }
        }
    }
    (void)fputc('\n', out);
}

/* Where the panel stands of those that are shown, and what it has beside it: a key only if there is something to tell
 * apart, and the numbers of the horizontal axis only at the bottom. */
static void write_frame(FILE *out, const struct gv_figure *figure, size_t panel_index, size_t drawn, size_t shown,
                        const struct axis *x, const struct gv_figure_run *runs, uint32_t run_count)
{
    size_t lines = 0, longest = 0; /* name in the key */
    for (size_t i = 0; i < line_count(&figure->panels[panel_index]); i++) {
        const struct gv_figure_line *line = &figure->panels[panel_index].lines[i];
        bool named = line_shown(line, run_count) && (run_count == 1 || line->style == GV_STYLE_THEORY);
        lines += line_shown(line, run_count) ? 1 : 0;
        longest = named && strlen(line->name) > longest ? strlen(line->name) : longest;
    }
    for (uint32_t r = 0; r < run_count && run_count > 1; r++) {
        size_t length = strlen(runs[r].label) < KEY_LETTERS ? strlen(runs[r].label) : KEY_LETTERS;
        longest = length > longest ? length : longest;
    }
    bool key = lines > 1 || (run_count > 1 && drawn == 0);
    if (shown > 1) { /* two, the lower one higher by what stands below its axis */
        (void)fprintf(out, "set size 1,%s\nset origin 0,%s\n", drawn == 0 ? "0.46" : "0.54", drawn == 0 ? "0.54" : "0");
        (void)fprintf(out, "set bmargin %s\n", drawn == 0 ? "1.2" : "2.9");
    }
    if (key) {
        /* gnuplot takes letters for a tenth wider than they are. */
        (void)fprintf(out,
                      "set key tmargin left horizontal Left reverse noenhanced font ',13' samplen 1.8 width %.1f "
                      "spacing 1.05 tc rgb '#1a1a1a'\nunset tmargin\n",
                      -0.11 * (double)longest);
    } else {
        (void)fputs("unset key\nset tmargin 1.6\n", out);
    }
    if (drawn + 1 == shown) {
        (void)fputs("set format x '%h'\n", out);
        write_label(out, 'x', figure->x_label, x->unit);
    } else {
        (void)fputs("set format x ''\nunset xlabel\n", out);
    }
}

static void write_head(FILE *out, const struct gv_figure *figure, size_t panels)
{
    (void)fprintf(out,
                  "set encoding utf8\n"
                  "set terminal svg size %d,%d dynamic enhanced font 'Helvetica,14' name '%s'\n"
                  "set border 3 lc rgb '#333333' lw 1\n"
                  "set tics nomirror out scale 0.6,0.35 tc rgb '#1a1a1a'\n"
                  "set grid xtics ytics back lt 1 lc rgb '#dcdcdc' lw 0.8\n"
                  "set xtics offset 0,0.35\n"
                  "set lmargin 10.5\nset rmargin 2.5\n",
                  WIDTH, panels > 1 ? HEIGHT_DOUBLE : HEIGHT_SINGLE, figure->id);
    if (panels > 1) {
        (void)fputs("set multiplot\n", out);
    }
}

void gv_figure_script(FILE *out, const struct gv_figure *figure, const struct gv_figure_run *runs, uint32_t run_count,
                      const struct gv_figure_mark *marks, uint32_t mark_count)
{
    GV_ASSERT(run_count >= 1 && run_count <= GV_FIGURE_RUNS_MAX);
    size_t panels = panel_count(figure), shown = 0;
    double low = 0.0, high = 0.0, y_low, y_high;
    for (uint32_t r = 0; r < run_count; r++) {
        (void)gv_series_range(runs[r].series, figure->x, false, &low, &high);
    }
    struct axis x = choose_axis(figure->x_scale, low, high);
    x.low = 0.0;
    x.high = high > 0.0 ? high * x.factor : 1.0;
    for (size_t i = 0; i < panels; i++) {
        shown += panel_range(&figure->panels[i], runs, run_count, &y_low, &y_high) ? 1 : 0;
    }
    write_head(out, figure, shown);
    if (figure->x == GV_COL_TIME) {
        write_marks(out, &x, marks, mark_count);
    } else if (figure->x == GV_COL_CYCLE && runs[0].cycle_s > 0.0) {
        struct axis cycles = x;
        cycles.factor = 1.0 / runs[0].cycle_s;
        write_marks(out, &cycles, marks, mark_count);
    }
    (void)fprintf(out, "set xrange [%.9g:%.9g]\n", x.low, x.high);
    for (size_t i = 0, drawn = 0; i < panels; i++) {
        if (!panel_range(&figure->panels[i], runs, run_count, &y_low, &y_high)) {
            continue;
        }
        struct axis y = choose_axis(figure->panels[i].scale, y_low, y_high);
        write_data(out, figure, i, &x, &y, runs, run_count);
        write_y(out, &figure->panels[i], &y, shown > 1 ? 5 : 7);
        write_frame(out, figure, i, drawn++, shown, &x, runs, run_count);
        write_plot(out, figure, i, runs, run_count);
    }
    if (shown > 1) {
        (void)fputs("unset multiplot\n", out);
    }
}
