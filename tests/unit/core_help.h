/*
 * What tests of one core share: the core, its clock, and the events that every one of them begins with.
 */
#ifndef CORE_HELP_H
#define CORE_HELP_H

#include "core_state.h"

extern struct gv_core *core;
extern struct gv_effects *effects; /* of the last step */
extern uint64_t now_us;            /* of the next one */

/** A core that has not started, at ten seconds; configuration NULL: defaults. core_end() frees it. */
void core_make(const struct gv_core_config *config);
void core_end(void);

/** START of a node that can be dialled, has a model of `elements` parameters and does not train. */
struct gv_event core_start(uint64_t elements);

/** Gives the core an event, at now_us. */
void core_step(struct gv_event *event);
void core_tick(void);
void core_give(uint32_t link, struct gv_msg *msg);
/** With parameters, which wait under this handle. */
void core_give_bytes(uint32_t link, struct gv_msg *msg, uint32_t handle);

/** Peer number `name`, in its first incarnation; `flags` of its record. */
struct gv_ref core_ref(uint8_t name, uint32_t flags);
/** A peer dials us and greets. */
void core_greet(uint32_t link, const struct gv_ref *self);
/** It asks for a place among our neighbours. */
void core_ask(uint32_t link);

/** The first message of this kind that the last step sent over this link; NULL: none. Borrowed until the next step. */
const struct gv_msg *core_sent(uint32_t link, enum gv_kind kind);
/** How many effects of this kind the last step had; the first of them, or NULL. */
uint32_t core_count(enum gv_effect_kind kind);
const struct gv_effect *core_effect(enum gv_effect_kind kind);

#endif
