/* SPDX-License-Identifier: MIT */
/*
 * How long each verb takes, against one HGET by bare hiredis. Both are
 * measured in turn, in rounds of the same run, and told as a ratio: the
 * machine's drift hits both. usage: verbs SOCKET [CALLS [ROUNDS]]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <hiredis/hiredis.h>

#include "drs_codec.h"
#include "drs_route.h"
#include "drs_session.h"
#include "drs_view.h"

enum { ROUNDS_MAX = 99 };

typedef struct bench_t {
    apr_pool_t *p; /* cleared after each round */
    drs_session_t *session;
    redisContext *bare;
    const char *key;
    int calls;
    int rounds;
} bench_t;

typedef apr_status_t verb_t(bench_t *bench);

static void ignore_use(void *baton)
{
    (void)baton;
}

static int always(void *baton)
{
    (void)baton;
    return 1;
}

static void ignore_id(void *baton, const char *id)
{
    (void)baton;
    (void)id;
}

static apr_status_t bare_hget(bench_t *bench)
{
    const char *argv[] = { "HGET", bench->key, "n" };
    redisReply *reply = redisCommandArgv(bench->bare, 3, argv, NULL);

    if (reply == NULL) return APR_EGENERAL;
    freeReplyObject(reply);
    return APR_SUCCESS;
}

static apr_status_t verb_get(bench_t *bench)
{
    const char *json;

    return drs_session_get(bench->session, "n", &json, NULL, bench->p);
}

static apr_status_t verb_get_many(bench_t *bench)
{
    static const char *const fields[] = { "n", "a", "b", "c" };
    const char *json[4];

    return drs_view_many(bench->session, fields, 4, json, bench->p);
}

static apr_status_t verb_has(bench_t *bench)
{
    return drs_session_has(bench->session, "n");
}

static apr_status_t verb_count(bench_t *bench)
{
    apr_size_t n;

    return drs_session_count(bench->session, &n);
}

static apr_status_t verb_all(bench_t *bench)
{
    const char *json;

    return drs_view_all(bench->session, &json, NULL, bench->p);
}

static apr_status_t verb_set(bench_t *bench)
{
    return drs_session_set(bench->session, "a", "{\"n\":1}", 7);
}

static apr_status_t verb_incr(bench_t *bench)
{
    return drs_session_incr(bench->session, "n", 1, NULL);
}

static apr_status_t verb_add(bench_t *bench)
{
    apr_status_t rv = drs_session_add(bench->session, "a", "1", 1);

    return rv == APR_EEXIST ? APR_SUCCESS : rv;
}

static apr_status_t verb_pop(bench_t *bench)
{
    const char *json;
    apr_status_t rv =
        drs_session_pop(bench->session, "x", &json, NULL, bench->p);

    return rv == APR_NOTFOUND ? APR_SUCCESS : rv;
}

/* Time of one call, us, over a round. */
static double time_round(bench_t *bench, verb_t *verb)
{
    apr_interval_time_t start = drs_clock_now();
    int i;

    for (i = 0; i < bench->calls; i++) {
        if (verb(bench) != APR_SUCCESS) {
            fprintf(stderr, "%s\n", drs_session_error(bench->session));
            exit(1);
        }
    }
    apr_pool_clear(bench->p);
    return (double)(drs_clock_now() - start) / bench->calls;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static void compare(bench_t *bench, const char *name, verb_t *verb)
{
    double ratio[ROUNDS_MAX];
    double us[ROUNDS_MAX];
    double bare;
    int i;

    for (i = 0; i < bench->rounds; i++) {
        bare = time_round(bench, bare_hget);
        us[i] = time_round(bench, verb);
        ratio[i] = us[i] / bare;
    }
    qsort(ratio, (size_t)bench->rounds, sizeof(*ratio), by_size);
    qsort(us, (size_t)bench->rounds, sizeof(*us), by_size);
    printf("%-18s %8.1f us   ratio %5.2f   (%.2f to %.2f)\n", name,
           us[bench->rounds / 2], ratio[bench->rounds / 2], ratio[0],
           ratio[bench->rounds - 1]);
}

static drs_session_t *open_session(const char *path, apr_pool_t *p)
{
    static drs_terms_t terms;
    drs_host_t host = { ignore_use, always, ignore_id, NULL };
    drs_route_conf_t *conf = apr_pcalloc(p, sizeof(*conf));
    const char *why;
    drs_session_t *session;

    if (drs_url_parse(apr_pstrcat(p, "unix://", path, NULL), &conf->server.url,
                      &why, p) != APR_SUCCESS) {
        fprintf(stderr, "%s\n", why);
        exit(2);
    }
    conf->server.connect = APR_USEC_PER_SEC;
    conf->pool.keep = 1;
    conf->pool.max = 1;
    conf->pool.idle = 60 * APR_USEC_PER_SEC;
    terms.prefix = "bench:";
    terms.codec = &drs_codec_json;
    terms.idle = 3600 * APR_USEC_PER_SEC;
    terms.command = APR_USEC_PER_SEC;
    terms.value_max = 1024 * 1024;
    terms.fields_max = 1000;
    terms.strict = 1;
    session = drs_session_create(drs_route_create(conf, p),
                                 (apr_interval_time_t)3600 * APR_USEC_PER_SEC,
                                 &host, NULL, p);
    drs_session_agree(session, &terms);
    return session;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        verb_t *verb;
    } verbs[] = {
        /* clang-format off */
        { "bare HGET", bare_hget }, { "get", verb_get },
        { "get_many of 4", verb_get_many }, { "has", verb_has },
        { "count", verb_count }, { "all of 2", verb_all },
        { "set", verb_set }, { "incr", verb_incr }, { "add", verb_add },
        { "pop", verb_pop }
        /* clang-format on */
    };
    bench_t bench;
    apr_pool_t *p;
    size_t i;

    if (argc < 2 || apr_initialize() != APR_SUCCESS) return 2;
    signal(SIGPIPE, SIG_IGN);
    apr_pool_create(&p, NULL);
    apr_pool_create(&bench.p, p);
    bench.calls = argc > 2 ? atoi(argv[2]) : 2000;
    bench.rounds = argc > 3 ? atoi(argv[3]) : 11;
    if (bench.calls < 1 || bench.rounds < 1 || bench.rounds > ROUNDS_MAX) {
        return 2;
    }
    bench.session = open_session(argv[1], p);
    bench.bare = redisConnectUnix(argv[1]);
    if (bench.bare == NULL || bench.bare->err ||
        drs_session_set_int(bench.session, "n", 1) != APR_SUCCESS) {
        fprintf(stderr, "no Redis at %s\n", argv[1]);
        return 1;
    }
    bench.key = drs_session_key(bench.session);
    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        compare(&bench, verbs[i].name, verbs[i].verb);
    }
    redisFree(bench.bare);
    return 0;
}
