/*
 * sim: the simulator is a program of its own beside this one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "daemon.h"
#include "store.h"

int gv_cmd_sim(int argc, char **argv)
{
    char path[GV_STORE_PATH_MAX];
    (void)argc;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - sizeof "grapevine-sim");
    if (length <= 0) {
        (void)fprintf(stderr, "grapevine sim: cannot find this program's folder: %s\n", strerror(errno));
        return GV_EXIT_FAILED;
    }
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    (void)strcpy(slash != NULL ? slash + 1 : path, "grapevine-sim");
    (void)execv(path, argv);
    if (errno == ENOENT) {
        (void)fprintf(stderr, "grapevine sim: the simulator is not installed: there is no %s\n", path);
    } else {
        (void)fprintf(stderr, "grapevine sim: %s: %s\n", path, strerror(errno));
    }
    return GV_EXIT_FAILED;
}
