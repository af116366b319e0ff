/*
 * Dialling, for net.c: a name is looked up, its addresses are tried in turn, and the connection that results is watched
 * until it ends. What a dial comes to goes to the handler of the links. gv_net_dial() begins one.
 */
#ifndef GV_DIAL_H
#define GV_DIAL_H

#include "slots.h"

/** Takes the answers of the resolver that are there, and connects. */
void gv_dial_resolved(struct gv_net *net);
/** Takes what the monitor of a dialled link has to say. */
void gv_dial_events(struct gv_net *net, struct gv_slot *slot);
/** Ends a lost or overdue dialled connection and says so, unless there is another address to try. Called after its last
 *  frames were read. */
void gv_dial_settle(struct gv_net *net, struct gv_slot *slot);
/** Gives a dial up and says why. */
void gv_dial_fail(struct gv_net *net, struct gv_slot *slot, enum gv_err why);

#endif
