/*
 * The bounded reader: what it must refuse, and that it stays refused.
 */
#include <criterion/criterion.h>

#include "cursor.h"

#define CURSOR(name, ...)                                \
    static const uint8_t name##_bytes[] = {__VA_ARGS__}; \
    struct gv_cursor name;                               \
    gv_cursor_init(&name, name##_bytes, sizeof name##_bytes)

Test(cursor, reads_every_width_of_integer)
{
    CURSOR(c, 0x05, 0xcc, 0x05, 0xcd, 0, 5, 0xce, 0, 0, 0, 5, 0xcf, 0, 0, 0, 0, 0, 0, 0, 5, 0xd0, 5, 0xd1, 0, 5);
    for (int i = 0; i < 7; i++) {
        cr_assert_eq(gv_cursor_u64(&c), 5);
    }
    cr_assert_eq(gv_cursor_end(&c), GV_OK);
}

Test(cursor, reads_the_largest_integer)
{
    CURSOR(c, 0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
    cr_assert_eq(gv_cursor_u64(&c), UINT64_MAX);
    cr_assert_eq(gv_cursor_end(&c), GV_OK);
}

Test(cursor, refuses_negative_integers)
{
    CURSOR(a, 0xff);
    CURSOR(b, 0xd0, 0x80);
    CURSOR(d, 0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0);
    cr_assert_eq((gv_cursor_u64(&a), gv_cursor_end(&a)), GV_ERR_MALFORMED);
    cr_assert_eq((gv_cursor_u64(&b), gv_cursor_end(&b)), GV_ERR_MALFORMED);
    cr_assert_eq((gv_cursor_u64(&d), gv_cursor_end(&d)), GV_ERR_MALFORMED);
}

Test(cursor, is_sticky_and_keeps_the_first_reason)
{
    CURSOR(c, 0xc4, 9, 1, 2, 0x05);
    (void)gv_cursor_bin(&c, 0, 100);
    cr_assert_not(gv_cursor_ok(&c));
    cr_assert_eq(gv_cursor_u64(&c), 0);
    cr_assert_eq(gv_cursor_array(&c, 5), 0);
    gv_cursor_fail(&c, GV_ERR_KIND);
    cr_assert_eq(gv_cursor_end(&c), GV_ERR_TRUNCATED);
}

Test(cursor, believes_no_count_beyond_the_bytes_left)
{
    CURSOR(a, 0xdd, 0xff, 0xff, 0xff, 0xff);
    CURSOR(b, 0xdd, 0xff, 0xff, 0xff, 0xff);
    CURSOR(d, 0xdf, 0xff, 0xff, 0xff, 0xff, 1, 2);
    CURSOR(e, 0xc6, 0xff, 0xff, 0xff, 0xff, 1);
    CURSOR(f, 0xc9, 0xff, 0xff, 0xff, 0xff, 1);
    cr_assert_eq((gv_cursor_array(&a, UINT32_MAX), gv_cursor_end(&a)), GV_ERR_TRUNCATED);
    cr_assert_eq((gv_cursor_skip(&b), gv_cursor_end(&b)), GV_ERR_TRUNCATED);
    cr_assert_eq((gv_cursor_skip(&d), gv_cursor_end(&d)), GV_ERR_TRUNCATED);
    cr_assert_eq((gv_cursor_skip(&e), gv_cursor_end(&e)), GV_ERR_TRUNCATED);
    cr_assert_eq((gv_cursor_skip(&f), gv_cursor_end(&f)), GV_ERR_TRUNCATED);
}

Test(cursor, tells_too_long_from_cut_off)
{
    CURSOR(a, 0xc4, 3, 1, 2, 3);
    CURSOR(b, 0x93, 1, 2, 3);
    cr_assert_eq((gv_cursor_bin(&a, 0, 2), gv_cursor_end(&a)), GV_ERR_OVERSIZE);
    cr_assert_eq((gv_cursor_array(&b, 2), gv_cursor_end(&b)), GV_ERR_OVERSIZE);
}

Test(cursor, skips_every_type)
{
    static const struct {
        uint8_t head[6];
        uint8_t head_bytes;
        uint8_t body_bytes;
    } values[] = {
        {{0x00}, 1, 0},
        {{0x7f}, 1, 0},
        {{0x80}, 1, 0},
        {{0x81}, 1, 2},
        {{0x90}, 1, 0},
        {{0x93}, 1, 3},
        {{0xa0}, 1, 0},
        {{0xbf}, 1, 31},
        {{0xc0}, 1, 0},
        {{0xc2}, 1, 0},
        {{0xc3}, 1, 0},
        {{0xc4, 3}, 2, 3},
        {{0xc5, 0, 3}, 3, 3},
        {{0xc6, 0, 0, 0, 3}, 5, 3},
        {{0xc7, 3}, 2, 4},
        {{0xc8, 0, 3}, 3, 4},
        {{0xc9, 0, 0, 0, 3}, 5, 4},
        {{0xca}, 1, 4},
        {{0xcb}, 1, 8},
        {{0xcc}, 1, 1},
        {{0xcd}, 1, 2},
        {{0xce}, 1, 4},
        {{0xcf}, 1, 8},
        {{0xd0}, 1, 1},
        {{0xd1}, 1, 2},
        {{0xd2}, 1, 4},
        {{0xd3}, 1, 8},
        {{0xd4}, 1, 2},
        {{0xd5}, 1, 3},
        {{0xd6}, 1, 5},
        {{0xd7}, 1, 9},
        {{0xd8}, 1, 17},
        {{0xd9, 3}, 2, 3},
        {{0xda, 0, 3}, 3, 3},
        {{0xdb, 0, 0, 0, 3}, 5, 3},
        {{0xdc, 0, 3}, 3, 3},
        {{0xdd, 0, 0, 0, 3}, 5, 3},
        {{0xde, 0, 1}, 3, 2},
        {{0xdf, 0, 0, 0, 1}, 5, 2},
        {{0xe0}, 1, 0},
        {{0xff}, 1, 0},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        uint8_t bytes[64] = {0};
        struct gv_cursor c;
        size_t count = (size_t)values[i].head_bytes + values[i].body_bytes;
        memcpy(bytes, values[i].head, values[i].head_bytes);
        gv_cursor_init(&c, bytes, count);
        gv_cursor_skip(&c);
        cr_assert_eq(gv_cursor_end(&c), GV_OK, "%02x", bytes[0]);
        gv_cursor_init(&c, bytes, count - 1);
        gv_cursor_skip(&c);
        cr_assert_eq(gv_cursor_end(&c), GV_ERR_TRUNCATED, "%02x cut off", bytes[0]);
    }
}

Test(cursor, refuses_the_byte_that_is_never_used)
{
    CURSOR(c, 0xc1);
    cr_assert_eq((gv_cursor_skip(&c), gv_cursor_end(&c)), GV_ERR_MALFORMED);
}

Test(cursor, skips_to_the_depth_limit_and_no_deeper)
{
    uint8_t bomb[4096];
    struct gv_cursor c;
    memset(bomb, 0x91, sizeof bomb);
    gv_cursor_init(&c, bomb, sizeof bomb);
    cr_assert_eq((gv_cursor_skip(&c), gv_cursor_end(&c)), GV_ERR_MALFORMED);
    for (size_t depth = 1; depth <= GV_MSGPACK_DEPTH_MAX + 1; depth++) {
        bomb[depth] = 0xc0;
        gv_cursor_init(&c, bomb, depth + 1);
        gv_cursor_skip(&c);
        cr_assert_eq(gv_cursor_end(&c), depth <= GV_MSGPACK_DEPTH_MAX ? GV_OK : GV_ERR_MALFORMED, "depth %zu", depth);
        bomb[depth] = 0x91;
    }
}

Test(cursor, skips_nested_empties_without_counting_wrong)
{
    CURSOR(c, 0x93, 0x90, 0x92, 0x90, 0x80, 0x81, 0x90, 0x90, 0x2a);
    gv_cursor_skip(&c);
    cr_assert_eq(gv_cursor_u64(&c), 42);
    cr_assert_eq(gv_cursor_end(&c), GV_OK);
}

Test(cursor, in_canonical_form_takes_only_the_shortest)
{
    static const struct {
        uint8_t bytes[12];
        size_t count;
    } longer[] = {
        {{0xcc, 0x7f}, 2},
        {{0xcd, 0, 0xff}, 3},
        {{0xce, 0, 0, 0xff, 0xff}, 5},
        {{0xd0, 1}, 2},
        {{0xc5, 0, 1, 9}, 4},
        {{0xc6, 0, 0, 0, 1, 9}, 6},
        {{0xd9, 1, 'a'}, 3},
        {{0xda, 0, 1, 'a'}, 4},
        {{0xdc, 0, 1, 1}, 4},
        {{0xdd, 0, 0, 0, 1, 1}, 6},
        {{0xcf, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, 9},
    };
    for (size_t i = 0; i < sizeof longer / sizeof longer[0]; i++) {
        struct gv_cursor c;
        gv_cursor_init(&c, longer[i].bytes, longer[i].count);
        gv_cursor_skip(&c);
        cr_assert_eq(gv_cursor_end(&c), GV_OK, "form %zu", i);
        gv_cursor_init_canonical(&c, longer[i].bytes, longer[i].count);
        gv_cursor_skip(&c);
        cr_assert_eq(gv_cursor_end(&c), GV_ERR_MALFORMED, "form %zu", i);
    }
}

Test(cursor, lets_no_control_character_through)
{
    static const char *const bad[] = {"\n",   "\x1b[2J",  "\x7f",         "\xc2\x9b",
                                      "\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"};
    static const char *const good[] = {"plain", "Gr\xc3\xbc\xc3\x9f", "\xf0\x9f\x8d\x87", ""};
    for (size_t i = 0; i < 12; i++) {
        const char *text = i < 8 ? bad[i] : good[i - 8];
        uint8_t bytes[16] = {(uint8_t)(0xa0 + strlen(text))};
        char out[16];
        struct gv_cursor c;
        memcpy(bytes + 1, text, strlen(text));
        gv_cursor_init(&c, bytes, 1 + strlen(text));
        gv_cursor_text(&c, out, 15);
        cr_assert_eq(gv_cursor_end(&c), i < 8 ? GV_ERR_MALFORMED : GV_OK, "text %zu", i);
        cr_assert_str_eq(out, i < 8 ? "" : text);
    }
    CURSOR(zero, 0xa2, 'a', 0);
    char out[8];
    gv_cursor_text(&zero, out, 7);
    cr_assert_eq(gv_cursor_end(&zero), GV_ERR_MALFORMED);
}

Test(cursor, of_nothing_is_truncated)
{
    struct gv_cursor c;
    gv_cursor_init(&c, NULL, 0);
    cr_assert_eq(gv_cursor_end(&c), GV_ERR_TRUNCATED);
    static const uint8_t none[1];
    gv_cursor_init(&c, none, 0);
    cr_assert_eq((gv_cursor_u64(&c), gv_cursor_end(&c)), GV_ERR_TRUNCATED);
}

Test(cursor, reports_what_is_left_over)
{
    CURSOR(c, 1, 2);
    (void)gv_cursor_u64(&c);
    cr_assert_eq(gv_cursor_end(&c), GV_ERR_MALFORMED);
}
