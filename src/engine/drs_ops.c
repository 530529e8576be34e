/* SPDX-License-Identifier: MIT */
/*
 * A parser that goes once through the text, one function a part of the
 * grammar. A field that cannot be, or a value that is no JSON, refuses all.
 */
#include "drs_ops.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "drs_batch.h"
#include "drs_codec.h"

/* What a verb takes. */
typedef enum shape_t {
    SHAPE_ALONE,
    SHAPE_FIELD,
    SHAPE_FIELD_JSON,
    SHAPE_FIELD_NUMBER,
    SHAPE_OBJECT
} shape_t;

typedef struct verb_t {
    const char *name;
    shape_t shape;
    drs_op_verb_t verb;
} verb_t;

static const verb_t verbs[] = {
    /* clang-format off */
    { "set", SHAPE_FIELD_JSON, DRS_OP_SET },
    { "add", SHAPE_FIELD_JSON, DRS_OP_ADD },
    { "incr", SHAPE_FIELD_NUMBER, DRS_OP_INCR },
    { "delete", SHAPE_FIELD, DRS_OP_DELETE },
    { "update", SHAPE_OBJECT, DRS_OP_SET },
    { "regenerate", SHAPE_ALONE, DRS_OP_REGENERATE },
    { "destroy", SHAPE_ALONE, DRS_OP_DESTROY }
    /* clang-format on */
};

/* Every parse_* stands at its first byte and leaves `at` behind its last. */
typedef struct parse_t {
    const char *at;
    const char *end;
    const char *why;
    apr_pool_t *p;
} parse_t;

static apr_status_t refuse(parse_t *parse, const char *why)
{
    parse->why = why;
    return DRS_EVALUE;
}

static int skip_blanks(parse_t *parse)
{
    const char *from = parse->at;

    while (*parse->at == ' ' || *parse->at == '\t') parse->at++;
    return parse->at > from;
}

static const char *parse_word(parse_t *parse)
{
    const char *from = parse->at;

    while (apr_isalnum(*parse->at) ||
           (*parse->at != '\0' && strchr("_.-", *parse->at) != NULL)) {
        parse->at++;
    }
    return apr_pstrmemdup(parse->p, from, (apr_size_t)(parse->at - from));
}

static apr_status_t parse_json(parse_t *parse, const char **json,
                               apr_size_t *len)
{
    const char *end = NULL;
    apr_status_t rv;

    if (!skip_blanks(parse)) return refuse(parse, "a blank is missing");
    rv = drs_codec_scan(parse->at, (apr_size_t)(parse->end - parse->at), json,
                        &end, &parse->why);
    if (rv != APR_SUCCESS) return rv;
    *len = (apr_size_t)(end - *json);
    parse->at = end;
    return APR_SUCCESS;
}

static apr_status_t check_field(parse_t *parse, const char *field)
{
    apr_size_t len = strlen(field);

    if (len >= 1 && len <= DRS_FIELD_MAX) return APR_SUCCESS;
    return refuse(parse, "a field name is 1 to 255 bytes");
}

static apr_status_t parse_field(parse_t *parse, const char **field)
{
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv;

    if (!skip_blanks(parse)) return refuse(parse, "a field is missing");
    if (*parse->at != '"') {
        *field = parse_word(parse);
        return check_field(parse, *field);
    }
    parse->at--;
    rv = parse_json(parse, &json, &len);
    if (rv == APR_SUCCESS) {
        rv = drs_codec_string(json, len, field, &parse->why, parse->p);
    }
    return rv == APR_SUCCESS ? check_field(parse, *field) : rv;
}

static apr_status_t parse_number(parse_t *parse, drs_op_t *op)
{
    apr_int64_t by = 0;
    const char *digits;
    apr_status_t rv;

    if (!skip_blanks(parse)) return refuse(parse, "a number is missing");
    digits = parse_word(parse);
    rv = drs_codec_int(digits, strlen(digits), &by, &parse->why);
    if (rv != APR_SUCCESS) return rv;
    op->json = apr_psprintf(parse->p, "%" APR_INT64_T_FMT, by);
    op->len = strlen(op->json);
    return APR_SUCCESS;
}

/* An update is one operation a member; null deletes. */
static apr_status_t parse_object(parse_t *parse, apr_array_header_t *ops)
{
    apr_array_header_t *members = NULL;
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv = parse_json(parse, &json, &len);
    int i;

    if (rv == APR_SUCCESS) {
        rv = drs_codec_members(json, len, &members, &parse->why, parse->p);
    }
    for (i = 0; rv == APR_SUCCESS && i < members->nelts; i++) {
        const drs_member_t *member = &APR_ARRAY_IDX(members, i, drs_member_t);
        drs_op_t *op = apr_array_push(ops);

        op->verb = member->len == 4 && memcmp(member->json, "null", 4) == 0
                       ? DRS_OP_DELETE
                       : DRS_OP_SET;
        op->field = member->name;
        op->json = member->json;
        op->len = member->len;
        rv = check_field(parse, op->field);
    }
    return rv;
}

static apr_status_t parse_operands(parse_t *parse, const verb_t *verb,
                                   apr_array_header_t *ops)
{
    drs_op_t op = { verb->verb, NULL, NULL, 0 };
    apr_status_t rv = APR_SUCCESS;

    if (verb->shape == SHAPE_OBJECT) return parse_object(parse, ops);
    if (verb->shape != SHAPE_ALONE) rv = parse_field(parse, &op.field);
    if (rv == APR_SUCCESS && verb->shape == SHAPE_FIELD_JSON) {
        rv = parse_json(parse, &op.json, &op.len);
    }
    if (rv == APR_SUCCESS && verb->shape == SHAPE_FIELD_NUMBER) {
        rv = parse_number(parse, &op);
    }
    if (rv == APR_SUCCESS) APR_ARRAY_PUSH(ops, drs_op_t) = op;
    return rv;
}

static apr_status_t parse_item(parse_t *parse, apr_array_header_t *ops)
{
    const char *name = parse_word(parse);
    apr_size_t i;

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(name, verbs[i].name) == 0) {
            return parse_operands(parse, &verbs[i], ops);
        }
    }
    return refuse(parse, "set, add, incr, delete, update, regenerate or "
                         "destroy is missing");
}

apr_status_t drs_ops_parse(const char *text, apr_array_header_t *ops,
                           const char **why, apr_pool_t *p)
{
    parse_t parse = { text, text + strlen(text), NULL, p };
    apr_status_t rv;

    for (;;) {
        skip_blanks(&parse);
        rv = parse_item(&parse, ops);
        skip_blanks(&parse);
        if (rv == APR_SUCCESS && *parse.at == '\0') return APR_SUCCESS;
        if (rv == APR_SUCCESS && *parse.at != ',') {
            rv = refuse(&parse, "something follows an operation");
        }
        if (rv != APR_SUCCESS) {
            *why = parse.why;
            return rv;
        }
        parse.at++;
    }
}
