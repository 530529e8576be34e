/* SPDX-License-Identifier: MIT */
/*
 * Where a child program finds its session: the variables that
 * DRSessionChildAccess exported, made into a session that can be used.
 * Knows their names and limits; nothing of commands or output.
 */
#ifndef DRS_PLACE_H
#define DRS_PLACE_H

#include <apr_pools.h>

#include "drs_session.h"

/**
 * Open the session of the environment; no traffic. PREFIX_STATUS decides
 * what a missing key means: "none" is an empty session that may be made
 * where PREFIX_KEY is set, and cannot be where it is not; with any other
 * word a missing key has ended.
 *
 * @param env     prefix of the variables, without '_'
 * @param session out
 * @param why     out on failure: one line, without key or password
 * @param p       owns *session and *why
 * @return APR_SUCCESS; DRS_EVALUE a variable is missing or malformed;
 *         DRS_EDOWN httpd could not verify the session (PREFIX_STATUS is
 *         "unavailable")
 * Source: DESIGN.md section 8.
 */
apr_status_t drs_place_open(const char *env, drs_session_t **session,
                            const char **why, apr_pool_t *p) DRS_MUST_CHECK;

#endif
