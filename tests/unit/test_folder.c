/*
 * Making names last, by key files and by state files, where a folder cannot be synced.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "folder.h"
#include "host_help.h"
#include "identity.h"
#include "store.h"

static int folder_errno; /* 0: folders can be synced */
static int folders_synced;

/* Stands in the place of libc's. */
int fsync(int fd)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISDIR(info.st_mode)) {
        return (int)syscall(SYS_fsync, fd);
    }
    folders_synced++;
    errno = folder_errno;
    return folder_errno != 0 ? -1 : 0;
}

static void setup(void)
{
    cr_assert_eq(gv_proto_init(), GV_OK);
    (void)host_make_dir();
}

TestSuite(folder, .init = setup, .fini = host_remove_dir);

static enum gv_err save_key(void)
{
    struct gv_sign_key *root = NULL;
    cr_assert_eq(gv_sign_key_new(&root), GV_OK);
    enum gv_err err = gv_root_key_save(host_path("key"), root, NULL);
    gv_sign_key_free(&root);
    return err;
}

Test(folder, a_file_system_that_cannot_sync_folders_will_do)
{
    folder_errno = EINVAL;
    cr_expect_eq(gv_file_write(host_path("file"), "x", 1, 0600, NULL), GV_OK);
    cr_expect_eq(save_key(), GV_OK, "a node whose files can be written can also be made");
    cr_expect_eq(folders_synced, 2);
}

Test(folder, a_failing_disk_is_an_error)
{
    struct gv_diag diag;
    folder_errno = EIO;
    cr_expect_eq(gv_file_write(host_path("file"), "x", 1, 0600, &diag), GV_ERR_IO);
    cr_expect_not_null(strstr(diag.text, "its folder cannot be synced: Input/output error"), "%s", diag.text);
    cr_expect_eq(save_key(), GV_ERR_IO);
    cr_expect_not(host_exists("key"), "a key exists in full or not at all");
}

Test(folder, a_bare_name_lies_in_the_current_folder)
{
    cr_assert_eq(chdir("/"), 0);
    cr_expect_eq(gv_folder_sync("name"), GV_OK);
    cr_expect_eq(gv_folder_sync("/name"), GV_OK);
    cr_expect_eq(folders_synced, 2);
    cr_expect_eq(gv_folder_sync("/nowhere/name"), GV_ERR_IO);
    cr_expect_eq(errno, ENOENT);
}
