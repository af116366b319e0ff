/*
 * gnuplot as a plotter: a script in, an SVG drawing out. The script goes through a descriptor, the program is started
 * without a shell and without the user's start-up files, and it is ended if it takes too long.
 */
#ifndef GV_PLOT_H
#define GV_PLOT_H

#include <stddef.h>
#include <stdio.h>

#include "gv/err.h"

/**
 * Runs gnuplot on a script that writes SVG to its standard output.
 *
 * svg  the drawing from "<svg" on, fit to stand within HTML, terminated; owned; NULL on an error
 *
 * GV_ERR_NOT_FOUND if there is no gnuplot, GV_ERR_TIMEOUT, GV_ERR_IO (it failed or drew nothing; the diagnosis quotes
 * the first line of what it said), GV_ERR_NOMEM.
 */
GV_NODISCARD enum gv_err gv_plot_run(char **svg, const char *script, size_t script_bytes, struct gv_diag *diag);

/** A text as a string of gnuplot's language, quotes included. Control characters and bytes that are no UTF-8 become
 *  question marks, so that neither the script nor the drawing can be left. At most `most` characters, then "...". */
void gv_plot_string(FILE *out, const char *text, size_t most);

#endif
