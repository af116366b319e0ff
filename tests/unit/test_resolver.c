/* Names to addresses, with a resolver of our own that takes its time. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "resolver.h"

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    if (strstr(name, "slow") != NULL) {
        (void)sleep(2);
        return EAI_AGAIN;
    }
    if (strcmp(name, "many") == 0) {
        int code = real("10.0.0.1", service, hints, list);
        code = code == 0 ? real("10.0.0.2", service, hints, &(*list)->ai_next) : code;
        return code == 0 ? real("2001:db8::1", service, hints, &(*list)->ai_next->ai_next) : code;
    }
    return real(name, service, hints, list);
}

/* The tag of the next answer, 0 if none comes in a second. */
static uint32_t next_answer(struct gv_resolver *resolver, struct gv_addresses *addresses)
{
    uint32_t tag = 0;
    struct pollfd fd = {.fd = gv_resolver_fd(resolver), .events = POLLIN};
    return poll(&fd, 1, 1000) > 0 && gv_resolver_take(resolver, &tag, addresses, gv_now_us()) ? tag : 0;
}

Test(resolver, finds_the_first_address_of_each_family)
{
    struct gv_addresses addresses;
    cr_assert_eq(gv_resolve(&addresses, "tcp://many:7400", GV_FAMILY_ANY, 1000), GV_OK);
    cr_assert_eq(addresses.count, 2);
    cr_expect_str_eq(addresses.endpoint[0], "tcp://10.0.0.1:7400");
    cr_expect_str_eq(addresses.endpoint[1], "tcp://[2001:db8::1]:7400");
}

Test(resolver, looks_nothing_up_for_an_address)
{
    struct gv_addresses addresses;
    cr_assert_eq(gv_resolve(&addresses, "tcp://[fe80::1%lo]:7400", GV_FAMILY_ANY, 0), GV_OK);
    cr_assert_eq(addresses.count, 1);
    cr_expect_str_eq(addresses.endpoint[0], "tcp://[fe80::1%lo]:7400");
}

Test(resolver, waits_no_longer_than_it_is_told)
{
    struct gv_addresses addresses;
    uint64_t start_us = gv_now_us();
    cr_expect_eq(gv_resolve(&addresses, "tcp://slow:7400", GV_FAMILY_ANY, 100), GV_ERR_TIMEOUT);
    cr_expect_lt(gv_now_us() - start_us, 1000000);
}

Test(resolver, answers_what_is_quick_before_what_is_slow)
{
    struct gv_resolver *resolver = NULL;
    struct gv_addresses addresses;
    cr_assert_eq(gv_resolver_new(&resolver), GV_OK);
    for (uint32_t i = 1; i < GV_LOOKUPS_MAX; i++) {
        cr_assert(gv_resolver_ask(resolver, i, "tcp://slow:1", GV_FAMILY_ANY, gv_now_us()));
    }
    cr_assert(gv_resolver_ask(resolver, 10, "tcp://many:1", GV_FAMILY_ANY, gv_now_us()));
    cr_expect_eq(next_answer(resolver, &addresses), 10);
    gv_resolver_free(&resolver);
}

Test(resolver, passes_over_what_has_waited_too_long_and_takes_a_bounded_number)
{
    struct gv_resolver *resolver = NULL;
    struct gv_addresses addresses;
    uint64_t now_us = gv_now_us();
    cr_assert_eq(gv_resolver_new(&resolver), GV_OK);
    for (uint32_t i = 0; i < GV_LOOKUPS_MAX + GV_LOOKUPS_WAITING; i++) {
        bool old = i >= GV_LOOKUPS_MAX && i + 1 < GV_LOOKUPS_MAX + GV_LOOKUPS_WAITING;
        const char *name = i < GV_LOOKUPS_MAX || old ? "tcp://slow:1" : "tcp://many:1";
        cr_assert(gv_resolver_ask(resolver, 100 + i, name, GV_FAMILY_ANY, now_us - (old ? GV_LOOKUP_US : 0)));
    }
    cr_assert_not(gv_resolver_ask(resolver, 1, "tcp://many:1", GV_FAMILY_ANY, now_us));
    bool last = false;
    for (int i = 0; i < 8 && !last; i++) {
        last = next_answer(resolver, &addresses) == 100 + GV_LOOKUPS_MAX + GV_LOOKUPS_WAITING - 1;
    }
    cr_expect(last, "behind 63 names that nobody waits for any more");
    gv_resolver_free(&resolver);
}
