/* SPDX-License-Identifier: MIT */
/*
 * One Redis hash. A read is its command and, where the expiry is to be
 * refreshed, a PEXPIRE in the same round trip. A write is one script, so
 * that no moment lies between "is it there?", the write and its expiry.
 */
#include "drs_store.h"

#include <errno.h>
#include <string.h>

#include <apr_strings.h>
#include <hiredis/hiredis.h>

#include "drs_script.h"

/* Make a round trip of the store; the time it takes is paid by its budget. */
static apr_status_t travel(drs_store_t *store, drs_trip_t *trip)
{
    apr_interval_time_t start = drs_clock_now();
    apr_interval_time_t time = store->command;
    apr_status_t rv;

    store->alive = DRS_ALIVE_UNTOLD;
    if (time > store->budget) time = store->budget;
    if (time <= 0) {
        drs_redis_explain(&store->why, "this request has used up its time");
        return DRS_EDOWN;
    }
    trip->most = store->reply_max;
    /* A call that takes a second trip has no second deadline. */
    if (trip->deadline == 0) trip->deadline = start + time;
    rv = drs_route_call(store->route, trip, &store->why);
    store->budget -= drs_clock_now() - start;
    return rv;
}

/* An answer to a write that makes no sense proves nothing. */
static apr_status_t refuse_write(drs_store_t *store, const redisReply *reply)
{
    apr_status_t rv = drs_route_refuse(reply, &store->why);

    return reply->type == REDIS_REPLY_ERROR ? rv : DRS_EUNSURE;
}

/* Room for a PEXPIRE. */
typedef struct refresh_t {
    char ms[24];
    const char *argv[4];
} refresh_t;

/* ms below 0: their amount, where the key has no expiry yet. */
static drs_command_t pexpire(refresh_t *room, const char *key, apr_int64_t ms)
{
    apr_snprintf(room->ms, sizeof(room->ms), "%" APR_INT64_T_FMT,
                 ms < 0 ? -ms : ms);
    room->argv[0] = "PEXPIRE";
    room->argv[1] = key;
    room->argv[2] = room->ms;
    room->argv[3] = "NX";
    return (drs_command_t){ ms < 0 ? 4 : 3, room->argv, NULL,
                            REDIS_REPLY_INTEGER, 0 };
}

/*
 * Ask one read command, with EXISTS behind it where the caller wants to
 * know, and PEXPIRE where the expiry is due. Its reply is the first.
 */
static apr_status_t ask(drs_store_t *store, drs_trip_t *trip,
                        const drs_command_t *command, int want_exists)
{
    const char *exists[] = { "EXISTS", store->key };
    drs_command_t commands[3] = { *command };
    refresh_t refresh;
    const redisReply *reply;
    apr_status_t rv;
    int i;

    drs_route_pack(trip, commands, 1, 0);
    if (want_exists) {
        commands[trip->n++] =
            (drs_command_t){ 2, exists, NULL, REDIS_REPLY_INTEGER, 0 };
    }
    if (store->touch > 0) {
        commands[trip->n++] = pexpire(&refresh, store->key, store->touch);
    }
    rv = travel(store, trip);
    trip->commands = NULL;
    if (rv != APR_SUCCESS) return rv;

    store->touch = 0;
    for (i = 0; i < trip->n; i++) {
        reply = trip->replies[i];
        if (reply->type == REDIS_REPLY_ERROR) {
            return drs_route_refuse(reply, &store->why);
        }
        if (i == 0) continue;
        store->alive = reply->integer != 0 ? DRS_ALIVE_YES : DRS_ALIVE_NO;
    }
    return APR_SUCCESS;
}

static void copy_bytes(const redisReply *reply, drs_bytes_t *to, apr_pool_t *p)
{
    to->data = NULL;
    to->len = 0;
    if (reply->type != REDIS_REPLY_STRING) return;
    to->data = apr_pstrmemdup(p, reply->str, (apr_size_t)reply->len);
    to->len = (apr_size_t)reply->len;
}

apr_status_t drs_store_get(drs_store_t *store, const char *field,
                           drs_bytes_t *value, apr_pool_t *p)
{
    const char *argv[] = { "HGET", store->key, field };
    drs_command_t command = { 3, argv, NULL, REDIS_REPLY_STRING, 0 };
    drs_trip_t trip;
    apr_status_t rv = ask(store, &trip, &command, 0);

    if (rv == APR_SUCCESS && trip.replies[0]->type == REDIS_REPLY_NIL) {
        rv = APR_NOTFOUND;
    }
    else if (rv == APR_SUCCESS) {
        store->alive = DRS_ALIVE_YES;
        copy_bytes(trip.replies[0], value, p);
    }
    drs_route_free(&trip);
    return rv;
}

