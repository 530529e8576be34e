/* SPDX-License-Identifier: MIT */
/*
 * drs_redis: how a connection is opened and entered, what a child or a log
 * never sees of it.
 */
#include "drs_redis.h"

#include "rig.h"

static apr_status_t open_for(rig_t *rig, int ms)
{
    return drs_redis_open(rig->redis, rig_in(rig, ms), &rig->why);
}

static void a_server_that_is_not_there_is_down_at_once(void **state)
{
    rig_t *rig = *state;

    fake_die(rig->fake);
    assert_int_equal(open_for(rig, LONG), DRS_EDOWN);
    rig_took(rig, 0, 0);
    assert_false(drs_redis_is_open(rig->redis));
    assert_non_null(strstr(rig->why.text, "cannot connect to "));
    fake_rise(rig->fake);
    rig_open(rig);
}

static void connecting_ends_at_the_deadline(void **state)
{
    rig_t *rig = *state;

    fake_freeze(rig->fake);
    assert_int_equal(open_for(rig, SHORT), DRS_EDOWN);
    rig_took(rig, SHORT, SHORT);
    rig->conf.server.connect = 60 * MS;
    assert_int_equal(open_for(rig, LONG), DRS_EDOWN);
    rig_took(rig, 60, 60);
    assert_false(drs_redis_is_open(rig->redis));
}

static void user_password_and_database_come_first(void **state)
{
    rig_t *rig = *state;

    rig->conf.server.user = "drs";
    rig->conf.server.pass = "sec ret";
    rig->url.db = 7;
    PLAY(rig->fake, { .bytes = "+OK\r\n" }, { .bytes = "+OK\r\n" },
         { .bytes = "$3\r\none\r\n" });
    rig_open(rig);
    assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_DONE);
    assert_string_equal(rig->replies[0]->str, "one");
    assert_int_equal(fake_heard(rig->fake), 3);
    assert_int_equal(fake_command(rig->fake, 0)->argc, 3);
    assert_string_equal(fake_command(rig->fake, 0)->text, "AUTH drs sec ret");
    assert_string_equal(fake_command(rig->fake, 1)->text, "SELECT 7");
    drs_redis_close(rig->redis);
    rig->conf.server.user = NULL;
    rig_open(rig);
    assert_string_equal(fake_command(rig->fake, 3)->text, "AUTH sec ret");
}

static void a_greeting_that_is_not_answered_ok_is_down(void **state)
{
    static const char *const answers[] = {
        /* clang-format off */
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        "-ERR DB index is out of range\r\n", "-NOPERM no\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        ":1\r\n", "$2\r\nOK\r\n", "$-1\r\n", "*0\r\n", "*1\r\n+OK\r\n",
        "+OK\r\n+OK\r\n", "+QUEUED\r\n", "+\r\n", "OK\r\n", "\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        /* clang-format on */
    };
    rig_t *rig = *state;
    size_t i;

    for (i = 0; i < 2 * COUNT(answers); i++) {
        fake_forget(rig->fake);
        rig->conf.server.pass = i % 2 == 0 ? "hunter2" : NULL;
        rig->url.db = (int)(i % 2);
        PLAY(rig->fake, { .bytes = answers[i / 2] });
        rig->why.text[0] = '\0';
        assert_int_equal(open_for(rig, LONG), DRS_EDOWN);
        rig_took(rig, 0, 0);
        assert_false(drs_redis_is_open(rig->redis));
        assert_int_equal(fake_heard(rig->fake), 1);
        assert_true(rig->why.text[0] != '\0');
        assert_null(strstr(rig->why.text, "hunter2"));
        assert_int_equal(fake_open(rig->fake, 0), 0);
    }
}

static void connecting_and_greeting_share_one_deadline(void **state)
{
    rig_t *rig = *state;

    rig->conf.server.pass = "pass";
    rig->url.db = 1;
    PLAY(rig->fake, { .bytes = "+OK\r\n", .wait = 80 });
    assert_int_equal(open_for(rig, SHORT), DRS_EDOWN);
    rig_took(rig, SHORT, SHORT);
    rig->conf.server.connect = SHORT * MS;
    assert_int_equal(open_for(rig, LONG), DRS_EDOWN);
    rig_took(rig, SHORT, SHORT);
    assert_int_equal(fake_open(rig->fake, 0), 0);
}

static void no_child_inherits_a_connection(void **state)
{
    rig_t *rig = *state;
    int inherited;

    assert_int_equal(rig_sockets(rig, &inherited), 0);
    rig_open(rig);
    assert_int_equal(rig_sockets(rig, &inherited), 1);
    assert_int_equal(inherited, 0);
    drs_redis_close(rig->redis);
    assert_int_equal(rig_sockets(rig, &inherited), 0);
}

static void a_pool_that_goes_closes_its_connection(void **state)
{
    rig_t *rig = *state;
    apr_pool_t *p;

    assert_int_equal(apr_pool_create(&p, NULL), APR_SUCCESS);
    rig->redis = rig_create(rig, p);
    rig_open(rig);
    assert_int_equal(fake_open(rig->fake, 1), 1);
    apr_pool_destroy(p);
    assert_int_equal(fake_open(rig->fake, 0), 0);
}

static void a_line_about_a_failure_is_one_line(void **state)
{
    rig_t *rig = *state;
    char *much = apr_palloc(rig->p, 1000);

    memset(much, 'a', 999);
    much[999] = '\0';
    much[1] = '\n';
    much[2] = '\x7f';
    much[3] = '\x1b';
    drs_redis_explain(&rig->why, "%s", much);
    assert_int_equal(strlen(rig->why.text), sizeof(rig->why.text) - 1);
    assert_memory_equal(rig->why.text, "a???a", 5);
}

static void a_quoted_error_stops_before_what_was_sent(void **state)
{
    static const char *const errors[] = {
        /* clang-format off */
        "-ERR unknown command 'secret'\r\n", "-ERR bad \"secret\"\r\n",
        "-ERR unknown command `secret`, with args\r\n",
        "-ERR Error running script: secret\r\n",
        /* clang-format on */
    };
    rig_t *rig = *state;
    size_t i;

    for (i = 0; i < COUNT(errors); i++) {
        fake_forget(rig->fake);
        PLAY(rig->fake, { .bytes = errors[i] });
        drs_redis_close(rig->redis);
        rig_open(rig);
        assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_DONE);
        drs_redis_quote(rig->redis, rig->replies[0], &rig->why);
        assert_non_null(strstr(rig->why.text, "refused: ERR "));
        assert_null(strstr(rig->why.text, "secret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(a_server_that_is_not_there_is_down_at_once),
        UNIX(a_server_that_is_not_there_is_down_at_once),
        TCP(connecting_ends_at_the_deadline),
        UNIX(connecting_ends_at_the_deadline),
        TCP(user_password_and_database_come_first),
        TCP(a_greeting_that_is_not_answered_ok_is_down),
        TCP(connecting_and_greeting_share_one_deadline),
        TCP(no_child_inherits_a_connection),
        TCP(a_pool_that_goes_closes_its_connection),
        TCP(a_line_about_a_failure_is_one_line),
        TCP(a_quoted_error_stops_before_what_was_sent),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("open", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
