/* SPDX-License-Identifier: MIT */
/*
 * The life of a session: what the handle knows, when it is seen, too old or
 * gone, how every verb begins; also the two verbs that end or renew it. For
 * drs_session and drs_handoff, and nobody else; knows no field.
 */
#ifndef DRS_LIFE_H
#define DRS_LIFE_H

#include "drs_store.h"
#include "drs_terms.h"
#include "mod_drsession.h"

/** What stands around the values of the largest reply, in bytes. */
enum { DRS_LIFE_FRAMES = 64 * 1024 };

/** What all handles of one session in one request share. */
typedef struct drs_life_t {
    drs_store_t store; /* its key is NULL while unborn */
    const char *id;    /* NULL = unborn */
    int seen;          /* this request knows that the key was there */
    int touched;       /* the expiry was refreshed in this request */
    int given;         /* a child has the key */
    int fresh;         /* its cookie is out, its key was never made: the
                          first write may make it */
    drs_terms_t owed;  /* of the place that gave it: for its expiry */
    unsigned int changes;
    apr_pool_t *pool;
} drs_life_t;

/** The handle: a session and the terms on which one opener uses it. */
struct drs_session_t {
    const drs_terms_t *terms;
    drs_host_t host;
    drs_life_t *life;
    int past; /* too old on these terms, which may not end it: none here */
};

/**
 * Tell whether there is a session as far as this handle knows.
 *
 * @param session the handle
 * @return 1; 0 unborn, or too old on its terms
 */
int drs_life_is_there(const drs_session_t *session);

/**
 * Bind the store to the terms of a handle: how long, how much.
 *
 * @param session the handle whose call follows
 */
void drs_life_agree(drs_session_t *session);

/**
 * Remember why a call failed.
 *
 * @param session the handle
 * @param rv      what the caller will return
 * @param why     one line
 * @return rv
 */
apr_status_t drs_life_fail(drs_session_t *session, apr_status_t rv,
                           const char *why);

/**
 * Put another id in place, and with it another key.
 *
 * @param session the handle
 * @param id      NUL-terminated, of the session's pool; NULL = unborn
 */
void drs_life_set_id(drs_session_t *session, const char *id);

/**
 * Become unborn.
 *
 * @param session the handle
 */
void drs_life_forget(drs_session_t *session);

/**
 * Tell the expiry of a key: the idle time, but never past the end of life.
 * An id without birth time (drsession.py) lives from the first write that
 * finds its key without an expiry; drs_store_t says how that is told.
 *
 * @param session the handle
 * @param id      NUL-terminated
 * @return for drs_store_t
 */
apr_int64_t drs_life_expiry(const drs_session_t *session, const char *id);

/**
 * Learn from what a call on the store returned; an id that was never there
 * is no session.
 *
 * @param session the handle
 * @param rv      of the call
 */
void drs_life_learn(drs_session_t *session, apr_status_t rv);

/**
 * Begin any verb: the response depends on the session now, one past its
 * lifetime ends, the terms of the next call on the store are set.
 *
 * @param session the handle
 * @return APR_SUCCESS, session->id is NULL when there is no session; else
 *         why the old one could not be ended, as drs_store_unlink()
 */
apr_status_t drs_life_begin(drs_session_t *session) DRS_MUST_CHECK;

/**
 * Begin a verb on a field.
 *
 * @param session the handle
 * @param field   of the caller
 * @return as drs_life_begin(); DRS_EVALUE bad field name
 */
apr_status_t drs_life_begin_field(drs_session_t *session,
                                  const char *field) DRS_MUST_CHECK;

/**
 * Begin a verb that writes.
 *
 * @param session the handle
 * @return as drs_life_begin(); DRS_EREADONLY
 */
apr_status_t drs_life_begin_write(drs_session_t *session) DRS_MUST_CHECK;

