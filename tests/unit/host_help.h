/*
 * What the tests of host/ share: a folder per test, and files in it.
 */
#ifndef HOST_HELP_H
#define HOST_HELP_H

#include <stdbool.h>
#include <stddef.h>

/** A fresh folder for this test (0700); borrowed. host_remove_dir() deletes it with everything in it. */
const char *host_make_dir(void);
void host_remove_dir(void);

/** dir/name; borrowed until the third call after. */
const char *host_path(const char *name);
void host_write(const char *name, const void *data, size_t bytes);
/** The whole file, terminated; freed by the caller. Ends the test if it cannot be read. */
char *host_read(const char *name, size_t *bytes);
bool host_exists(const char *name);
/** Entries of the folder. */
unsigned host_count(void);

#endif
