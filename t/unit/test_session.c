/* SPDX-License-Identifier: MIT */
/*
 * drs_session: the life of a session before a server whose answers are
 * written down. What is sent, under which id, and what the browser hears of
 * it; what happens when the key is gone, the server is, or the headers are.
 */
#include "drs_session.h"

#include "drs_id.h"
#include "drs_view.h"
#include "request.h"

#define OK "+OK\r\n"
#define QUEUED "+QUEUED\r\n"
#define GONE "*1\r\n:-1\r\n"
#define WRITTEN "*2\r\n:1\r\n:1\r\n"
#define EMPTIED "*2\r\n:0\r\n:0\r\n"
#define ONE "$1\r\n1\r\n"

static const char *heard(const request_t *request, int i)
{
    assert_true(i < fake_heard(request->rig->fake));
    return fake_command(request->rig->fake, i)->text;
}

/* The key that a script was called for. */
static const char *script_key(const request_t *request, int i)
{
    assert_true(i < fake_heard(request->rig->fake));
    assert_true(fake_command(request->rig->fake, i)->argc > 4);
    return fake_command(request->rig->fake, i)->argv[3];
}

static apr_status_t set(request_t *request)
{
    return drs_session_set(request->session, "f", "1", 1);
}

static apr_status_t get(request_t *request)
{
    const char *json = NULL;

    return drs_session_get(request->session, "f", &json, NULL, request->rig->p);
}

/* The session is a new one under an id of ours, and the browser knows. */
static void be_born(const request_t *request, int script)
{
    const char *id = drs_session_id(request->session);

    assert_non_null(id);
    assert_int_equal(strlen(id), DRS_ID_LEN);
    assert_true(drs_id_is_wellformed(id, strlen(id), 1));
    assert_string_not_equal(id, request_client_id);
    assert_string_equal(request->cookie, id);
    assert_int_equal(request->announced, 1);
    assert_string_equal(script_key(request, script),
                        drs_session_key(request->session));
    assert_string_equal(fake_command(request->rig->fake, script)->argv[4], "1");
}

static void be_unborn(const request_t *request, int announced)
{
    assert_null(drs_session_id(request->session));
    assert_null(drs_session_key(request->session));
    assert_int_equal(request->announced, announced);
}

static void be_bound(const request_t *request)
{
    assert_string_equal(drs_session_id(request->session), request_client_id);
    assert_int_equal(request->announced, 0);
}

static void an_unborn_session_reads_without_traffic(void **state)
{
    const char *fields[] = { "a", "b" };
    const char *json[2] = { "", "" };
    const char *text = NULL;
    apr_array_header_t *keys = NULL;
    apr_int64_t number;
    apr_size_t n = 7;
    int live = 7;
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, NULL);
    fake_die(rig->fake);
    assert_int_equal(get(&request), APR_NOTFOUND);
    assert_int_equal(
        drs_session_get_string(request.session, "f", &text, rig->p),
        APR_NOTFOUND);
    assert_int_equal(drs_session_get_int(request.session, "f", &number),
                     APR_NOTFOUND);
    assert_int_equal(drs_view_many(request.session, fields, 2, json, rig->p),
                     APR_SUCCESS);
    assert_null(json[0]);
    assert_null(json[1]);
    assert_int_equal(
        drs_view_fields(request.session, fields, 2, json, NULL, &live, rig->p),
        APR_SUCCESS);
    assert_int_equal(live, 0);
    assert_int_equal(drs_session_has(request.session, "f"), APR_NOTFOUND);
    assert_int_equal(drs_session_count(request.session, &n), APR_SUCCESS);
    assert_int_equal(n, 0);
    assert_int_equal(drs_view_keys(request.session, &keys, rig->p),
                     APR_SUCCESS);
    assert_int_equal(keys->nelts, 0);
    assert_int_equal(drs_view_all(request.session, &text, NULL, rig->p),
                     APR_SUCCESS);
    assert_string_equal(text, "{}");
    assert_int_equal(drs_session_del(request.session, "f"), APR_NOTFOUND);
    assert_int_equal(drs_session_regenerate(request.session), APR_NOTFOUND);
    assert_int_equal(drs_session_destroy(request.session), APR_SUCCESS);
    be_unborn(&request, 0);
    assert_true(request.used > 0);
    fake_rise(rig->fake);
}

