/* SPDX-License-Identifier: MIT */
/*
 * Session to environment. Tables of APR ignore the case of names, and so do
 * the checks here: DRSESSION_user and drsession_USER are one variable.
 */
#include "drs_env.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_log.h>

#include "drs_codec.h"
#include "drs_forward.h"
#include "drs_view.h"

APLOG_USE_MODULE(drsession);

static const char *name_of(const drs_export_t *one, const drs_conf_t *conf,
                           apr_pool_t *p)
{
    return one->name != NULL ? one->name
                             : apr_pstrcat(p, conf->env, "_", one->field, NULL);
}

static int count(const apr_array_header_t *list)
{
    return list != NULL ? list->nelts : 0;
}

/* Whether a name begins with our prefix and what is '_' for a program. */
static int has_prefix(const char *name, const char *prefix, apr_pool_t *p)
{
    apr_size_t len = strlen(prefix);

    return strlen(name) > len && !apr_isalnum(name[len]) &&
           drs_forward_is_same(apr_pstrmemdup(p, name, len), prefix);
}

/* Programs get a '_' for whatever is no letter or digit of a name. */
static int is_exported(const char *name, const apr_array_header_t *names)
{
    int i;

    for (i = 0; i < names->nelts; i++) {
        if (drs_forward_is_same(name, APR_ARRAY_IDX(names, i, const char *))) {
            return 1;
        }
    }
    return 0;
}

/* The name that httpd has put behind REDIRECT_, once or more; else NULL. */
static const char *skip_redirects(const char *name)
{
    static const char redirect[] = "REDIRECT_";
    const char *word = name;

    while (ap_cstr_casecmpn(word, redirect, sizeof(redirect) - 1) == 0) {
        word += sizeof(redirect) - 1;
    }
    return word > name ? word : NULL;
}

/* Request headers are variables of a program, too. */
static int is_forwarded(const char *name, const drs_conf_t *conf)
{
    int i;

    if (ap_cstr_casecmpn(name, "HTTP_", 5) != 0) return 0;
    for (i = 0; i < count(conf->forwards); i++) {
        if (drs_forward_is_same(
                name + 5,
                APR_ARRAY_IDX(conf->forwards, i, drs_forward_t).header)) {
            return 1;
        }
    }
    return 0;
}

static void clear(request_rec *r, const drs_conf_t *conf, int redirected)
{
    const apr_array_header_t *vars = apr_table_elts(r->subprocess_env);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)vars->elts;
    apr_array_header_t *names = apr_array_make(r->pool, 8, sizeof(char *));
    apr_array_header_t *ours = apr_array_make(r->pool, 8, sizeof(char *));
    int i;

    for (i = 0; i < count(conf->exports); i++) {
        APR_ARRAY_PUSH(names, const char *) = name_of(
            &APR_ARRAY_IDX(conf->exports, i, drs_export_t), conf, r->pool);
    }
    /* Collected first: a table must not shrink while it is walked. */
    for (i = 0; i < vars->nelts; i++) {
        const char *name = entry[i].key;

        if (name != NULL && redirected) name = skip_redirects(name);
        if (name != NULL &&
            (has_prefix(name, conf->env, r->pool) || is_exported(name, names) ||
             (redirected && is_forwarded(name, conf)))) {
            APR_ARRAY_PUSH(ours, const char *) = entry[i].key;
        }
    }
    for (i = 0; i < ours->nelts; i++) {
        apr_table_unset(r->subprocess_env,
                        APR_ARRAY_IDX(ours, i, const char *));
    }
}

void drs_env_clear(request_rec *r, const drs_conf_t *conf)
{
    clear(r, conf, 0);
}

void drs_env_clear_redirected(request_rec *r, const drs_conf_t *conf)
{
    clear(r, conf, 1);
}

/* The fields to read: the exported ones, then the forwarded ones. */
static const char **list_fields(const drs_conf_t *conf, int *n, apr_pool_t *p)
{
    const char **fields;
    int i;

    *n = 0;
    fields = apr_palloc(
        p, (apr_size_t)(count(conf->exports) + count(conf->forwards) + 1) *
               sizeof(*fields));
    for (i = 0; i < count(conf->exports); i++) {
        fields[(*n)++] = APR_ARRAY_IDX(conf->exports, i, drs_export_t).field;
    }
    for (i = 0; i < count(conf->forwards); i++) {
        fields[(*n)++] = APR_ARRAY_IDX(conf->forwards, i, drs_forward_t).field;
    }
    return fields;
}

