/* SPDX-License-Identifier: MIT */
/*
 * drs_redis: a round trip with a server that lies. What is a fit reply, what
 * is none, and that nothing outlasts the deadline.
 */
#include "drs_redis.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "rig.h"

static void a_reply_arrives(void **state)
{
    rig_t *rig = *state;

    PLAY(rig->fake, { .bytes = "$3\r\none\r\n" });
    rig_open(rig);
    assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_DONE);
    assert_string_equal(rig->replies[0]->str, "one");
    assert_string_equal(rig->why.text, "");
    assert_int_equal(fake_heard(rig->fake), 1);
    assert_string_equal(fake_command(rig->fake, 0)->text,
                        "HGET drsession:x user");
    assert_true(drs_redis_is_quiet(rig->redis));
}

static void a_command_travels_byte_for_byte_as_one(void **state)
{
    rig_t *rig = *state;
    apr_size_t len = 1024 * 1024;
    char *every = apr_palloc(rig->p, len);
    const char *line = "x\r\nFLUSHALL\r\n*1\r\n$8\r\nFLUSHALL\r\n%s%n";
    const char *argv[] = { "HSET", "k", NULL, NULL };
    apr_size_t lens[] = { 4, 1, 0, 0 };
    drs_command_t command = { 4, argv, lens, 0, 0 };
    redisReply *reply = NULL;
    apr_size_t i;

    for (i = 0; i < len; i++) every[i] = (char)(i * 7 >> (i >> 16 & 7));
    argv[2] = line;
    lens[2] = strlen(line);
    argv[3] = every;
    lens[3] = len;
    PLAY(rig->fake, { .bytes = ":1\r\n" });
    rig_open(rig);
    assert_int_equal(drs_redis_call(rig->redis, &command, 1, &reply, MOST,
                                    rig_in(rig, LONG), &rig->why),
                     DRS_FATE_DONE);
    freeReplyObject(reply);
    assert_int_equal(fake_heard(rig->fake), 1);
    assert_int_equal(fake_command(rig->fake, 0)->argc, 4);
    assert_int_equal(fake_command(rig->fake, 0)->lens[2], lens[2]);
    assert_memory_equal(fake_command(rig->fake, 0)->argv[2], line, lens[2]);
    assert_int_equal(fake_command(rig->fake, 0)->lens[3], len);
    assert_memory_equal(fake_command(rig->fake, 0)->argv[3], every, len);
}

static void a_reply_in_single_bytes_is_whole(void **state)
{
    rig_t *rig = *state;

    PLAY(rig->fake, { .bytes = "*2\r\n$3\r\none\r\n$-1\r\n", .drip = 1 });
    rig_open(rig);
    assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_DONE);
    assert_int_equal(rig->replies[0]->elements, 2);
    assert_string_equal(rig->replies[0]->element[0]->str, "one");
    assert_int_equal(rig->replies[0]->element[1]->type, REDIS_REPLY_NIL);
}

static void a_drip_ends_at_the_deadline(void **state)
{
    rig_t *rig = *state;

    PLAY(rig->fake, { .bytes = "$9\r\nnine byte\r\n", .drip = 50 });
    rig_open(rig);
    assert_int_equal(rig_ask(rig, 1, SHORT), DRS_FATE_LATE);
    rig_took(rig, SHORT, SHORT);
    assert_null(rig->replies[0]);
    assert_non_null(strstr(rig->why.text, "in time"));
}

static void silence_ends_at_the_deadline(void **state)
{
    rig_t *rig = *state;

    rig_open(rig);
    assert_int_equal(rig_ask(rig, 1, SHORT), DRS_FATE_LATE);
    rig_took(rig, SHORT, SHORT);
}

static void a_deadline_in_the_past_waits_for_nothing(void **state)
{
    rig_t *rig = *state;

    rig_open(rig);
    assert_int_equal(rig_ask(rig, 1, -1), DRS_FATE_UNSENT);
    rig_took(rig, 0, 0);
    assert_int_equal(rig_ask(rig, 1, SHORT), DRS_FATE_LATE);
    assert_int_equal(fake_heard(rig->fake), 1);
}

static void who_does_not_read_is_left_at_the_deadline(void **state)
{
    rig_t *rig = *state;
    apr_size_t len = 16 * 1024 * 1024;
    char *much = calloc(1, len);
    const char *argv[] = { "HSET", "k", "f", much };
    apr_size_t lens[] = { 4, 1, 1, len };
    drs_command_t command = { 4, argv, lens, 0, 0 };
    /* Where each access is watched, so much takes its time to be written. */
    int ms = rig_slack() > 100 * MS ? 4 * LONG : LONG / 2;

    PLAY(rig->fake, { .unasked = 1 });
    rig_open(rig);
    assert_int_equal(drs_redis_call(rig->redis, &command, 1, rig->replies, MOST,
                                    rig_in(rig, ms), &rig->why),
                     DRS_FATE_LATE);
    rig_took(rig, ms, ms);
    free(much);
}

