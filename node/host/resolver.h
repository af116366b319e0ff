/*
 * From names to addresses, in threads of their own. libzmq looks names up in its only I/O thread: while a name server
 * keeps silent, every link of the process stands still. So libzmq gets addresses only.
 *
 * A look-up cannot be broken off, only left behind: who frees a resolver does not wait for it. At most
 * GV_LOOKUPS_MAX run at once, so that slow names leave room for others; GV_LOOKUPS_WAITING more wait for their turn.
 */
#ifndef GV_RESOLVER_H
#define GV_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "gv/err.h"
#include "gv/limits.h"

#define GV_LOOKUPS_MAX 4
#define GV_LOOKUPS_WAITING 64
#define GV_LOOKUP_US 5000000u /* then an answer is of no use any more */
#define GV_ADDRESSES_MAX 2    /* of one name: the first of each family */

struct gv_addresses {
    uint32_t count;
    char endpoint[GV_ADDRESSES_MAX][GV_ENDPOINT_BYTES_MAX + 1]; /* "tcp://1.2.3.4:7400", to be tried in this order */
};

/** Bounds what a look-up lasts, unless the user has. Of the whole process; before it has a second thread. */
void gv_resolver_bound_lookups(void);

struct gv_resolver;

/** Starts no thread before there is a name. Returns owned. */
GV_NODISCARD enum gv_err gv_resolver_new(struct gv_resolver **resolver);
void gv_resolver_free(struct gv_resolver **resolver);

/** Readable while there is an answer. */
int gv_resolver_fd(const struct gv_resolver *resolver);

/**
 * Asks for the addresses of "tcp://NAME:PORT". False: too many names wait. An answer with this tag follows, unless it
 * has waited for its turn for GV_LOOKUP_US: the asker has a clock of its own.
 */
bool gv_resolver_ask(struct gv_resolver *resolver, uint32_t tag, const char *endpoint, enum gv_family family,
                     uint64_t now_us);
/** Takes an answer; false if there is none. No address: the name stands for none. */
bool gv_resolver_take(struct gv_resolver *resolver, uint32_t *tag, struct gv_addresses *addresses, uint64_t now_us);

/** Asks and waits, for who has nothing else to do. GV_ERR_TIMEOUT; GV_ERR_UNREACHABLE: the name stands for nothing;
 * GV_ERR_FAMILY: it is an address of the other family. */
GV_NODISCARD enum gv_err gv_resolve(struct gv_addresses *addresses, const char *endpoint, enum gv_family family,
                                    int timeout_ms);

#endif
