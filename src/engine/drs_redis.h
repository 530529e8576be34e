/* SPDX-License-Identifier: MIT */
/*
 * One connection to one Redis: opened and entered, asked, closed. Knows
 * sockets, deadlines and what bytes of an answer are fit; refuses to know
 * sessions, to share a connection or to send anything twice.
 */
#ifndef DRS_REDIS_H
#define DRS_REDIS_H

#include <apr_pools.h>
#include <apr_time.h>

#include "drs_clock.h"
#include "drs_names.h"
#include "drs_url.h"
#include "mod_drsession.h"

struct redisReply;

/** Most commands of one round trip. */
#define DRS_COMMANDS_MAX 6

/** One line about the last failure; never an id, a value or a password. */
typedef struct drs_why_t {
    char text[200]; /* NUL-terminated; empty = nothing failed */
    int unasked;    /* 1 = the server was not asked, for it failed lately */
} drs_why_t;

/** How to reach and enter a server; settled by the configuration. */
typedef struct drs_server_t {
    const drs_url_t *url;
    const char *user;            /* NULL = the default user */
    const char *pass;            /* NULL = no AUTH; a secret */
    apr_interval_time_t connect; /* us for connect, AUTH and SELECT */
} drs_server_t;

/** One command as an argument vector, and what its answer has to be. */
typedef struct drs_command_t {
    int argc;
    const char **argv;
    const apr_size_t *lens; /* bytes of each; NULL = NUL-terminated */
    int type;     /* REDIS_REPLY_x, a string may be nil; 0 = any. An error
                     always fits */
    int elements; /* of an array; 0 = any number */
} drs_command_t;

/** What became of a round trip. */
typedef enum drs_fate_t {
    DRS_FATE_DONE,   /* one whole, fit reply a command, nothing left over */
    DRS_FATE_UNSENT, /* not one byte of a command was taken */
    DRS_FATE_CLOSED, /* the connection ended after bytes were sent */
    DRS_FATE_LATE,   /* the deadline passed after bytes were sent */
    DRS_FATE_GARBLED /* the answer is no fit reply, or there is too much */
} drs_fate_t;

/** A connection, open or not. One thread at a time. */
typedef struct drs_redis_t drs_redis_t;

/**
 * Write the line about a failure; what is too long is cut, control
 * characters become '?'.
 *
 * @param why    the line
 * @param format as printf()
 */
void drs_redis_explain(drs_why_t *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/**
 * Make room for a connection; nothing is opened.
 *
 * @param server how to reach it, kept by reference
 * @param names  the addresses of its host; NULL for a unix socket
 * @param p      owns the result; closes it when it goes
 * @return the closed connection
 */
drs_redis_t *drs_redis_create(const drs_server_t *server, drs_names_t *names,
                              apr_pool_t *p);

/**
 * Connect, and send AUTH and SELECT where the server wants them.
 *
 * @param redis    closed
 * @param deadline on drs_clock_now(); server->connect may come sooner
 * @param why      out on failure
 * @return APR_SUCCESS; DRS_EDOWN refused, denied or too late: closed again
 * Source: connect(2); AUTH, SELECT.
 */
apr_status_t drs_redis_open(drs_redis_t *redis, apr_interval_time_t deadline,
                            drs_why_t *why) DRS_MUST_CHECK;

/**
 * Close a connection; a closed one is left alone.
 *
 * @param redis any
 */
void drs_redis_close(drs_redis_t *redis);

/**
 * Tell whether a connection was opened and not closed since.
 *
 * @param redis any
 * @return 1 or 0
 */
int drs_redis_is_open(const drs_redis_t *redis);

/**
 * Tell whether a connection has brought an answer, a greeting aside; of one
 * that could not be opened, whether it was the greeting's answer.
 *
 * @param redis any
 * @return 1 when there was one since it was opened; else 0
 */
int drs_redis_has_served(const drs_redis_t *redis);

/**
 * Judge whether a connection may be used: open, and nothing to read. Bytes
 * or an end of file on an idle connection mean it is dead or out of step.
 *
 * @param redis any
 * @return 1 or 0
 * Source: recv(2) with MSG_PEEK.
 */
int drs_redis_is_quiet(const drs_redis_t *redis);

/**
 * Make one round trip: all commands out in one go, one reply each back.
 *
 * @param redis    open
 * @param commands 1..DRS_COMMANDS_MAX
 * @param n        how many
 * @param replies  out: n replies to be freed by freeReplyObject(), error
 *                 replies included; all NULL unless DRS_FATE_DONE
 * @param most     bytes that all replies together may have
 * @param deadline on drs_clock_now()
 * @param why      out on failure
 * @return the fate; after anything but DRS_FATE_DONE the connection has to
 *         be closed
 * Source: the RESP protocol.
 */
drs_fate_t drs_redis_call(drs_redis_t *redis, const drs_command_t *commands,
                          int n, struct redisReply **replies, apr_size_t most,
                          apr_interval_time_t deadline,
                          drs_why_t *why) DRS_MUST_CHECK;

/**
 * Judge whether a reply is an error that begins with these words, the last
 * one whole.
 *
 * @param reply any
 * @param words for example "LOADING"
 * @return 1 or 0
 */
int drs_redis_is_error(const struct redisReply *reply, const char *words);

/**
 * Tell how much of an error reply may be shown: up to the first quote or
 * colon, because Redis repeats arguments there. The name of a command that
 * is not permitted is shown, for it is ours.
 *
 * @param reply of type error
 * @return bytes of its text
 */
int drs_redis_shown(const struct redisReply *reply);

/**
 * Put an error reply into words, as far as drs_redis_shown() says.
 *
 * @param redis the connection, for the server's name
 * @param reply of type error
 * @param why   out
 */
void drs_redis_quote(const drs_redis_t *redis, const struct redisReply *reply,
                     drs_why_t *why);

#endif