/* An array of texts; or is one allowed to be absent? */
static apr_status_t check_texts(drs_store_t *store, const redisReply *reply,
                                int nil_too)
{
    apr_size_t i;

    for (i = 0; i < reply->elements; i++) {
        int type = reply->element[i]->type;

        if (type != REDIS_REPLY_STRING &&
            !(nil_too && type == REDIS_REPLY_NIL)) {
            return drs_route_refuse(reply->element[i], &store->why);
        }
    }
    return APR_SUCCESS;
}

apr_status_t drs_store_get_many(drs_store_t *store, const char *const *fields,
                                int n, drs_bytes_t *values, apr_pool_t *p)
{
    const char **argv = apr_palloc(p, ((apr_size_t)n + 2) * sizeof(*argv));
    drs_command_t command = { n + 2, argv, NULL, REDIS_REPLY_ARRAY, n };
    drs_trip_t trip;
    apr_status_t rv;
    int i;

    argv[0] = "HMGET";
    argv[1] = store->key;
    memcpy(argv + 2, fields, (apr_size_t)n * sizeof(*argv));
    rv = ask(store, &trip, &command, 1);
    if (rv == APR_SUCCESS) rv = check_texts(store, trip.replies[0], 1);
    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        copy_bytes(trip.replies[0]->element[i], &values[i], p);
    }
    drs_route_free(&trip);
    return rv;
}

/* Ask a read whose answer is a number. */
static apr_status_t ask_number(drs_store_t *store, int argc, const char **argv,
                               long long *n)
{
    drs_command_t command = { argc, argv, NULL, REDIS_REPLY_INTEGER, 0 };
    drs_trip_t trip;
    apr_status_t rv = ask(store, &trip, &command, 0);

    if (rv == APR_SUCCESS) {
        *n = trip.replies[0]->integer;
        if (*n > 0) store->alive = DRS_ALIVE_YES;
    }
    drs_route_free(&trip);
    return rv;
}

apr_status_t drs_store_has(drs_store_t *store, const char *field)
{
    const char *argv[] = { "HEXISTS", store->key, field };
    long long n = 0;
    apr_status_t rv = ask_number(store, 3, argv, &n);

    if (rv == APR_SUCCESS && n == 0) rv = APR_NOTFOUND;
    return rv;
}

apr_status_t drs_store_exists(drs_store_t *store)
{
    const char *argv[] = { "EXISTS", store->key };
    long long n = 0;
    apr_status_t rv = ask_number(store, 2, argv, &n);

    if (rv == APR_SUCCESS && n == 0) store->alive = DRS_ALIVE_NO;
    return rv;
}

apr_status_t drs_store_count(drs_store_t *store, apr_size_t *n)
{
    const char *argv[] = { "HLEN", store->key };
    long long fields = 0;
    apr_status_t rv = ask_number(store, 2, argv, &fields);

    if (rv != APR_SUCCESS) return rv;
    if (fields == 0) store->alive = DRS_ALIVE_NO;
    *n = (apr_size_t)fields;
    return APR_SUCCESS;
}

/* Ask a read whose answer is texts, a multiple of so many. */
static apr_status_t list(drs_store_t *store, const char *verb, apr_size_t group,
                         apr_array_header_t **out, apr_pool_t *p)
{
    const char *argv[] = { verb, store->key };
    drs_command_t command = { 2, argv, NULL, REDIS_REPLY_ARRAY, 0 };
    drs_trip_t trip;
    apr_status_t rv = ask(store, &trip, &command, 0);
    apr_size_t i;

    if (rv == APR_SUCCESS) rv = check_texts(store, trip.replies[0], 0);
    if (rv == APR_SUCCESS && trip.replies[0]->elements % group != 0) {
        rv = drs_route_refuse(trip.replies[0], &store->why);
    }
    if (rv == APR_SUCCESS) {
        const redisReply *reply = trip.replies[0];

        *out = apr_array_make(p, (int)reply->elements, sizeof(drs_bytes_t));
        for (i = 0; i < reply->elements; i++) {
            copy_bytes(reply->element[i], apr_array_push(*out), p);
        }
        store->alive = reply->elements > 0 ? DRS_ALIVE_YES : DRS_ALIVE_NO;
    }
    drs_route_free(&trip);
    return rv;
}

