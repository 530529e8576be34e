/* SPDX-License-Identifier: MIT */
/*
 * Three requests of three clients take turns on the connections of one child
 * process, and the server does anything. What has to hold in every turn:
 *
 *     a value that is returned was asked for in this turn, by this request;
 *     down = nothing was executed; success = it was, and once;
 *     a cookie leaves with a success only; nothing is written on failure;
 *     no turn takes longer than its time, no connection is lost.
 *
 *     input: for each turn which request and verb, how the wire is, then
 *            what is done with each command (server.c)
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include <apr_strings.h>

#include "drs_batch.h"
#include "drs_codec.h"
#include "drs_session.h"
#include "drs_view.h"
#include "server.h"

enum { CLIENTS = 3, TURNS_MAX = 24, CONNECTIONS = 2 };

typedef struct client_t {
    drs_session_t *session;
    drs_terms_t terms;
    int headers_out;
    int announced;      /* in this turn */
    const char *cookie; /* NULL = none, or it was expired */
} client_t;

typedef struct scene_t {
    apr_pool_t *p;
    drs_route_t *route;
    client_t clients[CLIENTS];
} scene_t;

/* One turn: a verb, what it is given and what it gave. */
typedef struct turn_t {
    client_t *client;
    drs_session_t *session;
    const char *text; /* out of a read */
    apr_pool_t *p;
} turn_t;

typedef apr_status_t verb_t(turn_t *turn);

static void be_used(void *baton)
{
    (void)baton;
}

static int can_send(void *baton)
{
    return !((client_t *)baton)->headers_out;
}

static void announce(void *baton, const char *id)
{
    client_t *client = baton;

    client->announced++;
    client->cookie = id;
}

/* A new request of a client, with the cookie that it was given. */
static void begin_request(scene_t *scene, int i, unsigned int choice)
{
    static const char *const first[CLIENTS] = {
        "AGqwXyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_",
        "PythonMadeThisOne-without-a-birth_012345678", NULL
    };
    client_t *client = &scene->clients[i];
    drs_host_t host = { be_used, can_send, announce, client };

    if (client->session == NULL) client->cookie = first[i];
    client->terms.prefix = "p:";
    client->terms.codec = &drs_codec_json;
    client->terms.command = APR_USEC_PER_SEC;
    client->terms.value_max = 256;
    client->terms.fields_max = 10;
    client->terms.strict = (choice & 1) == 0;
    client->terms.touch = 1;
    client->terms.idle = choice & 2 ? apr_time_from_sec(60) : 0;
    client->headers_out = (choice & 4) != 0;
    client->session = drs_session_create(scene->route, apr_time_from_sec(9),
                                         &host, client->cookie, scene->p);
    drs_session_agree(client->session, &client->terms);
}

static apr_status_t get(turn_t *turn)
{
    return drs_session_get(turn->session, "f", &turn->text, NULL, turn->p);
}

static apr_status_t get_string(turn_t *turn)
{
    return drs_session_get_string(turn->session, "f", &turn->text, turn->p);
}

static apr_status_t get_int(turn_t *turn)
{
    apr_int64_t n = -1;
    apr_status_t rv = drs_session_get_int(turn->session, "f", &n);

    CLAIM(rv == APR_SUCCESS || n == -1);
    return rv;
}

static apr_status_t view(turn_t *turn)
{
    const char *fields[] = { "a", "b", "c" };
    const char *json[] = { NULL, NULL, NULL };
    int live = -1;
    apr_status_t rv =
        drs_view_fields(turn->session, fields, 3, json, NULL, &live, turn->p);

    CLAIM((rv == APR_SUCCESS) == (live != -1));
    if (rv == APR_SUCCESS) turn->text = json[2];
    return rv;
}

static apr_status_t look(turn_t *turn)
{
    int live = -1;

    return drs_view_fields(turn->session, NULL, 0, NULL, NULL, &live, turn->p);
}

