/* SPDX-License-Identifier: MIT */
/*
 * drs_pool where closing a connection takes long: meanwhile it neither lies
 * idle nor is spare, and an open breaker may let its probe go without one.
 */
#include "drs_pool.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "rig.h"

typedef struct lender_t {
    drs_pool_t *pool;
    drs_redis_t *redis;
} lender_t;

static __thread int slow; /* ms that close() takes in this thread */

int __real_close(int fd);
int __wrap_close(int fd);

int __wrap_close(int fd)
{
    if (slow > 0) fake_sleep(slow);
    return __real_close(fd);
}

static void *fail_slowly(void *data)
{
    lender_t *lender = data;

    slow = 2000;
    drs_pool_return(lender->pool, lender->redis, DRS_VERDICT_DEAD);
    return NULL;
}

static void a_probe_that_finds_none_free_is_not_the_last(void **state)
{
    rig_t *rig = *state;
    lender_t lender;
    pthread_t thread;
    int i;

    rig->conf.pool.max = 1;
    lender.pool = rig_pool(rig);
    for (i = 0; i < 2; i++) {
        drs_pool_return(lender.pool, rig_borrow(rig, lender.pool),
                        DRS_VERDICT_DEAD);
    }
    lender.redis = rig_borrow(rig, lender.pool);
    assert_int_equal(pthread_create(&thread, NULL, fail_slowly, &lender), 0);
    fake_sleep(400);
    rig_refused(rig, lender.pool, 20);
    assert_non_null(strstr(rig->why.text, "all 1 connections"));
    pthread_join(thread, NULL);
    rig_borrow(rig, lender.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(a_probe_that_finds_none_free_is_not_the_last),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("probe", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
