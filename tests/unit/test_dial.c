/* Dialling over real sockets on loopback: names, addresses in turn, why a dial fails. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net_help.h"

/* In the place of the resolver's, for libzmq too: one name takes its time, one is of two addresses. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (name != NULL && strstr(name, "slow.example") != NULL) {
        (void)sleep(3);
        return EAI_AGAIN;
    }
    if (name != NULL && strcmp(name, "node.example") == 0) {
        int code = real("::1", service, hints, list); /* where nobody listens */
        return code != 0 ? code : real("127.0.0.1", service, hints, &(*list)->ai_next);
    }
    return real(name, service, hints, list);
}

Test(dial, fail_with_the_wrong_server_key)
{
    struct net_end dialler;
    struct net_end listener;
    net_open(&listener, "tcp://127.0.0.1:*");
    net_open(&dialler, "");
    gv_net_dial(dialler.net, 77, gv_net_endpoint(listener.net), gv_curve_key_public(dialler.key), net_now_us());
    uint64_t end_us = net_now_us() + 8000000;
    while (dialler.seen.failed == 0 && net_now_us() < end_us) {
        (void)net_until(&dialler, &listener, &dialler.seen.failed, 1);
    }
    cr_assert_eq(dialler.seen.failed, 1);
    cr_assert_eq(dialler.seen.last_error, GV_ERR_HANDSHAKE);
    struct gv_net_stats stats;
    end_us = net_now_us() + 3000000;
    do {
        net_turn(listener.net);
        gv_net_stats(listener.net, &stats);
    } while (stats.drops.count[GV_DROP_HANDSHAKE] == 0 && net_now_us() < end_us);
    cr_assert_eq(stats.drops.count[GV_DROP_HANDSHAKE], 1);
    cr_assert_eq(stats.kicked, 0);
    cr_assert_eq(dialler.seen.up, 0);
    cr_assert_eq(listener.seen.in, 0);
    net_close(&dialler);
    net_close(&listener);
}

Test(dial, fail_at_a_port_where_nobody_listens)
{
    struct net_end dialler;
    net_open(&dialler, "");
    gv_net_dial(dialler.net, 77, "tcp://127.0.0.1:9", gv_curve_key_public(dialler.key), net_now_us());
    uint64_t end_us = net_now_us() + 8000000;
    while (dialler.seen.failed == 0 && net_now_us() < end_us) {
        (void)net_until(&dialler, NULL, &dialler.seen.failed, 1);
    }
    cr_assert_eq(dialler.seen.failed, 1);
    cr_assert_eq(dialler.seen.last_error, GV_ERR_UNREACHABLE);
    net_close(&dialler);
}

/* A dial to this host at the listener's port. */
static void dial_name(struct net_end *dialler, const struct net_end *listener, const char *host)
{
    char endpoint[64];
    const char *port = strrchr(gv_net_endpoint(listener->net), ':');
    (void)snprintf(endpoint, sizeof endpoint, "tcp://%s%s", host, port);
    gv_net_dial(dialler->net, 77, endpoint, gv_curve_key_public(listener->key), net_now_us());
}

Test(dial, carry_frames_while_a_name_is_being_looked_up)
{
    struct net_end dialler;
    struct net_end listener;
    net_connect(&dialler, &listener);
    uint32_t link = dialler.seen.last_link;
    uint64_t start_us = net_now_us();
    dial_name(&dialler, &listener, "slow.example");
    for (uint32_t i = 0; i < 20; i++) {
        cr_assert_eq(net_say(&dialler, link, "still here"), GV_OK);
        cr_assert(net_until(&dialler, &listener, &listener.seen.frames, 2 + i), "frame %u", i);
    }
    cr_assert_lt(net_now_us() - start_us, 1500000);
    cr_assert_eq(dialler.seen.failed, 0);
    while (dialler.seen.failed == 0 && net_now_us() < start_us + 8000000) {
        (void)net_until(&dialler, &listener, &dialler.seen.failed, 1);
    }
    cr_assert_eq(dialler.seen.failed, 1);
    cr_assert_eq(dialler.seen.last_error, GV_ERR_UNREACHABLE);
    net_close(&dialler);
    net_close(&listener);
}

Test(dial, try_each_family_of_a_name_while_others_are_looked_up)
{
    struct net_end dialler;
    struct net_end listener;
    net_open(&listener, "tcp://127.0.0.1:*");
    net_open(&dialler, "");
    dial_name(&dialler, &listener, "a.slow.example");
    dial_name(&dialler, &listener, "b.slow.example");
    dial_name(&dialler, &listener, "node.example");
    cr_assert(net_until(&dialler, &listener, &dialler.seen.up, 1));
    cr_assert_eq(net_say(&dialler, dialler.seen.last_link, "hello"), GV_OK);
    cr_assert(net_until(&dialler, &listener, &listener.seen.frames, 1));
    uint64_t start_us = net_now_us();
    net_close(&dialler); /* waits for no look-up */
    cr_assert_lt(net_now_us() - start_us, 1000000);
    net_close(&listener);
}
