/* SPDX-License-Identifier: MIT */
/*
 * A reply is a mark, a line, and what the line says will follow:
 *
 *     +text   -text   :integer   $bytes CRLF text   *elements CRLF replies
 */
#include "resp.h"

#include <limits.h>
#include <string.h>

#include <hiredis/hiredis.h>

/* Where CR LF stands; NULL = nowhere. */
static const char *find_line(const char *at, const char *end)
{
    for (; end - at >= 2; at++) {
        if (at[0] == '\r' && at[1] == '\n') return at;
    }
    return NULL;
}

/* A simple string has no half of an end in it. */
static int is_one_line(const char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at == '\r' || *at == '\n') return 0;
    }
    return 1;
}

/* As Redis writes integers: no plus, no leading zero, no minus zero. */
static int read_integer(const char *at, const char *end, long long *n)
{
    int negative = at < end && *at == '-';
    unsigned long long most =
        (unsigned long long)LLONG_MAX + (unsigned long long)negative;
    unsigned long long sum = 0;

    if (negative) at++;
    if (at == end || (*at == '0' && (negative || end - at > 1))) return 0;
    for (; at < end; at++) {
        unsigned long long digit = (unsigned long long)(*at - '0');

        if (*at < '0' || *at > '9' || sum > (most - digit) / 10) return 0;
        sum = sum * 10 + digit;
    }
    *n = negative ? (long long)(0 - sum) : (long long)sum;
    return 1;
}

static const char *read_elements(const char *at, const char *end, int depth,
                                 long long *room, const resp_t *array)
{
    resp_t one;
    long long i;

    if (array->is_nil) return at;
    if (array->n < 0 || array->n > *room) return NULL;
    if (depth > RESP_DEPTH_MAX) return NULL;
    *room -= array->n;
    for (i = 0; i < array->n && at != NULL; i++) {
        at = resp_read(at, end, depth + 1, room, &one);
    }
    return at;
}

const char *resp_read(const char *at, const char *end, int depth,
                      long long *room, resp_t *reply)
{
    const char *line = find_line(at, end);

    if (line == NULL || strchr("+-:$*", *at) == NULL || *at == '\0') {
        return NULL;
    }
    memset(reply, 0, sizeof(*reply));
    reply->mark = *at++;
    if (reply->mark == '+' || reply->mark == '-') {
        return is_one_line(at, line) ? line + 2 : NULL;
    }
    if (!read_integer(at, line, &reply->n)) return NULL;
    at = line + 2;
    if (reply->mark == ':') return at;

    reply->is_nil = reply->n == -1;
    if (reply->mark == '*') {
        return read_elements(at, end, depth, room, reply);
    }
    if (reply->is_nil) return at;
    if (reply->n < 0 || reply->n > end - at - 2) return NULL;
    at += reply->n;
    return at[0] == '\r' && at[1] == '\n' ? at + 2 : NULL;
}

/* What a mark and its line make of a reply. */
static int is_same(const resp_t *said, const char *text,
                   const redisReply *reply)
{
    if (said->is_nil) return reply->type == REDIS_REPLY_NIL;
    if (said->mark == ':') {
        return reply->type == REDIS_REPLY_INTEGER && reply->integer == said->n;
    }
    if (said->mark == '*') {
        return reply->type == REDIS_REPLY_ARRAY &&
               reply->elements == (size_t)said->n;
    }
    if (reply->type != (said->mark == '+'   ? REDIS_REPLY_STATUS
                        : said->mark == '-' ? REDIS_REPLY_ERROR
                                            : REDIS_REPLY_STRING)) {
        return 0;
    }
    return memcmp(reply->str, text, (size_t)reply->len) == 0 &&
           reply->str[reply->len] == '\0' &&
           memcmp(text + reply->len, "\r\n", 2) == 0;
}

const char *resp_match(const char *at, const char *end, const redisReply *reply)
{
    long long room = RESP_ELEMENTS_MAX;
    resp_t said;
    const char *behind = resp_read(at, end, 1, &room, &said);
    const char *line;
    size_t i;

    if (behind == NULL) return NULL;
    line = find_line(at, end);
    if (!is_same(&said, said.mark == '$' ? line + 2 : at + 1, reply)) {
        return NULL;
    }
    if (reply->type != REDIS_REPLY_ARRAY) return behind;
    for (at = line + 2, i = 0; i < reply->elements && at != NULL; i++) {
        at = resp_match(at, end, reply->element[i]);
    }
    return at;
}
