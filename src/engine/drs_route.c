/* SPDX-License-Identifier: MIT */
/*
 * One server, and the rules of repeating. What decides is never the kind of
 * trouble but one question: can the command have been executed?
 */
#include "drs_route.h"

#include <string.h>

#include <apr_strings.h>
#include <hiredis/hiredis.h>

struct drs_route_t {
    const drs_route_conf_t *conf;
    drs_pool_t *pool;
};

/* What an error reply says about the command that it answers. */
typedef enum meaning_t {
    REFUSED, /* not executed, and so it would be on any connection */
    RENEW,   /* not executed, and a new connection may do better */
    CLUSTER, /* not executed: only a server of a cluster says so */
    HALF     /* a script that ended at a command that it could not use */
} meaning_t;

typedef struct refusal_t {
    const char *word;
    meaning_t meaning;
} refusal_t;

static const refusal_t refusals[] = {
    /* clang-format off */
    { "READONLY", RENEW },
    { "NOAUTH", RENEW },
    { "MASTERDOWN", RENEW },
    { "ERR max number of clients", RENEW },
    /* NOAUTH, said of a command with more than ten arguments. */
    { "ERR Protocol error: unauthenticated", RENEW },
    { "LOADING", REFUSED },
    { "OOM", REFUSED },
    { "NOPERM", REFUSED },
    { "WRONGPASS", REFUSED },
    { "NOREPLICAS", REFUSED },
    { "MISCONF", REFUSED },
    { "BUSY", REFUSED },
    { "EXECABORT", REFUSED },
    { "DENIED", REFUSED },
    { "MOVED", CLUSTER },
    { "ASK", CLUSTER },
    { "CLUSTERDOWN", CLUSTER },
    { "TRYAGAIN", CLUSTER },
    { "ERR The user executing the script", HALF },
    { "ERR ACL failure in script:", HALF },
    { "ERR Unknown Redis command called from script", HALF },
    { "ERR Unknown command called from script", HALF },
    /* clang-format on */
};

drs_route_t *drs_route_create(const drs_route_conf_t *conf, apr_pool_t *p)
{
    drs_route_t *route = apr_pcalloc(p, sizeof(*route));

    route->conf = conf;
    route->pool = drs_pool_create(&conf->pool, &conf->server, p);
    return route;
}

void drs_route_pack(drs_trip_t *trip, const drs_command_t *commands, int n,
                    int writes)
{
    memset(trip, 0, sizeof(*trip));
    trip->commands = commands;
    trip->n = n;
    trip->writes = writes;
}

void drs_route_free(drs_trip_t *trip)
{
    int i;

    for (i = 0; i < trip->n; i++) {
        if (trip->replies[i] != NULL) freeReplyObject(trip->replies[i]);
        trip->replies[i] = NULL;
    }
}

