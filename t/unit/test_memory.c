/* SPDX-License-Identifier: MIT */
/*
 * Memory that runs out: the nth allocation of a verb fails, or that one and
 * all that follow, for every n until the verb needs no more. The linker puts
 * ours in the place of malloc() in hiredis and jansson, which are linked as
 * archives for it. APR's own is not touched: pools abort by design, as all of
 * httpd relies on.
 *
 * Whatever fails, the answer is honest: success is an act of the server and
 * its right result, "down" is none. The connection is not used again with an
 * answer of before in it, and nothing leaks.
 */
#include <stdlib.h>

#include "drs_batch.h"
#include "drs_codec.h"
#include "drs_life.h"
#include "drs_ops.h"
#include "drs_view.h"
#include "request.h"

#define OK "+OK\r\n"
#define QUEUED "+QUEUED\r\n"
#define WRITTEN "*2\r\n:1\r\n:1\r\n"

enum { ANSWERS = 6, ENOUGH = 300 };

/* Of this thread alone; the fake server has its own. */
static __thread struct {
    int on;      /* allocations are watched */
    int lasting; /* those after the nth fail, too */
    int nth;     /* the one that fails; 0 = none */
    int n;       /* since it was set */
    int live;    /* allocated and not freed */
    int connects;
} watch;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void __real_free(void *block);
void __wrap_free(void *block);
int __real_connect(int fd, const struct sockaddr *to, socklen_t len);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len);

static int is_out(void)
{
    if (!watch.on || watch.nth == 0) return 0;
    watch.n++;
    return watch.lasting ? watch.n >= watch.nth : watch.n == watch.nth;
}

static void *note(void *block)
{
    if (watch.on && block != NULL) watch.live++;
    return block;
}

void *__wrap_malloc(size_t size)
{
    return is_out() ? NULL : note(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return is_out() ? NULL : note(__real_calloc(n, size));
}

void *__wrap_realloc(void *block, size_t size)
{
    if (is_out()) return NULL;
    return block == NULL ? note(__real_realloc(NULL, size))
                         : __real_realloc(block, size);
}

void __wrap_free(void *block)
{
    if (watch.on && block != NULL) watch.live--;
    __real_free(block);
}

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len)
{
    watch.connects++;
    return __real_connect(fd, to, len);
}

/* Let the nth fail from now on. */
static void arm(int nth, int lasting)
{
    watch.nth = nth;
    watch.lasting = lasting;
    watch.n = 0;
}

/* Whether one has failed since. */
static int disarm(void)
{
    int failed = watch.nth > 0 && watch.n >= watch.nth;

    watch.nth = 0;
    return failed;
}

/* What a verb is tried with. */
typedef struct verb_t {
    const char *name;
    const char *command; /* that does it; counted */
    int writes;
    int unborn;
    const char *answers[ANSWERS]; /* to its commands */
    const char *again[ANSWERS];   /* on another connection; the same unless */
    apr_status_t (*run)(request_t *request);
} verb_t;

/* Outputs are right on success and untouched otherwise. */
static apr_status_t check_text(apr_status_t rv, const char *out,
                               const char *right)
{
    if (rv == APR_SUCCESS) assert_string_equal(out, right);
    else assert_null(out);
    return rv;
}

static apr_status_t get(request_t *request)
{
    const char *json = NULL;
    apr_status_t rv =
        drs_session_get(request->session, "f", &json, NULL, request->rig->p);

    return check_text(rv, json, "{}");
}

static apr_status_t get_string(request_t *request)
{
    const char *text = NULL;
    apr_status_t rv =
        drs_session_get_string(request->session, "f", &text, request->rig->p);

    return check_text(rv, text, "a\nb");
}

static apr_status_t get_int(request_t *request)
{
    apr_int64_t n = -1;
    apr_status_t rv = drs_session_get_int(request->session, "f", &n);

    assert_int_equal(n, rv == APR_SUCCESS ? 17 : -1);
    return rv;
}

static apr_status_t get_many(request_t *request)
{
    const char *fields[] = { "f", "g" };
    const char *json[] = { NULL, NULL };
    apr_status_t rv =
        drs_view_many(request->session, fields, 2, json, request->rig->p);

    assert_null(json[1]);
    return check_text(rv, json[0], "1");
}

static apr_status_t has(request_t *request)
{
    return drs_session_has(request->session, "f");
}

static apr_status_t count(request_t *request)
{
    apr_size_t n = 99;
    apr_status_t rv = drs_session_count(request->session, &n);

    assert_int_equal(n, rv == APR_SUCCESS ? 1 : 99);
    return rv;
}

