/* SPDX-License-Identifier: MIT */
/*
 * Expressions, Require, rewrite maps. Each of them takes "no such field"
 * for an ordinary answer, so none may hear of a Redis that is away as if
 * the field were absent: `Require not drsession banned` would let all in.
 */
#include "drs_expr.h"

#include <string.h>

#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>

#include "drs_codec.h"
#include "drs_outage.h"

APLOG_USE_MODULE(drsession);

/* A parsed Require. */
typedef struct require_t {
    drs_open_t *open;
    const ap_expr_info_t *words;
    int has_values; /* as it is written, whatever they come to */
} require_t;

/* Say why a lookup has no answer; never its value. */
static const char *explain(const drs_place_t *place, apr_status_t rv,
                           const char *field, apr_pool_t *p)
{
    const char *why = "DRSession is Off here";

    if (rv == DRS_EVALUE) {
        why = "the value has a control character or cannot be decoded";
    }
    else if (rv != APR_ENOTIMPL) {
        why = drs_session_error(place->session);
    }
    return apr_psprintf(p, "session field '%s': %s", field, why);
}

/* A value that cannot be compared is as bad as none: the request fails. */
static void note_unfit(const drs_place_t *place, apr_status_t rv)
{
    if (rv == DRS_EVALUE) *place->failed = DRS_EREPLY;
}

static const char *eval_text(ap_expr_eval_ctx_t *ctx, const void *data,
                             const char *field)
{
    drs_open_t *const *open = data;
    const char *text = "";
    drs_place_t place;
    apr_status_t rv = APR_ENOTIMPL;

    if (ctx->r != NULL) rv = (*open)(ctx->r, &place);
    if (rv == APR_SUCCESS) rv = drs_lookup_text(&place, field, &text);
    if (rv != APR_SUCCESS && rv != APR_NOTFOUND) {
        *ctx->err = explain(&place, rv, field, ctx->p);
        note_unfit(&place, rv);
    }
    return text;
}

static apr_array_header_t *eval_list(ap_expr_eval_ctx_t *ctx, const void *data,
                                     const char *field)
{
    drs_open_t *const *open = data;
    apr_array_header_t *texts = NULL;
    drs_place_t place;
    apr_status_t rv = APR_ENOTIMPL;

    if (ctx->r != NULL) rv = (*open)(ctx->r, &place);
    if (rv == APR_SUCCESS) rv = drs_lookup_list(&place, field, &texts);
    if (rv != APR_SUCCESS && rv != APR_NOTFOUND) {
        *ctx->err = explain(&place, rv, field, ctx->p);
        note_unfit(&place, rv);
    }
    return texts != NULL ? texts
                         : apr_array_make(ctx->p, 1, sizeof(const char *));
}

static int is_field(const char *name)
{
    apr_size_t len = strlen(name);

    return len > 0 && len <= DRS_FIELD_MAX && drs_codec_is_utf8(name, len);
}

int drs_expr_lookup(ap_expr_lookup_parms *parms, drs_open_t *open)
{
    static ap_expr_string_func_t *const text = eval_text;
    static ap_expr_list_func_t *const list = eval_list;
    drs_open_t **data;

    if (parms->type == AP_EXPR_FUNC_STRING &&
        ap_cstr_casecmp(parms->name, "drsession") == 0) {
        memcpy(parms->func, &text, sizeof(text));
    }
    else if (parms->type == AP_EXPR_FUNC_LIST &&
             ap_cstr_casecmp(parms->name, "drsessionlist") == 0) {
        memcpy(parms->func, &list, sizeof(list));
    }
    else {
        return DECLINED;
    }
    if (parms->flags & AP_EXPR_FLAG_RESTRICTED) {
        *parms->err = apr_pstrcat(parms->ptemp, parms->name,
                                  " is not "
                                  "available in a restricted context; use "
                                  "DRSessionExport",
                                  NULL);
        return !OK;
    }
    if (parms->arg != NULL && !is_field(parms->arg)) {
        *parms->err = apr_pstrcat(parms->ptemp, parms->name,
                                  ": a field name "
                                  "is 1 to 255 bytes of UTF-8",
                                  NULL);
        return !OK;
    }
    data = apr_palloc(parms->pool, sizeof(*data));
    *data = open;
    *parms->data = data;
    return OK;
}

