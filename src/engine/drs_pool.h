/* SPDX-License-Identifier: MIT */
/*
 * The connections of one child process to one server: lent, taken back,
 * thrown away; and the breaker that stops asking a server which does not
 * answer. Knows no command and no reply.
 */
#ifndef DRS_POOL_H
#define DRS_POOL_H

#include <apr_pools.h>
#include <apr_time.h>

#include "drs_redis.h"

/** How many connections, how long. */
typedef struct drs_pool_conf_t {
    int keep;                 /* 0 = a connection a call (DRSessionPool Off) */
    int max;                  /* most connections at once, 1 or more */
    apr_interval_time_t idle; /* us a connection may lie unused */
    apr_interval_time_t wait; /* us to wait for a free one */
} drs_pool_conf_t;

/** What a call says of the connection it gives back. */
typedef enum drs_verdict_t {
    DRS_VERDICT_GOOD,   /* every reply arrived whole: may serve others */
    DRS_VERDICT_STALE,  /* to be closed; the server itself is well */
    DRS_VERDICT_LOST,   /* to be closed, and those that lie idle with it; the
                         server may be well: connecting will tell */
    DRS_VERDICT_BARRED, /* never opened, by a server that said why: counted by
                           the breaker, no sign about the others */
    DRS_VERDICT_DEAD    /* to be closed, counted by the breaker, and a sign that
                         those that lie idle are dead too */
} drs_verdict_t;

/** Shared by all threads of the process that made it, and by no other. */
typedef struct drs_pool_t drs_pool_t;

/**
 * Make a pool; nothing connects yet. To be called after fork.
 *
 * @param conf   kept by reference
 * @param server kept by reference
 * @param p      owns the result and closes all connections when it goes
 * @return the pool
 */
drs_pool_t *drs_pool_create(const drs_pool_conf_t *conf,
                            const drs_server_t *server, apr_pool_t *p);

/**
 * Borrow an open connection that nothing waits to be read from.
 *
 * @param pool     any thread's
 * @param deadline on drs_clock_now(), for waiting and connecting
 * @param redis    out: to be given back by drs_pool_return()
 * @param why      out on failure
 * @return APR_SUCCESS; DRS_EDOWN no connection: the breaker is open, none
 *         got free in time, or connecting failed
 */
apr_status_t drs_pool_borrow(drs_pool_t *pool, apr_interval_time_t deadline,
                             drs_redis_t **redis,
                             drs_why_t *why) DRS_MUST_CHECK;

/**
 * Connect a borrowed connection anew, for the one retry.
 *
 * @param pool     where it was borrowed
 * @param redis    borrowed; given back already when this fails
 * @param deadline on drs_clock_now()
 * @param why      out on failure
 * @return APR_SUCCESS; DRS_EDOWN
 */
apr_status_t drs_pool_renew(drs_pool_t *pool, drs_redis_t *redis,
                            apr_interval_time_t deadline,
                            drs_why_t *why) DRS_MUST_CHECK;

/**
 * Give a connection back.
 *
 * @param pool    where it was borrowed
 * @param redis   borrowed
 * @param verdict what may be done with it
 * @return 1 when the server answers again after a time in which it was not
 *         asked; else 0
 */
int drs_pool_return(drs_pool_t *pool, drs_redis_t *redis,
                    drs_verdict_t verdict);

#endif
