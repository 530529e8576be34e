/* SPDX-License-Identifier: MIT */
/*
 * One connection to one Redis. hiredis writes the commands and reads the
 * replies, of bytes that we move by one deadline.
 */
#include "drs_redis.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <hiredis/hiredis.h>

#include "drs_socket.h"

/* hiredis 1.0 turned the number of elements into a size. */
#if HIREDIS_MAJOR >= 1
typedef size_t drs_elements_t;
#else
typedef int drs_elements_t;
#endif

enum { DEPTH_MAX = 2, ELEMENTS_MAX = 4096, CHUNK = 16 * 1024 };
enum { GREETING_MAX = 4096 };

struct drs_redis_t {
    const drs_server_t *server;
    drs_names_t *names;             /* NULL for a unix socket */
    int fd;                         /* -1 = closed */
    int served;                     /* it has answered since it was opened */
    redisReader *reader;            /* NULL = closed */
    redisReplyObjectFunctions make; /* the reader's own, with our array */
    void *(*make_string)(const redisReadTask *task, char *str, size_t len);
    void *(*make_array)(const redisReadTask *task, drs_elements_t n);
    void *(*make_nil)(const redisReadTask *task);
    drs_elements_t elements; /* that may still come in this trip */
};

void drs_redis_explain(drs_why_t *why, const char *format, ...)
{
    va_list args;
    char *at;

    va_start(args, format);
    vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
    why->unasked = 0;
    for (at = why->text; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) *at = '?';
    }
}

static apr_status_t close_on_cleanup(void *redis)
{
    drs_redis_close(redis);
    return APR_SUCCESS;
}

drs_redis_t *drs_redis_create(const drs_server_t *server, drs_names_t *names,
                              apr_pool_t *p)
{
    drs_redis_t *redis = apr_pcalloc(p, sizeof(*redis));

    redis->server = server;
    redis->names = names;
    redis->fd = -1;
    apr_pool_cleanup_register(p, redis, close_on_cleanup,
                              apr_pool_cleanup_null);
    return redis;
}

void drs_redis_close(drs_redis_t *redis)
{
    if (redis->fd >= 0) close(redis->fd);
    if (redis->reader != NULL) redisReaderFree(redis->reader);
    redis->fd = -1;
    redis->reader = NULL;
}

int drs_redis_is_open(const drs_redis_t *redis)
{
    return redis->fd >= 0;
}

int drs_redis_has_served(const drs_redis_t *redis)
{
    return redis->served;
}

int drs_redis_is_quiet(const drs_redis_t *redis)
{
    return redis->fd >= 0 && drs_socket_is_quiet(redis->fd);
}

/*
 * Arrays deeper or, taken together, longer than any verb asks for are refused
 * before they are made: hiredis 1.2.0 runs out of stack on deep ones.
 */
static void *make_bounded_array(const redisReadTask *task, drs_elements_t n)
{
    drs_redis_t *redis = task->privdata;
    const redisReadTask *up;
    int depth = 1;

    for (up = task->parent; up != NULL; up = up->parent) depth++;
    if (depth > DEPTH_MAX || n > redis->elements ||
        task->type != REDIS_REPLY_ARRAY) {
        return NULL;
    }
    redis->elements -= n;
    return redis->make_array(task, n);
}

/*
 * hiredis steps over the two bytes behind a text, whatever they are. It has
 * them when it makes one. What is a line has neither byte inside; before 1.0
 * hiredis did not mind.
 */
static void *make_ended_string(const redisReadTask *task, char *str, size_t len)
{
    const drs_redis_t *redis = task->privdata;

    if (str[len] != '\r' || str[len + 1] != '\n') return NULL;
    if (task->type == REDIS_REPLY_STRING) {
        return redis->make_string(task, str, len);
    }
    if (task->type != REDIS_REPLY_STATUS && task->type != REDIS_REPLY_ERROR) {
        return NULL;
    }
    if (memchr(str, '\r', len) != NULL || memchr(str, '\n', len) != NULL) {
        return NULL;
    }
    return redis->make_string(task, str, len);
}

