/* SPDX-License-Identifier: MIT */
/*
 * A point in time of a request, for who measures how long a call took. On a
 * busy machine a thread that could run waits for a processor; the kernel
 * counts that, and it is no fault of the call.
 */
#ifndef DRS_TEST_MARK_H
#define DRS_TEST_MARK_H

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <apr_strings.h>
#include <apr_time.h>

/* Asking costs, so that only a step longer than this is looked into. */
#define MARK_LONG 50000 /* us */

/* The marks of one request. */
typedef struct mark_t {
    apr_int64_t last; /* us, monotonic */
    apr_int64_t base; /* us, mark_waited() at the first of them */
} mark_t;

/* Microseconds for which this thread was ready to run and did not. */
static apr_int64_t mark_waited(void)
{
    char text[64] = "";
    int fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    const char *second = NULL;

    if (fd < 0) return 0;
    if (read(fd, text, sizeof(text) - 1) > 0) second = strchr(text, ' ');
    close(fd);
    return second == NULL ? 0 : apr_atoi64(second) / 1000;
}

/* "TIME WAITED": now, and how much of a long step was waiting. */
static const char *mark_set(mark_t *mark, apr_pool_t *p)
{
    apr_int64_t waited = 0;
    apr_int64_t now;
    struct timespec at;

    clock_gettime(CLOCK_MONOTONIC, &at);
    now = (apr_int64_t)at.tv_sec * APR_USEC_PER_SEC + at.tv_nsec / 1000;
    if (mark->last == 0) {
        mark->base = mark_waited();
    }
    else if (now - mark->last > MARK_LONG) {
        waited = mark_waited() - mark->base;
    }
    mark->last = now;
    return apr_psprintf(p, "%" APR_INT64_T_FMT " %" APR_INT64_T_FMT, now,
                        waited);
}

#endif
