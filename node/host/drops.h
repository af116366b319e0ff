/*
 * What the host cut or let fall before the core could see it, counted by name: connections, frames, records. The core
 * counts its own refusals by enum gv_err; together they are everything that a node turns away.
 */
#ifndef GV_DROPS_H
#define GV_DROPS_H

#include <stdint.h>

#define GV_DROP_LIST(X)                                                                                        \
    X(CONNECTIONS, "connections", "a connection beyond the most there may be was cut")                         \
    X(HANDSHAKE_RATE, "handshake_rate", "an address that connects too often was cut")                          \
    X(SILENT, "silent", "a connection was cut: too many were not admitted yet")                                \
    X(SILENT_ADDRESS, "silent_of_address", "a connection was cut: too many of its address were not admitted")  \
    X(SILENCE, "silence", "a connection that said nothing for five seconds was cut")                           \
    X(FLOOD, "flood", "a connection was cut that sent more than any message holds")                            \
    X(DESCRIPTORS, "descriptors", "a connection could not be watched: no descriptor is left")                  \
    X(HANDSHAKE, "handshake", "an encrypted handshake with us failed: a wrong key, another protocol, or gone") \
    X(AUTHENTICATION, "authentication", "ZAP refused a connection")                                            \
    X(LINKS, "links", "a connection was cut: the table of links is full")                                      \
    X(ROUTE, "route", "a frame of a connection that has ended or has no key was dropped")                      \
    X(CHECKS, "checks", "a frame was dropped: its peer asks for too many signature checks")                    \
    X(VERIFIER, "verifier", "a frame was dropped: too many signatures wait to be checked")                     \
    X(GREETING, "greeting", "a frame was dropped: too many came behind a greeting that was not checked yet")   \
    X(RECORD, "record", "a record of a node that is no member was passed over")                                \
    X(WORKER, "worker", "an order to the worker was lost: its box is full")                                    \
    X(SHAPER, "shaper", "a chunk was not sent or not taken: the bandwidth caps hold too much back")            \
    X(EVENTS, "events", "an event was lost: the queue was full")                                               \
    X(MEMORY, "memory", "a frame was dropped: out of memory")

enum gv_drop {
#define GV_DROP_ENUM(name, key, text) GV_DROP_##name,
    GV_DROP_LIST(GV_DROP_ENUM)
#undef GV_DROP_ENUM
        GV_DROPS
};

struct gv_drops {
    uint64_t count[GV_DROPS];
};

/** As in `status`: "handshake_rate". */
const char *gv_drop_name(enum gv_drop drop);
/** A sentence for a person. */
const char *gv_drop_text(enum gv_drop drop);

/** Counts it, and says so in the log; `from` is whose it was, "" if that is not known. Each kind has its own allowance
 *  of lines, so that a flood of one does not hide the others. */
void gv_drop(struct gv_drops *drops, enum gv_drop drop, const char *from);

void gv_drops_add(struct gv_drops *sum, const struct gv_drops *more);

#endif
