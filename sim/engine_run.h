/* Running: windows, controls, and what threads do meanwhile. Between engine.c and engine_run.c only. */
#ifndef GV_ENGINE_RUN_H
#define GV_ENGINE_RUN_H

#include "engine_state.h"

/** Works until the engine ends: the life of every thread but the caller's. */
void gv_engine_serve(struct gv_engine *engine, struct gv_worker *worker);

/** Runs until engine->until_us, on the caller's thread and all others. */
void gv_engine_run_on(struct gv_engine *engine, struct gv_worker *worker);

#endif
