/* SPDX-License-Identifier: MIT */
/*
 * mod_drsession: every request has a live session, kept in Redis. This file
 * is the module's life inside httpd: its record, its hooks, and the table of
 * calls for other modules. What a session is stands in src/engine, what
 * httpd shows of it in src/faces.
 */
#include "mod_drsession.h"

#include <string.h>
#include <unistd.h>

#include <httpd.h>

#include <ap_provider.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_log_config.h>
#include <mod_rewrite.h>

#include "drs_binding.h"
#include "drs_check.h"
#include "drs_child.h"
#include "drs_conf.h"
#include "drs_env.h"
#include "drs_expr.h"
#include "drs_forward.h"
#include "drs_handoff.h"
#include "drs_header.h"
#include "drs_index.h"
#include "drs_log.h"
#include "drs_lookup.h"
#include "drs_outage.h"
#include "drs_reply.h"
#include "drs_rest.h"
#include "drs_route.h"
#include "drs_session.h"
#include "drs_threads.h"
#include "drs_turn.h"
#include "drs_view.h"

APLOG_USE_MODULE(drsession);

static drs_conf_server_t *server_conf(const request_rec *r)
{
    return ap_get_module_config(r->server->module_config, &drsession_module);
}

static apr_status_t open_session(request_rec *r, drs_session_t **session)
{
    drs_binding_t *binding = NULL;
    apr_status_t rv = drs_binding_open(r, &binding);

    if (rv == APR_SUCCESS) *session = binding->session;
    return rv;
}

/* A page that tells whether there is a session is one user's, too. */
static const char *tell_id(drs_session_t *session)
{
    return drs_session_id(drs_session_use(session));
}

static const char *tell_key(drs_session_t *session)
{
    return drs_session_key(drs_session_use(session));
}

static const drs_api_t api = {
    /* clang-format off */
    open_session,
    tell_id,
    tell_key,
    drs_session_get,
    drs_session_get_string,
    drs_session_get_int,
    drs_view_many,
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
    drs_view_keys,
    drs_view_all,
    drs_session_destroy,
    drs_session_regenerate,
    drs_session_error
    /* clang-format on */
};

/* What a request is a part of: what the client wants, or an error page. */
static const request_rec *find_page(const request_rec *r)
{
    while (r->main != NULL ||
           (r->prev != NULL && !ap_is_HTTP_ERROR(r->prev->status))) {
        r = r->main != NULL ? r->main : r->prev;
    }
    return r;
}

/* What the configuration looks up is looked up here. */
static apr_status_t open_place(request_rec *r, drs_place_t *place)
{
    drs_visit_t *visit = drs_binding_visit(r);
    const request_rec *page = find_page(r);
    drs_binding_t *binding = NULL;
    apr_status_t rv = drs_binding_open(r, &binding);

    if (visit->page != page) visit->failed = APR_SUCCESS;
    visit->page = page;
    if (rv != APR_SUCCESS) {
        if (visit->failed == APR_SUCCESS) visit->failed = DRS_EREPLY;
        return rv;
    }
    place->session = binding->session;
    place->conf = &binding->conf;
    place->memory = &binding->shared->lookups;
    place->failed = &visit->failed;
    place->p = drs_binding_initial(r)->pool;
    return APR_SUCCESS;
}

static int look_up_function(ap_expr_lookup_parms *parms)
{
    return drs_expr_lookup(parms, open_place);
}

static const char *parse_require(cmd_parms *cmd, const char *line,
                                 const void **parsed)
{
    return drs_expr_parse_require(cmd, line, open_place, parsed);
}

static authz_status require_field(request_rec *r, const char *line,
                                  const void *parsed)
{
    (void)line;
    return drs_expr_require(r, parsed);
}

static const authz_provider require_provider = { require_field, parse_require };

static char *map_field(request_rec *r, char *field)
{
    return drs_expr_map(r, field, open_place);
}

/* Hooks, in the order in which a request meets them. */

/*
 * What failed before an error page has its answer: this page, with all its
 * parts. One that stands for a failure is shown, whatever fails in it.
 */
static int refuse_guess(request_rec *r)
{
    const drs_visit_t *visit = drs_binding_visit(r);
    const request_rec *page = find_page(r);
    apr_status_t rv = visit->page == page ? visit->failed : APR_SUCCESS;
    drs_conf_t conf;

    drs_conf_fill_dir(
        ap_get_module_config(r->per_dir_config, &drsession_module), &conf);
    if (rv == APR_SUCCESS || conf.pass ||
        (page->prev != NULL && ap_is_HTTP_SERVER_ERROR(page->prev->status))) {
        return DECLINED;
    }
    return drs_rest_refuse(r, rv);
}

