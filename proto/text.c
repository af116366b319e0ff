/*
 * Checks of text that comes from elsewhere. See text.h.
 */
#include "text.h"

#include <stdint.h>

/*
 * Length of the well-formed sequence at s, 0 if there is none. Table 3-7 of the Unicode standard: only the second
 * byte's range depends on the first (no overlong forms, no surrogates, nothing above U+10FFFF).
 */
static size_t utf8_sequence(const uint8_t *s, size_t left)
{
    uint8_t first = s[0];
    if (first < 0x80) {
        return first >= 0x20 && first != 0x7f ? 1 : 0;
    }
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || left < length) {
        return 0;
    }
    uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first == 0xc2) {
        low = 0xa0; /* U+0080 to U+009F are the C1 controls */
    }
    if (s[1] < low || s[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

bool gv_text_ascii(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] < 0x20 || text[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

bool gv_text_utf8(const char *text, size_t bytes)
{
    const uint8_t *s = (const uint8_t *)text;
    while (bytes > 0) {
        size_t length = utf8_sequence(s, bytes);
        if (length == 0) {
            return false;
        }
        s += length;
        bytes -= length;
    }
    return true;
}
