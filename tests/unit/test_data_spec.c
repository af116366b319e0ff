/* Specifications of data, taken apart. */
#include <criterion/criterion.h>
#include <string.h>

#include "data_spec.h"
#include "learn_help.h"

static void refuse(const char *text, const char *part)
{
    struct gv_data_spec spec;
    struct gv_diag diag = {0};
    cr_assert_eq(gv_data_spec_parse(&spec, text, &diag), GV_ERR_DATA, "%s", text);
    cr_assert_not_null(strstr(diag.text, part), "%s", diag.text);
}

Test(data_spec, splits_kind_place_and_options)
{
    struct gv_data_spec spec;
    cr_assert_eq(gv_data_spec_parse(&spec, "csv:a/b:c.csv,label=first,header", NULL), GV_OK);
    cr_assert_str_eq(spec.kind, "csv");
    cr_assert_str_eq(spec.place, "a/b:c.csv");
    cr_assert_eq(spec.option_count, 2);
    const char *label = "last";
    bool header = false;
    cr_assert_eq(gv_data_spec_text(&spec, &label, "label", NULL), GV_OK);
    cr_assert_eq(gv_data_spec_flag(&spec, &header, "header", NULL), GV_OK);
    cr_assert_str_eq(label, "first");
    cr_assert(header);
    cr_assert_eq(gv_data_spec_finish(&spec, "label=, header", NULL), GV_OK);
    gv_data_spec_deinit(&spec);
}

Test(data_spec, refuses_what_is_not_one)
{
    refuse("", "expected idx:DIRECTORY");
    refuse("fashion-mnist", "expected idx:DIRECTORY");
    refuse("csv:", "expected idx:DIRECTORY");
    refuse("csv:,header", "expected idx:DIRECTORY");
    refuse("csv:x,", "a comma too many");
    refuse("csv:x,,header", "a comma too many");
    refuse("csv:x,header,header", "\"header\" stands there twice");
    refuse("csv:x,a,b,c,d,e,f,g,h,i", "more than 8 options");
}

Test(data_spec, absent_options_leave_the_default)
{
    struct gv_data_spec spec;
    cr_assert_eq(gv_data_spec_parse(&spec, "builtin:glyphs", NULL), GV_OK);
    uint64_t seed = 42;
    double share = 0.25;
    const char *text = "default";
    bool flag = true;
    cr_assert_eq(gv_data_spec_number(&spec, &seed, "seed", 0, 9, NULL), GV_OK);
    cr_assert_eq(gv_data_spec_share(&spec, &share, "test", NULL), GV_OK);
    cr_assert_eq(gv_data_spec_text(&spec, &text, "label", NULL), GV_OK);
    cr_assert_eq(gv_data_spec_flag(&spec, &flag, "header", NULL), GV_OK);
    cr_assert(seed == 42 && share == 0.25 && !flag);
    cr_assert_str_eq(text, "default");
    gv_data_spec_deinit(&spec);
}

Test(data_spec, checks_values)
{
    static const char *const BAD_NUMBERS[] = {"csv:x,k=",   "csv:x,k",   "csv:x,k=-1",  "csv:x,k=1x",
                                              "csv:x,k=11", "csv:x,k=0", "csv:x,k=1.5", "csv:x,k=99999999999999999999"};
    static const char *const BAD_SHARES[] = {"csv:x,k=1", "csv:x,k=-0.1", "csv:x,k=nan", "csv:x,k=0.2x", "csv:x,k="};
    struct gv_data_spec spec;
    struct gv_diag diag;
    for (size_t i = 0; i < sizeof BAD_NUMBERS / sizeof BAD_NUMBERS[0]; i++) {
        uint64_t number = 7;
        cr_assert_eq(gv_data_spec_parse(&spec, BAD_NUMBERS[i], NULL), GV_OK);
        cr_assert_eq(gv_data_spec_number(&spec, &number, "k", 1, 10, &diag), GV_ERR_DATA, "%s", BAD_NUMBERS[i]);
        cr_assert_not_null(strstr(diag.text, "\"k"), "%s", diag.text);
        cr_assert_eq(number, 7);
        gv_data_spec_deinit(&spec);
    }
    for (size_t i = 0; i < sizeof BAD_SHARES / sizeof BAD_SHARES[0]; i++) {
        double share = 0.5;
        cr_assert_eq(gv_data_spec_parse(&spec, BAD_SHARES[i], NULL), GV_OK);
        cr_assert_eq(gv_data_spec_share(&spec, &share, "k", &diag), GV_ERR_DATA, "%s", BAD_SHARES[i]);
        cr_assert_eq(share, 0.5);
        gv_data_spec_deinit(&spec);
    }
    bool flag;
    cr_assert_eq(gv_data_spec_parse(&spec, "csv:x,header=yes", NULL), GV_OK);
    cr_assert_eq(gv_data_spec_flag(&spec, &flag, "header", &diag), GV_ERR_DATA);
    gv_data_spec_deinit(&spec);
}

Test(data_spec, refuses_options_nobody_knows)
{
    struct gv_data_spec spec;
    struct gv_diag diag;
    cr_assert_eq(gv_data_spec_parse(&spec, "csv:x,headr", NULL), GV_OK);
    cr_assert_eq(gv_data_spec_finish(&spec, "label=, header", &diag), GV_ERR_DATA);
    cr_assert_not_null(strstr(diag.text, "unknown option \"headr\""), "%s", diag.text);
    cr_assert_not_null(strstr(diag.text, "label=, header"), "%s", diag.text);
    gv_data_spec_deinit(&spec);
}

Test(data_spec, load_quotes_the_specification)
{
    help_refuse("xml:file", "data \"xml:file\": unknown kind \"xml\"");
    help_refuse("idx:/nonexistent", "data \"idx:/nonexistent\": /nonexistent: No such file or directory");
    help_refuse("builtin:digits", "builtin:glyphs");
}

Test(data_spec, numbers_are_digits_only)
{
    uint64_t value = 0;
    cr_assert(gv_parse_number(&value, "18446744073709551615") && value == UINT64_MAX);
    cr_assert(gv_parse_number(&value, "0") && value == 0);
    static const char *const BAD[] = {"", "18446744073709551616", "-1", "+1", " 1", "1 ", "0x10", "1e3"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        cr_assert_not(gv_parse_number(&value, BAD[i]), "%s", BAD[i]);
    }
}