static void the_first_write_makes_the_session(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, NULL);
    request.terms.idle = apr_time_from_sec(60);
    PLAY(rig->fake, { .bytes = WRITTEN });
    be_unborn(&request, 0);
    assert_int_equal(set(&request), APR_SUCCESS);
    be_born(&request, 0);
    assert_string_equal(fake_command(rig->fake, 0)->argv[5], "60000");
    assert_int_equal(set(&request), APR_SUCCESS);
    be_born(&request, 0);
    assert_string_equal(script_key(&request, 1), script_key(&request, 0));
    assert_string_equal(fake_command(rig->fake, 1)->argv[4], "0");
    assert_int_equal(fake_heard(rig->fake), 2);
}

static void a_first_write_that_fails_queues_no_cookie(void **state)
{
    static const struct {
        fake_act_t act;
        apr_status_t rv;
    } rows[] = {
        { { .bytes = NULL }, DRS_EUNSURE },
        { { .end = FAKE_CLOSE }, DRS_EUNSURE },
        { { .bytes = ":1\r\n" }, DRS_EUNSURE },
        { { .bytes = "-OOM no\r\n" }, DRS_EDOWN },
        { { .bytes = "-WRONGTYPE no\r\n" }, DRS_EREPLY },
        { { .bytes = "*1\r\n:-2\r\n" }, DRS_EVALUE },
        { { .bytes = GONE }, DRS_EGONE },
    };
    request_t request;
    rig_t *rig = *state;
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        request_begin(&request, state, NULL);
        request.terms.command = SHORT * MS;
        drs_session_agree(request.session, &request.terms);
        PLAY(rig->fake, rows[i].act);
        assert_int_equal(set(&request), rows[i].rv);
        be_unborn(&request, 0);
        assert_int_equal(get(&request), APR_NOTFOUND);
        assert_int_equal(fake_await(rig->fake, 1), 1);
    }
    request_begin(&request, state, NULL);
    fake_die(rig->fake);
    assert_int_equal(set(&request), DRS_EDOWN);
    be_unborn(&request, 0);
    fake_rise(rig->fake);
}

static void after_a_failed_birth_the_next_id_is_another(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, NULL);
    PLAY(rig->fake, { .bytes = "-OOM no\r\n" }, { .bytes = WRITTEN });
    assert_int_equal(set(&request), DRS_EDOWN);
    assert_int_equal(set(&request), APR_SUCCESS);
    be_born(&request, 1);
    assert_string_not_equal(script_key(&request, 0), script_key(&request, 1));
    assert_string_equal(drs_session_error(request.session), "");
}

static void a_new_session_after_the_headers_is_refused_unsent(void **state)
{
    apr_int64_t now;
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, NULL);
    request.headers_out = 1;
    assert_int_equal(set(&request), DRS_ESENT);
    assert_int_equal(drs_session_add(request.session, "f", "1", 1), DRS_ESENT);
    assert_int_equal(drs_session_incr(request.session, "f", 1, &now),
                     DRS_ESENT);
    be_unborn(&request, 0);
    assert_int_equal(fake_heard(rig->fake), 0);
    request_begin(&request, state, request_client_id);
    request.headers_out = 1;
    PLAY(rig->fake, { .bytes = GONE });
    assert_int_equal(set(&request), DRS_ESENT);
    assert_int_equal(fake_heard(rig->fake), 1);
    be_unborn(&request, 0);
}

static void a_bound_session_is_written_under_its_id(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    request.headers_out = 1;
    PLAY(rig->fake, { .bytes = WRITTEN });
    assert_int_equal(set(&request), APR_SUCCESS);
    be_bound(&request);
    assert_string_equal(
        script_key(&request, 0),
        apr_pstrcat(rig->p, "drsession:", request_client_id, NULL));
    assert_string_equal(fake_command(rig->fake, 0)->argv[4], "0");
}

static void an_id_that_redis_does_not_know_gets_a_new_one(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = GONE }, { .bytes = WRITTEN });
    assert_int_equal(set(&request), APR_SUCCESS);
    be_born(&request, 1);
    assert_int_equal(fake_heard(rig->fake), 2);
}

