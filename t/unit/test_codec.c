/* SPDX-License-Identifier: MIT */
/*
 * drs_codec: what is JSON and what is not, that text is kept byte for byte,
 * and each way to decode it. Texts are read from buffers of their exact
 * size, so that a memory checker sees a byte read too many.
 */
#include "drs_codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static int make_pool(void **state)
{
    apr_pool_t *p = NULL;

    if (apr_initialize() != APR_SUCCESS) return 1;
    if (apr_pool_create(&p, NULL) != APR_SUCCESS) return 1;
    *state = p;
    return 0;
}

static int drop_pool(void **state)
{
    apr_pool_destroy(*state);
    apr_terminate();
    return 0;
}

/* RFC 8259 accepts each of these, and so does a store of JSON text. */
static const char *const good[] = {
    /* clang-format off */
    "null", "true", "false", "0", "-0", "1", "-1", "10", "9007199254740993",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809",
    "123456789012345678901234567890123456789012345678901234567890",
    "0.0", "-0.0", "0.1", "0.1e1", "1e0", "1E0", "1e+1", "1E-1", "1e00",
    "1e007", "123.456e-7", "1e308", "-1e308", "1.7976931348623157e308",
    "17976931348623157e292", "0.00017976931348623157e312", "1e-400",
    "0e999999999999999999999", "0.0e400", "-0e400", "4.9e-324",
    "1e-99999999999999999999", "1.7976931348623158e308",
    "\"\"", "\"a\"", "\" \"", "\"\\\"\"", "\"\\\\\"", "\"\\/\"", "\"/\"",
    "\"\\b\\f\\n\\r\\t\"", "\"\\u0000\"", "\"\\u00e4\"", "\"\\uABCD\"",
    "\"\\uabcd\"", "\"\\ud83d\\ude00\"", "\"\\ud83d\"", "\"\\ude00\"",
    "\"\\ude00\\ud83d\"", "\"\\uffff\"", "\"\x7f\"", "\"\xc2\x80\"",
    "\"\xdf\xbf\"", "\"\xe0\xa0\x80\"", "\"\xed\x9f\xbf\"",
    "\"\xee\x80\x80\"", "\"\xef\xbf\xbf\"", "\"\xf0\x90\x80\x80\"",
    "\"\xf4\x8f\xbf\xbf\"", "\"\xef\xbb\xbf\"", "\"'\"", "\"{[\"",
    "[]", "[ ]", "[1]", "[1,2]", "[ 1 , 2 ]", "[[]]", "[[],[[]]]", "[null]",
    "[\"a\",1,true,{}]", "[\n1,\r\n2\t]", "[0.1e1]", "[-0]", "[\"]\"]",
    "{}", "{ }", "{\"a\":1}", "{ \"a\" : 1 }", "{\"a\":1,\"b\":2}",
    "{\"a\":1,\"a\":2}", "{\"\":0}", "{\"a\":{\"b\":[{}]}}", "{\"\\u0000\":1}",
    "{\"a\":\"}\"}", "{\n\"a\":\n1\n}", "{\"\xc3\xa4\":1}",
    /* clang-format on */
};

