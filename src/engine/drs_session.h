/* SPDX-License-Identifier: MIT */
/*
 * The live session of one request: unborn or bound, alive or ended, and
 * every verb on it, by a handle for each who uses it. Knows the life of a
 * session; refuses to know httpd, which hears of cookies by the callbacks
 * given at creation.
 *
 * The verbs are the members of drs_api_t; their contracts stand there and
 * are not repeated. Only what faces need beyond them is told here.
 */
#ifndef DRS_SESSION_H
#define DRS_SESSION_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

#include "drs_route.h"
#include "drs_terms.h"
#include "mod_drsession.h"

/**
 * Make the first handle of a request's session; no traffic.
 *
 * @param route  where Redis is; NULL for one without id under terms that
 *               are readonly, which never asks
 * @param budget us that all calls of the request may take together
 * @param host   copied
 * @param id     well-formed, from the client; NULL = unborn
 * @param p      owns the handle, of the initial request
 * @return the handle; drs_session_agree() has to follow
 */
drs_session_t *drs_session_create(drs_route_t *route,
                                  apr_interval_time_t budget,
                                  const drs_host_t *host, const char *id,
                                  apr_pool_t *p);

/**
 * Make another handle of a session, for whoever uses it on other terms. What
 * one does to the session, all see.
 *
 * @param session any of its handles
 * @param host    copied
 * @return the handle, of the same pool; drs_session_agree() has to follow
 */
drs_session_t *drs_session_share(const drs_session_t *session,
                                 const drs_host_t *host);

/**
 * Set the terms for the calls on this handle that follow.
 *
 * @param session any
 * @param terms   kept by reference; of one session all have the same prefix
 */
void drs_session_agree(drs_session_t *session, const drs_terms_t *terms);

/**
 * Count the changes made in this request, so that what was read before can
 * be known to be old.
 *
 * @param session any
 * @return how many calls may have changed something
 */
unsigned int drs_session_changes(const drs_session_t *session);

/**
 * Say that the response depends on the session: what calls without traffic
 * tell of it is one user's, too.
 *
 * @param session any
 * @return the same
 */
drs_session_t *drs_session_use(drs_session_t *session);

/** The member id of drs_api_t, whose contract stands there; no use of it. */
const char *drs_session_id(drs_session_t *session);

/** The member key of drs_api_t, whose contract stands there. */
const char *drs_session_key(drs_session_t *session);

/** The member error of drs_api_t, whose contract stands there. */
const char *drs_session_error(drs_session_t *session);

/**
 * Tell whether the last call failed with DRS_EVALUE because of a limit.
 *
 * @param session any
 * @return 1 or 0
 */
int drs_session_is_over(const drs_session_t *session);

/** The member get of drs_api_t, whose contract stands there. */
apr_status_t drs_session_get(drs_session_t *session, const char *field,
                             const char **json, apr_size_t *len,
                             apr_pool_t *p) DRS_MUST_CHECK;

/** The member get_string of drs_api_t, whose contract stands there. */
apr_status_t drs_session_get_string(drs_session_t *session, const char *field,
                                    const char **text,
                                    apr_pool_t *p) DRS_MUST_CHECK;

/** The member get_int of drs_api_t, whose contract stands there. */
apr_status_t drs_session_get_int(drs_session_t *session, const char *field,
                                 apr_int64_t *n) DRS_MUST_CHECK;

/**
 * Give an id to a session that has none and was not changed.
 *
 * @param session its terms agreed; one that has an id keeps it
 * @param id      as for drs_session_create()
 */
void drs_session_adopt(drs_session_t *session, const char *id);

/**
 * Write fields and tell how many are new: set_many of drs_api_t, with
 * lengths.
 *
 * @param session from drs_session_create()
 * @param fields  n names
 * @param json    n texts; NULL deletes
 * @param lens    bytes of each
 * @param n       0 or more
 * @param created out, may be NULL: how many fields did not exist
 * @return as set of drs_api_t
 * Source: HSET, HDEL.
 */
apr_status_t drs_session_update(drs_session_t *session,
                                const char *const *fields,
                                const char *const *json, const apr_size_t *lens,
                                int n, apr_size_t *created) DRS_MUST_CHECK;

/** The member set of drs_api_t, whose contract stands there. */
apr_status_t drs_session_set(drs_session_t *session, const char *field,
                             const char *json, apr_size_t len) DRS_MUST_CHECK;

/** The member set_string of drs_api_t, whose contract stands there. */
apr_status_t drs_session_set_string(drs_session_t *session, const char *field,
                                    const char *text) DRS_MUST_CHECK;

/** The member set_int of drs_api_t, whose contract stands there. */
apr_status_t drs_session_set_int(drs_session_t *session, const char *field,
                                 apr_int64_t n) DRS_MUST_CHECK;

/** The member set_many of drs_api_t, whose contract stands there. */
apr_status_t drs_session_set_many(drs_session_t *session,
                                  const char *const *fields,
                                  const char *const *json,
                                  int n) DRS_MUST_CHECK;

/** The member add of drs_api_t, whose contract stands there. */
apr_status_t drs_session_add(drs_session_t *session, const char *field,
                             const char *json, apr_size_t len) DRS_MUST_CHECK;

/** The member incr of drs_api_t, whose contract stands there. */
apr_status_t drs_session_incr(drs_session_t *session, const char *field,
                              apr_int64_t by, apr_int64_t *now) DRS_MUST_CHECK;

/** The member has of drs_api_t, whose contract stands there. */
apr_status_t drs_session_has(drs_session_t *session,
                             const char *field) DRS_MUST_CHECK;

/** The member del of drs_api_t, whose contract stands there. */
apr_status_t drs_session_del(drs_session_t *session,
                             const char *field) DRS_MUST_CHECK;

/** The member pop of drs_api_t, whose contract stands there. */
apr_status_t drs_session_pop(drs_session_t *session, const char *field,
                             const char **json, apr_size_t *len,
                             apr_pool_t *p) DRS_MUST_CHECK;

/** The member count of drs_api_t, whose contract stands there. */
apr_status_t drs_session_count(drs_session_t *session,
                               apr_size_t *n) DRS_MUST_CHECK;

/** The member destroy of drs_api_t, whose contract stands there. */
apr_status_t drs_session_destroy(drs_session_t *session) DRS_MUST_CHECK;

/** The member regenerate of drs_api_t, whose contract stands there. */
apr_status_t drs_session_regenerate(drs_session_t *session) DRS_MUST_CHECK;

#endif
