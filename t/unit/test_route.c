/* SPDX-License-Identifier: MIT */
/*
 * drs_route: what is asked once more and what never, and what a round trip
 * that failed means: surely not executed, perhaps, or an answer of Redis.
 * Each row of the tables is a server that fails in one way.
 */
#include "drs_route.h"

#include <pthread.h>
#include <stdio.h>

#include "rig.h"

enum { THREADS = 8, ROUNDS = 50 };

#define OWN "$3\r\nown\r\n"

/* A way to fail: the first connection does, the others answer "own". */
typedef struct row_t {
    fake_act_t act;
    int kind;
    int n;           /* commands of the trip */
    apr_status_t rv; /* of the call */
    int heard;       /* commands that the server heard */
    int kept;        /* 1 = the first connection serves the next call */
    int late;        /* 1 = no answer comes within SHORT */
} row_t;

static void check_row(rig_t *rig, const row_t *row)
{
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    int ms = row->late ? SHORT : LONG;
    drs_trip_t trip;

    fake_forget(rig->fake);
    PLAY(rig->fake, row->act, { .bytes = OWN });
    PLAY(rig->fake, { .bytes = OWN });
    assert_int_equal(rig_travel(rig, route, row->kind, row->n, ms, &trip),
                     row->rv);
    rig_took(rig, 0, row->late ? SHORT : 0);
    assert_int_equal(trip.replies[0] != NULL, row->rv == APR_SUCCESS);
    assert_int_equal(rig->why.text[0] == '\0', row->rv == APR_SUCCESS);
    drs_route_free(&trip);
    assert_int_equal(fake_await(rig->fake, row->heard), row->heard);
    rig_must_work(rig, route);
    assert_int_equal(fake_command(rig->fake, row->heard)->connection,
                     row->kept ? 0 : 1);
}

static void check_rows(void **state, const row_t *rows, size_t n)
{
    size_t i;

    for (i = 0; i < n; i++) {
        check_row(*state, &rows[i]);
    }
}

static void a_read_is_repeated_when_the_connection_closed(void **state)
{
    static const row_t rows[] = {
        /* clang-format off */
        { { .end = FAKE_CLOSE }, READ, 1, APR_SUCCESS, 2, 0, 0 },
        { { .end = FAKE_RESET }, READ, 1, APR_SUCCESS, 2, 0, 0 },
        { { .bytes = "$3\r\no", .end = FAKE_CLOSE }, READ, 1, APR_SUCCESS, 2,
          0, 0 },
        { { .bytes = "$3\r\nold\r", .end = FAKE_RESET }, READ, 1, APR_SUCCESS,
          2, 0, 0 },
        { { .bytes = "$3\r\nold\r\n", .end = FAKE_CLOSE }, READ, 2,
          APR_SUCCESS, 3, 0, 0 },
        /* clang-format on */
    };

    check_rows(state, rows, COUNT(rows));
}

static void a_write_is_never_repeated_after_it_was_sent(void **state)
{
    static const row_t rows[] = {
        /* clang-format off */
        { { .end = FAKE_CLOSE }, WRITE, 1, DRS_EUNSURE, 1, 0, 0 },
        { { .end = FAKE_RESET }, WRITE, 1, DRS_EUNSURE, 1, 0, 0 },
        { { .bytes = "$3\r\no", .end = FAKE_CLOSE }, WRITE, 1, DRS_EUNSURE, 1,
          0, 0 },
        { { .bytes = "$3\r\nold\r", .end = FAKE_RESET }, WRITE, 1,
          DRS_EUNSURE, 1, 0, 0 },
        { { .bytes = "-", .end = FAKE_CLOSE }, WRITE, 1, DRS_EUNSURE, 1, 0, 0 },
        { { .bytes = NULL }, WRITE, 1, DRS_EUNSURE, 1, 0, 1 },
        { { .bytes = "$3\r\nol" }, WRITE, 1, DRS_EUNSURE, 1, 0, 1 },
        { { .bytes = OWN, .wait = 3 * SHORT }, WRITE, 1, DRS_EUNSURE, 1, 0, 1 },
        { { .bytes = OWN, .drip = SHORT / 4 }, WRITE, 1, DRS_EUNSURE, 1, 0, 1 },
        { { .bytes = ":1\r\n" }, WRITE, 1, DRS_EUNSURE, 1, 0, 0 },
        { { .bytes = "?\r\n" }, WRITE, 1, DRS_EUNSURE, 1, 0, 0 },
        { { .bytes = OWN OWN }, WRITE, 1, DRS_EUNSURE, 1, 0, 0 },
        /* clang-format on */
    };

    check_rows(state, rows, COUNT(rows));
}

