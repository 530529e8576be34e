/* SPDX-License-Identifier: MIT */
/*
 * drs_store: which commands a verb sends, in how many trips, and what each
 * shape of an answer means. The server's answers are written down here, as
 * Redis 7 gives them or as it never would.
 */
#include "drs_store.h"

#include "rig.h"

#define OK "+OK\r\n"
#define QUEUED "+QUEUED\r\n"

static void set_up(rig_t *rig, drs_store_t *store)
{
    memset(store, 0, sizeof(*store));
    store->route = drs_route_create(&rig->conf, rig->p);
    store->key = "drsession:x";
    store->command = LONG * MS;
    store->budget = 10 * APR_USEC_PER_SEC;
    store->reply_max = MOST;
    store->fields_max = 10;
    fake_forget(rig->fake);
}

/* A store whose next command has this answer. */
static void expect(rig_t *rig, drs_store_t *store, const char *bytes)
{
    set_up(rig, store);
    PLAY(rig->fake, { .bytes = bytes });
}

static const char *heard(rig_t *rig, int i)
{
    assert_true(i < fake_heard(rig->fake));
    return fake_command(rig->fake, i)->text;
}

static apr_status_t get(rig_t *rig, drs_store_t *store, drs_bytes_t *value)
{
    *value = (drs_bytes_t){ NULL, 0 };
    return drs_store_get(store, "f", value, rig->p);
}

static apr_status_t set(rig_t *rig, drs_store_t *store)
{
    drs_pair_t pair = { "f", { "17", 2 } };

    return drs_store_update(store, &pair, 1, NULL, rig->p);
}

static void a_read_is_one_command(void **state)
{
    rig_t *rig = *state;
    drs_store_t store;
    drs_bytes_t value;
    apr_array_header_t *list;
    apr_size_t n;

    set_up(rig, &store);
    PLAY(rig->fake, { .bytes = "$3\r\na\0b\r\n", .len = 9 },
         { .bytes = "$-1\r\n" }, { .bytes = ":1\r\n" }, { .bytes = ":0\r\n" },
         { .bytes = ":7\r\n" }, { .bytes = ":0\r\n" },
         { .bytes = "*1\r\n$1\r\nf\r\n" }, { .bytes = "*0\r\n" });
    assert_int_equal(get(rig, &store, &value), APR_SUCCESS);
    assert_int_equal(value.len, 3);
    assert_memory_equal(value.data, "a\0b", 4);
    assert_int_equal(store.alive, DRS_ALIVE_YES);
    assert_int_equal(get(rig, &store, &value), APR_NOTFOUND);
    assert_int_equal(store.alive, DRS_ALIVE_UNTOLD);
    assert_int_equal(drs_store_has(&store, "f"), APR_SUCCESS);
    assert_int_equal(drs_store_has(&store, "f"), APR_NOTFOUND);
    assert_int_equal(drs_store_count(&store, &n), APR_SUCCESS);
    assert_int_equal(n, 7);
    assert_int_equal(store.alive, DRS_ALIVE_YES);
    assert_int_equal(drs_store_exists(&store), APR_SUCCESS);
    assert_int_equal(store.alive, DRS_ALIVE_NO);
    assert_int_equal(drs_store_keys(&store, &list, rig->p), APR_SUCCESS);
    assert_int_equal(list->nelts, 1);
    assert_int_equal(drs_store_all(&store, &list, rig->p), APR_SUCCESS);
    assert_int_equal(list->nelts, 0);
    assert_int_equal(store.alive, DRS_ALIVE_NO);
    assert_int_equal(fake_heard(rig->fake), 8);
    assert_string_equal(heard(rig, 0), "HGET drsession:x f");
    assert_string_equal(heard(rig, 2), "HEXISTS drsession:x f");
    assert_string_equal(heard(rig, 4), "HLEN drsession:x");
    assert_string_equal(heard(rig, 5), "EXISTS drsession:x");
    assert_string_equal(heard(rig, 6), "HKEYS drsession:x");
    assert_string_equal(heard(rig, 7), "HGETALL drsession:x");
}

