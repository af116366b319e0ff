/*
 * Files replaced as a whole: a temporary file beside the old one, fsync, rename, fsync of the folder. Whatever goes
 * wrong on the way (a full disk, a crash), the old file stays as it was.
 */
#ifndef GV_STORE_FILE_H
#define GV_STORE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "gv/err.h"
#include "store.h"

struct gv_replacement {
    int fd; /* -1: nothing open */
    char path[GV_STORE_PATH_MAX];
    char temporary[GV_STORE_PATH_MAX];
};

/** The error that fits errno: full disks, missing files and long names have their own. */
GV_NODISCARD enum gv_err gv_errno_err(int number);

/** Opens the temporary file `path`.tmp, whatever has that name: in a state DIR, whose names are ours and whose lock
 *  keeps others out. On GV_OK one of commit and abort must follow. */
GV_NODISCARD enum gv_err gv_replacement_open(struct gv_replacement *r, const char *path, unsigned mode,
                                             struct gv_diag *diag);
/** The same in a folder of the user's: the temporary file has a name that nobody else has. */
GV_NODISCARD enum gv_err gv_replacement_open_anywhere(struct gv_replacement *r, const char *path, unsigned mode,
                                                      struct gv_diag *diag);
GV_NODISCARD enum gv_err gv_replacement_write(struct gv_replacement *r, const void *data, size_t bytes,
                                              struct gv_diag *diag);
/** Puts the new file in the old one's place; on error it is as after abort. */
GV_NODISCARD enum gv_err gv_replacement_commit(struct gv_replacement *r, struct gv_diag *diag);
/** Removes the temporary file. Nothing if none is open. */
void gv_replacement_abort(struct gv_replacement *r);

#endif
