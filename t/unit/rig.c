/* SPDX-License-Identifier: MIT */
/*
 * Setup, clock and the one question that the tests of the connection layer
 * have in common.
 */
#include "rig.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "late.h"

drs_redis_t *rig_create(const rig_t *rig, apr_pool_t *p)
{
    const drs_url_t *url = &rig->url;
    drs_names_t *names = NULL;

    if (url->host != NULL) names = drs_names_create(url->host, url->port, p);
    return drs_redis_create(&rig->conf.server, names, p);
}

static int start_at(void **state, int family)
{
    rig_t *rig = calloc(1, sizeof(*rig));

    if (rig == NULL || apr_pool_create(&rig->p, NULL) != APR_SUCCESS) return 1;
    rig->fake = fake_start(family);
    fake_reach(rig->fake, &rig->conf.server, &rig->url);
    rig->conf.pool.keep = 1;
    rig->conf.pool.max = 4;
    rig->conf.pool.idle = apr_time_from_sec(60);
    rig->conf.pool.wait = 200 * MS;
    rig->redis = rig_create(rig, rig->p);
    *state = rig;
    return 0;
}

int rig_start(void **state)
{
    return start_at(state, AF_INET);
}

int rig_start_unix(void **state)
{
    return start_at(state, AF_UNIX);
}

static void free_replies(rig_t *rig)
{
    int i;

    for (i = 0; i < DRS_COMMANDS_MAX; i++) {
        if (rig->replies[i] != NULL) freeReplyObject(rig->replies[i]);
        rig->replies[i] = NULL;
    }
}

int rig_stop(void **state)
{
    rig_t *rig = *state;

    free_replies(rig);
    apr_pool_destroy(rig->p);
    fake_stop(rig->fake);
    free(rig);
    return 0;
}

/* gcc says so where it instruments each access. */
#ifdef __SANITIZE_THREAD__
#define WATCHED 1
#else
#define WATCHED (getenv("DRS_VALGRIND") != NULL)
#endif

apr_interval_time_t rig_slack(void)
{
    return (WATCHED ? 1000 : 100) * MS;
}

apr_interval_time_t rig_in(rig_t *rig, int ms)
{
    rig->late = late_all();
    rig->start = drs_clock_now();
    return rig->start + (apr_interval_time_t)ms * MS;
}

apr_interval_time_t rig_spent(const rig_t *rig)
{
    apr_interval_time_t us = drs_clock_now() - rig->start;

    return us - (late_all() - rig->late);
}

void rig_took(const rig_t *rig, int least, int most)
{
    apr_interval_time_t us = drs_clock_now() - rig->start;
    apr_interval_time_t bound = most * MS + rig_slack();

    if (us >= least * MS && (us <= bound || rig_spent(rig) <= bound)) return;
    fail_msg("%ld us, a busy machine took %ld of them; not %d to %d ms",
             (long)us, (long)(late_all() - rig->late), least, most);
}

void rig_open(rig_t *rig)
{
    assert_int_equal(drs_redis_open(rig->redis, rig_in(rig, LONG), &rig->why),
                     APR_SUCCESS);
}

drs_fate_t rig_ask(rig_t *rig, int n, int ms)
{
    const char *argv[] = { "HGET", "drsession:x", "user" };
    drs_command_t commands[DRS_COMMANDS_MAX];
    int i;

    for (i = 0; i < n; i++) {
        commands[i] = (drs_command_t){ 3, argv, NULL, 0, 0 };
    }
    free_replies(rig);
    rig->why.text[0] = '\0';
    return drs_redis_call(rig->redis, commands, n, rig->replies, MOST,
                          rig_in(rig, ms), &rig->why);
}

int rig_sockets(const rig_t *rig, int *inherited)
{
    struct sockaddr_in peer;
    socklen_t len;
    int n = 0;
    int fd;

    if (inherited != NULL) *inherited = 0;
    for (fd = 0; fd < 1024; fd++) {
        len = sizeof(peer);
        if (getpeername(fd, (struct sockaddr *)&peer, &len) != 0) continue;
        if (peer.sin_family != AF_INET ||
            ntohs(peer.sin_port) != rig->url.port) {
            continue;
        }
        n++;
        if (inherited != NULL && !(fcntl(fd, F_GETFD) & FD_CLOEXEC)) {
            (*inherited)++;
        }
    }
    return n;
}

drs_pool_t *rig_pool(rig_t *rig)
{
    return drs_pool_create(&rig->conf.pool, &rig->conf.server, rig->p);
}

drs_redis_t *rig_borrow(rig_t *rig, drs_pool_t *pool)
{
    drs_redis_t *redis = NULL;

    assert_int_equal(
        drs_pool_borrow(pool, rig_in(rig, LONG), &redis, &rig->why),
        APR_SUCCESS);
    assert_non_null(redis);
    assert_true(drs_redis_is_quiet(redis));
    return redis;
}

void rig_refused(rig_t *rig, drs_pool_t *pool, int ms)
{
    drs_redis_t *redis = NULL;

    rig->why.text[0] = '\0';
    assert_int_equal(drs_pool_borrow(pool, rig_in(rig, ms), &redis, &rig->why),
                     DRS_EDOWN);
    assert_null(redis);
    assert_true(rig->why.text[0] != '\0');
}

apr_status_t rig_travel(rig_t *rig, drs_route_t *route, int kind, int n, int ms,
                        drs_trip_t *trip)
{
    static const char *hget[] = { "HGET", "k", "f" };
    static drs_command_t commands[] = {
        { 3, hget, NULL, REDIS_REPLY_STRING, 0 },
        { 3, hget, NULL, REDIS_REPLY_STRING, 0 },
        { 3, hget, NULL, REDIS_REPLY_STRING, 0 },
    };

    memset(trip, 0, sizeof(*trip));
    trip->commands = commands;
    trip->n = n;
    trip->writes = kind == WRITE;
    trip->most = MOST;
    trip->deadline = rig_in(rig, ms);
    rig->why.text[0] = '\0';
    return drs_route_call(route, trip, &rig->why);
}

void rig_must_work(rig_t *rig, drs_route_t *route)
{
    drs_trip_t trip;

    assert_int_equal(rig_travel(rig, route, 0, 1, LONG, &trip), APR_SUCCESS);
    assert_int_equal(trip.replies[0]->type, REDIS_REPLY_STRING);
    assert_string_equal(trip.replies[0]->str, "own");
    drs_route_free(&trip);
}
