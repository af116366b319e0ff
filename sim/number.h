/*
 * Numbers as text: exact for programs, rounded with a unit for people. In every locale the decimal sign is a point.
 */
#ifndef GV_NUMBER_H
#define GV_NUMBER_H

#include <locale.h>
#include <stddef.h>
#include <stdint.h>

/* The calling thread's locale is the plain one ("C") between begin and end, so that printf and strtod use a point. */
struct gv_plain {
    locale_t plain, before;
};
void gv_plain_begin(struct gv_plain *plain);
void gv_plain_end(struct gv_plain *plain);

#define GV_NUMBER_CAP 40 /* room for any of the texts below */

/** The fewest digits that read back as the same value; empty for NaN, "inf" and "-inf". Length, as snprintf. */
size_t gv_number_exact(char *out, size_t cap, double value);

/* For people; "-" for NaN. All take the room in `out`, GV_NUMBER_CAP is enough. */
void gv_number_share(char *out, size_t cap, double share);   /* "84.1 %" */
void gv_number_whole(char *out, size_t cap, double value);   /* "12,345" */
void gv_number_count(char *out, size_t cap, double value);   /* "1.24 M", up to 9,999 as they are */
void gv_number_bytes(char *out, size_t cap, double bytes);   /* "12.3 MB", decimal */
void gv_number_span(char *out, size_t cap, double seconds);  /* "850 ms", "12.3 s", "10 min 3 s", "2 h 5 min" */
void gv_number_clock(char *out, size_t cap, double seconds); /* "03:20", "1:02:03" */
void gv_number_plain(char *out, size_t cap, double value);   /* four significant digits */

#endif
