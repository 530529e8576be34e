/* SPDX-License-Identifier: MIT */
/*
 * By brigades and not by ap_get_client_block(), which does not tell a body
 * that came too late from one that is malformed.
 */
#include "drs_body.h"

#include <apr_buckets.h>
#include <http_protocol.h>
#include <util_filter.h>

/* Append what comes next, as far as there is room; *done at the end of all. */
static apr_status_t read_more(request_rec *r, apr_bucket_brigade *bb,
                              char *buffer, apr_size_t room, apr_size_t *len,
                              int *done)
{
    apr_size_t n = room - *len;
    /* An empty ring points to its end. */
    const apr_bucket *end = APR_BRIGADE_FIRST(bb);
    apr_status_t rv = ap_get_brigade(r->input_filters, bb, AP_MODE_READBYTES,
                                     APR_BLOCK_READ, (apr_off_t)n);

    if (rv != APR_SUCCESS) return rv;
    *done =
        APR_BRIGADE_LAST(bb) != end && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb));
    rv = apr_brigade_flatten(bb, buffer + *len, &n);
    apr_brigade_cleanup(bb);
    *len += n;
    return rv;
}

int drs_body_read(request_rec *r, apr_size_t most, const char **body,
                  apr_size_t *len)
{
    apr_status_t rv = APR_SUCCESS;
    apr_bucket_brigade *bb;
    char *buffer;
    int done = 0;
    int status = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);

    if (status != OK) return status;
    *len = 0;
    *body = "";
    if (r->remaining > (apr_off_t)most) return HTTP_REQUEST_ENTITY_TOO_LARGE;
    if (!ap_should_client_block(r)) return OK;

    if (r->remaining > 0) most = (apr_size_t)r->remaining;
    buffer = apr_palloc(r->pool, most + 1);
    bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    while (rv == APR_SUCCESS && !done && *len <= most) {
        rv = read_more(r, bb, buffer, most + 1, len, &done);
    }
    apr_brigade_destroy(bb);
    if (rv != APR_SUCCESS) {
        /* Where the next request begins nobody knows. */
        r->connection->keepalive = AP_CONN_CLOSE;
        return ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
    }
    if (*len > most) return HTTP_REQUEST_ENTITY_TOO_LARGE;
    buffer[*len] = '\0';
    *body = buffer;
    return OK;
}
