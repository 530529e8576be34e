/* SPDX-License-Identifier: MIT */
/*
 * drs_batch: what a list of operations leaves of the handle, where the last
 * field goes, where the headers are out, and where Redis is a Cluster.
 */
#include "drs_batch.h"

#include "drs_life.h"
#include "drs_ops.h"
#include "drs_session.h"
#include "request.h"

#define EMPTIED "*2\r\n:0\r\n:0\r\n"
#define MADE "*2\r\n:1\r\n:1\r\n"

static apr_status_t run(request_t *request, const char *text)
{
    apr_array_header_t *ops =
        apr_array_make(request->rig->p, 4, sizeof(drs_op_t));
    const char *why = "";

    assert_int_equal(drs_ops_parse(text, ops, &why, request->rig->p),
                     APR_SUCCESS);
    return drs_batch_run(request->session, (const drs_op_t *)ops->elts,
                         ops->nelts);
}

/* Emptied by our own hand is not ended by another's. */
static void after_the_last_field_a_write_begins_anew(void **state)
{
    request_t request;
    rig_t *rig = *state;
    const char *json = NULL;

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = "$1\r\n1\r\n" }, { .bytes = EMPTIED },
         { .bytes = MADE });
    assert_int_equal(drs_session_get(request.session, "f", &json, NULL, rig->p),
                     APR_SUCCESS);
    assert_int_equal(run(&request, "delete f"), APR_SUCCESS);
    assert_null(drs_session_id(request.session));
    assert_int_equal(drs_session_set_int(request.session, "f", 1), APR_SUCCESS);
    assert_string_equal(drs_session_id(request.session), request.cookie);
    assert_string_not_equal(request.cookie, request_client_id);
}

/* An end needs no cookie, whatever was said before it. */
static void an_end_is_possible_when_the_headers_are_out(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    request.headers_out = 1;
    PLAY(rig->fake, { .bytes = ":1\r\n" });
    assert_int_equal(run(&request, "set f 1, destroy"), APR_SUCCESS);
    assert_int_equal(fake_heard(rig->fake), 1);
    assert_non_null(strstr(fake_command(rig->fake, 0)->text, "UNLINK "));
    assert_int_equal(request.announced, 0);
}

/* What a first step has emptied cannot be moved in a second. */
static void in_a_cluster_nothing_is_left_to_be_moved(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .bytes = "-CROSSSLOT Keys don't hash to the same\r\n" },
         { .bytes = EMPTIED });
    assert_int_equal(run(&request, "delete f, regenerate"), APR_SUCCESS);
    assert_int_equal(fake_heard(rig->fake), 2);
    assert_null(drs_session_id(request.session));
}

/* A move without an answer is asked about: the browser needs the new id. */
static void a_move_that_happened_unheard_is_told(void **state)
{
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    PLAY(rig->fake, { .end = FAKE_CLOSE });
    PLAY(rig->fake, { .bytes = ":1\r\n", .wait = 50 });
    assert_int_equal(run(&request, "set f 1, regenerate"), APR_SUCCESS);
    assert_true(request.session->life->store.budget <= (2000 - 50) * MS);
    assert_int_equal(request.announced, 1);
    assert_string_equal(drs_session_id(request.session), request.cookie);
    assert_string_not_equal(request.cookie, request_client_id);
    assert_int_equal(fake_heard(rig->fake), 2);
    assert_string_equal(fake_command(rig->fake, 1)->argv[1],
                        drs_session_key(request.session));
}

/* Redis would count what the codec has made of a number. */
static void what_no_codec_can_count_is_not_counted(void **state)
{
    const drs_codec_t codec = { NULL, NULL, 0 };
    request_t request;
    rig_t *rig = *state;

    request_begin(&request, state, request_client_id);
    request.terms.codec = &codec;
    assert_int_equal(run(&request, "incr n 1"), DRS_EVALUE);
    assert_int_equal(fake_heard(rig->fake), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(after_the_last_field_a_write_begins_anew),
        TCP(an_end_is_possible_when_the_headers_are_out),
        TCP(in_a_cluster_nothing_is_left_to_be_moved),
        TCP(a_move_that_happened_unheard_is_told),
        TCP(what_no_codec_can_count_is_not_counted),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("batch", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
