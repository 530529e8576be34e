/* SPDX-License-Identifier: MIT */
/*
 * A binding is the one place that knows both a request and its session, so
 * what the session has to tell the world is told to that request here.
 */
#include "drs_binding.h"

#include <string.h>

#include <apr_strings.h>
#include <http_log.h>
#include <http_protocol.h>

#include "drs_cookie.h"

APLOG_USE_MODULE(drsession);

request_rec *drs_binding_initial(request_rec *r)
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
    while (r->next != NULL) r = r->next;
    return r;
}

drs_visit_t *drs_binding_visit(request_rec *r)
{
    request_rec *initial = drs_binding_initial(r);
    drs_visit_t *visit =
        ap_get_module_config(initial->request_config, &drsession_module);

    if (visit == NULL) {
        visit = apr_pcalloc(initial->pool, sizeof(*visit));
        ap_set_module_config(initial->request_config, &drsession_module, visit);
    }
    return visit;
}

static void on_used(void *baton)
{
    drs_shared_t *shared = ((drs_binding_t *)baton)->shared;

    shared->guard.used = 1;
    drs_reply_guard(shared->r, &shared->guard);
}

static int on_can_send(void *baton)
{
    return drs_reply_can_send(((const drs_binding_t *)baton)->shared->r);
}

static void on_announce(void *baton, const char *id)
{
    const drs_binding_t *binding = baton;
    const drs_cookie_t *cookie = binding->conf.cookie;
    drs_shared_t *shared = binding->shared;
    request_rec *r = shared->r;
    int https = strcmp(ap_http_scheme(r), "https") == 0;

    drs_reply_cookie(
        r, cookie->name,
        drs_cookie_write(cookie, id, https, drs_binding_initial(r)->pool));
    shared->guard.used = 1;
    shared->guard.announced = 1;
    drs_reply_guard(r, &shared->guard);
}

/* Look for the cookie; what is no id of ours is no session. */
static const char *find_id(request_rec *r, const drs_conf_t *conf)
{
    request_rec *initial = drs_binding_initial(r);
    const char *id = NULL;

    if (drs_cookie_find(apr_table_get(initial->headers_in, "Cookie"),
                        conf->cookie->name, conf->strict, &id,
                        initial->pool) == DRS_FOUND_REFUSED) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                      "the cookie '%s' is malformed or there are two that "
                      "differ: no session",
                      conf->cookie->name);
    }
    return id;
}

static const drs_conf_server_t *server_conf(const request_rec *r)
{
    return ap_get_module_config(r->server->module_config, &drsession_module);
}

static drs_shared_t *find_shared(request_rec *r, const drs_conf_t *conf)
{
    request_rec *initial = drs_binding_initial(r);
    drs_visit_t *visit = drs_binding_visit(r);
    drs_shared_t *shared = visit->sessions;

    while (shared != NULL && (strcmp(shared->cookie, conf->cookie->name) != 0 ||
                              strcmp(shared->prefix, conf->prefix) != 0)) {
        shared = shared->next;
    }
    if (shared != NULL) return shared;

    shared = apr_pcalloc(initial->pool, sizeof(*shared));
    shared->cookie = conf->cookie->name;
    shared->prefix = conf->prefix;
    shared->strict = conf->strict;
    shared->next = visit->sessions;
    visit->sessions = shared;
    return shared;
}

/* The first who opens the session makes it, the others share it. */
static void open_handle(request_rec *r, drs_binding_t *binding)
{
    const drs_shared_t *shared = binding->shared;
    const drs_conf_server_t *server = server_conf(r);
    drs_host_t host = { on_used, on_can_send, on_announce, binding };

    binding->session =
        shared->bindings != NULL
            ? drs_session_share(shared->bindings->session, &host)
            : drs_session_create(server->route, drs_conf_budget(server), &host,
                                 find_id(r, &binding->conf),
                                 drs_binding_initial(r)->pool);
}

static drs_binding_t *find_binding(request_rec *r, const drs_conf_t *conf)
{
    drs_shared_t *shared = find_shared(r, conf);
    drs_binding_t *binding = shared->bindings;

    while (binding != NULL && binding->r != r) binding = binding->next;
    if (binding != NULL) return binding;

    binding = apr_pcalloc(drs_binding_initial(r)->pool, sizeof(*binding));
    binding->r = r;
    binding->conf = *conf;
    binding->shared = shared;
    open_handle(r, binding);
    binding->next = shared->bindings;
    shared->bindings = binding;
    return binding;
}

apr_status_t drs_binding_open(request_rec *r, drs_binding_t **out)
{
    drs_binding_t *binding;
    drs_shared_t *shared;
    drs_conf_t conf;

    drs_conf_fill_dir(
        ap_get_module_config(r->per_dir_config, &drsession_module), &conf);
    if (conf.mode == DRS_MODE_OFF) return APR_ENOTIMPL;

    binding = find_binding(r, &conf);
    shared = binding->shared;
    shared->r = find_outer(r);
    binding->conf = conf;
    drs_conf_terms(&binding->conf, server_conf(r), &binding->terms);
    drs_session_agree(binding->session, &binding->terms);
    /* What was no id where DRSessionStrict is On may be one here. */
    if (shared->strict && !conf.strict) {
        shared->strict = 0;
        drs_session_adopt(binding->session, find_id(r, &conf));
    }
    *out = binding;
    return APR_SUCCESS;
}
