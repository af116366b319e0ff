/*
 * How the tests of whole swarms begin: nodes over the network of vnet.h, five milliseconds apart.
 */
#ifndef GV_SWARM_HELP_H
#define GV_SWARM_HELP_H

#include "vnet.h"

#define SECOND ((uint64_t)1000000)
#define MS ((uint64_t)1000)

/* A model of `units` numbers; the seed is $SEED, or `fallback`. */
struct vnet_options swarm_options(uint64_t fallback, uint32_t units);

/* The node that begins a swarm. */
uint32_t swarm_first(struct vnet *net, int64_t value);
/* A node that already has a model of about the swarm's age, and knows node 0. */
uint32_t swarm_member(struct vnet *net, int64_t value);
/* The first and count - 1 members. */
void swarm_spawn_all(struct vnet *net, uint32_t count);

#endif