static void the_first_read_carries_the_expiry(void **state)
{
    rig_t *rig = *state;
    drs_store_t store;
    drs_bytes_t value;

    set_up(rig, &store);
    PLAY(rig->fake, { .bytes = "$1\r\n1\r\n" }, { .bytes = ":1\r\n" },
         { .bytes = "$-1\r\n" }, { .bytes = "$-1\r\n" }, { .bytes = ":0\r\n" });
    store.touch = 60000;
    assert_int_equal(get(rig, &store, &value), APR_SUCCESS);
    assert_int_equal(get(rig, &store, &value), APR_NOTFOUND);
    store.touch = 60000;
    assert_int_equal(get(rig, &store, &value), APR_NOTFOUND);
    assert_int_equal(store.alive, DRS_ALIVE_NO);
    assert_int_equal(fake_heard(rig->fake), 5);
    assert_string_equal(heard(rig, 1), "PEXPIRE drsession:x 60000");
    assert_string_equal(heard(rig, 2), "HGET drsession:x f");
    assert_string_equal(heard(rig, 4), "PEXPIRE drsession:x 60000");
}

static void many_fields_and_existence_are_one_trip(void **state)
{
    const char *fields[] = { "a", "b c" };
    rig_t *rig = *state;
    drs_bytes_t values[2];
    drs_store_t store;

    set_up(rig, &store);
    PLAY(rig->fake, { .bytes = "*2\r\n$1\r\n1\r\n$-1\r\n" },
         { .bytes = ":1\r\n" });
    assert_int_equal(drs_store_get_many(&store, fields, 2, values, rig->p),
                     APR_SUCCESS);
    assert_string_equal(values[0].data, "1");
    assert_null(values[1].data);
    assert_int_equal(store.alive, DRS_ALIVE_YES);
    assert_int_equal(fake_heard(rig->fake), 2);
    assert_int_equal(fake_command(rig->fake, 0)->argc, 4);
    assert_string_equal(heard(rig, 0), "HMGET drsession:x a b c");
    assert_string_equal(heard(rig, 1), "EXISTS drsession:x");
}

static void a_script_is_spelled_out_once_where_it_is_not_known(void **state)
{
    rig_t *rig = *state;
    const fake_heard_t *evalsha;
    const fake_heard_t *eval;
    drs_store_t store;
    int i;

    set_up(rig, &store);
    store.expiry = 5000;
    PLAY(rig->fake, { .bytes = "-NOSCRIPT No matching script.\r\n" },
         { .bytes = "*2\r\n:1\r\n:1\r\n" });
    assert_int_equal(set(rig, &store), APR_SUCCESS);
    assert_int_equal(store.alive, DRS_ALIVE_YES);
    assert_int_equal(fake_heard(rig->fake), 2);
    evalsha = fake_command(rig->fake, 0);
    eval = fake_command(rig->fake, 1);
    assert_string_equal(evalsha->argv[0], "EVALSHA");
    assert_int_equal(evalsha->lens[1], 40);
    assert_string_equal(eval->argv[0], "EVAL");
    assert_non_null(strstr(eval->argv[1], "redis.call('HSET'"));
    assert_int_equal(eval->argc, evalsha->argc);
    for (i = 2; i < eval->argc; i++) {
        assert_string_equal(eval->argv[i], evalsha->argv[i]);
    }
    assert_string_equal(eval->argv[2], "1");
    assert_string_equal(eval->argv[3], "drsession:x");
    assert_string_equal(eval->argv[4], "0");
    assert_string_equal(eval->argv[5], "5000");
    assert_string_equal(eval->argv[6], "10");
    assert_int_equal(fake_connections(rig->fake, 1), 1);
}

