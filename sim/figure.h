/*
 * The plots of a report: what each shows, how it is read, and the script that draws it for one run or several.
 */
#ifndef GV_FIGURE_H
#define GV_FIGURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "series.h"

#define GV_FIGURE_RUNS_MAX 12u  /* what can still be told apart: six colours, two kinds of dashes */
#define GV_FIGURE_LINES_MAX 5u  /* in one panel */
#define GV_FIGURE_PANELS_MAX 2u /* of one figure, above one another */
#define GV_FIGURE_MARKS_MAX 72u

struct gv_figure_run {
    const char *label;
    const struct gv_series *series;
    double cycle_s; /* length of a cycle */
};

/* A moment or a time in all plots over time: a fault. */
struct gv_figure_mark {
    double from_s, until_s; /* equal: a moment */
    char letter[16];        /* what stands beside it; may be empty */
};

enum gv_figure_style {
    GV_STYLE_LINE = 0,
    GV_STYLE_THIN,
    GV_STYLE_DASHED,
    GV_STYLE_BAND,  /* between `column` and `upper` */
    GV_STYLE_THEORY /* black and dotted; once, whatever the number of runs; does not widen the axis */
};

/* What is done with values before they stand at an axis. */
enum gv_figure_scale {
    GV_SCALE_PLAIN = 0, /* from 0 */
    GV_SCALE_SHARE,     /* in percent; the axis shows the range that occurs */
    GV_SCALE_TIME,      /* s, min, h or d, by the largest */
    GV_SCALE_BYTES,     /* B, kB, MB, GB */
    GV_SCALE_COUNT,     /* thousands or millions where they are that many */
    GV_SCALE_WHOLE,     /* the same of things that come in one piece */
    GV_SCALE_LOG,
    GV_SCALE_PIECES, /* whole numbers from 1 on a logarithmic axis: one and two lie well apart, whatever the largest */
};

struct gv_figure_line {
    enum gv_column column, upper;
    enum gv_figure_style style;
    int colour;                /* index into the palette, for one run */
    bool compared;             /* shown when several runs are laid over one another */
    const char *name;          /* in the key */
    const char *compared_name; /* after the run's label, when compared; NULL: nothing */
};

struct gv_figure_panel {
    const char *label; /* of the axis; an @ stands for the unit or its prefix */
    enum gv_figure_scale scale;
    struct gv_figure_line lines[GV_FIGURE_LINES_MAX]; /* up to the first without a name */
};

struct gv_figure {
    const char *id; /* of the drawing; letters */
    const char *title;
    const char *caption;
    const char *compared_caption; /* when several runs are laid over one another; NULL: the same */
    unsigned modes;               /* bits 1 << enum gv_mode in which it means something */
    enum gv_column x;
    const char *x_label;
    enum gv_figure_scale x_scale;
    struct gv_figure_panel panels[GV_FIGURE_PANELS_MAX]; /* up to the first without a label */
};

/** All figures in the order of a report. */
const struct gv_figure *gv_figures(size_t *count);

/** True if there is something to see: a value in any of its lines. */
bool gv_figure_shows(const struct gv_figure *figure, const struct gv_figure_run *runs, uint32_t run_count);

/** Writes gnuplot's script, data included; the plain locale must be set. 1 to GV_FIGURE_RUNS_MAX runs. */
void gv_figure_script(FILE *out, const struct gv_figure *figure, const struct gv_figure_run *runs, uint32_t run_count,
                      const struct gv_figure_mark *marks, uint32_t mark_count);

/** The colour by which a run is known when there are several: "#0072b2"; and whether its lines are dashed. */
const char *gv_figure_colour(uint32_t run_index, bool *dashed);

#endif
