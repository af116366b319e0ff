/*
 * Suggestions for mistyped words: see nearest.h.
 */
#include "nearest.h"

#include <stdbool.h>
#include <string.h>

#define DISTANCE_MAX 2u /* beyond that a suggestion is noise */
#define WORD_MAX 48u    /* longer words are not compared */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, one row at a time; `b` is at most WORD_MAX long. */
static size_t distance(const char *a, size_t a_bytes, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t columns = strlen(b);
    for (size_t j = 0; j <= columns; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a_bytes; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = least(changed, least(diagonal, row[j - 1]) + 1);
        }
    }
    return row[columns];
}

const char *gv_nearest(const char *word, size_t bytes, const char *const *words)
{
    const char *nearest = NULL;
    size_t best = DISTANCE_MAX + 1;
    for (size_t i = 0; words[i] != NULL && bytes > 0 && bytes <= WORD_MAX; i++) {
        size_t length = strlen(words[i]);
        if (length > WORD_MAX) {
            continue;
        }
        size_t d = distance(word, bytes, words[i]);
        bool beginning = bytes < length && memcmp(words[i], word, bytes) == 0;
        d = beginning ? least(d, DISTANCE_MAX) : d;
        /* With nothing in common even a short word is no typing error. */
        if (d < best && d < least(length, bytes + 1)) {
            best = d;
            nearest = words[i];
        }
    }
    return nearest;
}
