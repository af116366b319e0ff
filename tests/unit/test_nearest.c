/*
 * Suggestions for mistyped words.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "nearest.h"

static const char *const WORDS[] = {"latency", "loss", "up", "down", "outbound_only", "seed", NULL};

static const char *nearest(const char *word)
{
    return gv_nearest(word, strlen(word), WORDS);
}

Test(nearest, finds_what_was_meant)
{
    static const struct {
        const char *word, *meant;
    } pairs[] = {{"latnecy", "latency"},        {"latenc", "latency"},    {"los", "loss"}, {"lloss", "loss"},
                 {"outbound", "outbound_only"}, {"out", "outbound_only"}, {"dwn", "down"}, {"seeds", "seed"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const char *found = nearest(pairs[i].word);
        cr_expect(found != NULL && strcmp(found, pairs[i].meant) == 0, "%s -> %s", pairs[i].word,
                  found != NULL ? found : "nothing");
    }
}

Test(nearest, is_silent_about_what_is_no_typing_error)
{
    static const char *const others[] = {"", "x", "qq", "bandwidth",
                                         "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        const char *found = nearest(others[i]);
        cr_expect_null(found, "%s -> %s", others[i], found);
    }
}

Test(nearest, reads_no_further_than_told)
{
    const char *found = gv_nearest("losszzzzzzzz", 4, WORDS);
    cr_assert_not_null(found);
    cr_expect_str_eq(found, "loss");
}

Test(nearest, is_a_typo_away_or_nothing)
{
    static const char *const words[] = {"status", "stop", "peers", "log_level", NULL};
    cr_assert_str_eq(gv_nearest("statsu", strlen("statsu"), words), "status");
    cr_assert_str_eq(gv_nearest("loglevel", strlen("loglevel"), words), "log_level");
    cr_assert_str_eq(gv_nearest("stp", strlen("stp"), words), "stop");
    cr_assert_str_eq(gv_nearest("log", strlen("log"), words), "log_level", "a beginning");
    cr_assert_null(gv_nearest("quintessence", strlen("quintessence"), words));
    cr_assert_null(gv_nearest("strange", strlen("strange"), words), "three letters off");
    cr_assert_null(gv_nearest("", strlen(""), (const char *const[]){NULL}));
    char longest[5000];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    cr_assert_null(gv_nearest(longest, strlen(longest), words), "a very long word is not compared");
}