static const char *const bad[] = {
    /* clang-format off */
    /* nothing, or too little */
    "", " ", "\n", "[", "]", "{", "}", "\"", "\"a", "\"\\", "\"\\\"", "[1",
    "[1,", "[1,2", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "-",
    "1.", "1e", "1e+", "t", "tru", "nul", "\"\\u", "\"\\u123", "[\"",
    /* words */
    "NaN", "nan", "-NaN", "Infinity", "-Infinity", "inf", "True", "None",
    "NULL", "undefined", "nulll", "truefalse", "a", "'a'", "#", "//",
    /* numbers */
    "+1", "01", "-01", "00", "1.e1", ".5", "-.5", "1.5.5", "0x10", "1e1.5",
    "1 2", "--1", "-a", "1_000", "1,5", "1e5e5", "1f", "1e400", "-1e400",
    "1.0e309", "0.1e310", "1.7976931348623159e308", "10.0e308",
    "0.001e99999999999999999999", "[1e400]", "{\"a\":1e999}",
    "\xef\xbc\x91", "1\xc2\xa0",
    /* strings */
    "\"\\x\"", "\"\\a\"", "\"\\'\"", "\"\\U0041\"", "\"\\u12\"",
    "\"\\u12g4\"", "\"\\u 123\"", "\"\\u-123\"", "\"\n\"", "\"\t\"",
    "\"\x01\"", "\"\x1f\"", "\"a\"b", "\"\"\"", "\"\\\n\"",
    /* not UTF-8: stray, cut, overlong, surrogates, beyond U+10FFFF */
    "\"\x80\"", "\"\xbf\"", "\"\xc2\"", "\"\xc2 \"", "\"\xc0\x80\"",
    "\"\xc0\xaf\"", "\"\xc1\xbf\"", "\"\xe0\x80\x80\"", "\"\xe0\x9f\xbf\"",
    "\"\xe4\xb8\"", "\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"",
    "\"\xf0\x80\x80\x80\"", "\"\xf0\x8f\xbf\xbf\"", "\"\xf4\x90\x80\x80\"",
    "\"\xf5\x80\x80\x80\"", "\"\xf8\x88\x80\x80\x80\"", "\"\xfe\"",
    "\"\xff\"", "\"\xe4\"", "{\"\xff\":1}", "\xc3\xa4",
    "\xef\xbb\xbf" "1", "\xff\xfe" "1",
    /* arrays and objects */
    "[,]", "[1,]", "[,1]", "[1,,2]", "[1 2]", "[1}", "{1}", "{]", "[}",
    "[1]]", "[] []", "{}{}", "{,}", "{\"a\":1,}", "{,\"a\":1}", "{a:1}",
    "{'a':1}", "{1:1}", "{\"a\",1}", "{\"a\" 1}", "{\"a\":}", "{\"a\"::1}",
    "{\"a\":1 \"b\":2}", "{\"a\":1;}", "{\"a\":1,,\"b\":2}", "{null:1}",
    "[1]x", "[1],", "null,", "/**/1", "1//", "[\v1]", "\f1", "1\v",
    /* clang-format on */
};

static apr_status_t dump(const char *text, apr_size_t len, const char **stored,
                         apr_size_t *stored_len, apr_pool_t *p)
{
    const char *why = NULL;
    const char *exact = apr_pmemdup(p, text, len);
    apr_status_t rv = drs_codec_dump(&drs_codec_json, exact, len, stored,
                                     stored_len, &why, p);

    assert_int_equal(rv == APR_SUCCESS, why == NULL);
    return rv;
}

static void json_is_stored_byte_for_byte_without_outer_blanks(void **state)
{
    size_t i;

    for (i = 0; i < COUNT(good); i++) {
        const char *padded =
            apr_pstrcat(*state, " \t\r\n", good[i], "\n \r\t", NULL);
        const char *stored = NULL;
        apr_size_t len = 0;

        if (dump(good[i], strlen(good[i]), &stored, &len, *state) !=
            APR_SUCCESS) {
            fail_msg("refused: %s", good[i]);
        }
        assert_int_equal(len, strlen(good[i]));
        assert_memory_equal(stored, good[i], len);
        assert_int_equal(dump(padded, strlen(padded), &stored, &len, *state),
                         APR_SUCCESS);
        assert_int_equal(len, strlen(good[i]));
        assert_memory_equal(stored, good[i], len);
    }
}

static void what_is_no_json_is_refused(void **state)
{
    size_t i;

    for (i = 0; i < COUNT(bad); i++) {
        const char *stored = NULL;
        apr_size_t len = 77;

        if (dump(bad[i], strlen(bad[i]), &stored, &len, *state) != DRS_EVALUE) {
            fail_msg("accepted: %s", bad[i]);
        }
        assert_null(stored);
        assert_int_equal(len, 77);
    }
}

static void a_nul_outside_a_string_escape_is_refused(void **state)
{
    static const char *const texts[] = { "1\0", "\0001", "\"\0\"", "[\0]",
                                         "\"\\\0\"" };
    static const apr_size_t lens[] = { 2, 2, 3, 3, 4 };
    const char *stored;
    apr_size_t len;
    size_t i;

    for (i = 0; i < COUNT(texts); i++) {
        assert_int_equal(dump(texts[i], lens[i], &stored, &len, *state),
                         DRS_EVALUE);
    }
}

/* `[[[...]]]`, or with objects between; n levels in all. */
static const char *nest(int n, int objects, apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; i < n; i++) {
        text = objects ? apr_pstrcat(p, "{\"a\":", i ? text : "1", "}", NULL)
                       : apr_pstrcat(p, "[", text, "]", NULL);
    }
    return text;
}

