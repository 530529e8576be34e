/* SPDX-License-Identifier: MIT */
/*
 * From the environment to a session. The key stands where a session has
 * its id, with nothing before it; the server's limits are not known here,
 * so the defaults of DRSessionLimit and DRSessionTimeout hold.
 */
#include "drs_place.h"

#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "drs_codec.h"
#include "drs_handoff.h"
#include "drs_route.h"
#include "drs_url.h"

/* What httpd does for a session has nobody to be done for here. */
static void on_used(void *baton)
{
    (void)baton;
}

static int on_can_send(void *baton)
{
    (void)baton;
    return 0;
}

static void on_announce(void *baton, const char *id)
{
    (void)baton;
    (void)id;
}

static const char *variable(const char *env, const char *name, apr_pool_t *p)
{
    const char *value = getenv(apr_pstrcat(p, env, "_", name, NULL));

    return value != NULL && *value != '\0' ? value : NULL;
}

static apr_status_t complain(const char **why, const char *env,
                             const char *name, const char *what, apr_pool_t *p)
{
    *why = apr_pstrcat(p, env, "_", name, " ", what, NULL);
    return DRS_EVALUE;
}

static drs_terms_t *make_terms(apr_pool_t *p)
{
    drs_terms_t *terms = apr_pcalloc(p, sizeof(*terms));

    terms->prefix = "";
    terms->codec = &drs_codec_json;
    terms->command = 2 * APR_USEC_PER_SEC;
    terms->value_max = 1024 * 1024;
    terms->fields_max = 1000;
    terms->strict = 1;
    terms->touch = 0; /* httpd does it, where DRSessionTouch says so */
    return terms;
}

static drs_route_t *make_route(const drs_url_t *url, apr_pool_t *p)
{
    drs_route_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    conf->server.url = url;
    conf->server.user = url->user;
    conf->server.pass = url->pass;
    conf->server.connect = 500 * 1000;
    conf->pool.keep = 1;
    conf->pool.max = 1;
    conf->pool.idle = 60 * APR_USEC_PER_SEC;
    return drs_route_create(conf, p);
}

static drs_session_t *make_session(drs_route_t *route, const char *key,
                                   const drs_terms_t *terms, apr_pool_t *p)
{
    static const drs_host_t host = { on_used, on_can_send, on_announce, NULL };
    drs_session_t *session =
        drs_session_create(route, terms->command, &host, key, p);

    drs_session_agree(session, terms);
    return session;
}

/* Without a key nothing can be kept: to be read as empty, if told so. */
static apr_status_t open_empty(const char *env, const char *status,
                               drs_session_t **session, const char **why,
                               apr_pool_t *p)
{
    drs_terms_t *terms = make_terms(p);

    if (status != NULL && strcmp(status, "unavailable") == 0) {
        *why = "httpd could not verify the session of this request";
        return DRS_EDOWN;
    }
    if (status == NULL || strcmp(status, "none") != 0) {
        return complain(why, env, "KEY",
                        "is not set: DRSessionChildAccess "
                        "is Off here, or this is no child of httpd",
                        p);
    }
    terms->readonly = 1;
    *session = make_session(NULL, NULL, terms, p);
    return APR_SUCCESS;
}

static apr_status_t read_idle(const char *env, apr_interval_time_t *idle,
                              const char **why, apr_pool_t *p)
{
    const char *text = variable(env, "IDLE", p);
    apr_int64_t ms = 0;

    if (text != NULL &&
        (drs_codec_int(text, strlen(text), &ms, why) != APR_SUCCESS || ms < 0 ||
         ms > APR_INT64_MAX / 1000)) {
        return complain(why, env, "IDLE", "is no number of milliseconds", p);
    }
    *idle = ms * 1000;
    return APR_SUCCESS;
}

apr_status_t drs_place_open(const char *env, drs_session_t **session,
                            const char **why, apr_pool_t *p)
{
    const char *key = variable(env, "KEY", p);
    const char *text = variable(env, "URL", p);
    const char *status = variable(env, "STATUS", p);
    const char *fault = NULL;
    const drs_url_t *url = NULL;
    drs_terms_t *terms = make_terms(p);
    apr_status_t rv;

    if (key == NULL) return open_empty(env, status, session, why, p);
    if (text == NULL) return complain(why, env, "URL", "is not set", p);

    if (drs_url_parse(text, &url, &fault, p) != APR_SUCCESS) {
        return complain(why, env, "URL",
                        apr_pstrcat(p, "is no url of Redis: ", fault, NULL), p);
    }
    rv = read_idle(env, &terms->idle, why, p);
    if (rv != APR_SUCCESS) return rv;

    *session = make_session(make_route(url, p), key, terms, p);
    drs_handoff_take(*session, status != NULL && strcmp(status, "none") == 0);
    return APR_SUCCESS;
}
