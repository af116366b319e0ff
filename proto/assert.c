/*
 * The one way our own bugs end the program: loudly, at once, with the place. Nothing a peer, a file or a user says may
 * lead here.
 */
#include "gv/err.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void gv_assert_fail(const char *condition, const char *file, int line)
{
    (void)fprintf(stderr, "grapevine: %s:%d: broken promise: %s\n", file, line, condition);
    abort();
}