#if HIREDIS_MAJOR >= 1
/* Nobody asked for RESP 3, so what only that has is no answer. */
static void *refuse_double(const redisReadTask *task, double value, char *str,
                           size_t len)
{
    (void)task;
    (void)value;
    (void)str;
    (void)len;
    return NULL;
}

static void *refuse_bool(const redisReadTask *task, int value)
{
    (void)task;
    (void)value;
    return NULL;
}
#endif

/* A text or array that is absent has their type; RESP 3 has another one. */
static void *make_absent(const redisReadTask *task)
{
    const drs_redis_t *redis = task->privdata;

    return task->type == REDIS_REPLY_STRING || task->type == REDIS_REPLY_ARRAY
               ? redis->make_nil(task)
               : NULL;
}

static int create_reader(drs_redis_t *redis)
{
    redis->reader = redisReaderCreate();
    if (redis->reader == NULL) return 0;

    redis->make = *redis->reader->fn;
    redis->make_string = redis->make.createString;
    redis->make.createString = make_ended_string;
    redis->make_array = redis->make.createArray;
    redis->make.createArray = make_bounded_array;
    redis->make_nil = redis->make.createNil;
    redis->make.createNil = make_absent;
#if HIREDIS_MAJOR >= 1
    redis->make.createDouble = refuse_double;
    redis->make.createBool = refuse_bool;
#endif
    redis->reader->fn = &redis->make;
    redis->reader->privdata = redis;
    return 1;
}

static void explain_fate(const drs_redis_t *redis, drs_fate_t fate,
                         drs_why_t *why)
{
    static const char *const words[] = {
        "answered", "could not be sent to", "closed the connection",
        "did not answer in time", "sent something that is no fit reply"
    };

    drs_redis_explain(why, "%s: %s", redis->server->url->name, words[fate]);
}

/* Send one command of the greeting; its answer has to be +OK. */
static apr_status_t greet(drs_redis_t *redis, int argc, const char **argv,
                          apr_interval_time_t deadline, drs_why_t *why)
{
    drs_command_t command = { argc, argv, NULL, REDIS_REPLY_STATUS, 0 };
    redisReply *reply = NULL;
    apr_status_t rv = DRS_EDOWN;

    if (drs_redis_call(redis, &command, 1, &reply, GREETING_MAX, deadline,
                       why) != DRS_FATE_DONE) {
        redis->served = 0;
        return rv;
    }
    if (reply->type == REDIS_REPLY_ERROR) {
        drs_redis_quote(redis, reply, why);
    }
    else if (strcmp(reply->str, "OK") != 0) {
        explain_fate(redis, DRS_FATE_GARBLED, why);
    }
    else {
        rv = APR_SUCCESS;
    }
    freeReplyObject(reply);
    return rv;
}

static apr_status_t enter(drs_redis_t *redis, apr_interval_time_t deadline,
                          drs_why_t *why)
{
    const drs_server_t *server = redis->server;
    const char *select[] = { "SELECT", NULL };
    const char *auth[] = { "AUTH", NULL, NULL };
    int n = 1;
    char db[12];
    apr_status_t rv;

    if (server->pass != NULL) {
        if (server->user != NULL) auth[n++] = server->user;
        auth[n++] = server->pass;
        rv = greet(redis, n, auth, deadline, why);
        if (rv != APR_SUCCESS) return rv;
    }
    if (server->url->db == 0) return APR_SUCCESS;

    apr_snprintf(db, sizeof(db), "%d", server->url->db);
    select[1] = db;
    return greet(redis, 2, select, deadline, why);
}

apr_status_t drs_redis_open(drs_redis_t *redis, apr_interval_time_t deadline,
                            drs_why_t *why)
{
    const drs_url_t *url = redis->server->url;
    apr_interval_time_t mine = drs_clock_now() + redis->server->connect;
    const char *unknown = NULL;
    char text[80];
    int error;
    apr_status_t rv;

    redis->served = 0;
    if (mine < deadline) deadline = mine;
    error = redis->names == NULL
                ? drs_socket_connect_unix(url->path, deadline, &redis->fd)
                : drs_socket_connect_tcp(redis->names, deadline, &redis->fd,
                                         &unknown);
    if (error == 0 && !create_reader(redis)) error = ENOMEM;
    if (error != 0) {
        drs_redis_close(redis);
        if (unknown == NULL) unknown = apr_strerror(error, text, sizeof(text));
        drs_redis_explain(why, "cannot connect to %s: %s", url->name, unknown);
        return DRS_EDOWN;
    }
    rv = enter(redis, deadline, why);
    if (rv == APR_SUCCESS) {
        redis->served = 0;
    }
    else {
        drs_redis_close(redis);
    }
    return rv;
}

