/*
 * The frame of a report: one self-contained HTML file, and texts made safe for it.
 */
#ifndef GV_HTML_H
#define GV_HTML_H

#include <stddef.h>
#include <stdio.h>

/** A text with what HTML would read replaced; fit for elements and for quoted attributes. Control characters and bytes
 *  that are no UTF-8 become U+FFFD. */
void gv_html_text(FILE *out, const char *text);

/** Bytes of the UTF-8 character at `text`; 0 if there is none, or a control character. */
size_t gv_html_character(const char *text);

/** From the document type to <body>; `mark` stands in a comment at the very top. */
void gv_html_begin(FILE *out, const char *mark, const char *title);
void gv_html_end(FILE *out);

#endif
