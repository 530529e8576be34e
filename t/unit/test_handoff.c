/* SPDX-License-Identifier: MIT */
/*
 * drs_handoff without a Redis: what is minted and announced, what is
 * refused, which expiry a child is told, who may make the key. A route of
 * NULL makes any traffic a crash.
 */
#include "drs_handoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include <cmocka.h>

#include "drs_codec.h"
#include "drs_id.h"
#include "drs_life.h"

typedef struct world_t {
    apr_pool_t *p;
    drs_terms_t terms;
    int announced; /* how many cookies went out */
    char id[64];   /* of the last one */
    int headers_out;
} world_t;

static void on_used(void *baton)
{
    (void)baton;
}

static int on_can_send(void *baton)
{
    return !((const world_t *)baton)->headers_out;
}

static void on_announce(void *baton, const char *id)
{
    world_t *world = baton;

    world->announced++;
    apr_cpystrn(world->id, id != NULL ? id : "", sizeof(world->id));
}

static int begin(void **state)
{
    world_t *world = calloc(1, sizeof(*world));

    apr_pool_create(&world->p, NULL);
    world->terms.prefix = "p:";
    world->terms.codec = &drs_codec_json;
    world->terms.command = 1000;
    world->terms.value_max = 1000;
    world->terms.fields_max = 10;
    world->terms.strict = 1;
    world->terms.touch = 1;
    *state = world;
    return 0;
}

static int end(void **state)
{
    apr_pool_destroy(((world_t *)*state)->p);
    free(*state);
    return 0;
}

static drs_session_t *make(world_t *world, const char *id)
{
    drs_host_t host = { on_used, on_can_send, on_announce, NULL };
    drs_session_t *session;

    host.baton = world;
    session = drs_session_create(NULL, 1000, &host, id, world->p);
    drs_session_agree(session, &world->terms);
    return session;
}

static void an_id_is_minted_and_announced_once(void **state)
{
    world_t *world = *state;
    drs_session_t *session = make(world, NULL);

    assert_false(drs_handoff_is_given(session));
    assert_int_equal(drs_handoff_give(session), APR_SUCCESS);
    assert_true(drs_handoff_is_given(session));
    assert_int_equal(world->announced, 1);
    assert_string_equal(drs_session_id(session), world->id);
    assert_string_equal(drs_session_key(session),
                        apr_pstrcat(world->p, "p:", world->id, NULL));
    assert_int_equal(drs_handoff_give(session), APR_SUCCESS);
    assert_int_equal(world->announced, 1);
    assert_string_equal(drs_session_id(session), world->id);
}

static void a_minted_key_may_be_made_by_the_first_write(void **state)
{
    world_t *world = *state;
    drs_session_t *session = make(world, NULL);

    assert_int_equal(drs_handoff_give(session), APR_SUCCESS);
    assert_int_equal(drs_life_begin_write(session), APR_SUCCESS);
    assert_true(session->life->store.may_create);

    session->life->store.alive = DRS_ALIVE_NO;
    drs_life_learn(session, APR_NOTFOUND);
    assert_string_equal(drs_session_id(session), world->id);

    session->life->store.alive = DRS_ALIVE_YES;
    drs_life_learn(session, APR_SUCCESS);
    assert_int_equal(drs_life_begin_write(session), APR_SUCCESS);
    assert_false(session->life->store.may_create);

    drs_life_empty(session);
    assert_int_equal(drs_life_begin_write(session), APR_SUCCESS);
    assert_true(session->life->store.may_create);
    assert_string_equal(drs_session_id(session), world->id);
}

static void a_living_session_is_given_as_it_is(void **state)
{
    world_t *world = *state;
    drs_session_t *session = make(world, "x");

    session->life->seen = 1;
    assert_int_equal(drs_handoff_give(session), APR_SUCCESS);
    assert_int_equal(world->announced, 0);
    assert_string_equal(drs_session_key(session), "p:x");
    assert_int_equal(drs_life_begin_write(session), APR_SUCCESS);
    assert_false(session->life->store.may_create);
}

static void one_that_lived_is_not_made_again_under_its_id(void **state)
{
    drs_session_t *session = make(*state, "x");

    session->life->seen = 1;
    assert_int_equal(drs_handoff_give(session), APR_SUCCESS);
    drs_life_empty(session);
    assert_null(drs_session_id(session));
    assert_false(drs_handoff_is_given(session));
}

