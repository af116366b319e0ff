/*
 * gnuplot, there or not, and what it may not do.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "plot.h"
#include "report_help.h"

TestSuite(plot, .init = help_make_folder, .fini = help_remove_folder);

/* Puts a program of this text in front of all others. */
static void plant(const char *text)
{
    char path[1024];
    help_write_file(help_path("gnuplot"), text);
    cr_assert_eq(chmod(help_path("gnuplot"), 0755), 0);
    (void)snprintf(path, sizeof path, "%s:/bin:/usr/bin", help_path(""));
    cr_assert_eq(setenv("PATH", path, 1), 0);
}

Test(plot, without_gnuplot_it_says_so)
{
    char *svg = NULL;
    struct gv_diag diag = {.code = GV_OK};
    cr_assert_eq(setenv("PATH", help_path(""), 1), 0);
    cr_expect_eq(gv_plot_run(&svg, "plot x\n", 7, &diag), GV_ERR_NOT_FOUND);
    cr_expect_not_null(strstr(diag.text, "gnuplot cannot be started"), "%s", diag.text);
    cr_expect_null(svg);
}

Test(plot, the_script_reaches_it_and_only_the_drawing_comes_back)
{
    char *svg = NULL;
    struct gv_diag diag = {.code = GV_OK};
    plant("#!/bin/sh\necho '<?xml version=\"1.0\"?><!DOCTYPE svg>'\necho \"<svg>$(cat)</svg>\"\necho rest\n");
    cr_assert_eq(gv_plot_run(&svg, "plot x\n", 7, &diag), GV_OK, "%s", diag.text);
    cr_expect_str_eq(svg, "<svg>plot x</svg>");
    free(svg);
}

Test(plot, one_that_never_reads_does_not_block)
{
    char *svg = NULL;
    size_t bytes = (size_t)4 << 20;
    char *script = malloc(bytes);
    cr_assert_not_null(script);
    memset(script, '\n', bytes);
    plant("#!/bin/sh\necho '<svg></svg>'\n");
    cr_expect_eq(gv_plot_run(&svg, script, bytes, NULL), GV_OK);
    cr_expect_str_eq(svg, "<svg></svg>");
    free(svg);
    free(script);
}

Test(plot, a_failure_is_quoted)
{
    char *svg = NULL;
    struct gv_diag diag = {.code = GV_OK};
    plant("#!/bin/sh\necho 'gnuplot> plot y' >&2\necho '   line 7: undefined variable: y' >&2\nexit 1\n");
    cr_expect_eq(gv_plot_run(&svg, "plot y\n", 7, &diag), GV_ERR_IO);
    cr_expect_not_null(strstr(diag.text, "gnuplot failed: line 7: undefined variable: y"), "%s", diag.text);
    plant("#!/bin/sh\necho '<svg>half'\n");
    cr_expect_eq(gv_plot_run(&svg, "plot y\n", 7, &diag), GV_ERR_IO);
    cr_expect_not_null(strstr(diag.text, "it drew nothing"), "%s", diag.text);
    cr_expect_null(svg);
}