/* Each of these reads shows that the key is not there. */
static void what_a_read_did_not_find_is_unborn(void **state)
{
    const char *fields[] = { "f" };
    const char *json[1];
    apr_size_t n;
    int live = 7;
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = ":0\r\n" }, { .bytes = WRITTEN });
    assert_int_equal(drs_session_count(request.session, &n), APR_SUCCESS);
    be_unborn(&request, 0);
    assert_int_equal(set(&request), APR_SUCCESS);
    be_born(&request, 1);

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = "*1\r\n$-1\r\n" }, { .bytes = ":0\r\n" });
    assert_int_equal(
        drs_view_fields(request.session, fields, 1, json, NULL, &live, rig->p),
        APR_SUCCESS);
    assert_int_equal(live, 0);
    be_unborn(&request, 0);

    request_begin(&request, state, request_client_id);
    request.terms.idle = apr_time_from_sec(60);
    PLAY(rig->fake, { .bytes = "$-1\r\n" }, { .bytes = ":0\r\n" });
    assert_int_equal(get(&request), APR_NOTFOUND);
    be_unborn(&request, 0);
}

static void a_field_that_is_absent_says_nothing_of_the_key(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = "$-1\r\n" }, { .bytes = WRITTEN });
    assert_int_equal(get(&request), APR_NOTFOUND);
    be_bound(&request);
    assert_int_equal(set(&request), APR_SUCCESS);
    be_bound(&request);
}

static void a_session_seen_alive_that_ended_is_gone(void **state)
{
    const char *json;
    apr_int64_t now;
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = ONE }, { .bytes = GONE });
    assert_int_equal(get(&request), APR_SUCCESS);
    assert_int_equal(set(&request), DRS_EGONE);
    assert_int_equal(set(&request), DRS_EGONE);
    assert_int_equal(drs_session_add(request.session, "f", "1", 1), DRS_EGONE);
    assert_int_equal(drs_session_incr(request.session, "f", 1, &now),
                     DRS_EGONE);
    be_bound(&request);
    assert_int_equal(fake_heard(rig->fake), 5);

    request_begin(&request, state, NULL);
    PLAY(rig->fake, { .bytes = WRITTEN }, { .bytes = GONE });
    assert_int_equal(set(&request), APR_SUCCESS);
    assert_int_equal(set(&request), DRS_EGONE);
    be_born(&request, 0);

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = ONE }, { .bytes = OK }, { .bytes = QUEUED },
         { .bytes = QUEUED }, { .bytes = QUEUED },
         { .bytes = "*3\r\n$-1\r\n:0\r\n:0\r\n" });
    assert_int_equal(get(&request), APR_SUCCESS);
    assert_int_equal(drs_session_pop(request.session, "f", &json, NULL, rig->p),
                     DRS_EGONE);
}

static void what_the_own_hand_emptied_is_unborn_and_not_gone(void **state)
{
    const char *text = NULL;
    const char *fields[] = { "f" };
    const char *json[] = { NULL };
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = ONE }, { .bytes = "*2\r\n:1\r\n:0\r\n" },
         { .bytes = WRITTEN });
    assert_int_equal(get(&request), APR_SUCCESS);
    assert_int_equal(drs_session_del(request.session, "f"), APR_SUCCESS);
    be_unborn(&request, 0);
    assert_int_equal(set(&request), APR_SUCCESS);
    be_born(&request, 2);

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = ONE }, { .bytes = OK }, { .bytes = QUEUED },
         { .bytes = QUEUED }, { .bytes = QUEUED },
         { .bytes = "*3\r\n$1\r\n1\r\n:1\r\n:0\r\n" });
    assert_int_equal(get(&request), APR_SUCCESS);
    assert_int_equal(drs_session_pop(request.session, "f", &text, NULL, rig->p),
                     APR_SUCCESS);
    assert_string_equal(text, "1");
    be_unborn(&request, 0);

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = WRITTEN }, { .bytes = EMPTIED });
    assert_int_equal(set(&request), APR_SUCCESS);
    assert_int_equal(drs_session_set_many(request.session, fields, json, 1),
                     APR_SUCCESS);
    be_unborn(&request, 0);

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = EMPTIED });
    assert_int_equal(drs_session_set_many(request.session, fields, json, 1),
                     APR_SUCCESS);
    be_unborn(&request, 0);
    assert_int_equal(fake_heard(rig->fake), 1);
}