/* Every prefix of an answer, then the end of the connection. */
static void check_every_cut(rig_t *rig, fake_end_t end)
{
    const char *whole = "*2\r\n$3\r\none\r\n:17\r\n";
    size_t len;

    for (len = 1; len < strlen(whole); len++) {
        fake_forget(rig->fake);
        PLAY(rig->fake, { .bytes = whole, .len = len, .end = end });
        drs_redis_close(rig->redis);
        rig_open(rig);
        assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_CLOSED);
        rig_took(rig, 0, 0);
        assert_null(rig->replies[0]);
    }
}

static void an_answer_cut_after_any_byte_is_none(void **state)
{
    check_every_cut(*state, FAKE_CLOSE);
}

static void an_answer_reset_after_any_byte_is_none(void **state)
{
    check_every_cut(*state, FAKE_RESET);
}

static void all_answers_of_a_trip_arrive_or_none(void **state)
{
    rig_t *rig = *state;

    PLAY(rig->fake, { .bytes = "$1\r\na\r\n" },
         { .bytes = "$1\r\nb\r\n", .wait = 10 },
         { .bytes = "$1\r\nc\r\n", .wait = 10 }, { .bytes = "$1\r\nd\r\n" },
         { .bytes = "$1\r\ne\r\n", .len = 5, .end = FAKE_CLOSE });
    rig_open(rig);
    assert_int_equal(rig_ask(rig, 3, LONG), DRS_FATE_DONE);
    assert_string_equal(rig->replies[0]->str, "a");
    assert_string_equal(rig->replies[1]->str, "b");
    assert_string_equal(rig->replies[2]->str, "c");
    assert_int_equal(rig_ask(rig, 2, LONG), DRS_FATE_CLOSED);
    assert_null(rig->replies[0]);
    assert_null(rig->replies[1]);
}

static void answers_to_half_a_trip_end_at_the_deadline(void **state)
{
    rig_t *rig = *state;

    PLAY(rig->fake, { .bytes = "$1\r\na\r\n" }, { .bytes = NULL });
    rig_open(rig);
    assert_int_equal(rig_ask(rig, 3, SHORT), DRS_FATE_LATE);
    rig_took(rig, SHORT, SHORT);
    assert_null(rig->replies[0]);
}

static void more_or_other_than_was_asked_for_is_garbled(void **state)
{
    static const char *const more[] = {
        /* clang-format off */
        "$1\r\na\r\n$1\r\nb\r\n", "$1\r\na\r\n+", "$1\r\na\r\n\r\n",
        "$-1\r\n$-1\r\n", "-ERR a\r\n-ERR b\r\n", ":1\r\n:",
        "$1\r\naXY", "$1\r\na\n\r", "*1\r\n$1\r\na\r\r",
        /* clang-format on */
    };
    rig_t *rig = *state;
    size_t i;

    for (i = 0; i < COUNT(more); i++) {
        fake_forget(rig->fake);
        PLAY(rig->fake, { .bytes = more[i] });
        drs_redis_close(rig->redis);
        rig_open(rig);
        assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_GARBLED);
        assert_null(rig->replies[0]);
        rig_took(rig, 0, 0);
    }
}

/* What the server does unasked waits until it may. */
static int may;

static void set_may(int value)
{
    __atomic_store_n(&may, value, __ATOMIC_SEQ_CST);
}

static void await_may(void)
{
    int ms = 10 * LONG;

    while (!__atomic_load_n(&may, __ATOMIC_SEQ_CST) && ms-- > 0) fake_sleep(1);
}

static void what_comes_unasked_makes_an_idle_connection_unfit(void **state)
{
    static const fake_act_t ends[] = {
        { .bytes = "$3\r\nold\r\n", .then = await_may, .unasked = 1 },
        { .bytes = "+", .then = await_may, .unasked = 1 },
        { .then = await_may, .unasked = 1, .end = FAKE_CLOSE },
        { .then = await_may, .unasked = 1, .end = FAKE_RESET },
    };
    rig_t *rig = *state;
    size_t i;

    for (i = 0; i < COUNT(ends); i++) {
        int ms = 0;

        fake_forget(rig->fake);
        PLAY(rig->fake, { .bytes = "$3\r\none\r\n" }, ends[i]);
        set_may(0);
        drs_redis_close(rig->redis);
        assert_false(drs_redis_is_quiet(rig->redis));
        rig_open(rig);
        assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_DONE);
        assert_true(drs_redis_is_quiet(rig->redis));
        set_may(1);
        while (drs_redis_is_quiet(rig->redis) && ms++ < 1000) fake_sleep(1);
        assert_false(drs_redis_is_quiet(rig->redis));
        assert_true(drs_redis_is_open(rig->redis));
    }
}

