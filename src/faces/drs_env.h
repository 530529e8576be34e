/* SPDX-License-Identifier: MIT */
/*
 * Session to environment: the exported fields as variables of a request.
 * Knows names and spoofing; nothing of Redis or of who reads them.
 */
#ifndef DRS_ENV_H
#define DRS_ENV_H

#include <httpd.h>

#include "drs_conf.h"
#include "drs_session.h"

/** What was exported for a request, so that subrequests need not ask. */
typedef struct drs_env_memory_t {
    const apr_array_header_t *exports; /* the lists it was read for */
    const apr_array_header_t *forwards;
    const drs_codec_t *codec;     /* that loaded it */
    apr_interval_time_t lifetime; /* that the session was not past */
    unsigned int changes;         /* of the session at that time */
    apr_status_t rv;              /* of the reading */
    int live;                     /* 1 = Redis knows the session */
    const char **texts;           /* one a field, exports first; NULL =
                                          not to be shown; NULL itself:
                                          nothing was read */
} drs_env_memory_t;

/**
 * Remove every variable of ours that somebody else may have planted.
 *
 * @param r    the request
 * @param conf filled in
 */
void drs_env_clear(request_rec *r, const drs_conf_t *conf);

/**
 * Remove what an earlier request of the same redirects was shown, and httpd
 * has put behind REDIRECT_: its variables and the headers made for it.
 *
 * @param r    the request at hand
 * @param conf of the earlier one, filled in
 */
void drs_env_clear_redirected(request_rec *r, const drs_conf_t *conf);

/**
 * Export the listed fields and PREFIX_STATUS, and set the request headers
 * that forward fields: in one round trip for any number of fields, or none
 * where memory still holds.
 *
 * @param r       the request
 * @param conf    filled in; without exports and forwards the session is only
 *                verified
 * @param session of the request
 * @param memory  in and out, of the same session; p of its initial request
 * @param p       owns what memory keeps
 * @return APR_SUCCESS; as get_many of drs_api_t: PREFIX_STATUS is
 *         "unavailable" then and no field is shown
 * Source: docs/directives.md, DRSessionExport, DRSessionForward.
 */
apr_status_t drs_env_export(request_rec *r, const drs_conf_t *conf,
                            drs_session_t *session, drs_env_memory_t *memory,
                            apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Tell what was exported of a field; no traffic.
 *
 * @param memory any
 * @param field  its name
 * @return the text; NULL = not exported
 */
const char *drs_env_known(const drs_env_memory_t *memory, const char *field);

/**
 * Name the directive that makes a request ask Redis before its handler.
 *
 * @param conf of the request, with at least one of these directives
 * @return its name
 */
const char *drs_env_door(const drs_conf_t *conf);

#endif
