/* SPDX-License-Identifier: MIT */
/*
 * Which request has which session, and on what terms. Knows how requests
 * come of each other; refuses to know what anybody does with the session.
 *
 *     initial request --- visit --- shared, one a cookie and prefix
 *        |  ^   ^                      |
 *        |  |   +-- subrequests (main) +--- binding, one a request
 *        v  +------ internal redirects, error documents (prev)
 */
#ifndef DRS_BINDING_H
#define DRS_BINDING_H

#include <httpd.h>

#include "drs_conf.h"
#include "drs_env.h"
#include "drs_lookup.h"
#include "drs_reply.h"
#include "drs_session.h"

/** What a request has of a session: its handle, on the terms of its section. */
typedef struct drs_binding_t {
    drs_session_t *session;
    const request_rec *r; /* only to be compared: it may be long gone */
    drs_conf_t conf;      /* filled in */
    drs_terms_t terms;
    struct drs_shared_t *shared;
    struct drs_binding_t *next;
} drs_binding_t;

/** What all that began as one request share of one session. */
typedef struct drs_shared_t {
    const char *cookie;      /* its name */
    const char *prefix;      /* of the Redis key */
    drs_binding_t *bindings; /* at least one; the latest first */
    request_rec *r;          /* whose response it is: no subrequest */
    int strict;              /* DRSessionStrict held wherever it was opened */
    drs_env_memory_t memory;
    drs_lookup_memory_t lookups;
    drs_guard_t guard;
    struct drs_shared_t *next;
} drs_shared_t;

/** What an initial request has of us; of its pool. */
typedef struct drs_visit_t {
    drs_shared_t *sessions;  /* the latest first */
    const request_rec *page; /* that looked something up last */
    apr_status_t failed;     /* why it had no answer; 0 = all had one */
} drs_visit_t;

/**
 * Find the request that a subrequest, a redirect or an error document began
 * as.
 *
 * @param r any
 * @return it, or r itself
 */
request_rec *drs_binding_initial(request_rec *r);

/**
 * Find what the initial request of a request has of us, or make it.
 *
 * @param r any
 * @return never NULL
 */
drs_visit_t *drs_binding_visit(request_rec *r);

/**
 * Find or make the session of a request, on the terms of its section as it
 * is by now. Each request that began as the same one has its own binding, so
 * that no part of a page changes what the page may do. No traffic.
 *
 * @param r   any
 * @param out of the pool of the initial request
 * @return APR_SUCCESS; APR_ENOTIMPL DRSession is Off there
 * Source: open of drs_api_t.
 */
apr_status_t drs_binding_open(request_rec *r,
                              drs_binding_t **out) DRS_MUST_CHECK;

#endif
