/* SPDX-License-Identifier: MIT */
/*
 * A session's name in logs: a short keyed hash of its id, the same in every
 * log of a server, of no use to who reads it. Knows no log format.
 */
#ifndef DRS_LOG_H
#define DRS_LOG_H

#include <apr_errno.h>
#include <apr_pools.h>

#include "mod_drsession.h"

/** Bytes of a name, without the final NUL. */
#define DRS_LOG_NAME_LEN 16

/**
 * Find or make the key of this httpd; graceful restarts keep it.
 *
 * @param process the pool that lives as long as the process; owns the key
 * @param key     out: 16 bytes
 * @return APR_SUCCESS; an APR error when there are no random bytes
 */
apr_status_t drs_log_key(apr_pool_t *process,
                         const unsigned char **key) DRS_MUST_CHECK;

/**
 * Write the name of a session.
 *
 * @param id   NUL-terminated
 * @param key  from drs_log_key()
 * @param name out: room for DRS_LOG_NAME_LEN + 1 bytes, hexadecimal digits
 * Source: SipHash-2-4.
 */
void drs_log_name(const char *id, const unsigned char *key, char *name);

#endif