static void deletions_alone_make_no_session(void **state)
{
    const char *fields[] = { "f", "f" };
    const char *json[] = { NULL, NULL };
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, NULL);
    assert_int_equal(drs_session_set_many(request.session, fields, json, 2),
                     APR_SUCCESS);
    assert_int_equal(fake_heard(rig->fake), 0);
    be_unborn(&request, 0);

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = GONE }, { .bytes = EMPTIED });
    assert_int_equal(drs_session_set_many(request.session, fields, json, 2),
                     APR_SUCCESS);
    be_unborn(&request, 0);

    request_begin(&request, state, NULL);
    json[0] = "1";
    PLAY(rig->fake, { .bytes = EMPTIED });
    assert_int_equal(drs_session_set_many(request.session, fields, json, 2),
                     APR_SUCCESS);
    be_unborn(&request, 0);
}

static void a_client_may_choose_its_id_only_when_not_strict(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    request.terms.strict = 0;
    PLAY(rig->fake, { .bytes = ":0\r\n" }, { .bytes = WRITTEN });
    assert_int_equal(drs_session_has(request.session, "f"), APR_NOTFOUND);
    assert_int_equal(set(&request), APR_SUCCESS);
    be_bound(&request);
    assert_string_equal(fake_command(rig->fake, 1)->argv[4], "1");
}

static void the_expiry_is_refreshed_once_a_request(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    request.terms.idle = apr_time_from_sec(60);
    PLAY(rig->fake, { .bytes = ONE }, { .bytes = ":1\r\n" }, { .bytes = ONE });
    assert_int_equal(get(&request), APR_SUCCESS);
    assert_int_equal(get(&request), APR_SUCCESS);
    assert_int_equal(fake_heard(rig->fake), 3);
    assert_non_null(strstr(heard(&request, 1), "PEXPIRE"));
    request_begin(&request, state, request_client_id);
    request.terms.idle = apr_time_from_sec(60);
    request.terms.touch = 0;
    PLAY(rig->fake, { .bytes = ONE });
    assert_int_equal(get(&request), APR_SUCCESS);
    assert_int_equal(fake_heard(rig->fake), 1);
}

static void read_only_refuses_every_write_unsent(void **state)
{
    apr_int64_t now;
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    request.terms.readonly = 1;
    PLAY(rig->fake, { .bytes = ONE });
    assert_int_equal(set(&request), DRS_EREADONLY);
    assert_int_equal(drs_session_incr(request.session, "f", 1, &now),
                     DRS_EREADONLY);
    assert_int_equal(drs_session_del(request.session, "f"), DRS_EREADONLY);
    assert_int_equal(drs_session_destroy(request.session), DRS_EREADONLY);
    assert_int_equal(drs_session_regenerate(request.session), DRS_EREADONLY);
    assert_int_equal(fake_heard(rig->fake), 0);
    assert_int_equal(get(&request), APR_SUCCESS);
    be_bound(&request);
}

static void an_end_is_told_to_redis_and_to_the_browser(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = ":1\r\n" });
    assert_int_equal(drs_session_destroy(request.session), APR_SUCCESS);
    assert_non_null(strstr(heard(&request, 0), "UNLINK drsession:AGqw"));
    be_unborn(&request, 1);
    assert_string_equal(request.cookie, "");
    assert_int_equal(drs_session_destroy(request.session), APR_SUCCESS);
    assert_int_equal(fake_heard(rig->fake), 1);
    assert_int_equal(request.announced, 1);

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .end = FAKE_CLOSE });
    assert_int_equal(drs_session_destroy(request.session), DRS_EUNSURE);
    be_bound(&request);
}

static void play_move(rig_t *rig, const char *answer, fake_end_t end)
{
    PLAY(rig->fake, { .bytes = OK }, { .bytes = QUEUED },
         { .bytes = answer, .end = end }, { .bytes = WRITTEN });
}

static void a_new_id_moves_the_key_and_the_browser(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    play_move(rig, "*1\r\n+OK\r\n", FAKE_KEEP);
    assert_int_equal(drs_session_regenerate(request.session), APR_SUCCESS);
    assert_non_null(strstr(heard(&request, 1), request_client_id));
    assert_string_equal(fake_command(rig->fake, 1)->argv[2],
                        drs_session_key(request.session));
    assert_string_equal(request.cookie, drs_session_id(request.session));
    assert_true(drs_id_birth(request.cookie) ==
                drs_id_birth(request_client_id));
    assert_int_equal(set(&request), APR_SUCCESS);
    assert_string_equal(script_key(&request, 3),
                        drs_session_key(request.session));
}

