/*
 * Starting again: see reexec.h.
 */
#include "reexec.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "blas.h"
#include "log.h"

#define MARK "GRAPEVINE_BLAS_CHOSEN" /* set in the environment of the second start, so that there is no third */
#define ARGUMENTS_MAX 256
#define ARGUMENT_BYTES_MAX (64 * 1024)

void gv_reexec(char *const arguments[])
{
    char path[4096]; /* by its own name, or tools would show the process as "exe" */
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length > 0) {
        path[length] = '\0';
        (void)execv(path, arguments);
    }
    (void)execv("/proc/self/exe", arguments); /* the file was replaced meanwhile: its old self still runs */
}

/* Our own arguments, from the kernel: libraries have none to ask. The memory lives until the next exec. */
static char **own_arguments(void)
{
    static const char path[] = "/proc/self/cmdline";
    char *text = malloc(ARGUMENT_BYTES_MAX);
    char **arguments = calloc(ARGUMENTS_MAX + 1, sizeof *arguments);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t got = 1;
    while (text != NULL && fd >= 0 && got > 0 && used < ARGUMENT_BYTES_MAX) {
        got = read(fd, text + used, ARGUMENT_BYTES_MAX - used);
        used += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    bool whole = arguments != NULL && text != NULL && used > 0 && used < ARGUMENT_BYTES_MAX && text[used - 1] == '\0';
    size_t count = 0;
    for (size_t at = 0; whole && at < used && count < ARGUMENTS_MAX; at += strlen(text + at) + 1) {
        arguments[count++] = text + at;
    }
    if (!whole || count == ARGUMENTS_MAX) {
        free(text);
        free(arguments);
        return NULL;
    }
    return arguments;
}

void gv_reexec_for_blas(void)
{
    const char *better = gv_blas_better_kernel();
    bool threads = getenv("OPENBLAS_NUM_THREADS") == NULL;
    if (getenv(MARK) != NULL) {
        if (better != NULL) {
            gv_log(GV_LEVEL_UNUSUAL, "OpenBLAS kernel", "in_use=%s wanted=%s", gv_blas_kernel(), better);
        }
        return;
    }
    if (better == NULL && !threads) {
        return;
    }
    char **arguments = own_arguments();
    if (arguments == NULL || setenv(MARK, better != NULL ? better : "as it was", 1) != 0) {
        free(arguments);
        return;
    }
    if (threads) {
        (void)setenv("OPENBLAS_NUM_THREADS", "1", 1);
    }
    if (better != NULL && getenv("OPENBLAS_CORETYPE") == NULL) {
        gv_log(GV_LEVEL_INFO, "OpenBLAS kernel", "fell_back_to=%s starting_again_with=%s", gv_blas_kernel(), better);
        (void)setenv("OPENBLAS_CORETYPE", better, 1);
    }
    gv_reexec(arguments);
    free(arguments);
}