const char *drs_expr_parse_require(cmd_parms *cmd, const char *line,
                                   drs_open_t *open, const void **parsed)
{
    require_t *require = apr_palloc(cmd->pool, sizeof(*require));
    const char *words = line;
    const char *why = NULL;

    if (*ap_getword_conf(cmd->temp_pool, &words) == '\0') {
        return "Require drsession: a field is missing, and values after it "
               "if it is to have one of them";
    }
    require->open = open;
    require->has_values = *words != '\0';
    require->words =
        ap_expr_parse_cmd(cmd, line, AP_EXPR_FLAG_STRING_RESULT, &why, NULL);
    if (why != NULL) {
        return apr_pstrcat(cmd->pool, "Require drsession: ", why, NULL);
    }
    *parsed = require;
    return NULL;
}

static authz_status fail_require(request_rec *r, apr_status_t rv,
                                 const char *why)
{
    drs_outage_complain(r, rv,
                        "%s: Require drsession has no "
                        "answer: %s",
                        r->uri, why);
    return AUTHZ_GENERAL_ERROR;
}

/* One of the values that are left in words is one of the texts. */
static int is_match(const apr_array_header_t *texts, const char *words,
                    apr_pool_t *p)
{
    const char *value;
    int i;

    while (*words != '\0') {
        value = ap_getword_conf(p, &words);
        for (i = 0; i < texts->nelts; i++) {
            if (strcmp(APR_ARRAY_IDX(texts, i, const char *), value) == 0) {
                return 1;
            }
        }
    }
    return 0;
}

/* Where one may log in, a denial without a user asks for a login. */
static authz_status deny(request_rec *r)
{
    return r->user == NULL && ap_auth_type(r) != NULL ? AUTHZ_DENIED_NO_USER
                                                      : AUTHZ_DENIED;
}

authz_status drs_expr_require(request_rec *r, const void *parsed)
{
    const require_t *require = parsed;
    apr_array_header_t *texts = NULL;
    const char *why = NULL;
    const char *words = ap_expr_str_exec(r, require->words, &why);
    const char *field;
    drs_place_t place;
    apr_status_t rv;

    if (why != NULL) return fail_require(r, APR_EGENERAL, why);

    field = ap_getword_conf(r->pool, &words);
    rv = require->open(r, &place);
    if (rv == APR_SUCCESS && require->has_values) {
        rv = drs_lookup_list(&place, field, &texts);
    }
    else if (rv == APR_SUCCESS) {
        rv = drs_lookup_has(&place, field);
    }
    if (rv == APR_NOTFOUND) return deny(r);
    if (rv != APR_SUCCESS) {
        return fail_require(r, rv, explain(&place, rv, field, r->pool));
    }
    return !require->has_values || is_match(texts, words, r->pool)
               ? AUTHZ_GRANTED
               : deny(r);
}

char *drs_expr_map(request_rec *r, const char *field, drs_open_t *open)
{
    const char *text = NULL;
    drs_place_t place;
    apr_status_t rv = open(r, &place);

    if (rv == APR_SUCCESS) rv = drs_lookup_text(&place, field, &text);
    if (rv == APR_SUCCESS) return apr_pstrdup(r->pool, text);
    if (rv != APR_NOTFOUND) {
        note_unfit(&place, rv);
        drs_outage_complain(r, rv,
                            "%s: RewriteMap "
                            "int:" DRS_EXPR_MAP " has no answer: %s",
                            r->uri, explain(&place, rv, field, r->pool));
    }
    return NULL;
}
