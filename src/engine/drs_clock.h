/* SPDX-License-Identifier: MIT */
/*
 * The clock of deadlines. Nobody sets it, so that no deadline moves when the
 * time of day does.
 */
#ifndef DRS_CLOCK_H
#define DRS_CLOCK_H

#include <apr_time.h>

/**
 * Tell the time of deadlines.
 *
 * @return us on a clock that nobody sets
 * Source: clock_gettime(2), CLOCK_MONOTONIC.
 */
apr_interval_time_t drs_clock_now(void);

#endif