/**
 * Make an id for a session that begins now.
 *
 * @param session the handle
 * @param id      out: room for DRS_ID_LEN + 1 bytes
 * @return APR_SUCCESS; DRS_ESENT the headers are out, no cookie can follow;
 *         DRS_EDOWN the system has no random bytes
 */
apr_status_t drs_life_mint(drs_session_t *session, char *id) DRS_MUST_CHECK;

/**
 * Note that the last field went by our own hand, and the key with it. That
 * is no end by another's: a later write begins anew.
 *
 * @param session the handle
 */
void drs_life_empty(drs_session_t *session);

/**
 * Turn what a caller gave into what Redis is to hold.
 *
 * @param session the handle
 * @param json    of the caller; NULL stays absent
 * @param len     bytes
 * @param stored  out
 * @param p       owns the bytes
 * @return APR_SUCCESS; DRS_EVALUE not of the codec, or over the limit
 */
apr_status_t drs_life_dump(drs_session_t *session, const char *json,
                           apr_size_t len, drs_bytes_t *stored,
                           apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Turn what Redis holds into what the caller is promised.
 *
 * @param session the handle
 * @param stored  of Redis
 * @param json    out
 * @param len     out, may be NULL: bytes of it
 * @param p       owns the text
 * @return APR_SUCCESS; DRS_EREPLY the codec cannot load it
 */
apr_status_t drs_life_load(drs_session_t *session, const drs_bytes_t *stored,
                           const char **json, apr_size_t *len,
                           apr_pool_t *p) DRS_MUST_CHECK;

/**
 * End the session: its key is deleted, its cookie expired.
 *
 * @param session the handle, unborn afterwards
 * @return as destroy of drs_api_t
 * Source: UNLINK.
 */
apr_status_t drs_life_end(drs_session_t *session) DRS_MUST_CHECK;

/**
 * Ask whether a cookie can still be sent.
 *
 * @param session the handle
 * @return APR_SUCCESS; DRS_ESENT
 */
apr_status_t drs_life_may_send(drs_session_t *session) DRS_MUST_CHECK;

/** A write: what to do once the store knows key and expiry. */
typedef apr_status_t drs_life_act_t(drs_store_t *store, void *baton,
                                    apr_pool_t *p);

/**
 * Mint an id and write under it; only a success tells the browser. A write
 * that leaves no key leaves the session unborn.
 *
 * @param session the handle; after a failure it has the id it had
 * @param act     the write
 * @param baton   for act
 * @param p       for act
 * @return DRS_ESENT; DRS_EDOWN; as act
 */
apr_status_t drs_life_bear(drs_session_t *session, drs_life_act_t *act,
                           void *baton, apr_pool_t *p) DRS_MUST_CHECK;

/**
 * Mint the id by which a bound session will go on, of the same birth: a new
 * id gives no longer life.
 *
 * @param session the handle, not changed
 * @param id      out, of the session's pool
 * @param key     out, alike
 * @return APR_SUCCESS; DRS_ESENT; DRS_EDOWN no random bytes
 */
apr_status_t drs_life_succeed(drs_session_t *session, const char **id,
                              const char **key) DRS_MUST_CHECK;

/**
 * Be at home under a new id, and tell the browser.
 *
 * @param session the handle
 * @param id      of the session's pool
 */
void drs_life_move_in(drs_session_t *session, const char *id);

/**
 * Ask, after a move without an answer, whether it happened. The absence of
 * the new key proves nothing, for Redis may come to the move later.
 *
 * @param session the handle, of the old key
 * @param key     the new one
 * @return 1 it did; 0 not known
 * Source: EXISTS.
 */
int drs_life_has_moved(drs_session_t *session, const char *key);

/**
 * Give the session a new id of the same birth.
 *
 * @param session the handle
 * @return as regenerate of drs_api_t
 * Source: RENAME.
 */
apr_status_t drs_life_renew(drs_session_t *session) DRS_MUST_CHECK;

#endif