static apr_status_t keys(request_t *request)
{
    apr_array_header_t *fields = NULL;
    apr_status_t rv = drs_view_keys(request->session, &fields, request->rig->p);

    if (rv != APR_SUCCESS) {
        assert_null(fields);
        return rv;
    }
    assert_int_equal(fields->nelts, 2);
    assert_string_equal(APR_ARRAY_IDX(fields, 1, const char *), "g");
    return rv;
}

static apr_status_t all(request_t *request)
{
    const char *json = NULL;
    apr_status_t rv =
        drs_view_all(request->session, &json, NULL, request->rig->p);

    return check_text(rv, json, "{\"f\":1,\"g\":[]}");
}

static apr_status_t set(request_t *request)
{
    return drs_session_set(request->session, "f", "1", 1);
}

static apr_status_t set_string(request_t *request)
{
    return drs_session_set_string(request->session, "f", "a\nb");
}

static apr_status_t set_many(request_t *request)
{
    const char *fields[] = { "f", "g" };
    const char *json[] = { "1", NULL };

    return drs_session_set_many(request->session, fields, json, 2);
}

static apr_status_t add(request_t *request)
{
    return drs_session_add(request->session, "f", "1", 1);
}

static apr_status_t incr(request_t *request)
{
    apr_int64_t now = -1;
    apr_status_t rv = drs_session_incr(request->session, "f", 2, &now);

    assert_int_equal(now, rv == APR_SUCCESS ? 42 : -1);
    return rv;
}

static apr_status_t del(request_t *request)
{
    return drs_session_del(request->session, "f");
}

static apr_status_t pop(request_t *request)
{
    const char *json = NULL;
    apr_status_t rv =
        drs_session_pop(request->session, "f", &json, NULL, request->rig->p);

    return check_text(rv, json, "5");
}

static apr_status_t destroy(request_t *request)
{
    return drs_session_destroy(request->session);
}

static apr_status_t regenerate(request_t *request)
{
    return drs_session_regenerate(request->session);
}

static apr_status_t batch(request_t *request)
{
    apr_array_header_t *ops =
        apr_array_make(request->rig->p, 4, sizeof(drs_op_t));
    const char *why = "";
    apr_status_t rv =
        drs_ops_parse("set \"f\" 1, update {\"g\":null,\"h\":2}, incr n 1", ops,
                      &why, request->rig->p);

    if (rv != APR_SUCCESS) {
        return drs_life_fail(request->session, rv, why);
    }
    return drs_batch_run(request->session, (const drs_op_t *)ops->elts,
                         ops->nelts);
}

#define TAKEN                                                                  \
    {                                                                          \
        OK, QUEUED, QUEUED, QUEUED, "*3\r\n$1\r\n5\r\n:1\r\n:1\r\n"            \
    }
#define PAIRS "*4\r\n$1\r\nf\r\n$1\r\n1\r\n$1\r\ng\r\n$2\r\n[]\r\n"

static const verb_t verbs[] = {
    /* clang-format off */
    { "get", "HGET", 0, 0, { "$2\r\n{}\r\n" }, { NULL }, get },
    { "get_string", "HGET", 0, 0, { "$6\r\n\"a\\nb\"\r\n" }, { NULL },
      get_string },
    { "get_int", "HGET", 0, 0, { "$2\r\n17\r\n" }, { NULL }, get_int },
    { "get_many", "HMGET", 0, 0, { "*2\r\n$1\r\n1\r\n$-1\r\n", ":1\r\n" },
      { NULL }, get_many },
    { "has", "HEXISTS", 0, 0, { ":1\r\n" }, { NULL }, has },
    { "count", "HLEN", 0, 0, { ":1\r\n" }, { NULL }, count },
    { "keys", "HKEYS", 0, 0, { "*2\r\n$1\r\nf\r\n$1\r\ng\r\n" }, { NULL },
      keys },
    { "all", "HGETALL", 0, 0, { PAIRS }, { NULL }, all },
    { "set", "EVALSHA", 1, 0, { WRITTEN }, { NULL }, set },
    { "set, unborn", "EVALSHA", 1, 1, { WRITTEN }, { NULL }, set },
    { "set, a new script", "EVAL", 1, 0, { "-NOSCRIPT no\r\n", WRITTEN },
      { WRITTEN }, set },
    { "set_string", "EVALSHA", 1, 0, { WRITTEN }, { NULL }, set_string },
    { "set_many", "EVALSHA", 1, 0, { WRITTEN }, { NULL }, set_many },
    { "add", "EVALSHA", 1, 0, { WRITTEN }, { NULL }, add },
    { "incr", "EVALSHA", 1, 0, { "*2\r\n:0\r\n$2\r\n42\r\n" }, { NULL },
      incr },
    { "del", "EVALSHA", 1, 0, { "*2\r\n:1\r\n:1\r\n" }, { NULL }, del },
    { "pop", "EXEC", 1, 0, TAKEN, { NULL }, pop },
    { "destroy", "UNLINK", 1, 0, { ":1\r\n" }, { NULL }, destroy },
    { "regenerate", "EXEC", 1, 0, { OK, QUEUED, "*1\r\n+OK\r\n" }, { NULL },
      regenerate },
    { "batch", "EVALSHA", 1, 0, { "*2\r\n:0\r\n:1\r\n" }, { NULL }, batch },
    /* clang-format on */
};