static void a_read_is_not_repeated_when_time_or_sense_is_lacking(void **state)
{
    static const row_t rows[] = {
        /* clang-format off */
        { { .bytes = NULL }, READ, 1, DRS_EDOWN, 1, 0, 1 },
        { { .bytes = "$3\r\nol" }, READ, 1, DRS_EDOWN, 1, 0, 1 },
        { { .bytes = OWN, .wait = 3 * SHORT }, READ, 1, DRS_EDOWN, 1, 0, 1 },
        { { .bytes = OWN, .drip = SHORT / 4 }, READ, 1, DRS_EDOWN, 1, 0, 1 },
        { { .wait = SHORT * 3 / 4, .end = FAKE_CLOSE }, READ, 1, DRS_EDOWN, 1,
          0, 1 },
        { { .bytes = ":1\r\n" }, READ, 1, DRS_EREPLY, 1, 0, 0 },
        { { .bytes = "?\r\n" }, READ, 1, DRS_EREPLY, 1, 0, 0 },
        { { .bytes = OWN OWN }, READ, 1, DRS_EREPLY, 1, 0, 0 },
        { { .bytes = OWN "$" }, READ, 1, DRS_EREPLY, 1, 0, 0 },
        { { .bytes = "*1\r\n*1\r\n*1\r\n" }, READ, 1, DRS_EREPLY, 1, 0, 0 },
        /* clang-format on */
    };

    check_rows(state, rows, COUNT(rows));
}

/* They say that nothing was executed, and that elsewhere it may be. */
static void
what_redis_did_not_execute_is_asked_on_a_new_connection(void **state)
{
    static const char *const words[] = {
        "-READONLY You can't write against a read only replica.\r\n",
        "-NOAUTH Authentication required.\r\n",
        "-MASTERDOWN Link with MASTER is down\r\n",
        "-ERR max number of clients reached\r\n",
        "-ERR max number of clients + cluster connections reached\r\n",
        "-ERR Protocol error: unauthenticated multibulk length\r\n",
    };
    size_t i;

    for (i = 0; i < COUNT(words); i++) {
        const row_t rows[] = {
            /* clang-format off */
            { { .bytes = words[i] }, READ, 1, APR_SUCCESS, 2, 0, 0 },
            { { .bytes = words[i] }, WRITE, 1, APR_SUCCESS, 2, 0, 0 },
            { { .bytes = words[i], .end = FAKE_CLOSE }, WRITE, 1, APR_SUCCESS,
              2, 0, 0 },
            /* clang-format on */
        };

        check_rows(state, rows, COUNT(rows));
    }
}

/* They say so too, and that it is the same everywhere. */
static void what_redis_refuses_is_down_and_asked_once(void **state)
{
    static const char *const words[] = {
        /* clang-format off */
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        "-NOPERM this user has no permissions\r\n",
        "-WRONGPASS invalid username-password pair\r\n",
        "-NOREPLICAS Not enough good replicas to write.\r\n",
        "-MISCONF Redis is configured to save RDB snapshots\r\n",
        "-BUSY Redis is busy running a script.\r\n",
        "-MOVED 3999 127.0.0.1:6381\r\n", "-ASK 3999 127.0.0.1:6381\r\n",
        "-CLUSTERDOWN The cluster is down\r\n",
        "-TRYAGAIN Multiple keys request\r\n",
        "-EXECABORT Transaction discarded\r\n", "-OOM\r\n",
        "-DENIED Redis is running in protected mode\r\n",
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < COUNT(words); i++) {
        const row_t rows[] = {
            { { .bytes = words[i] }, READ, 1, DRS_EDOWN, 1, 1, 0 },
            { { .bytes = words[i] }, WRITE, 1, DRS_EDOWN, 1, 1, 0 },
        };

        check_rows(state, rows, COUNT(rows));
    }
}

