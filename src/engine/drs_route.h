/* SPDX-License-Identifier: MIT */
/*
 * Which server answers: today the one that is configured. Knows when a
 * command may be sent once more and what a failed round trip means to the
 * caller. Sentinel, Cluster and TLS find their place here; until then
 * drs_url refuses their schemes.
 */
#ifndef DRS_ROUTE_H
#define DRS_ROUTE_H

#include <apr_pools.h>
#include <apr_time.h>

#include "drs_pool.h"
#include "drs_redis.h"

/**
 * Hear what became of a round trip; called in the thread that made it.
 *
 * @param baton     of drs_route_conf_t
 * @param rv        as drs_route_call() returns it
 * @param recovered 1 = the first answer after a time in which the server was
 *                  not asked
 * @param why       the reason of a failure
 */
typedef void drs_route_tell_t(void *baton, apr_status_t rv, int recovered,
                              const drs_why_t *why);

/** What a route is made of. */
typedef struct drs_route_conf_t {
    drs_server_t server;
    drs_pool_conf_t pool;
    drs_route_tell_t *on_trip; /* hears of each trip; NULL = nobody does */
    void *baton;               /* its first argument */
} drs_route_conf_t;

/** One round trip: what to ask, until when, and the answer. */
typedef struct drs_trip_t {
    const drs_command_t *commands;
    int n;                        /* 1..DRS_COMMANDS_MAX */
    int writes;                   /* 1 = never to be executed twice */
    apr_size_t most;              /* bytes that all replies may have */
    apr_interval_time_t deadline; /* us on drs_clock_now() */
    struct redisReply *replies[DRS_COMMANDS_MAX]; /* out */
} drs_trip_t;

/** Shared by all threads of one child process. */
typedef struct drs_route_t drs_route_t;

/**
 * Make a route; nothing connects yet. To be called after fork.
 *
 * @param conf kept by reference
 * @param p    owns the result
 * @return the route
 */
drs_route_t *drs_route_create(const drs_route_conf_t *conf, apr_pool_t *p);

/**
 * Tell who hears of the trips.
 *
 * @param route any thread's
 * @return the baton of its drs_route_conf_t
 */
void *drs_route_baton(const drs_route_t *route);

/**
 * Prepare a trip.
 *
 * @param trip     out: the deadline and most are to follow
 * @param commands kept by reference until the trip is over
 * @param n        1..DRS_COMMANDS_MAX
 * @param writes   1 = never to be executed twice
 */
void drs_route_pack(drs_trip_t *trip, const drs_command_t *commands, int n,
                    int writes);

/**
 * Make a round trip. It is repeated at most once, on a new connection,
 * inside the deadline, if two fifths of the time are left, and only when
 * nothing was executed: no byte was sent, or Redis said so; reads also when
 * the connection closed.
 *
 * @param route any thread's
 * @param trip  in and out: the replies, to be freed by drs_route_free();
 *              none unless APR_SUCCESS. Error replies that are final
 *              answers (WRONGTYPE, ERR, NOSCRIPT) are among them.
 * @param why   out on failure
 * @return APR_SUCCESS; DRS_EDOWN not executed, or a read without answer;
 *         DRS_EUNSURE a write that may have been; DRS_EREPLY a read whose
 *         answer is no fit reply
 * Source: the error codes of Redis; its commands are not idempotent.
 */
apr_status_t drs_route_call(drs_route_t *route, drs_trip_t *trip,
                            drs_why_t *why) DRS_MUST_CHECK;

/**
 * Say what a reply is that its command does not have.
 *
 * @param reply a final error, or a reply of another type
 * @param why   out
 * @return DRS_EREPLY
 */
apr_status_t drs_route_refuse(const struct redisReply *reply, drs_why_t *why);

/**
 * Free what a trip brought back.
 *
 * @param trip any; its replies are NULL afterwards
 */
void drs_route_free(drs_trip_t *trip);

#endif
