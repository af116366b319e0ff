/*
 * The known word nearest to a mistyped one, for suggestions.
 */
#ifndef GV_NEAREST_H
#define GV_NEAREST_H

#include <stddef.h>

/** The word of `words` (NULL ends it) nearest to the first `bytes` of `word` by edit distance, or NULL if none is near
 *  enough to be a typing error. Borrowed. */
const char *gv_nearest(const char *word, size_t bytes, const char *const *words);

#endif
