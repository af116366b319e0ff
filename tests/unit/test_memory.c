/*
 * Memory that is left, read from files as the kernel writes them.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "host_help.h"
#include "memory.h"

static char root[200];

static void setup(void)
{
    (void)snprintf(root, sizeof root, "%s", host_make_dir());
}

static void teardown(void)
{
    char command[300];
    (void)snprintf(command, sizeof command, "rm -rf '%s'/*", root);
    (void)!system(command);
    host_remove_dir();
}

TestSuite(memory, .init = setup, .fini = teardown);

static void put(const char *name, const char *text)
{
    char command[600];
    (void)snprintf(command, sizeof command, "mkdir -p \"$(dirname '%s/%s')\"", root, name);
    cr_assert_eq(system(command), 0);
    host_write(name, text, strlen(text));
}

Test(memory, is_what_the_system_has_available)
{
    put("proc/meminfo", "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    2000000 kB\n");
    cr_expect_eq(gv_memory_available_at(root), UINT64_C(2048000000));
}

Test(memory, is_unknown_where_nothing_says)
{
    cr_expect_eq(gv_memory_available_at(root), UINT64_MAX);
}

Test(memory, is_bounded_by_a_group_of_version_2_and_those_around_it)
{
    put("proc/meminfo", "MemAvailable:    2000000 kB\n");
    put("proc/self/cgroup", "0::/user.slice/run\n");
    put("sys/fs/cgroup/user.slice/run/memory.max", "max\n");
    put("sys/fs/cgroup/user.slice/run/memory.current", "5\n");
    cr_expect_eq(gv_memory_available_at(root), UINT64_C(2048000000), "\"max\" is no limit");
    put("sys/fs/cgroup/user.slice/memory.max", "1000000000\n");
    put("sys/fs/cgroup/user.slice/memory.current", "400000000\n");
    cr_expect_eq(gv_memory_available_at(root), UINT64_C(600000000));
    put("sys/fs/cgroup/user.slice/memory.stat", "anon 5\ninactive_file 100000000\nactive_file 7\n");
    cr_expect_eq(gv_memory_available_at(root), UINT64_C(700000000), "the cache is given back on demand");
    put("sys/fs/cgroup/user.slice/run/memory.max", "3\n");
    cr_expect_eq(gv_memory_available_at(root), 0, "over its limit");
}

Test(memory, is_bounded_by_a_group_of_version_1)
{
    put("proc/meminfo", "MemAvailable:    2000000 kB\n");
    put("proc/self/cgroup", "5:devices:/\n4:memory:/not/visible/here\n0::/\n");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "1000000000\n");
    put("sys/fs/cgroup/memory/memory.usage_in_bytes", "900000000\n");
    put("sys/fs/cgroup/memory/memory.stat", "cache 5\ntotal_inactive_file 200000000\n");
    cr_expect_eq(gv_memory_available_at(root), UINT64_C(300000000));
}

Test(memory, of_this_machine_is_known)
{
    uint64_t available = gv_memory_available();
    cr_expect_gt(available, UINT64_C(1000000));
    cr_expect_lt(available, UINT64_C(1) << 50);
}
