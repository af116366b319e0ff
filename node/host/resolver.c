/*
 * Looking names up: see resolver.h. A thread per look-up, which leaves its answer in a mailbox and ends. The mailbox
 * goes with whoever is the last to hold it: the resolver, or a look-up that it has left behind.
 */
#include "resolver.h"

#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "mailbox.h"
#include "scope.h"

struct answers {
    struct gv_mailbox *box;
    _Atomic uint32_t holders;
};

struct lookup { /* of one owner at a time: the queue, the thread, the letter */
    struct answers *answers;
    uint32_t tag;
    enum gv_family family;
    uint64_t asked_us;
    char endpoint[GV_ENDPOINT_BYTES_MAX + 1];
    struct gv_addresses addresses;
};

struct gv_resolver {
    struct answers *answers;
    uint32_t running;
    uint32_t first, count;
    struct lookup *waiting[GV_LOOKUPS_WAITING];
};

void gv_resolver_bound_lookups(void)
{
    (void)setenv("RES_OPTIONS", "timeout:1 attempts:2", 0);
}

static void let_go(struct answers *answers)
{
    struct gv_mail mail;
    if (atomic_fetch_sub(&answers->holders, 1) > 1) {
        return;
    }
    while (gv_mailbox_take(answers->box, &mail, 0)) {
        free(mail.data);
    }
    gv_mailbox_free(&answers->box);
    free(answers);
}

/* ---- the thread ------------------------------------------------------------------------------------------ */

