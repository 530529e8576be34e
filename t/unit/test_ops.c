/* SPDX-License-Identifier: MIT */
/*
 * drs_ops: what each text means, and by which sentence another is refused.
 */
#include "drs_ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "drs_batch.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

typedef struct row_t {
    const char *text;
    const char *wanted; /* operations as write_ops() has them, or why */
} row_t;

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

/* Each in brackets: verb, field and value, a bar between them. */
static const char *write_ops(const apr_array_header_t *ops, apr_pool_t *p)
{
    static const char *const names[] = { "set", "add",   "incr",
                                         "del", "renew", "end" };
    const char *text = "";
    int i;

    for (i = 0; i < ops->nelts; i++) {
        const drs_op_t *op = &APR_ARRAY_IDX(ops, i, drs_op_t);
        int valued = op->verb <= DRS_OP_INCR;

        text = apr_pstrcat(p, text, "[", names[op->verb], op->field ? "|" : "",
                           op->field ? op->field : "", valued ? "|" : "",
                           valued ? apr_pstrmemdup(p, op->json, op->len) : "",
                           "]", NULL);
    }
    return text;
}

static void check_good(const row_t *row, apr_pool_t *p)
{
    apr_array_header_t *ops = apr_array_make(p, 1, sizeof(drs_op_t));
    const char *why = NULL;

    if (drs_ops_parse(row->text, ops, &why, p) != APR_SUCCESS) {
        fail_msg("%s: %s", row->text, why);
    }
    assert_null(why);
    assert_string_equal(write_ops(ops, p), row->wanted);
}

static void check_bad(const row_t *row, apr_pool_t *p)
{
    apr_array_header_t *ops = apr_array_make(p, 1, sizeof(drs_op_t));
    const char *why = NULL;

    if (drs_ops_parse(row->text, ops, &why, p) != DRS_EVALUE) {
        fail_msg("'%s' is taken for %s", row->text, write_ops(ops, p));
    }
    assert_non_null(why);
    assert_string_equal(why, row->wanted);
}

static void each_verb_is_read(void **state)
{
    static const row_t rows[] = {
        /* clang-format off */
        { "set a 1", "[set|a|1]" },
        { "add a true", "[add|a|true]" },
        { "incr a 5", "[incr|a|5]" },
        { "incr a -5", "[incr|a|-5]" },
        { "incr a 9223372036854775807", "[incr|a|9223372036854775807]" },
        { "incr a -9223372036854775808", "[incr|a|-9223372036854775808]" },
        { "delete a", "[del|a]" },
        { "regenerate", "[renew]" },
        { "destroy", "[end]" },
        { "update {}", "" },
        { "update {\"a\":1}", "[set|a|1]" },
        { "update {\"a\":null,\"b\":\"null\",\"c\": [null] }",
          "[del|a][set|b|\"null\"][set|c|[null]]" },
        { "update {\"a\":true}", "[set|a|true]" },
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < COUNT(rows); i++) check_good(&rows[i], *state);
}

static void fields_are_words_or_strings(void **state)
{
    static const row_t rows[] = {
        /* clang-format off */
        { "delete aZ09_.-", "[del|aZ09_.-]" },
        { "delete \"a b,c\"", "[del|a b,c]" },
        { "delete \"\\u00e4\\n\"", "[del|\xc3\xa4\n]" },
        { "delete \"\xe2\x82\xac\"", "[del|\xe2\x82\xac]" },
        { "set \"\\\"\" 1", "[set|\"|1]" },
        { "set -1 1", "[set|-1|1]" },
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < COUNT(rows); i++) check_good(&rows[i], *state);
}

static void a_list_is_split_where_an_item_ends(void **state)
{
    static const row_t rows[] = {
        /* clang-format off */
        { "set a [1,2],delete b", "[set|a|[1,2]][del|b]" },
        { "set a \"x,delete b\" , incr c 1", "[set|a|\"x,delete b\"][incr|c|1]" },
        { " \tset\ta \t{\"b\":\"}\"} \t", "[set|a|{\"b\":\"}\"}]" },
        { "destroy,set a 1,regenerate", "[end][set|a|1][renew]" },
        { "delete a,delete a,\tdelete \"a\"", "[del|a][del|a][del|a]" },
        { "update {\"a\":1},update {\"b\":2}", "[set|a|1][set|b|2]" },
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < COUNT(rows); i++) check_good(&rows[i], *state);
}

#define VERB "set, add, incr, delete, update, regenerate or destroy is missing"
#define MORE "something follows an operation"
#define NAME "a field name is 1 to 255 bytes"

