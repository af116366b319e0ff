/* Accepted connections, as real sockets on loopback: who is exempt, what one address may do, what a full house does. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "inbound.h"

#define PAIRS_MAX 120
#define SECOND_US 1000000u

struct scene {
    int listener;
    uint16_t port;
    int count;
    int far[PAIRS_MAX], near[PAIRS_MAX];
    struct gv_inbound inbound;
};

static void open_scene(struct scene *scene)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    memset(scene, 0, sizeof *scene);
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    scene->listener = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(scene->listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(scene->listener, PAIRS_MAX), 0);
    cr_assert_eq(getsockname(scene->listener, (struct sockaddr *)&address, &size), 0);
    scene->port = ntohs(address.sin_port);
    gv_inbound_init(&scene->inbound, scene->port, 96);
}

static void close_scene(struct scene *scene)
{
    for (int i = 0; i < scene->count; i++) {
        (void)close(scene->far[i]);
        (void)close(scene->near[i]);
    }
    (void)close(scene->listener);
    gv_inbound_deinit(&scene->inbound);
}

/* A connection from 127.a.b.c. Returns false if it was cut at once. */
static bool connects(struct scene *scene, uint32_t from, uint64_t now_us)
{
    struct sockaddr_in own = {.sin_family = AF_INET}, to = {.sin_family = AF_INET};
    own.sin_addr.s_addr = htonl(from);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(scene->port);
    cr_assert_lt(scene->count, PAIRS_MAX);
    int far = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(bind(far, (struct sockaddr *)&own, sizeof own), 0);
    cr_assert_eq(connect(far, (struct sockaddr *)&to, sizeof to), 0);
    int near = accept(scene->listener, NULL, NULL);
    cr_assert_geq(near, 0);
    scene->far[scene->count] = far;
    scene->near[scene->count++] = near;
    uint64_t cut = gv_inbound_cut(&scene->inbound);
    gv_inbound_accepted(&scene->inbound, near, now_us);
    return gv_inbound_cut(&scene->inbound) == cut || gv_inbound_find(&scene->inbound, near) != NULL;
}

Test(inbound, cuts_an_address_that_knocks_without_a_word)
{
    struct scene scene;
    open_scene(&scene);
    int admitted = 0;
    for (int i = 0; i < 20; i++) {
        admitted += connects(&scene, 0x7f010001, SECOND_US) ? 1 : 0;
    }
    cr_assert_eq(admitted, GV_PER_ADDRESS_PROVISIONAL_MAX);
    cr_assert(connects(&scene, 0x7f010002, SECOND_US), "another address has its own allowance");
    close_scene(&scene);
}

Test(inbound, counts_whoever_speaks_without_being_admitted)
{
    struct scene scene;
    open_scene(&scene);
    for (int i = 0; i < GV_PER_ADDRESS_PROVISIONAL_MAX; i++) {
        cr_assert(connects(&scene, 0x7f010001, SECOND_US));
        gv_inbound_find(&scene.inbound, scene.near[i])->link = 1 + (uint32_t)i; /* a PING, say */
    }
    cr_assert_not(connects(&scene, 0x7f010001, SECOND_US));
    gv_inbound_find(&scene.inbound, scene.near[0])->admitted = true;
    cr_assert(connects(&scene, 0x7f010001, 2 * SECOND_US));
    close_scene(&scene);
}

Test(inbound, lets_a_swarm_on_one_machine_form)
{
    struct scene scene;
    open_scene(&scene);
    for (int i = 0; i < 40; i++) {
        cr_assert(connects(&scene, INADDR_LOOPBACK, SECOND_US), "connection %d", i);
    }
    close_scene(&scene);
}

Test(inbound, keeps_places_for_others_when_its_own_machine_floods)
{
    struct scene scene;
    open_scene(&scene);
    for (int i = 0; i < 100; i++) {
        (void)connects(&scene, INADDR_LOOPBACK, SECOND_US);
    }
    cr_assert_eq(scene.inbound.count, GV_LOCAL_PROVISIONAL_MAX);
    cr_assert(connects(&scene, 0x7f010001, SECOND_US));
    close_scene(&scene);
}

Test(inbound, lets_the_silent_make_way_after_a_second)
{
    struct scene scene;
    open_scene(&scene);
    for (uint32_t i = 0; i < GV_PROVISIONAL_MAX; i++) {
        cr_assert(connects(&scene, 0x7f010001 + i / GV_PER_ADDRESS_PROVISIONAL_MAX, SECOND_US + i));
    }
    cr_assert_not(connects(&scene, 0x7f020001, SECOND_US + 900000), "all places are taken by the young");
    cr_assert(connects(&scene, 0x7f020001, 2 * SECOND_US + 10), "the oldest has had its time");
    cr_assert(gv_inbound_find(&scene.inbound, scene.near[0])->kicked);
    cr_assert_not(gv_inbound_find(&scene.inbound, scene.near[GV_PROVISIONAL_MAX - 1])->kicked);
    close_scene(&scene);
}

static bool same_source(const char *a, const char *b)
{
    struct sockaddr_storage address[2];
    uint8_t source[2][16];
    const char *text[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&address[i];
        memset(&address[i], 0, sizeof address[i]);
        in6->sin6_family = AF_INET6;
        cr_assert_eq(inet_pton(AF_INET6, text[i], &in6->sin6_addr), 1);
        cr_assert_not(gv_inbound_source(source[i], &address[i]));
    }
    return memcmp(source[0], source[1], 16) == 0;
}

Test(inbound, counts_an_ipv6_network_as_one_address)
{
    cr_assert(same_source("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"), "one customer has all of a /64");
    cr_assert_not(same_source("2001:db8:1:2::1", "2001:db8:1:3::1"));
    cr_assert_not(same_source("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
}

Test(inbound, takes_only_the_address_of_the_machine_itself_for_local)
{
    struct sockaddr_storage address = {.ss_family = AF_INET};
    struct sockaddr_in *in4 = (struct sockaddr_in *)(void *)&address;
    uint8_t source[16];
    in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert(gv_inbound_source(source, &address));
    in4->sin_addr.s_addr = htonl(0x7f010001);
    cr_assert_not(gv_inbound_source(source, &address));
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&address;
    in6->sin6_family = AF_INET6;
    cr_assert_eq(inet_pton(AF_INET6, "::1", &in6->sin6_addr), 1);
    cr_assert(gv_inbound_source(source, &address));
    cr_assert_eq(inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6->sin6_addr), 1);
    cr_assert(gv_inbound_source(source, &address));
}
