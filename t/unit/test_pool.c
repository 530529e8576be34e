/* SPDX-License-Identifier: MIT */
/*
 * drs_pool: who gets which connection, what is thrown away, how long one
 * waits, and that a child of the process takes no part.
 */
#include "drs_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"

enum { THREADS = 8, ROUNDS = 100 };

static void nothing_connects_before_the_first_borrow(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);

    assert_int_equal(rig_sockets(rig, NULL), 0);
    drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_GOOD);
    assert_int_equal(rig_sockets(rig, NULL), 1);
    assert_int_equal(fake_heard(rig->fake), 0);
}

static void a_good_connection_is_lent_again_the_latest_first(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);
    drs_redis_t *one = rig_borrow(rig, pool);
    drs_redis_t *two = rig_borrow(rig, pool);

    assert_ptr_not_equal(one, two);
    drs_pool_return(pool, two, DRS_VERDICT_GOOD);
    drs_pool_return(pool, one, DRS_VERDICT_GOOD);
    assert_ptr_equal(rig_borrow(rig, pool), one);
    assert_ptr_equal(rig_borrow(rig, pool), two);
    assert_int_equal(rig_sockets(rig, NULL), 2);
}

static void stale_and_dead_ones_are_closed(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);

    drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_STALE);
    assert_int_equal(rig_sockets(rig, NULL), 0);
    drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_DEAD);
    assert_int_equal(rig_sockets(rig, NULL), 0);
}

static void without_a_pool_each_call_has_its_connection(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool;
    int i;

    rig->conf.pool.keep = 0;
    rig->conf.pool.max = 1;
    pool = rig_pool(rig);
    for (i = 1; i <= 5; i++) {
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_GOOD);
        assert_int_equal(rig_sockets(rig, NULL), 0);
        assert_int_equal(fake_connections(rig->fake, i), i);
        assert_int_equal(fake_open(rig->fake, 0), 0);
    }
}

/* Borrow n, give all back in the order of the borrowing. */
static void fill(rig_t *rig, drs_pool_t *pool, int n)
{
    drs_redis_t *redis[4];
    int i;

    for (i = 0; i < n; i++) redis[i] = rig_borrow(rig, pool);
    for (i = 0; i < n; i++) drs_pool_return(pool, redis[i], DRS_VERDICT_GOOD);
}

static void the_first_dead_one_closes_all_idle_ones(void **state)
{
    static const fake_act_t ends[] = {
        { .bytes = "$3\r\nold\r\n", .wait = 40, .unasked = 1 },
        { .bytes = ":", .wait = 40, .unasked = 1 },
        { .wait = 40, .unasked = 1, .end = FAKE_CLOSE },
        { .wait = 40, .unasked = 1, .end = FAKE_RESET },
    };
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);
    size_t i;

    for (i = 0; i < COUNT(ends); i++) {
        fake_forget(rig->fake);
        fake_play(rig->fake, (const fake_act_t[]){ { .wait = 0 } }, 1);
        fake_play(rig->fake, (const fake_act_t[]){ { .wait = 0 } }, 1);
        fake_play(rig->fake, &ends[i], 1);
        fake_play(rig->fake, (const fake_act_t[]){ { .wait = 0 } }, 1);
        fill(rig, pool, 3);
        fake_sleep(100);
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_GOOD);
        assert_int_equal(fake_connections(rig->fake, 4), 4);
        assert_int_equal(fake_open(rig->fake, 1), 1);
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_STALE);
        assert_int_equal(fake_connections(rig->fake, 4), 4);
    }
}

static void a_restart_is_not_noticed_by_the_next_borrower(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);

    fill(rig, pool, 4);
    fake_die(rig->fake);
    fake_rise(rig->fake);
    fill(rig, pool, 4);
    assert_int_equal(fake_open(rig->fake, 4), 4);
}

static void what_lies_idle_too_long_is_closed(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool;
    drs_redis_t *redis;

    rig->conf.pool.idle = 400 * MS;
    pool = rig_pool(rig);
    fill(rig, pool, 3);
    fake_sleep(100);
    redis = rig_borrow(rig, pool);
    assert_int_equal(fake_open(rig->fake, 3), 3);
    fake_sleep(350);
    drs_pool_return(pool, redis, DRS_VERDICT_GOOD);
    assert_ptr_equal(rig_borrow(rig, pool), redis);
    assert_int_equal(fake_open(rig->fake, 1), 1);
    assert_int_equal(fake_connections(rig->fake, 3), 3);
}

static void who_finds_all_lent_waits_and_goes(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool;
    drs_redis_t *redis;

    rig->conf.pool.max = 2;
    pool = rig_pool(rig);
    redis = rig_borrow(rig, pool);
    rig_borrow(rig, pool);
    rig_refused(rig, pool, LONG);
    rig_took(rig, 200, 200);
    assert_non_null(strstr(rig->why.text, "all 2 connections"));
    rig_refused(rig, pool, 50);
    rig_took(rig, 50, 50);
    assert_int_equal(fake_connections(rig->fake, 2), 2);
    drs_pool_return(pool, redis, DRS_VERDICT_GOOD);
    assert_ptr_equal(rig_borrow(rig, pool), redis);
}

