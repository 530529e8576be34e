/* SPDX-License-Identifier: MIT */
/*
 * A session in two hands. What is given is the id, with its cookie sent;
 * what may be missing yet is the key in Redis:
 *
 *     giver: session lives       -> child writes only where the key is
 *     giver: none, id is minted  -> child may make the key, for an hour
 *
 * Nobody but giver and child knows a minted id before the response, so a
 * key that is missing was most likely never there. That it was made and
 * ended meanwhile cannot be told; the hour keeps a process that outlives
 * its request from bringing such a session back much later.
 */
#include "drs_handoff.h"

#include <string.h>

#include <apr_strings.h>

#include "drs_id.h"
#include "drs_life.h"

/* Nothing is in Redis for the new id; the cookie goes out all the same. */
static apr_status_t give_new(drs_session_t *session)
{
    char *id = apr_palloc(session->life->pool, DRS_ID_LEN + 1);
    apr_status_t rv;

    if (session->terms->readonly) {
        return drs_life_fail(session, DRS_EREADONLY,
                             "there is no session, "
                             "and DRSession is ReadOnly here");
    }
    rv = drs_life_mint(session, id);
    if (rv != APR_SUCCESS) return rv;

    drs_life_set_id(session, id);
    session->host.announce(session->host.baton, id);
    return APR_SUCCESS;
}

apr_status_t drs_handoff_give(drs_session_t *session)
{
    drs_life_t *life = session->life;
    apr_status_t rv = drs_life_begin(session);

    if (rv == APR_SUCCESS && !drs_life_is_there(session)) {
        rv = give_new(session);
    }
    if (rv != APR_SUCCESS) return rv;

    life->given = 1;
    life->owed = *session->terms;
    life->fresh = !life->seen;
    return APR_SUCCESS;
}

int drs_handoff_is_given(const drs_session_t *session)
{
    return session->life->given;
}

apr_int64_t drs_handoff_expiry(const drs_session_t *session)
{
    apr_int64_t expiry = drs_life_expiry(session, session->life->id);

    return expiry > 0 ? expiry : 0;
}

void drs_handoff_expect_changes(drs_session_t *session)
{
    session->life->changes++;
}

/* A script that writes no field still applies the expiry, in one step. */
apr_status_t drs_handoff_settle(drs_session_t *session)
{
    drs_life_t *life = session->life;
    drs_store_t *store = &life->store;
    apr_pool_t *scratch;
    apr_status_t rv;

    if (life->id == NULL) return APR_SUCCESS;
    if (life->given) session->terms = &life->owed;
    store->expiry = drs_life_expiry(session, life->id);
    if (store->expiry == 0) return APR_SUCCESS;

    if (store->expiry > 0 && !session->terms->touch) {
        store->expiry = -store->expiry;
    }
    store->may_create = 0;
    if (store->budget < store->command) store->budget = store->command;
    apr_pool_create(&scratch, life->pool);
    rv = drs_store_update(store, NULL, 0, NULL, scratch);
    apr_pool_destroy(scratch);
    return rv == DRS_EGONE ? APR_SUCCESS : rv;
}

/* Ids that were not minted here carry no birth and are never old. */
static int is_old(const char *key)
{
    apr_size_t len = strlen(key);
    const char *id;

    if (len < DRS_ID_LEN) return 0;
    id = key + len - DRS_ID_LEN;
    return drs_id_is_wellformed(id, DRS_ID_LEN, 1) &&
           apr_time_sec(apr_time_now()) > drs_id_birth(id) + DRS_HANDOFF_BIRTH;
}

void drs_handoff_take(drs_session_t *session, int fresh)
{
    drs_life_t *life = session->life;
    life->fresh = fresh && life->id != NULL && !is_old(life->id);
    life->seen = life->id != NULL && !life->fresh;
}
