/*
 * How much memory this process may still take.
 */
#ifndef GV_MEMORY_H
#define GV_MEMORY_H

#include <stdint.h>

/** Bytes that can be taken without swapping or being killed: what the system has available, and what the control groups
 *  (version 1 or 2) of this process leave of their limits, whichever is less. UINT64_MAX if nothing says. */
uint64_t gv_memory_available(void);

/** The same with /proc and /sys/fs/cgroup under another root, for tests. */
uint64_t gv_memory_available_at(const char *root);

#endif
