/* SPDX-License-Identifier: MIT */
/*
 * Live access for child programs: the session's key and where Redis is, as
 * variables of a request. Knows names and who must not see them; nothing
 * of Redis or of how a child is run.
 */
#ifndef DRS_CHILD_H
#define DRS_CHILD_H

#include <httpd.h>

#include "drs_conf.h"
#include "drs_session.h"

/**
 * Export PREFIX_KEY, PREFIX_URL and PREFIX_IDLE (milliseconds, 0 = none).
 * Where there is no session yet, its id is minted and its cookie sent. To
 * be called after drs_env_export().
 *
 * @param r       the request
 * @param conf    filled in
 * @param url     of Redis, as drs_conf_child_url() has it
 * @param session of the request
 * @return as drs_handoff_give(); nothing is exported unless APR_SUCCESS.
 *         With DRS_EREADONLY and DRS_ESENT a child can go on, without a
 *         key: it reads an empty session
 * Source: DESIGN.md section 8.
 */
apr_status_t drs_child_export(request_rec *r, const drs_conf_t *conf,
                              const char *url,
                              drs_session_t *session) DRS_MUST_CHECK;

/**
 * Take out what the request has from those that it comes from: a part of a
 * page begins with the variables of the page, an error document with those of
 * the failed request as REDIRECT_. What was exported there, the key above all,
 * was meant for the program of another location.
 *
 * @param r the request
 */
void drs_child_clear(request_rec *r);

#endif
