/*
 * The control socket: requests and replies, and clients that misbehave.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "host_help.h"

static const char *dir;
static struct gv_control *control;
static uint64_t now_us;
static unsigned requests;

/* "echo" gives back "text"; "big" a reply of "bytes" characters; "list" no object. */
static json_t *handle(void *context, const json_t *request)
{
    (void)context;
    requests++;
    const char *cmd = json_string_value(json_object_get(request, "cmd"));
    if (strcmp(cmd, "big") == 0) {
        size_t bytes = (size_t)json_integer_value(json_object_get(request, "bytes"));
        char *text = malloc(bytes + 1);
        cr_assert_not_null(text);
        memset(text, 'x', bytes);
        text[bytes] = '\0';
        json_t *reply = json_pack("{s:b,s:s}", "ok", 1, "text", text);
        free(text);
        return reply;
    }
    if (strcmp(cmd, "list") == 0) {
        return json_array();
    }
    return json_pack("{s:b,s:O?}", "ok", 1, "text", json_object_get(request, "text"));
}

static void setup(void)
{
    struct gv_diag diag = {.text = ""};
    dir = host_make_dir();
    requests = 0;
    cr_assert_eq(gv_control_new(&control, dir, handle, NULL, &diag), GV_OK, "%s", diag.text);
}

static void teardown(void)
{
    gv_control_free(&control);
    host_remove_dir();
}

TestSuite(control, .init = setup, .fini = teardown);

