/* SPDX-License-Identifier: MIT */
/*
 * How many threads serve requests in a child. Streams of HTTP/2 are served by
 * threads of mod_http2, beside the MPM's, which serve HTTP/1.
 */
#include "drs_threads.h"

#include <ap_mpm.h>
#include <apr_optional.h>
#include <mod_http2.h>

int drs_threads_count(server_rec *s)
{
    APR_OPTIONAL_FN_TYPE(http2_get_num_workers) *count_workers =
        APR_RETRIEVE_OPTIONAL_FN(http2_get_num_workers);
    int threads = 1;
    int least = 0;
    int most = 0;

    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    if (threads < 1) threads = 1;
    if (count_workers != NULL) count_workers(s, &least, &most);
    return most > 0 ? threads + most : threads;
}