/* Each row: what is asked for, what comes, whether it may be the answer. */
static void an_answer_of_another_kind_is_garbled(void **state)
{
    static const struct {
        int type;
        int elements;
        const char *bytes;
        drs_fate_t fate;
    } rows[] = {
        { REDIS_REPLY_STRING, 0, "$1\r\na\r\n", DRS_FATE_DONE },
        { REDIS_REPLY_STRING, 0, "$-1\r\n", DRS_FATE_DONE },
        { REDIS_REPLY_STRING, 0, "-ERR no\r\n", DRS_FATE_DONE },
        { REDIS_REPLY_STRING, 0, "+a\r\n", DRS_FATE_GARBLED },
        { REDIS_REPLY_STRING, 0, ":1\r\n", DRS_FATE_GARBLED },
        { REDIS_REPLY_STRING, 0, "*1\r\n$1\r\na\r\n", DRS_FATE_GARBLED },
        { REDIS_REPLY_INTEGER, 0, ":1\r\n", DRS_FATE_DONE },
        { REDIS_REPLY_INTEGER, 0, "$1\r\n1\r\n", DRS_FATE_GARBLED },
        { REDIS_REPLY_INTEGER, 0, "$-1\r\n", DRS_FATE_GARBLED },
        { REDIS_REPLY_STATUS, 0, "+OK\r\n", DRS_FATE_DONE },
        { REDIS_REPLY_STATUS, 0, "$2\r\nOK\r\n", DRS_FATE_GARBLED },
        { REDIS_REPLY_STATUS, 0, "+O\rK\r\n", DRS_FATE_GARBLED },
        { REDIS_REPLY_STATUS, 0, "-ERR\nno\r\n", DRS_FATE_GARBLED },
        { REDIS_REPLY_STRING, 0, "$3\r\na\rb\r\n", DRS_FATE_DONE },
        { 0, 0, "$-1\r\n", DRS_FATE_DONE },
        { 0, 0, "*-1\r\n", DRS_FATE_DONE },
        { 0, 0, "_\r\n", DRS_FATE_GARBLED },
        { 0, 0, "%-1\r\n", DRS_FATE_GARBLED },
        { 0, 0, "#t\r\n", DRS_FATE_GARBLED },
        { 0, 0, ",1.5\r\n", DRS_FATE_GARBLED },
        { 0, 0, "(1\r\n", DRS_FATE_GARBLED },
        { 0, 0, "=5\r\ntxt:a\r\n", DRS_FATE_GARBLED },
        { 0, 0, "~1\r\n:1\r\n", DRS_FATE_GARBLED },
        { 0, 0, "%1\r\n:1\r\n:1\r\n", DRS_FATE_GARBLED },
        { 0, 0, ">1\r\n:1\r\n", DRS_FATE_GARBLED },
        { REDIS_REPLY_ARRAY, 0, "*0\r\n", DRS_FATE_DONE },
        { REDIS_REPLY_ARRAY, 0, "*-1\r\n", DRS_FATE_GARBLED },
        { REDIS_REPLY_ARRAY, 2, "*2\r\n:1\r\n:2\r\n", DRS_FATE_DONE },
        { REDIS_REPLY_ARRAY, 2, "*1\r\n:1\r\n", DRS_FATE_GARBLED },
        { REDIS_REPLY_ARRAY, 2, "*0\r\n", DRS_FATE_GARBLED },
        { REDIS_REPLY_ARRAY, 2, "-EXECABORT no\r\n", DRS_FATE_DONE },
    };
    rig_t *rig = *state;
    const char *argv[] = { "HGET", "k", "f" };
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        drs_command_t command = { 3, argv, NULL, rows[i].type,
                                  rows[i].elements };
        redisReply *reply = NULL;

        fake_forget(rig->fake);
        PLAY(rig->fake, { .bytes = rows[i].bytes });
        drs_redis_close(rig->redis);
        rig_open(rig);
        assert_int_equal(drs_redis_call(rig->redis, &command, 1, &reply, MOST,
                                        drs_clock_now() + LONG * MS, &rig->why),
                         rows[i].fate);
        assert_int_equal(reply != NULL, rows[i].fate == DRS_FATE_DONE);
        freeReplyObject(reply);
    }
}

