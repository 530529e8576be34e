/* SPDX-License-Identifier: MIT */
/*
 * drs_names with a resolver that is slow, silent, wrong or gone: the linker
 * puts it in the place of getaddrinfo().
 */
#include "drs_names.h"

#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <apr_general.h>
#include <arpa/inet.h>

#include <cmocka.h>

#include "drs_redis.h"

enum { MS = 1000, LONG = 5000 * MS, CALLERS = 8 };

/* What the resolver says, and how often it was asked. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int silent; /* 1 = says nothing until it is 0 */
    int error;
    int octet; /* the address is 127.0.0.x */
    int more;  /* how often again, behind it */
    int heard; /* signals that whoever asked could have been sent */
    int asked;
    int asking;
    int most; /* asking at once */
} resolver = { .lock = PTHREAD_MUTEX_INITIALIZER,
               .changed = PTHREAD_COND_INITIALIZER };

int __real_getaddrinfo(const char *host, const char *port,
                       const struct addrinfo *hints, struct addrinfo **list);
int __wrap_getaddrinfo(const char *host, const char *port,
                       const struct addrinfo *hints, struct addrinfo **list);

int __wrap_getaddrinfo(const char *host, const char *port,
                       const struct addrinfo *hints, struct addrinfo **list)
{
    struct addrinfo numeric = *hints;
    char text[] = "127.0.0.x";
    sigset_t blocked;
    int more;
    int error;

    if ((hints->ai_flags & AI_NUMERICHOST) != 0) {
        return __real_getaddrinfo(host, port, hints, list);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    pthread_mutex_lock(&resolver.lock);
    resolver.asked++;
    if (!sigismember(&blocked, SIGTERM)) resolver.heard++;
    more = resolver.more;
    if (++resolver.asking > resolver.most) resolver.most = resolver.asking;
    while (resolver.silent) {
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    }
    resolver.asking--;
    error = resolver.error;
    text[8] = (char)('0' + resolver.octet);
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
    if (error != 0) return error;

    numeric.ai_flags |= AI_NUMERICHOST;
    for (; error == 0 && more >= 0; more--) {
        error = __real_getaddrinfo(text, port, &numeric, list);
        while (error == 0 && *list != NULL) list = &(*list)->ai_next;
    }
    return error;
}

static void set_resolver(int silent, int error, int octet)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.silent = silent;
    resolver.error = error;
    resolver.octet = octet;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
}

static int asked(void)
{
    int n;

    pthread_mutex_lock(&resolver.lock);
    n = resolver.asked;
    pthread_mutex_unlock(&resolver.lock);
    return n;
}

/* Wait until nobody asks any more. */
static void await_silence(void)
{
    pthread_mutex_lock(&resolver.lock);
    while (resolver.asking > 0) {
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    }
    pthread_mutex_unlock(&resolver.lock);
    usleep(20 * MS);
}

/* The last octet of the only address that is found; or -1 with a reason. */
static int find(drs_names_t *names, apr_interval_time_t wait)
{
    drs_address_t list[DRS_ADDRESSES_MAX];
    const struct sockaddr_in *to = (const struct sockaddr_in *)&list[0].to;
    const char *why = NULL;
    int n = drs_names_find(names, wait, list, &why);

    if (n == 0) {
        assert_non_null(why);
        return -1;
    }
    assert_int_equal(n, 1);
    assert_int_equal(to->sin_family, AF_INET);
    assert_int_equal(ntohs(to->sin_port), 7000);
    return (int)(ntohl(to->sin_addr.s_addr) & 0xff);
}

static int make_pool(void **state)
{
    apr_pool_t *p = NULL;

    if (apr_initialize() != APR_SUCCESS) return 1;
    if (apr_pool_create(&p, NULL) != APR_SUCCESS) return 1;
    *state = p;
    set_resolver(0, 0, 1);
    resolver.asked = resolver.most = 0;
    return 0;
}

static int destroy_pool(void **state)
{
    set_resolver(0, 0, 1);
    await_silence();
    if (*state != NULL) apr_pool_destroy(*state);
    return 0;
}

static void nobody_is_asked_about_an_address(void **state)
{
    drs_names_t *names = drs_names_create("127.0.0.9", 7000, *state);
    drs_address_t list[DRS_ADDRESSES_MAX];
    const char *why = NULL;

    set_resolver(1, 0, 1);
    assert_int_equal(find(names, LONG), 9);
    assert_int_equal(find(names, 0), 9);
    names = drs_names_create("::1", 7000, *state);
    assert_int_equal(drs_names_find(names, LONG, list, &why), 1);
    assert_int_equal(list[0].to.ss_family, AF_INET6);
    assert_int_equal(asked(), 0);
}