static void nothing_is_given_where_no_cookie_can_be_sent(void **state)
{
    world_t *world = *state;
    drs_session_t *session = make(world, NULL);

    world->headers_out = 1;
    assert_int_equal(drs_handoff_give(session), DRS_ESENT);
    world->headers_out = 0;
    world->terms.readonly = 1;
    assert_int_equal(drs_handoff_give(session), DRS_EREADONLY);
    assert_false(drs_handoff_is_given(session));
    assert_null(drs_session_id(session));
    assert_int_equal(world->announced, 0);
}

static void the_expiry_is_told_in_milliseconds(void **state)
{
    world_t *world = *state;
    drs_session_t *session = make(world, NULL);

    assert_int_equal(drs_handoff_give(session), APR_SUCCESS);
    assert_int_equal(drs_handoff_expiry(session), 0);
    world->terms.idle = 1500 * 1000;
    assert_int_equal(drs_handoff_expiry(session), 1500);
    world->terms.idle = 100 * APR_USEC_PER_SEC;
    world->terms.lifetime = 50 * APR_USEC_PER_SEC;
    assert_in_range(drs_handoff_expiry(session), 45000, 50000);

    /* No birth, no idle time: the key keeps what it has. */
    session = make(world, "x");
    session->life->seen = 1;
    world->terms.idle = 0;
    assert_int_equal(drs_handoff_give(session), APR_SUCCESS);
    assert_int_equal(drs_handoff_expiry(session), 0);
}

static void what_may_change_is_counted(void **state)
{
    drs_session_t *session = make(*state, "x");
    unsigned int before = drs_session_changes(session);

    drs_handoff_expect_changes(session);
    assert_int_not_equal(drs_session_changes(session), before);
}

static void without_an_expiry_or_an_id_nothing_is_settled(void **state)
{
    world_t *world = *state;

    assert_int_equal(drs_handoff_settle(make(world, "x")), APR_SUCCESS);
    world->terms.idle = 1000;
    assert_int_equal(drs_handoff_settle(make(world, NULL)), APR_SUCCESS);
}

static int may_make(world_t *world, const char *key, int fresh)
{
    drs_session_t *session = make(world, key);

    drs_handoff_take(session, fresh);
    assert_int_equal(drs_life_begin_write(session), APR_SUCCESS);
    assert_int_equal(session->life->seen, !session->life->store.may_create);
    return session->life->store.may_create;
}

static void a_taker_makes_a_fresh_key_near_its_birth(void **state)
{
    world_t *world = *state;
    apr_int64_t now = apr_time_sec(apr_time_now());
    char young[DRS_ID_LEN + 1];
    char old[DRS_ID_LEN + 1];

    world->terms.prefix = "";
    assert_int_equal(drs_id_mint(young, now - DRS_HANDOFF_BIRTH + 10), 0);
    assert_int_equal(drs_id_mint(old, now - DRS_HANDOFF_BIRTH - 10), 0);
    assert_true(may_make(world, apr_pstrcat(world->p, "p:", young, NULL), 1));
    assert_false(may_make(world, apr_pstrcat(world->p, "p:", old, NULL), 1));
    assert_false(may_make(world, apr_pstrcat(world->p, "p:", young, NULL), 0));
    assert_true(may_make(world, apr_pstrcat(world->p, "p:", old + 1, NULL), 1));
    assert_true(may_make(world, "short", 1));
    assert_false(may_make(world, "short", 0));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(an_id_is_minted_and_announced_once),
        TEST(a_minted_key_may_be_made_by_the_first_write),
        TEST(a_living_session_is_given_as_it_is),
        TEST(one_that_lived_is_not_made_again_under_its_id),
        TEST(nothing_is_given_where_no_cookie_can_be_sent),
        TEST(the_expiry_is_told_in_milliseconds),
        TEST(what_may_change_is_counted),
        TEST(without_an_expiry_or_an_id_nothing_is_settled),
        TEST(a_taker_makes_a_fresh_key_near_its_birth),
    };
    int failed;

    if (apr_initialize() != APR_SUCCESS) return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
