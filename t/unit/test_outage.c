/* SPDX-License-Identifier: MIT */
/*
 * drs_outage: which lines an outage makes and which requests are named in
 * them. The clock is the test's, and so is the error log.
 */
#include "drs_outage.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <apr_general.h>
#include <http_config.h>
#include <http_log.h>
#include <cmocka.h>

#include "drs_conf.h"

enum { LINES = 64, THREADS = 8, ROUNDS = 20000 };

module AP_MODULE_DECLARE_DATA drsession_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, NULL, 0
};

typedef struct line_t {
    int level;
    char text[300];
} line_t;

static line_t lines[LINES];
static int n_lines;
static apr_interval_time_t now;

apr_interval_time_t __wrap_drs_clock_now(void);

apr_interval_time_t __wrap_drs_clock_now(void)
{
    return now;
}

static void keep(int level, const char *fmt, va_list args)
{
    assert_true(n_lines < LINES);
    lines[n_lines].level = level & APLOG_LEVELMASK;
    vsnprintf(lines[n_lines].text, sizeof(lines[0].text), fmt, args);
    n_lines++;
}

/* Called under the lock of the outage only, so no two threads meet here. */
void ap_log_error_(const char *file, int line, int module_index, int level,
                   apr_status_t status, const server_rec *s, const char *fmt,
                   ...)
{
    va_list args;

    (void)file;
    (void)line;
    (void)module_index;
    (void)status;
    (void)s;
    va_start(args, fmt);
    keep(level, fmt, args);
    va_end(args);
}

void ap_log_rerror_(const char *file, int line, int module_index, int level,
                    apr_status_t status, const request_rec *r, const char *fmt,
                    ...)
{
    va_list args;

    (void)file;
    (void)line;
    (void)module_index;
    (void)status;
    (void)r;
    va_start(args, fmt);
    keep(level, fmt, args);
    va_end(args);
}

typedef struct site_t {
    apr_pool_t *p;
    server_rec server;
    request_rec r;
    drs_url_t url;
    drs_route_conf_t conf;
    drs_outage_t *outage;
} site_t;

static int start(void **state)
{
    apr_pool_t *p = NULL;
    drs_conf_server_t *conf;
    site_t *site;

    if (apr_initialize() != APR_SUCCESS) return 1;
    if (apr_pool_create(&p, NULL) != APR_SUCCESS) return 1;
    site = apr_pcalloc(p, sizeof(*site));
    site->p = p;
    site->server.module_config = apr_pcalloc(p, 8 * sizeof(void *));
    site->r.server = &site->server;
    site->r.pool = p;
    site->r.log = &site->server.log;
    site->server.log.level = APLOG_TRACE8;
    drsession_module.module_index = 1;
    conf = apr_pcalloc(p, sizeof(*conf));
    ap_set_module_config(site->server.module_config, &drsession_module, conf);
    site->url.name = "redis://h:1";
    site->url.path = "/h";
    site->conf.server.url = &site->url;
    site->conf.pool.max = 1;
    conf->route = drs_outage_watch(&site->conf, &site->server, p);
    site->outage = drs_route_baton(conf->route);
    n_lines = 0;
    now = 1000 * APR_USEC_PER_SEC;
    *state = site;
    return 0;
}

static int stop(void **state)
{
    apr_pool_destroy(((site_t *)*state)->p);
    apr_terminate();
    return 0;
}

static void pass(int ms)
{
    now += (apr_interval_time_t)ms * 1000;
}

static void fail_once(site_t *site, const char *why)
{
    drs_why_t said = { "", 0 };

    snprintf(said.text, sizeof(said.text), "%s", why);
    said.unasked = strcmp(why, "unasked") == 0;
    drs_outage_note(site->outage, DRS_EDOWN, 0, &said);
}

static void answer(site_t *site, int recovered)
{
    const drs_why_t none = { "", 0 };

    drs_outage_note(site->outage, APR_SUCCESS, recovered, &none);
}

/* The next line that was not looked at; there has to be no other. */
static void said(int level, const char *text)
{
    assert_int_equal(n_lines, 1);
    assert_int_equal(lines[0].level, level);
    assert_string_equal(lines[0].text, text);
    n_lines = 0;
}

static void a_server_that_is_well_is_not_spoken_of(void **state)
{
    answer(*state, 0);
    answer(*state, 1);
    assert_int_equal(n_lines, 0);
}

static void an_outage_is_told_when_it_begins_and_ends(void **state)
{
    site_t *site = *state;
    int i;

    fail_once(site, "h: refused");
    said(APLOG_ERR, "sessions are down: h: refused");
    for (i = 0; i < 30; i++) {
        pass(100);
        fail_once(site, "unasked");
    }
    assert_int_equal(n_lines, 0);
    answer(site, 1);
    said(APLOG_NOTICE, "sessions are up again after 3.0 s, 31 calls failed: "
                       "redis://h:1 answers");
    answer(site, 0);
    answer(site, 1);
    assert_int_equal(n_lines, 0);
    fail_once(site, "h: again");
    said(APLOG_ERR, "sessions are down: h: again");
}