static void a_script_that_is_never_known_is_refused(void **state)
{
    rig_t *rig = *state;
    drs_store_t store;

    set_up(rig, &store);
    PLAY(rig->fake, { .bytes = "-NOSCRIPT No matching script.\r\n" });
    assert_int_equal(set(rig, &store), DRS_EREPLY);
    assert_int_equal(fake_heard(rig->fake), 2);
}

static void spelling_out_has_no_deadline_of_its_own(void **state)
{
    rig_t *rig = *state;
    drs_store_t store;

    set_up(rig, &store);
    store.command = 300 * MS;
    PLAY(rig->fake, { .bytes = "-NOSCRIPT No\r\n", .wait = 200 },
         { .bytes = NULL });
    rig_in(rig, 0);
    assert_int_equal(set(rig, &store), DRS_EUNSURE);
    rig_took(rig, 300, 300);
    assert_int_equal(fake_await(rig->fake, 2), 2);
}

static void all_calls_are_paid_by_one_budget(void **state)
{
    rig_t *rig = *state;
    drs_store_t store;
    drs_bytes_t value;

    set_up(rig, &store);
    store.budget = 200 * MS;
    PLAY(rig->fake, { .bytes = "$1\r\n1\r\n", .wait = 120 });
    assert_int_equal(get(rig, &store, &value), APR_SUCCESS);
    assert_true(store.budget <= 80 * MS);
    rig_in(rig, 0);
    assert_int_equal(get(rig, &store, &value), DRS_EDOWN);
    rig_took(rig, 0, 80);
    rig_in(rig, 0);
    assert_int_equal(get(rig, &store, &value), DRS_EDOWN);
    assert_int_equal(set(rig, &store), DRS_EDOWN);
    rig_took(rig, 0, 0);
    assert_non_null(strstr(store.why.text, "used up its time"));
    assert_int_equal(fake_await(rig->fake, 2), 2);
}

/* An answer, what it means to one who writes, what is known of the key. */
typedef struct row_t {
    const char *bytes;
    apr_status_t rv;
    drs_alive_t alive;
} row_t;

static void check(rig_t *rig, drs_store_t *store, const row_t *row,
                  apr_status_t rv)
{
    assert_int_equal(rv, row->rv);
    assert_int_equal(store->alive, row->alive);
    assert_int_equal(fake_heard(rig->fake), 1);
}

static void every_answer_of_an_update_has_its_meaning(void **state)
{
    static const row_t rows[] = {
        { "*2\r\n:0\r\n:1\r\n", APR_SUCCESS, DRS_ALIVE_YES },
        { "*2\r\n:0\r\n:0\r\n", APR_SUCCESS, DRS_ALIVE_NO },
        { "*1\r\n:-1\r\n", DRS_EGONE, DRS_ALIVE_NO },
        { "*1\r\n:-2\r\n", DRS_EVALUE, DRS_ALIVE_YES },
        { "*1\r\n:-4\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*1\r\n:-9223372036854775808\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*2\r\n:-1\r\n:1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*1\r\n:1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*0\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*3\r\n:1\r\n:1\r\n:1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*2\r\n$1\r\n1\r\n:1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*2\r\n:1\r\n$1\r\n1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*2\r\n:1\r\n$-1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { ":1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "$-1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { OK, DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "-WRONGTYPE Operation\r\n", DRS_EREPLY, DRS_ALIVE_UNTOLD },
        { "-ERR unknown command\r\n", DRS_EREPLY, DRS_ALIVE_UNTOLD },
        { "-OOM command not allowed\r\n", DRS_EDOWN, DRS_ALIVE_UNTOLD },
        { "-READONLY no. script: f, on @user_script:1.\r\n", DRS_EDOWN,
          DRS_ALIVE_UNTOLD },
    };
    rig_t *rig = *state;
    drs_store_t store;
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        expect(rig, &store, rows[i].bytes);
        if (i + 1 == COUNT(rows)) break;
        check(rig, &store, &rows[i], set(rig, &store));
    }
    assert_int_equal(set(rig, &store), DRS_EDOWN);
    assert_int_equal(fake_heard(rig->fake), 2);
}

