/* SPDX-License-Identifier: MIT */
/*
 * Linux tells of each thread how long it was ready to run and did not. A
 * thread that ended is not told of any more, so it writes that down before,
 * with its number: it may still be there for a moment.
 */
#include "late.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LEFT = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static apr_interval_time_t kept;
static long left[LEFT]; /* threads, the oldest overwritten */
static unsigned int n_left;

/* Of one thread: nanoseconds of work, and of waiting. */
static apr_interval_time_t read_waits(long thread)
{
    unsigned long long waited = 0;
    char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%ld/schedstat", thread);
    file = fopen(path, "re");
    if (file == NULL) return 0;
    if (fscanf(file, "%*u %llu", &waited) != 1) waited = 0;
    fclose(file);
    return (apr_interval_time_t)(waited / 1000);
}

static int has_left(long thread)
{
    int i;

    for (i = 0; i < LEFT; i++) {
        if (left[i] == thread) return 1;
    }
    return 0;
}

apr_interval_time_t late_all(void)
{
    DIR *threads = opendir("/proc/self/task");
    apr_interval_time_t sum;
    struct dirent *entry;

    if (threads == NULL) return 0;
    pthread_mutex_lock(&lock);
    sum = kept;
    while ((entry = readdir(threads)) != NULL) {
        long thread = strtol(entry->d_name, NULL, 10);

        if (thread > 0 && !has_left(thread)) sum += read_waits(thread);
    }
    pthread_mutex_unlock(&lock);
    closedir(threads);
    return sum;
}

void late_leave(void)
{
    long thread = syscall(SYS_gettid);

    pthread_mutex_lock(&lock);
    kept += read_waits(thread);
    left[n_left++ % LEFT] = thread;
    pthread_mutex_unlock(&lock);
}
