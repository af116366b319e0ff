/*
 * The address of DIR/control.sock, for both of its ends.
 */
#ifndef GV_CONTROL_PATH_H
#define GV_CONTROL_PATH_H

#include <sys/socket.h>
#include <sys/un.h>

#include "gv/err.h"

/** GV_ERR_PATH, with both lengths, if the path is longer than a socket address can hold. */
static inline enum gv_err gv_control_address(struct sockaddr_un *address, const char *dir, struct gv_diag *diag)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    int used = snprintf(address->sun_path, sizeof address->sun_path, "%s/control.sock", dir);
    if (used < 0 || (size_t)used >= sizeof address->sun_path) {
        return gv_diag_set(
            diag, GV_ERR_PATH,
            "%.300s/control.sock: %d characters, but a socket's path may have at most %zu; use a shorter "
            "path (a relative one will do)",
            dir, used, sizeof address->sun_path - 1);
    }
    return GV_OK;
}

#endif
