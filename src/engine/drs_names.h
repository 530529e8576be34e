/* SPDX-License-Identifier: MIT */
/*
 * The addresses of one host. getaddrinfo() cannot be told how long it may
 * take, so a thread of its own asks, at most one at a time, and callers wait
 * for it as long as they have. What was found last is kept for the time when
 * nobody answers. Knows nothing of Redis.
 */
#ifndef DRS_NAMES_H
#define DRS_NAMES_H

#include <sys/socket.h>

#include <apr_pools.h>
#include <apr_time.h>

/** Most addresses of a host that are tried. */
#define DRS_ADDRESSES_MAX 8

/** Where to connect to. */
typedef struct drs_address_t {
    socklen_t len; /* bytes of to */
    struct sockaddr_storage to;
} drs_address_t;

/** Shared by all threads of a process. */
typedef struct drs_names_t drs_names_t;

/**
 * Make the directory of one host; nobody is asked yet. To be called after
 * fork.
 *
 * @param host name or address, IPv6 without brackets; copied
 * @param port 1..65535
 * @param p    lets go of the result when it goes, also while a thread asks
 * @return the directory
 * Source: getaddrinfo(3).
 */
drs_names_t *drs_names_create(const char *host, int port, apr_pool_t *p);

/**
 * Find the addresses of the host. A name is asked for anew each time, unless
 * somebody is asking; with addresses from before only half the time is
 * waited, and none while somebody asks.
 *
 * @param names any thread's
 * @param wait  us that may pass
 * @param list  out: room for DRS_ADDRESSES_MAX, in the order to be tried
 * @param why   out when there are none: static text
 * @return how many; 0 none
 */
int drs_names_find(drs_names_t *names, apr_interval_time_t wait,
                   drs_address_t *list, const char **why);

#endif
