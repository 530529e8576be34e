/* SPDX-License-Identifier: MIT */
/*
 * The response header DRSession. A filter reads it at the first brigade of a
 * response, which is before its headers leave. Lines wait in a list that
 * hangs on the pool of the request, because redirects and error documents
 * make new requests of the same pool and throw headers and filters away.
 */
#include "drs_header.h"

#include <string.h>

#include <apr_strings.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>

#include "drs_batch.h"
#include "drs_ops.h"
#include "drs_outage.h"

APLOG_USE_MODULE(drsession);

static const char header_name[] = "DRSession";
static const char header_filter[] = "DRSESSION_HEADER";
static const char watch_key[] = "drsession-header";

/* A header, and whose it is: on the terms of that request it is done. */
typedef struct line_t {
    const char *text;
    request_rec *said;
    int ops; /* once parsed: operations of all lines up to its end */
} line_t;

/* What was read of a request and of those that it came from. */
typedef struct watch_t {
    drs_header_open_t *open;
    apr_array_header_t *lines; /* of line_t, in order */
    const request_rec *last;   /* the request that was watched last */
    int failed;                /* its response was replaced by an error */
    int over;                  /* and that error has been sent */
} watch_t;

static int is_on(const request_rec *r)
{
    drs_conf_t conf;

    drs_conf_fill_dir(
        ap_get_module_config(r->per_dir_config, &drsession_module), &conf);
    return conf.header;
}

static watch_t *watch_of(request_rec *r, drs_header_open_t *open)
{
    watch_t *watch = NULL;
    void *found = NULL;

    apr_pool_userdata_get(&found, watch_key, r->pool);
    watch = found;
    if (watch == NULL) {
        watch = apr_pcalloc(r->pool, sizeof(*watch));
        watch->open = open;
        watch->lines = apr_array_make(r->pool, 4, sizeof(line_t));
        apr_pool_userdata_setn(watch, watch_key, NULL, r->pool);
    }
    return watch;
}

static void strip(apr_table_t *headers, request_rec *said, watch_t *watch)
{
    const apr_array_header_t *lines = apr_table_elts(headers);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)lines->elts;
    int i;

    for (i = 0; i < lines->nelts; i++) {
        if (entry[i].key != NULL &&
            ap_cstr_casecmp(entry[i].key, header_name) == 0) {
            line_t line = { entry[i].val, said, 0 };

            APR_ARRAY_PUSH(watch->lines, line_t) = line;
        }
    }
    apr_table_unset(headers, header_name);
}

static void collect(request_rec *r, watch_t *watch)
{
    if (!is_on(r)) return;
    strip(r->headers_out, r, watch);
    strip(r->err_headers_out, r, watch);
}

/*
 * Requests of a chain of redirects share a table of headers: each is read
 * before the next one's handler runs, so that a handler where DRSessionHeader
 * is Off is not heard through the table of one where it is On, whichever of
 * them is first.
 */
static void inherit(request_rec *r, watch_t *watch)
{
    request_rec *from;

    for (from = r->prev; from != NULL; from = from->prev) {
        collect(from, watch);
        if (from == watch->last) break;
    }
    if (r->prev != NULL && watch->last != r && is_on(r)) {
        apr_table_unset(r->err_headers_out, header_name);
    }
    watch->last = r;
}

static int has_ancestor_on(const request_rec *r)
{
    for (; r != NULL; r = r->prev) {
        if (is_on(r)) return 1;
    }
    return 0;
}

void drs_header_watch(request_rec *r, drs_header_open_t *open)
{
    watch_t *watch;

    if (!has_ancestor_on(r)) return;
    watch = watch_of(r, open);
    inherit(r, watch);
    if (is_on(r) || watch->lines->nelts > 0 || watch->over) {
        ap_add_output_filter(header_filter, watch, r, r->connection);
    }
}

void drs_header_watch_error(request_rec *r, drs_header_open_t *open)
{
    watch_t *watch;

    if (!has_ancestor_on(r)) return;
    watch = watch_of(r, open);
    inherit(r, watch);
    collect(r, watch);
    if (watch->lines->nelts > 0 || watch->over) {
        ap_add_output_filter(header_filter, watch, r, r->connection);
    }
}

static apr_status_t parse_lines(const watch_t *watch, apr_array_header_t *ops,
                                const char **why)
{
    line_t *lines = (line_t *)watch->lines->elts;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i < watch->lines->nelts; i++) {
        rv = drs_ops_parse(lines[i].text, ops, why, ops->pool);
        lines[i].ops = ops->nelts;
    }
    return rv;
}

