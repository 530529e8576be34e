/* SPDX-License-Identifier: MIT */
/*
 * Values: JSON text in, bytes of Redis out, and back. Knows RFC 8259, the
 * built-in codecs and how to decode one value; nothing of sessions. Text is
 * checked by its own scanner, because it has to be kept byte for byte;
 * decoding is left to jansson.
 */
#ifndef DRS_CODEC_H
#define DRS_CODEC_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "mod_drsession.h"

/** Deepest nesting of arrays and objects; `[]` is one deep. */
#define DRS_CODEC_DEPTH 128

/** Values are JSON text, stored as given. The default. */
extern const drs_codec_t drs_codec_json;

/** Values are bytes, stored as given and never looked into. */
extern const drs_codec_t drs_codec_raw;

/**
 * A member of an object: where its value stands in the text it came from.
 */
typedef struct drs_member_t {
    const char *name; /* decoded, NUL-terminated */
    const char *json; /* first byte of the value, inside the text given */
    apr_size_t len;   /* bytes of the value */
} drs_member_t;

/**
 * Scan one JSON value at the beginning of a text.
 *
 * Integers of any length and \u0000 are fine; NaN, numbers with a fraction
 * or exponent beyond a double, bytes that are not UTF-8 (RFC 3629) and more
 * than DRS_CODEC_DEPTH levels are not. Runs in bounded stack.
 *
 * @param text  bytes; white space before the value is passed over
 * @param len   how many
 * @param value out: first byte of the value
 * @param end   out: the byte after it
 * @param why   out on failure: one static line
 * @return APR_SUCCESS; DRS_EVALUE
 * Source: RFC 8259.
 */
apr_status_t drs_codec_scan(const char *text, apr_size_t len,
                            const char **value, const char **end,
                            const char **why) DRS_MUST_CHECK;

/**
 * Turn a caller's value into bytes for Redis: checked to be one JSON value
 * with outer white space cut (not with the raw codec), then the codec's
 * dumps().
 *
 * @param codec  a built-in one or one that a module registered
 * @param json   bytes of the caller
 * @param len    how many
 * @param stored out: bytes for Redis; may point into json
 * @param stored_len out: how many
 * @param why    out on failure: one static line
 * @param p      owns *stored where it is no part of json
 * @return APR_SUCCESS; DRS_EVALUE
 * Source: `dumps` of drsession.py; RFC 8259.
 */