static int dial(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock", dir);
    cr_assert(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void say(int fd, const char *text)
{
    cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static void steps(int count)
{
    for (int i = 0; i < count; i++) {
        gv_control_step(control, now_us);
    }
}

/* What has come for the client, terminated; "" if nothing; NULL if the other end is closed. */
static const char *hear(int fd)
{
    static char text[65536];
    ssize_t got = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) {
        return NULL;
    }
    text[got > 0 ? got : 0] = '\0';
    return text;
}

/* Runs the server until told to end, as a daemon's loop would. */
static atomic_bool serving;
static void *serve(void *unused)
{
    (void)unused;
    while (atomic_load(&serving)) {
        struct gv_control_poll fds[GV_CONTROL_CLIENTS_MAX + 1];
        struct pollfd items[GV_CONTROL_CLIENTS_MAX + 1];
        uint32_t count = gv_control_fds(control, fds);
        for (uint32_t i = 0; i < count; i++) {
            items[i] = (struct pollfd){.fd = fds[i].fd, .events = (short)(fds[i].write ? POLLOUT : POLLIN)};
        }
        (void)poll(items, count, 10);
        gv_control_step(control, now_us);
    }
    return NULL;
}

static pthread_t start_serving(void)
{
    pthread_t thread;
    atomic_store(&serving, true);
    cr_assert_eq(pthread_create(&thread, NULL, serve, NULL), 0);
    return thread;
}

static void end_serving(pthread_t thread)
{
    atomic_store(&serving, false);
    (void)pthread_join(thread, NULL);
}

Test(control, a_call_gets_its_reply)
{
    struct gv_diag diag = {.text = ""};
    json_t *reply = NULL;
    json_t *request = json_pack("{s:s,s:s}", "cmd", "echo", "text", "h\u00e9llo \"you\"\n");
    pthread_t thread = start_serving();
    enum gv_err err = gv_control_call(dir, request, &reply, 5000, &diag);
    end_serving(thread);
    cr_assert_eq(err, GV_OK, "%s", diag.text);
    cr_expect_str_eq(json_string_value(json_object_get(reply, "text")), "h\u00e9llo \"you\"\n");
    json_decref(reply);
    json_decref(request);
}

Test(control, a_reply_longer_than_any_buffer_arrives_whole)
{
    struct gv_diag diag = {.text = ""};
    json_t *reply = NULL;
    json_t *request = json_pack("{s:s,s:i}", "cmd", "big", "bytes", 900000);
    pthread_t thread = start_serving();
    enum gv_err err = gv_control_call(dir, request, &reply, 10000, &diag);
    end_serving(thread);
    cr_assert_eq(err, GV_OK, "%s", diag.text);
    cr_expect_eq(json_string_length(json_object_get(reply, "text")), 900000);
    json_decref(reply);
    json_decref(request);
}

Test(control, a_reply_that_is_no_object_is_an_error_and_nobodys_to_give_up)
{
    struct gv_diag diag;
    json_t *request = json_pack("{s:s}", "cmd", "list");
    json_t *reply = NULL;
    pthread_t thread = start_serving();
    cr_expect_eq(gv_control_call(dir, request, &reply, 5000, &diag), GV_ERR_IO);
    end_serving(thread);
    cr_expect_null(reply);
    cr_expect_not_null(strstr(diag.text, "not a JSON object"), "%s", diag.text);
    json_decref(request);
}

Test(control, the_socket_is_private_and_removed_at_the_end)
{
    struct stat info;
    cr_assert_eq(lstat(host_path("control.sock"), &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0600);
    gv_control_free(&control);
    cr_expect_not(host_exists("control.sock"));
}

Test(control, several_lines_in_one_piece_get_a_reply_each)
{
    int fd = dial();
    say(fd, "{\"cmd\":\"echo\",\"text\":\"one\"}\n\n{\"cmd\":\"echo\",\"text\":\"two\"}\n{\"cmd\":\"echo\",\"te");
    steps(2);
    const char *heard = hear(fd);
    cr_expect(heard != NULL && strstr(heard, "one") != NULL && strstr(heard, "two") != NULL, "%s", heard);
    say(fd, "xt\":\"three\"}\n");
    steps(1);
    heard = hear(fd);
    cr_expect(heard != NULL && strstr(heard, "three") != NULL);
    cr_expect_eq(requests, 3);
    (void)close(fd);
}

Test(control, a_listener_without_a_descriptor_left_is_not_polled_for_a_second)
{
    struct gv_control_poll fds[GV_CONTROL_CLIENTS_MAX + 1];
    struct rlimit before;
    int fd = dial();
    say(fd, "{\"cmd\":\"echo\",\"text\":\"late\"}\n");
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    now_us = 5000000;
    steps(1);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    cr_expect_eq(gv_control_fds(control, fds), 0);
    steps(1);
    cr_expect_eq(requests, 0);
    now_us += 1000000;
    steps(2);
    cr_expect_eq(gv_control_fds(control, fds), 2);
    cr_expect_eq(requests, 1);
    (void)close(fd);
}

Test(control, garbage_is_answered_and_the_client_may_go_on)
{
    static const char *const bad[] = {
        "hello\n",          "[]\n",   "{}\n", "{\"cmd\":7}\n", "{\"cmd\":\"a\",\"cmd\":\"b\"}\n", "\xff\xfe\n",
        "{\"cmd\":\"x\"\n", "null\n", "\"\n"};
    int fd = dial();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        say(fd, bad[i]);
        steps(2);
        const char *heard = hear(fd);
        cr_expect(heard != NULL && strstr(heard, "\"ok\":false") != NULL && strstr(heard, "\"code\":200") != NULL,
                  "\"%s\" gave %s", bad[i], heard != NULL ? heard : "a closed socket");
    }
    cr_expect_eq(requests, 0);
    say(fd, "{\"cmd\":\"echo\",\"text\":\"fine\"}\n");
    steps(2);
    cr_expect(strstr(hear(fd), "fine") != NULL);
    (void)close(fd);
}

Test(control, a_deeply_nested_line_is_only_a_bad_line)
{
    static char line[300001];
    memset(line, '[', sizeof line - 1);
    line[sizeof line - 2] = '\n';
    int fd = dial();
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    size_t sent = 0;
    const char *heard = "";
    for (int i = 0; i < 1000 && heard != NULL && heard[0] == '\0'; i++) {
        ssize_t more = sent < sizeof line - 1 ? send(fd, line + sent, sizeof line - 1 - sent, MSG_NOSIGNAL) : 0;
        sent += more > 0 ? (size_t)more : 0;
        steps(4);
        heard = hear(fd);
    }
    cr_expect(heard != NULL && strstr(heard, "\"ok\":false") != NULL);
    (void)close(fd);
}

Test(control, an_endless_line_is_cut_off)
{
    static char piece[65536];
    memset(piece, 'a', sizeof piece);
    int fd = dial();
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    size_t sent = 0;
    for (int i = 0; i < 2000 && sent < 8u * GV_CONTROL_LINE_MAX; i++) {
        ssize_t more = send(fd, piece, sizeof piece, MSG_NOSIGNAL);
        if (more < 0 && errno != EAGAIN) {
            break;
        }
        sent += more > 0 ? (size_t)more : 0;
        steps(4);
    }
    cr_expect_lt(sent, 4u * GV_CONTROL_LINE_MAX, "what it takes in is bounded");
    cr_expect_eq(requests, 0);
    (void)close(fd);
}

Test(control, a_line_that_is_too_long_is_answered_and_the_client_may_go_on)
{
    static char line[GV_CONTROL_LINE_MAX + GV_CONTROL_LINE_MAX / 2];
    memset(line, 'a', sizeof line);
    line[sizeof line - 1] = '\n';
    int fd = dial();
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    for (size_t sent = 0, i = 0; sent < sizeof line && i < 2000; i++) {
        ssize_t more = send(fd, line + sent, sizeof line - sent, MSG_NOSIGNAL);
        sent += more > 0 ? (size_t)more : 0;
        steps(4);
    }
    steps(100); /* what the socket's buffer holds */
    const char *heard = hear(fd);
    cr_expect(heard != NULL && strstr(heard, "longer than 1 MiB") != NULL, "%s", heard != NULL ? heard : "closed");
    say(fd, "{\"cmd\":\"echo\",\"text\":\"fine\"}\n");
    steps(4);
    heard = hear(fd);
    cr_expect(heard != NULL && strstr(heard, "fine") != NULL, "%s", heard != NULL ? heard : "closed");
    (void)close(fd);
}

Test(control, a_request_that_is_too_long_is_not_sent)
{
    struct gv_diag diag = {.text = ""};
    json_t *reply = NULL;
    char *text = malloc(GV_CONTROL_LINE_MAX + 1);
    cr_assert_not_null(text);
    memset(text, 'a', GV_CONTROL_LINE_MAX);
    text[GV_CONTROL_LINE_MAX] = '\0';
    json_t *request = json_pack("{s:s,s:s}", "cmd", "echo", "text", text);
    cr_expect_eq(gv_control_call(dir, request, &reply, 1000, &diag), GV_ERR_USAGE);
    cr_expect(strstr(diag.text, "at most 1048576") != NULL, "%s", diag.text);
    json_decref(request);
    free(text);
}

Test(control, a_client_that_reads_nothing_is_not_read_from)
{
    int fd = dial();
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    static const char request[] = "{\"cmd\":\"big\",\"bytes\":100000}\n";
    for (int i = 0; i < 500; i++) {
        (void)send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
        steps(2);
    }
    cr_expect_lt(requests, 20, "replies do not pile up: %u", requests);
    int other = dial();
    say(other, "{\"cmd\":\"echo\",\"text\":\"me too\"}\n");
    steps(2);
    cr_expect(strstr(hear(other), "me too") != NULL, "others are served meanwhile");
    (void)close(fd);
    (void)close(other);
}

Test(control, a_client_that_has_said_all_is_answered_all)
{
    unsigned replies = 0;
    int fd = dial();
    for (int i = 0; i < 20; i++) {
        say(fd, "{\"cmd\":\"big\",\"bytes\":100000}\n");
    }
    cr_assert_eq(shutdown(fd, SHUT_WR), 0);
    steps(5);
    for (const char *text = hear(fd); text != NULL; text = hear(fd)) {
        replies += strchr(text, '\n') != NULL ? 1 : 0;
        steps(1);
    }
    cr_expect_eq(replies, 20);
    cr_expect_eq(requests, 20);
    (void)close(fd);
}

Test(control, more_clients_than_places_push_out_the_idlest)
{
    int fds[3 * GV_CONTROL_CLIENTS_MAX];
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        now_us += 1000;
        fds[i] = dial();
        steps(1);
        struct gv_control_poll polled[GV_CONTROL_CLIENTS_MAX + 1];
        cr_expect_leq(gv_control_fds(control, polled), GV_CONTROL_CLIENTS_MAX + 1);
    }
    cr_expect_null(hear(fds[0]), "the oldest was dropped");
    int last = fds[sizeof fds / sizeof fds[0] - 1];
    say(last, "{\"cmd\":\"echo\",\"text\":\"here\"}\n");
    steps(2);
    cr_expect(strstr(hear(last), "here") != NULL);
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        (void)close(fds[i]);
    }
}