static apr_status_t has(turn_t *turn)
{
    return drs_session_has(turn->session, "f");
}

static apr_status_t count(turn_t *turn)
{
    apr_size_t n = 4711;
    apr_status_t rv = drs_session_count(turn->session, &n);

    CLAIM(rv == APR_SUCCESS || n == 4711);
    return rv;
}

static apr_status_t keys(turn_t *turn)
{
    apr_array_header_t *fields = NULL;
    apr_status_t rv = drs_view_keys(turn->session, &fields, turn->p);

    CLAIM((rv == APR_SUCCESS) == (fields != NULL));
    return rv;
}

static apr_status_t all(turn_t *turn)
{
    return drs_view_all(turn->session, &turn->text, NULL, turn->p);
}

static apr_status_t set(turn_t *turn)
{
    return drs_session_set(turn->session, "f", "1", 1);
}

static apr_status_t update(turn_t *turn)
{
    const char *fields[] = { "a", "b" };
    const char *json[] = { "{}", NULL };

    return drs_session_set_many(turn->session, fields, json, 2);
}

static apr_status_t add(turn_t *turn)
{
    return drs_session_add(turn->session, "f", "true", 4);
}

static apr_status_t incr(turn_t *turn)
{
    apr_int64_t now = -1;
    apr_status_t rv = drs_session_incr(turn->session, "f", 1, &now);

    CLAIM(rv == APR_SUCCESS || now == -1);
    CLAIM(rv != APR_SUCCESS || server_book.unknown || now == server_number());
    return rv;
}

static apr_status_t batch(turn_t *turn)
{
    const drs_op_t ops[] = {
        /* clang-format off */
        { DRS_OP_SET, "a", "1", 1 },
        { DRS_OP_INCR, "b", "2", 1 },
        { DRS_OP_REGENERATE, NULL, NULL, 0 }
        /* clang-format on */
    };

    return drs_batch_run(turn->session, ops, 3);
}

static apr_status_t begin_anew(turn_t *turn)
{
    const drs_op_t ops[] = {
        /* clang-format off */
        { DRS_OP_DESTROY, NULL, NULL, 0 },
        { DRS_OP_ADD, "a", "1", 1 }
        /* clang-format on */
    };

    return drs_batch_run(turn->session, ops, 2);
}

static apr_status_t del(turn_t *turn)
{
    return drs_session_del(turn->session, "f");
}

static apr_status_t pop(turn_t *turn)
{
    return drs_session_pop(turn->session, "f", &turn->text, NULL, turn->p);
}

static apr_status_t destroy(turn_t *turn)
{
    return drs_session_destroy(turn->session);
}

static apr_status_t regenerate(turn_t *turn)
{
    return drs_session_regenerate(turn->session);
}

/* Reads, writes that say what they did, writes that may have nothing to do. */
enum { READS = 9, FIRM = 15, VERBS = 19 };

static verb_t *const verbs[VERBS] = {
    /* clang-format off */
    get, get_string, get_int, view, look, has, count, keys, all,
    set, update, add, incr, batch, begin_anew,
    del, pop, destroy, regenerate
    /* clang-format on */
};

static void check_read(apr_status_t rv)
{
    CLAIM(rv == APR_SUCCESS || rv == APR_NOTFOUND || rv == DRS_EDOWN ||
          rv == DRS_EREPLY || rv == DRS_EVALUE);
    CLAIM(server_book.executed == 0);
}

static void check_write(apr_status_t rv, unsigned int verb)
{
    const server_book_t *book = &server_book;

    CLAIM(rv != DRS_EUNSURE || book->bytes > 0);
    if (book->unknown) return;
    CLAIM(book->executed <= 1);
    CLAIM(rv != DRS_EDOWN || book->executed == 0);
    CLAIM(rv != DRS_EGONE || book->executed == 0 || verb >= FIRM);
    CLAIM(rv != APR_SUCCESS || book->executed == 1 || verb >= FIRM);
}

