/* SPDX-License-Identifier: MIT */
/*
 * The httpd that faces are linked to where none runs: what parsers call is
 * done as httpd does it, what they never call ends the process.
 */
#include <stdlib.h>

#include <apr_cstr.h>
#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>

#include "drs_batch.h"
#include "drs_conf.h"

module AP_MODULE_DECLARE_DATA drsession_module;

int ap_cstr_casecmp(const char *a, const char *b)
{
    return apr_cstr_casecmp(a, b);
}

int ap_cstr_casecmpn(const char *a, const char *b, apr_size_t n)
{
    return apr_cstr_casecmpn(a, b, n);
}

char *ap_server_root_relative(apr_pool_t *p, const char *file)
{
    (void)p;
    (void)file;
    abort();
}

void ap_log_error_(const char *file, int line, int module_index, int level,
                   apr_status_t status, const server_rec *s, const char *format,
                   ...)
{
    (void)file;
    (void)line;
    (void)module_index;
    (void)level;
    (void)status;
    (void)s;
    (void)format;
    abort();
}

void ap_log_rerror_(const char *file, int line, int module_index, int level,
                    apr_status_t status, const request_rec *r,
                    const char *format, ...)
{
    (void)file;
    (void)line;
    (void)module_index;
    (void)level;
    (void)status;
    (void)r;
    (void)format;
    abort();
}

void drs_conf_fill_dir(const drs_conf_t *conf, drs_conf_t *out)
{
    (void)conf;
    (void)out;
    abort();
}

void ap_die(int type, request_rec *r)
{
    (void)type;
    (void)r;
    abort();
}

ap_filter_t *ap_add_output_filter(const char *name, void *ctx, request_rec *r,
                                  conn_rec *c)
{
    (void)name;
    (void)ctx;
    (void)r;
    (void)c;
    abort();
}

void ap_remove_output_filter(ap_filter_t *f)
{
    (void)f;
    abort();
}

apr_status_t ap_pass_brigade(ap_filter_t *f, apr_bucket_brigade *bb)
{
    (void)f;
    (void)bb;
    abort();
}

apr_bucket *ap_bucket_error_create(int error, const char *buf, apr_pool_t *p,
                                   apr_bucket_alloc_t *list)
{
    (void)error;
    (void)buf;
    (void)p;
    (void)list;
    abort();
}

ap_filter_rec_t *ap_register_output_filter(const char *name,
                                           ap_out_filter_func filter,
                                           ap_init_filter_func init,
                                           ap_filter_type type)
{
    (void)name;
    (void)filter;
    (void)init;
    (void)type;
    abort();
}