/* Verify, export, hand over: what is before the handler, in one trip. */
static apr_status_t export_session(request_rec *r, drs_binding_t *binding)
{
    const drs_conf_t *conf = &binding->conf;
    drs_env_memory_t *memory = &binding->shared->memory;
    const char *url = drs_conf_child_url(conf, server_conf(r));
    apr_status_t rv;

    if (conf->exports == NULL && conf->forwards == NULL && url == NULL) {
        return APR_SUCCESS;
    }

    rv = drs_env_export(r, conf, binding->session, memory,
                        drs_binding_initial(r)->pool);
    if (rv != APR_SUCCESS || url == NULL) return rv;

    rv = drs_child_export(r, conf, url, binding->session);
    if (rv != DRS_EREADONLY && rv != DRS_ESENT) return rv;

    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "%s: DRSessionChildAccess exports no key: %s", r->uri,
                  drs_session_error(binding->session));
    return APR_SUCCESS;
}

static int fix_up(request_rec *r)
{
    drs_binding_t *binding = NULL;
    drs_conf_t conf;
    apr_status_t rv;
    int status;

    drs_index_note(r);
    drs_child_clear(r);
    drs_forward_clear(
        r, ap_get_module_config(r->per_dir_config, &drsession_module));
    drs_conf_fill_dir(
        ap_get_module_config(r->per_dir_config, &drsession_module), &conf);
    if (conf.mode != DRS_MODE_OFF || conf.exports != NULL) {
        drs_env_clear(r, &conf);
    }
    status = refuse_guess(r);
    if (status != DECLINED) return status;
    if (drs_binding_open(r, &binding) != APR_SUCCESS) return DECLINED;

    rv = export_session(r, binding);
    if (rv == APR_SUCCESS) return DECLINED;

    drs_outage_complain(r, rv, "%s: %s has no answer: %s", r->uri,
                        drs_env_door(&conf),
                        drs_session_error(binding->session));
    return conf.pass ? DECLINED : drs_rest_refuse(r, rv);
}

/*
 * An index took the place of its folder when all was prepared, and for
 * RequestHeader a condition that failed is met.
 */
static int fix_up_last(request_rec *r)
{
    return drs_index_leave(r) ? fix_up(r) : refuse_guess(r);
}

/* From here on a child may run: what was read before it is old. */
static void expect_child(request_rec *r)
{
    const drs_shared_t *shared = drs_binding_visit(r)->sessions;

    for (; shared != NULL; shared = shared->next) {
        if (drs_handoff_is_given(shared->bindings->session)) {
            drs_handoff_expect_changes(shared->bindings->session);
        }
    }
}

/* The response is out and its children are done. */
static int settle(request_rec *r)
{
    const drs_shared_t *shared = drs_binding_visit(r)->sessions;
    drs_session_t *session;
    apr_status_t rv;

    for (; shared != NULL; shared = shared->next) {
        session = shared->bindings->session;
        if (!drs_handoff_is_given(session)) continue;
        rv = drs_handoff_settle(session);
        if (rv == APR_SUCCESS) continue;
        drs_outage_complain(
            r, rv, "%s: DRSessionChildAccess cannot set the expiry: %s", r->uri,
            drs_session_error(session));
    }
    return DECLINED;
}

/* A redirect, an error document or a part of a page has its own filters. */
static void guard_all(request_rec *r)
{
    drs_shared_t *shared = drs_binding_visit(r)->sessions;

    for (; shared != NULL; shared = shared->next) {
        if (r->main == NULL) shared->r = r;
        drs_reply_guard(r, &shared->guard);
    }
}

static void insert_guard(request_rec *r)
{
    drs_header_watch(r, open_session);
    guard_all(r);
}

/* httpd has thrown away the filters and headers of the failed response. */
static void insert_error_guard(request_rec *r)
{
    drs_header_watch_error(r, open_session);
    guard_all(r);
}

static int handle(request_rec *r)
{
    drs_binding_t *binding = NULL;
    drs_conf_t conf;

    if (r->handler == NULL || strcmp(r->handler, DRS_REST_HANDLER) != 0) {
        return DECLINED;
    }
    drs_conf_fill_dir(
        ap_get_module_config(r->per_dir_config, &drsession_module), &conf);
    if (drs_binding_open(r, &binding) != APR_SUCCESS) {
        return drs_rest_handle(r, &conf, NULL);
    }
    return drs_rest_handle(r, &binding->conf, binding->session);
}

