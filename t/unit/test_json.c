/* SPDX-License-Identifier: MIT */
/*
 * drs_json: where a value ends, how deep it may be, which numbers a double
 * holds and what is UTF-8. The tables of RFC 8259 are in test_codec.
 */
#include "drs_json.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Whether all of the text is one value, at most `depth` deep. */
static int is_value(const char *text, apr_size_t len, int depth)
{
    const char *value;
    const char *end;
    const char *why;

    return drs_json_scan(text, len, depth, &value, &end, &why) == APR_SUCCESS &&
           end == text + len;
}

static void a_scan_stops_behind_the_first_value(void **state)
{
    static const struct {
        const char *text;
        apr_size_t from;
        apr_size_t to;
    } rows[] = {
        /* clang-format off */
        { "1", 0, 1 }, { " 1 2", 1, 2 }, { "{\"a\":[1, 2]}, incr", 0, 12 },
        { "\"a,b\", \"c\"", 0, 5 }, { "null null", 0, 4 }, { "[]]", 0, 2 },
        { "\t\n\"\\\"\" x", 2, 6 }, { "1.5e3,", 0, 5 }, { "01", 0, 1 },
        /* clang-format on */
    };
    const char *value;
    const char *end;
    const char *why;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        assert_int_equal(drs_json_scan(rows[i].text, strlen(rows[i].text), 8,
                                       &value, &end, &why),
                         APR_SUCCESS);
        assert_int_equal(value - rows[i].text, rows[i].from);
        assert_int_equal(end - rows[i].text, rows[i].to);
    }
}

static void a_refusal_says_why_and_gives_nothing(void **state)
{
    const char *value = NULL;
    const char *end = NULL;
    const char *why = NULL;

    (void)state;
    assert_int_equal(drs_json_scan("[1", 2, 8, &value, &end, &why), DRS_EVALUE);
    assert_string_equal(why, "JSON ends too early");
    assert_int_equal(drs_json_scan("[1}", 3, 8, &value, &end, &why),
                     DRS_EVALUE);
    assert_string_equal(why, "not JSON");
    assert_null(value);
    assert_null(end);
}

static void depth_is_what_the_caller_allows(void **state)
{
    (void)state;
    assert_true(is_value("1", 1, 0));
    assert_false(is_value("[]", 2, 0));
    assert_true(is_value("[]", 2, 1));
    assert_false(is_value("[{}]", 4, 1));
    assert_true(is_value("[{},[],{}]", 10, 2));
}

static void a_number_with_a_million_digits_is_judged_exactly(void **state)
{
    static char text[1000000];
    apr_size_t len = sizeof(text);

    (void)state;
    memset(text, '9', len);
    assert_true(is_value(text, len, 0));
    memcpy(text + len - 2, ".9", 2);
    assert_false(is_value(text, len, 0));

    /* 9.000...1e308 is beyond a double, 1.000...1e308 is not. */
    memset(text, '0', len);
    memcpy(text, "9.", 2);
    memcpy(text + len - 7, "1e00308", 7);
    assert_false(is_value(text, len, 0));
    text[0] = '1';
    assert_true(is_value(text, len, 0));

    /* 0.000...1 with 999,989 zeros, times ten to the power of a million. */
    text[0] = '0';
    memcpy(text + len - 8, "1e999990", 8);
    assert_true(is_value(text, len, 0));
    memcpy(text + len - 8, "1e+00000", 8);
    assert_true(is_value(text, len, 0));
    memcpy(text + len - 9, "1e1000400", 9);
    assert_false(is_value(text, len, 0));
}

static void the_limit_of_a_double_is_met_to_the_last_digit(void **state)
{
    /* Halfway between the greatest double and 2^1024: rounds to infinity. */
    static const char limit[] =
        "17976931348623158079372897140530341507993413271003782693617377898044"
        "49682927647509466490179775872070963302864166928879109465555478519404"
        "02630657488671505820681908902000708383676273854845817711531764475730"
        "27006985557136695962284291481986083493647529271907416844436551070434"
        "2711559699508093042880177904174497792";
    char text[sizeof(limit) + 2];
    apr_size_t len = sizeof(limit) - 1;

    (void)state;
    memcpy(text, limit, len);
    memcpy(text + len, ".0", 2);
    assert_true(is_value(text, len, 0));
    assert_false(is_value(text, len + 2, 0));
    memcpy(text + len - 2, "91", 2);
    assert_true(is_value(text, len + 2, 0));
}

static void numbers_do_not_depend_on_the_locale(void **state)
{
    (void)state;
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
        print_message("# no de_DE.UTF-8 here: checked in C only\n");
    }
    assert_true(is_value("1.5", 3, 0));
    assert_true(is_value("0.1e309", 7, 0));
    assert_false(is_value("10.5e308", 8, 0));
    assert_false(is_value("1,5", 3, 0));
    setlocale(LC_ALL, "C");
}

/* Bytes with their length, so that a NUL may be among them. */
static void check_utf8(const char *text, apr_size_t len, int wanted)
{
    assert_int_equal(drs_json_is_utf8(text, len), wanted);
}

static void utf8_is_judged_by_rfc_3629(void **state)
{
    (void)state;
    check_utf8("", 0, 1);
    check_utf8("a\0b", 3, 1);
    check_utf8("\xc3\xa4\xe4\xb8\xad\xf0\x9f\x98\x80", 9, 1);
    check_utf8("\xf4\x8f\xbf\xbf", 4, 1);
    check_utf8("\xf4\x90\x80\x80", 4, 0);
    check_utf8("\xed\xa0\x80", 3, 0);
    check_utf8("\xc0\x80", 2, 0);
    check_utf8("\xe0\x9f\xbf", 3, 0);
    check_utf8("\xf0\x8f\xbf\xbf", 4, 0);
    check_utf8("\xc3", 1, 0);
    check_utf8("\xe4\xb8\xad", 2, 0);
    check_utf8("a\x80", 2, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_stops_behind_the_first_value),
        cmocka_unit_test(a_refusal_says_why_and_gives_nothing),
        cmocka_unit_test(depth_is_what_the_caller_allows),
        cmocka_unit_test(a_number_with_a_million_digits_is_judged_exactly),
        cmocka_unit_test(the_limit_of_a_double_is_met_to_the_last_digit),
        cmocka_unit_test(numbers_do_not_depend_on_the_locale),
        cmocka_unit_test(utf8_is_judged_by_rfc_3629),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