apr_status_t drs_store_keys(drs_store_t *store, apr_array_header_t **fields,
                            apr_pool_t *p)
{
    return list(store, "HKEYS", 1, fields, p);
}

apr_status_t drs_store_all(drs_store_t *store, apr_array_header_t **all,
                           apr_pool_t *p)
{
    return list(store, "HGETALL", 2, all, p);
}

static void start_script(const drs_store_t *store, drs_script_name_t name,
                         const char *other, int own, drs_script_t *call,
                         apr_pool_t *p)
{
    drs_script_terms_t terms = { store->key, other, store->may_create,
                                 store->fields_max, store->expiry };

    drs_script_start(name, &terms, own, call, p);
}

/* Only a server that has not seen the script yet costs a second trip. */
static apr_status_t send_script(drs_store_t *store, drs_script_t *call,
                                drs_trip_t *trip)
{
    drs_command_t command = { call->argc, call->argv, call->lens,
                              REDIS_REPLY_ARRAY, 0 };
    apr_status_t rv;

    drs_route_pack(trip, &command, 1, 1);
    rv = travel(store, trip);
    if (rv == APR_SUCCESS && drs_redis_is_error(trip->replies[0], "NOSCRIPT")) {
        drs_route_free(trip);
        drs_script_spell_out(call);
        rv = travel(store, trip);
    }
    trip->commands = NULL;
    return rv;
}

static apr_status_t judge_error(drs_store_t *store, const redisReply *reply)
{
    apr_status_t rv = drs_route_refuse(reply, &store->why);

    if (drs_redis_is_error(reply, "ERR hash value is not an integer") ||
        drs_redis_is_error(reply, "ERR increment or decrement would")) {
        rv = DRS_EVALUE;
    }
    return rv;
}

/* Whether an array is { code } or { code, value }, as scripts answer. */
static int is_script_answer(const redisReply *reply, int type)
{
    if (reply->elements < 1 || reply->element[0]->type != REDIS_REPLY_INTEGER) {
        return 0;
    }
    if (reply->element[0]->integer < 0) {
        return reply->elements == 1 &&
               reply->element[0]->integer >= DRS_SCRIPT_EXISTS;
    }
    return reply->elements == 2 && reply->element[1]->type == type;
}

/* Read the answer of a script: its code and, on success, its value. */
static apr_status_t judge_script(drs_store_t *store, const redisReply *reply,
                                 int type, apr_size_t *created,
                                 const redisReply **value)
{
    long long code;

    if (reply->type == REDIS_REPLY_ERROR) return judge_error(store, reply);
    if (!is_script_answer(reply, type)) return refuse_write(store, reply);

    code = reply->element[0]->integer;
    store->alive = code == DRS_SCRIPT_GONE ? DRS_ALIVE_NO : DRS_ALIVE_YES;
    switch (code) {
    case DRS_SCRIPT_GONE:
        drs_redis_explain(&store->why, "the session has ended meanwhile");
        return DRS_EGONE;
    case DRS_SCRIPT_FULL:
        store->over = 1;
        drs_redis_explain(&store->why,
                          "over the limit of %d fields "
                          "(DRSessionLimit)",
                          store->fields_max);
        if (store->may_create) store->alive = DRS_ALIVE_UNTOLD;
        return DRS_EVALUE;
    case DRS_SCRIPT_EXISTS:
        return APR_EEXIST;
    default:
        break;
    }
    *created = (apr_size_t)code;
    *value = reply->element[1];
    return APR_SUCCESS;
}

/* Call a script and read its answer. */
static apr_status_t run_script(drs_store_t *store, drs_script_t *call, int type,
                               drs_trip_t *trip, apr_size_t *created,
                               const redisReply **value)
{
    apr_status_t rv = send_script(store, call, trip);

    if (rv != APR_SUCCESS) return rv;
    return judge_script(store, trip->replies[0], type, created, value);
}

apr_status_t drs_store_update(drs_store_t *store, const drs_pair_t *pairs,
                              int n, apr_size_t *created, apr_pool_t *p)
{
    drs_script_t call;
    const redisReply *left = NULL;
    drs_trip_t trip;
    apr_size_t fresh = 0;
    apr_status_t rv;
    int i;

    start_script(store, DRS_SCRIPT_UPDATE, NULL, n * 3, &call, p);
    for (i = 0; i < n; i++) {
        const drs_bytes_t *value = &pairs[i].value;

        drs_script_push_text(&call, value->data != NULL ? "set" : "del");
        drs_script_push_text(&call, pairs[i].field);
        drs_script_push(&call, value->data != NULL ? value->data : "",
                        value->len);
    }
    rv = run_script(store, &call, REDIS_REPLY_INTEGER, &trip, &fresh, &left);
    if (rv == APR_SUCCESS) {
        if (left->integer == 0) store->alive = DRS_ALIVE_NO;
        if (created != NULL) *created = fresh;
    }
    drs_route_free(&trip);
    return rv;
}

