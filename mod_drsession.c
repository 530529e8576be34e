/* SPDX-License-Identifier: MIT */
/*
 * mod_drsession: every request has a live session, kept in Redis. This file
 * is the module's life inside httpd: its record, its hooks, how a request
 * finds its session, and the table of calls for other modules. What a
 * session is stands in src/engine, what httpd shows of it in src/faces.
 *
 *     initial request --- bindings, one a cookie and prefix
 *        |  ^   ^
 *        |  |   +-- subrequests (main)
 *        v  +------ internal redirects, error documents (prev)
 */
#include "mod_drsession.h"

#include <string.h>
#include <unistd.h>

#include <ap_mpm.h>
#include <ap_provider.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <httpd.h>

#include "drs_conf.h"
#include "drs_cookie.h"
#include "drs_env.h"
#include "drs_forward.h"
#include "drs_header.h"
#include "drs_rest.h"
#include "drs_route.h"
#include "drs_session.h"

APLOG_USE_MODULE(drsession);

static const char cache_filter[] = "DRSESSION_CACHE";

/* A session of one initial request, and the terms of the location at hand. */
typedef struct binding_t {
    drs_session_t *session;
    request_rec *r;          /* whose response is being made: no subrequest */
    const request_rec *guarded; /* the request that has our filter */
    drs_conf_t conf;         /* filled in */
    drs_terms_t terms;
    drs_env_memory_t memory;
    int used;                /* the response depends on the session */
    int announced;           /* it carries our Set-Cookie */
    struct binding_t *next;
} binding_t;

/* Which request a subrequest, a redirect or an error document began as. */
static request_rec *find_initial(request_rec *r)
{
    while (r->main != NULL || r->prev != NULL) {
        r = r->main != NULL ? r->main : r->prev;
    }
    return r;
}

/* The request whose headers the client gets. */
static request_rec *find_outer(request_rec *r)
{
    while (r->main != NULL) r = r->main;
    return r;
}

static binding_t *first_binding(request_rec *r)
{
    return ap_get_module_config(find_initial(r)->request_config,
                                &drsession_module);
}

static int has_token(const char *list, const char *token)
{
    return list != NULL && ap_find_token(NULL, list, token);
}

/* Whether a word of Cache-Control lets others see the page, or is ours. */
static int is_replaced(const char *word)
{
    static const char *const words[] = {
        "public", "private", "no-cache", "s-maxage"
    };
    apr_size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (ap_cstr_casecmpn(word, words[i], strlen(words[i])) == 0) {
            return 1;
        }
    }
    return 0;
}

/* What the application said of caching, less what would let others see it. */
static const char *make_cache_control(const char *given, int announced,
                                      apr_pool_t *p)
{
    const char *made = announced ? "private, no-cache, no-store"
                                 : "private, no-cache";
    char *last;
    char *word = apr_strtok(apr_pstrdup(p, given), ", \t", &last);

    for (; word != NULL; word = apr_strtok(NULL, ", \t", &last)) {
        if (ap_cstr_casecmp(word, "no-store") == 0) return given;
        if (!is_replaced(word)) made = apr_pstrcat(p, made, ", ", word, NULL);
    }
    return made;
}

/*
 * Keep shared caches from showing one user's page to another. What CGI
 * programs say stands in err_headers_out, what others say in headers_out.
 */
static void protect(request_rec *r, int announced)
{
    const char *vary = apr_table_get(r->headers_out, "Vary");
    const char *out = apr_table_get(r->headers_out, "Cache-Control");
    const char *err = apr_table_get(r->err_headers_out, "Cache-Control");
    const char *given = apr_pstrcat(r->pool, out != NULL ? out : "",
                                    out != NULL && err != NULL ? ", " : "",
                                    err != NULL ? err : "", NULL);

    if (!has_token(vary, "Cookie") && !has_token(vary, "*")) {
        apr_table_mergen(r->headers_out, "Vary", "Cookie");
    }
    apr_table_unset(r->err_headers_out, "Cache-Control");
    apr_table_setn(r->headers_out, "Cache-Control",
                   make_cache_control(given, announced, r->pool));
}

/*
 * Once more when the headers are about to be judged by caches: by then the
 * application has said what it wanted to say of them.
 */