static void nesting_ends_at_128_levels(void **state)
{
    const char *siblings;
    const char *stored;
    apr_size_t len;
    int objects;

    for (objects = 0; objects < 2; objects++) {
        const char *most = nest(128, objects, *state);
        const char *more = nest(129, objects, *state);

        assert_int_equal(dump(most, strlen(most), &stored, &len, *state),
                         APR_SUCCESS);
        assert_int_equal(dump(more, strlen(more), &stored, &len, *state),
                         DRS_EVALUE);
    }
    /* Levels count where they stand, not how many there were. */
    siblings = apr_pstrcat(*state, "[", nest(127, 0, *state), ",",
                           nest(127, 1, *state), "]", NULL);
    assert_int_equal(dump(siblings, strlen(siblings), &stored, &len, *state),
                     APR_SUCCESS);
}

static void two_million_brackets_crash_nothing(void **state)
{
    apr_size_t len = 2000000;
    char *text = apr_palloc(*state, len);
    apr_array_header_t *members;
    const char *shown = NULL;
    const char *why = NULL;
    apr_size_t stored_len;

    memset(text, '[', len);
    assert_int_equal(dump(text, len, &shown, &stored_len, *state), DRS_EVALUE);
    assert_int_equal(drs_codec_members(text, len, &members, &why, *state),
                     DRS_EVALUE);
    assert_int_equal(drs_codec_string(text, len, &shown, &why, *state),
                     DRS_EVALUE);
    assert_int_equal(drs_codec_plain(text, len, &shown, &why, *state),
                     APR_SUCCESS);
    assert_int_equal(strlen(shown), len);
}

static void integers_are_plain_digits_within_64_bits(void **state)
{
    static const struct {
        const char *json;
        apr_int64_t n;
    } rows[] = {
        /* clang-format off */
        { "0", 0 }, { "-0", 0 }, { "1", 1 }, { "-1", -1 }, { "10", 10 },
        { "9223372036854775807", APR_INT64_MAX },
        { "-9223372036854775808", APR_INT64_MIN },
        { "-9223372036854775807", -APR_INT64_MAX },
        /* clang-format on */
    };
    static const char *const others[] = {
        /* clang-format off */
        "", "-", "+1", "01", "-01", "00", " 1", "1 ", "1.0", "1e1", "0x1",
        "\"1\"", "null", "a", "1a", "--1", "9223372036854775808",
        "-9223372036854775809", "18446744073709551616",
        "99999999999999999999999999999999999999", "[1]", "1\n",
        /* clang-format on */
    };
    const char *why = NULL;
    apr_int64_t n;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        assert_int_equal(
            drs_codec_int(rows[i].json, strlen(rows[i].json), &n, &why),
            APR_SUCCESS);
        assert_true(n == rows[i].n);
    }
    for (i = 0, n = 77; i < COUNT(others); i++) {
        why = NULL;
        assert_int_equal(drs_codec_int(others[i], strlen(others[i]), &n, &why),
                         DRS_EVALUE);
        assert_non_null(why);
        assert_true(n == 77);
    }
}

typedef apr_status_t (*decode_t)(const char *json, apr_size_t len,
                                 const char **text, const char **why,
                                 apr_pool_t *p);

/* Decode json; NULL in `wanted` stands for a refusal. */
static void check_decoded(decode_t decode, const char *json, const char *wanted,
                          apr_pool_t *p)
{
    const char *text = NULL;
    const char *why = NULL;
    apr_size_t len = strlen(json);
    apr_status_t rv = decode(apr_pmemdup(p, json, len), len, &text, &why, p);

    if (rv != (wanted != NULL ? APR_SUCCESS : DRS_EVALUE)) {
        fail_msg("%s: %d", json, rv);
    }
    if (wanted != NULL) {
        assert_string_equal(text, wanted);
    }
    else {
        assert_null(text);
        assert_non_null(why);
    }
}

static void strings_are_decoded_unless_c_cannot_hold_them(void **state)
{
    static const char *const rows[][2] = {
        /* clang-format off */
        { "\"\"", "" }, { "\"a\"", "a" }, { " \"a\" ", "a" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"\\u00e4\"", "\xc3\xa4" }, { "\"\xc3\xa4\"", "\xc3\xa4" },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
        { "\"\\uffff\"", "\xef\xbf\xbf" },
        { "\"\\u0000\"", NULL }, { "\"a\\u0000b\"", NULL },
        { "\"\\ud83d\"", NULL }, { "\"\\ude00\"", NULL },
        { "\"\\ud83d\\ud83d\"", NULL }, { "\"\\ud83dx\"", NULL },
        { "", NULL }, { "a", NULL }, { "1", NULL }, { "null", NULL },
        { "[\"a\"]", NULL }, { "{}", NULL }, { "\"a", NULL },
        { "\"a\"b", NULL }, { "\"a\" \"b\"", NULL }, { "\"\xff\"", NULL },
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        check_decoded(drs_codec_string, rows[i][0], rows[i][1], *state);
    }
}