apr_status_t drs_store_add(drs_store_t *store, const drs_pair_t *pair,
                           apr_pool_t *p)
{
    drs_script_t call;
    const redisReply *value = NULL;
    drs_trip_t trip;
    apr_size_t created;
    apr_status_t rv;

    start_script(store, DRS_SCRIPT_ADD, NULL, 2, &call, p);
    drs_script_push_text(&call, pair->field);
    drs_script_push(&call, pair->value.data, pair->value.len);
    rv = run_script(store, &call, REDIS_REPLY_INTEGER, &trip, &created, &value);
    drs_route_free(&trip);
    return rv;
}

/* The sum of a script; what is no number was not counted by Redis. */
static apr_status_t read_sum(drs_store_t *store, const redisReply *value,
                             apr_int64_t *now)
{
    char *end = NULL;
    apr_int64_t sum;

    errno = 0;
    sum = apr_strtoi64(value->str, &end, 10);
    if (errno != 0 || end == value->str || *end != '\0') {
        return refuse_write(store, value);
    }
    *now = sum;
    return APR_SUCCESS;
}

apr_status_t drs_store_incr(drs_store_t *store, const char *field,
                            apr_int64_t by, apr_int64_t *now, apr_pool_t *p)
{
    drs_script_t call;
    const redisReply *value = NULL;
    drs_trip_t trip;
    apr_size_t created;
    apr_status_t rv;

    start_script(store, DRS_SCRIPT_INCR, NULL, 2, &call, p);
    drs_script_push_text(&call, field);
    drs_script_push_text(&call, apr_psprintf(p, "%" APR_INT64_T_FMT, by));
    rv = run_script(store, &call, REDIS_REPLY_STRING, &trip, &created, &value);
    if (rv == APR_SUCCESS) rv = read_sum(store, value, now);
    drs_route_free(&trip);
    return rv;
}

apr_status_t drs_store_batch(drs_store_t *store, const drs_step_t *steps, int n,
                             drs_then_t turn, const char *other, apr_pool_t *p)
{
    static const char *const verbs[] = { "set", "add", "incr", "del" };
    static const char *const turns[] = { "stay", "move", "fresh" };
    drs_script_t call;
    const redisReply *left = NULL;
    drs_trip_t trip;
    apr_size_t created;
    apr_status_t rv;
    int i;

    start_script(store, DRS_SCRIPT_BATCH, other, n * 3 + 1, &call, p);
    drs_script_push_text(&call, turns[turn]);
    for (i = 0; i < n; i++) {
        const drs_bytes_t *value = &steps[i].value;

        drs_script_push_text(&call, verbs[steps[i].verb]);
        drs_script_push_text(&call, steps[i].field);
        drs_script_push(&call, value->data != NULL ? value->data : "",
                        value->len);
    }
    rv = run_script(store, &call, REDIS_REPLY_INTEGER, &trip, &created, &left);
    if (rv == DRS_EREPLY && drs_redis_is_error(trip.replies[0], "CROSSSLOT")) {
        rv = APR_EMISMATCH;
    }
    if (rv == APR_SUCCESS && left->integer == 0) store->alive = DRS_ALIVE_NO;
    drs_route_free(&trip);
    return rv;
}

apr_status_t drs_store_del(drs_store_t *store, const char *field, apr_pool_t *p)
{
    drs_script_t call;
    const redisReply *left = NULL;
    drs_trip_t trip;
    apr_size_t deleted = 0;
    apr_status_t rv;

    start_script(store, DRS_SCRIPT_DEL, NULL, 1, &call, p);
    drs_script_push_text(&call, field);
    rv = run_script(store, &call, REDIS_REPLY_INTEGER, &trip, &deleted, &left);
    if (rv == APR_SUCCESS && left->integer == 0) store->alive = DRS_ALIVE_NO;
    if (rv == APR_SUCCESS && deleted == 0) rv = APR_NOTFOUND;
    drs_route_free(&trip);
    return rv;
}

static drs_command_t queued(int argc, const char **argv)
{
    return (drs_command_t){ argc, argv, NULL, REDIS_REPLY_STATUS, 0 };
}

