/*
 * Merging: the arithmetic of a pairwise exchange, and the guard in front of it.
 */
#ifndef GV_MERGE_H
#define GV_MERGE_H

#include <stdbool.h>
#include <stddef.h>

#include "gv/err.h"

/** True if every value is finite. O(n), one pass, vectorised; the sign of NaN and infinity does not matter. */
bool gv_guard_finite(const float *values, size_t n);

/**
 * The staged delta of a pairwise merge, in place:  stage[i] <- weight (theirs[i] - stage[i]).
 *
 * stage   in/out, (n): in Q(ours), out the delta; not overlapping theirs
 * theirs  borrows, (n), finite
 * weight  in [0, 1]; 1/2 at both ends conserves the pair's sum exactly up to the sign of zero
 *
 * False if a difference is not finite (overflow); the stage is then to be discarded.
 */
bool gv_merge_stage(float *stage, const float *theirs, size_t n, float weight);

/** live[i] += stage[i]. */
void gv_merge_commit(float *live, const float *stage, size_t n);

#endif
