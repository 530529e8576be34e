/* SPDX-License-Identifier: MIT */
/*
 * The one public header of mod_drsession: live sessions in Redis for
 * modules of Apache httpd. It knows the calls, their statuses and the
 * two provider groups; it needs APR alone and shows no Redis, no JSON
 * library and nothing of httpd but the name of its request.
 */
#ifndef MOD_DRSESSION_H
#define MOD_DRSESSION_H

#include <apr_errno.h>
#include <apr_pools.h>
#include <apr_tables.h>

#ifdef __cplusplus
extern "C" {
#endif

struct request_rec;

/** Where ap_lookup_provider() finds the table of calls, drs_api_t. */
#define DRS_API_GROUP "drsession"
#define DRS_API_NAME "api"
#define DRS_API_VERSION "1"

/** Where ap_lookup_provider(), same group and version, finds drs_turn_t. */
#define DRS_TURN_NAME "turn"

/** Where a module registers a codec, drs_codec_t, under its own name. */
#define DRS_CODEC_GROUP "drsession-codec"
#define DRS_CODEC_VERSION "1"

/** Longest field name in bytes, the final NUL not counted. */
#define DRS_FIELD_MAX 255

/** The compiler warns when a result of this kind is thrown away. */
#if defined(__GNUC__)
#define DRS_MUST_CHECK __attribute__((warn_unused_result))
#else
#define DRS_MUST_CHECK
#endif

/**
 * The failures. APR_SUCCESS, APR_NOTFOUND and APR_EEXIST are answers, not
 * failures; APR_ENOTIMPL comes from open() alone: DRSession is Off there.
 */
#define DRS_START_ERROR (APR_OS_START_USERERR + 7300)

/** A write was surely not executed; a read has no answer. Try later. */
#define DRS_EDOWN (DRS_START_ERROR + 1)
/** A write went out, no whole answer came back: it may have been executed. */
#define DRS_EUNSURE (DRS_START_ERROR + 2)
/** The session, seen alive earlier in this request, has ended meanwhile. */
#define DRS_EGONE (DRS_START_ERROR + 3)
/** Redis answered an error, a wrong type or bytes that are no reply. */
#define DRS_EREPLY (DRS_START_ERROR + 4)
/** Not JSON, not an integer, overflow, over a limit or a bad field name. */
#define DRS_EVALUE (DRS_START_ERROR + 5)
/** A new cookie is needed and the response headers are already out. */
#define DRS_ESENT (DRS_START_ERROR + 6)
/** `DRSession ReadOnly` holds here. */
#define DRS_EREADONLY (DRS_START_ERROR + 7)

/** A handle of the live session of a request; one thread at a time. */
typedef struct drs_session_t drs_session_t;

/**
 * The table of calls. Every call works on Redis there and then, in one
 * round trip; nothing is kept back and there is no save. Common to all:
 *
 * - field: NUL-terminated UTF-8, 1..DRS_FIELD_MAX bytes, else DRS_EVALUE.
 * - json, len: the text of one JSON value (RFC 8259), UTF-8, at most 128
 *   deep, at most `DRSessionLimit value=` bytes, else DRS_EVALUE; outer
 *   white space is cut, the rest is stored byte for byte. With another
 *   `DRSessionCodec` than json it is what that codec takes.
 * - outputs are untouched unless the call returns APR_SUCCESS; texts are
 *   NUL-terminated and live in p; their len may be NULL.
 * - any call but open() and error() counts as use of the session: the
 *   response gets `Vary: Cookie` and `Cache-Control: private, no-cache`; the
 *   first one that reaches Redis refreshes the expiry (DRSessionIdle,
 *   DRSessionTouch).
 */
typedef struct drs_api_t {
    /**
     * Find the session of a request; subrequests, internal redirects and
     * error documents get the same one, each by a handle of its own: what
     * may be done by it, and how long the session lives when it is used, is
     * for the section of that request. No traffic.
     *
     * @param r       the request at hand
     * @param session out: the handle, alive as long as the initial request
     * @return APR_SUCCESS; APR_ENOTIMPL DRSession is Off for this request
     * Source: environ['drsession'] of drsession.py.
     */
    apr_status_t (*open)(struct request_rec *r,
                         drs_session_t **session) DRS_MUST_CHECK;

    /**
     * Tell the session's id. No traffic. It is a secret: never log it.
     *
     * @param session from open()
     * @return the id, alive until destroy() or regenerate(); NULL while
     *         there is no session
     */
    const char *(*id)(drs_session_t *session);

    /**
     * Tell the session's Redis key, prefix and id. No traffic, a secret.
     *
     * @param session from open()
     * @return the key, alive as id(); NULL while there is no session
     */
    const char *(*key)(drs_session_t *session);

    /**
     * Read a field as JSON text.
     *
     * @param session from open()
     * @param field   see above
     * @param json    out: what Redis holds, unchecked, passed on as it is
     * @param len     out, may be NULL: its bytes
     * @param p       owns *json
     * @return APR_SUCCESS; APR_NOTFOUND no such field or no session;
     *         DRS_EDOWN no answer; DRS_EREPLY Redis refused, or the codec
     *         cannot load the value; DRS_EVALUE bad field name
     * Source: HGET; `session[k]` of drsession.py.
     */
    apr_status_t (*get)(drs_session_t *session, const char *field,
                        const char **json, apr_size_t *len,
                        apr_pool_t *p) DRS_MUST_CHECK;

    /**
     * Read a field that holds a JSON string, decoded.
     *
     * @param session from open()
     * @param field   see above
     * @param text    out: UTF-8 without quotes and escapes
     * @param p       owns *text
     * @return as get(); also DRS_EVALUE: not a string, or it has a NUL
     * Source: HGET.
     */
    apr_status_t (*get_string)(drs_session_t *session, const char *field,
                               const char **text, apr_pool_t *p) DRS_MUST_CHECK;

    /**
     * Read a field that holds an integer.
     *
     * @param session from open()
     * @param field   see above
     * @param n       out: its value
     * @return as get(); also DRS_EVALUE: not an integer of 64 bits
     * Source: HGET.
     */
    apr_status_t (*get_int)(drs_session_t *session, const char *field,
                            apr_int64_t *n) DRS_MUST_CHECK;

    /**
     * Read several fields in one round trip.
     *
     * @param session from open()
     * @param fields  n field names
     * @param n       0 or more; 0 is APR_SUCCESS without traffic
     * @param json    out: room for n pointers, NULL where a field is absent
     * @param p       owns the texts
     * @return APR_SUCCESS, also when all are absent; DRS_EDOWN no answer;
     *         DRS_EREPLY as get(); DRS_EVALUE bad field name
     * Source: HMGET.
     */
    apr_status_t (*get_many)(drs_session_t *session, const char *const *fields,
                             int n, const char **json,
                             apr_pool_t *p) DRS_MUST_CHECK;

    /**
     * Write a field. Without a session this makes one: id, expiry and field
     * in one command, then the cookie.
     *
     * @param session from open()
     * @param field   see above
     * @param json    see above
     * @param len     bytes of json
     * @return APR_SUCCESS; DRS_EDOWN surely not written; DRS_EUNSURE it may
     *         have been; DRS_EGONE the session ended meanwhile; DRS_EREPLY
     *         Redis refused; DRS_EVALUE bad field, bad JSON or a limit;
     *         DRS_ESENT a new session after the headers; DRS_EREADONLY
     * Source: HSET; `session[k] = v` of drsession.py.
     */
    apr_status_t (*set)(drs_session_t *session, const char *field,
                        const char *json, apr_size_t len) DRS_MUST_CHECK;

    /**
     * Write text as a JSON string.
     *
     * @param session from open()
     * @param field   see above
     * @param text    NUL-terminated UTF-8, quoted and escaped by the call
     * @return as set()
     * Source: HSET.
     */
    apr_status_t (*set_string)(drs_session_t *session, const char *field,
                               const char *text) DRS_MUST_CHECK;

    /**
     * Write an integer.
     *
     * @param session from open()
     * @param field   see above
     * @param n       any
     * @return as set()
     * Source: HSET.
     */
    apr_status_t (*set_int)(drs_session_t *session, const char *field,
                            apr_int64_t n) DRS_MUST_CHECK;

    /**
     * Write several fields at once: all of them or none.
     *
     * @param session from open()
     * @param fields  n field names; of a name given twice the last counts
     * @param json    n NUL-terminated JSON texts; NULL deletes that field
     * @param n       0 or more; 0 is APR_SUCCESS without traffic
     * @return as set()
     * Source: HSET, HDEL; `session.update(d)` of drsession.py.
     */
    apr_status_t (*set_many)(drs_session_t *session, const char *const *fields,
                             const char *const *json, int n) DRS_MUST_CHECK;

    /**
     * Write a field only if it is absent.
     *
     * @param session from open()
     * @param field   see above
     * @param json    see above
     * @param len     bytes of json
     * @return as set(); APR_EEXIST: present, left as it is
     * Source: HSETNX; `session.setdefault(k, v)` of drsession.py.
     */
    apr_status_t (*add)(drs_session_t *session, const char *field,
                        const char *json, apr_size_t len) DRS_MUST_CHECK;

    /**
     * Add to an integer field, atomically across every server.
     *
     * @param session from open()
     * @param field   see above
     * @param by      any sign; a missing field counts as 0
     * @param now     out, may be NULL: the value afterwards
     * @return as set(); DRS_EVALUE also: not an integer, it would overflow,
     *         or the codec does not store integers as plain digits
     * Source: HINCRBY; `session[k] += n` of drsession.py.
     */
    apr_status_t (*incr)(drs_session_t *session, const char *field,
                         apr_int64_t by, apr_int64_t *now) DRS_MUST_CHECK;

    /**
     * Ask whether a field exists.
     *
     * @param session from open()
     * @param field   see above
     * @return APR_SUCCESS it does; APR_NOTFOUND; DRS_EDOWN no answer;
     *         DRS_EREPLY Redis refused; DRS_EVALUE bad field name
     * Source: HEXISTS; `k in session` of drsession.py.
     */
    apr_status_t (*has)(drs_session_t *session,
                        const char *field) DRS_MUST_CHECK;

    /**
     * Delete a field. With its last field the session itself is gone from
     * Redis; the next write makes a new one, under a new id.
     *
     * @param session from open()
     * @param field   see above
     * @return APR_SUCCESS deleted; APR_NOTFOUND there was none; DRS_EDOWN
     *         surely not deleted; DRS_EUNSURE it may have been; DRS_EGONE
     *         the session ended meanwhile; DRS_EREPLY Redis refused;
     *         DRS_EVALUE bad field name; DRS_EREADONLY
     * Source: HDEL; `del session[k]` of drsession.py.
     */
    apr_status_t (*del)(drs_session_t *session,
                        const char *field) DRS_MUST_CHECK;

    /**
     * Take a field out: read and delete in one step, so that of two callers
     * one gets it.
     *
     * @param session from open()
     * @param field   see above
     * @param json    out: what it held
     * @param len     out, may be NULL: its bytes
     * @param p       owns *json
     * @return as del(); DRS_EREPLY also: deleted, but the codec cannot load
     *         what it held
     * Source: MULTI HGET HDEL EXEC; `session.pop(k)` of drsession.py.
     */
    apr_status_t (*pop)(drs_session_t *session, const char *field,
                        const char **json, apr_size_t *len,
                        apr_pool_t *p) DRS_MUST_CHECK;

    /**
     * Count the fields.
     *
     * @param session from open()
     * @param n       out: how many; 0 without a session
     * @return APR_SUCCESS; DRS_EDOWN no answer; DRS_EREPLY Redis refused
     * Source: HLEN; `len(session)` of drsession.py.
     */
    apr_status_t (*count)(drs_session_t *session, apr_size_t *n) DRS_MUST_CHECK;

    /**
     * List the field names, in no order.
     *
     * @param session from open()
     * @param fields  out: array of const char *; empty without a session
     * @param p       owns *fields and the names
     * @return as count()
     * Source: HKEYS; `session.keys()` of drsession.py.
     */
    apr_status_t (*keys)(drs_session_t *session, apr_array_header_t **fields,
                         apr_pool_t *p) DRS_MUST_CHECK;

    /**
     * Read everything as one JSON object.
     *
     * @param session from open()
     * @param json    out: an object, each value as Redis holds it; `{}`
     *                without a session
     * @param len     out, may be NULL: its bytes
     * @param p       owns *json
     * @return as count(); DRS_EREPLY also: a name that is not UTF-8, or a
     *         value that the codec cannot load
     * Source: HGETALL; `session.items()` of drsession.py.
     */
    apr_status_t (*all)(drs_session_t *session, const char **json,
                        apr_size_t *len, apr_pool_t *p) DRS_MUST_CHECK;

    /**
     * End the session: its key is deleted and its cookie expired. The
     * handle is as new, the next write makes another session.
     *
     * @param session from open()
     * @return APR_SUCCESS, also when there was none; DRS_EDOWN it surely
     *         still lives; DRS_EUNSURE it may; DRS_EREPLY Redis refused;
     *         DRS_EREADONLY
     * Source: UNLINK; `session.destroy()` of drsession.py.
     */
    apr_status_t (*destroy)(drs_session_t *session) DRS_MUST_CHECK;

    /**
     * Give the session a new id; the old one is dead at once and the new
     * cookie is sent. To be called when a user logs in.
     *
     * @param session from open()
     * @return APR_SUCCESS; APR_NOTFOUND there is none; DRS_EGONE it ended
     *         meanwhile, or another request was first; DRS_EDOWN it keeps
     *         its id; DRS_EUNSURE it may have lost it; DRS_EREPLY Redis
     *         refused; DRS_ESENT the headers are out; DRS_EREADONLY
     * Source: RENAME; OWASP ASVS 5.0 7.2.4.
     */
    apr_status_t (*regenerate)(drs_session_t *session) DRS_MUST_CHECK;

    /**
     * Tell about the last failure. No traffic.
     *
     * @param session from open()
     * @return one line, never with an id, a value or a password; empty if
     *         nothing failed; alive until the next call on the session
     */
    const char *(*error)(drs_session_t *session);
} drs_api_t;

/**
 * Whose turn it is: for guests inside mod_lua, whose interpreters outlive
 * requests and change threads while a script may keep what it likes.
 */
typedef struct drs_turn_t {
    /**
     * Tell for which request mod_lua runs a script in this thread.
     *
     * @param r what the script calls its request, never followed: it may
     *          be long gone; NULL = whichever it is
     * @return the pool of the initial request, which owns the session;
     *         NULL if no script runs, or not for r, an earlier or a later
     *         request of the same redirects
     */
    apr_pool_t *(*pool)(const struct request_rec *r);
} drs_turn_t;

/**
 * A codec: how a value travels to Redis. Registered with
 * ap_register_provider(p, DRS_CODEC_GROUP, name, DRS_CODEC_VERSION, codec)
 * and chosen by `DRSessionCodec name`. `json` and `raw` are built in. Both
 * functions may run in several threads at once.
 */
typedef struct drs_codec_t {
    /**
     * Turn what a caller gave into what Redis is to hold.
     *
     * @param json    checked JSON text, not NUL-terminated
     * @param len     its bytes
     * @param stored  out: the bytes for Redis
     * @param stored_len out: how many
     * @param why     out on failure: one static line without the value
     * @param p       owns *stored
     * @return APR_SUCCESS; anything else reaches the caller as DRS_EVALUE
     * Source: `dumps` of drsession.py.
     */
    apr_status_t (*dumps)(const char *json, apr_size_t len, const char **stored,
                          apr_size_t *stored_len, const char **why,
                          apr_pool_t *p);

    /**
     * Turn what Redis holds into JSON text.
     *
     * @param stored  the bytes of Redis, whoever wrote them
     * @param len     how many
     * @param json    out: JSON text, NUL-terminated
     * @param json_len out: its bytes, the NUL not counted
     * @param why     out on failure: one static line without the value
     * @param p       owns *json
     * @return APR_SUCCESS; anything else reaches the caller as DRS_EREPLY
     * Source: `loads` of drsession.py.
     */
    apr_status_t (*loads)(const char *stored, apr_size_t len, const char **json,
                          apr_size_t *json_len, const char **why,
                          apr_pool_t *p);

    /** Whether integers are stored as plain digits, so that incr() works. */
    int plain_integers;
} drs_codec_t;

#ifdef __cplusplus
}
#endif

#endif
