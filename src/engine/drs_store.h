/* SPDX-License-Identifier: MIT */
/*
 * One Redis hash: one function a verb, one round trip a function. Knows
 * commands, scripts and the shapes of their replies; refuses to know what a
 * session is, when it is too old, or what JSON means.
 *
 * Every function returns DRS_EDOWN and DRS_EREPLY as drs_route_call() does,
 * those that write also DRS_EUNSURE; the contracts name only what they add.
 */
#ifndef DRS_STORE_H
#define DRS_STORE_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

#include "drs_redis.h"
#include "drs_route.h"
#include "mod_drsession.h"

/** What a reply told of the key. */
typedef enum drs_alive_t {
    DRS_ALIVE_UNTOLD,
    DRS_ALIVE_YES,
    DRS_ALIVE_NO
} drs_alive_t;

/** Bytes: a value, or the name of a field. */
typedef struct drs_bytes_t {
    const char *data; /* NUL-terminated; NULL = absent */
    apr_size_t len;
} drs_bytes_t;

/** A field and its value; without a value (data NULL) it is deleted. */
typedef struct drs_pair_t {
    const char *field; /* NUL-terminated */
    drs_bytes_t value;
} drs_pair_t;

/** What a step of a batch does. */
typedef enum drs_step_verb_t {
    DRS_STEP_SET,
    DRS_STEP_ADD,
    DRS_STEP_INCR,
    DRS_STEP_DEL
} drs_step_verb_t;

/** One step of a batch; an incr has its digits as value, a del has none. */
typedef struct drs_step_t {
    drs_step_verb_t verb;
    const char *field; /* NUL-terminated */
    drs_bytes_t value;
} drs_step_t;

/** What becomes of the key after the steps of a batch. */
typedef enum drs_then_t {
    DRS_THEN_STAY,
    DRS_THEN_MOVE, /* to the other key */
    DRS_THEN_FRESH /* it is new; the other key ends */
} drs_then_t;

/** The hash at hand and the terms of the next call. */
typedef struct drs_store_t {
    drs_route_t *route;
    const char *key;
    apr_interval_time_t command; /* us one call may take */
    apr_interval_time_t budget;  /* us that are left for all calls */
    apr_int64_t touch;    /* ms: expiry that the next read sets; 0 = none */
    apr_int64_t expiry;   /* ms: expiry that a write sets; 0 = none; below 0:
                            its amount, where the key has none yet */
    int may_create;       /* 1 = a write may make the key */
    apr_size_t reply_max; /* bytes of all replies of one call */
    int fields_max;       /* a write never makes more fields than this */
    drs_alive_t alive;    /* out: what the last call learned of the key */
    int over;             /* out: 1 = a limit was the reason */
    drs_why_t why;        /* out: about the last failure */
} drs_store_t;

/**
 * Read a field.
 *
 * @param store the hash
 * @param field NUL-terminated
 * @param value out
 * @param p     owns the bytes
 * @return APR_SUCCESS; APR_NOTFOUND
 * Source: HGET.
 */