/* A connection: a get of before, if warm, the verb's answers, then echoes. */
static void play(fake_t *fake, const verb_t *verb, int warm, int later)
{
    const char *const *answers =
        later && verb->again[0] != NULL ? verb->again : verb->answers;
    fake_act_t acts[ANSWERS + 2];
    int n = 0;
    int i;

    memset(acts, 0, sizeof(acts));
    if (warm) acts[n++].echo = 1;
    for (i = 0; i < ANSWERS && answers[i] != NULL; i++) {
        acts[n++].bytes = answers[i];
    }
    acts[n++].echo = 1;
    fake_play(fake, acts, n);
}

static void be_nobody(void *baton)
{
    (void)baton;
}

static int can_nothing(void *baton)
{
    (void)baton;
    return 0;
}

static void tell_nobody(void *baton, const char *id)
{
    (void)baton;
    (void)id;
}

/* How often that was heard which does it, and was not refused. */
static int executed(fake_t *fake, const verb_t *verb, int from)
{
    int refused = verb->again[0] != NULL;
    int n = fake_heard(fake);
    int done = 0;

    for (; from < n; from++) {
        const fake_heard_t *heard = fake_command(fake, from);

        if (strncmp(heard->argv[0], verb->command, strlen(verb->command)) !=
            0) {
            continue;
        }
        if (refused && heard->connection == 0) refused = 0;
        else done++;
    }
    return done;
}

/*
 * The next request. On the connection of before it has to get what it asks
 * for; a new one has nothing of before in it.
 */
static void ask_next(const request_t *request)
{
    static const drs_host_t nobody = { be_nobody, can_nothing, tell_nobody,
                                       NULL };
    const char *json = NULL;
    int connects = watch.connects;
    drs_session_t *next = drs_session_create(
        request->session->life->store.route, 2 * APR_USEC_PER_SEC, &nobody,
        request_client_id, request->rig->p);
    apr_status_t rv;

    drs_session_agree(next, &request->terms);
    rv = drs_session_get(next, "next", &json, NULL, request->rig->p);
    if (watch.connects > connects) return;
    assert_int_equal(rv, APR_SUCCESS);
    assert_string_equal(json, "next");
}

/* Whether a status is true of what was done. */
static int is_honest(const verb_t *verb, apr_status_t rv, int done)
{
    switch (rv) {
    case APR_SUCCESS:
        return done == 1;
    case DRS_EUNSURE:
        return verb->writes && done <= 1;
    case DRS_EDOWN:
        return !verb->writes || done == 0;
    default:
        return rv == DRS_EREPLY && !verb->writes;
    }
}

static void judge(const request_t *request, const verb_t *verb, int nth,
                  apr_status_t rv, int done)
{
    if (!is_honest(verb, rv, done)) {
        fail_msg("%s, failure %d: status %d, done %d times: %s", verb->name,
                 nth, rv, done, drs_session_error(request->session));
    }
    if (rv != APR_SUCCESS) {
        assert_string_not_equal(drs_session_error(request->session), "");
        assert_null(strstr(drs_session_error(request->session), "Success"));
        assert_int_equal(request->announced, 0);
    }
    if (verb->unborn) {
        assert_int_equal(drs_session_id(request->session) != NULL,
                         rv == APR_SUCCESS);
    }
}