static void a_move_that_fails_keeps_the_id(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    play_move(rig, "*1\r\n-ERR no such key\r\n", FAKE_KEEP);
    assert_int_equal(drs_session_regenerate(request.session), DRS_EGONE);
    be_bound(&request);
    request_begin(&request, state, request_client_id);
    play_move(rig, "-EXECABORT no\r\n", FAKE_KEEP);
    assert_int_equal(drs_session_regenerate(request.session), DRS_EDOWN);
    be_bound(&request);
    request_begin(&request, state, request_client_id);
    request.headers_out = 1;
    assert_int_equal(drs_session_regenerate(request.session), DRS_ESENT);
    assert_int_equal(fake_heard(rig->fake), 0);
    be_bound(&request);
}

/* Whether a move without an answer happened is asked once, elsewhere. */
static void a_move_without_an_answer_is_asked_for(void **state)
{
    request_t request;
    rig_t *rig = *state;
    int there;

    for (there = 0; there <= 1; there++) {
        request_begin(&request, state, request_client_id);
        play_move(rig, NULL, FAKE_CLOSE);
        PLAY(rig->fake, { .bytes = there ? ":1\r\n" : ":0\r\n" });
        assert_int_equal(drs_session_regenerate(request.session),
                         there ? APR_SUCCESS : DRS_EUNSURE);
        assert_int_equal(fake_heard(rig->fake), 4);
        assert_int_equal(fake_command(rig->fake, 3)->connection, 1);
        assert_string_equal(fake_command(rig->fake, 3)->argv[1],
                            fake_command(rig->fake, 1)->argv[2]);
        assert_int_equal(request.announced, there);
        assert_int_equal(*drs_session_error(request.session) == '\0', there);
    }
}

static void too_old_a_session_is_ended_by_whoever_asks(void **state)
{
    char old[DRS_ID_LEN + 1];
    request_t request;
    rig_t *rig = *state;

    assert_int_equal(drs_id_mint(old, apr_time_sec(apr_time_now()) - 100),
                     APR_SUCCESS);
    request_begin(&request, state, old);
    request.terms.lifetime = apr_time_from_sec(60);
    PLAY(rig->fake, { .bytes = ":1\r\n" });
    assert_int_equal(get(&request), APR_NOTFOUND);
    assert_non_null(strstr(heard(&request, 0), "UNLINK drsession:"));
    assert_int_equal(fake_heard(rig->fake), 1);
    be_unborn(&request, 0);
    request_begin(&request, state, old);
    request.terms.lifetime = apr_time_from_sec(60);
    fake_die(rig->fake);
    assert_int_equal(get(&request), DRS_EDOWN);
    assert_string_equal(drs_session_id(request.session), old);
    fake_rise(rig->fake);
}

static void all_calls_of_a_request_share_its_budget(void **state)
{
    request_t request;
    rig_t *rig = *state;
    int i;

    request_begin(&request, state, request_client_id);
    request.terms.command = 700 * MS;
    drs_session_agree(request.session, &request.terms);
    rig_in(rig, 0);
    for (i = 0; i < 6; i++) assert_int_equal(get(&request), DRS_EDOWN);
    rig_took(rig, 2000, 2000);
    assert_non_null(strstr(drs_session_error(request.session), "time"));
    assert_int_equal(fake_heard(rig->fake), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(an_unborn_session_reads_without_traffic),
        TCP(the_first_write_makes_the_session),
        TCP(a_first_write_that_fails_queues_no_cookie),
        TCP(after_a_failed_birth_the_next_id_is_another),
        TCP(a_new_session_after_the_headers_is_refused_unsent),
        TCP(a_bound_session_is_written_under_its_id),
        TCP(an_id_that_redis_does_not_know_gets_a_new_one),
        TCP(what_a_read_did_not_find_is_unborn),
        TCP(a_field_that_is_absent_says_nothing_of_the_key),
        TCP(a_session_seen_alive_that_ended_is_gone),
        TCP(what_the_own_hand_emptied_is_unborn_and_not_gone),
        TCP(deletions_alone_make_no_session),
        TCP(a_client_may_choose_its_id_only_when_not_strict),
        TCP(the_expiry_is_refreshed_once_a_request),
        TCP(read_only_refuses_every_write_unsent),
        TCP(an_end_is_told_to_redis_and_to_the_browser),
        TCP(a_new_id_moves_the_key_and_the_browser),
        TCP(a_move_that_fails_keeps_the_id),
        TCP(a_move_without_an_answer_is_asked_for),
        TCP(too_old_a_session_is_ended_by_whoever_asks),
        TCP(all_calls_of_a_request_share_its_budget),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("session", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