apr_status_t drs_store_get(drs_store_t *store, const char *field,
                           drs_bytes_t *value, apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Read several fields and learn whether the key is there.
 *
 * @param store  the hash
 * @param fields n names, 1 or more
 * @param n      how many
 * @param values out: room for n
 * @param p      owns the bytes
 * @return APR_SUCCESS
 * Source: HMGET, EXISTS.
 */
apr_status_t drs_store_get_many(drs_store_t *store, const char *const *fields,
                                int n, drs_bytes_t *values,
                                apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Ask whether a field exists.
 *
 * @param store the hash
 * @param field NUL-terminated
 * @return APR_SUCCESS; APR_NOTFOUND
 * Source: HEXISTS.
 */
apr_status_t drs_store_has(drs_store_t *store,
                           const char *field) DRS_MUST_CHECK;

/**
 * Ask whether the key exists; store->alive tells.
 *
 * @param store the hash
 * @return APR_SUCCESS
 * Source: EXISTS.
 */
apr_status_t drs_store_exists(drs_store_t *store) DRS_MUST_CHECK;

/**
 * Count the fields.
 *
 * @param store the hash
 * @param n     out
 * @return APR_SUCCESS
 * Source: HLEN.
 */
apr_status_t drs_store_count(drs_store_t *store, apr_size_t *n) DRS_MUST_CHECK;

/**
 * List the names of the fields.
 *
 * @param store  the hash
 * @param fields out: array of drs_bytes_t
 * @param p      owns it
 * @return APR_SUCCESS
 * Source: HKEYS.
 */
apr_status_t drs_store_keys(drs_store_t *store, apr_array_header_t **fields,
                            apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Read everything.
 *
 * @param store the hash
 * @param all   out: array of drs_bytes_t, names and values in turn
 * @param p     owns it
 * @return APR_SUCCESS
 * Source: HGETALL.
 */
apr_status_t drs_store_all(drs_store_t *store, apr_array_header_t **all,
                           apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Write and delete fields, all or none.
 *
 * @param store   the hash
 * @param pairs   n fields; of a name given twice the last counts
 * @param n       0 or more; with none the key only gets its expiry
 * @param created out, may be NULL: how many fields are new
 * @param p       for the command
 * @return APR_SUCCESS; DRS_EGONE the key is not there and may not be made;
 *         DRS_EVALUE too many fields
 * Source: HSET, HDEL in a script.
 */
apr_status_t drs_store_update(drs_store_t *store, const drs_pair_t *pairs,
                              int n, apr_size_t *created,
                              apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Write a field if it is absent.
 *
 * @param store the hash
 * @param pair  the field and its value
 * @param p     for the command
 * @return as drs_store_update(); APR_EEXIST
 * Source: HSETNX in a script.
 */
apr_status_t drs_store_add(drs_store_t *store, const drs_pair_t *pair,
                           apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Add to an integer.
 *
 * @param store the hash
 * @param field NUL-terminated
 * @param by    any sign
 * @param now   out: the value afterwards
 * @param p     for the command
 * @return as drs_store_update(); DRS_EVALUE also: no integer, or overflow
 * Source: HINCRBY in a script.
 */
apr_status_t drs_store_incr(drs_store_t *store, const char *field,
                            apr_int64_t by, apr_int64_t *now,
                            apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Take several steps in order, all or none; an add that finds its field and
 * a del that finds none are steps like others. store->alive tells whether
 * the key was left.
 *
 * @param store the hash; still of the old key after a move
 * @param steps n of them
 * @param n     0 or more
 * @param turn  what becomes of the key then
 * @param other key for turn; NULL with DRS_THEN_STAY
 * @param p     for the command
 * @return as drs_store_incr(); APR_EMISMATCH the two keys live in different
 *         slots of a Cluster, nothing was done
 * Source: HSET, HSETNX, HINCRBY, HDEL, RENAME, UNLINK in a script.
 */
apr_status_t drs_store_batch(drs_store_t *store, const drs_step_t *steps, int n,
                             drs_then_t turn, const char *other,
                             apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Delete a field. store->alive tells whether the key was left; APR_SUCCESS
 * with DRS_ALIVE_NO means it was the last. Works where Redis is out of memory.
 *
 * @param store the hash
 * @param field NUL-terminated
 * @param p     for the command
 * @return as drs_store_update(); APR_NOTFOUND
 * Source: HDEL in a script.
 */
apr_status_t drs_store_del(drs_store_t *store, const char *field,
                           apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Delete a field, and read it in the same step. store->alive tells whether
 * the key was left; APR_SUCCESS with DRS_ALIVE_NO means it was the last.
 *
 * @param store the hash
 * @param field NUL-terminated
 * @param value out: what it held
 * @param p     owns the bytes
 * @return APR_SUCCESS; APR_NOTFOUND
 * Source: MULTI, HGET, HDEL, EXISTS, EXEC.
 */
apr_status_t drs_store_pop(drs_store_t *store, const char *field,
                           drs_bytes_t *value, apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Delete the key.
 *
 * @param store the hash
 * @return APR_SUCCESS, also when it was not there
 * Source: UNLINK.
 */
apr_status_t drs_store_unlink(drs_store_t *store) DRS_MUST_CHECK;

/**
 * Move the hash to another key.
 *
 * @param store the hash; still of the old key afterwards
 * @param to    the new key
 * @return APR_SUCCESS; DRS_EGONE the key is not there
 * Source: MULTI, RENAME, PEXPIRE, EXEC.
 */
apr_status_t drs_store_rename(drs_store_t *store,
                              const char *to) DRS_MUST_CHECK;

#endif
