/* SPDX-License-Identifier: MIT */
/*
 * Fields that the configuration asks for: expressions, Require, rewrite
 * maps, log items. Knows how often one may ask, which is once a field and
 * request; refuses to know who asks and what becomes of the answer.
 */
#ifndef DRS_LOOKUP_H
#define DRS_LOOKUP_H

#include <apr_hash.h>
#include <apr_tables.h>
#include <httpd.h>

#include "drs_conf.h"
#include "drs_session.h"

/** What was read for a request; all zero at its beginning. */
typedef struct drs_lookup_memory_t {
    apr_hash_t *fields;           /* name to what came of it; NULL = none yet */
    const drs_codec_t *codec;     /* that loaded them */
    apr_interval_time_t lifetime; /* that the session was not past */
    unsigned int changes;         /* of the session when they were read */
} drs_lookup_memory_t;

/** Where a request's lookups are made. */
typedef struct drs_place_t {
    drs_session_t *session;
    const drs_conf_t *conf;      /* filled in */
    drs_lookup_memory_t *memory; /* of the same session */
    apr_status_t *failed; /* out: why one had no answer; else as it was */
    apr_pool_t *p;        /* of the initial request; owns answers */
} drs_place_t;

/**
 * Find the place of a request; given from above to whoever looks up.
 *
 * @param r     any request
 * @param place out
 * @return APR_SUCCESS; APR_ENOTIMPL DRSession is Off there
 */
typedef apr_status_t drs_open_t(request_rec *r, drs_place_t *place);

/**
 * Look up whether a field is there, whatever it holds.
 *
 * @param place of the request
 * @param field 1..DRS_FIELD_MAX bytes of UTF-8
 * @return APR_SUCCESS; APR_NOTFOUND; DRS_EVALUE bad field name; DRS_EDOWN,
 *         DRS_EREPLY as get of drs_api_t
 * Source: as drs_lookup_text(), whose round trip it shares.
 */
apr_status_t drs_lookup_has(const drs_place_t *place,
                            const char *field) DRS_MUST_CHECK;

/**
 * Look a field up as plain text: the rules of DRSessionExport.
 *
 * @param place of the request
 * @param field 1..DRS_FIELD_MAX bytes of UTF-8
 * @param text  out, of place->p
 * @return APR_SUCCESS; APR_NOTFOUND; DRS_EVALUE bad field name, or the value
 *         has a control character; DRS_EDOWN, DRS_EREPLY as get of drs_api_t
 * Source: HGET, once a field until the session changes.
 */
apr_status_t drs_lookup_text(const drs_place_t *place, const char *field,
                             const char **text) DRS_MUST_CHECK;

/**
 * Look a field up as a list: the elements of an array, of any other value
 * that one.
 *
 * @param place of the request
 * @param field as above
 * @param texts out: of const char *, of place->p; may be empty
 * @return as drs_lookup_text()
 */
apr_status_t drs_lookup_list(const drs_place_t *place, const char *field,
                             apr_array_header_t **texts) DRS_MUST_CHECK;

/**
 * Tell what an earlier lookup found; no traffic.
 *
 * @param place of the request
 * @param field as above
 * @return the text, of place->p; NULL = not looked up, absent or no text
 */
const char *drs_lookup_known(const drs_place_t *place, const char *field);

#endif
