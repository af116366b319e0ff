/*
 * Files replaced as a whole, the state DIR and its lock.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host_help.h"
#include "store.h"
#include "store_file.h"

static const char *dir;

static void setup(void)
{
    dir = host_make_dir();
}

TestSuite(store_file, .init = setup, .fini = host_remove_dir);

Test(store_file, what_is_written_is_read)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    struct stat info;
    cr_assert_eq(gv_store_write(dir, "x", "hello\0you", 9, 0600, NULL), GV_OK);
    cr_assert_eq(gv_store_read(dir, "x", 9, &data, &bytes, NULL), GV_OK);
    cr_expect(bytes == 9 && memcmp(data, "hello\0you", 10) == 0, "with a zero behind it");
    free(data);
    cr_assert_eq(stat(host_path("x"), &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0600);
    cr_assert_eq(gv_store_write(dir, "x", "", 0, 0600, NULL), GV_OK);
    cr_assert_eq(gv_store_read(dir, "x", 9, &data, &bytes, NULL), GV_OK);
    cr_expect_eq(bytes, 0);
    free(data);
    cr_expect_eq(host_count(), 1, "no temporary file stays");
}

Test(store_file, reading_says_what_is_wrong)
{
    uint8_t *data = NULL;
    size_t bytes = 0;
    struct gv_diag diag;
    cr_expect_eq(gv_store_read(dir, "x", 9, &data, &bytes, &diag), GV_ERR_NOT_FOUND);
    cr_expect_not_null(strstr(diag.text, "/x: cannot be opened"), "%s", diag.text);
    host_write("x", "0123456789", 10);
    cr_expect_eq(gv_store_read(dir, "x", 9, &data, &bytes, &diag), GV_ERR_CORRUPT);
    cr_expect_not_null(strstr(diag.text, "10 bytes, at most 9"), "%s", diag.text);
    cr_assert_eq(mkdir(host_path("d"), 0700), 0);
    cr_expect_eq(gv_store_read(dir, "d", 9, &data, &bytes, &diag), GV_ERR_PATH);
    cr_assert_eq(mkfifo(host_path("f"), 0600), 0);
    cr_expect_eq(gv_store_read(dir, "f", 9, &data, &bytes, &diag), GV_ERR_PATH, "and does not wait for a writer");
}

Test(store_file, a_full_disk_leaves_the_old_file)
{
    struct gv_diag diag;
    struct rlimit limit = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
    static char big[10000];
    size_t bytes;
    host_write("x", "old", 3);
    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    enum gv_err err = gv_store_write(dir, "x", big, sizeof big, 0600, &diag);
    limit.rlim_cur = RLIM_INFINITY;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    cr_expect_eq(err, GV_ERR_NO_SPACE, "%s", diag.text);
    char *text = host_read("x", &bytes);
    cr_expect_str_eq(text, "old");
    free(text);
    cr_expect_eq(host_count(), 1, "the temporary file is removed");
}

Test(store_file, a_leftover_or_planted_temporary_file_is_no_obstacle)
{
    size_t bytes;
    host_write("x.tmp", "junk of a crash", 15);
    cr_assert_eq(gv_store_write(dir, "x", "new", 3, 0600, NULL), GV_OK);
    host_write("victim", "mine", 4);
    cr_assert_eq(symlink(host_path("victim"), host_path("x.tmp")), 0);
    cr_assert_eq(gv_store_write(dir, "x", "newer", 5, 0600, NULL), GV_OK);
    char *text = host_read("victim", &bytes);
    cr_expect_str_eq(text, "mine", "a link in the way is not followed");
    free(text);
}

Test(store_file, in_the_users_folder_nothing_but_the_file_is_touched)
{
    struct gv_replacement first;
    struct gv_replacement second;
    size_t bytes;
    host_write("x.tmp", "mine", 4);
    cr_assert_eq(gv_replacement_open_anywhere(&first, host_path("x"), 0644, NULL), GV_OK);
    cr_assert_eq(gv_replacement_open_anywhere(&second, host_path("x"), 0644, NULL), GV_OK);
    cr_assert_eq(gv_replacement_write(&first, "first", 5, NULL), GV_OK);
    cr_assert_eq(gv_replacement_write(&second, "sec", 3, NULL), GV_OK);
    cr_assert_eq(gv_replacement_commit(&first, NULL), GV_OK);
    char *text = host_read("x", &bytes);
    cr_expect_str_eq(text, "first", "whole, though another writes the same file");
    free(text);
    gv_replacement_abort(&second);
    text = host_read("x.tmp", &bytes);
    cr_expect_str_eq(text, "mine");
    free(text);
    cr_expect_eq(host_count(), 2, "no temporary file stays");
}

Test(store_file, a_path_too_long_is_an_error)
{
    static char longest[GV_STORE_PATH_MAX + 10];
    char out[GV_STORE_PATH_MAX];
    struct gv_diag diag;
    memset(longest, 'a', sizeof longest - 1);
    cr_expect_eq(gv_store_path(out, longest, "x", &diag), GV_ERR_PATH);
    cr_expect_eq(gv_store_create(longest, &diag), GV_ERR_PATH);
    longest[GV_STORE_PATH_MAX - 4] = '\0';
    cr_expect_eq(gv_file_write(longest, "x", 1, 0600, &diag), GV_ERR_PATH, "no room for .tmp");
}

Test(store_file, create_makes_a_private_folder)
{
    struct stat info;
    cr_assert_eq(gv_store_create(host_path("new"), NULL), GV_OK);
    cr_assert_eq(stat(host_path("new"), &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0700);
    cr_expect_eq(gv_store_create(host_path("new"), NULL), GV_OK, "an empty folder will do");
    cr_expect_eq(gv_store_create("", NULL), GV_ERR_PATH);
    cr_expect_eq(gv_store_create(host_path("no/where"), NULL), GV_ERR_NOT_FOUND);
    host_write("file", "", 0);
    cr_expect_eq(gv_store_create(host_path("file"), NULL), GV_ERR_PATH);
}

Test(store_file, only_a_regular_file_is_replaced)
{
    struct gv_diag diag;
    struct stat info;
    host_write("file", "old", 3);
    cr_assert_eq(mkfifo(host_path("pipe"), 0600), 0);
    cr_assert_eq(symlink("file", host_path("link")), 0);
    cr_assert_eq(mkdir(host_path("folder"), 0700), 0);
    cr_expect_eq(gv_store_write(dir, "pipe", "new", 3, 0600, &diag), GV_ERR_PATH);
    cr_expect_eq(gv_store_write(dir, "folder", "new", 3, 0600, &diag), GV_ERR_PATH);
    cr_expect_eq(gv_store_write(dir, "link", "new", 3, 0600, &diag), GV_ERR_PATH);
    cr_expect_not_null(strstr(diag.text, "a symbolic link"), "%s", diag.text);
    cr_assert_eq(lstat(host_path("pipe"), &info), 0);
    cr_expect(S_ISFIFO(info.st_mode));
    cr_expect_eq(gv_store_write(dir, "file", "new", 3, 0600, &diag), GV_OK);
    cr_expect_eq(gv_store_write(dir, "fresh", "new", 3, 0600, &diag), GV_OK);
}

Test(store_file, create_refuses_a_folder_with_a_node_or_parts_of_one)
{
    struct gv_diag diag;
    cr_expect_not(gv_store_exists(dir));
    host_write("node.key", "", 0);
    cr_expect(gv_store_exists(dir), "what is left of a node");
    cr_expect_eq(gv_store_create(dir, &diag), GV_ERR_PATH);
    cr_expect_not_null(strstr(diag.text, "holds node.key"), "%s", diag.text);
    host_write("manifest", "", 0);
    cr_expect(gv_store_exists(dir));
    cr_expect_eq(gv_store_create(dir, &diag), GV_ERR_PATH);
    cr_expect_not_null(strstr(diag.text, "already holds a node"), "%s", diag.text);
}

Test(store_file, discard_removes_ours_and_nothing_else)
{
    host_write("node.key", "", 0);
    host_write("holiday.jpg", "", 0);
    gv_store_discard(dir, true);
    cr_expect_not(host_exists("node.key"));
    cr_expect(host_exists("holiday.jpg"));
}

Test(store_file, the_lock_is_held_once_and_names_its_holder)
{
    struct gv_diag diag = {.text = ""};
    int first = -1;
    int second = -1;
    char number[32];
    cr_assert_eq(gv_store_lock(&first, dir, &diag), GV_OK, "%s", diag.text);
    cr_expect_eq(gv_store_lock(&second, dir, &diag), GV_ERR_IN_USE);
    cr_expect_eq(gv_store_await_lock(&second, dir, 40, &diag), GV_ERR_IN_USE);
    (void)snprintf(number, sizeof number, "process, %ld;", (long)getpid());
    cr_expect_not_null(strstr(diag.text, number), "%s", diag.text);
    (void)close(first);
    cr_expect_eq(gv_store_lock(&second, dir, &diag), GV_OK, "%s", diag.text);
    (void)close(second);
}

Test(store_file, the_lock_dies_with_its_process)
{
    int fds[2];
    int lock = -1;
    char byte;
    cr_assert_eq(pipe(fds), 0);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        int mine;
        enum gv_err err = gv_store_lock(&mine, dir, NULL);
        _exit(write(fds[1], err == GV_OK ? "y" : "n", 1) == 1 && pause() == 0 ? 0 : 1);
    }
    cr_assert_eq(read(fds[0], &byte, 1), 1);
    cr_assert_eq(byte, 'y');
    cr_expect_eq(gv_store_lock(&lock, dir, NULL), GV_ERR_IN_USE);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    cr_expect_eq(gv_store_lock(&lock, dir, NULL), GV_OK, "kill -9 leaves no stale lock");
    (void)close(lock);
}
