/*
 * Mailboxes: a ring of letters under a mutex, two conditions, and an eventfd for the loop's poll.
 */
#include "mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct gv_mailbox {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_cond_t emptied;
    int event;
    _Atomic uint32_t count; /* read without the lock by a taker that only wants to know whether to lock */
    uint32_t first;
    struct gv_mail ring[GV_MAILBOX_LETTERS];
};

enum gv_err gv_mailbox_new(struct gv_mailbox **mailbox)
{
    struct gv_mailbox *box = calloc(1, sizeof *box);
    if (box == NULL) {
        return GV_ERR_NOMEM;
    }
    box->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (box->event < 0) {
        free(box);
        return GV_ERR_IO;
    }
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&box->lock, NULL);
    (void)pthread_cond_init(&box->filled, &attributes);
    (void)pthread_cond_init(&box->emptied, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    *mailbox = box;
    return GV_OK;
}

void gv_mailbox_free(struct gv_mailbox **mailbox)
{
    struct gv_mailbox *box = *mailbox;
    if (box == NULL) {
        return;
    }
    (void)pthread_cond_destroy(&box->filled);
    (void)pthread_cond_destroy(&box->emptied);
    (void)pthread_mutex_destroy(&box->lock);
    (void)close(box->event);
    free(box);
    *mailbox = NULL;
}

int gv_mailbox_fd(const struct gv_mailbox *mailbox)
{
    return mailbox->event;
}

/* With the lock held and room in the ring. */
static void append(struct gv_mailbox *box, const struct gv_mail *mail)
{
    box->ring[(box->first + box->count) % GV_MAILBOX_LETTERS] = *mail;
    if (box->count++ == 0) {
        uint64_t one = 1;
        (void)!write(box->event, &one, sizeof one);
    }
    (void)pthread_cond_signal(&box->filled);
}

static bool put_below(struct gv_mailbox *mailbox, const struct gv_mail *mail, uint32_t limit)
{
    (void)pthread_mutex_lock(&mailbox->lock);
    bool room = mailbox->count < limit;
    if (room) {
        append(mailbox, mail);
    }
    (void)pthread_mutex_unlock(&mailbox->lock);
    return room;
}

bool gv_mailbox_try_put(struct gv_mailbox *mailbox, const struct gv_mail *mail)
{
    return put_below(mailbox, mail, GV_MAILBOX_LETTERS);
}

bool gv_mailbox_offer(struct gv_mailbox *mailbox, const struct gv_mail *mail)
{
    return put_below(mailbox, mail, GV_MAILBOX_LETTERS - GV_MAILBOX_SPARE);
}

void gv_mailbox_put(struct gv_mailbox *mailbox, const struct gv_mail *mail)
{
    (void)pthread_mutex_lock(&mailbox->lock);
    while (mailbox->count == GV_MAILBOX_LETTERS) {
        (void)pthread_cond_wait(&mailbox->emptied, &mailbox->lock);
    }
    append(mailbox, mail);
    (void)pthread_mutex_unlock(&mailbox->lock);
}

/* Waits with the lock held until there is mail or the time is up. */
static void wait_for_mail(struct gv_mailbox *box, int timeout_ms)
{
    if (timeout_ms < 0) {
        while (box->count == 0) {
            (void)pthread_cond_wait(&box->filled, &box->lock);
        }
        return;
    }
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec += 1;
        until.tv_nsec -= 1000000000;
    }
    while (box->count == 0) {
        if (pthread_cond_timedwait(&box->filled, &box->lock, &until) == ETIMEDOUT) {
            return;
        }
    }
}

bool gv_mailbox_take(struct gv_mailbox *mailbox, struct gv_mail *mail, int timeout_ms)
{
    /* The trainer asks after every step: an empty box must cost no lock. */
    if (timeout_ms == 0 && atomic_load_explicit(&mailbox->count, memory_order_relaxed) == 0) {
        return false;
    }
    (void)pthread_mutex_lock(&mailbox->lock);
    if (mailbox->count == 0 && timeout_ms != 0) {
        wait_for_mail(mailbox, timeout_ms);
    }
    bool any = mailbox->count > 0;
    if (any) {
        *mail = mailbox->ring[mailbox->first];
        mailbox->first = (mailbox->first + 1) % GV_MAILBOX_LETTERS;
        if (--mailbox->count == 0) {
            uint64_t drained;
            (void)!read(mailbox->event, &drained, sizeof drained);
        }
        (void)pthread_cond_signal(&mailbox->emptied);
    }
    (void)pthread_mutex_unlock(&mailbox->lock);
    return any;
}