/* Turn commands into bytes; 0 when hiredis has no memory for them. */
static int format_commands(const drs_command_t *commands, int n,
                           struct iovec *out)
{
    char *bytes;
    long long len; /* an int before hiredis 1.0 */
    int i;

    for (i = 0; i < n; i++) {
        len = redisFormatCommandArgv(&bytes, commands[i].argc, commands[i].argv,
                                     commands[i].lens);
        if (len < 0) return i;
        out[i].iov_base = bytes;
        out[i].iov_len = (size_t)len;
    }
    return n;
}

/* Drop what was taken from the front of a vector. */
static int advance(struct iovec **out, int n, size_t taken)
{
    while (n > 0 && taken >= (*out)->iov_len) {
        taken -= (*out)->iov_len;
        (*out)++;
        n--;
    }
    if (n > 0) {
        (*out)->iov_base = (char *)(*out)->iov_base + taken;
        (*out)->iov_len -= taken;
    }
    return n;
}

/* All commands leave in one go, so that Redis sees one round trip. */
static drs_fate_t send_all(drs_redis_t *redis, struct iovec *out, int n,
                           apr_interval_time_t deadline)
{
    drs_fate_t closed = DRS_FATE_UNSENT;
    drs_fate_t late = DRS_FATE_UNSENT;
    struct msghdr message;
    ssize_t taken;

    memset(&message, 0, sizeof(message));
    while (n > 0) {
        message.msg_iov = out;
        message.msg_iovlen = (size_t)n;
        taken = sendmsg(redis->fd, &message, MSG_NOSIGNAL);
        if (taken > 0) {
            closed = DRS_FATE_CLOSED;
            late = DRS_FATE_LATE;
            n = advance(&out, n, (size_t)taken);
        }
        else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            if (!drs_socket_wait(redis->fd, POLLOUT, deadline)) return late;
        }
        else if (errno != EINTR) {
            return closed;
        }
    }
    return DRS_FATE_DONE;
}

/* Get more bytes to the reader. */
static drs_fate_t feed(drs_redis_t *redis, apr_size_t *left,
                       apr_interval_time_t deadline)
{
    char bytes[CHUNK];
    ssize_t n;

    if (!drs_socket_wait(redis->fd, POLLIN, deadline)) return DRS_FATE_LATE;

    n = recv(redis->fd, bytes, sizeof(bytes), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return DRS_FATE_DONE;
    if (n <= 0) return DRS_FATE_CLOSED;

    if ((apr_size_t)n > *left) return DRS_FATE_GARBLED;
    *left -= (apr_size_t)n;
    return redisReaderFeed(redis->reader, bytes, (size_t)n) == REDIS_OK
               ? DRS_FATE_DONE
               : DRS_FATE_GARBLED;
}

static drs_fate_t receive_all(drs_redis_t *redis, int n, redisReply **replies,
                              apr_size_t most, apr_interval_time_t deadline)
{
    drs_fate_t fate = DRS_FATE_DONE;
    void *reply;
    int i = 0;

    redis->elements = ELEMENTS_MAX;
    while (i < n && fate == DRS_FATE_DONE) {
        reply = NULL;
        if (redisReaderGetReply(redis->reader, &reply) != REDIS_OK) {
            return DRS_FATE_GARBLED;
        }
        if (reply != NULL) {
            replies[i++] = reply;
        }
        else {
            fate = feed(redis, &most, deadline);
        }
    }
    /* More than was asked for: whose answer was it then? */
    if (fate == DRS_FATE_DONE && redis->reader->pos < redis->reader->len) {
        fate = DRS_FATE_GARBLED;
    }
    return fate;
}

/* What no such command is answered with is another one's answer. */
static int is_fit(const drs_command_t *command, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR || command->type == 0) return 1;
    if (command->type == REDIS_REPLY_STRING && reply->type == REDIS_REPLY_NIL) {
        return 1;
    }
    return reply->type == command->type &&
           (command->elements == 0 ||
            reply->elements == (apr_size_t)command->elements);
}