/* `%^DS`, `%{field}^DS`: what is known by now; logging asks nobody. */
static const char *write_log_item(request_rec *r, char *field)
{
    const drs_shared_t *shared;
    const unsigned char *key = server_conf(r)->log_key;
    const char *text;
    char *name;
    drs_place_t place;

    if (open_place(r, &place) != APR_SUCCESS) return "-";
    if (*field == '\0') {
        if (drs_session_id(place.session) == NULL || key == NULL) return "-";
        name = apr_palloc(r->pool, DRS_LOG_NAME_LEN + 1);
        drs_log_name(drs_session_id(place.session), key, name);
        return name;
    }
    text = drs_lookup_known(&place, field);
    shared = drs_binding_visit(r)->sessions;
    while (&shared->lookups != place.memory) shared = shared->next;
    if (text == NULL) text = drs_env_known(&shared->memory, field);
    return text != NULL ? ap_escape_logitem(r->pool, text) : "-";
}

/* `%S` in ErrorLogFormat. May be asked while a session is being opened. */
static int write_error_log_item(const ap_errorlog_info *info, const char *arg,
                                char *to, int room)
{
    const drs_conf_server_t *conf;
    const drs_shared_t *shared;
    drs_session_t *session;
    request_rec *initial;

    (void)arg;
    if (info->rmain == NULL || room <= DRS_LOG_NAME_LEN) return 0;
    memcpy(&initial, &info->rmain, sizeof(initial));
    initial = drs_binding_initial(initial);
    if (initial->request_config == NULL) return 0;

    shared = drs_binding_visit(initial)->sessions;
    conf = server_conf(initial);
    if (shared == NULL || shared->bindings == NULL || conf->log_key == NULL) {
        return 0;
    }
    session = shared->bindings->session;
    if (drs_session_id(session) == NULL) return 0;
    drs_log_name(drs_session_id(session), conf->log_key, to);
    return DRS_LOG_NAME_LEN;
}

/* Other modules may be absent: what they would ask for is offered only. */
static int offer_items(apr_pool_t *p, apr_pool_t *log, apr_pool_t *temp)
{
    APR_OPTIONAL_FN_TYPE(ap_register_log_handler) *add_log_item =
        APR_RETRIEVE_OPTIONAL_FN(ap_register_log_handler);
    APR_OPTIONAL_FN_TYPE(ap_register_rewrite_mapfunc) *add_map =
        APR_RETRIEVE_OPTIONAL_FN(ap_register_rewrite_mapfunc);
    static char item[] = "^DS";
    static char error_item[] = "S";
    static char map[] = DRS_EXPR_MAP;

    (void)log;
    (void)temp;
    if (add_log_item != NULL) add_log_item(p, item, write_log_item, 0);
    if (add_map != NULL) add_map(map, map_field);
    ap_register_errorlog_handler(p, error_item, write_error_log_item, 0);
    return OK;
}

/* Names in logs are keyed; the key is made before the children are. */
static int prepare(apr_pool_t *p, apr_pool_t *log, apr_pool_t *temp,
                   server_rec *s)
{
    const unsigned char *key = NULL;
    drs_conf_server_t *conf;
    apr_status_t rv = drs_log_key(s->process->pool, &key);

    (void)p;
    (void)log;
    (void)temp;
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_EMERG, rv, s,
                     "the system has no random bytes");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    for (; s != NULL; s = s->next) {
        conf = ap_get_module_config(s->module_config, &drsession_module);
        conf->log_key = key;
    }
    return OK;
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
    int threads = drs_threads_count(first);

    for (s = first; s != NULL; s = s->next) {
        conf = ap_get_module_config(s->module_config, &drsession_module);
        conf->route = find_route(conf, first, s);
        if (conf->route != NULL) continue;
        conf->route = drs_outage_watch(drs_conf_route(conf, threads, p), s, p);
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
        why = drs_check_server(s, temp);
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
    ap_hook_fixups(fix_up_last, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_pre_config(offer_items, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(prepare, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_expr_lookup(look_up_function, NULL, NULL, APR_HOOK_MIDDLE);
    ap_register_auth_provider(p, AUTHZ_PROVIDER_GROUP, DRS_EXPR_PROVIDER,
                              AUTHZ_PROVIDER_VERSION, &require_provider,
                              AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_insert_filter(expect_child, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_log_transaction(settle, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_insert_filter(insert_guard, NULL, NULL, APR_HOOK_LAST);
    ap_hook_insert_error_filter(insert_error_guard, NULL, NULL, APR_HOOK_LAST);
    ap_hook_child_init(start_child, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_check_config(check_conf, NULL, NULL, APR_HOOK_MIDDLE);
    drs_reply_register();
    drs_header_register();
    ap_register_provider(p, DRS_API_GROUP, DRS_API_NAME, DRS_API_VERSION, &api);
    drs_turn_register(p);
}

module AP_MODULE_DECLARE_DATA drsession_module = {
    /* clang-format off */
    STANDARD20_MODULE_STUFF,
    drs_conf_create_dir,
    drs_conf_merge_dir,
    drs_conf_create_server,
    drs_conf_merge_server,
    drs_conf_directives,
    register_hooks,
    0
    /* clang-format on */
};
