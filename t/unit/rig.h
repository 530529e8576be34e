/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the connection layer stand on: one fake server, how it
 * is reached, one connection, a clock. Knows nothing of what is tested.
 */
#ifndef RIG_H
#define RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "drs_route.h"
#include "fake.h"

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

/** Microseconds of a millisecond. */
#define MS 1000

/** Give the next connection its script: acts in braces. */
#define PLAY(fake, ...)                                                        \
    fake_play(fake, (const fake_act_t[]){ __VA_ARGS__ },                       \
              (int)COUNT(((const fake_act_t[]){ __VA_ARGS__ })))

/** Bytes of answers; ms: time enough for anything, time that is waited for. */
enum { MOST = 64 * 1024, LONG = 1000, SHORT = 120 };

/** One server and what is known of it. */
typedef struct rig_t {
    apr_pool_t *p;
    fake_t *fake;
    drs_url_t url;
    drs_route_conf_t conf; /* pool: kept, 4 at most, 60 s idle, 200 ms wait */
    drs_redis_t *redis;
    drs_why_t why;
    redisReply *replies[DRS_COMMANDS_MAX];
    apr_interval_time_t start; /* us on drs_clock_now() */
    apr_interval_time_t late;  /* us of late_all() then */
} rig_t;

/**
 * Make a connection to the server of the rig; nothing is opened.
 *
 * @param rig started, but for its connection
 * @param p   owns the result
 * @return the closed connection
 */
drs_redis_t *rig_create(const rig_t *rig, apr_pool_t *p);

/** Setup of cmocka: a server on loopback. */
int rig_start(void **state);

/** Setup of cmocka: a server on a unix socket. */
int rig_start_unix(void **state);

/** Teardown of cmocka. */
int rig_stop(void **state);

/**
 * Tell how late an answer may be, apart from what the machine took.
 *
 * @return us: 100 ms; more where every instruction is watched
 */
apr_interval_time_t rig_slack(void);

/**
 * Begin to measure time.
 *
 * @param rig the rig
 * @param ms  from now
 * @return the deadline, us on drs_clock_now()
 */
apr_interval_time_t rig_in(rig_t *rig, int ms);

/**
 * Tell how long it took since rig_in(), without what a busy machine took.
 *
 * @param rig the rig
 * @return us
 */
apr_interval_time_t rig_spent(const rig_t *rig);

/**
 * Assert how long it took since rig_in(); of the most, rig_slack() more is
 * allowed, and what a busy machine took.
 *
 * @param rig   the rig
 * @param least ms
 * @param most  ms
 */
void rig_took(const rig_t *rig, int least, int most);

/**
 * Open the connection, and assert that it is.
 *
 * @param rig the rig
 */
void rig_open(rig_t *rig);

/**
 * Ask on the connection: n times HGET in one trip.
 *
 * @param rig the rig; out: replies
 * @param n   how often
 * @param ms  until when, from now
 * @return the fate
 */
drs_fate_t rig_ask(rig_t *rig, int n, int ms);

/**
 * Count the sockets of this process that are connected to the fake, which
 * listens on loopback.
 *
 * @param rig       the rig
 * @param inherited out, may be NULL: how many a child would inherit
 * @return how many
 */
int rig_sockets(const rig_t *rig, int *inherited);

#define TCP(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_stop)
#define UNIX(test)                                                             \
    {                                                                          \
#test "_on_a_unix_socket", test, rig_start_unix, rig_stop, NULL        \
    }

/** A pool on the rig's settings. */
drs_pool_t *rig_pool(rig_t *rig);

/** Borrow a connection that has to be there and quiet. */
drs_redis_t *rig_borrow(rig_t *rig, drs_pool_t *pool);

/** One borrow that must not succeed; ms until its deadline. */
void rig_refused(rig_t *rig, drs_pool_t *pool, int ms);

/** What a trip of the rig does. */
enum { READ, WRITE };

/** One trip of n commands, 3 at most; what they answer is texts. */
apr_status_t rig_travel(rig_t *rig, drs_route_t *route, int kind, int n, int ms,
                        drs_trip_t *trip);

/** One trip that has to bring the server's own answer, "own". */
void rig_must_work(rig_t *rig, drs_route_t *route);

#endif
