/* SPDX-License-Identifier: MIT */
/*
 * The machine's part of how long something took: what the threads of this
 * process waited for a processor that was busy with others.
 */
#ifndef LATE_H
#define LATE_H

#include <apr_time.h>

/**
 * Tell how long the threads of this process, those that ended with
 * late_leave() too, have waited for a processor; of two times, the
 * difference is what a busy machine took in between.
 *
 * @return us; 0 where the system does not tell
 */
apr_interval_time_t late_all(void);

/** The calling thread is about to end: keep what it waited. */
void late_leave(void);

#endif
