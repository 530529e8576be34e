/* SPDX-License-Identifier: MIT */
/*
 * Live access for child programs. A child that has the key of a session has
 * the session, so its three variables go where they were configured to go
 * and nowhere else: not along with a redirect either.
 */
#include "drs_child.h"

#include <string.h>

#include <apr_strings.h>

#include "drs_env.h"
#include "drs_handoff.h"

static void set(request_rec *r, const char *env, const char *name,
                const char *value)
{
    apr_table_setn(r->subprocess_env, apr_pstrcat(r->pool, env, name, NULL),
                   value);
}

apr_status_t drs_child_export(request_rec *r, const drs_conf_t *conf,
                              const char *url, drs_session_t *session)
{
    apr_status_t rv = drs_handoff_give(session);

    if (rv != APR_SUCCESS) return rv;
    set(r, conf->env, "_KEY", apr_pstrdup(r->pool, drs_session_key(session)));
    set(r, conf->env, "_URL", url);
    set(r, conf->env, "_IDLE",
        apr_psprintf(r->pool, "%" APR_INT64_T_FMT,
                     drs_handoff_expiry(session)));
    return APR_SUCCESS;
}

void drs_child_clear(request_rec *r)
{
    const request_rec *at = r;
    const request_rec *from;
    drs_conf_t conf;

    for (; (from = at->main != NULL ? at->main : at->prev) != NULL; at = from) {
        drs_conf_fill_dir(
            ap_get_module_config(from->per_dir_config, &drsession_module),
            &conf);
        if (conf.mode == DRS_MODE_OFF) continue;
        if (at->main != NULL) drs_env_clear(r, &conf);
        drs_env_clear_redirected(r, &conf);
    }
}
