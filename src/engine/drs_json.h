/* SPDX-License-Identifier: MIT */
/*
 * JSON as bytes: where a value ends and whether it is one, by RFC 8259 and
 * RFC 3629. Knows the two grammars; refuses to decode, copy or allocate,
 * so that text can be kept exactly as it came.
 */
#ifndef DRS_JSON_H
#define DRS_JSON_H

#include <apr_errno.h>

#include "mod_drsession.h"

/**
 * Scan one value at the beginning of a text.
 *
 * @param text  bytes; white space before the value is passed over
 * @param len   how many
 * @param depth levels of arrays and objects allowed; the stack grows with
 *              it, so it is a constant of ours, never input
 * @param value out: first byte of the value
 * @param end   out: the byte after it
 * @param why   out on failure: one static line
 * @return APR_SUCCESS; DRS_EVALUE not JSON, too deep, not UTF-8, or a
 *         number with fraction or exponent that no double holds
 * Source: RFC 8259.
 */
apr_status_t drs_json_scan(const char *text, apr_size_t len, int depth,
                           const char **value, const char **end,
                           const char **why) DRS_MUST_CHECK;

/**
 * Pass over white space.
 *
 * @param at  a byte of a text, or its end
 * @param end of the text
 * @return the first byte that is no white space, or end
 * Source: RFC 8259 section 2.
 */
const char *drs_json_skip(const char *at, const char *end);

/**
 * Judge whether bytes are UTF-8.
 *
 * @param text bytes
 * @param len  how many
 * @return 1 or 0; overlong forms and surrogates are not UTF-8
 * Source: RFC 3629 section 4.
 */
int drs_json_is_utf8(const char *text, apr_size_t len);

#endif
