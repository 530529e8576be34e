/* SPDX-License-Identifier: MIT */
/*
 * The body of a request, whole or not at all. Knows how long it may be;
 * refuses to know what stands in it.
 */
#ifndef DRS_BODY_H
#define DRS_BODY_H

#include <httpd.h>

/**
 * Read the body of a request, however it is framed.
 *
 * @param r    the request, of which nothing was read
 * @param most bytes that it may have
 * @param body out: of r->pool, NUL-terminated; "" = there is none
 * @param len  out: its bytes, the NUL not counted
 * @return OK; HTTP_BAD_REQUEST it is malformed or ends too early;
 *         HTTP_REQUEST_TIME_OUT it did not come in time (Timeout,
 *         RequestReadTimeout); HTTP_REQUEST_ENTITY_TOO_LARGE it is longer
 *         than most or LimitRequestBody; HTTP_NOT_IMPLEMENTED an unknown
 *         coding; another status, or AP_FILTER_ERROR, of a filter
 * Source: RFC 9112 section 6; ap_map_http_request_error() of httpd.
 */
int drs_body_read(request_rec *r, apr_size_t most, const char **body,
                  apr_size_t *len);

#endif
