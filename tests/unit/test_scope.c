/* How far addresses reach, by their text. */
#include <criterion/criterion.h>

#include "scope.h"

Test(scope, says_how_far_an_address_reaches)
{
    static const struct {
        const char *endpoint;
        enum gv_scope scope;
    } cases[] = {
        {"tcp://127.0.0.1:1", GV_SCOPE_LOOPBACK},
        {"tcp://[::1]:1", GV_SCOPE_LOOPBACK},
        {"tcp://localhost:1", GV_SCOPE_LOOPBACK},
        {"tcp://10.1.2.3:1", GV_SCOPE_PRIVATE},
        {"tcp://172.16.0.1:1", GV_SCOPE_PRIVATE},
        {"tcp://172.32.0.1:1", GV_SCOPE_PUBLIC},
        {"tcp://192.168.1.9:1", GV_SCOPE_PRIVATE},
        {"tcp://100.64.0.1:1", GV_SCOPE_PRIVATE},
        {"tcp://169.254.3.4:1", GV_SCOPE_PRIVATE},
        {"tcp://[fe80::1]:1", GV_SCOPE_PRIVATE},
        {"tcp://[fd12::1]:1", GV_SCOPE_PRIVATE},
        {"tcp://[2001:db9::1]:1", GV_SCOPE_PUBLIC},
        {"tcp://[::ffff:10.0.0.1]:1", GV_SCOPE_PRIVATE},
        {"tcp://93.184.216.34:1", GV_SCOPE_PUBLIC},
        {"tcp://0.0.0.0:1", GV_SCOPE_ANY},
        {"tcp://[::0]:1", GV_SCOPE_ANY},
        {"tcp://[::]:1", GV_SCOPE_ANY},
        {"tcp://*:1", GV_SCOPE_ANY},
        {"tcp://node.example.org:1", GV_SCOPE_NAME},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cr_assert_eq(gv_scope_of(cases[i].endpoint), cases[i].scope, "%s", cases[i].endpoint);
    }
}

Test(scope, takes_an_endpoint_apart)
{
    char host[GV_ENDPOINT_BYTES_MAX + 1];
    uint32_t port = 0;
    cr_assert(gv_endpoint_split(host, &port, "tcp://[2001:db9::1]:7400"));
    cr_assert_str_eq(host, "[2001:db9::1]");
    cr_assert_eq(port, 7400);
    cr_assert(!gv_endpoint_split(host, &port, "tcp://nothing"));
    cr_assert(!gv_endpoint_split(host, &port, ""));
}

Test(scope, an_address_needs_no_look_up)
{
    static const char *const literal[] = {"tcp://1.2.3.4:5", "tcp://[::1]:5", "tcp://[fe80::1%eth0]:5"};
    static const char *const other[] = {"tcp://localhost:5", "tcp://a.b:5", "tcp://1.2.3:5", "tcp://[a.b]:5",
                                        "tcp://[::1:5",      "tcp://*:5",   "tcp://1.2.3.4", "1.2.3.4:5"};
    for (size_t i = 0; i < sizeof literal / sizeof literal[0]; i++) {
        cr_expect(gv_endpoint_literal(literal[i]), "%s", literal[i]);
    }
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        cr_expect_not(gv_endpoint_literal(other[i]), "%s", other[i]);
    }
}