static void plain_text_is_what_a_person_would_write(void **state)
{
    static const char *const rows[][2] = {
        /* clang-format off */
        { "\"\"", "" }, { "\"ann\"", "ann" }, { "\"\\u00e4\"", "\xc3\xa4" },
        { "1", "1" }, { "-1.50", "-1.50" }, { "true", "true" },
        { "false", "false" }, { "null", "" }, { " null\n", "" },
        { "\"null\"", "null" }, { " 1\n", "1" }, { "[1, 2]", "[1, 2]" },
        { "{\"a\": \"\\n\"}", "{\"a\": \"\\n\"}" },
        { "123456789012345678901", "123456789012345678901" },
        { "NaN", "NaN" }, { "-Infinity", "-Infinity" }, { "1e400", "1e400" },
        { "", "" }, { "not json", "not json" }, { "\"open", "\"open" },
        { "\xff", "\xff" }, { "[1,\n2]", NULL }, { "\"\\n\"", NULL },
        { "\"\\u0000\"", NULL }, { "\"a\\u0001\"", NULL },
        { "\"\x7f\"", NULL }, { "\"\\ud800\"", NULL }, { "a\nb", NULL },
        { "a\x7f", NULL }, { "a\tb", NULL }, { "a\r\nX: y", NULL },
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        check_decoded(drs_codec_plain, rows[i][0], rows[i][1], *state);
    }
}

static void raw_text_is_shown_as_it_stands(void **state)
{
    static const char *const rows[][2] = {
        /* clang-format off */
        { "", "" }, { "a b", "a b" }, { "\"quoted\"", "\"quoted\"" },
        { " null ", " null " }, { "\xff", "\xff" }, { "a\tb", NULL },
        { "a\nb", NULL }, { "\x7f", NULL },
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        check_decoded(drs_codec_plain_raw, rows[i][0], rows[i][1], *state);
    }
}

static void plain_text_with_a_nul_is_refused(void **state)
{
    const char *text = NULL;
    const char *why = NULL;

    assert_int_equal(drs_codec_plain("a\0b", 3, &text, &why, *state),
                     DRS_EVALUE);
    assert_int_equal(drs_codec_plain_raw("a\0b", 3, &text, &why, *state),
                     DRS_EVALUE);
    assert_null(text);
}

