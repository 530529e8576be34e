/* SPDX-License-Identifier: MIT */
/*
 * The session cookie on the wire: finding it in a Cookie header, writing
 * the Set-Cookie line. Knows the grammar of both; refuses to know requests,
 * tables of headers, or whether a session lives.
 */
#ifndef DRS_COOKIE_H
#define DRS_COOKIE_H

#include <apr_pools.h>
#include <apr_time.h>

#include "mod_drsession.h"

/** Whether Set-Cookie says Secure. */
typedef enum drs_secure_t {
    DRS_SECURE_AUTO, /* when the request came over https */
    DRS_SECURE_ON,
    DRS_SECURE_OFF
} drs_secure_t;

/** What a search for the cookie found. */
typedef enum drs_found_t {
    DRS_FOUND_NONE,   /* no cookie of that name */
    DRS_FOUND_ID,     /* one well-formed id, once or repeated */
    DRS_FOUND_REFUSED /* malformed, or two different values */
} drs_found_t;

/** How the cookie is sent; strings are valid in a header as they are. */
typedef struct drs_cookie_t {
    const char *name;            /* a token of RFC 9110 */
    const char *path;            /* begins with '/' */
    const char *domain;          /* NULL = host only */
    const char *same_site;       /* Lax, Strict or None */
    apr_interval_time_t max_age; /* us, whole seconds; 0 = browser session */
    drs_secure_t secure;
    int http_only;   /* 0 or 1 */
    int partitioned; /* 0 or 1 */
} drs_cookie_t;

/**
 * Find the session's id in a Cookie header.
 *
 * Pairs are split at ';' only, blanks and tabs around a pair are cut, the
 * name is what stands before the first '=', compared byte for byte; the
 * value is taken as it is. One id twice is that id.
 *
 * @param header NUL-terminated value of the header; NULL = none was sent
 * @param name   of the cookie
 * @param strict as drs_id_is_wellformed()
 * @param id     out with DRS_FOUND_ID: a copy; else untouched
 * @param p      owns *id
 * @return what was found
 * Source: docs/redis-layout.md; RFC 6265bis section 5.
 */
drs_found_t drs_cookie_find(const char *header, const char *name, int strict,
                            const char **id, apr_pool_t *p);

/**
 * Check that settings make a cookie that browsers take.
 *
 * Refused: a name that is no token, Path not beginning with '/', bytes that
 * are not printable ASCII, ';' or ',' in Path, a Domain that is no host
 * name, either over 1024 bytes, SameSite other than Lax, Strict or None,
 * SameSite=None or Partitioned without Secure=on, __Host- with a Domain or
 * another Path than '/' or Secure=off, __Secure- with Secure=off (both in any
 * case), Max-Age below 0, over 400 days or not in whole seconds, a line that
 * could pass 4096 bytes.
 *
 * @param cookie the settings
 * @param p      owns the sentence
 * @return NULL when good, else one sentence that names the attribute
 * Source: RFC 6265bis sections 4.1 and 5.7.
 */
const char *drs_cookie_check(const drs_cookie_t *cookie, apr_pool_t *p);

/**
 * Write the value of a Set-Cookie header.
 *
 * @param cookie settings that drs_cookie_check() found good
 * @param id     the session's id; NULL = expire the cookie (Max-Age=0 and a
 *               date long past, same Path and Domain)
 * @param https  1 when the request came over https; counts for
 *               DRS_SECURE_AUTO, which is also on for names that begin with
 *               __Host- or __Secure-
 * @param p      owns the line
 * @return the line, without the header's name
 * Source: RFC 6265bis section 4.1.
 */
const char *drs_cookie_write(const drs_cookie_t *cookie, const char *id,
                             int https, apr_pool_t *p);

#endif
