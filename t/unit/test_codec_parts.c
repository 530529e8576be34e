/* SPDX-License-Identifier: MIT */
/*
 * drs_codec: objects and arrays taken apart, their values left as they
 * stand or shown as plain text.
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

/* Elements as `text;`; NULL when refused. */
static const char *show_elements(const char *json, apr_pool_t *p)
{
    apr_array_header_t *texts = NULL;
    const char *why = NULL;
    const char *shown = "";
    int i;

    if (drs_codec_elements(json, strlen(json), &texts, &why, p) !=
        APR_SUCCESS) {
        assert_non_null(why);
        assert_null(texts);
        return NULL;
    }
    for (i = 0; i < texts->nelts; i++) {
        shown = apr_pstrcat(p, shown, APR_ARRAY_IDX(texts, i, const char *),
                            ";", NULL);
    }
    return shown;
}

static void arrays_are_taken_apart(void **state)
{
    static const char *const rows[][2] = {
        /* clang-format off */
        { "[]", "" }, { " [ ] ", "" }, { "[1]", "1;" },
        { "[1,2]", "1;2;" }, { " [ \"a\" , null,[1, 2] ,{\"b\":3}]\n",
          "a;;[1, 2];{\"b\":3};" }, { "[true,\"x;y\"]", "true;x;y;" },
        { "{}", NULL }, { "1", NULL }, { "[1", NULL }, { "[1,]", NULL },
        { "", NULL }, { "[\"a\\nb\"]", NULL }, { "[1]2", NULL },
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        const char *shown = show_elements(rows[i][0], *state);

        if (rows[i][1] == NULL) {
            assert_null(shown);
        }
        else {
            assert_non_null(shown);
            assert_string_equal(shown, rows[i][1]);
        }
    }
}

/* Members as `name=value;`; NULL when refused. */
static const char *show_members(const char *json, apr_pool_t *p)
{
    apr_array_header_t *members = NULL;
    const char *why = NULL;
    const char *shown = "";
    apr_size_t len = strlen(json);
    int i;

    if (drs_codec_members(apr_pmemdup(p, json, len), len, &members, &why, p) !=
        APR_SUCCESS) {
        assert_null(members);
        assert_non_null(why);
        return NULL;
    }
    for (i = 0; i < members->nelts; i++) {
        const drs_member_t *member = &APR_ARRAY_IDX(members, i, drs_member_t);

        shown = apr_pstrcat(p, shown, member->name, "=",
                            apr_pstrmemdup(p, member->json, member->len), ";",
                            NULL);
    }
    return shown;
}

static void an_object_is_taken_apart_and_its_values_kept(void **state)
{
    static const char *const rows[][2] = {
        /* clang-format off */
        { "{}", "" }, { " { } ", "" }, { "{\"a\":1}", "a=1;" },
        { "{ \"a\" : 1 , \"b\" : [ 2 ] }\n", "a=1;b=[ 2 ];" },
        { "{\"\":null}", "=null;" }, { "{\"\\u0061\":1}", "a=1;" },
        { "{\"a\":{\"b\":{\"c\":\"}\"}}}", "a={\"b\":{\"c\":\"}\"}};" },
        { "{\"a\":\"\\ud800\\u0000\"}", "a=\"\\ud800\\u0000\";" },
        { "{\"a\":1,\"a\":2}", "a=2;" },
        { "{\"a\":1,\"\\u0061\":2,\"b\":3,\"a\":4}", "a=4;b=3;" },
        { "{\"a\":1} x", NULL }, { "{\"a\":1}{}", NULL }, { "[]", NULL },
        { "1", NULL }, { "null", NULL }, { "\"{}\"", NULL }, { "", NULL },
        { "{\"a\":1", NULL }, { "{\"a\":NaN}", NULL }, { "{\"a\"}", NULL },
        { "{\"\\u0000\":1}", NULL }, { "{\"a\\u0000b\":1}", NULL },
        { "{\"\\ud800\":1}", NULL }, { "{\"a\":1,}", NULL },
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        const char *shown = show_members(rows[i][0], *state);

        if (rows[i][1] == NULL) {
            assert_null(shown);
        }
        else {
            assert_non_null(shown);
            assert_string_equal(shown, rows[i][1]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_taken_apart),
        cmocka_unit_test(an_object_is_taken_apart_and_its_values_kept),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