apr_status_t drs_codec_dump(const drs_codec_t *codec, const char *json,
                            apr_size_t len, const char **stored,
                            apr_size_t *stored_len, const char **why,
                            apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Turn bytes of Redis into what a caller gets. The built-in codecs pass
 * them on unchecked.
 *
 * @param codec  as above
 * @param stored bytes of Redis
 * @param len    how many
 * @param json   out: NUL-terminated text; may be stored itself, which has
 *               to be NUL-terminated as drs_store gives it
 * @param json_len out, may be NULL: its bytes
 * @param why    out on failure: one static line
 * @param p      owns *json where it is not stored
 * @return APR_SUCCESS; DRS_EREPLY
 * Source: `loads` of drsession.py.
 */
apr_status_t drs_codec_load(const drs_codec_t *codec, const char *stored,
                            apr_size_t len, const char **json,
                            apr_size_t *json_len, const char **why,
                            apr_pool_t *p) DRS_MUST_CHECK;

/** Why something is DRS_EDOWN here: the text that `why` refers to then. */
extern const char drs_codec_no_memory[];

/**
 * Write text as a JSON string.
 *
 * @param text UTF-8
 * @param len  bytes
 * @param json out: with quotes and escapes, NUL-terminated
 * @param p    owns *json
 * @return APR_SUCCESS; DRS_EVALUE not UTF-8; DRS_EDOWN no memory
 * Source: RFC 8259 section 7.
 */
apr_status_t drs_codec_quote(const char *text, apr_size_t len,
                             const char **json, apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Decode a value that is a JSON string.
 *
 * @param json bytes
 * @param len  how many
 * @param text out: UTF-8, NUL-terminated
 * @param why  out on failure: one static line
 * @param p    owns *text
 * @return APR_SUCCESS; DRS_EVALUE not a string, a lone surrogate, or a
 *         string with a NUL in it, which a C string would cut; DRS_EDOWN no
 *         memory
 * Source: RFC 8259 section 7.
 */
apr_status_t drs_codec_string(const char *json, apr_size_t len,
                              const char **text, const char **why,
                              apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Decode a value that is an integer.
 *
 * @param json bytes
 * @param len  how many
 * @param n    out: its value
 * @param why  out on failure: one static line
 * @return APR_SUCCESS; DRS_EVALUE not plain digits with an optional '-', or
 *         beyond 64 bits
 * Source: RFC 8259 section 6; HINCRBY.
 */
apr_status_t drs_codec_int(const char *json, apr_size_t len, apr_int64_t *n,
                           const char **why) DRS_MUST_CHECK;

/**
 * Write a value as plain text, as environments and headers show it: a
 * string decoded, numbers and booleans as they are, null as "", arrays and
 * objects as their JSON text. What is not JSON (Python's NaN) is shown as
 * it stands.
 *
 * @param json bytes of Redis
 * @param len  how many
 * @param text out: NUL-terminated
 * @param why  out on failure: one static line
 * @param p    owns *text
 * @return APR_SUCCESS; DRS_EVALUE a NUL or another control character
 *         (below 0x20, or 0x7f) is in it, or a string that cannot be
 *         decoded; DRS_EDOWN no memory
 * Source: docs/directives.md, DRSessionExport.
 */
apr_status_t drs_codec_plain(const char *json, apr_size_t len,
                             const char **text, const char **why,
                             apr_pool_t *p) DRS_MUST_CHECK;

/**
 * The same for a value of the raw codec: it is shown as it stands.
 *
 * @param bytes of Redis
 * @param len   how many
 * @param text  out: NUL-terminated
 * @param why   out on failure: one static line
 * @param p     owns *text
 * @return APR_SUCCESS; DRS_EVALUE a NUL or another control character is in
 *         it
 * Source: docs/directives.md, DRSessionExport.
 */
apr_status_t drs_codec_plain_raw(const char *bytes, apr_size_t len,
                                 const char **text, const char **why,
                                 apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Take an array apart, its elements as drs_codec_plain() shows them.
 *
 * @param json  bytes; outer white space is passed over
 * @param len   how many
 * @param texts out: of const char *
 * @param why   out on failure: one static line
 * @param p     owns *texts and what is in it
 * @return APR_SUCCESS; DRS_EVALUE not JSON, not an array, or an element that
 *         drs_codec_plain() refuses; DRS_EDOWN no memory
 * Source: docs/directives.md, Require drsession.
 */
apr_status_t drs_codec_elements(const char *json, apr_size_t len,
                                apr_array_header_t **texts, const char **why,
                                apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Take an object apart, values left as they stand.
 *
 * @param json    bytes; outer white space is passed over
 * @param len     how many
 * @param members out: array of drs_member_t in order; of a name given twice
 *                only the last is kept
 * @param why     out on failure: one static line
 * @param p       owns *members and the names
 * @return APR_SUCCESS; DRS_EVALUE not one JSON object, or a name with a NUL;
 *         DRS_EDOWN no memory
 * Source: RFC 8259 section 4.
 */
apr_status_t drs_codec_members(const char *json, apr_size_t len,
                               apr_array_header_t **members, const char **why,
                               apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Judge whether bytes are UTF-8.
 *
 * @param text bytes
 * @param len  how many
 * @return 1 or 0; overlong forms and surrogates are not UTF-8
 * Source: RFC 3629.
 */
int drs_codec_is_utf8(const char *text, apr_size_t len);

#endif
