/* SPDX-License-Identifier: MIT */
/* A unit of its own so that tests can put another clock in its place. */
#include "drs_clock.h"

#include <time.h>

apr_interval_time_t drs_clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (apr_interval_time_t)now.tv_sec * APR_USEC_PER_SEC +
           now.tv_nsec / 1000;
}