static apr_size_t encode_utf8(unsigned int c, char *text)
{
    int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    int i;

    for (i = more; i > 0; i--) {
        text[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    text[0] = (char)(more == 0 ? c : (0xff00U >> (more + 1) & 0xff) | c);
    return (apr_size_t)more + 1;
}

static void every_kind_of_character_survives_quoting(void **state)
{
    unsigned int c;

    for (c = 1; c <= 0x10ffff; c += c < 0x3000 ? 1 : 0xfd) {
        char text[5] = "";
        apr_size_t len = encode_utf8(c, text);
        const char *json = NULL;
        apr_pool_t *p;

        assert_int_equal(apr_pool_create(&p, *state), APR_SUCCESS);
        if (c >= 0xd800 && c <= 0xdfff) {
            assert_int_equal(drs_codec_quote(text, len, &json, p), DRS_EVALUE);
        }
        else {
            assert_int_equal(drs_codec_quote(text, len, &json, p), APR_SUCCESS);
            check_decoded(drs_codec_string, json, text, p);
        }
        apr_pool_destroy(p);
    }
}

static void quoting_keeps_a_nul_and_refuses_what_is_no_utf8(void **state)
{
    const char *json = NULL;

    assert_int_equal(drs_codec_quote("a\0b", 3, &json, *state), APR_SUCCESS);
    assert_string_equal(json, "\"a\\u0000b\"");
    assert_int_equal(drs_codec_quote("", 0, &json, *state), APR_SUCCESS);
    assert_string_equal(json, "\"\"");
    json = NULL;
    assert_int_equal(drs_codec_quote("\xff", 1, &json, *state), DRS_EVALUE);
    assert_int_equal(drs_codec_quote("\xc0\x80", 2, &json, *state), DRS_EVALUE);
    assert_int_equal(drs_codec_quote("\xc3", 1, &json, *state), DRS_EVALUE);
    assert_null(json);
}

static void raw_bytes_pass_untouched_in_both_directions(void **state)
{
    static const char bytes[] = " \0\xff{NaN\r\n\0 ";
    const char *out = NULL;
    const char *why = NULL;
    apr_size_t len = 0;

    assert_int_equal(drs_codec_dump(&drs_codec_raw, bytes, sizeof(bytes) - 1,
                                    &out, &len, &why, *state),
                     APR_SUCCESS);
    assert_int_equal(len, sizeof(bytes) - 1);
    assert_memory_equal(out, bytes, len);
    assert_int_equal(drs_codec_load(&drs_codec_raw, bytes, sizeof(bytes) - 1,
                                    &out, &len, &why, *state),
                     APR_SUCCESS);
    assert_int_equal(len, sizeof(bytes) - 1);
    assert_memory_equal(out, bytes, len);
    assert_null(why);
}

static void json_of_redis_is_passed_on_unchecked(void **state)
{
    const char *json = NULL;
    const char *why = NULL;

    assert_int_equal(
        drs_codec_load(&drs_codec_json, "NaN", 3, &json, NULL, &why, *state),
        APR_SUCCESS);
    assert_string_equal(json, "NaN");
}

/* A codec of a module: turns text round, and refuses what begins with '!'. */
static apr_status_t reverse(const char *from, apr_size_t len, const char **to,
                            apr_size_t *to_len, const char **why, apr_pool_t *p)
{
    char *turned = apr_pcalloc(p, len + 1);
    apr_size_t i;

    if (len > 0 && from[0] == '!') {
        *to = "half done";
        *why = "it shouts";
        return APR_EGENERAL;
    }
    for (i = 0; i < len; i++) {
        turned[i] = from[len - 1 - i];
    }
    *to = turned;
    *to_len = len;
    return APR_SUCCESS;
}

static apr_status_t refuse(const char *from, apr_size_t len, const char **to,
                           apr_size_t *to_len, const char **why, apr_pool_t *p)
{
    (void)from;
    (void)len;
    (void)to;
    (void)to_len;
    (void)why;
    (void)p;
    return APR_ENOTIMPL;
}

static void a_registered_codec_gets_checked_json_and_has_its_say(void **state)
{
    const drs_codec_t codec = { reverse, reverse, 0 };
    const drs_codec_t mute = { refuse, refuse, 0 };
    const char *out = NULL;
    const char *why = NULL;
    apr_size_t len = 0;

    assert_int_equal(drs_codec_dump(&codec, "abc", 3, &out, &len, &why, *state),
                     DRS_EVALUE);
    assert_int_equal(
        drs_codec_dump(&codec, " [1,2] ", 7, &out, &len, &why, *state),
        APR_SUCCESS);
    assert_int_equal(len, 5);
    assert_string_equal(out, "]2,1[");
    assert_int_equal(drs_codec_load(&codec, out, len, &out, &len, &why, *state),
                     APR_SUCCESS);
    assert_string_equal(out, "[1,2]");
    assert_int_equal(drs_codec_load(&codec, "!", 1, &out, NULL, &why, *state),
                     DRS_EREPLY);
    assert_string_equal(why, "it shouts");
    assert_string_equal(out, "[1,2]");

    why = NULL;
    assert_int_equal(drs_codec_dump(&mute, "1", 1, &out, &len, &why, *state),
                     DRS_EVALUE);
    assert_non_null(why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_stored_byte_for_byte_without_outer_blanks),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(a_nul_outside_a_string_escape_is_refused),
        cmocka_unit_test(nesting_ends_at_128_levels),
        cmocka_unit_test(two_million_brackets_crash_nothing),
        cmocka_unit_test(integers_are_plain_digits_within_64_bits),
        cmocka_unit_test(strings_are_decoded_unless_c_cannot_hold_them),
        cmocka_unit_test(plain_text_is_what_a_person_would_write),
        cmocka_unit_test(raw_text_is_shown_as_it_stands),
        cmocka_unit_test(plain_text_with_a_nul_is_refused),
        cmocka_unit_test(every_kind_of_character_survives_quoting),
        cmocka_unit_test(quoting_keeps_a_nul_and_refuses_what_is_no_utf8),
        cmocka_unit_test(raw_bytes_pass_untouched_in_both_directions),
        cmocka_unit_test(json_of_redis_is_passed_on_unchecked),
        cmocka_unit_test(a_registered_codec_gets_checked_json_and_has_its_say),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
