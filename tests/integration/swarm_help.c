/*
 * How the tests of whole swarms begin. See swarm_help.h.
 */
#include "swarm_help.h"

struct vnet_options swarm_options(uint64_t fallback, uint32_t units)
{
    return (struct vnet_options){.seed = vnet_seed(fallback),
                                 .units = units,
                                 .latency_us = 5 * MS,
                                 .round_us = 200 * MS,
                                 .work_us = 2 * MS,
                                 .settle_exchanges = 3};
}

uint32_t swarm_first(struct vnet *net, int64_t value)
{
    return vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .value = value});
}

uint32_t swarm_member(struct vnet *net, int64_t value)
{
    return vnet_spawn(net, &(struct vnet_node_options){.has_model = true, .value = value, .seed_count = 1});
}

void swarm_spawn_all(struct vnet *net, uint32_t count)
{
    (void)swarm_first(net, 0);
    for (uint32_t i = 1; i < count; i++) {
        (void)swarm_member(net, (int64_t)i << 20);
    }
}
