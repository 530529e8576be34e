/* SPDX-License-Identifier: MIT */
/*
 * A list of operations on a session, taken in order as one step and one
 * round trip: for programs that can say what they want only once. Knows
 * what the order means when a session ends or gets a new id in between.
 */
#ifndef DRS_BATCH_H
#define DRS_BATCH_H

#include "drs_session.h"
#include "mod_drsession.h"

/** What an operation does. */
typedef enum drs_op_verb_t {
    DRS_OP_SET,
    DRS_OP_ADD,
    DRS_OP_INCR,
    DRS_OP_DELETE,
    DRS_OP_REGENERATE,
    DRS_OP_DESTROY
} drs_op_verb_t;

/** One operation. */
typedef struct drs_op_t {
    drs_op_verb_t verb;
    const char *field; /* NUL-terminated; NULL where the verb takes none */
    const char *json;  /* set, add: as in drs_api_t; incr: digits */
    apr_size_t len;    /* bytes of json */
} drs_op_t;

/**
 * Take operations in order, all or none.
 *
 * What stands before a destroy is checked and then dropped with the session;
 * what follows it makes a new one. A regenerate renews the id whatever its
 * place; without a session, or after a destroy, it has nothing to do. An add
 * that finds its field, a delete that finds none and a destroy without a
 * session are answers, not failures. In a Cluster, where another id lives in
 * another slot, destroy and regenerate are trips of their own and may be done
 * although the rest is not.
 *
 * @param session from drs_session_create()
 * @param ops     n of them
 * @param n       0 or more; 0 is APR_SUCCESS without traffic
 * @return APR_SUCCESS; as set, incr and regenerate of drs_api_t otherwise,
 *         nothing was done then, but DRS_EUNSURE: all of it or nothing
 * Source: HSET, HSETNX, HINCRBY, HDEL, RENAME, UNLINK in a script.
 */
apr_status_t drs_batch_run(drs_session_t *session, const drs_op_t *ops,
                           int n) DRS_MUST_CHECK;

#endif
