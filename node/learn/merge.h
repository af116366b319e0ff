/*
 * Merging: the arithmetic of a pairwise exchange, and the guard in front of it.
 */
#ifndef GV_MERGE_H
#define GV_MERGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/*
 * The same on blocks as the f32 codec writes them, little-endian at any address: what two parties of one process have
 * of each other. No stage exists, and what stage and commit would do in several passes over memory is one of reading
 * and one of adding; the resulting bits are the same.
 */

/** gv_guard_finite() of encoded values, (4 n) bytes. */
bool gv_guard_finite_bytes(const uint8_t *bytes, size_t n);

/** True if every delta  weight (theirs[i] - ours[i])  is finite, hence every value of theirs; ours, theirs (4 n) bytes.
 * */
bool gv_merge_check_bytes(const uint8_t *ours, const uint8_t *theirs, size_t n, float weight);

/** live[i] += weight (theirs[i] - ours[i]). live must not overlap the others; the deltas have been checked. */
void gv_merge_apply_bytes(float *live, const uint8_t *ours, const uint8_t *theirs, size_t n, float weight);

#endif
