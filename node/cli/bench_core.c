/*
 * Events a second that the core decides on: a node without neighbours that trains, so each event is a tick of its
 * timers or a report of the trainer. What a simulation of many nodes costs beyond that is its own measurement.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "gv/core.h"

#define EVENTS 200000u
#define ROUNDS 5
#define TICK_US 10000u

static void start(struct gv_core *core, struct gv_event *event, struct gv_effects *effects)
{
    memset(event, 0, sizeof *event);
    event->kind = GV_EV_START;
    event->now_us = 1000000;
    event->wall_s = 1700000000;
    event->u.start.seed[0] = 1;
    event->u.start.self.id.b[0] = 1;
    event->u.start.manifest.version = 1;
    event->u.start.manifest.block_count = 1;
    event->u.start.manifest.block_elements[0] = 101770;
    event->u.start.manifest.codec = GV_CODEC_F32;
    event->u.start.manifest.local_steps = 16;
    event->u.start.manifest.stop_age = GV_NEVER;
    event->u.start.has_model = true;
    event->u.start.trains = true;
    gv_core_step(core, event, effects);
}

static double events_per_second(struct gv_core *core, struct gv_effects *effects)
{
    struct gv_event event;
    start(core, &event, effects);
    uint64_t now_us = event.now_us;
    double begun = gv_bench_now();
    for (uint32_t i = 0; i < EVENTS; i++) {
        memset(&event, 0, sizeof event);
        now_us += TICK_US;
        event.now_us = now_us;
        event.wall_s = 1700000000 + now_us / 1000000u;
        event.kind = GV_EV_TICK;
        if (i % 4 == 3) {
            event.kind = GV_EV_STEPS;
            event.u.steps.total = (uint64_t)i * 4;
            event.u.steps.round = true;
        }
        gv_core_step(core, &event, effects);
    }
    return EVENTS / (gv_bench_now() - begun);
}

enum gv_err gv_bench_core(struct gv_bench *bench, struct gv_diag *diag)
{
    struct gv_core_config config;
    gv_core_defaults(&config);
    size_t bytes = gv_core_bytes(&config);
    void *memory = malloc(bytes);
    struct gv_effects *effects = malloc(sizeof *effects);
    if (memory == NULL || effects == NULL) {
        free(memory);
        free(effects);
        return gv_diag_set(diag, GV_ERR_NOMEM, "out of memory");
    }
    double best = 0.0;
    for (int round = 0; round < ROUNDS; round++) {
        double rate = events_per_second(gv_core_init(memory, &config), effects);
        best = rate > best ? rate : best;
    }
    gv_bench_put(bench, "core", "events_per_s", best, "1/s", "a node without neighbours");
    gv_bench_put(bench, "core", "state_bytes", (double)bytes, "B", "of one core");
    free(memory);
    free(effects);
    return GV_OK;
}
