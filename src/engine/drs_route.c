/* SPDX-License-Identifier: MIT */
/*
 * One server, and the rules of repeating. What decides is never the kind of
 * trouble but one question: can the command have been executed?
 */
#include "drs_route.h"

#include <apr_strings.h>
#include <hiredis/hiredis.h>

struct drs_route_t {
    const drs_route_conf_t *conf;
    drs_pool_t *pool;
};

/* Error replies by which Redis says that it did not execute the command. */
typedef struct refusal_t {
    const char *word;
    int renew; /* 1 = a new connection may do better */
} refusal_t;

static const refusal_t refusals[] = {
    /* clang-format off */
    { "READONLY", 1 },
    { "NOAUTH", 1 },
    { "MASTERDOWN", 1 },
    { "ERR max number of clients", 1 },
    { "LOADING", 0 },
    { "OOM", 0 },
    { "NOPERM", 0 },
    { "WRONGPASS", 0 },
    { "NOREPLICAS", 0 },
    { "MISCONF", 0 },
    { "BUSY", 0 },
    { "MOVED", 0 },
    { "ASK", 0 },
    { "CLUSTERDOWN", 0 },
    { "TRYAGAIN", 0 },
    { "EXECABORT", 0 },
    /* clang-format on */
};

drs_route_t *drs_route_create(const drs_route_conf_t *conf, apr_pool_t *p)
{
    drs_route_t *route = apr_pcalloc(p, sizeof(*route));

    route->conf = conf;
    route->pool = drs_pool_create(&conf->pool, &conf->server, p);
    return route;
}

void drs_route_free(drs_trip_t *trip)
{
    int i;

    for (i = 0; i < trip->n; i++) {
        if (trip->replies[i] != NULL) freeReplyObject(trip->replies[i]);
        trip->replies[i] = NULL;
    }
}

/* Find the first reply that refuses to execute. */
static const refusal_t *find_refusal(const drs_trip_t *trip,
                                     const redisReply **reply)
{
    apr_size_t n = sizeof(refusals) / sizeof(refusals[0]);
    apr_size_t k;
    int i;

    for (i = 0; i < trip->n; i++) {
        for (k = 0; k < n; k++) {
            if (drs_redis_is_error(trip->replies[i], refusals[k].word)) {
                *reply = trip->replies[i];
                return &refusals[k];
            }
        }
    }
    return NULL;
}

/* A MULTI that was refused alone let the commands behind it run. */
static int ran_nevertheless(const drs_trip_t *trip)
{
    int i;

    if (trip->replies[0]->type != REDIS_REPLY_ERROR) return 0;
    for (i = 1; i < trip->n; i++) {
        if (trip->replies[i]->type != REDIS_REPLY_ERROR) return trip->writes;
    }
    return 0;
}

static int may_repeat(const drs_trip_t *trip, drs_fate_t fate,
                      const refusal_t *refusal)
{
    if (fate == DRS_FATE_UNSENT) return 1;
    if (fate == DRS_FATE_CLOSED) return !trip->writes;
    return fate == DRS_FATE_DONE && refusal != NULL && refusal->renew &&
           !ran_nevertheless(trip);
}

/* What a round trip that failed tells the caller. */
static apr_status_t judge_fate(const drs_trip_t *trip, drs_fate_t fate)
{
    if (fate == DRS_FATE_UNSENT) return DRS_EDOWN;
    if (trip->writes) return DRS_EUNSURE;
    return fate == DRS_FATE_GARBLED ? DRS_EREPLY : DRS_EDOWN;
}

/*
 * An answer that is not fit, too long for us for one, comes from a server
 * that answers: no session can make it one that is not asked any more.
 */
static drs_verdict_t judge_connection(drs_fate_t fate, const refusal_t *refusal)
{
    if (fate == DRS_FATE_GARBLED) return DRS_VERDICT_STALE;
    if (fate != DRS_FATE_DONE) return DRS_VERDICT_DEAD;
    return refusal != NULL && refusal->renew ? DRS_VERDICT_STALE
                                             : DRS_VERDICT_GOOD;
}

apr_status_t drs_route_call(drs_route_t *route, drs_trip_t *trip,
                            drs_why_t *why)
{
    apr_interval_time_t start = drs_redis_clock();
    apr_interval_time_t latest = start + (trip->deadline - start) * 3 / 5;
    const refusal_t *refusal = NULL;
    const redisReply *reply = NULL;
    drs_redis_t *redis = NULL;
    drs_fate_t fate;
    int tries = 0;
    apr_status_t rv;

    rv = drs_pool_borrow(route->pool, trip->deadline, &redis, why);
    while (rv == APR_SUCCESS) {
        fate = drs_redis_call(redis, trip->commands, trip->n, trip->replies,
                              trip->most, trip->deadline, why);
        refusal = fate == DRS_FATE_DONE ? find_refusal(trip, &reply) : NULL;
        if (tries++ > 0 || !may_repeat(trip, fate, refusal) ||
            drs_redis_clock() > latest) {
            break;
        }
        drs_route_free(trip);
        why->text[0] = '\0';
        rv = drs_pool_renew(route->pool, redis, trip->deadline, why);
    }
    if (rv != APR_SUCCESS) return rv;

    if (fate != DRS_FATE_DONE) {
        rv = judge_fate(trip, fate);
    }
    else if (refusal != NULL) {
        drs_redis_quote(redis, reply, why);
        rv = ran_nevertheless(trip) ? DRS_EUNSURE : DRS_EDOWN;
        drs_route_free(trip);
    }
    drs_pool_return(route->pool, redis, judge_connection(fate, refusal));
    return rv;
}
