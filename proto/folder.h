/*
 * Making names last: a file that was created or renamed survives a power failure only once its folder is on the disk.
 */
#ifndef GV_FOLDER_H
#define GV_FOLDER_H

#include "gv/err.h"

/** Syncs the folder in which `path` lies. GV_ERR_NOMEM or GV_ERR_IO, errno then says why. */
GV_NODISCARD enum gv_err gv_folder_sync(const char *path);

#endif