/* It may have done half of its work before that. */
static void a_script_denied_a_command_is_unsure(void **state)
{
    static const char *const words[] = {
        "-ERR The user executing the script can't run this command or "
        "subcommand script: 5f, on @user_script:12.\r\n",
        "-ERR ACL failure in script: User drs has no permissions to run "
        "the 'pexpire' command script: 5f, on @user_script:12.\r\n",
        "-ERR Unknown Redis command called from script script: 5f, on "
        "@user_script:12.\r\n",
        "-ERR Unknown command called from script script: 5f, on "
        "@user_script:12.\r\n",
    };
    size_t i;

    for (i = 0; i < COUNT(words); i++) {
        const row_t rows[] = {
            { { .bytes = words[i] }, WRITE, 1, DRS_EUNSURE, 1, 1, 0 },
        };

        check_rows(state, rows, COUNT(rows));
    }
}

/* A word nobody knows is an answer, and the caller's. */
static void any_other_error_is_an_answer(void **state)
{
    static const char *const words[] = {
        /* clang-format off */
        "-WRONGTYPE Operation against a key\r\n", "-ERR syntax error\r\n",
        "-NOSCRIPT No matching script.\r\n", "-LOADINGS x\r\n", "-OOMPH\r\n",
        "-BUSYKEY Target key name already exists.\r\n", "-ASKING\r\n", "-\r\n",
        "-loading\r\n", "- LOADING\r\n", "-ERR LOADING\r\n", "-MOVEDX 1 a\r\n",
        "-ERR max number\r\n",
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < COUNT(words); i++) {
        const row_t rows[] = {
            { { .bytes = words[i] }, READ, 1, APR_SUCCESS, 1, 1, 0 },
            { { .bytes = words[i] }, WRITE, 1, APR_SUCCESS, 1, 1, 0 },
        };

        check_rows(state, rows, COUNT(rows));
    }
}

static void who_is_turned_away_twice_is_down(void **state)
{
    rig_t *rig = *state;
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    drs_trip_t trip;

    PLAY(rig->fake, { .bytes = "-READONLY no\r\n" });
    assert_int_equal(rig_travel(rig, route, WRITE, 1, LONG, &trip), DRS_EDOWN);
    assert_null(trip.replies[0]);
    assert_int_equal(fake_await(rig->fake, 2), 2);
    assert_int_equal(fake_connections(rig->fake, 2), 2);
    assert_int_equal(fake_open(rig->fake, 0), 0);
}

/* Before a command was read there was none: writes may go again. */
static void an_unasked_refusal_is_no_execution(void **state)
{
    rig_t *rig = *state;
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    drs_trip_t trip;

    PLAY(rig->fake, { .bytes = "-ERR max number of clients reached\r\n",
                      .unasked = 1,
                      .end = FAKE_CLOSE });
    PLAY(rig->fake, { .bytes = OWN });
    assert_int_equal(rig_travel(rig, route, WRITE, 2, LONG, &trip),
                     APR_SUCCESS);
    assert_string_equal(trip.replies[1]->str, "own");
    drs_route_free(&trip);
    assert_int_equal(fake_heard(rig->fake), 2);
}