static void an_error_is_known_by_whole_words(void **state)
{
    redisReply reply;
    char text[] = "LOADING Redis is loading";

    (void)state;
    memset(&reply, 0, sizeof(reply));
    reply.type = REDIS_REPLY_ERROR;
    reply.str = text;
    assert_true(drs_redis_is_error(&reply, "LOADING"));
    assert_true(drs_redis_is_error(&reply, "LOADING Redis"));
    assert_true(drs_redis_is_error(&reply, text));
    assert_false(drs_redis_is_error(&reply, "LOAD"));
    assert_false(drs_redis_is_error(&reply, "LOADING Red"));
    assert_false(drs_redis_is_error(&reply, "LOADING Redis is loading it"));
    reply.type = REDIS_REPLY_STATUS;
    assert_false(drs_redis_is_error(&reply, "LOADING"));
}

static void on_a_reset_connection_nothing_is_sent(void **state)
{
    rig_t *rig = *state;

    PLAY(rig->fake, { .then = await_may, .unasked = 1, .end = FAKE_RESET });
    set_may(0);
    rig_open(rig);
    set_may(1);
    assert_int_equal(fake_connections(rig->fake, 1), 1);
    assert_int_equal(fake_open(rig->fake, 0), 0);
    assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_UNSENT);
    rig_took(rig, 0, 0);
}

static void who_is_turned_away_has_sent_nothing(void **state)
{
    rig_t *rig = *state;

    PLAY(rig->fake, { .bytes = "-ERR max number of clients reached\r\n",
                      .unasked = 1,
                      .end = FAKE_CLOSE });
    rig_open(rig);
    assert_int_equal(rig_ask(rig, 2, LONG), DRS_FATE_UNSENT);
    assert_null(rig->replies[0]);
    assert_non_null(strstr(rig->why.text, "max number of clients"));
}

static void who_gets_another_answer_too_was_not_turned_away(void **state)
{
    rig_t *rig = *state;

    PLAY(rig->fake, { .bytes = "-ERR max number of clients reached\r\n"
                               ":1\r\n",
                      .end = FAKE_CLOSE });
    rig_open(rig);
    assert_int_equal(rig_ask(rig, 3, LONG), DRS_FATE_CLOSED);
}

static void who_was_answered_before_is_not_turned_away(void **state)
{
    rig_t *rig = *state;

    PLAY(rig->fake, { .bytes = ":1\r\n" },
         { .bytes = "-ERR max number of clients reached\r\n",
           .end = FAKE_CLOSE });
    rig_open(rig);
    assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_DONE);
    assert_int_equal(rig_ask(rig, 2, LONG), DRS_FATE_CLOSED);
}

static void depth_and_number_of_elements_are_bounded(void **state)
{
    static const struct {
        const char *bytes;
        unsigned int times;
    } rows[] = {
        /* clang-format off */
        { "*1\r\n", 2000000 }, { "*1\r\n*1\r\n*1\r\n:1\r\n", 0 },
        { "*4097\r\n", 0 }, { "*2147483647\r\n", 0 },
        { "*4294967296\r\n", 0 }, { "*9223372036854775807\r\n", 0 },
        /* clang-format on */
    };
    rig_t *rig = *state;
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        fake_forget(rig->fake);
        PLAY(rig->fake, { .bytes = rows[i].bytes, .times = rows[i].times });
        drs_redis_close(rig->redis);
        rig_open(rig);
        assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_GARBLED);
        rig_took(rig, 0, 0);
    }
}

/* Ten arrays of 500 in one array: each is small, all of them are not. */
static void elements_are_counted_over_the_whole_answer(void **state)
{
    rig_t *rig = *state;
    char *answer = apr_pstrdup(rig->p, "*10\r\n");
    char *inner = apr_pstrdup(rig->p, "*500\r\n");
    int i;

    for (i = 0; i < 500; i++) {
        inner = apr_pstrcat(rig->p, inner, ":1\r\n", NULL);
    }
    for (i = 0; i < 10; i++) {
        answer = apr_pstrcat(rig->p, answer, inner, NULL);
    }
    PLAY(rig->fake, { .bytes = answer });
    rig_open(rig);
    assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_GARBLED);
}

