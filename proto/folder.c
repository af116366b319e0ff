/*
 * Making names last: see folder.h.
 */
#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum gv_err gv_folder_sync(const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t bytes = slash == NULL || slash == path ? 1 : (size_t)(slash - path);
    char *folder = strndup(slash == NULL ? "." : path, bytes);
    if (folder == NULL) {
        return GV_ERR_NOMEM;
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some network file systems cannot sync a folder and say EINVAL: nothing more can be done there. */
    bool synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    int number = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    free(folder);
    errno = number;
    return synced ? GV_OK : GV_ERR_IO;
}
