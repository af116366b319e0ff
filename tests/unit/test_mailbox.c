/* Mailboxes: order, bounds, the descriptor, waiting. */
#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>

#include "mailbox.h"

static bool readable(const struct gv_mailbox *box)
{
    struct pollfd fd = {.fd = gv_mailbox_fd(box), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

Test(mailbox, delivers_in_order_and_polls_readable_only_while_there_is_mail)
{
    struct gv_mailbox *box = NULL;
    cr_assert_eq(gv_mailbox_new(&box), GV_OK);
    cr_assert_not(readable(box));
    for (uint64_t i = 0; i < 10; i++) {
        struct gv_mail mail = {.kind = GV_MAIL_STEPS, .value = i};
        cr_assert(gv_mailbox_try_put(box, &mail));
    }
    struct gv_mail mail;
    for (uint64_t i = 0; i < 10; i++) {
        cr_assert(readable(box));
        cr_assert(gv_mailbox_take(box, &mail, 0));
        cr_assert_eq(mail.value, i);
    }
    cr_assert_not(readable(box));
    cr_assert_not(gv_mailbox_take(box, &mail, 0));
    gv_mailbox_free(&box);
    cr_assert_null(box);
}

Test(mailbox, refuses_a_letter_beyond_its_bound_and_keeps_the_others)
{
    struct gv_mailbox *box = NULL;
    cr_assert_eq(gv_mailbox_new(&box), GV_OK);
    struct gv_mail mail = {.kind = GV_MAIL_STEPS};
    for (uint32_t i = 0; i < GV_MAILBOX_LETTERS; i++) {
        mail.index = i;
        cr_assert(gv_mailbox_try_put(box, &mail));
    }
    cr_assert_not(gv_mailbox_try_put(box, &mail));
    cr_assert(gv_mailbox_take(box, &mail, 0));
    cr_assert_eq(mail.index, 0);
    cr_assert(gv_mailbox_try_put(box, &mail));
    gv_mailbox_free(&box);
}

Test(mailbox, gives_up_waiting_when_the_time_is_up)
{
    struct gv_mailbox *box = NULL;
    struct gv_mail mail;
    cr_assert_eq(gv_mailbox_new(&box), GV_OK);
    cr_assert_not(gv_mailbox_take(box, &mail, 20));
    gv_mailbox_free(&box);
}

static void *sender(void *argument)
{
    struct gv_mailbox *box = argument;
    for (uint64_t i = 0; i < 100000; i++) {
        struct gv_mail mail = {.kind = GV_MAIL_STEPS, .value = i};
        gv_mailbox_put(box, &mail);
    }
    return NULL;
}

Test(mailbox, carries_every_letter_between_threads_and_makes_the_sender_wait_for_room)
{
    struct gv_mailbox *box = NULL;
    pthread_t thread;
    struct gv_mail mail;
    cr_assert_eq(gv_mailbox_new(&box), GV_OK);
    cr_assert_eq(pthread_create(&thread, NULL, sender, box), 0);
    for (uint64_t i = 0; i < 100000; i++) {
        cr_assert(gv_mailbox_take(box, &mail, 5000));
        cr_assert_eq(mail.value, i);
    }
    (void)pthread_join(thread, NULL);
    gv_mailbox_free(&box);
}
