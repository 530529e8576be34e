/* SPDX-License-Identifier: MIT */
/*
 * How many threads serve requests in a child. Knows that mod_http2 has some
 * of its own; does not know what the number is for.
 */
#ifndef DRS_THREADS_H
#define DRS_THREADS_H

#include <httpd.h>

/**
 * Count the threads of a child that may serve a request at the same time:
 * those of the MPM and, where mod_http2 is loaded, the most that it starts.
 *
 * @param s the main server, whose settings the threads of mod_http2 have
 * @return 1 or more
 * Source: ap_mpm_query, http2_get_num_workers.
 */
int drs_threads_count(server_rec *s);

#endif
