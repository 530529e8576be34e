/* SPDX-License-Identifier: MIT */
/*
 * Several fields of a session at once: as texts, as names, as one JSON
 * object. Knows how a hash is shown; refuses to change anything.
 */
#ifndef DRS_VIEW_H
#define DRS_VIEW_H

#include "drs_session.h"
#include "mod_drsession.h"

/**
 * Read several fields and tell whether the session lives, in one round
 * trip; with no field, only that.
 *
 * @param session from drs_session_create()
 * @param fields  n names
 * @param n       0 or more
 * @param json    out: room for n, NULL where absent
 * @param lens    out, may be NULL: bytes of each that is not absent
 * @param live    out: 1 when Redis knows the session
 * @param p       owns the texts
 * @return as get_many of drs_api_t
 * Source: HMGET, EXISTS.
 */
apr_status_t drs_view_fields(drs_session_t *session, const char *const *fields,
                             int n, const char **json, apr_size_t *lens,
                             int *live, apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Read several fields as one JSON object; raw values are strings in it.
 *
 * @param session from drs_session_create()
 * @param fields  n names, all different
 * @param n       1 or more
 * @param json    out; what is absent is left out
 * @param len     out, may be NULL: bytes of it
 * @param p       owns the text
 * @return as all of drs_api_t
 * Source: HMGET, EXISTS.
 */
apr_status_t drs_view_some(drs_session_t *session, const char *const *fields,
                           int n, const char **json, apr_size_t *len,
                           apr_pool_t *p) DRS_MUST_CHECK;

/** The member get_many of drs_api_t, whose contract stands there. */
apr_status_t drs_view_many(drs_session_t *session, const char *const *fields,
                           int n, const char **json,
                           apr_pool_t *p) DRS_MUST_CHECK;

/** The member keys of drs_api_t, whose contract stands there. */
apr_status_t drs_view_keys(drs_session_t *session, apr_array_header_t **fields,
                           apr_pool_t *p) DRS_MUST_CHECK;

/** The member all of drs_api_t, whose contract stands there. */
apr_status_t drs_view_all(drs_session_t *session, const char **json,
                          apr_size_t *len, apr_pool_t *p) DRS_MUST_CHECK;

#endif