/*
 * A server with too many clients says so unasked, that alone, and hangs up;
 * to whom it has answered it never does.
 */
static int was_turned_away(const drs_redis_t *redis, drs_fate_t fate,
                           redisReply **replies)
{
    /* Of one command the only reply would have been the end of the trip. */
    return fate == DRS_FATE_CLOSED && !redis->served && replies[0] != NULL &&
           replies[1] == NULL &&
           drs_redis_is_error(replies[0], "ERR max number of clients");
}

drs_fate_t drs_redis_call(drs_redis_t *redis, const drs_command_t *commands,
                          int n, redisReply **replies, apr_size_t most,
                          apr_interval_time_t deadline, drs_why_t *why)
{
    struct iovec bytes[DRS_COMMANDS_MAX];
    struct iovec out[DRS_COMMANDS_MAX];
    drs_fate_t fate = DRS_FATE_UNSENT;
    int made = format_commands(commands, n, bytes);
    int i;

    memset(replies, 0, (size_t)n * sizeof(*replies));
    memcpy(out, bytes, sizeof(out[0]) * (size_t)made);
    /* Without time for an answer it is better not to ask. */
    if (made == n && drs_clock_now() < deadline) {
        fate = send_all(redis, out, n, deadline);
    }
    for (i = 0; i < made; i++) redisFreeCommand(bytes[i].iov_base);

    if (fate == DRS_FATE_DONE) {
        fate = receive_all(redis, n, replies, most, deadline);
    }
    for (i = 0; i < n && fate == DRS_FATE_DONE; i++) {
        if (!is_fit(&commands[i], replies[i])) fate = DRS_FATE_GARBLED;
    }
    redis->served |= fate == DRS_FATE_DONE;
    if (fate == DRS_FATE_DONE) return fate;

    explain_fate(redis, fate, why);
    if (was_turned_away(redis, fate, replies)) {
        drs_redis_quote(redis, replies[0], why);
        fate = DRS_FATE_UNSENT;
    }
    for (i = 0; i < n; i++) {
        if (replies[i] != NULL) freeReplyObject(replies[i]);
        replies[i] = NULL;
    }
    return fate;
}

int drs_redis_is_error(const redisReply *reply, const char *words)
{
    apr_size_t len = strlen(words);

    return reply->type == REDIS_REPLY_ERROR &&
           strncmp(reply->str, words, len) == 0 &&
           (reply->str[len] == '\0' || reply->str[len] == ' ');
}

static int ends_with(const char *text, apr_size_t len, const char *words)
{
    apr_size_t n = strlen(words);

    return len >= n && strncmp(text + len - n, words, n) == 0;
}

/* Whether a mark repeats nothing: "can't", or before a word that is ours. */
static int is_harmless(const char *mark, const char *text)
{
    apr_size_t before = (apr_size_t)(mark - text);

    if (*mark == ':') {
        return before == 18 && ends_with(text, before, "ERR Protocol error");
    }
    return *mark == '\'' && before > 0 &&
           (apr_islower(mark[-1]) ||
            ends_with(text, before, "permissions to run the "));
}

int drs_redis_shown(const redisReply *reply)
{
    const char *at = reply->str + strcspn(reply->str, "'\"`:");

    while (*at != '\0' && is_harmless(at, reply->str)) {
        at++;
        at += strcspn(at, "'\"`:");
    }
    return (int)(at - reply->str);
}

void drs_redis_quote(const drs_redis_t *redis, const redisReply *reply,
                     drs_why_t *why)
{
    int len = drs_redis_shown(reply);

    drs_redis_explain(why, "%s refused: %.*s", redis->server->url->name,
                      len > 120 ? 120 : len, reply->str);
}
