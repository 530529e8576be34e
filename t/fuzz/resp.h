/* SPDX-License-Identifier: MIT */
/*
 * A strict reader of replies, to hold against hiredis: what Redis writes
 * and not one byte besides. Knows RESP 2 and how deep and long drs_redis
 * lets replies be.
 */
#ifndef RESP_H
#define RESP_H

struct redisReply;

/** Most elements of all arrays of a round trip, and deepest array. */
enum { RESP_ELEMENTS_MAX = 4096, RESP_DEPTH_MAX = 2 };

/** A reply that was read. */
typedef struct resp_t {
    char mark; /* one of + - : $ * */
    int is_nil;
    long long n; /* the integer, the bytes or the elements */
} resp_t;

/**
 * Read one reply.
 *
 * @param at    its first byte
 * @param end   of the bytes
 * @param depth 1 for a reply that is no element
 * @param room  in and out: elements that may still come
 * @param reply out
 * @return the byte behind it; NULL = it is none, or is not all there
 */
const char *resp_read(const char *at, const char *end, int depth,
                      long long *room, resp_t *reply);

/**
 * Hold what hiredis made against the bytes it made it of.
 *
 * @param at    the reply's first byte
 * @param end   of the bytes
 * @param reply by hiredis
 * @return the byte behind it; NULL = these bytes say something else
 */
const char *resp_match(const char *at, const char *end,
                       const struct redisReply *reply);

#endif
