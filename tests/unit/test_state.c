/*
 * A new state DIR, and another process that makes a node in it at the same time.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host_help.h"
#include "state.h"
#include "store.h"

static bool other_is_faster;

/* Stands in the place of libc's: the other process has done all of its work, and has let go of the lock. */
int flock(int fd, int operation)
{
    if (other_is_faster) {
        host_write("manifest", "theirs", 6);
        host_write("node.key", "theirs", 6);
    }
    return (int)syscall(SYS_flock, fd, operation);
}

static const char *dir;

static void setup(void)
{
    dir = host_make_dir();
}

TestSuite(state, .init = setup, .fini = host_remove_dir);

Test(state, an_empty_folder_will_do_and_stays_when_it_is_dropped)
{
    struct gv_state_draft draft;
    struct gv_diag diag = {.text = ""};
    cr_assert_eq(gv_state_begin(&draft, dir, &diag), GV_OK, "%s", diag.text);
    gv_state_drop(&draft);
    cr_expect_eq(host_count(), 0);
}

Test(state, a_node_that_another_process_has_made_meanwhile_stays)
{
    struct gv_state_draft draft;
    struct gv_diag diag = {.text = ""};
    size_t bytes;
    int lock = -1;
    other_is_faster = true;
    cr_expect_eq(gv_state_begin(&draft, dir, &diag), GV_ERR_PATH);
    cr_expect_not_null(strstr(diag.text, "already holds a node"), "%s", diag.text);
    gv_state_drop(&draft);
    char *key = host_read("node.key", &bytes);
    cr_expect_str_eq(key, "theirs");
    free(key);
    cr_expect_eq(gv_store_lock(&lock, dir, &diag), GV_OK, "the lock is let go of");
    (void)close(lock);
}
