/*
 * What the tests of links share: two ends over loopback, each with what it has seen.
 */
#ifndef NET_HELP_H
#define NET_HELP_H

#include "net.h"

struct net_seen {
    uint32_t up, failed, in, down, bad;
    uint32_t last_link;
    enum gv_err last_error;
    uint32_t frames;
    char text[64];
};

struct net_end {
    struct gv_net *net;
    struct gv_curve_key *key;
    struct net_seen seen;
};

uint64_t net_now_us(void);
/** Keys, links and a handler that notes what happens; "" listens nowhere. Every dial bears the number 77. */
void net_open(struct net_end *end, const char *listen);
void net_close(struct net_end *end);
/** One turn of a loop, as the daemon makes it. */
void net_turn(struct gv_net *net);
/** Steps both ends (b may be NULL) until the counter has reached `value` or two seconds have passed. */
bool net_until(struct net_end *a, struct net_end *b, const uint32_t *counter, uint32_t value);
GV_NODISCARD enum gv_err net_say(struct net_end *end, uint32_t link, const char *text);
/** Opens both, dials and says hello. */
void net_connect(struct net_end *dialler, struct net_end *listener);

#endif
