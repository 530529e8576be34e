/* SPDX-License-Identifier: MIT */
/*
 * The store before hostile answers, valid ones cut after each byte, and
 * valid ones with each bit turned: it stays alive, in time and in its
 * memory, says what its contract knows, and the next caller gets its own.
 */
#include "drs_store.h"

#include <stdio.h>

#include <apr_escape.h>

#include "hostile.h"
#include "rig.h"

/* ms where somebody waits for the deadline, ms where nobody does; kB */
enum { PATIENCE = 100, ENOUGH = 300, GROWTH = 4 * 1024 };

#if defined(__SANITIZE_ADDRESS__)
#define WATCHED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WATCHED 1
#endif
#endif
#ifndef WATCHED
#define WATCHED 0
#endif

/* A verb: what is answered before the answer in question, who asks. */
typedef struct verb_t {
    const char *name;
    int writes;
    int before; /* commands that are answered well */
    int after;  /* commands that are not answered */
    apr_status_t (*ask)(drs_store_t *store, apr_pool_t *p);
} verb_t;

/* What the last get was given. */
static drs_bytes_t got;

/* How many answers were met in all, how many commands the last one took. */
static unsigned long met;
static int heard;

static apr_status_t ask_get(drs_store_t *store, apr_pool_t *p)
{
    apr_status_t rv = drs_store_get(store, "f", &got, p);

    if (rv == APR_SUCCESS) assert_int_equal(got.data[got.len], '\0');
    return rv;
}

static apr_status_t ask_get_many(drs_store_t *store, apr_pool_t *p)
{
    const char *fields[] = { "a", "b" };
    drs_bytes_t values[2];

    return drs_store_get_many(store, fields, 2, values, p);
}

static apr_status_t ask_has(drs_store_t *store, apr_pool_t *p)
{
    (void)p;
    return drs_store_has(store, "f");
}

static apr_status_t ask_exists(drs_store_t *store, apr_pool_t *p)
{
    (void)p;
    return drs_store_exists(store);
}

static apr_status_t ask_count(drs_store_t *store, apr_pool_t *p)
{
    apr_size_t n = 4711;
    apr_status_t rv = drs_store_count(store, &n);

    (void)p;
    assert_true(rv == APR_SUCCESS || n == 4711);
    return rv;
}

static apr_status_t ask_keys(drs_store_t *store, apr_pool_t *p)
{
    apr_array_header_t *keys = NULL;
    apr_status_t rv = drs_store_keys(store, &keys, p);

    assert_int_equal(rv == APR_SUCCESS, keys != NULL);
    return rv;
}

static apr_status_t ask_all(drs_store_t *store, apr_pool_t *p)
{
    apr_array_header_t *all = NULL;
    apr_status_t rv = drs_store_all(store, &all, p);
    int i;

    assert_int_equal(rv == APR_SUCCESS, all != NULL);
    for (i = 0; rv == APR_SUCCESS && i < all->nelts; i++) {
        assert_non_null(APR_ARRAY_IDX(all, i, drs_bytes_t).data);
    }
    if (rv == APR_SUCCESS) assert_int_equal(all->nelts % 2, 0);
    return rv;
}

static apr_status_t ask_update(drs_store_t *store, apr_pool_t *p)
{
    drs_pair_t pair = { "f", { "1", 1 } };
    apr_size_t created;

    return drs_store_update(store, &pair, 1, &created, p);
}

static apr_status_t ask_add(drs_store_t *store, apr_pool_t *p)
{
    drs_pair_t pair = { "f", { "1", 1 } };

    return drs_store_add(store, &pair, p);
}

static apr_status_t ask_incr(drs_store_t *store, apr_pool_t *p)
{
    apr_int64_t now = 4711;
    apr_status_t rv = drs_store_incr(store, "n", 1, &now, p);

    assert_true(rv == APR_SUCCESS || now == 4711);
    return rv;
}

static apr_status_t ask_batch(drs_store_t *store, apr_pool_t *p)
{
    drs_step_t step = { DRS_STEP_SET, "f", { "1", 1 } };

    return drs_store_batch(store, &step, 1, DRS_THEN_STAY, NULL, p);
}