static void an_array_of_4096_is_read_again_and_again(void **state)
{
    rig_t *rig = *state;
    char *answer = apr_palloc(rig->p, 7 + 4096 * 4 + 1);
    int i;

    memcpy(answer, "*4096\r\n", 7);
    for (i = 0; i < 4096; i++) memcpy(answer + 7 + i * 4, ":1\r\n", 4);
    answer[7 + 4096 * 4] = '\0';
    PLAY(rig->fake, { .bytes = answer });
    rig_open(rig);
    for (i = 0; i < 3; i++) {
        assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_DONE);
        assert_int_equal(rig->replies[0]->elements, 4096);
    }
}

static void an_endless_answer_ends_at_its_limit(void **state)
{
    static const char *const begins[] = { "$1073741824\r\n", "+", "-", ":1",
                                          "*1\r\n$99999\r\n" };
    static char mud[64 * 1024];
    rig_t *rig = *state;
    size_t i;

    memset(mud, '1', sizeof(mud));
    for (i = 0; i < COUNT(begins); i++) {
        fake_forget(rig->fake);
        PLAY(rig->fake, { .bytes = begins[i] },
             { .bytes = mud, .len = sizeof(mud), .times = 4, .unasked = 1 });
        drs_redis_close(rig->redis);
        rig_open(rig);
        assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_GARBLED);
        rig_took(rig, 0, 0);
    }
}

static void an_answer_as_long_as_its_limit_is_taken(void **state)
{
    rig_t *rig = *state;
    int more;

    for (more = 0; more < 2; more++) {
        /* The server may still hold the one before. */
        char *answer = apr_palloc(rig->p, MOST + 2);
        int head = sprintf(answer, "$%d\r\n", MOST - 10 + more);

        memset(answer + head, 'a', (size_t)(MOST - head + more));
        memcpy(answer + MOST - 2 + more, "\r\n", 3);
        fake_forget(rig->fake);
        PLAY(rig->fake, { .bytes = answer });
        drs_redis_close(rig->redis);
        rig_open(rig);
        assert_int_equal(rig_ask(rig, 1, LONG),
                         more == 0 ? DRS_FATE_DONE : DRS_FATE_GARBLED);
    }
}

static void be_told(int signal)
{
    (void)signal;
}

static void *tell_often(void *thread)
{
    int i;

    for (i = 0; i < 10; i++) {
        fake_sleep(10);
        pthread_kill(*(const pthread_t *)thread, SIGUSR1);
    }
    return NULL;
}

static void a_signal_ends_no_wait(void **state)
{
    rig_t *rig = *state;
    pthread_t self = pthread_self();
    pthread_t other;

    signal(SIGUSR1, be_told);
    PLAY(rig->fake, { .bytes = "$3\r\none\r\n", .wait = SHORT });
    rig_open(rig);
    assert_int_equal(pthread_create(&other, NULL, tell_often, &self), 0);
    assert_int_equal(rig_ask(rig, 1, LONG), DRS_FATE_DONE);
    rig_took(rig, SHORT, LONG);
    pthread_join(other, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(a_reply_arrives),
        UNIX(a_reply_arrives),
        TCP(a_command_travels_byte_for_byte_as_one),
        TCP(a_reply_in_single_bytes_is_whole),
        TCP(a_drip_ends_at_the_deadline),
        UNIX(a_drip_ends_at_the_deadline),
        TCP(silence_ends_at_the_deadline),
        TCP(a_deadline_in_the_past_waits_for_nothing),
        TCP(who_does_not_read_is_left_at_the_deadline),
        UNIX(who_does_not_read_is_left_at_the_deadline),
        TCP(an_answer_cut_after_any_byte_is_none),
        UNIX(an_answer_cut_after_any_byte_is_none),
        TCP(an_answer_reset_after_any_byte_is_none),
        TCP(all_answers_of_a_trip_arrive_or_none),
        TCP(answers_to_half_a_trip_end_at_the_deadline),
        TCP(more_or_other_than_was_asked_for_is_garbled),
        TCP(what_comes_unasked_makes_an_idle_connection_unfit),
        TCP(an_answer_of_another_kind_is_garbled),
        TCP(an_error_is_known_by_whole_words),
        TCP(on_a_reset_connection_nothing_is_sent),
        TCP(who_is_turned_away_has_sent_nothing),
        TCP(who_gets_another_answer_too_was_not_turned_away),
        TCP(who_was_answered_before_is_not_turned_away),
        TCP(depth_and_number_of_elements_are_bounded),
        TCP(elements_are_counted_over_the_whole_answer),
        TCP(an_array_of_4096_is_read_again_and_again),
        TCP(an_endless_answer_ends_at_its_limit),
        TCP(an_answer_as_long_as_its_limit_is_taken),
        TCP(a_signal_ends_no_wait),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("redis", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