/* Make plain text of what was read; a value unfit for it is left out. */
static void fill_texts(request_rec *r, const drs_conf_t *conf,
                       const char *const *fields, int n,
                       const char *const *json, const apr_size_t *lens,
                       drs_env_memory_t *memory, apr_pool_t *p)
{
    const char *why = NULL;
    apr_status_t rv;
    int i;

    for (i = 0; i < n; i++) {
        if (json[i] == NULL) continue;
        rv =
            conf->codec == &drs_codec_raw
                ? drs_codec_plain_raw(json[i], lens[i], &memory->texts[i], &why,
                                      p)
                : drs_codec_plain(json[i], lens[i], &memory->texts[i], &why, p);
        if (rv != APR_SUCCESS) {
            /* Unfit is an answer; anything else is none. */
            if (rv != DRS_EVALUE) memory->rv = rv;
            ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                          "DRSessionExport, DRSessionForward: field '%s' is "
                          "not shown: %s",
                          fields[i], why);
        }
    }
}

static void read_fields(request_rec *r, const drs_conf_t *conf,
                        drs_session_t *session, drs_env_memory_t *memory,
                        apr_pool_t *p)
{
    int n = 0;
    const char **fields = list_fields(conf, &n, p);
    apr_size_t room = (apr_size_t)n + 1;
    const char **json = apr_palloc(p, room * sizeof(*json));
    apr_size_t *lens = apr_palloc(p, room * sizeof(*lens));

    memory->exports = conf->exports;
    memory->forwards = conf->forwards;
    memory->codec = conf->codec;
    memory->lifetime = conf->lifetime;
    memory->texts = apr_pcalloc(p, room * sizeof(*memory->texts));
    memory->changes = drs_session_changes(session);
    memory->rv =
        drs_view_fields(session, fields, n, json, lens, &memory->live, p);
    if (memory->rv == APR_SUCCESS) {
        fill_texts(r, conf, fields, n, json, lens, memory, p);
    }
}

static void set_status(request_rec *r, const drs_conf_t *conf,
                       const drs_env_memory_t *memory)
{
    const char *status = "unavailable";

    if (memory->rv == APR_SUCCESS) status = memory->live ? "live" : "none";
    apr_table_setn(r->subprocess_env,
                   apr_pstrcat(r->pool, conf->env, "_STATUS", NULL), status);
}

apr_status_t drs_env_export(request_rec *r, const drs_conf_t *conf,
                            drs_session_t *session, drs_env_memory_t *memory,
                            apr_pool_t *p)
{
    int n = count(conf->exports);
    int i;

    if (memory->texts == NULL || memory->exports != conf->exports ||
        memory->forwards != conf->forwards || memory->codec != conf->codec ||
        memory->lifetime != conf->lifetime ||
        memory->changes != drs_session_changes(session)) {
        read_fields(r, conf, session, memory, p);
    }
    set_status(r, conf, memory);
    if (memory->rv != APR_SUCCESS) return memory->rv;

    for (i = 0; i < n; i++) {
        if (memory->texts[i] == NULL) continue;
        apr_table_setn(r->subprocess_env,
                       name_of(&APR_ARRAY_IDX(conf->exports, i, drs_export_t),
                               conf, r->pool),
                       memory->texts[i]);
    }
    /* TRACE shows the client what the request has come to. */
    if (r->method_number == M_TRACE) return APR_SUCCESS;
    for (i = 0; i < count(conf->forwards); i++) {
        if (memory->texts[n + i] == NULL) continue;
        apr_table_setn(r->headers_in,
                       APR_ARRAY_IDX(conf->forwards, i, drs_forward_t).header,
                       memory->texts[n + i]);
    }
    return APR_SUCCESS;
}

const char *drs_env_known(const drs_env_memory_t *memory, const char *field)
{
    int i;

    if (memory->exports == NULL || memory->rv != APR_SUCCESS) return NULL;
    for (i = 0; i < memory->exports->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(memory->exports, i, drs_export_t).field,
                   field) == 0) {
            return memory->texts[i];
        }
    }
    return NULL;
}

const char *drs_env_door(const drs_conf_t *conf)
{
    if (conf->exports != NULL) return "DRSessionExport";
    return conf->forwards != NULL ? "DRSessionForward" : "DRSessionChildAccess";
}