Test(control, an_idle_client_is_dropped_after_half_a_minute)
{
    int fd = dial();
    steps(1);
    now_us += 29u * 1000 * 1000;
    steps(1);
    cr_expect_not_null(hear(fd));
    now_us += 2u * 1000 * 1000;
    steps(1);
    cr_expect_null(hear(fd));
    (void)close(fd);
}

Test(control, a_stale_socket_is_replaced_but_nothing_else)
{
    struct gv_diag diag = {.text = ""};
    gv_control_free(&control);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/control.sock", dir);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert_eq(bind(stale, (const struct sockaddr *)&address, sizeof address), 0);
    (void)close(stale);
    cr_expect_eq(gv_control_new(&control, dir, handle, NULL, &diag), GV_OK, "%s", diag.text);
    gv_control_free(&control);
    host_write("control.sock", "a file", 6);
    cr_expect_eq(gv_control_new(&control, dir, handle, NULL, &diag), GV_ERR_PATH);
    cr_expect_not_null(strstr(diag.text, "not a socket"), "%s", diag.text);
    cr_expect(host_exists("control.sock"));
}

Test(control, a_path_too_long_for_a_socket_says_both_lengths)
{
    char longest[160];
    struct gv_control *none = NULL;
    struct gv_diag diag = {.text = ""};
    json_t *reply = NULL;
    json_t *request = json_pack("{s:s}", "cmd", "echo");
    memset(longest, 'd', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    cr_expect_eq(gv_control_new(&none, longest, handle, NULL, &diag), GV_ERR_PATH);
    cr_expect(strstr(diag.text, "172 characters") != NULL && strstr(diag.text, "at most 107") != NULL, "%s", diag.text);
    cr_expect_eq(gv_control_call(longest, request, &reply, 100, &diag), GV_ERR_PATH);
    json_decref(request);
}

Test(control, without_a_daemon_a_call_says_so)
{
    struct gv_diag diag = {.text = ""};
    json_t *reply = NULL;
    json_t *request = json_pack("{s:s}", "cmd", "echo");
    gv_control_free(&control);
    cr_expect_eq(gv_control_call(dir, request, &reply, 1000, &diag), GV_ERR_NOT_FOUND);
    cr_expect_not_null(strstr(diag.text, "no daemon runs on"), "%s", diag.text);
    cr_expect_eq(gv_control_call("/nowhere", request, &reply, 1000, &diag), GV_ERR_NOT_FOUND);
    json_decref(request);
}

Test(control, a_daemon_that_does_not_answer_is_waited_for_in_vain)
{
    struct gv_diag diag = {.text = ""};
    json_t *reply = NULL;
    json_t *request = json_pack("{s:s}", "cmd", "echo");
    cr_expect_eq(gv_control_call(dir, request, &reply, 100, &diag), GV_ERR_TIMEOUT, "nobody steps the server");
    cr_expect_not_null(strstr(diag.text, "did not answer"), "%s", diag.text);
    json_decref(request);
}

struct caller {
    struct gv_diag diag;
    enum gv_err err;
};

static void *call_echo(void *context)
{
    struct caller *caller = context;
    json_t *reply = NULL;
    json_t *request = json_pack("{s:s}", "cmd", "echo");
    caller->err = gv_control_call(dir, request, &reply, 5000, &caller->diag);
    json_decref(request);
    return NULL;
}

Test(control, a_daemon_that_ends_before_it_answers_is_stopping)
{
    for (int accepted = 0; accepted < 2; accepted++) {
        struct caller caller = {.err = GV_OK};
        struct gv_control_poll fds[GV_CONTROL_CLIENTS_MAX + 1];
        pthread_t thread;
        (void)gv_control_fds(control, fds);
        struct pollfd called = {.fd = fds[0].fd, .events = POLLIN};
        cr_assert_eq(pthread_create(&thread, NULL, call_echo, &caller), 0);
        cr_assert_eq(poll(&called, 1, 5000), 1, "nobody called");
        if (accepted == 0) { /* the request lies unread */
            gv_control_free(&control);
        } else {
            int fd = accept(called.fd, NULL, NULL);
            char byte;
            cr_assert_eq(recv(fd, &byte, 1, 0), 1);
            (void)close(fd);
        }
        (void)pthread_join(thread, NULL);
        cr_expect_eq(caller.err, GV_ERR_STOPPING, "%s", caller.diag.text);
        cr_expect_not_null(strstr(caller.diag.text, "try again"), "%s", caller.diag.text);
        if (accepted == 0) {
            cr_assert_eq(gv_control_new(&control, dir, handle, NULL, &caller.diag), GV_OK, "%s", caller.diag.text);
        }
    }
}
