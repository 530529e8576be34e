/* SPDX-License-Identifier: MIT */
/*
 * The handler "drsession": a session as JSON over HTTP. Knows methods,
 * paths, who may ask and how errors are told; nothing of Redis.
 */
#ifndef DRS_REST_H
#define DRS_REST_H

#include <httpd.h>

#include "drs_conf.h"
#include "drs_session.h"

/** The name for SetHandler. */
#define DRS_REST_HANDLER "drsession"

/**
 * Answer a request.
 *
 * @param r       its handler is DRS_REST_HANDLER
 * @param conf    filled in
 * @param session of the request; NULL when DRSession is Off here
 * @return OK, the response is written; or an HTTP status for httpd
 * Source: docs/directives.md, DRSessionAllow.
 */
int drs_rest_handle(request_rec *r, const drs_conf_t *conf,
                    drs_session_t *session);

/**
 * Tell a failure's word and HTTP status, as the README lists them.
 *
 * @param rv   a status of drs_api_t
 * @param word out: for example "down"
 * @return the HTTP status
 */
int drs_rest_status(apr_status_t rv, const char **word);

/**
 * End a request before its handler; where Redis is down, the client is told
 * when to come again.
 *
 * @param r  the request
 * @param rv a failure of drs_api_t
 * @return the HTTP status, for httpd
 */
int drs_rest_refuse(request_rec *r, apr_status_t rv);

#endif
