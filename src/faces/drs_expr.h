/* SPDX-License-Identifier: MIT */
/*
 * The session in the configuration's own language: expressions, Require,
 * rewrite maps. Knows how httpd asks in each and how each is told that
 * there is no answer; refuses to know Redis.
 */
#ifndef DRS_EXPR_H
#define DRS_EXPR_H

#include <ap_expr.h>
#include <httpd.h>
#include <http_config.h>
#include <mod_auth.h>

#include "drs_lookup.h"

/** Name of the provider of Require. */
#define DRS_EXPR_PROVIDER "drsession"

/** Name of the internal rewrite map. */
#define DRS_EXPR_MAP "drsession"

/**
 * Answer httpd's parser of expressions: the string functions drsession and
 * DRSESSION (which is %{DRSESSION:field}) and the list function
 * drsessionlist. Without an answer of Redis the expression as a whole
 * fails; an absent field is the empty string or list.
 *
 * @param parms what is looked for
 * @param open  finds the session of a request
 * @return OK; DECLINED another name; !OK a field name that cannot be one,
 *         or a restricted context (server-side includes), *parms->err says
 * Source: hook expr_lookup of httpd.
 */
int drs_expr_lookup(ap_expr_lookup_parms *parms, drs_open_t *open);

/**
 * Read the words behind `Require drsession`: a field and any values, as one
 * expression of text.
 *
 * @param cmd    of the line
 * @param line   the words
 * @param open   finds the session of a request
 * @param parsed out: for drs_expr_require()
 * @return NULL, or one sentence
 * Source: parse_require_line of httpd's authz_provider.
 */
const char *drs_expr_parse_require(cmd_parms *cmd, const char *line,
                                   drs_open_t *open, const void **parsed);

/**
 * Decide a Require: the field's text, or one element of its array, is one
 * of the values; if the line has no values, the field exists.
 *
 * @param r      the request
 * @param parsed by drs_expr_parse_require()
 * @return AUTHZ_GRANTED; AUTHZ_DENIED; AUTHZ_DENIED_NO_USER the same where
 *         an AuthType is set and nobody has logged in yet;
 *         AUTHZ_GENERAL_ERROR no answer, or DRSession is Off: never a
 *         denial, which `Require not` would turn
 * Source: check_authorization of httpd's authz_provider.
 */
authz_status drs_expr_require(request_rec *r, const void *parsed);

/**
 * Answer a rewrite map.
 *
 * @param r     the request
 * @param field the key
 * @param open  finds the session of a request
 * @return the text, of the initial request's pool; NULL absent, or no
 *         answer: the request fails at fixups then
 * Source: rewrite_mapfunc_t of mod_rewrite.
 */
char *drs_expr_map(request_rec *r, const char *field, drs_open_t *open);

#endif