static void explain_refusal(const drs_route_t *route, const drs_redis_t *redis,
                            const refusal_t *refusal, const redisReply *reply,
                            drs_why_t *why)
{
    const char *name = route->conf->server.url->name;

    if (refusal == NULL) {
        drs_redis_quote(redis, reply, why);
    }
    else if (refusal->meaning == CLUSTER) {
        drs_redis_explain(why,
                          "%s refused: %s, it is part of a Redis Cluster; "
                          "that takes cluster://, which is not built yet",
                          name, refusal->word);
    }
    else if (refusal->meaning == HALF) {
        drs_redis_explain(why,
                          "%s denied a command of a script to its user; "
                          "docs/redis-layout.md tells what it needs",
                          name);
    }
    else {
        drs_redis_quote(redis, reply, why);
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

/* A MULTI that was refused alone, or unknown, let those behind it run. */
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
    return fate == DRS_FATE_DONE && refusal != NULL &&
           refusal->meaning == RENEW && !ran_nevertheless(trip);
}

/* What a round trip that failed tells the caller. */
static apr_status_t judge_fate(const drs_trip_t *trip, drs_fate_t fate)
{
    if (fate == DRS_FATE_UNSENT) return DRS_EDOWN;
    if (trip->writes) return DRS_EUNSURE;
    return fate == DRS_FATE_GARBLED ? DRS_EREPLY : DRS_EDOWN;
}

/*
 * An EXEC that Redis does not know, renamed for example, does not end the
 * transaction: whatever is sent next would only be queued.
 */
static int is_left_open(const drs_trip_t *trip)
{
    return trip->n > 1 && trip->writes &&
           trip->replies[0]->type == REDIS_REPLY_STATUS &&
           drs_redis_is_error(trip->replies[trip->n - 1],
                              "ERR unknown command");
}

/*
 * An answer that is not fit, too long for us for one, comes from a server
 * that answers: no session can make it one that is not asked any more. The
 * end of a connection that had served is often that of many at once, by a
 * CLIENT KILL or a failover: it must not count for as many failures.
 */
static drs_verdict_t judge_connection(const drs_redis_t *redis,
                                      const drs_trip_t *trip, drs_fate_t fate,
                                      const refusal_t *refusal)
{
    if (fate == DRS_FATE_GARBLED) return DRS_VERDICT_STALE;
    if (fate == DRS_FATE_CLOSED && drs_redis_has_served(redis)) {
        return DRS_VERDICT_LOST;
    }
    if (fate != DRS_FATE_DONE) return DRS_VERDICT_DEAD;
    if (is_left_open(trip)) return DRS_VERDICT_STALE;
    return refusal != NULL && refusal->meaning == RENEW ? DRS_VERDICT_STALE
                                                        : DRS_VERDICT_GOOD;
}

/* What was found, to be heard above too. */
static apr_status_t tell(const drs_route_t *route, apr_status_t rv,
                         int recovered, const drs_why_t *why)
{
    const drs_route_conf_t *conf = route->conf;

    if (conf->on_trip != NULL) conf->on_trip(conf->baton, rv, recovered, why);
    return rv;
}

apr_status_t drs_route_refuse(const redisReply *reply, drs_why_t *why)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        drs_redis_explain(why, "Redis refused: %.*s", drs_redis_shown(reply),
                          reply->str);
    }
    else {
        drs_redis_explain(why,
                          "Redis sent a reply of type %d, which "
                          "the command does not have",
                          reply->type);
    }
    return DRS_EREPLY;
}

void *drs_route_baton(const drs_route_t *route)
{
    return route->conf->baton;
}

apr_status_t drs_route_call(drs_route_t *route, drs_trip_t *trip,
                            drs_why_t *why)
{
    apr_interval_time_t start = drs_clock_now();
    apr_interval_time_t latest = start + (trip->deadline - start) * 3 / 5;
    const refusal_t *refusal = NULL;
    const redisReply *reply = NULL;
    drs_redis_t *redis = NULL;
    drs_verdict_t verdict;
    drs_fate_t fate;
    int tries = 0;
    apr_status_t rv;

    rv = drs_pool_borrow(route->pool, trip->deadline, &redis, why);
    while (rv == APR_SUCCESS) {
        fate = drs_redis_call(redis, trip->commands, trip->n, trip->replies,
                              trip->most, trip->deadline, why);
        refusal = fate == DRS_FATE_DONE ? find_refusal(trip, &reply) : NULL;
        if (tries++ > 0 || !may_repeat(trip, fate, refusal) ||
            drs_clock_now() > latest) {
            break;
        }
        drs_route_free(trip);
        why->text[0] = '\0';
        rv = drs_pool_renew(route->pool, redis, trip->deadline, why);
    }
    if (rv != APR_SUCCESS) return tell(route, rv, 0, why);

    verdict = judge_connection(redis, trip, fate, refusal);
    if (fate != DRS_FATE_DONE) {
        rv = judge_fate(trip, fate);
    }
    else if (refusal != NULL || ran_nevertheless(trip)) {
        if (refusal == NULL) reply = trip->replies[0];
        explain_refusal(route, redis, refusal, reply, why);
        rv = ran_nevertheless(trip) || refusal->meaning == HALF ? DRS_EUNSURE
                                                                : DRS_EDOWN;
        drs_route_free(trip);
    }
    return tell(route, rv, drs_pool_return(route->pool, redis, verdict), why);
}
