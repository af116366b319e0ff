/*
 * The folder that a simulation or a comparison writes into. It is locked while open, so that two runs never mix, and it
 * is refused if it holds anything that such a run has not written: nothing of the user's is ever replaced.
 */
#ifndef GV_OUTDIR_H
#define GV_OUTDIR_H

#include <stddef.h>

#include "gv/err.h"

enum gv_outdir_kind { GV_OUTDIR_RUN, GV_OUTDIR_COMPARISON };

/* How the file begins by which a folder is known as one of ours: scenario.ini of a run, report.html of a comparison. */
#define GV_OUTDIR_RUN_MARK "# The scenario of this folder's run"
#define GV_OUTDIR_COMPARISON_MARK "<!DOCTYPE html>\n<!-- grapevine sim compare"

struct gv_outdir {
    int fd;     /* -1: closed */
    char *path; /* owned */
};

/** Creates `dir` and what is missing above it, checks what it holds, and locks it. GV_ERR_PATH (no folder, not
 *  writable, holds other files; the diagnosis names one), GV_ERR_IN_USE, GV_ERR_NO_SPACE, GV_ERR_IO, GV_ERR_NOMEM. */
GV_NODISCARD enum gv_err gv_outdir_open(struct gv_outdir *outdir, const char *dir, enum gv_outdir_kind kind,
                                        struct gv_diag *diag);

/** A new empty file for writing in place of any that has this name. Returns its descriptor in *fd. */
GV_NODISCARD enum gv_err gv_outdir_create(struct gv_outdir *outdir, const char *name, int *fd, struct gv_diag *diag);

/** Writes all of `text` at the file's end. GV_ERR_NO_SPACE or GV_ERR_IO; the file is then as it was before. */
GV_NODISCARD enum gv_err gv_outdir_append(const struct gv_outdir *outdir, const char *name, int fd, const char *text,
                                          size_t bytes, struct gv_diag *diag);

/** Replaces a file as a whole and durably: the old one stays, whatever fails. */
GV_NODISCARD enum gv_err gv_outdir_replace(struct gv_outdir *outdir, const char *name, const char *text, size_t bytes,
                                           struct gv_diag *diag);

/** Removes a file if it is there. */
GV_NODISCARD enum gv_err gv_outdir_remove(struct gv_outdir *outdir, const char *name, struct gv_diag *diag);

void gv_outdir_close(struct gv_outdir *outdir);

#endif
