/*
 * Texts within HTML and within gnuplot's language, however hostile.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "plot.h"

/* What a writer writes of a text. */
static char *written(void (*write)(FILE *, const char *), const char *text)
{
    char *out = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&out, &bytes);
    cr_assert_not_null(file);
    write(file, text);
    cr_assert_eq(fclose(file), 0);
    return out;
}

static void write_string(FILE *out, const char *text)
{
    gv_plot_string(out, text, 12);
}

static void expect(void (*write)(FILE *, const char *), const char *text, const char *expected)
{
    char *out = written(write, text);
    cr_expect_str_eq(out, expected);
    free(out);
}

Test(html, markup_in_a_text_stays_text)
{
    expect(gv_html_text, "<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
    expect(gv_html_text, "a & \"b\"", "a &amp; &quot;b&quot;");
    expect(gv_html_text,
           "Gr\xc3\xbc\xc3\x9f"
           "e \xe2\x82\xac \xf0\x9f\x8d\x87",
           "Gr\xc3\xbc\xc3\x9f"
           "e \xe2\x82\xac \xf0\x9f\x8d\x87");
}

Test(html, what_is_no_character_is_replaced)
{
    expect(gv_html_text, "a\x01\x7f", "a\xef\xbf\xbd\xef\xbf\xbd");
    expect(gv_html_text, "\xff", "\xef\xbf\xbd");
    expect(gv_html_text, "\xc3", "\xef\xbf\xbd");
    expect(gv_html_text, "\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd");
    expect(gv_html_text, "\xe2\x82<", "\xef\xbf\xbd\xef\xbf\xbd&lt;");
    cr_expect_eq(gv_html_character("\xed\xa0\x80"), 0, "a surrogate");
    cr_expect_eq(gv_html_character("\xf4\x90\x80\x80"), 0, "above the last character");
    cr_expect_eq(gv_html_character("\xc2\x85"), 0, "a control character");
    cr_expect_eq(gv_html_character(""), 0);
}

Test(html, a_page_loads_nothing)
{
    char *out = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&out, &bytes);
    cr_assert_not_null(file);
    gv_html_begin(file, "mark", "</title><script>");
    gv_html_end(file);
    cr_assert_eq(fclose(file), 0);
    cr_expect_eq(strncmp(out, "<!DOCTYPE html>\n<!-- mark", 25), 0);
    cr_expect_not_null(strstr(out, "<title>&lt;/title&gt;&lt;script&gt;</title>"));
    cr_expect_not_null(strstr(out, "default-src 'none'"));
    cr_expect_null(strstr(out, "http:"));
    cr_expect_null(strstr(out, "https:"));
    cr_expect_null(strstr(out, "url("));
    free(out);
}

Test(html, a_string_of_gnuplot_cannot_be_left)
{
    expect(write_string, "plain", "'plain'");
    expect(write_string, "it's", "'it''s'");
    expect(write_string, "a\nb\\`x`", "'a?b\\?x?'");
    expect(write_string, "\xff\xc3\xbc", "'?\xc3\xbc'");
    expect(write_string, "a long name that does not end", "'a long name ...'");
}