static void every_answer_of_a_sum_has_its_meaning(void **state)
{
    static const row_t rows[] = {
        { "*2\r\n:0\r\n$2\r\n17\r\n", APR_SUCCESS, DRS_ALIVE_YES },
        { "*2\r\n:0\r\n$20\r\n-9223372036854775808\r\n", APR_SUCCESS,
          DRS_ALIVE_YES },
        { "*2\r\n:0\r\n$19\r\n9223372036854775808\r\n", DRS_EUNSURE,
          DRS_ALIVE_YES },
        { "*2\r\n:0\r\n$3\r\n17x\r\n", DRS_EUNSURE, DRS_ALIVE_YES },
        { "*2\r\n:0\r\n$0\r\n\r\n", DRS_EUNSURE, DRS_ALIVE_YES },
        { "*2\r\n:0\r\n:17\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*2\r\n:0\r\n$-1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*1\r\n:-1\r\n", DRS_EGONE, DRS_ALIVE_NO },
        { "-ERR hash value is not an integer\r\n", DRS_EVALUE,
          DRS_ALIVE_UNTOLD },
        { "-ERR increment or decrement would overflow\r\n", DRS_EVALUE,
          DRS_ALIVE_UNTOLD },
        { "-ERR value is not an integer or out of range\r\n", DRS_EREPLY,
          DRS_ALIVE_UNTOLD },
    };
    rig_t *rig = *state;
    drs_store_t store;
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        apr_int64_t now = 4711;
        apr_status_t rv;

        expect(rig, &store, rows[i].bytes);
        rv = drs_store_incr(&store, "n", -3, &now, rig->p);
        check(rig, &store, &rows[i], rv);
        if (rv != APR_SUCCESS) assert_true(now == 4711);
        if (i == 0) assert_true(now == 17);
        if (i == 1) assert_true(now == APR_INT64_MIN);
    }
    assert_string_equal(fake_command(rig->fake, 0)->argv[8], "-3");
}

static void every_answer_of_an_addition_has_its_meaning(void **state)
{
    static const row_t rows[] = {
        { "*2\r\n:1\r\n:1\r\n", APR_SUCCESS, DRS_ALIVE_YES },
        { "*1\r\n:-3\r\n", APR_EEXIST, DRS_ALIVE_YES },
        { "*1\r\n:-1\r\n", DRS_EGONE, DRS_ALIVE_NO },
        { "*1\r\n:-2\r\n", DRS_EVALUE, DRS_ALIVE_YES },
        { "*1\r\n:-3\r\n:1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
    };
    const drs_pair_t pair = { "f", { "1", 1 } };
    rig_t *rig = *state;
    drs_store_t store;
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        expect(rig, &store, rows[i].bytes);
        check(rig, &store, &rows[i], drs_store_add(&store, &pair, rig->p));
    }
}

static void every_answer_of_a_deletion_has_its_meaning(void **state)
{
    static const row_t rows[] = {
        { "*2\r\n:1\r\n:1\r\n", APR_SUCCESS, DRS_ALIVE_YES },
        { "*2\r\n:1\r\n:0\r\n", APR_SUCCESS, DRS_ALIVE_NO },
        { "*2\r\n:0\r\n:1\r\n", APR_NOTFOUND, DRS_ALIVE_YES },
        { "*2\r\n:0\r\n:0\r\n", APR_NOTFOUND, DRS_ALIVE_NO },
        { "*1\r\n:-1\r\n", DRS_EGONE, DRS_ALIVE_NO },
        { "-WRONGTYPE a\r\n", DRS_EREPLY, DRS_ALIVE_UNTOLD },
        { "-OOM a\r\n", DRS_EDOWN, DRS_ALIVE_UNTOLD },
        { "*2\r\n:1\r\n$1\r\n1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { ":1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
    };
    rig_t *rig = *state;
    drs_store_t store;
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        expect(rig, &store, rows[i].bytes);
        check(rig, &store, &rows[i], drs_store_del(&store, "f", rig->p));
    }
}