static apr_status_t guard_caches(ap_filter_t *f, apr_bucket_brigade *bb)
{
    binding_t *binding = first_binding(f->r);

    for (; binding != NULL; binding = binding->next) {
        if (binding->used) protect(f->r, binding->announced);
    }
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

static void guard(binding_t *binding)
{
    request_rec *r = binding->r;

    protect(r, binding->announced);
    if (binding->guarded == r) return;
    binding->guarded = r;
    ap_add_output_filter(cache_filter, NULL, r, r->connection);
}

static void on_used(void *baton)
{
    binding_t *binding = baton;

    binding->used = 1;
    guard(binding);
}

static int on_can_send(void *baton)
{
    const binding_t *binding = baton;

    return !binding->r->sent_bodyct;
}

/* Take out an earlier Set-Cookie of ours: a response carries one at most. */
static void drop_cookie(request_rec *r, apr_table_t *headers,
                        const char *name)
{
    const apr_array_header_t *lines = apr_table_elts(headers);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)lines->elts;
    apr_table_t *others = apr_table_make(r->pool, 4);
    apr_size_t len = strlen(name);
    int i;

    for (i = 0; i < lines->nelts; i++) {
        if (entry[i].key == NULL ||
            ap_cstr_casecmp(entry[i].key, "Set-Cookie") != 0) {
            continue;
        }
        if (strncmp(entry[i].val, name, len) != 0 ||
            entry[i].val[len] != '=') {
            apr_table_addn(others, "Set-Cookie", entry[i].val);
        }
    }
    apr_table_unset(headers, "Set-Cookie");
    lines = apr_table_elts(others);
    entry = (const apr_table_entry_t *)lines->elts;
    for (i = 0; i < lines->nelts; i++) {
        apr_table_addn(headers, "Set-Cookie", entry[i].val);
    }
}

static void on_announce(void *baton, const char *id)
{
    binding_t *binding = baton;
    request_rec *r = binding->r;
    const drs_cookie_t *cookie = binding->conf.cookie;
    int https = strcmp(ap_http_scheme(r), "https") == 0;

    /* An error response of httpd's own has them in the other table. */
    drop_cookie(r, r->err_headers_out, cookie->name);
    drop_cookie(r, r->headers_out, cookie->name);
    apr_table_addn(r->err_headers_out, "Set-Cookie",
                   drs_cookie_write(cookie, id, https,
                                    find_initial(r)->pool));
    binding->announced = 1;
    guard(binding);
}

static drs_conf_server_t *server_conf(const request_rec *r)
{
    return ap_get_module_config(r->server->module_config, &drsession_module);
}

/* Look for the cookie; what is no id of ours is no session. */
static const char *find_id(request_rec *r, const drs_conf_t *conf)
{
    request_rec *initial = find_initial(r);
    const char *id = NULL;

    if (drs_cookie_find(apr_table_get(initial->headers_in, "Cookie"),
                        conf->cookie->name, conf->strict, &id,
                        initial->pool) == DRS_FOUND_REFUSED) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                      "the cookie '%s' is malformed or there are two that "
                      "differ: no session", conf->cookie->name);
    }
    return id;
}

static binding_t *bind_request(request_rec *r, const drs_conf_t *conf)
{
    request_rec *initial = find_initial(r);
    const drs_conf_server_t *server = server_conf(r);
    binding_t *binding = apr_pcalloc(initial->pool, sizeof(*binding));
    drs_host_t host = { on_used, on_can_send, on_announce, NULL };

    host.baton = binding;
    binding->conf = *conf;
    binding->session = drs_session_create(server->route,
                                          drs_conf_budget(server), &host,
                                          find_id(r, conf), initial->pool);
    binding->next = first_binding(r);
    ap_set_module_config(initial->request_config, &drsession_module, binding);
    return binding;
}

/* Find or make the session of a request, on the terms of its location. */
static apr_status_t open_binding(request_rec *r, binding_t **out)
{
    binding_t *binding = first_binding(r);
    drs_conf_t conf;

    drs_conf_fill_dir(ap_get_module_config(r->per_dir_config,
                                           &drsession_module), &conf);
    if (conf.mode == DRS_MODE_OFF) return APR_ENOTIMPL;

    while (binding != NULL &&
           (strcmp(binding->conf.cookie->name, conf.cookie->name) != 0 ||
            strcmp(binding->conf.prefix, conf.prefix) != 0)) {
        binding = binding->next;
    }
    if (binding == NULL) binding = bind_request(r, &conf);
    binding->conf = conf;
    binding->r = find_outer(r);
    drs_conf_terms(&binding->conf, server_conf(r), &binding->terms);
    drs_session_agree(binding->session, &binding->terms);
    *out = binding;
    return APR_SUCCESS;
}

static apr_status_t open_session(request_rec *r, drs_session_t **session)
{
    binding_t *binding = NULL;
    apr_status_t rv = open_binding(r, &binding);

    if (rv == APR_SUCCESS) *session = binding->session;
    return rv;
}

static const drs_api_t api = {
    open_session,
    drs_session_id,
    drs_session_key,
    drs_session_get,
    drs_session_get_string,
    drs_session_get_int,
    drs_session_get_many,
    drs_session_set,
    drs_session_set_string,
    drs_session_set_int,
    drs_session_set_many,
    drs_session_add,
    drs_session_incr,
    drs_session_has,
    drs_session_del,
    drs_session_pop,
    drs_session_count,
    drs_session_keys,
    drs_session_all,
    drs_session_destroy,
    drs_session_regenerate,
    drs_session_error
};

/* Hooks, in the order in which a request meets them. */

