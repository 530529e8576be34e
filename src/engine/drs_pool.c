/* SPDX-License-Identifier: MIT */
/*
 * A fixed set of slots, one connection each, opened when first needed. The
 * lock guards lists and counters only: no socket is opened, asked or closed
 * under it. pthreads and not APR, whose conditions wait on the wall clock.
 *
 *     spare (closed) --borrow--> lent --return--> idle (open, last first)
 *           ^                      |                 |
 *           +------ dead, stale ---+---- too old ----+
 */
#include "drs_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <apr_errno.h>

enum { BREAKER_FAILURES = 3 };

static const apr_interval_time_t breaker_least = 250 * 1000; /* us */
static const apr_interval_time_t breaker_most = 2000 * 1000; /* us */
static const apr_interval_time_t probe_grace = 50 * 1000;    /* us */

typedef struct slot_t {
    drs_redis_t *redis;
    apr_interval_time_t since; /* us on drs_clock_now(): idle since then */
} slot_t;

struct drs_pool_t {
    const drs_pool_conf_t *conf;
    const drs_server_t *server;
    pid_t pid; /* whose connections these are */
    pthread_mutex_t lock;
    pthread_cond_t freed;
    pthread_cond_t probed;
    slot_t *idle; /* stack, the latest used on top */
    int n_idle;
    drs_redis_t **spare; /* stack of closed ones */
    int n_spare;
    int failures;              /* in a row */
    int probing;               /* one call tries while the breaker is open */
    int awaited;               /* others wait for it a little */
    const drs_redis_t *probe;  /* its connection */
    apr_interval_time_t pause; /* us; 0 = breaker closed */
    apr_interval_time_t until; /* us on drs_clock_now(): no call before */
    unsigned int dice;         /* state of the jitter */
};

static apr_status_t destroy_lock(void *data)
{
    drs_pool_t *pool = data;

    pthread_cond_destroy(&pool->probed);
    pthread_cond_destroy(&pool->freed);
    pthread_mutex_destroy(&pool->lock);
    return APR_SUCCESS;
}

static void create_lock(drs_pool_t *pool, apr_pool_t *p)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->freed, &monotonic);
    pthread_cond_init(&pool->probed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&pool->lock, NULL);
    apr_pool_cleanup_register(p, pool, destroy_lock, apr_pool_cleanup_null);
}

drs_pool_t *drs_pool_create(const drs_pool_conf_t *conf,
                            const drs_server_t *server, apr_pool_t *p)
{
    drs_pool_t *pool = apr_pcalloc(p, sizeof(*pool));
    apr_size_t max = (apr_size_t)conf->max;
    drs_names_t *names = NULL;

    if (server->url->host != NULL) {
        names = drs_names_create(server->url->host, server->url->port, p);
    }
    pool->conf = conf;
    pool->server = server;
    pool->pid = getpid();
    pool->dice = (unsigned int)pool->pid;
    pool->idle = apr_pcalloc(p, max * sizeof(*pool->idle));
    pool->spare = apr_pcalloc(p, max * sizeof(*pool->spare));
    for (; pool->n_spare < conf->max; pool->n_spare++) {
        pool->spare[pool->n_spare] = drs_redis_create(server, names, p);
    }
    create_lock(pool, p);
    return pool;
}

/*
 * Breaker, called with the lock held. While it is open one call in each
 * pause is let through; its fate decides. Where nobody asked for longer than
 * he had to, the server may be back since, and more than one come at once.
 */
static int may_try(drs_pool_t *pool, apr_interval_time_t now)
{
    if (pool->pause == 0) return 1;
    if (pool->probing || now < pool->until) return 0;
    pool->probing = 1;
    pool->awaited = now - pool->until > breaker_least;
    return 1;
}

static void end_probe(drs_pool_t *pool)
{
    pool->probing = 0;
    pool->probe = NULL;
    pthread_cond_broadcast(&pool->probed);
}

static int note_success(drs_pool_t *pool)
{
    int was_open = pool->pause != 0;

    pool->failures = 0;
    pool->pause = 0;
    end_probe(pool);
    return was_open;
}

/* Jitter only shortens, so that no pause passes the most. */
static void note_failure(drs_pool_t *pool, apr_interval_time_t now)
{
    apr_interval_time_t pause = pool->pause * 2;

    if (++pool->failures < BREAKER_FAILURES) return;
    /* Calls that were under way when it opened do not open it further. */
    if (pool->pause != 0 && now < pool->until) return;

    if (pause < breaker_least) pause = breaker_least;
    if (pause > breaker_most) pause = breaker_most;
    pool->pause = pause;
    pool->until = now + pause - rand_r(&pool->dice) % (pause / 4);
}

/* A closed connection is there to be opened again. */
static void make_spare(drs_pool_t *pool, drs_redis_t *redis)
{
    drs_redis_close(redis);
    pthread_mutex_lock(&pool->lock);
    pool->spare[pool->n_spare++] = redis;
    pthread_cond_signal(&pool->freed);
    pthread_mutex_unlock(&pool->lock);
}

/* Take the connection that lies idle longest, if it does since then. */
static drs_redis_t *take_oldest(drs_pool_t *pool, apr_interval_time_t then)
{
    drs_redis_t *oldest = NULL;
    int i;

    pthread_mutex_lock(&pool->lock);
    if (pool->n_idle > 0 && pool->idle[0].since <= then) {
        oldest = pool->idle[0].redis;
        pool->n_idle--;
        for (i = 0; i < pool->n_idle; i++) pool->idle[i] = pool->idle[i + 1];
    }
    pthread_mutex_unlock(&pool->lock);
    return oldest;
}