static apr_status_t ask_del(drs_store_t *store, apr_pool_t *p)
{
    return drs_store_del(store, "f", p);
}

static apr_status_t ask_pop(drs_store_t *store, apr_pool_t *p)
{
    drs_bytes_t value = { NULL, 0 };
    apr_status_t rv = drs_store_pop(store, "f", &value, p);

    assert_int_equal(rv == APR_SUCCESS, value.data != NULL);
    return rv;
}

static apr_status_t ask_unlink(drs_store_t *store, apr_pool_t *p)
{
    (void)p;
    return drs_store_unlink(store);
}

static apr_status_t ask_rename(drs_store_t *store, apr_pool_t *p)
{
    (void)p;
    return drs_store_rename(store, "drsession:y");
}

/* All verbs of a store. */
static const verb_t verbs[] = {
    /* clang-format off */
    { "get", 0, 0, 0, ask_get },
    { "get_many", 0, 0, 1, ask_get_many },
    { "has", 0, 0, 0, ask_has },
    { "exists", 0, 0, 0, ask_exists },
    { "count", 0, 0, 0, ask_count },
    { "keys", 0, 0, 0, ask_keys },
    { "all", 0, 0, 0, ask_all },
    { "update", 1, 0, 0, ask_update },
    { "add", 1, 0, 0, ask_add },
    { "incr", 1, 0, 0, ask_incr },
    { "batch", 1, 0, 0, ask_batch },
    { "del", 1, 0, 0, ask_del },
    { "pop", 1, 4, 0, ask_pop },
    { "unlink", 1, 0, 0, ask_unlink },
    { "rename", 1, 2, 0, ask_rename },
    /* clang-format on */
};

/* What a contract knows; of an answer that is none, what it may say. */
static int is_known(const verb_t *verb, apr_status_t rv)
{
    switch (rv) {
    case APR_SUCCESS:
    case DRS_EDOWN:
    case DRS_EREPLY:
        return 1;
    case APR_NOTFOUND:
        return verb->ask == ask_get || verb->ask == ask_has ||
               verb->ask == ask_del || verb->ask == ask_pop;
    case DRS_EUNSURE:
    case DRS_EGONE:
    case DRS_EVALUE:
    case APR_EEXIST:
        return verb->writes;
    default:
        return 0;
    }
}

static void set_up(rig_t *rig, drs_store_t *store, apr_pool_t *p)
{
    memset(store, 0, sizeof(*store));
    store->route = drs_route_create(&rig->conf, p);
    store->key = "drsession:x";
    store->budget = 10 * APR_USEC_PER_SEC;
    store->reply_max = MOST;
    store->fields_max = 10;
}

/*
 * Let the verb meet the answer, then see what the next caller gets: what it
 * asked for, over a connection that owes nobody anything.
 */
static apr_status_t meet(rig_t *rig, const verb_t *verb,
                         const fake_act_t *answer, apr_pool_t *p)
{
    int patience = answer->end == FAKE_KEEP ? PATIENCE : ENOUGH;
    fake_act_t acts[8];
    drs_bytes_t own = { NULL, 0 };
    drs_store_t store;
    apr_status_t rv;
    int i;

    memset(acts, 0, sizeof(acts));
    for (i = 0; i < verb->before; i++) {
        acts[i].bytes = i == 0 ? "+OK\r\n" : "+QUEUED\r\n";
    }
    acts[i] = *answer;
    i += verb->after + 1;
    acts[i].echo = 1;
    fake_forget(rig->fake);
    fake_play(rig->fake, acts, i + 1);
    PLAY(rig->fake, { .echo = 1 });
    set_up(rig, &store, p);
    store.command = patience * MS;
    rig_in(rig, 0);
    rv = verb->ask(&store, p);
    rig_took(rig, 0, patience);
    heard = fake_heard(rig->fake);
    assert_int_equal(store.why.text[0] != '\0', rv != APR_SUCCESS &&
                                                    rv != APR_NOTFOUND &&
                                                    rv != APR_EEXIST);
    store.command = LONG * MS;
    assert_int_equal(drs_store_get(&store, "own field", &own, p), APR_SUCCESS);
    assert_string_equal(own.data, "own field");
    met++;
    return rv;
}