static int fix_up(request_rec *r)
{
    binding_t *binding = NULL;
    apr_status_t rv;

    drs_forward_clear(r, ap_get_module_config(r->per_dir_config,
                                              &drsession_module));
    if (open_binding(r, &binding) != APR_SUCCESS) return DECLINED;

    drs_env_clear(r, &binding->conf);
    if (binding->conf.exports == NULL && binding->conf.forwards == NULL) {
        return DECLINED;
    }

    rv = drs_env_export(r, &binding->conf, binding->session, &binding->memory,
                        find_initial(r)->pool);
    if (rv == APR_SUCCESS) return DECLINED;

    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  "%s: DRSessionExport or DRSessionForward has no answer: "
                  "%s", r->uri,
                  drs_session_error(binding->session));
    if (binding->conf.pass) return DECLINED;
    apr_table_setn(r->err_headers_out, "Retry-After", "1");
    return HTTP_SERVICE_UNAVAILABLE;
}

/* A redirect or an error document has filters of its own. */
static void insert_guard(request_rec *r)
{
    binding_t *binding = r->main == NULL ? first_binding(r) : NULL;

    drs_header_watch(r, open_session);
    for (; binding != NULL; binding = binding->next) {
        binding->r = r;
        if (binding->used) guard(binding);
    }
}

/* httpd has thrown away the filters and headers of the failed response. */
static void insert_error_guard(request_rec *r)
{
    binding_t *binding = r->main == NULL ? first_binding(r) : NULL;

    drs_header_watch_error(r, open_session);
    for (; binding != NULL; binding = binding->next) {
        binding->guarded = NULL;
        binding->r = r;
        if (binding->used) guard(binding);
    }
}

static int handle(request_rec *r)
{
    binding_t *binding = NULL;
    drs_conf_t conf;

    if (r->handler == NULL || strcmp(r->handler, DRS_REST_HANDLER) != 0) {
        return DECLINED;
    }
    drs_conf_fill_dir(ap_get_module_config(r->per_dir_config,
                                           &drsession_module), &conf);
    if (open_binding(r, &binding) != APR_SUCCESS) {
        return drs_rest_handle(r, &conf, NULL);
    }
    return drs_rest_handle(r, &binding->conf, binding->session);
}

/* Servers with the same settings share connections. */
static drs_route_t *find_route(const drs_conf_server_t *conf, server_rec *s,
                               const server_rec *end)
{
    const drs_conf_server_t *other;

    for (; s != end; s = s->next) {
        other = ap_get_module_config(s->module_config, &drsession_module);
        if (other->url == conf->url && other->user == conf->user &&
            other->pass == conf->pass && other->connect == conf->connect &&
            other->idle == conf->idle && other->wait == conf->wait &&
            other->keep == conf->keep && other->max == conf->max) {
            return other->route;
        }
    }
    return NULL;
}

/* Connections belong to a child: none is made before the fork. */
static void start_child(apr_pool_t *p, server_rec *first)
{
    drs_conf_server_t *conf;
    server_rec *s;
    int threads = 1;

    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    if (threads < 1) threads = 1;
    for (s = first; s != NULL; s = s->next) {
        conf = ap_get_module_config(s->module_config, &drsession_module);
        conf->route = find_route(conf, first, s);
        if (conf->route == NULL) {
            conf->route = drs_route_create(drs_conf_route(conf, threads, p),
                                           p);
        }
    }
}

/* Contradictions that only the merged configuration shows. */
static int check_conf(apr_pool_t *p, apr_pool_t *log, apr_pool_t *temp,
                      server_rec *s)
{
    const char *why;

    (void)p;
    (void)log;
    for (; s != NULL; s = s->next) {
        why = drs_conf_check(ap_get_module_config(s->lookup_defaults,
                                                  &drsession_module), temp);
        if (why != NULL) {
            ap_log_error(APLOG_MARK, APLOG_EMERG, 0, s, "%s", why);
            return HTTP_INTERNAL_SERVER_ERROR;
        }
    }
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    /* After mod_rewrite has set variables, before SetEnv has the last word. */
    ap_hook_fixups(fix_up, NULL, NULL, APR_HOOK_FIRST + 5);
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_insert_filter(insert_guard, NULL, NULL, APR_HOOK_LAST);
    ap_hook_insert_error_filter(insert_error_guard, NULL, NULL,
                                APR_HOOK_LAST);
    ap_hook_child_init(start_child, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_conf, NULL, NULL, APR_HOOK_MIDDLE);
    ap_register_output_filter(cache_filter, guard_caches, NULL,
                              AP_FTYPE_CONTENT_SET);
    drs_header_register();
    ap_register_provider(p, DRS_API_GROUP, DRS_API_NAME, DRS_API_VERSION,
                         &api);
}

module AP_MODULE_DECLARE_DATA drsession_module = {
    STANDARD20_MODULE_STUFF,
    drs_conf_create_dir,
    drs_conf_merge_dir,
    drs_conf_create_server,
    drs_conf_merge_server,
    drs_conf_directives,
    register_hooks,
    0
};
