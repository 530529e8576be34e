/* SPDX-License-Identifier: MIT */
/*
 * drs_life, drs_session, drs_pool: edges of a session's life, by a clock that
 * the test moves, and what callers may count on when a call fails.
 */
#include "drs_life.h"

#include "drs_handoff.h"
#include "drs_id.h"
#include "drs_session.h"
#include "drs_view.h"
#include "request.h"

#define ONE "$1\r\n1\r\n"

/* The time of day; each look at it takes a step. */
static apr_time_t now;
static apr_time_t step;

/* Provided by the linker, see the Makefile. */
apr_time_t __wrap_apr_time_now(void) __attribute__((visibility("default")));

apr_time_t __wrap_apr_time_now(void)
{
    now += step;
    return now;
}

static void no_look_at_the_clock_makes_life_longer(void **state)
{
    drs_terms_t terms;
    drs_session_t session;
    char id[DRS_ID_LEN + 1];
    apr_time_t from;

    (void)state;
    memset(&terms, 0, sizeof(terms));
    memset(&session, 0, sizeof(session));
    session.terms = &terms;
    terms.idle = apr_time_from_sec(3600);
    terms.lifetime = apr_time_from_sec(7200);
    assert_int_equal(drs_id_mint(id, 1000), APR_SUCCESS);
    step = 2000;
    for (from = 0; from < 6000; from += 500) {
        apr_int64_t ms;

        now = apr_time_from_sec(1000 + 7200) - 3000 + from;
        ms = drs_life_expiry(&session, id);
        assert_true(ms > 0 && ms <= 3);
    }
}

/* Its UNLINK has no answer, but the read was never sent. */
static void a_read_past_the_lifetime_is_never_unsure(void **state)
{
    const char *json = NULL;
    request_t request;
    rig_t *rig = *state;

    now = apr_time_from_sec(4000000000LL);
    request_begin(&request, state, request_client_id);
    request.terms.lifetime = apr_time_from_sec(10);
    PLAY(rig->fake, { .end = FAKE_CLOSE });
    assert_int_equal(drs_session_get(request.session, "f", &json, NULL, rig->p),
                     APR_NOTFOUND);
    assert_int_equal(fake_heard(rig->fake), 1);
    assert_null(drs_session_id(request.session));
}

/* A call that was under way when the breaker opened is not its probe. */
static void while_one_probes_nobody_else_does(void **state)
{
    rig_t *rig = *state;
    drs_pool_t *pool;
    drs_redis_t *early;
    drs_redis_t *late;
    drs_redis_t *probe;
    int i;

    rig->conf.pool.max = 8;
    pool = rig_pool(rig);
    early = rig_borrow(rig, pool);
    late = rig_borrow(rig, pool);
    for (i = 0; i < 3; i++) {
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_DEAD);
    }
    rig_refused(rig, pool, LONG);
    fake_sleep(300);
    probe = rig_borrow(rig, pool);
    rig_refused(rig, pool, LONG);
    drs_pool_return(pool, early, DRS_VERDICT_LOST);
    rig_refused(rig, pool, LONG);
    drs_pool_return(pool, late, DRS_VERDICT_DEAD);
    rig_refused(rig, pool, LONG);
    assert_int_equal(drs_pool_return(pool, probe, DRS_VERDICT_GOOD), 1);
    drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_GOOD);
}

/* However a probe ends, another may follow. */
static void a_probe_that_ends_leaves_room_for_another(void **state)
{
    static const drs_verdict_t ends[] = { DRS_VERDICT_LOST, DRS_VERDICT_DEAD,
                                          DRS_VERDICT_LOST };
    rig_t *rig = *state;
    drs_pool_t *pool = rig_pool(rig);
    size_t k;
    int i;

    for (i = 0; i < 3; i++) {
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_DEAD);
    }
    for (k = 0; k < COUNT(ends); k++) {
        fake_sleep(600);
        drs_pool_return(pool, rig_borrow(rig, pool), ends[k]);
    }
    fake_sleep(600);
    assert_int_equal(
        drs_pool_return(pool, rig_borrow(rig, pool), DRS_VERDICT_GOOD), 1);
}

static void a_value_that_is_none_is_not_added(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    assert_int_equal(drs_session_add(request.session, "f", NULL, 0),
                     DRS_EVALUE);
    assert_int_equal(fake_heard(rig->fake), 0);
}

static apr_status_t load_picky(const char *stored, apr_size_t len,
                               const char **json, apr_size_t *json_len,
                               const char **why, apr_pool_t *p)
{
    (void)p;
    *why = "bad";
    if (*stored == 'b') return APR_EGENERAL;
    *json = stored;
    *json_len = len;
    return APR_SUCCESS;
}

static void what_fails_leaves_its_outputs_alone(void **state)
{
    const char *fields[] = { "f", "g" };
    const char *json[2] = { "mine", "mine" };
    drs_codec_t picky = { NULL, load_picky, 0 };
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    request.terms.codec = &picky;
    PLAY(rig->fake, { .bytes = "*2\r\n" ONE "$1\r\nb\r\n" },
         { .bytes = ":1\r\n" });
    assert_int_not_equal(
        drs_view_many(request.session, fields, 2, json, rig->p), APR_SUCCESS);
    assert_string_equal(json[0], "mine");
    assert_string_equal(json[1], "mine");
}

/* Or what a program wrote while its request used up its time would stay. */
static void the_expiry_is_set_when_the_time_is_used_up(void **state)
{
    request_t request;
    rig_t *rig = *state;

    now = apr_time_from_sec(1000);
    request_begin(&request, state, request_client_id);
    request.terms.idle = apr_time_from_sec(3600);
    PLAY(rig->fake, { .bytes = "*2\r\n:0\r\n:1\r\n" });
    assert_int_equal(drs_handoff_give(request.session), APR_SUCCESS);
    request.session->life->store.budget = 0;
    assert_int_equal(drs_handoff_settle(request.session), APR_SUCCESS);
    assert_int_equal(fake_heard(rig->fake), 1);
    assert_non_null(strstr(fake_command(rig->fake, 0)->text, " 3600000 "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_look_at_the_clock_makes_life_longer),
        TCP(a_read_past_the_lifetime_is_never_unsure),
        TCP(while_one_probes_nobody_else_does),
        TCP(a_probe_that_ends_leaves_room_for_another),
        TCP(a_value_that_is_none_is_not_added),
        TCP(what_fails_leaves_its_outputs_alone),
        TCP(the_expiry_is_set_when_the_time_is_used_up),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("life", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
