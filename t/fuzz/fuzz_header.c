/* SPDX-License-Identifier: MIT */
/*
 * The response header DRSession of a backend: what is read is operations
 * that a batch may have, and written out again, each as an item of its own,
 * they are the same operations.
 *
 *     input: the value of the header
 */
#include "fuzz.h"

#include <string.h>

#include <apr_strings.h>

#include "drs_batch.h"
#include "drs_codec.h"
#include "drs_ops.h"

static const char *const names[] = { "set",    "add",        "incr",
                                     "delete", "regenerate", "destroy" };
static const drs_op_verb_t verbs[] = {
    /* clang-format off */
    DRS_OP_SET, DRS_OP_ADD, DRS_OP_INCR, DRS_OP_DELETE, DRS_OP_REGENERATE,
    DRS_OP_DESTROY
    /* clang-format on */
};

static const char *name_of(const drs_op_t *op)
{
    size_t i = 0;

    while (i < sizeof(verbs) / sizeof(verbs[0]) && verbs[i] != op->verb) i++;
    CLAIM(i < sizeof(verbs) / sizeof(verbs[0]));
    return names[i];
}

static int is_alone(const drs_op_t *op)
{
    return op->verb == DRS_OP_REGENERATE || op->verb == DRS_OP_DESTROY;
}

/* Operations of an update say null and are deletions. */
static int has_value(const drs_op_t *op)
{
    return op->verb == DRS_OP_SET || op->verb == DRS_OP_ADD ||
           op->verb == DRS_OP_INCR;
}

static void check_op(const drs_op_t *op, apr_pool_t *p)
{
    const char *stored = NULL;
    const char *why = NULL;
    apr_size_t len = 0;
    apr_int64_t by;

    if (is_alone(op)) return;
    CLAIM(strlen(op->field) >= 1 && strlen(op->field) <= DRS_FIELD_MAX);
    CLAIM(drs_codec_is_utf8(op->field, strlen(op->field)));
    if (!has_value(op)) return;
    CLAIM(drs_codec_dump(&drs_codec_json, op->json, op->len, &stored, &len,
                         &why, p) == APR_SUCCESS);
    CLAIM(stored == op->json && len == op->len);
    if (op->verb == DRS_OP_INCR) {
        CLAIM(drs_codec_int(op->json, op->len, &by, &why) == APR_SUCCESS);
    }
}

static const char *write_op(const drs_op_t *op, apr_pool_t *p)
{
    const char *field = NULL;

    if (is_alone(op)) return name_of(op);
    CLAIM(drs_codec_quote(op->field, strlen(op->field), &field, p) ==
          APR_SUCCESS);
    if (!has_value(op)) return apr_pstrcat(p, name_of(op), " ", field, NULL);
    return apr_pstrcat(p, name_of(op), "\t ", field, " ",
                       apr_pstrmemdup(p, op->json, op->len), " ", NULL);
}

static int is_same(const drs_op_t *a, const drs_op_t *b)
{
    if (a->verb != b->verb) return 0;
    if (is_alone(a)) return 1;
    if (strcmp(a->field, b->field) != 0) return 0;
    return !has_value(a) ||
           (a->len == b->len && memcmp(a->json, b->json, a->len) == 0);
}

static void check_again(const apr_array_header_t *ops, apr_pool_t *p)
{
    apr_array_header_t *again = apr_array_make(p, 8, sizeof(drs_op_t));
    const char *text = "";
    const char *why = NULL;
    int i;

    for (i = 0; i < ops->nelts; i++) {
        text = apr_pstrcat(p, text, i > 0 ? "," : "",
                           write_op(&APR_ARRAY_IDX(ops, i, drs_op_t), p), NULL);
    }
    CLAIM(drs_ops_parse(text, again, &why, p) == APR_SUCCESS);
    CLAIM(again->nelts == ops->nelts);
    for (i = 0; i < ops->nelts; i++) {
        CLAIM(is_same(&APR_ARRAY_IDX(ops, i, drs_op_t),
                      &APR_ARRAY_IDX(again, i, drs_op_t)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t input = fuzz_open(data, size);
    const char *text = fuzz_rest(&input);
    apr_array_header_t *ops = apr_array_make(input.p, 8, sizeof(drs_op_t));
    const char *why = NULL;
    apr_status_t rv = drs_ops_parse(text, ops, &why, input.p);
    int i;

    if (rv != APR_SUCCESS) {
        CLAIM(rv == DRS_EVALUE && why != NULL);
    }
    else {
        for (i = 0; i < ops->nelts; i++) {
            check_op(&APR_ARRAY_IDX(ops, i, drs_op_t), input.p);
        }
        if (ops->nelts > 0) check_again(ops, input.p);
    }
    fuzz_end();
    return 0;
}