/* What was read names this turn; made-up bytes never name any. */
static void check_owner(const turn_t *turn, apr_status_t rv)
{
    const char *found;

    CLAIM(rv == APR_SUCCESS || turn->text == NULL);
    if (turn->text == NULL) return;
    found = strstr(turn->text, "turn-");
    if (found == NULL) {
        CLAIM(server_book.unknown || strcmp(turn->text, "{}") == 0);
        return;
    }
    CLAIM(strncmp(found, server_tag(), strlen(server_tag())) == 0);
    CLAIM(strchr("\"", found[strlen(server_tag())]) != NULL);
}

static void check_client(const client_t *client, apr_status_t rv)
{
    const char *id = drs_session_id(client->session);

    CLAIM(client->announced <= 1);
    CLAIM(client->announced == 0 ||
          (rv == APR_SUCCESS && !client->headers_out));
    CLAIM(client->announced == 0 || client->cookie == NULL ||
          strcmp(client->cookie, id) == 0);
    CLAIM((id == NULL) == (drs_session_key(client->session) == NULL));
    CLAIM(id == NULL || strcmp(drs_session_key(client->session) + 2, id) == 0);
}

static void set_mood(fuzz_input_t *input, unsigned int choice)
{
    static const int refusals[] = { ECONNREFUSED, EAGAIN, EINPROGRESS, ENOENT };

    wire_mood.refuse = choice & 1 ? refusals[choice >> 6 & 3] : 0;
    wire_mood.take_most = choice & 2 ? fuzz_byte(input) : 0;
    wire_mood.give_most = choice & 4 ? fuzz_byte(input) : 0;
    wire_mood.clogged = (choice & 24) == 24;
    wire_mood.broken = (choice & 56) == 40;
}

static void take_turn(scene_t *scene, fuzz_input_t *input)
{
    unsigned int choice = fuzz_byte(input);
    unsigned int verb = fuzz_byte(input);
    int i = (int)(choice % CLIENTS);
    turn_t turn = { &scene->clients[i], NULL, NULL, scene->p };
    apr_interval_time_t start;
    apr_status_t rv;

    server_turn();
    if (verb >= 200) begin_request(scene, i, verb);
    if (verb >= 160 && verb < 200) wire_sleep((verb - 159) * 100000);
    verb %= VERBS;
    set_mood(input, choice >= 128 ? fuzz_byte(input) : 0);
    turn.session = turn.client->session;
    turn.client->announced = 0;
    start = drs_clock_now();
    rv = verbs[verb](&turn);
    CLAIM(drs_clock_now() - start <= 3 * APR_USEC_PER_SEC + 10000);
    CLAIM(!wire_was_mixed());
    CLAIM(wire_open() <= CONNECTIONS);
    CLAIM(strstr(drs_session_error(turn.session), "connections are in use") ==
          NULL);
    check_owner(&turn, rv);
    check_client(turn.client, rv);
    if (verb < READS) check_read(rv);
    else check_write(rv, verb);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t input = fuzz_open(data, size);
    drs_url_t url = { DRS_SCHEME_UNIX, 0, 0, NULL, "/r", NULL, NULL, "here" };
    drs_route_conf_t conf = { { &url, NULL, NULL, APR_USEC_PER_SEC },
                              { 1, CONNECTIONS, apr_time_from_sec(60), 100000 },
                              NULL,
                              NULL };
    scene_t scene;
    int i;

    memset(&scene, 0, sizeof(scene));
    server_start(&input);
    if (apr_pool_create(&scene.p, input.p) != APR_SUCCESS) return 0;
    scene.route = drs_route_create(&conf, scene.p);
    for (i = 0; i < CLIENTS; i++) begin_request(&scene, i, fuzz_byte(&input));
    for (i = 0; i < TURNS_MAX && input.left > 0; i++) {
        take_turn(&scene, &input);
    }
    apr_pool_destroy(scene.p);
    CLAIM(wire_open() == 0);
    fuzz_end();
    return 0;
}
