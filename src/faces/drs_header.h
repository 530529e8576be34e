/* SPDX-License-Identifier: MIT */
/*
 * The response header DRSession: what a backend wants done with the session.
 * Knows how httpd carries headers to the client; what they say is read by
 * drs_ops and done by drs_batch.
 */
#ifndef DRS_HEADER_H
#define DRS_HEADER_H

#include <httpd.h>

#include "drs_conf.h"
#include "drs_session.h"

/** How the session of a request is found; APR_ENOTIMPL DRSession is Off. */
typedef apr_status_t drs_header_open_t(request_rec *r, drs_session_t **session);

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