/* Whether two requests mean the same session, and the same by a write. */
static int is_same_place(const request_rec *r, const request_rec *other)
{
    drs_conf_t here;
    drs_conf_t there;

    drs_conf_fill_dir(
        ap_get_module_config(r->per_dir_config, &drsession_module), &here);
    drs_conf_fill_dir(
        ap_get_module_config(other->per_dir_config, &drsession_module), &there);
    return here.mode == there.mode && here.codec == there.codec &&
           here.strict == there.strict &&
           strcmp(here.prefix, there.prefix) == 0 &&
           strcmp(here.cookie->name, there.cookie->name) == 0;
}

/*
 * Run what one place said as one step; before a redirect was another place.
 * After a failure done tells how many operations are done all the same.
 */
static apr_status_t run_lines(const watch_t *watch,
                              const apr_array_header_t *ops, int *done,
                              drs_session_t **session)
{
    const line_t *lines = (const line_t *)watch->lines->elts;
    const drs_op_t *first = (const drs_op_t *)(const void *)ops->elts;
    int last = watch->lines->nelts - 1;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && i <= last; i++) {
        if (i < last && is_same_place(lines[i].said, lines[i + 1].said)) {
            continue;
        }
        *session = NULL;
        rv = watch->open(lines[i].said, session);
        if (rv != APR_SUCCESS) continue;
        rv = drs_batch_run(*session, first + *done, lines[i].ops - *done);
        if (rv == APR_SUCCESS) *done = lines[i].ops;
    }
    return rv;
}

/* Do what the lines say; OK, or the status of the response instead. */
static int apply(request_rec *r, const watch_t *watch)
{
    apr_array_header_t *ops = apr_array_make(r->pool, 8, sizeof(drs_op_t));
    drs_session_t *session = NULL;
    const char *why = "malformed";
    int done = 0;
    apr_status_t rv = parse_lines(watch, ops, &why);

    if (rv != APR_SUCCESS) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "%s: the response header "
                      "DRSession is malformed: %s",
                      r->uri, why);
        return HTTP_BAD_GATEWAY;
    }
    rv = run_lines(watch, ops, &done, &session);
    if (rv == APR_SUCCESS) return OK;
    drs_outage_complain(r, rv,
                        "%s: the response header "
                        "DRSession failed%s: %s",
                        r->uri, done > 0 ? ", a part of it is done" : "",
                        session == NULL ? "DRSession is Off here"
                                        : drs_session_error(session));
    /* To come again would do once more what is done. */
    if (rv == DRS_EDOWN && done == 0) {
        apr_table_setn(r->err_headers_out, "Retry-After", "1");
    }
    return HTTP_SERVICE_UNAVAILABLE;
}

/*
 * Send an error in place of the response, of which no byte has left. To
 * httpd it is the first error of this request, whatever status the backend
 * had, so that its ErrorDocument is shown; not so a second time, for that
 * document may have failed alike.
 */
static apr_status_t replace(ap_filter_t *f, apr_bucket_brigade *bb,
                            watch_t *watch, int status)
{
    request_rec *r = f->r;
    apr_bucket *first;

    apr_brigade_cleanup(bb);
    if (r->main != NULL) {
        /* A part of a page says so to the page, which may still fail. */
        apr_brigade_puts(bb, NULL, NULL, " ");
        first = APR_BRIGADE_FIRST(bb);
        APR_BUCKET_INSERT_BEFORE(
            first, ap_bucket_error_create(status, NULL, r->pool,
                                          r->connection->bucket_alloc));
        return ap_pass_brigade(f->next, bb);
    }
    r->status_line = NULL;
    if (!watch->failed) r->status = HTTP_OK;
    watch->failed = 1;
    ap_die(status, r);
    /*
     * Some handlers go on writing, or return an error that would be another
     * response: to the client it would be the answer to its next request.
     * They are told that the client is gone, which each is prepared for;
     * mod_perl ends the process at any other error.
     */
    watch->over = 1;
    ap_add_output_filter(header_filter, watch, r, r->connection);
    return APR_ECONNABORTED;
}

/*
 * mod_proxy_http says of a response that it has begun before it has: here
 * it has not, and a new session can still send its cookie.
 */
static int apply_early(request_rec *r, watch_t *watch)
{
    apr_off_t sent = r->sent_bodyct;
    int status;

    r->sent_bodyct = 0;
    status = apply(r, watch);
    r->sent_bodyct = sent;
    apr_array_clear(watch->lines);
    return status;
}

static apr_status_t read_header(ap_filter_t *f, apr_bucket_brigade *bb)
{
    watch_t *watch = f->ctx;
    int status = OK;

    if (watch->over) {
        apr_brigade_cleanup(bb);
        return APR_ECONNABORTED;
    }
    collect(f->r, watch);
    if (watch->lines->nelts > 0) status = apply_early(f->r, watch);
    ap_remove_output_filter(f);
    return status == OK ? ap_pass_brigade(f->next, bb)
                        : replace(f, bb, watch, status);
}

void drs_header_register(void)
{
    ap_register_output_filter(header_filter, read_header, NULL,
                              AP_FTYPE_CONTENT_SET);
}