static void what_is_none_is_refused_by_a_sentence(void **state)
{
    static const row_t rows[] = {
        /* clang-format off */
        { "", VERB },
        { " ", VERB },
        { ",", VERB },
        { "delete a,", VERB },
        { "delete a,,delete b", VERB },
        { "SET a 1", VERB },
        { "sets a 1", VERB },
        { "se a 1", VERB },
        { "\"set\" a 1", VERB },
        { "\nset a 1", VERB },
        { "set", "a field is missing" },
        { "set\"a\" 1", "a field is missing" },
        { "delete", "a field is missing" },
        { "delete,", "a field is missing" },
        { "delete ", NAME },
        { "delete \"\"", NAME },
        { "delete ,", NAME },
        { "delete \xc3\xa4", NAME },
        { "update {\"\":1}", NAME },
        { "set a", "a blank is missing" },
        { "set a,", "a blank is missing" },
        { "set \"a\"1", "a blank is missing" },
        { "set a ", "JSON ends too early" },
        { "set a ,", "not JSON" },
        { "set a [1", "JSON ends too early" },
        { "set a 1 2", MORE },
        { "set a 01", MORE },
        { "set a 1;delete b", MORE },
        { "delete a b", MORE },
        { "delete a\n", MORE },
        { "delete a\xc3\xa4", MORE },
        { "regenerate a", MORE },
        { "destroy 1", MORE },
        { "incr a", "a number is missing" },
        { "incr a,", "a number is missing" },
        { "update {\"a\":1} 2", MORE },
        { "update", "a blank is missing" },
        { "update{}", "a blank is missing" },
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < COUNT(rows); i++) check_bad(&rows[i], *state);
}

/* The sentence is the codec's. */
static void values_that_are_none_are_refused(void **state)
{
    static const char *const texts[] = {
        /* clang-format off */
        "incr a 1.5", "incr a +1", "incr a 01", "incr a \"1\"", "incr a x",
        "incr a 9223372036854775808", "incr a -9223372036854775809",
        "incr a  ", "update 1", "update [1]", "update null", "update ",
        "update {\"a\":nul}", "update {\"a\":1", "delete \"a",
        "delete \"\\u0000\"", "delete \"\\ud800\"", "delete \"\xff\"",
        "set a \"\xff\"", "set a tru", "set a nan", "set a 1e999"
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < COUNT(texts); i++) {
        apr_array_header_t *ops = apr_array_make(*state, 1, sizeof(drs_op_t));
        const char *why = NULL;

        if (drs_ops_parse(texts[i], ops, &why, *state) != DRS_EVALUE) {
            fail_msg("'%s' is taken", texts[i]);
        }
        assert_non_null(why);
        assert_string_not_equal(why, "");
    }
}

static void a_field_of_255_bytes_is_the_longest(void **state)
{
    char name[257];
    row_t row;

    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    row.text = apr_pstrcat(*state, "delete ", name, NULL);
    row.wanted = apr_pstrcat(*state, "[del|", name, "]", NULL);
    check_good(&row, *state);
    row.text = apr_pstrcat(*state, "update {\"", name, "\":null}", NULL);
    check_good(&row, *state);

    name[255] = 'n';
    name[256] = '\0';
    row.wanted = NAME;
    row.text = apr_pstrcat(*state, "delete ", name, NULL);
    check_bad(&row, *state);
    row.text = apr_pstrcat(*state, "set \"", name, "\" 1", NULL);
    check_bad(&row, *state);
    row.text = apr_pstrcat(*state, "update {\"", name, "\":1}", NULL);
    check_bad(&row, *state);
}

/* Lines of one response are read one after another into one list. */
static void operations_are_added_to_those_there_are(void **state)
{
    apr_array_header_t *ops = apr_array_make(*state, 1, sizeof(drs_op_t));
    const char *why = NULL;

    assert_int_equal(drs_ops_parse("set a 1", ops, &why, *state), APR_SUCCESS);
    assert_int_equal(drs_ops_parse("destroy", ops, &why, *state), APR_SUCCESS);
    assert_string_equal(write_ops(ops, *state), "[set|a|1][end]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_verb_is_read),
        cmocka_unit_test(fields_are_words_or_strings),
        cmocka_unit_test(a_list_is_split_where_an_item_ends),
        cmocka_unit_test(what_is_none_is_refused_by_a_sentence),
        cmocka_unit_test(values_that_are_none_are_refused),
        cmocka_unit_test(a_field_of_255_bytes_is_the_longest),
        cmocka_unit_test(operations_are_added_to_those_there_are),
    };

    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
