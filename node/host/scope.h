/*
 * How far an address reaches, by its text alone: nothing is looked up.
 */
#ifndef GV_SCOPE_H
#define GV_SCOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/limits.h"

enum gv_scope {
    GV_SCOPE_LOOPBACK = 0, /* this machine */
    GV_SCOPE_PRIVATE,      /* a local network: RFC 1918, 4193, 6598, link-local */
    GV_SCOPE_PUBLIC,
    GV_SCOPE_COUNTED, /* of the kinds above */
    GV_SCOPE_ANY,     /* every address of this machine: "*", 0.0.0.0, [::] */
    GV_SCOPE_NAME,    /* a name, whatever it stands for */
};

/** Of "tcp://host:port". */
enum gv_scope gv_scope_of(const char *endpoint);

/** True if it names an address, so that nothing needs to be looked up to dial it. */
bool gv_endpoint_literal(const char *endpoint);

/** Host and port of "tcp://host:port"; brackets of IPv6 stay. False if it is not of that form. */
bool gv_endpoint_split(char host[GV_ENDPOINT_BYTES_MAX + 1], uint32_t *port, const char *endpoint);

#endif
