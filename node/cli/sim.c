/*
 * `grapevine sim`: the simulator is a program of its own, which lies beside this one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "daemon.h"

#define SIBLING "grapevine-sim"

/* Returns only if it fails. */
int gv_cmd_sim(int argc, char **argv)
{
    char name[] = SIBLING;
    char path[4096 + sizeof SIBLING];
    ssize_t length = readlink("/proc/self/exe", path, 4095);
    (void)argc;
    if (length <= 0) {
        (void)fprintf(stderr, "grapevine sim: cannot find this program's own folder: %s\n", strerror(errno));
        return GV_EXIT_FAILED;
    }
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    memcpy(slash != NULL ? slash + 1 : path, SIBLING, sizeof SIBLING);
    argv[0] = name;
    /* Each step touches another node's memory: huge pages for the heap save about 5 %. glibc alone reads this. */
    (void)setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 0);
    (void)execv(path, argv);
    (void)fprintf(stderr, "grapevine sim: %s: %s; `make` builds it, and it belongs in the same folder as grapevine\n",
                  path, strerror(errno));
    return GV_EXIT_FAILED;
}