/* With the scope that a link-local address needs. */
static bool write_endpoint(char out[GV_ENDPOINT_BYTES_MAX + 1], const struct addrinfo *one)
{
    char host[NI_MAXHOST];
    char port[NI_MAXSERV];
    bool v6 = one->ai_family == AF_INET6;
    if (getnameinfo(one->ai_addr, one->ai_addrlen, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return false;
    }
    int length = snprintf(out, GV_ENDPOINT_BYTES_MAX + 1, "tcp://%s%s%s:%s", v6 ? "[" : "", host, v6 ? "]" : "", port);
    return length > 0 && length <= GV_ENDPOINT_BYTES_MAX;
}

/* The first address of each family: where one of them leads nowhere, more of it seldom do better. */
static void keep_addresses(struct gv_addresses *addresses, const struct addrinfo *list)
{
    int family = AF_UNSPEC;
    for (; list != NULL && addresses->count < GV_ADDRESSES_MAX; list = list->ai_next) {
        if (list->ai_family != family && write_endpoint(addresses->endpoint[addresses->count], list)) {
            addresses->count++;
            family = list->ai_family;
        }
    }
}

static void *look_up(void *argument)
{
    static const int families[] = {
        [GV_FAMILY_ANY] = AF_UNSPEC, [GV_FAMILY_IPV4] = AF_INET, [GV_FAMILY_IPV6] = AF_INET6};
    struct lookup *lookup = argument;
    struct answers *answers = lookup->answers;
    struct addrinfo hints = {
        .ai_family = families[lookup->family], .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char host[GV_ENDPOINT_BYTES_MAX + 1];
    uint32_t number;
    if (gv_endpoint_split(host, &number, lookup->endpoint)) {
        const char *port = strrchr(lookup->endpoint, ':') + 1;
        if (getaddrinfo(host, port, &hints, &list) == 0) {
            keep_addresses(&lookup->addresses, list);
            freeaddrinfo(list);
        }
    }
    struct gv_mail mail = {.kind = GV_MAIL_RESOLVED, .data = lookup};
    gv_mailbox_put(answers->box, &mail);
    let_go(answers);
    return NULL;
}

/* ---- the asker's side -------------------------------------------------------------------------------------- */

/* Takes the lookup. */
static bool start(struct gv_resolver *resolver, struct lookup *lookup)
{
    pthread_t thread;
    atomic_fetch_add(&resolver->answers->holders, 1);
    if (pthread_create(&thread, NULL, look_up, lookup) != 0) {
        atomic_fetch_sub(&resolver->answers->holders, 1);
        free(lookup);
        return false;
    }
    (void)pthread_detach(thread);
    resolver->running++;
    return true;
}

enum gv_err gv_resolver_new(struct gv_resolver **resolver)
{
    struct gv_resolver *fresh = calloc(1, sizeof *fresh);
    struct answers *answers = calloc(1, sizeof *answers);
    if (fresh == NULL || answers == NULL || gv_mailbox_new(&answers->box) != GV_OK) {
        free(fresh);
        free(answers);
        return GV_ERR_NOMEM;
    }
    answers->holders = 1;
    fresh->answers = answers;
    *resolver = fresh;
    return GV_OK;
}

void gv_resolver_free(struct gv_resolver **resolver)
{
    struct gv_resolver *old = *resolver;
    if (old == NULL) {
        return;
    }
    for (uint32_t i = 0; i < old->count; i++) {
        free(old->waiting[(old->first + i) % GV_LOOKUPS_WAITING]);
    }
    let_go(old->answers);
    free(old);
    *resolver = NULL;
}

int gv_resolver_fd(const struct gv_resolver *resolver)
{
    return gv_mailbox_fd(resolver->answers->box);
}

bool gv_resolver_ask(struct gv_resolver *resolver, uint32_t tag, const char *endpoint, enum gv_family family,
                     uint64_t now_us)
{
    struct lookup *lookup = resolver->count < GV_LOOKUPS_WAITING ? calloc(1, sizeof *lookup) : NULL;
    if (lookup == NULL) {
        return false;
    }
    lookup->answers = resolver->answers;
    lookup->tag = tag;
    lookup->family = family;
    lookup->asked_us = now_us;
    (void)snprintf(lookup->endpoint, sizeof lookup->endpoint, "%s", endpoint);
    if (resolver->running < GV_LOOKUPS_MAX) {
        return start(resolver, lookup);
    }
    resolver->waiting[(resolver->first + resolver->count++) % GV_LOOKUPS_WAITING] = lookup;
    return true;
}

/* Those that have waited too long are passed over, or names that keep silent would delay the rest for ever. */
static void start_waiting(struct gv_resolver *resolver, uint64_t now_us)
{
    while (resolver->running < GV_LOOKUPS_MAX && resolver->count > 0) {
        struct lookup *next = resolver->waiting[resolver->first];
        resolver->first = (resolver->first + 1) % GV_LOOKUPS_WAITING;
        resolver->count--;
        if (gv_elapsed_us(now_us, next->asked_us) >= GV_LOOKUP_US) {
            free(next);
        } else {
            (void)start(resolver, next);
        }
    }
}

bool gv_resolver_take(struct gv_resolver *resolver, uint32_t *tag, struct gv_addresses *addresses, uint64_t now_us)
{
    struct gv_mail mail;
    if (!gv_mailbox_take(resolver->answers->box, &mail, 0)) {
        return false;
    }
    struct lookup *lookup = mail.data;
    *tag = lookup->tag;
    *addresses = lookup->addresses;
    free(lookup);
    resolver->running--;
    start_waiting(resolver, now_us);
    return true;
}

enum gv_err gv_resolve(struct gv_addresses *addresses, const char *endpoint, enum gv_family family, int timeout_ms)
{
    struct gv_resolver *resolver = NULL;
    uint32_t tag;
    *addresses = (struct gv_addresses){.count = 0};
    if (gv_endpoint_literal(endpoint)) {
        bool v6 = strchr(endpoint, '[') != NULL;
        if (family != GV_FAMILY_ANY && (family == GV_FAMILY_IPV6) != v6) {
            return GV_ERR_FAMILY;
        }
        (void)snprintf(addresses->endpoint[addresses->count++], sizeof addresses->endpoint[0], "%s", endpoint);
        return GV_OK;
    }
    enum gv_err err = gv_resolver_new(&resolver);
    if (err != GV_OK) {
        return err;
    }
    struct pollfd fd = {.fd = gv_resolver_fd(resolver), .events = POLLIN};
    if (!gv_resolver_ask(resolver, 0, endpoint, family, gv_now_us())) {
        err = GV_ERR_NOMEM;
    } else if (poll(&fd, 1, timeout_ms) <= 0) {
        err = GV_ERR_TIMEOUT;
    } else if (!gv_resolver_take(resolver, &tag, addresses, gv_now_us()) || addresses->count == 0) {
        err = GV_ERR_UNREACHABLE;
    }
    gv_resolver_free(&resolver);
    return err;
}
