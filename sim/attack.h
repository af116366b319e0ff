/*
 * What hostile members do to the protocol. Each has a valid membership and the daemon's own core; what the core wants
 * to say passes through here, and once in a while something is said that no core would.
 *
 *     eclipse      asks everybody for a place, accepts everybody, never lets go, hands out records of its like only,
 *                  and names these to everybody as newcomers to ask (FORWARD_JOIN)
 *     flood        the same records unasked, and shuffles with them, ten times a second on each link
 *     accuse       suspects its neighbours aloud, reports that whoever is probed is dead, sends farewells nobody signed
 *     replay       hands out the oldest records it has kept of others, dead ones' too
 *     stall        accepts exchanges and does not finish them; denies those that were committed
 *     reset        breaks the link in the middle of an exchange, and now and then for no reason
 *     age          says that its model is older than any can be
 *     busy         is always busy, and asks to be left alone for a minute
 *     incarnation  a new incarnation and boot id every other second
 *     greedy       begins exchanges all the time, as if its rounds took no time, and reports a loss of 0
 *
 * Hostile nodes know one another: of every record that reaches one of them it keeps those of its like.
 */
#ifndef GV_ATTACK_H
#define GV_ATTACK_H

#include <stdbool.h>
#include <stdint.h>

#include "gv/core.h"
#include "gv/err.h"
#include "scenario.h"

struct gv_sim;
struct gv_thread;
struct gv_attacker;

/** True for the attacks above. */
bool gv_attack_is_on_protocol(enum gv_attack attack);

/** What the `ordinal`-th of the hostile nodes does (from 0); ANY: one after the other. Returns owned; NULL: out of
 *  memory. */
struct gv_attacker *gv_attacker_new(enum gv_attack attack, uint32_t ordinal);
/** What this one does. */
enum gv_attack gv_attacker_kind(const struct gv_attacker *attacker);
void gv_attacker_free(struct gv_attacker **attacker);

/** Changes the tunables of the core of such a node. */
void gv_attack_configure(const struct gv_attacker *attacker, struct gv_core_config *config);
/** Its process starts. */
void gv_attack_start(struct gv_sim *sim, struct gv_thread *thread, uint32_t node);
/** A verified record of node `owner` has come. */
void gv_attack_heard(struct gv_sim *sim, struct gv_attacker *attacker, uint32_t owner, const struct gv_ref *ref);
/** Alters what its core sends on `link`. False: nothing is sent. */
bool gv_attack_send(struct gv_sim *sim, struct gv_thread *thread, uint32_t node, uint32_t link, struct gv_msg *msg);
/** Whether its core may hear what has come on `link`: not the answers to what was said without its knowledge, for which
 *  it would shut its victims out. */
bool gv_attack_receive(struct gv_sim *sim, uint32_t node, uint32_t link, enum gv_kind kind);
/** Bytes in the place of a farewell that nobody has signed. */
struct gv_span gv_attack_forgery(void);
/** GV_SIM_ATTACK: it is time to do something of its own. */
void gv_attack_act(struct gv_sim *sim, struct gv_thread *thread, uint32_t node);

#endif
