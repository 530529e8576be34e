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

enum { PATIENCE = 100, GROWTH = 4 * 1024 };

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

static apr_status_t ask_get(drs_store_t *store, apr_pool_t *p)
{
    drs_bytes_t value = { NULL, 0 };
    apr_status_t rv = drs_store_get(store, "f", &value, p);

    if (rv == APR_SUCCESS) assert_int_equal(value.data[value.len], '\0');
    return rv;
}

static apr_status_t ask_get_many(drs_store_t *store, apr_pool_t *p)
{
    const char *fields[] = { "a", "b" };
    drs_bytes_t values[2];

    return drs_store_get_many(store, fields, 2, values, p);
}

static apr_status_t ask_count(drs_store_t *store, apr_pool_t *p)
{
    apr_size_t n;

    (void)p;
    return drs_store_count(store, &n);
}

static apr_status_t ask_all(drs_store_t *store, apr_pool_t *p)
{
    apr_array_header_t *all = NULL;
    apr_status_t rv = drs_store_all(store, &all, p);
    int i;

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

static apr_status_t ask_incr(drs_store_t *store, apr_pool_t *p)
{
    apr_int64_t now = 0;

    return drs_store_incr(store, "n", 1, &now, p);
}

static apr_status_t ask_pop(drs_store_t *store, apr_pool_t *p)
{
    drs_bytes_t value = { NULL, 0 };

    return drs_store_pop(store, "f", &value, p);
}

static apr_status_t ask_rename(drs_store_t *store, apr_pool_t *p)
{
    (void)p;
    return drs_store_rename(store, "drsession:y");
}

static const verb_t verbs[] = {
    /* clang-format off */
    { "get", 0, 0, 0, ask_get },
    { "get_many", 0, 0, 1, ask_get_many },
    { "count", 0, 0, 0, ask_count },
    { "all", 0, 0, 0, ask_all },
    { "update", 1, 0, 0, ask_update },
    { "incr", 1, 0, 0, ask_incr },
    { "pop", 1, 4, 0, ask_pop },
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
        return verb->ask == ask_get || verb->ask == ask_pop;
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
    store->command = PATIENCE * MS;
    store->budget = 10 * APR_USEC_PER_SEC;
    store->reply_max = MOST;
    store->fields_max = 10;
}

/* Let the verb meet the answer, then see what the next caller gets. */
static apr_status_t meet(rig_t *rig, const verb_t *verb,
                         const fake_act_t *answer, apr_pool_t *p)
{
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
    rig_in(rig, 0);
    rv = verb->ask(&store, p);
    rig_took(rig, 0, PATIENCE);
    assert_int_equal(store.why.text[0] != '\0', rv != APR_SUCCESS &&
                                                    rv != APR_NOTFOUND &&
                                                    rv != APR_EEXIST);
    store.command = LONG * MS;
    assert_int_equal(drs_store_get(&store, "own field", &own, p), APR_SUCCESS);
    assert_string_equal(own.data, "own field");
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

static void check_hostile(rig_t *rig, const verb_t *verb, fake_end_t end)
{
    size_t i;

    for (i = 0; i < COUNT(hostile); i++) {
        fake_act_t answer = { .bytes = hostile[i].bytes,
                              .len = hostile[i].len,
                              .times = hostile[i].times,
                              .end = end };
        int told = forget_peak();
        long before = read_status("VmRSS:");
        apr_status_t rv;
        apr_pool_t *p;

        assert_int_equal(apr_pool_create(&p, rig->p), APR_SUCCESS);
        rv = meet(rig, verb, &answer, p);
        apr_pool_destroy(p);
        if (rv != DRS_EDOWN &&
            rv != (verb->writes ? DRS_EUNSURE : DRS_EREPLY) &&
            !(end != FAKE_KEEP && rv == APR_SUCCESS && !verb->writes)) {
            fail_msg("%s: %s: %d", verb->name, hostile[i].name, (int)rv);
        }
        if (verb->writes && rv == DRS_EDOWN) {
            fail_msg("%s: %s: down", verb->name, hostile[i].name);
        }
        if (told && read_status("VmHWM:") - before >= GROWTH) {
            fail_msg("%s: %s: %ld kB more", verb->name, hostile[i].name,
                     read_status("VmHWM:") - before);
        }
    }
}

static void no_hostile_answer_is_taken_for_one(void **state)
{
    size_t i;

    assert_true(COUNT(hostile) >= 60);
    for (i = 0; i < COUNT(verbs); i += 2) {
        check_hostile(*state, &verbs[i], FAKE_KEEP);
    }
}

static void nor_is_one_before_the_end_of_the_connection(void **state)
{
    size_t i;

    for (i = 0; i < COUNT(verbs); i++) {
        check_hostile(*state, &verbs[i], FAKE_CLOSE);
        check_hostile(*state, &verbs[i], FAKE_RESET);
    }
}

/* One answer that may mean anything, but nothing beyond the contract. */
static void meet_any(rig_t *rig, const char *bytes, size_t len)
{
    fake_act_t answer = { .bytes = bytes, .len = len, .end = FAKE_CLOSE };
    size_t i;

    for (i = 0; i < COUNT(verbs); i++) {
        apr_pool_t *p;
        apr_status_t rv;

        assert_int_equal(apr_pool_create(&p, rig->p), APR_SUCCESS);
        rv = meet(rig, &verbs[i], &answer, p);
        apr_pool_destroy(p);
        if (!is_known(&verbs[i], rv)) {
            fail_msg("%s: %d for %s", verbs[i].name, (int)rv,
                     apr_pescape_hex(rig->p, bytes, len, 0));
        }
    }
}

static void a_prefix_of_an_answer_is_no_answer(void **state)
{
    rig_t *rig = *state;
    size_t i;
    size_t k;
    size_t len;

    assert_true(COUNT(valid) >= 12);
    for (i = 0; i < COUNT(valid); i++) {
        for (len = 1; len < strlen(valid[i]); len++) {
            fake_act_t answer = { .bytes = valid[i],
                                  .len = len,
                                  .end = FAKE_CLOSE };

            for (k = 0; k < COUNT(verbs); k++) {
                apr_pool_t *p;
                apr_status_t rv;

                if (!verbs[k].writes) continue;
                assert_int_equal(apr_pool_create(&p, rig->p), APR_SUCCESS);
                rv = meet(rig, &verbs[k], &answer, p);
                apr_pool_destroy(p);
                assert_int_equal(rv, DRS_EUNSURE);
            }
        }
    }
}

static void a_valid_answer_with_a_bit_turned_breaks_no_contract(void **state)
{
    rig_t *rig = *state;
    char *bent;
    size_t i;
    size_t bit;

    for (i = 0; i < COUNT(valid); i++) {
        size_t len = strlen(valid[i]);

        meet_any(rig, valid[i], len);
        for (bit = 0; bit < len * 8; bit++) {
            /* A copy each: a thread of the server may hold the last one. */
            bent = apr_pmemdup(rig->p, valid[i], len);
            bent[bit / 8] = (char)(bent[bit / 8] ^ 1 << bit % 8);
            meet_any(rig, bent, len);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(no_hostile_answer_is_taken_for_one),
        UNIX(nor_is_one_before_the_end_of_the_connection),
        UNIX(a_prefix_of_an_answer_is_no_answer),
        UNIX(a_valid_answer_with_a_bit_turned_breaks_no_contract),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