/* Kilobytes of a line of /proc/self/status. */
static long read_status(const char *name)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long kb = -1;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            kb = (long)apr_atoi64(line + strlen(name));
        }
    }
    fclose(file);
    assert_true(kb > 0);
    return kb;
}

/* Begin to watch the peak of memory; where it cannot be, nothing is told. */
static int forget_peak(void)
{
    FILE *file;

    if (WATCHED || rig_slack() > 100 * MS) return 0;
    file = fopen("/proc/self/clear_refs", "w");
    if (file == NULL) return 0;
    fputs("5", file);
    return fclose(file) == 0;
}

/* One after another, in pools of their own. */
static apr_status_t meet_once(rig_t *rig, const verb_t *verb,
                              const fake_act_t *answer)
{
    apr_status_t rv;
    apr_pool_t *p;

    assert_int_equal(apr_pool_create(&p, rig->p), APR_SUCCESS);
    rv = meet(rig, verb, answer, p);
    apr_pool_destroy(p);
    return rv;
}

static void check_hostile(rig_t *rig, const verb_t *verb, const hostile_t *lie,
                          fake_end_t end)
{
    fake_act_t answer = {
        .bytes = lie->bytes, .len = lie->len, .times = lie->times, .end = end
    };
    int told = forget_peak();
    long before = read_status("VmRSS:");
    apr_status_t rv = meet_once(rig, verb, &answer);

    if (rv != DRS_EDOWN && rv != (verb->writes ? DRS_EUNSURE : DRS_EREPLY) &&
        !(end != FAKE_KEEP && rv == APR_SUCCESS && !verb->writes)) {
        fail_msg("%s: %s: %d", verb->name, lie->name, (int)rv);
    }
    /* What nobody was asked is surely not done. */
    if (verb->writes && rv == DRS_EDOWN && heard > 0) {
        fail_msg("%s: %s: down", verb->name, lie->name);
    }
    if (told && read_status("VmHWM:") - before >= GROWTH) {
        fail_msg("%s: %s: %ld kB more", verb->name, lie->name,
                 read_status("VmHWM:") - before);
    }
}

/* A lie without an end takes all the time there is: not of every verb. */
static void no_hostile_answer_is_taken_for_one(void **state)
{
    enum { VERBS_EACH = 5 };
    size_t i;
    size_t k;

    assert_true(COUNT(hostile) >= 60);
    for (i = 0; i < COUNT(hostile); i++) {
        for (k = 0; k < VERBS_EACH; k++) {
            check_hostile(*state, &verbs[(i + k * 3) % COUNT(verbs)],
                          &hostile[i], FAKE_KEEP);
        }
    }
    print_message("# %lu hostile answers, %lu met\n",
                  (unsigned long)COUNT(hostile), met);
}

static void nor_is_one_before_the_end_of_the_connection(void **state)
{
    size_t i;
    size_t k;

    met = 0;
    for (i = 0; i < COUNT(hostile); i++) {
        for (k = 0; k < COUNT(verbs); k++) {
            check_hostile(*state, &verbs[k], &hostile[i], FAKE_CLOSE);
            check_hostile(*state, &verbs[k], &hostile[i], FAKE_RESET);
        }
    }
    print_message("# %lu hostile answers, %lu met\n",
                  (unsigned long)COUNT(hostile), met);
}

/* What is answered to a reader again: its field, which only get may have. */
static void check_prefix(rig_t *rig, const verb_t *verb, const char *bytes,
                         size_t len)
{
    fake_act_t answer = { .bytes = bytes, .len = len, .end = FAKE_CLOSE };
    apr_status_t wanted = verb->writes           ? DRS_EUNSURE
                          : verb->ask == ask_get ? APR_SUCCESS
                                                 : DRS_EREPLY;
    apr_status_t rv;
    apr_pool_t *p;

    assert_int_equal(apr_pool_create(&p, rig->p), APR_SUCCESS);
    rv = meet(rig, verb, &answer, p);
    if (rv != wanted) {
        fail_msg("%s: %d for %s", verb->name, (int)rv,
                 apr_pescape_hex(rig->p, bytes, len, 0));
    }
    if (rv == APR_SUCCESS) assert_string_equal(got.data, "f");
    apr_pool_destroy(p);
}