/* Run the verb while the nth allocation fails; whether one did. */
static int run_once(void **state, const verb_t *verb, int warm, int nth,
                    int lasting)
{
    rig_t *rig = *state;
    const char *json = NULL;
    request_t request;
    apr_status_t rv;
    int failed;
    int before;

    request_begin(&request, state, verb->unborn ? NULL : request_client_id);
    play(rig->fake, verb, warm, 0);
    play(rig->fake, verb, 0, 1);
    watch.connects = 0;
    watch.on = 1;
    if (warm) {
        rv = drs_session_get(request.session, "w", &json, NULL, rig->p);
        assert_int_equal(rv, APR_SUCCESS);
    }
    before = fake_heard(rig->fake);
    arm(nth, lasting);
    rv = verb->run(&request);
    failed = disarm();
    /* One that came and went would be the first of the next try. */
    if (failed) fake_connections(rig->fake, watch.connects);
    judge(&request, verb, nth, rv, executed(rig->fake, verb, before));
    if (!failed) assert_int_equal(rv, APR_SUCCESS);
    if (fake_heard(rig->fake) > before) ask_next(&request);
    return failed;
}

/* As many as it takes, each with a pool that ends before it is counted. */
static void run_out(void **state, const verb_t *verb, int warm, int lasting)
{
    rig_t *rig = *state;
    apr_pool_t *p = rig->p;
    int failed = 1;
    int nth;

    for (nth = 1; failed; nth++) {
        assert_true(nth < ENOUGH);
        watch.live = 0;
        apr_pool_create(&rig->p, p);
        failed = run_once(state, verb, warm, nth, lasting);
        apr_pool_destroy(rig->p);
        watch.on = 0;
        rig->p = p;
        assert_int_equal(watch.live, 0);
    }
    /* Commands and answers at least. */
    assert_true(nth > 3);
}

static void run_all(void **state, int warm, int lasting)
{
    size_t i;

    for (i = 0; i < COUNT(verbs); i++) {
        if (warm && verbs[i].unborn) continue;
        run_out(state, &verbs[i], warm, lasting);
    }
}

static void one_failure_on_a_new_connection_is_told(void **state)
{
    run_all(state, 0, 0);
}

static void one_failure_on_a_kept_connection_is_told(void **state)
{
    run_all(state, 1, 0);
}

static void lasting_failure_on_a_new_connection_is_told(void **state)
{
    run_all(state, 0, 1);
}

static void lasting_failure_on_a_kept_connection_is_told(void **state)
{
    run_all(state, 1, 1);
}

/* What faces ask of the codec: a text, or a failure that is none of it. */
static apr_status_t show(apr_pool_t *p, const char **out)
{
    const char *why = NULL;

    return drs_codec_plain("\"a\\u00e9\"", 9, out, &why, p);
}

static apr_status_t quote(apr_pool_t *p, const char **out)
{
    return drs_codec_quote("a\"b", 3, out, p);
}

static apr_status_t list(apr_pool_t *p, const char **out)
{
    const char *why = NULL;
    apr_array_header_t *texts = NULL;
    apr_status_t rv = drs_codec_elements("[\"x\",1]", 7, &texts, &why, p);

    if (rv == APR_SUCCESS) *out = apr_array_pstrcat(p, texts, ',');
    return rv;
}

static apr_status_t split(apr_pool_t *p, const char **out)
{
    const char *why = NULL;
    apr_array_header_t *members = NULL;
    apr_status_t rv = drs_codec_members("{\"x\":1}", 7, &members, &why, p);

    if (rv == APR_SUCCESS) {
        *out = APR_ARRAY_IDX(members, 0, drs_member_t).name;
    }
    return rv;
}

static void a_value_is_not_called_bad_for_want_of_memory(void **state)
{
    static const struct {
        apr_status_t (*run)(apr_pool_t *p, const char **out);
        const char *right;
    } jobs[] = { { show, "a\xc3\xa9" },
                 { quote, "\"a\\\"b\"" },
                 { list, "x,1" },
                 { split, "x" } };
    rig_t *rig = *state;
    apr_status_t rv;
    size_t i;
    int failed;
    int nth;

    for (i = 0; i < COUNT(jobs) * 2; i++) {
        failed = 1;
        for (nth = 1; failed; nth++) {
            const char *out = NULL;

            watch.live = 0;
            watch.on = 1;
            arm(nth, (int)(i % 2));
            rv = jobs[i / 2].run(rig->p, &out);
            failed = disarm();
            watch.on = 0;
            assert_int_equal(watch.live, 0);
            if (rv == APR_SUCCESS) {
                assert_string_equal(out, jobs[i / 2].right);
                continue;
            }
            assert_true(failed);
            assert_int_equal(rv, DRS_EDOWN);
            assert_null(out);
        }
        assert_true(nth > 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(one_failure_on_a_new_connection_is_told),
        TCP(one_failure_on_a_kept_connection_is_told),
        TCP(lasting_failure_on_a_new_connection_is_told),
        TCP(lasting_failure_on_a_kept_connection_is_told),
        TCP(a_value_is_not_called_bad_for_want_of_memory),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    apr_terminate();
    return failed;
}