/* Make a transaction; its answer is the array that EXEC returns. */
static apr_status_t transact(drs_store_t *store, drs_command_t *commands, int n,
                             drs_trip_t *trip, const redisReply **array)
{
    const char *multi[] = { "MULTI" };
    const char *exec[] = { "EXEC" };
    apr_status_t rv;

    commands[0] = (drs_command_t){ 1, multi, NULL, REDIS_REPLY_STATUS, 0 };
    commands[n - 1] =
        (drs_command_t){ 1, exec, NULL, REDIS_REPLY_ARRAY, n - 2 };
    drs_route_pack(trip, commands, n, 1);
    rv = travel(store, trip);
    trip->commands = NULL;
    if (rv != APR_SUCCESS) return rv;

    *array = trip->replies[n - 1];
    if ((*array)->type != REDIS_REPLY_ERROR) return APR_SUCCESS;
    return drs_route_refuse(*array, &store->why);
}

/* Read what EXEC says of HGET, HDEL, EXISTS and PEXPIRE. */
static apr_status_t judge_pop(drs_store_t *store, const redisReply *array,
                              drs_bytes_t *value, apr_pool_t *p)
{
    const redisReply *held = array->element[0];
    apr_size_t i;

    if (held->type != REDIS_REPLY_STRING && held->type != REDIS_REPLY_NIL) {
        return refuse_write(store, held);
    }
    for (i = 1; i < array->elements; i++) {
        if (array->element[i]->type != REDIS_REPLY_INTEGER) {
            return refuse_write(store, array->element[i]);
        }
    }
    store->alive =
        array->element[2]->integer != 0 ? DRS_ALIVE_YES : DRS_ALIVE_NO;
    if (held->type == REDIS_REPLY_NIL) return APR_NOTFOUND;
    copy_bytes(held, value, p);
    return APR_SUCCESS;
}

apr_status_t drs_store_pop(drs_store_t *store, const char *field,
                           drs_bytes_t *value, apr_pool_t *p)
{
    const char *hget[] = { "HGET", store->key, field };
    const char *hdel[] = { "HDEL", store->key, field };
    const char *exists[] = { "EXISTS", store->key };
    drs_command_t commands[DRS_COMMANDS_MAX];
    refresh_t refresh;
    const redisReply *array = NULL;
    drs_trip_t trip;
    int n = 1;
    apr_status_t rv;

    commands[n++] = queued(3, hget);
    commands[n++] = queued(3, hdel);
    commands[n++] = queued(2, exists);
    if (store->expiry != 0) {
        commands[n] = pexpire(&refresh, store->key, store->expiry);
        commands[n++].type = REDIS_REPLY_STATUS;
    }
    rv = transact(store, commands, n + 1, &trip, &array);
    if (rv == APR_SUCCESS) rv = judge_pop(store, array, value, p);
    drs_route_free(&trip);
    return rv;
}

apr_status_t drs_store_unlink(drs_store_t *store)
{
    const char *argv[] = { "UNLINK", store->key };
    drs_command_t command = { 2, argv, NULL, REDIS_REPLY_INTEGER, 0 };
    drs_trip_t trip;
    apr_status_t rv;

    drs_route_pack(&trip, &command, 1, 1);
    rv = travel(store, &trip);
    if (rv == APR_SUCCESS && trip.replies[0]->type == REDIS_REPLY_ERROR) {
        rv = drs_route_refuse(trip.replies[0], &store->why);
    }
    drs_route_free(&trip);
    return rv;
}

apr_status_t drs_store_rename(drs_store_t *store, const char *to)
{
    const char *rename[] = { "RENAME", store->key, to };
    drs_command_t commands[DRS_COMMANDS_MAX];
    refresh_t refresh;
    const redisReply *array = NULL;
    drs_trip_t trip;
    int n = 1;
    apr_status_t rv;

    commands[n++] = queued(3, rename);
    if (store->expiry != 0) {
        commands[n] = pexpire(&refresh, to, store->expiry);
        commands[n++].type = REDIS_REPLY_STATUS;
    }
    rv = transact(store, commands, n + 1, &trip, &array);
    if (rv == APR_SUCCESS &&
        drs_redis_is_error(array->element[0], "ERR no such key")) {
        store->alive = DRS_ALIVE_NO;
        drs_redis_explain(&store->why, "the session has ended meanwhile");
        rv = DRS_EGONE;
    }
    else if (rv == APR_SUCCESS &&
             array->element[0]->type != REDIS_REPLY_STATUS) {
        rv = refuse_write(store, array->element[0]);
    }
    drs_route_free(&trip);
    return rv;
}
