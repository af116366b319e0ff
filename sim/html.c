/*
 * The frame of a report: one self-contained HTML file, no script, nothing from the network.
 */
#include "html.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char STYLE[] =
    ":root{color-scheme:light}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:#fff;color:#1a1a1a;font:16px/1.5 \"Source Sans 3\",\"Helvetica Neue\",Helvetica,Arial,"
    "\"Liberation Sans\",sans-serif}\n"
    "main{max-width:1240px;margin:0 auto;padding:2rem 1.5rem 3rem}\n"
    "h1{font-size:1.75rem;line-height:1.2;margin:0 0 .25rem;overflow-wrap:anywhere}\n"
    "h2{font-size:1.2rem;margin:2.2rem 0 .7rem;border-bottom:1px solid #bbb;padding-bottom:.2rem}\n"
    ".lead{margin:0 0 1rem;color:#444}\n"
    ".box{border:2px solid #b03a00;border-left-width:8px;background:#fff4ee;padding:.7rem 1rem;margin:1rem 0}\n"
    ".note{border:1px solid #888;border-left-width:8px;background:#f6f6f6;padding:.7rem 1rem;margin:1rem 0}\n"
    ".tables{display:grid;grid-template-columns:repeat(auto-fit,minmax(330px,1fr));gap:0 2.5rem;align-items:start}\n"
    ".wide{overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%;font-size:.93rem;border-top:2px solid #1a1a1a;"
    "border-bottom:2px solid #1a1a1a}\n"
    "th,td{text-align:left;vertical-align:baseline;padding:.22rem .6rem .22rem 0;border-bottom:1px solid #ddd;"
    "overflow-wrap:anywhere}\n"
    "th{font-weight:400}\n"
    "thead th{font-weight:600;border-bottom:1px solid #1a1a1a}\n"
    "tr.group th{font-weight:600;padding-top:.6rem;border-bottom:1px solid #999}\n"
    "td.number,th.number{text-align:right;font-variant-numeric:tabular-nums;padding-right:.2rem;padding-left:.6rem;"
    "overflow-wrap:normal}\n"
    "td small{color:#555;white-space:nowrap}\n"
    "code,pre,td.code{font-family:\"DejaVu Sans Mono\",Consolas,Menlo,monospace;font-size:.85em}\n"
    "pre{background:#f6f6f6;padding:.7rem 1rem;white-space:pre-wrap;overflow-wrap:anywhere}\n"
    ".figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(520px,100%),1fr));gap:1.6rem 2.2rem;"
    "align-items:start}\n"
    "figure{margin:0;break-inside:avoid}\n"
    "figure svg{display:block;width:100%;height:auto}\n"
    "figure svg text{font-family:\"Source Sans 3\",\"Helvetica Neue\",Helvetica,Arial,\"Liberation Sans\","
    "sans-serif}\n"
    "figcaption{font-size:.9rem;line-height:1.42;margin-top:.35rem;color:#222}\n"
    ".swatch{display:inline-block;width:1.8em;height:0;border-top:4px solid;vertical-align:middle;margin-right:.5em}\n"
    "details{margin-top:1.6rem}\n"
    "summary{cursor:pointer}\n"
    "footer{margin-top:2.5rem;font-size:.85rem;color:#444}\n"
    "@media print{@page{margin:15mm}body{font-size:10pt}main{max-width:none;padding:0}table{font-size:8.5pt}"
    "th,td{padding-top:.08rem;padding-bottom:.08rem}tr.group th{padding-top:.3rem}h2{margin-top:1rem}"
    ".figures{grid-template-columns:1fr 1fr;gap:1rem}.box,.note{print-color-adjust:exact}"
    "h2{break-after:avoid}tr{break-inside:avoid}}\n";

/* Length of a well-formed character by the table of the Unicode standard (3.9, table 3-7). */
size_t gv_html_character(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    if (at[0] < 0x80) {
        return at[0] >= 0x20 && at[0] != 0x7f ? 1 : 0;
    }
    size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4) {
        return 0;
    }
    uint8_t low = at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high || (at[0] == 0xc2 && at[1] < 0xa0)) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if (at[i] < 0x80 || at[i] > 0xbf) {
            return 0;
        }
    }
    return length;
}

void gv_html_text(FILE *out, const char *text)
{
    while (*text != '\0') {
        size_t length = gv_html_character(text);
        if (length == 0) {
            (void)fputs(*text == '\n' ? "\n" : *text == '\t' ? " " : "\xef\xbf\xbd", out);
            text++;
            continue;
        }
        switch (*text) {
        case '&':
            (void)fputs("&amp;", out);
            break;
        case '<':
            (void)fputs("&lt;", out);
            break;
        case '>':
            (void)fputs("&gt;", out);
            break;
        case '"':
            (void)fputs("&quot;", out);
            break;
        case '\'':
            (void)fputs("&#39;", out);
            break;
        default:
            (void)fwrite(text, 1, length, out);
        }
        text += length;
    }
}

void gv_html_begin(FILE *out, const char *mark, const char *title)
{
    (void)fprintf(out, "<!DOCTYPE html>\n<!-- %s -->\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n", mark);
    (void)fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n", out);
    /* Nothing is loaded and nothing runs, whatever a name may hold. */
    (void)fputs("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                "'unsafe-inline'\">\n<title>",
                out);
    gv_html_text(out, title);
    (void)fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n", STYLE);
}

void gv_html_end(FILE *out)
{
    (void)fputs("</main>\n</body>\n</html>\n", out);
}
