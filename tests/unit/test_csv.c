/* The CSV reader itself: rows and fields. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "learn_help.h"

static void make_dir(void)
{
    (void)help_make_dir();
}

TestSuite(csv, .init = make_dir, .fini = help_remove_dir);

/* Reads a text and joins it again: fields by '|', rows by '/'. */
static void expect(const char *text, const char *joined)
{
    struct gv_csv csv;
    struct gv_diag diag = {0};
    cr_assert_eq(gv_csv_open(&csv, help_write("a.csv", text, strlen(text)), &diag), GV_OK, "%s", diag.text);
    char out[512] = "";
    for (;;) {
        bool end;
        cr_assert_eq(gv_csv_next(&csv, &end, &diag), GV_OK, "%s", diag.text);
        if (end) {
            break;
        }
        for (uint32_t i = 0; i < csv.field_count; i++) {
            (void)strncat(out, gv_csv_field(&csv, i), 64);
            (void)strncat(out, i + 1 < csv.field_count ? "|" : "/", 2);
        }
    }
    cr_assert_str_eq(out, joined);
    gv_csv_close(&csv);
}

static void refuse(const void *text, size_t bytes, const char *part)
{
    struct gv_csv csv;
    struct gv_diag diag = {0};
    cr_assert_eq(gv_csv_open(&csv, help_write("a.csv", text, bytes), &diag), GV_OK);
    enum gv_err err = GV_OK;
    bool end = false;
    while (err == GV_OK && !end) {
        err = gv_csv_next(&csv, &end, &diag);
    }
    cr_assert_eq(err, GV_ERR_DATA);
    cr_assert_not_null(strstr(diag.text, part), "\"%s\" does not say \"%s\"", diag.text, part);
    gv_csv_close(&csv);
}

Test(csv, splits_rows_and_fields)
{
    expect("a,b\nc,d\n", "a|b/c|d/");
    expect("a,b\nc,d", "a|b/c|d/");
    expect(",\n,,\n", "|/||/");
    expect("a b , c\n", "a b | c/");
}

Test(csv, takes_both_line_ends_and_skips_blank_lines)
{
    expect("a,b\r\nc,d\r\n", "a|b/c|d/");
    expect("\n\na,b\n\r\n\nc,d\n\n", "a|b/c|d/");
    expect("a,b\r\nc,d\r", "a|b/c|d/");
}

Test(csv, ignores_a_byte_order_mark)
{
    expect("\xef\xbb\xbf"
           "a,b\n",
           "a|b/");
    expect("\xef\xbb\xbf"
           "\"a, b\",c\n",
           "a, b|c/");
    expect("\xef\xbb\xbf", "");
    expect("\xef\xbb\xbf\n\xef\xbb\xbf"
           "a\n",
           "\xef\xbb\xbf"
           "a/");
}

Test(csv, unquotes_fields)
{
    expect("\"a\",\"b,c\"\n", "a|b,c/");
    expect("\"a \"\"b\"\" c\",d\n", "a \"b\" c|d/");
    expect("\"a\nb\",c\r\n\"d\"\r\n", "a\nb|c/d/");
    expect("\"\",\"\"\n", "|/");
    expect("\"a\"", "a/");
    expect("\"a\" ,b\n", "a|b/");
    expect("a\"b,c\n", "a\"b|c/");
}

Test(csv, counts_lines_through_quotes_and_blanks)
{
    static const char TEXT[] = "a\n\n\"b\nc\"\nd\n";
    struct gv_csv csv;
    cr_assert_eq(gv_csv_open(&csv, help_write("a.csv", TEXT, strlen(TEXT)), NULL), GV_OK);
    static const uint64_t LINES[] = {1, 3, 5};
    bool end;
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(gv_csv_next(&csv, &end, NULL), GV_OK);
        cr_assert_eq(csv.row_line, LINES[i]);
    }
    cr_assert_eq(gv_csv_next(&csv, &end, NULL), GV_OK);
    cr_assert(end);
    gv_csv_close(&csv);
}

Test(csv, refuses_what_is_not_csv)
{
    refuse("a,b\n\"c,d\n", 9, "line 2: a quote is opened and never closed");
    refuse("a\n\"b\"c\n", 7, "line 2: text after a closing quote");
    refuse("a,b\n\0c\n", 7, "line 2: a zero byte");
}

Test(csv, bounds_a_row)
{
    size_t bytes = GV_CSV_ROW_BYTES_MAX + 10;
    char *text = malloc(bytes);
    cr_assert_not_null(text);
    memset(text, 'a', bytes);
    refuse(text, bytes, "line 1: a row of more than 4 MiB");
    memset(text, ',', GV_CSV_FIELDS_MAX);
    text[GV_CSV_FIELDS_MAX] = '\n';
    refuse(text, GV_CSV_FIELDS_MAX + 1, "line 1: more than 65537 fields");
    free(text);
}