static void the_repetition_has_no_deadline_of_its_own(void **state)
{
    rig_t *rig = *state;
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    drs_trip_t trip;

    PLAY(rig->fake, { .wait = 100, .end = FAKE_CLOSE });
    PLAY(rig->fake, { .bytes = NULL });
    assert_int_equal(rig_travel(rig, route, READ, 1, 300, &trip), DRS_EDOWN);
    rig_took(rig, 300, 300);
    assert_int_equal(fake_heard(rig->fake), 2);
}

static void a_repetition_that_finds_no_server_is_down(void **state)
{
    rig_t *rig = *state;
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    drs_trip_t trip;

    fake_die(rig->fake);
    assert_int_equal(rig_travel(rig, route, READ, 1, LONG, &trip), DRS_EDOWN);
    rig_took(rig, 0, 0);
    assert_int_equal(rig_travel(rig, route, WRITE, 1, LONG, &trip), DRS_EDOWN);
    assert_null(trip.replies[0]);
}

/* What came after the refused MULTI ran at once: its answer is a value. */
static void a_refused_multi_that_others_survived_is_unsure(void **state)
{
    rig_t *rig = *state;
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    drs_trip_t trip;

    PLAY(rig->fake, { .bytes = "-NOPERM no\r\n" }, { .bytes = OWN },
         { .bytes = "-ERR EXEC without MULTI\r\n" },
         { .bytes = "-NOAUTH no\r\n" }, { .bytes = OWN },
         { .bytes = "-ERR EXEC without MULTI\r\n" },
         { .bytes = "-ERR unknown command\r\n" }, { .bytes = OWN },
         { .bytes = "-ERR EXEC without MULTI\r\n" });
    assert_int_equal(rig_travel(rig, route, WRITE, 3, LONG, &trip),
                     DRS_EUNSURE);
    assert_int_equal(rig_travel(rig, route, WRITE, 3, LONG, &trip),
                     DRS_EUNSURE);
    assert_int_equal(fake_heard(rig->fake), 6);
}

static void a_refused_command_of_a_transaction_is_down(void **state)
{
    rig_t *rig = *state;
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    drs_trip_t trip;

    PLAY(rig->fake, { .bytes = OWN }, { .bytes = "-NOPERM no\r\n" },
         { .bytes = "-EXECABORT no\r\n" }, { .bytes = "-NOPERM no\r\n" });
    assert_int_equal(rig_travel(rig, route, WRITE, 3, LONG, &trip), DRS_EDOWN);
    assert_int_equal(rig_travel(rig, route, WRITE, 3, LONG, &trip), DRS_EDOWN);
    assert_int_equal(rig_travel(rig, route, READ, 3, LONG, &trip), DRS_EDOWN);
    assert_int_equal(fake_heard(rig->fake), 9);
    assert_int_equal(fake_connections(rig->fake, 1), 1);
}

/* What a route tells upwards: the last outcome, and how many there were. */
typedef struct told_t {
    apr_status_t rv;
    int recovered;
    int unasked;
    int times;
    char text[200];
} told_t;

static void hear(void *baton, apr_status_t rv, int recovered,
                 const drs_why_t *why)
{
    told_t *told = baton;

    told->rv = rv;
    told->recovered = recovered;
    told->unasked = why->unasked;
    told->times++;
    apr_cpystrn(told->text, why->text, sizeof(told->text));
}

static void each_outcome_is_told_once(void **state)
{
    rig_t *rig = *state;
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    told_t told = { APR_EGENERAL, 0, 0, 0, "" };
    drs_trip_t trip;
    int i;

    rig->conf.on_trip = hear;
    rig->conf.baton = &told;
    PLAY(rig->fake, { .end = FAKE_CLOSE });
    PLAY(rig->fake, { .bytes = OWN });
    assert_int_equal(rig_travel(rig, route, READ, 1, LONG, &trip), APR_SUCCESS);
    drs_route_free(&trip);
    assert_int_equal(told.rv, APR_SUCCESS);
    assert_int_equal(told.times, 1);

    fake_die(rig->fake);
    for (i = 0; i < 4; i++) {
        assert_int_equal(rig_travel(rig, route, WRITE, 1, LONG, &trip),
                         DRS_EDOWN);
        assert_int_equal(told.rv, DRS_EDOWN);
        assert_string_equal(told.text, rig->why.text);
        assert_int_equal(told.unasked, i == 3);
    }
    fake_rise(rig->fake);
    PLAY(rig->fake, { .bytes = OWN });
    fake_sleep(260);
    for (i = 0; i < 2; i++) {
        assert_int_equal(told.recovered, 0);
        assert_int_equal(rig_travel(rig, route, READ, 1, LONG, &trip),
                         APR_SUCCESS);
        drs_route_free(&trip);
        assert_int_equal(told.recovered, i == 0);
        told.recovered = 0;
    }
    assert_int_equal(told.times, 7);
}

