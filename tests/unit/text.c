#include "core/text.h"
#include "tests/balanced.h"
#include <criterion/criterion.h>
#include <math.h>

BALANCED(text);

Test(text, distance) {
    cr_expect_eq(text_distance("", ""), 0);
    cr_expect_eq(text_distance("", "abc"), 3);
    cr_expect_eq(text_distance("train.lrr", "train.lr"), 1);
    cr_expect_eq(text_distance("kitten", "sitting"), 3);
    cr_expect_eq(text_distance("flaw", "lawn"), 2);
}

Test(text, distance_of_long_texts_is_bounded) {
    char a[1000], b[1000];
    memset(a, 'a', sizeof a - 1), memset(b, 'b', sizeof b - 1);
    a[sizeof a - 1] = b[sizeof b - 1] = 0;
    cr_expect_eq(text_distance(a, b), 63);
}

Test(text, printable) {
    static const char *const good[] = {"", "plain text", "\xC3\xA9", "\xE2\x82\xAC",
                                       "\xF0\x9F\x98\x80"};
    static const char *const bad[] = {
        "a\nb",     "\x7F",         "\x80",         "\xC3",         "\xC0\xAF",
        "\xC2\x85", "\xE2\x82",     "\xED\xA0\x80", "\xE0\x80\xAF", "\xF4\x90\x80\x80",
        "\xFF",     "\xE2\x80\xA8", "\xEF\xBB\xBF", "\xEF\xBF\xBF", "\xF8\x88\x80\x80\x80"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        cr_expect(text_is_printable(good[i]), "good %zu", i);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_expect_not(text_is_printable(bad[i]), "bad %zu", i);
}

Test(text, duration) {
    static const struct {
        double seconds;
        const char *text;
    } some[] = {{0, "0:00"},       {4.2, "0:05"},       {59.5, "1:00"},        {3599, "59:59"},
                {3600, "1:00:00"}, {86399, "23:59:59"}, {360000, "100:00:00"}, {-1, "?"},
                {INFINITY, "?"},   {NAN, "?"}};
    char text[TEXT_DURATION];
    for (size_t i = 0; i < sizeof some / sizeof *some; i++)
        cr_expect_str_eq(text_duration(some[i].seconds, text), some[i].text, "%g", some[i].seconds);
}
