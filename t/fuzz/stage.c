/* SPDX-License-Identifier: MIT */
/* httpd keeps core's settings first in a vector; ours are the second. */
#include "stage.h"

#include <stddef.h>
#include <string.h>

#include <ap_expr.h>
#include <apr_buckets.h>
#include <apr_cstr.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <util_filter.h>

#include "drs_conf.h"

enum { OURS = 1, VECTOR = 2 };

stage_t stage;

module AP_MODULE_DECLARE_DATA drsession_module = { MODULE_MAGIC_NUMBER_MAJOR,
                                                   MODULE_MAGIC_NUMBER_MINOR,
                                                   OURS,
                                                   "mod_drsession.c",
                                                   NULL,
                                                   NULL,
                                                   MODULE_MAGIC_COOKIE,
                                                   NULL,
                                                   NULL,
                                                   NULL,
                                                   NULL,
                                                   NULL,
                                                   NULL,
                                                   NULL,
                                                   0 };

static ap_conf_vector_t *make_vector(void *core, void *own, apr_pool_t *p)
{
    void **vector = apr_pcalloc(p, VECTOR * sizeof(*vector));

    vector[0] = core;
    vector[OURS] = own;
    return (ap_conf_vector_t *)vector;
}

request_rec *stage_request(void *own, apr_pool_t *p)
{
    request_rec *r = apr_pcalloc(p, sizeof(*r));
    core_server_config *core = apr_pcalloc(p, sizeof(*core));

    memset(&stage, 0, offsetof(stage_t, text));
    stage.text[0] = '\0';
    stage.scheme = "http";
    stage.body = "";
    stage.length = -1;
    core->sec_url = apr_array_make(p, 2, sizeof(ap_conf_vector_t *));
    r->pool = p;
    r->server = apr_pcalloc(p, sizeof(*r->server));
    r->server->module_config = make_vector(core, NULL, p);
    r->per_dir_config = make_vector(NULL, own, p);
    r->headers_in = apr_table_make(p, 8);
    r->headers_out = apr_table_make(p, 8);
    r->err_headers_out = apr_table_make(p, 8);
    r->connection = apr_pcalloc(p, sizeof(*r->connection));
    r->connection->bucket_alloc = apr_bucket_alloc_create(p);
    r->status = HTTP_OK;
    return r;
}

void stage_location(request_rec *r, const char *path, const char *handler)
{
    core_server_config *core =
        ap_get_core_module_config(r->server->module_config);
    core_dir_config *dir = apr_pcalloc(r->pool, sizeof(*dir));

    dir->d = apr_pstrdup(r->pool, path);
    dir->handler = handler;
    APR_ARRAY_PUSH(core->sec_url, ap_conf_vector_t *) =
        make_vector(dir, NULL, r->pool);
}

int ap_cstr_casecmp(const char *a, const char *b)
{
    return apr_cstr_casecmp(a, b);
}

int ap_cstr_casecmpn(const char *a, const char *b, apr_size_t n)
{
    return apr_cstr_casecmpn(a, b, n);
}

const char *ap_expr_str_exec(request_rec *r, const ap_expr_info_t *expr,
                             const char **why)
{
    (void)r;
    (void)expr;
    *why = "there are no expressions here";
    return NULL;
}

const char *ap_run_http_scheme(const request_rec *r)
{
    (void)r;
    return stage.scheme;
}

void ap_log_rerror_(const char *file, int line, int module_index, int level,
                    apr_status_t status, const request_rec *r, const char *fmt,
                    ...)
{
    (void)file;
    (void)line;
    (void)module_index;
    (void)level;
    (void)status;
    (void)r;
    (void)fmt;
}

void ap_log_error_(const char *file, int line, int module_index, int level,
                   apr_status_t status, const server_rec *s, const char *fmt,
                   ...)
{
    (void)file;
    (void)line;
    (void)module_index;
    (void)level;
    (void)status;
    (void)s;
    (void)fmt;
}

int ap_setup_client_block(request_rec *r, int policy)
{
    (void)r;
    (void)policy;
    return OK;
}

int ap_should_client_block(request_rec *r)
{
    return r->read_chunked || r->remaining > 0;
}

apr_status_t ap_get_brigade(ap_filter_t *filter, apr_bucket_brigade *bb,
                            ap_input_mode_t mode, apr_read_type_e block,
                            apr_off_t most)
{
    apr_bucket_alloc_t *list = bb->bucket_alloc;
    apr_size_t len = stage.left;

    (void)filter;
    (void)mode;
    (void)block;
    if (len == 0 && stage.broken) return APR_EGENERAL;
    if (stage.piece > 0 && len > stage.piece) len = stage.piece;
    if (len > (apr_size_t)most) len = (apr_size_t)most;
    APR_BRIGADE_INSERT_TAIL(bb,
                            apr_bucket_transient_create(stage.body, len, list));
    stage.body += len;
    stage.left -= len;
    if (stage.left == 0 && !stage.broken) {
        APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(list));
    }
    return APR_SUCCESS;
}

int ap_map_http_request_error(apr_status_t rv, int status)
{
    (void)rv;
    return status;
}

void ap_set_content_type(request_rec *r, const char *type)
{
    (void)r;
    stage.type = type;
}

void ap_set_content_length(request_rec *r, apr_off_t length)
{
    (void)r;
    stage.length = length;
}

int ap_rwrite(const void *bytes, int len, request_rec *r)
{
    apr_size_t room = sizeof(stage.text) - 1 - stage.written;
    apr_size_t n = (apr_size_t)len < room ? (apr_size_t)len : room;

    (void)r;
    memcpy(stage.text + stage.written, bytes, n);
    stage.written += n;
    stage.text[stage.written] = '\0';
    return len;
}
