/* Bandwidth caps, under a clock of our own. */
#include <criterion/criterion.h>
#include <string.h>

#include "shaper.h"

static struct gv_mail letter(uint64_t nonce)
{
    return (struct gv_mail){.kind = GV_MAIL_ENCODE, .nonce = nonce};
}

Test(shaper, passes_everything_at_once_without_a_cap)
{
    struct gv_shaper shaper;
    struct gv_mail mail;
    memset(&shaper, 0, sizeof shaper);
    for (uint64_t i = 1; i <= 5; i++) {
        mail = letter(i);
        cr_assert(gv_shaper_put(&shaper, &mail, 1000000));
    }
    for (uint64_t i = 1; i <= 5; i++) {
        cr_assert_leq(gv_shaper_deadline(&shaper, 7), 7);
        cr_assert(gv_shaper_take(&shaper, &mail, 7));
        cr_assert_eq(mail.nonce, i);
    }
    cr_assert_eq(gv_shaper_deadline(&shaper, 7), UINT64_MAX);
}

Test(shaper, keeps_to_its_cap_over_ten_seconds)
{
    struct gv_shaper shaper;
    struct gv_mail mail;
    memset(&shaper, 0, sizeof shaper);
    gv_shaper_set(&shaper, 1000000);
    uint64_t passed = 0;
    uint64_t now_us = 1000000;
    uint64_t end_us = now_us + 10000000;
    while (now_us < end_us) {
        mail = letter(1);
        (void)gv_shaper_put(&shaper, &mail, 65536);
        while (gv_shaper_take(&shaper, &mail, now_us)) {
            passed += 65536;
        }
        uint64_t next_us = gv_shaper_deadline(&shaper, now_us);
        now_us = next_us > now_us && next_us != UINT64_MAX ? next_us : now_us + 1000;
    }
    cr_assert_geq(passed, 9500000u, "%llu bytes", (unsigned long long)passed);
    cr_assert_leq(passed, 10500000u, "%llu bytes", (unsigned long long)passed);
}

Test(shaper, lets_a_letter_pass_within_two_seconds_whatever_went_past_it)
{
    struct gv_shaper shaper;
    struct gv_mail mail = letter(1);
    memset(&shaper, 0, sizeof shaper);
    gv_shaper_set(&shaper, 100000);
    for (int i = 0; i < 100; i++) {
        gv_shaper_debit(&shaper, 100000);
    }
    cr_assert(gv_shaper_put(&shaper, &mail, 65536));
    cr_assert_not(gv_shaper_take(&shaper, &mail, 500000));
    cr_assert(gv_shaper_take(&shaper, &mail, 2500000));
    gv_shaper_debit(&shaper, 1);
    cr_assert(gv_shaper_put(&shaper, &mail, 1000000));
    cr_assert(gv_shaper_take(&shaper, &mail, 4500000));
    gv_shaper_debit(&shaper, 1);
    cr_assert_geq(gv_shaper_deadline(&shaper, 4500000), 14000000u, "a long letter's own debt is paid in full");
}

Test(shaper, forgets_the_work_of_one_exchange_and_keeps_the_order_of_the_rest)
{
    struct gv_shaper shaper;
    struct gv_mail mail;
    memset(&shaper, 0, sizeof shaper);
    for (uint64_t i = 0; i < 9; i++) {
        mail = letter(i % 3);
        cr_assert(gv_shaper_put(&shaper, &mail, 10));
    }
    int forgotten = 0;
    while (gv_shaper_forget(&shaper, &mail, 1)) {
        cr_assert_eq(mail.nonce, 1);
        forgotten++;
    }
    cr_assert_eq(forgotten, 3);
    for (uint64_t i = 0; i < 6; i++) {
        cr_assert(gv_shaper_take(&shaper, &mail, 0));
        cr_assert_eq(mail.nonce, i % 2 == 0 ? 0u : 2u);
    }
    cr_assert_not(gv_shaper_take(&shaper, &mail, 0));
}

Test(shaper, refuses_more_than_its_queue_holds)
{
    struct gv_shaper shaper;
    struct gv_mail mail = letter(1);
    memset(&shaper, 0, sizeof shaper);
    for (int i = 0; i < GV_SHAPER_QUEUE; i++) {
        cr_assert(gv_shaper_put(&shaper, &mail, 1));
    }
    cr_assert_not(gv_shaper_put(&shaper, &mail, 1));
}
