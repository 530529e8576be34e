/* SPDX-License-Identifier: MIT */
/*
 * Contradictions between sections: what a section says is laid over what its
 * server says, as a request would find it that meets this section alone.
 *
 *     server            MaxLifetime 1h
 *       <Location /a>     Idle 2h             contradicts its server
 *       <Location /b>     MaxLifetime 1d      then /a may meet /b: unknown
 */
#include "drs_check.h"

#include <apr_strings.h>
#include <http_config.h>
#include <http_core.h>

#include "drs_conf.h"

/* Sections may hold <Files> and <If>, which may hold more of them. */
static void gather(const apr_array_header_t *sections,
                   apr_array_header_t *found)
{
    ap_conf_vector_t *section;
    const core_dir_config *core;
    int i;

    for (i = 0; sections != NULL && i < sections->nelts; i++) {
        section = APR_ARRAY_IDX(sections, i, ap_conf_vector_t *);
        APR_ARRAY_PUSH(found, ap_conf_vector_t *) = section;
        core = ap_get_core_module_config(section);
        gather(core->sec_file, found);
        gather(core->sec_if, found);
    }
}

static const apr_array_header_t *all_sections(const server_rec *s,
                                              apr_pool_t *p)
{
    const core_server_config *core =
        ap_get_core_module_config(s->module_config);
    const core_dir_config *defaults =
        ap_get_core_module_config(s->lookup_defaults);
    apr_array_header_t *found =
        apr_array_make(p, 16, sizeof(ap_conf_vector_t *));

    gather(core->sec_dir, found);
    gather(core->sec_url, found);
    gather(defaults->sec_file, found);
    gather(defaults->sec_if, found);
    return found;
}

static drs_conf_t *conf_of(ap_conf_vector_t *section)
{
    return ap_get_module_config(section, &drsession_module);
}

#define FORGET(field, unset)                                                   \
    if (own->field == (unset) && any->field != (unset)) known.field = (unset)

/* own lies over base; what own leaves to others and any has, is not known. */
static const char *check_section(drs_conf_t *base, drs_conf_t *own,
                                 const drs_conf_t *any, apr_pool_t *p)
{
    drs_conf_t known;

    known = *(const drs_conf_t *)drs_conf_merge_dir(p, base, own);
    FORGET(idle, DRS_UNSET);
    FORGET(lifetime, DRS_UNSET);
    FORGET(exports, NULL);
    if (own->env == NULL && any->env != NULL) known.exports = NULL;
    return drs_conf_check(&known, p);
}

/*
 * Merged trailers become request headers when the body has been read, which
 * is after the client's own were taken out: mod_proxy_fcgi would show them.
 */
static const char *check_trailers(const server_rec *s)
{
    const drs_conf_server_t *conf =
        ap_get_module_config(s->module_config, &drsession_module);
    const core_server_config *core =
        ap_get_core_module_config(s->module_config);

    if (core->merge_trailers != AP_MERGE_TRAILERS_ENABLE ||
        conf->forwards == 0) {
        return NULL;
    }
    return "DRSessionForward: with MergeTrailers On a client could write "
           "the headers in trailers";
}

const char *drs_check_server(const server_rec *s, apr_pool_t *p)
{
    const apr_array_header_t *sections = all_sections(s, p);
    drs_conf_t *base = conf_of(s->lookup_defaults);
    drs_conf_t *any = drs_conf_create_dir(p, NULL);
    const char *why = drs_conf_check(base, p);
    const core_dir_config *core;
    ap_conf_vector_t *section;
    int i;

    if (why != NULL) return why;
    for (i = 0; i < sections->nelts; i++) {
        section = APR_ARRAY_IDX(sections, i, ap_conf_vector_t *);
        if (conf_of(section) == NULL) continue;
        any = drs_conf_merge_dir(p, any, conf_of(section));
    }
    why = check_trailers(s);
    for (i = 0; why == NULL && i < sections->nelts; i++) {
        section = APR_ARRAY_IDX(sections, i, ap_conf_vector_t *);
        if (conf_of(section) == NULL) continue;
        why = check_section(base, conf_of(section), any, p);
        if (why == NULL) continue;
        core = ap_get_core_module_config(section);
        why = apr_pstrcat(p, why, "; seen in the section '",
                          core->d != NULL ? core->d : "<If>", "'", NULL);
    }
    return why;
}