/* Where a key may have no expiry yet, a negative one is given to it. */
static void what_is_taken_or_moved_gets_the_expiry_it_lacks(void **state)
{
    rig_t *rig = *state;
    drs_bytes_t value = { NULL, 0 };
    drs_store_t store;

    set_up(rig, &store);
    store.expiry = -5000;
    PLAY(rig->fake, { .bytes = OK }, { .bytes = QUEUED }, { .bytes = QUEUED },
         { .bytes = QUEUED }, { .bytes = QUEUED },
         { .bytes = "*4\r\n$1\r\n1\r\n:1\r\n:1\r\n:1\r\n" });
    assert_int_equal(drs_store_pop(&store, "f", &value, rig->p), APR_SUCCESS);
    assert_string_equal(heard(rig, 4), "PEXPIRE drsession:x 5000 NX");

    set_up(rig, &store);
    store.expiry = -5000;
    PLAY(rig->fake, { .bytes = OK }, { .bytes = QUEUED }, { .bytes = QUEUED },
         { .bytes = "*2\r\n+OK\r\n:1\r\n" });
    assert_int_equal(drs_store_rename(&store, "drsession:y"), APR_SUCCESS);
    assert_string_equal(heard(rig, 2), "PEXPIRE drsession:y 5000 NX");
}

static void every_answer_of_a_removal_has_its_meaning(void **state)
{
    static const row_t rows[] = {
        /* clang-format off */
        { "*3\r\n$1\r\n1\r\n:1\r\n:1\r\n", APR_SUCCESS, DRS_ALIVE_YES },
        { "*3\r\n$1\r\n1\r\n:1\r\n:0\r\n", APR_SUCCESS, DRS_ALIVE_NO },
        { "*3\r\n$-1\r\n:0\r\n:1\r\n", APR_NOTFOUND, DRS_ALIVE_YES },
        { "*3\r\n$-1\r\n:0\r\n:0\r\n", APR_NOTFOUND, DRS_ALIVE_NO },
        { "*3\r\n-WRONGTYPE a\r\n-WRONGTYPE a\r\n:1\r\n", DRS_EREPLY,
          DRS_ALIVE_UNTOLD },
        { "*3\r\n:1\r\n:1\r\n:1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*3\r\n$1\r\n1\r\n:1\r\n$1\r\n1\r\n", DRS_EUNSURE,
          DRS_ALIVE_UNTOLD },
        { "*2\r\n$1\r\n1\r\n:1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*-1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "-EXECABORT Transaction discarded\r\n", DRS_EDOWN,
          DRS_ALIVE_UNTOLD },
        /* clang-format on */
    };
    rig_t *rig = *state;
    drs_store_t store;
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        drs_bytes_t value = { NULL, 0 };

        set_up(rig, &store);
        PLAY(rig->fake, { .bytes = OK }, { .bytes = QUEUED },
             { .bytes = QUEUED }, { .bytes = QUEUED },
             { .bytes = rows[i].bytes });
        assert_int_equal(drs_store_pop(&store, "f", &value, rig->p),
                         rows[i].rv);
        assert_int_equal(store.alive, rows[i].alive);
        assert_int_equal(value.data != NULL, rows[i].rv == APR_SUCCESS);
        assert_int_equal(fake_heard(rig->fake), 5);
    }
    assert_string_equal(heard(rig, 0), "MULTI");
    assert_string_equal(heard(rig, 1), "HGET drsession:x f");
    assert_string_equal(heard(rig, 2), "HDEL drsession:x f");
    assert_string_equal(heard(rig, 3), "EXISTS drsession:x");
    assert_string_equal(heard(rig, 4), "EXEC");
}