typedef struct waiter_t {
    drs_pool_t *pool;
    drs_redis_t *redis;
    drs_verdict_t verdict;
} waiter_t;

static void *return_soon(void *data)
{
    waiter_t *waiter = data;

    fake_sleep(60);
    drs_pool_return(waiter->pool, waiter->redis, waiter->verdict);
    return NULL;
}

static void who_waits_gets_what_another_gives_back(void **state)
{
    static const drs_verdict_t verdicts[] = { DRS_VERDICT_GOOD,
                                              DRS_VERDICT_STALE,
                                              DRS_VERDICT_DEAD };
    rig_t *rig = *state;
    waiter_t waiter;
    size_t i;

    rig->conf.pool.max = 1;
    rig->conf.pool.wait = LONG * MS;
    waiter.pool = rig_pool(rig);
    for (i = 0; i < COUNT(verdicts); i++) {
        pthread_t thread;

        waiter.redis = rig_borrow(rig, waiter.pool);
        waiter.verdict = verdicts[i];
        assert_int_equal(pthread_create(&thread, NULL, return_soon, &waiter),
                         0);
        drs_pool_return(waiter.pool, rig_borrow(rig, waiter.pool),
                        DRS_VERDICT_GOOD);
        rig_took(rig, 50, 60);
        pthread_join(thread, NULL);
    }
}

static void who_is_not_let_in_takes_nobody_along(void **state)
{
    static const char *const answers[] = {
        "-ERR max number of clients reached\r\n",
        "-WRONGPASS invalid username-password pair\r\n",
    };
    rig_t *rig = *state;
    drs_pool_t *pool;
    drs_redis_t *idle;
    drs_redis_t *out;
    size_t i;

    rig->conf.server.pass = "secret";
    pool = rig_pool(rig);
    for (i = 0; i < COUNT(answers); i++) {
        fake_forget(rig->fake);
        PLAY(rig->fake, { .bytes = "+OK\r\n" });
        PLAY(rig->fake, { .bytes = "+OK\r\n" });
        PLAY(rig->fake, { .bytes = answers[i], .end = FAKE_CLOSE });
        idle = rig_borrow(rig, pool);
        out = rig_borrow(rig, pool);
        drs_pool_return(pool, idle, DRS_VERDICT_GOOD);
        assert_int_equal(
            drs_pool_renew(pool, out, rig_in(rig, LONG), &rig->why), DRS_EDOWN);
        assert_ptr_equal(rig_borrow(rig, pool), idle);
        assert_int_equal(fake_connections(rig->fake, 3), 3);
        drs_pool_return(pool, idle, DRS_VERDICT_STALE);
    }
}

static void who_waits_when_the_breaker_opens_goes_at_once(void **state)
{
    rig_t *rig = *state;
    pthread_t thread;
    waiter_t waiter;

    rig->conf.pool.max = 1;
    rig->conf.pool.wait = LONG * MS;
    waiter.pool = rig_pool(rig);
    waiter.verdict = DRS_VERDICT_DEAD;
    drs_pool_return(waiter.pool, rig_borrow(rig, waiter.pool),
                    DRS_VERDICT_DEAD);
    drs_pool_return(waiter.pool, rig_borrow(rig, waiter.pool),
                    DRS_VERDICT_DEAD);
    waiter.redis = rig_borrow(rig, waiter.pool);
    assert_int_equal(pthread_create(&thread, NULL, return_soon, &waiter), 0);
    rig_refused(rig, waiter.pool, LONG);
    rig_took(rig, 50, 60);
    assert_non_null(strstr(rig->why.text, "not asked"));
    pthread_join(thread, NULL);
    assert_int_equal(fake_connections(rig->fake, 3), 3);
}

/* What a forked child does; its exit status, 100 + its signal. */
static int in_child(void (*act)(rig_t *rig, drs_pool_t *pool), rig_t *rig,
                    drs_pool_t *pool)
{
    const struct rlimit none = { 0, 0 };
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        act(rig, pool);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

static void borrow_in_child(rig_t *rig, drs_pool_t *pool)
{
    drs_redis_t *redis = NULL;

    _exit(drs_pool_borrow(pool, drs_clock_now() + APR_USEC_PER_SEC, &redis,
                          &rig->why) == APR_SUCCESS
              ? 1
              : 2);
}

static void leave_in_child(rig_t *rig, drs_pool_t *pool)
{
    (void)pool;
    apr_pool_destroy(rig->p);
}

static void a_child_of_the_process_never_gets_a_connection(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);

    fill(rig, pool, 2);
    assert_int_equal(in_child(borrow_in_child, rig, pool), 100 + SIGABRT);
    fill(rig, pool, 2);
    assert_int_equal(fake_connections(rig->fake, 2), 2);
    assert_int_equal(fake_heard(rig->fake), 0);
}