static void check_growth(long before)
{
    long now = read_status("VmRSS:");

    if (!WATCHED && now - before >= GROWTH) {
        fail_msg("%ld kB more", now - before);
    }
}

static void a_prefix_of_an_answer_is_no_answer(void **state)
{
    long before = read_status("VmRSS:");
    size_t i;
    size_t k;
    size_t len;

    met = 0;
    assert_true(COUNT(valid) >= 12);
    for (i = 0; i < COUNT(valid); i++) {
        for (len = 1; len < strlen(valid[i]); len++) {
            for (k = 0; k < COUNT(verbs); k++) {
                check_prefix(*state, &verbs[k], valid[i], len);
            }
        }
    }
    check_growth(before);
    print_message("# prefixes of %lu valid answers, %lu met\n",
                  (unsigned long)COUNT(valid), met);
}

/* One answer that may mean anything, but nothing beyond the contract. */
static void meet_any(rig_t *rig, const char *bytes, size_t len)
{
    fake_act_t answer = { .bytes = bytes, .len = len, .end = FAKE_CLOSE };
    size_t i;

    for (i = 0; i < COUNT(verbs); i++) {
        apr_status_t rv = meet_once(rig, &verbs[i], &answer);

        if (!is_known(&verbs[i], rv)) {
            fail_msg("%s: %d for %s", verbs[i].name, (int)rv,
                     apr_pescape_hex(rig->p, bytes, len, 0));
        }
    }
}

static void a_valid_answer_with_a_bit_turned_breaks_no_contract(void **state)
{
    rig_t *rig = *state;
    long before = read_status("VmRSS:");
    char *bent;
    size_t i;
    size_t bit;

    met = 0;
    for (i = 0; i < COUNT(valid); i++) {
        size_t len = strlen(valid[i]);

        meet_any(*state, valid[i], len);
        for (bit = 0; bit < len * 8; bit++) {
            /* A copy each: a thread of the server may hold the last one. */
            bent = apr_pmemdup(rig->p, valid[i], len);
            bent[bit / 8] = (char)(bent[bit / 8] ^ 1 << bit % 8);
            meet_any(*state, bent, len);
        }
    }
    check_growth(before);
    print_message("# bits of %lu valid answers, %lu met\n",
                  (unsigned long)COUNT(valid), met);
}

/* What nobody waits for any more is nobody's answer. */
static void an_answer_that_is_late_reaches_nobody(void **state)
{
    const fake_act_t late[] = {
        { .bytes = "$3\r\n\"a\"\r\n", .wait = 2 * PATIENCE },
        { .bytes = "*2\r\n:1\r\n:1\r\n", .wait = 2 * PATIENCE },
        { .bytes = "$3\r\n\"a\"\r\n", .drip = PATIENCE / 3 },
        { .bytes = ":1111111111111\r\n", .drip = PATIENCE / 3 },
    };
    apr_status_t rv;
    size_t i;
    size_t k;

    for (i = 0; i < COUNT(late); i++) {
        for (k = 0; k < COUNT(verbs); k += 2) {
            const verb_t *verb = &verbs[(k + i) % COUNT(verbs)];

            rv = meet_once(*state, verb, &late[i]);
            assert_int_equal(rv, verb->writes && heard > 0 ? DRS_EUNSURE
                                                           : DRS_EDOWN);
        }
    }
}

/* HMGET and EXISTS, whose answers come in the wrong order. */
static void swapped_answers_are_none(void **state)
{
    const fake_act_t swapped = { .bytes =
                                     ":1\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n" };

    assert_int_equal(meet_once(*state, &verbs[1], &swapped), DRS_EREPLY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(no_hostile_answer_is_taken_for_one),
        UNIX(nor_is_one_before_the_end_of_the_connection),
        UNIX(a_prefix_of_an_answer_is_no_answer),
        UNIX(a_valid_answer_with_a_bit_turned_breaks_no_contract),
        TCP(an_answer_that_is_late_reaches_nobody),
        UNIX(swapped_answers_are_none),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