static void close_idle(drs_pool_t *pool, apr_interval_time_t then)
{
    drs_redis_t *redis = take_oldest(pool, then);

    for (; redis != NULL; redis = take_oldest(pool, then)) {
        make_spare(pool, redis);
    }
}

/* After a fork nothing here is ours, not even to say goodbye on. */
static void check_owner(const drs_pool_t *pool)
{
    if (pool->pid != getpid()) abort();
}

/* Lock held: wait for a signal; 0 when none came in time. */
static int await(drs_pool_t *pool, pthread_cond_t *signal,
                 apr_interval_time_t until)
{
    struct timespec at;

    at.tv_sec = (time_t)(until / APR_USEC_PER_SEC);
    at.tv_nsec = (long)(until % APR_USEC_PER_SEC) * 1000;
    return pthread_cond_timedwait(signal, &pool->lock, &at) == 0;
}

/* Lock held: wait until a connection is there; 0 when none is in time. */
static int await_slot(drs_pool_t *pool, apr_interval_time_t until)
{
    while (pool->n_idle == 0 && pool->n_spare == 0) {
        if (!await(pool, &pool->freed, until)) {
            return pool->n_idle > 0 || pool->n_spare > 0;
        }
    }
    return 1;
}

/* Lock held: a server that is back answers the probe at once. */
static int ask_breaker(drs_pool_t *pool, apr_interval_time_t deadline)
{
    apr_interval_time_t now = drs_clock_now();

    if (may_try(pool, now)) return 1;
    if (now + probe_grace < deadline) deadline = now + probe_grace;
    while (pool->probing && pool->awaited) {
        if (!await(pool, &pool->probed, deadline)) break;
    }
    return may_try(pool, drs_clock_now());
}

/* Get a connection, open or not; NULL with the reason told. */
static drs_redis_t *take(drs_pool_t *pool, apr_interval_time_t deadline,
                         drs_why_t *why)
{
    apr_interval_time_t until = drs_clock_now() + pool->conf->wait;
    drs_redis_t *redis = NULL;
    int tries;
    int probe;
    int found;

    if (until > deadline) until = deadline;
    pthread_mutex_lock(&pool->lock);
    tries = ask_breaker(pool, deadline);
    probe = tries && pool->probing;
    found = tries && await_slot(pool, until);
    /* The breaker may have opened while this one waited. */
    if (found && !probe) tries = may_try(pool, drs_clock_now());
    if (!tries) {
        pthread_cond_signal(&pool->freed);
        drs_redis_explain(why, "%s: not asked, it failed lately",
                          pool->server->url->name);
        why->unasked = 1;
    }
    else if (!found) {
        if (probe) end_probe(pool);
        drs_redis_explain(why, "%s: all %d connections are in use",
                          pool->server->url->name, pool->conf->max);
    }
    else if (pool->n_idle > 0) {
        redis = pool->idle[--pool->n_idle].redis;
    }
    else {
        redis = pool->spare[--pool->n_spare];
    }
    if (redis != NULL && pool->probing && pool->probe == NULL) {
        pool->probe = redis;
    }
    pthread_mutex_unlock(&pool->lock);
    return redis;
}

apr_status_t drs_pool_renew(drs_pool_t *pool, drs_redis_t *redis,
                            apr_interval_time_t deadline, drs_why_t *why)
{
    apr_status_t rv;

    drs_redis_close(redis);
    rv = drs_redis_open(redis, deadline, why);
    if (rv != APR_SUCCESS) {
        drs_pool_return(pool, redis,
                        drs_redis_has_served(redis) ? DRS_VERDICT_BARRED
                                                    : DRS_VERDICT_DEAD);
    }
    return rv;
}

apr_status_t drs_pool_borrow(drs_pool_t *pool, apr_interval_time_t deadline,
                             drs_redis_t **redis, drs_why_t *why)
{
    drs_redis_t *taken;
    apr_status_t rv = APR_SUCCESS;

    check_owner(pool);
    close_idle(pool, drs_clock_now() - pool->conf->idle);
    taken = take(pool, deadline, why);
    if (taken == NULL) return DRS_EDOWN;

    if (!drs_redis_is_quiet(taken)) {
        /* One that died idle tells of the others: Redis was restarted. */
        if (drs_redis_is_open(taken)) close_idle(pool, drs_clock_now());
        rv = drs_pool_renew(pool, taken, deadline, why);
    }
    if (rv == APR_SUCCESS) *redis = taken;
    return rv;
}

int drs_pool_return(drs_pool_t *pool, drs_redis_t *redis, drs_verdict_t verdict)
{
    apr_interval_time_t now = drs_clock_now();
    int keep = verdict == DRS_VERDICT_GOOD && pool->conf->keep;
    int recovered = 0;

    pthread_mutex_lock(&pool->lock);
    if (redis == pool->probe) end_probe(pool);
    if (verdict == DRS_VERDICT_DEAD || verdict == DRS_VERDICT_BARRED) {
        note_failure(pool, now);
    }
    else if (verdict != DRS_VERDICT_LOST) {
        recovered = note_success(pool);
    }
    if (keep) {
        pool->idle[pool->n_idle].redis = redis;
        pool->idle[pool->n_idle++].since = now;
        pthread_cond_signal(&pool->freed);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!keep) make_spare(pool, redis);
    /* The others that lie idle may be as dead, and not know it either. */
    if (verdict == DRS_VERDICT_DEAD || verdict == DRS_VERDICT_LOST) {
        close_idle(pool, now);
    }
    return recovered;
}