static void a_long_outage_is_told_every_five_seconds(void **state)
{
    site_t *site = *state;
    int i;

    fail_once(site, "h: refused");
    n_lines = 0;
    for (i = 1; i <= 49999; i++) {
        now += 100;
        fail_once(site, i == 40000 ? "h: late" : "unasked");
    }
    assert_int_equal(n_lines, 0);
    now += 100;
    fail_once(site, "unasked");
    said(APLOG_ERR, "sessions are down for 5.0 s, 50001 calls failed; the "
                    "last: h: late");
    pass(4999);
    fail_once(site, "unasked");
    assert_int_equal(n_lines, 0);
    pass(1);
    fail_once(site, "h: loading");
    said(APLOG_ERR, "sessions are down for 10.0 s, 50003 calls failed; the "
                    "last: h: loading");
}

/* Reads that go on while writes are refused are no end of it. */
static void answers_in_between_are_no_end(void **state)
{
    site_t *site = *state;
    int i;

    fail_once(site, "h: OOM");
    n_lines = 0;
    for (i = 0; i < 1000; i++) {
        answer(site, 0);
        fail_once(site, "h: OOM");
    }
    pass(4999);
    answer(site, 0);
    assert_int_equal(n_lines, 0);
    pass(1);
    answer(site, 0);
    said(APLOG_NOTICE, "sessions are up again after 0.0 s, 1001 calls "
                       "failed: redis://h:1 answers");
}

/* A request fails; 1 = it is named as an error, 0 = for debugging only. */
static int is_named(site_t *site, apr_status_t rv)
{
    int before = n_lines;
    int level;

    drs_outage_complain(&site->r, rv, "%s: %d", "/uri", 7);
    assert_int_equal(n_lines, before + 1);
    n_lines = before;
    level = lines[n_lines].level;
    assert_string_equal(lines[n_lines].text, "/uri: 7");
    assert_true(level == APLOG_ERR || level == APLOG_DEBUG);
    return level == APLOG_ERR;
}

static void the_first_request_and_one_a_minute_are_examples(void **state)
{
    site_t *site = *state;
    int i;

    fail_once(site, "h: refused");
    assert_true(is_named(site, DRS_EDOWN));
    for (i = 0; i < 59; i++) {
        pass(1000);
        fail_once(site, "unasked");
        assert_false(is_named(site, i % 2 ? DRS_EDOWN : DRS_EUNSURE));
    }
    pass(1000);
    assert_true(is_named(site, DRS_EUNSURE));
    answer(site, 1);
    fail_once(site, "h: again");
    assert_true(is_named(site, DRS_EDOWN));
    assert_false(is_named(site, DRS_EDOWN));
}

/* What says nothing about the server is nobody's example. */
static void other_failures_are_always_named(void **state)
{
    static const apr_status_t others[] = { DRS_EVALUE, DRS_ESENT, DRS_EGONE,
                                           APR_EGENERAL };
    site_t *site = *state;
    size_t i;
    int k;

    for (k = 0; k < 3; k++) assert_true(is_named(site, DRS_EREPLY));
    fail_once(site, "h: refused");
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        for (k = 0; k < 3; k++) assert_true(is_named(site, others[i]));
    }
}

/* Whoever may fill a session can make one that is too long to be read. */
static void unfit_replies_are_named_once_and_counted(void **state)
{
    site_t *site = *state;
    int i;

    for (i = 0; i < 50; i++) {
        drs_why_t why = { "h: unfit", 0 };

        drs_outage_note(site->outage, DRS_EREPLY, 0, &why);
        if (i == 0) n_lines = 0;
        assert_int_equal(is_named(site, DRS_EREPLY), i == 0);
        answer(site, 0);
    }
    assert_int_equal(n_lines, 0);
}

static void what_is_not_logged_is_not_written(void **state)
{
    site_t *site = *state;

    fail_once(site, "h: refused");
    assert_true(is_named(site, DRS_EDOWN));
    n_lines = 0;
    site->server.log.level = APLOG_INFO;
    drs_outage_complain(&site->r, DRS_EDOWN, "%s", "/uri");
    assert_int_equal(n_lines, 0);
}

static void *fail_often(void *data)
{
    site_t *site = data;
    int i;

    for (i = 0; i < ROUNDS; i++) {
        fail_once(site, "unasked");
        answer(site, 0);
    }
    return NULL;
}

static void threads_count_together(void **state)
{
    site_t *site = *state;
    pthread_t threads[THREADS];
    int i;

    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, fail_often, *state),
                         0);
    }
    for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    said(APLOG_ERR, "sessions are down: unasked");
    answer(site, 1);
    said(APLOG_NOTICE, "sessions are up again after 0.0 s, 160000 calls "
                       "failed: redis://h:1 answers");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_server_that_is_well_is_not_spoken_of),
        TEST(an_outage_is_told_when_it_begins_and_ends),
        TEST(a_long_outage_is_told_every_five_seconds),
        TEST(answers_in_between_are_no_end),
        TEST(the_first_request_and_one_a_minute_are_examples),
        TEST(other_failures_are_always_named),
        TEST(unfit_replies_are_named_once_and_counted),
        TEST(what_is_not_logged_is_not_written),
        TEST(threads_count_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