static void a_child_that_goes_closes_no_connection_of_its_parent(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);

    fill(rig, pool, 2);
    assert_int_equal(in_child(leave_in_child, rig, pool), 0);
    fill(rig, pool, 2);
    assert_int_equal(fake_connections(rig->fake, 2), 2);
    assert_int_equal(fake_heard(rig->fake), 0);
}

static void a_pool_that_goes_closes_idle_and_lent_ones(void **state)
{
    rig_t *rig = *state;
    apr_pool_t *p;
    drs_pool_t *pool;

    assert_int_equal(apr_pool_create(&p, NULL), APR_SUCCESS);
    pool = drs_pool_create(&rig->conf.pool, &rig->conf.server, p);
    fill(rig, pool, 2);
    rig_borrow(rig, pool);
    assert_int_equal(rig_sockets(rig, NULL), 2);
    /* One that is accepted later would be open when nobody expects it. */
    assert_int_equal(fake_connections(rig->fake, 2), 2);
    apr_pool_destroy(p);
    assert_int_equal(rig_sockets(rig, NULL), 0);
    assert_int_equal(fake_open(rig->fake, 0), 0);
}

/* What all threads share, and what they found wrong. */
typedef struct crowd_t {
    drs_pool_t *pool;
    pthread_mutex_t lock;
    int lent;
    int most;
    int wrong;
    int refused;
} crowd_t;

static void count(crowd_t *crowd, int lent, int wrong, int refused)
{
    pthread_mutex_lock(&crowd->lock);
    crowd->lent += lent;
    if (crowd->lent > crowd->most) crowd->most = crowd->lent;
    crowd->wrong += wrong;
    crowd->refused += refused;
    pthread_mutex_unlock(&crowd->lock);
}

/* Ask for a word that nobody else asks for. */
static void ask_own(crowd_t *crowd, const char *word)
{
    const char *argv[] = { "HGET", "k", word };
    drs_command_t command = { 3, argv, NULL, REDIS_REPLY_STRING, 0 };
    apr_interval_time_t deadline = drs_clock_now() + 10 * APR_USEC_PER_SEC;
    redisReply *reply = NULL;
    drs_redis_t *redis = NULL;
    drs_why_t why;
    drs_fate_t fate;

    if (drs_pool_borrow(crowd->pool, deadline, &redis, &why) != APR_SUCCESS) {
        count(crowd, 0, 0, 1);
        return;
    }
    count(crowd, 1, 0, 0);
    fate = drs_redis_call(redis, &command, 1, &reply, MOST, deadline, &why);
    count(crowd, -1, fate != DRS_FATE_DONE || strcmp(reply->str, word) != 0, 0);
    if (reply != NULL) freeReplyObject(reply);
    drs_pool_return(crowd->pool, redis,
                    fate == DRS_FATE_DONE ? DRS_VERDICT_GOOD
                                          : DRS_VERDICT_DEAD);
}

static void *ask_often(void *data)
{
    crowd_t *crowd = data;
    char word[64];
    int i;

    for (i = 0; i < ROUNDS; i++) {
        snprintf(word, sizeof(word), "%p-%d", (void *)word, i);
        ask_own(crowd, word);
    }
    return NULL;
}

static void threads_share_connections_and_never_an_answer(void **state)
{
    rig_t *rig = *state;
    pthread_t threads[THREADS];
    crowd_t crowd;
    int i;

    rig->conf.pool.max = 3;
    rig->conf.pool.wait = 10 * APR_USEC_PER_SEC;
    memset(&crowd, 0, sizeof(crowd));
    pthread_mutex_init(&crowd.lock, NULL);
    crowd.pool = rig_pool(rig);
    PLAY(rig->fake, { .echo = 1 });
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &crowd),
                         0);
    }
    for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&crowd.lock);
    assert_int_equal(crowd.wrong, 0);
    assert_int_equal(crowd.refused, 0);
    assert_in_range(crowd.most, 2, 3);
    assert_in_range(fake_connections(rig->fake, 3), 2, 3);
    assert_int_equal(fake_heard(rig->fake), THREADS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(nothing_connects_before_the_first_borrow),
        TCP(a_good_connection_is_lent_again_the_latest_first),
        TCP(stale_and_dead_ones_are_closed),
        TCP(without_a_pool_each_call_has_its_connection),
        TCP(the_first_dead_one_closes_all_idle_ones),
        TCP(a_restart_is_not_noticed_by_the_next_borrower),
        UNIX(a_restart_is_not_noticed_by_the_next_borrower),
        TCP(what_lies_idle_too_long_is_closed),
        TCP(who_finds_all_lent_waits_and_goes),
        TCP(who_waits_gets_what_another_gives_back),
        TCP(who_is_not_let_in_takes_nobody_along),
        TCP(who_waits_when_the_breaker_opens_goes_at_once),
        TCP(a_child_of_the_process_never_gets_a_connection),
        TCP(a_child_that_goes_closes_no_connection_of_its_parent),
        TCP(a_pool_that_goes_closes_idle_and_lent_ones),
        TCP(threads_share_connections_and_never_an_answer),
        UNIX(threads_share_connections_and_never_an_answer),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("pool", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