/* Who is no client of clusters says what would be one. */
static void a_member_of_a_cluster_is_named_as_such(void **state)
{
    static const char *const words[] = { "-MOVED 1 127.0.0.1:1\r\n",
                                         "-ASK 1 127.0.0.1:1\r\n",
                                         "-CLUSTERDOWN x\r\n",
                                         "-TRYAGAIN x\r\n" };
    rig_t *rig = *state;
    drs_trip_t trip;
    size_t i;

    for (i = 0; i < COUNT(words); i++) {
        drs_route_t *route = drs_route_create(&rig->conf, rig->p);

        fake_forget(rig->fake);
        PLAY(rig->fake, { .bytes = words[i] });
        assert_int_equal(rig_travel(rig, route, WRITE, 1, LONG, &trip),
                         DRS_EDOWN);
        assert_non_null(strstr(rig->why.text, "cluster://"));
    }
}

static void three_silences_open_the_breaker(void **state)
{
    rig_t *rig = *state;
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    apr_interval_time_t least = APR_USEC_PER_SEC;
    drs_trip_t trip;
    int i;

    for (i = 0; i < 3; i++) {
        assert_int_equal(rig_travel(rig, route, i % 2, 1, 50, &trip),
                         i % 2 ? DRS_EUNSURE : DRS_EDOWN);
        rig_took(rig, 50, 50);
    }
    for (i = 0; i < 10; i++) {
        assert_int_equal(rig_travel(rig, route, i % 2, 1, LONG, &trip),
                         DRS_EDOWN);
        if (rig_spent(rig) < least) least = rig_spent(rig);
    }
    assert_true(least < rig_slack() / 100);
    assert_int_equal(fake_heard(rig->fake), 3);
    fake_forget(rig->fake);
    PLAY(rig->fake, { .bytes = OWN });
    fake_sleep(260);
    rig_must_work(rig, route);
    rig_must_work(rig, route);
}

static void a_server_that_answers_nonsense_or_no_is_asked_on(void **state)
{
    static char much[MOST + 1];
    static const char *const answers[] = { OWN OWN, ":1\r\n", much,
                                           "-LOADING no\r\n",
                                           "-READONLY no\r\n" };
    rig_t *rig = *state;
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    drs_trip_t trip;
    size_t i;
    int k;

    memset(much, '1', MOST);
    for (i = 0; i < COUNT(answers); i++) {
        fake_forget(rig->fake);
        PLAY(rig->fake, { .bytes = answers[i] });
        for (k = 0; k < 5; k++) {
            apr_status_t rv = rig_travel(rig, route, READ, 1, LONG, &trip);

            assert_int_equal(rv, i < 3 ? DRS_EREPLY : DRS_EDOWN);
            assert_null(strstr(rig->why.text, "not asked"));
        }
    }
}

/* What all threads share, and what they found wrong. */
typedef struct crowd_t {
    drs_route_t *route;
    pthread_mutex_t lock;
    int answered;
    int wrong;
} crowd_t;

