/* SPDX-License-Identifier: MIT */
/*
 * drs_pool and drs_route: what becomes of the others when a connection is
 * lost, by silence or by its end, and what that says of the server.
 */
#include "drs_route.h"

#include <pthread.h>

#include "rig.h"

enum { CALLS = 8, WAITERS = 3 };

#define OWN "$3\r\nown\r\n"

/* Make n, give all back in the order of the borrowing. */
static void fill(rig_t *rig, drs_pool_t *pool, int n)
{
    drs_redis_t *redis[4];
    int i;

    for (i = 0; i < n; i++) redis[i] = rig_borrow(rig, pool);
    /* The server accepts them when it comes to it. */
    assert_int_equal(fake_connections(rig->fake, n), n);
    for (i = 0; i < n; i++) drs_pool_return(pool, redis[i], DRS_VERDICT_GOOD);
}

/* Fail so often that the breaker opens; the server is there. */
static void open_breaker(rig_t *rig, drs_pool_t *pool)
{
    int i;

    for (i = 0; i < 3; i++) {
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_DEAD);
    }
}

/* A half-open one is found out by a call in vain: one, not one each. */
static void one_given_back_dead_closes_all_idle_ones(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);

    fill(rig, pool, 4);
    drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_STALE);
    assert_int_equal(fake_open(rig->fake, 3), 3);
    drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_DEAD);
    assert_int_equal(fake_open(rig->fake, 0), 0);
}

/* Many may be cut off at once: that is no sign of a dead server. */
static void lost_ones_count_for_nothing_and_take_the_idle_along(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);
    drs_redis_t *lent[3];
    int i;

    fill(rig, pool, 4);
    for (i = 0; i < 3; i++) lent[i] = rig_borrow(rig, pool);
    for (i = 0; i < 3; i++) {
        assert_int_equal(drs_pool_return(pool, lent[i], DRS_VERDICT_LOST), 0);
    }
    assert_int_equal(fake_open(rig->fake, 0), 0);
    lent[0] = rig_borrow(rig, pool);
    open_breaker(rig, pool);
    assert_int_equal(drs_pool_return(pool, lent[0], DRS_VERDICT_LOST), 0);
    rig_refused(rig, pool, LONG);
    fake_sleep(260);
    assert_int_equal(
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_LOST), 0);
    assert_int_equal(
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_GOOD), 1);
    assert_int_equal(
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_GOOD), 0);
}

/* The first of three failures to connect is the first. */
static void the_end_of_a_connection_that_served_is_no_failure(void **state)
{
    rig_t *rig = *state;
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    drs_trip_t trip;
    int i;

    PLAY(rig->fake, { .bytes = OWN }, { .end = FAKE_CLOSE });
    rig_must_work(rig, route);
    assert_int_equal(rig_travel(rig, route, WRITE, 1, LONG, &trip),
                     DRS_EUNSURE);
    fake_die(rig->fake);
    for (i = 0; i < 4; i++) {
        assert_int_equal(rig_travel(rig, route, WRITE, 1, LONG, &trip),
                         DRS_EDOWN);
        assert_int_equal(rig->why.unasked, i == 3);
    }
}

/* A server that accepts and hangs up is as dead as one that does not. */
static void who_hangs_up_at_the_first_command_counts(void **state)
{
    rig_t *rig = *state;
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    drs_trip_t trip;
    int i;

    PLAY(rig->fake, { .end = FAKE_CLOSE });
    for (i = 0; i < 3; i++) {
        assert_int_equal(rig_travel(rig, route, WRITE, 1, LONG, &trip),
                         DRS_EUNSURE);
    }
    assert_int_equal(rig_travel(rig, route, WRITE, 1, LONG, &trip), DRS_EDOWN);
    assert_int_equal(rig->why.unasked, 1);
}

/* One outage of 250 ms, however many calls it met. */
static void calls_under_way_open_the_breaker_no_further(void **state)
{
    rig_t *rig = *state;
    drs_redis_t *redis[CALLS];
    drs_pool_t *pool;
    int i;

    rig->conf.pool.max = CALLS;
    pool = rig_pool(rig);
    for (i = 0; i < CALLS; i++) redis[i] = rig_borrow(rig, pool);
    for (i = 0; i < CALLS; i++) {
        drs_pool_return(pool, redis[i], DRS_VERDICT_DEAD);
    }
    rig_refused(rig, pool, LONG);
    fake_sleep(260);
    drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_GOOD);
}

typedef struct waiter_t {
    drs_pool_t *pool;
    apr_interval_time_t took; /* us */
    apr_status_t rv;
} waiter_t;

static void *wait_for_one(void *data)
{
    waiter_t *waiter = data;
    apr_interval_time_t start = drs_clock_now();
    drs_redis_t *redis = NULL;
    drs_why_t why;

    waiter->rv =
        drs_pool_borrow(waiter->pool, start + 2 * LONG * MS, &redis, &why);
    waiter->took = drs_clock_now() - start;
    return NULL;
}

/* What the first of them does not take wakes the next. */
static void all_who_wait_go_when_the_breaker_opens(void **state)
{
    rig_t *rig = *state;
    pthread_t threads[WAITERS];
    waiter_t waiters[WAITERS];
    drs_redis_t *last;
    int i;

    rig->conf.pool.max = 1;
    rig->conf.pool.wait = 2 * LONG * MS;
    waiters[0].pool = rig_pool(rig);
    for (i = 0; i < 2; i++) {
        drs_pool_return(waiters[0].pool, rig_borrow(rig, waiters[0].pool),
                        DRS_VERDICT_DEAD);
    }
    last = rig_borrow(rig, waiters[0].pool);
    for (i = 0; i < WAITERS; i++) {
        waiters[i].pool = waiters[0].pool;
        assert_int_equal(
            pthread_create(&threads[i], NULL, wait_for_one, &waiters[i]), 0);
    }
    fake_sleep(60);
    drs_pool_return(waiters[0].pool, last, DRS_VERDICT_DEAD);
    for (i = 0; i < WAITERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(waiters[i].rv, DRS_EDOWN);
        assert_true(waiters[i].took < 60 * MS + rig_slack());
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(one_given_back_dead_closes_all_idle_ones),
        TCP(lost_ones_count_for_nothing_and_take_the_idle_along),
        TCP(the_end_of_a_connection_that_served_is_no_failure),
        TCP(who_hangs_up_at_the_first_command_counts),
        TCP(calls_under_way_open_the_breaker_no_further),
        TCP(all_who_wait_go_when_the_breaker_opens),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("lost", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
