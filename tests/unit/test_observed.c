/* Where others see us: who is believed, and when. */
#include <criterion/criterion.h>
#include <string.h>

#include "observed.h"

static struct gv_observed seen;

static bool says(uint8_t peer, const char *endpoint)
{
    struct gv_id id = {.b = {peer}};
    return gv_observed_report(&seen, &id, endpoint);
}

Test(observed, the_first_report_will_do_where_there_is_nothing)
{
    cr_expect(says(1, "tcp://1.2.3.4:5555"));
    cr_expect_str_eq(seen.host, "1.2.3.4");
    cr_expect_not(says(2, "tcp://1.2.3.4:6666"), "nothing new");
}

Test(observed, one_peer_moves_nothing_however_often_it_speaks)
{
    (void)says(1, "tcp://1.2.3.4:1");
    for (int i = 0; i < 10; i++) {
        cr_expect_not(says(2, "tcp://6.6.6.6:1"));
        cr_expect_not(says(2, "tcp://7.7.7.7:1"));
    }
    cr_expect_not(says(3, "tcp://6.6.6.6:1"));
    cr_expect_str_eq(seen.host, "1.2.3.4");
}

Test(observed, three_peers_that_agree_move_it)
{
    (void)says(1, "tcp://1.2.3.4:1");
    cr_expect_not(says(2, "tcp://[2001:db8::1]:1"));
    cr_expect_not(says(3, "tcp://[2001:db8::1]:2"));
    cr_expect(says(1, "tcp://[2001:db8::1]:3"), "who has changed its mind");
    cr_expect_str_eq(seen.host, "[2001:db8::1]");
}

Test(observed, where_there_are_fewer_than_three_all_must_agree)
{
    (void)says(1, "tcp://1.2.3.4:1");
    cr_expect(says(1, "tcp://2.2.2.2:1"), "the only one there is");
    cr_expect_not(says(2, "tcp://3.3.3.3:1"));
    cr_expect_str_eq(seen.host, "2.2.2.2");
    cr_expect(says(1, "tcp://3.3.3.3:1"));
    cr_expect_not(says(3, "tcp://4.4.4.4:1"));
    cr_expect_not(says(1, "tcp://4.4.4.4:1"));
    cr_expect_str_eq(seen.host, "3.3.3.3");
}

Test(observed, three_do_not_outvote_as_many)
{
    for (uint8_t peer = 1; peer <= 4; peer++) {
        (void)says(peer, "tcp://1.2.3.4:1");
    }
    for (uint8_t peer = 5; peer <= 8; peer++) {
        cr_expect_not(says(peer, "tcp://6.6.6.6:1"));
    }
    cr_expect(says(9, "tcp://6.6.6.6:1"), "the fifth, of the last eight");
}

Test(observed, what_is_no_address_moves_nothing)
{
    static const char *const garbage[] = {"",
                                          "tcp://!!!:1",
                                          "tcp://a.example:1",
                                          "tcp://0.0.0.0:1",
                                          "tcp://[::]:1",
                                          "tcp://*:1",
                                          "tcp://[fe80::1%eth0]:1",
                                          "tcp://1.2.3.4",
                                          "tcp://1.2.3.4:0"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        cr_expect_not(says(1, garbage[i]), "%s", garbage[i]);
    }
    cr_expect_str_eq(seen.host, "");
    (void)says(1, "tcp://1.2.3.4:1");
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        for (uint8_t peer = 2; peer < 6; peer++) {
            cr_expect_not(says(peer, garbage[i]), "%s", garbage[i]);
        }
    }
    cr_expect_str_eq(seen.host, "1.2.3.4");
}