/* 1 = answered. Who is refused at once does not ask on at once. */
static int ask_own(crowd_t *crowd, const char *word, int writes)
{
    const char *argv[] = { "HGET", "k", word };
    drs_command_t command = { 3, argv, NULL, REDIS_REPLY_STRING, 0 };
    drs_trip_t trip;
    drs_why_t why;
    apr_status_t rv;
    int wrong;

    memset(&trip, 0, sizeof(trip));
    trip.commands = &command;
    trip.n = 1;
    trip.writes = writes;
    trip.most = MOST;
    trip.deadline = drs_clock_now() + 100 * MS;
    rv = drs_route_call(crowd->route, &trip, &why);
    wrong = rv == APR_SUCCESS
                ? strcmp(trip.replies[0]->str, word) != 0
                : rv != DRS_EDOWN && rv != (writes ? DRS_EUNSURE : DRS_EREPLY);
    pthread_mutex_lock(&crowd->lock);
    crowd->answered += rv == APR_SUCCESS;
    crowd->wrong += wrong;
    pthread_mutex_unlock(&crowd->lock);
    drs_route_free(&trip);
    if (rv != APR_SUCCESS) fake_sleep(5);
    return rv == APR_SUCCESS;
}

static void *ask_often(void *data)
{
    apr_interval_time_t end = drs_clock_now() + 10 * APR_USEC_PER_SEC;
    char word[64];
    int answered = 0;
    int i;

    for (i = 0; answered < ROUNDS && drs_clock_now() < end; i++) {
        snprintf(word, sizeof(word), "%p-%d", (void *)word, i);
        answered += ask_own(data, word, i % 2);
    }
    return NULL;
}

static void nobody_gets_the_answer_of_another(void **state)
{
    rig_t *rig = *state;
    pthread_t threads[THREADS];
    crowd_t crowd;
    int i;

    memset(&crowd, 0, sizeof(crowd));
    pthread_mutex_init(&crowd.lock, NULL);
    crowd.route = drs_route_create(&rig->conf, rig->p);
    PLAY(rig->fake, { .echo = 1 }, { .echo = 1 }, { .echo = 1, .bytes = OWN });
    PLAY(rig->fake, { .echo = 1 }, { .echo = 1 }, { .end = FAKE_CLOSE });
    PLAY(rig->fake, { .echo = 1 }, { .echo = 1, .wait = 150 });
    PLAY(rig->fake, { .echo = 1 }, { .bytes = "$70\r\n", .end = FAKE_RESET });
    PLAY(rig->fake, { .echo = 1 }, { .echo = 1 }, { .echo = 1 },
         { .echo = 1, .end = FAKE_CLOSE });
    for (i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &crowd),
                         0);
    }
    for (i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_mutex_destroy(&crowd.lock);
    assert_int_equal(crowd.wrong, 0);
    assert_int_equal(crowd.answered, THREADS * ROUNDS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(a_read_is_repeated_when_the_connection_closed),
        TCP(a_write_is_never_repeated_after_it_was_sent),
        UNIX(a_write_is_never_repeated_after_it_was_sent),
        TCP(a_read_is_not_repeated_when_time_or_sense_is_lacking),
        TCP(what_redis_did_not_execute_is_asked_on_a_new_connection),
        TCP(what_redis_refuses_is_down_and_asked_once),
        TCP(a_script_denied_a_command_is_unsure),
        TCP(any_other_error_is_an_answer),
        TCP(who_is_turned_away_twice_is_down),
        TCP(an_unasked_refusal_is_no_execution),
        TCP(the_repetition_has_no_deadline_of_its_own),
        TCP(a_repetition_that_finds_no_server_is_down),
        TCP(a_refused_multi_that_others_survived_is_unsure),
        TCP(a_refused_command_of_a_transaction_is_down),
        TCP(three_silences_open_the_breaker),
        TCP(each_outcome_is_told_once),
        TCP(a_member_of_a_cluster_is_named_as_such),
        TCP(a_server_that_answers_nonsense_or_no_is_asked_on),
        TCP(nobody_gets_the_answer_of_another),
        UNIX(nobody_gets_the_answer_of_another),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("route", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