static void a_name_is_asked_for_anew_each_time(void **state)
{
    drs_names_t *names = drs_names_create("redis.test", 7000, *state);
    int octet;

    for (octet = 1; octet < 5; octet++) {
        set_resolver(0, 0, octet);
        assert_int_equal(find(names, LONG), octet);
    }
    assert_int_equal(asked(), 4);
}

static void an_unknown_name_is_told(void **state)
{
    drs_names_t *names = drs_names_create("no.test", 7000, *state);
    drs_address_t list[DRS_ADDRESSES_MAX];
    const char *why = NULL;

    set_resolver(0, EAI_NONAME, 1);
    assert_int_equal(drs_names_find(names, LONG, list, &why), 0);
    assert_string_equal(why, gai_strerror(EAI_NONAME));
}

static void nobody_waits_longer_than_told(void **state)
{
    drs_names_t *names = drs_names_create("redis.test", 7000, *state);
    apr_interval_time_t start = drs_clock_now();

    set_resolver(1, 0, 1);
    assert_int_equal(find(names, 100 * MS), -1);
    assert_in_range(drs_clock_now() - start, 100 * MS, 1000 * MS);
    assert_int_equal(find(names, 0), -1);
    assert_int_equal(asked(), 1);

    set_resolver(0, 0, 3);
    await_silence();
    set_resolver(0, EAI_AGAIN, 3);
    assert_int_equal(find(names, LONG), 3);
}

static void what_was_found_last_serves_while_nobody_answers(void **state)
{
    drs_names_t *names = drs_names_create("redis.test", 7000, *state);
    apr_interval_time_t start;
    int i;

    assert_int_equal(find(names, LONG), 1);
    set_resolver(0, EAI_AGAIN, 2);
    assert_int_equal(find(names, LONG), 1);

    set_resolver(1, 0, 4);
    start = drs_clock_now();
    assert_int_equal(find(names, 200 * MS), 1);
    assert_in_range(drs_clock_now() - start, 100 * MS, 1000 * MS);
    start = drs_clock_now();
    for (i = 0; i < 10; i++) assert_int_equal(find(names, LONG), 1);
    assert_in_range(drs_clock_now() - start, 0, 1000 * MS);

    set_resolver(0, 0, 4);
    await_silence();
    assert_int_equal(find(names, LONG), 4);
}

static void *find_once(void *names)
{
    return (void *)(intptr_t)find(names, LONG);
}

static void many_callers_are_one_question(void **state)
{
    drs_names_t *names = drs_names_create("redis.test", 7000, *state);
    pthread_t callers[CALLERS];
    void *octet;
    int i;

    set_resolver(1, 0, 6);
    for (i = 0; i < CALLERS; i++) {
        pthread_create(&callers[i], NULL, find_once, names);
    }
    usleep(50 * MS);
    set_resolver(0, 0, 6);
    for (i = 0; i < CALLERS; i++) {
        pthread_join(callers[i], &octet);
        assert_int_equal((intptr_t)octet, 6);
    }
    assert_int_equal(resolver.most, 1);
}

static void who_goes_while_somebody_asks_leaves_nothing_behind(void **state)
{
    drs_names_t *names = drs_names_create("redis.test", 7000, *state);

    set_resolver(1, 0, 1);
    assert_int_equal(find(names, MS), -1);
    apr_pool_destroy(*state);
    *state = NULL;
    set_resolver(0, 0, 1);
    await_silence();
}

/* A handler of httpd that ran there would find no request and no pool. */
static void who_asks_hears_no_signal(void **state)
{
    drs_names_t *names = drs_names_create("redis.test", 7000, *state);

    set_resolver(0, 0, 1);
    resolver.heard = 0;
    assert_int_equal(find(names, LONG), 1);
    assert_int_equal(resolver.heard, 0);
}

static void of_many_addresses_the_first_are_kept(void **state)
{
    drs_names_t *names = drs_names_create("redis.test", 7000, *state);
    drs_address_t list[2 * DRS_ADDRESSES_MAX];
    const char *why = NULL;

    set_resolver(0, 0, 1);
    resolver.more = 2 * DRS_ADDRESSES_MAX - 1;
    assert_int_equal(drs_names_find(names, LONG, list, &why),
                     DRS_ADDRESSES_MAX);
    resolver.more = 0;
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, make_pool, destroy_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_is_asked_about_an_address),
        TEST(a_name_is_asked_for_anew_each_time),
        TEST(an_unknown_name_is_told),
        TEST(nobody_waits_longer_than_told),
        TEST(what_was_found_last_serves_while_nobody_answers),
        TEST(many_callers_are_one_question),
        TEST(who_goes_while_somebody_asks_leaves_nothing_behind),
        TEST(who_asks_hears_no_signal),
        TEST(of_many_addresses_the_first_are_kept),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
