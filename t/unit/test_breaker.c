/* SPDX-License-Identifier: MIT */
/*
 * The breaker of drs_pool: what opens and closes it, whom it lets through,
 * and who waits for him.
 */
#include "drs_pool.h"

#include <pthread.h>

#include "rig.h"

/* Fail so often that the breaker opens; the server is there. */
static void open_breaker(rig_t *rig, drs_pool_t *pool)
{
    int i;

    for (i = 0; i < 3; i++) {
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_DEAD);
    }
}

/* How long the shortest of some refusals took: the machine may be busy. */
static apr_interval_time_t shortest_refusal(rig_t *rig, drs_pool_t *pool)
{
    apr_interval_time_t least = APR_USEC_PER_SEC;
    int i;

    for (i = 0; i < 10; i++) {
        rig_refused(rig, pool, LONG);
        if (rig_spent(rig) < least) least = rig_spent(rig);
        assert_non_null(strstr(rig->why.text, "not asked"));
    }
    return least;
}

static void three_failures_open_the_breaker(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);

    open_breaker(rig, pool);
    assert_int_equal(fake_connections(rig->fake, 3), 3);
    assert_true(shortest_refusal(rig, pool) < rig_slack() / 100);
    assert_int_equal(fake_connections(rig->fake, 3), 3);
    assert_int_equal(rig_sockets(rig, NULL), 0);
}

static void failures_to_connect_open_it_too(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);
    int i;

    fake_die(rig->fake);
    for (i = 0; i < 3; i++) {
        rig_refused(rig, pool, LONG);
        assert_null(strstr(rig->why.text, "not asked"));
    }
    assert_true(shortest_refusal(rig, pool) < rig_slack() / 100);
    fake_rise(rig->fake);
    rig_refused(rig, pool, LONG);
    fake_sleep(260);
    drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_GOOD);
    drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_GOOD);
}

/* At its most clients, Redis lets nobody in and goes on with who is. */
static void only_failures_in_a_row_count(void **state)
{
    static const drs_verdict_t well[] = { DRS_VERDICT_GOOD, DRS_VERDICT_STALE };
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);
    size_t i;

    for (i = 0; i < 6; i++) {
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_DEAD);
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_DEAD);
        drs_pool_return(pool, rig_borrow(rig, pool), well[i % 2]);
    }
}

static void an_open_breaker_lets_one_probe_through(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);
    drs_redis_t *probe;

    open_breaker(rig, pool);
    fake_sleep(260);
    probe = rig_borrow(rig, pool);
    rig_refused(rig, pool, LONG);
    assert_non_null(strstr(rig->why.text, "not asked"));
    drs_pool_return(pool, probe, DRS_VERDICT_GOOD);
    drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_GOOD);
    drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_GOOD);
}

/* Until the breaker lets one through: a pause after it opened. */
static drs_redis_t *await_probe(rig_t *rig, drs_pool_t *pool, int pause)
{
    drs_redis_t *probe = NULL;

    while (drs_pool_borrow(pool, drs_clock_now() + LONG * MS, &probe,
                           &rig->why) != APR_SUCCESS) {
        fake_sleep(5);
    }
    rig_took(rig, pause * 3 / 4, pause);
    return probe;
}

static void each_failed_probe_doubles_the_pause_up_to_two_seconds(void **state)
{
    static const int pauses[] = { 250, 500, 1000, 2000, 2000 };
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);
    drs_redis_t *probe;
    size_t i;

    open_breaker(rig, pool);
    for (i = 0; i < COUNT(pauses); i++) {
        probe = await_probe(rig, pool, pauses[i]);
        rig_in(rig, 0);
        drs_pool_return(pool, probe, DRS_VERDICT_DEAD);
    }
    drs_pool_return(pool, await_probe(rig, pool, 2000), DRS_VERDICT_GOOD);
    open_breaker(rig, pool);
    await_probe(rig, pool, 250);
}

/* Under load somebody tries as soon as one may: nobody else is to wait. */
static void beside_a_probe_made_in_time_others_are_refused_at_once(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);
    apr_interval_time_t least = APR_USEC_PER_SEC;
    int round;

    open_breaker(rig, pool);
    /* A busy machine may be late for the first ones. */
    for (round = 0; round < 3 && least >= 20 * MS; round++) {
        drs_redis_t *probe = await_probe(rig, pool, round == 0 ? 250 : 500);

        least = shortest_refusal(rig, pool);
        rig_in(rig, 0);
        drs_pool_return(pool, probe, DRS_VERDICT_DEAD);
    }
    assert_true(least < 20 * MS);
}

typedef struct probe_t {
    drs_pool_t *pool;
    drs_redis_t *redis;
} probe_t;

static void *answer_soon(void *data)
{
    probe_t *probe = data;

    fake_sleep(10);
    drs_pool_return(probe->pool, probe->redis, DRS_VERDICT_GOOD);
    return NULL;
}

/* Nobody came for long: the server may be back, and many come at once. */
static void after_a_silence_others_wait_for_the_probe(void **state)
{
    rig_t *rig = *state;
    apr_status_t rv = DRS_EDOWN;
    pthread_t thread;
    probe_t probe;
    int round;

    probe.pool = rig_pool(rig);
    /* A busy machine may be late to return it. */
    for (round = 0; round < 5 && rv != APR_SUCCESS; round++) {
        drs_redis_t *other = NULL;

        open_breaker(rig, probe.pool);
        fake_sleep(600);
        probe.redis = rig_borrow(rig, probe.pool);
        assert_int_equal(pthread_create(&thread, NULL, answer_soon, &probe), 0);
        rv = drs_pool_borrow(probe.pool, rig_in(rig, LONG), &other, &rig->why);
        pthread_join(thread, NULL);
        if (other != NULL) {
            drs_pool_return(probe.pool, other, DRS_VERDICT_GOOD);
        }
    }
    assert_int_equal(rv, APR_SUCCESS);
}

static void they_do_not_wait_for_a_probe_that_hangs(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);

    open_breaker(rig, pool);
    fake_sleep(600);
    rig_borrow(rig, pool);
    rig_refused(rig, pool, LONG);
    rig_took(rig, 50, 50);
    assert_non_null(strstr(rig->why.text, "not asked"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(three_failures_open_the_breaker),
        TCP(failures_to_connect_open_it_too),
        TCP(only_failures_in_a_row_count),
        TCP(an_open_breaker_lets_one_probe_through),
        TCP(each_failed_probe_doubles_the_pause_up_to_two_seconds),
        TCP(beside_a_probe_made_in_time_others_are_refused_at_once),
        TCP(after_a_silence_others_wait_for_the_probe),
        TCP(they_do_not_wait_for_a_probe_that_hangs),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
