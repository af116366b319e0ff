/*
 * What counts as harmless text. Names and addresses from peers end up in logs and on terminals, so nothing that a
 * terminal would obey may get in.
 */
#ifndef GV_TEXT_H
#define GV_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/** True if every byte is printable ASCII, 0x20 to 0x7e. */
bool gv_text_ascii(const char *text, size_t bytes);

/** True if this is well-formed UTF-8 (RFC 3629) without control characters, C0, DEL or C1. */
bool gv_text_utf8(const char *text, size_t bytes);

#endif