static void every_answer_of_a_move_has_its_meaning(void **state)
{
    static const row_t rows[] = {
        { "*2\r\n+OK\r\n:1\r\n", APR_SUCCESS, DRS_ALIVE_UNTOLD },
        { "*2\r\n-ERR no such key\r\n:0\r\n", DRS_EGONE, DRS_ALIVE_NO },
        { "*2\r\n-ERR other\r\n:0\r\n", DRS_EREPLY, DRS_ALIVE_UNTOLD },
        { "*2\r\n:1\r\n:1\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
        { "*1\r\n+OK\r\n", DRS_EUNSURE, DRS_ALIVE_UNTOLD },
    };
    rig_t *rig = *state;
    drs_store_t store;
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        set_up(rig, &store);
        store.expiry = 5000;
        PLAY(rig->fake, { .bytes = OK }, { .bytes = QUEUED },
             { .bytes = QUEUED }, { .bytes = rows[i].bytes });
        assert_int_equal(drs_store_rename(&store, "drsession:y"), rows[i].rv);
        assert_int_equal(store.alive, rows[i].alive);
        assert_int_equal(fake_heard(rig->fake), 4);
    }
    assert_string_equal(heard(rig, 1), "RENAME drsession:x drsession:y");
    assert_string_equal(heard(rig, 2), "PEXPIRE drsession:y 5000");
}

static void a_list_with_a_hole_or_half_a_pair_is_refused(void **state)
{
    static const char *const answers[] = {
        /* clang-format off */
        "*1\r\n$-1\r\n", "*2\r\n$1\r\na\r\n$-1\r\n", "*2\r\n$-1\r\n$1\r\na\r\n",
        "*2\r\n$1\r\na\r\n:1\r\n", "*1\r\n*0\r\n", "*1\r\n$1\r\na\r\n",
        /* clang-format on */
    };
    rig_t *rig = *state;
    apr_array_header_t *list = NULL;
    drs_store_t store;
    size_t i;

    for (i = 0; i < COUNT(answers); i++) {
        expect(rig, &store, answers[i]);
        assert_int_equal(drs_store_all(&store, &list, rig->p), DRS_EREPLY);
        assert_null(list);
        if (i + 1 == COUNT(answers)) break;
        assert_int_equal(drs_store_keys(&store, &list, rig->p), DRS_EREPLY);
        assert_null(list);
    }
}

static void no_line_about_a_failure_repeats_what_was_sent(void **state)
{
    static const char *const answers[] = {
        /* clang-format off */
        "-ERR unknown command 'EVALSHA', with args beginning with: 'k'\r\n",
        "-ERR wrong number of arguments for \"k\"\r\n",
        "-NOPERM no permissions to access key: k\r\n", "-ERR `k`\r\n",
        /* clang-format on */
    };
    rig_t *rig = *state;
    drs_store_t store;
    size_t i;

    for (i = 0; i < COUNT(answers); i++) {
        expect(rig, &store, answers[i]);
        assert_int_not_equal(set(rig, &store), APR_SUCCESS);
        assert_true(store.why.text[0] != '\0');
        assert_null(strpbrk(store.why.text, "'\"`"));
        assert_null(strstr(store.why.text, "key: k"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(a_read_is_one_command),
        TCP(the_first_read_carries_the_expiry),
        TCP(many_fields_and_existence_are_one_trip),
        TCP(a_script_is_spelled_out_once_where_it_is_not_known),
        TCP(a_script_that_is_never_known_is_refused),
        TCP(spelling_out_has_no_deadline_of_its_own),
        TCP(all_calls_are_paid_by_one_budget),
        TCP(every_answer_of_an_update_has_its_meaning),
        TCP(every_answer_of_a_sum_has_its_meaning),
        TCP(every_answer_of_an_addition_has_its_meaning),
        TCP(every_answer_of_a_deletion_has_its_meaning),
        TCP(what_is_taken_or_moved_gets_the_expiry_it_lacks),
        TCP(every_answer_of_a_removal_has_its_meaning),
        TCP(every_answer_of_a_move_has_its_meaning),
        TCP(a_list_with_a_hole_or_half_a_pair_is_refused),
        TCP(no_line_about_a_failure_repeats_what_was_sent),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("store", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
