/* SPDX-License-Identifier: MIT */
/*
 * The response header DRSession: what a backend wants done with the session.
 * Knows the grammar and how httpd carries headers to the client; the order
 * of operations means what drs_batch says. The value is a list:
 *
 *     item *( "," item )
 *     item  = "set" field JSON / "add" field JSON / "incr" field integer
 *           / "delete" field / "update" JSON-object / "regenerate"
 *           / "destroy"                          ; blanks between the words
 *     field = JSON string / 1*( ALPHA / DIGIT / "_" / "." / "-" )
 */
#ifndef DRS_HEADER_H
#define DRS_HEADER_H

#include <httpd.h>

#include "drs_conf.h"
#include "drs_session.h"

/** How the session of a request is found; APR_ENOTIMPL DRSession is Off. */
typedef apr_status_t drs_header_open_t(request_rec *r, drs_session_t **session);

/**
 * Read the value of a header.
 *
 * @param text NUL-terminated
 * @param ops  in and out: array of drs_op_t, added to; of no use after a
 *             failure
 * @param why  out on failure: one static line
 * @param p    owns what ops point to, where it is no part of text
 * @return APR_SUCCESS; DRS_EVALUE
 * Source: RFC 9110 section 5.6.1; RFC 8259.
 */
apr_status_t drs_header_parse(const char *text, apr_array_header_t *ops,
                              const char **why, apr_pool_t *p) DRS_MUST_CHECK;

/** Make the output filter known to httpd; from register_hooks. */
void drs_header_register(void);

/**
 * Watch the response of a request, and take over what the requests that it
 * came from left unread; for the hook insert_filter. Where DRSessionHeader is
 * Off, for them too, nothing is done.
 *
 * @param r    the request
 * @param open finds its session
 */
void drs_header_watch(request_rec *r, drs_header_open_t *open);

/**
 * The same for an error response of httpd's own, which is about to throw the
 * headers of the backend away; for the hook insert_error_filter.
 *
 * @param r    the request
 * @param open finds its session
 */
void drs_header_watch_error(request_rec *r, drs_header_open_t *open);

#endif
