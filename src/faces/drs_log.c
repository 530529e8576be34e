/* SPDX-License-Identifier: MIT */
/*
 * The key is random and never leaves the process: without it nobody can
 * try ids against a log, and a log of yesterday's process says nothing of
 * today's.
 */
#include "drs_log.h"

#include <string.h>

#include <apr_general.h>
#include <apr_siphash.h>
#include <apr_strings.h>

apr_status_t drs_log_key(apr_pool_t *process, const unsigned char **key)
{
    static const char name[] = "drsession-log-key";
    unsigned char *made;
    void *kept = NULL;
    apr_status_t rv;

    apr_pool_userdata_get(&kept, name, process);
    if (kept == NULL) {
        made = apr_palloc(process, APR_SIPHASH_KSIZE);
        rv = apr_generate_random_bytes(made, APR_SIPHASH_KSIZE);
        if (rv != APR_SUCCESS) return rv;
        /* A copy of the name: httpd may load this module elsewhere. */
        apr_pool_userdata_set(made, name, NULL, process);
        kept = made;
    }
    *key = kept;
    return APR_SUCCESS;
}

void drs_log_name(const char *id, const unsigned char *key, char *name)
{
    apr_uint64_t hash = apr_siphash24(id, strlen(id), key);

    apr_snprintf(name, DRS_LOG_NAME_LEN + 1, "%016" APR_UINT64_T_HEX_FMT, hash);
}
