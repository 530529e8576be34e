/* SPDX-License-Identifier: MIT */
/*
 * The life of a session. Two facts make its state: the id (none = unborn)
 * and whether this request has seen the key alive:
 *
 *     unborn --first write--> bound, seen --destroy--> unborn
 *     bound, unseen --reply shows the key--> bound, seen
 *     bound, unseen --reply shows no key --> unborn (the id was nothing)
 *     bound, seen   --write finds no key --> DRS_EGONE (someone ended it)
 *
 * Given to a child (drs_handoff), an id has its cookie before its key:
 *
 *     unborn --give--> bound, fresh --first write--> bound, seen
 *     bound, fresh --reply shows no key--> as it was: nobody wrote yet
 */
#include "drs_life.h"

#include <string.h>

#include <apr_strings.h>

#include "drs_codec.h"
#include "drs_id.h"

void drs_life_set_id(drs_session_t *session, const char *id)
{
    drs_life_t *life = session->life;
    life->id = id;
    life->store.key =
        id == NULL ? NULL
                   : apr_pstrcat(life->pool, session->terms->prefix, id, NULL);
}

void drs_life_agree(drs_session_t *session)
{
    const drs_terms_t *terms = session->terms;
    drs_store_t *store = &session->life->store;

    store->command = terms->command;
    store->fields_max = terms->fields_max;
    store->reply_max = terms->value_max * 4 + DRS_LIFE_FRAMES;
}

apr_status_t drs_life_fail(drs_session_t *session, apr_status_t rv,
                           const char *why)
{
    drs_redis_explain(&session->life->store.why, "%s", why);
    return rv;
}

void drs_life_forget(drs_session_t *session)
{
    drs_life_t *life = session->life;
    drs_life_set_id(session, NULL);
    life->seen = 0;
    life->given = 0;
    life->fresh = 0;
}

/* Milliseconds that the session has to live by its birth; -1 = no limit. */
static apr_int64_t life_left(const drs_session_t *session, const char *id)
{
    apr_int64_t birth = drs_id_birth(id);
    apr_int64_t left;

    if (session->terms->lifetime == 0 || birth < 0) return -1;
    left =
        birth * 1000 + session->terms->lifetime / 1000 - apr_time_now() / 1000;
    return left > 0 ? left : 0;
}

apr_int64_t drs_life_expiry(const drs_session_t *session, const char *id)
{
    apr_int64_t idle = session->terms->idle / 1000;
    apr_int64_t left = life_left(session, id);

    if (left >= 0 && (idle == 0 || left < idle)) return left > 0 ? left : 1;
    if (idle > 0) return idle;
    return -(session->terms->lifetime / 1000);
}

/* What another place asks for may be due there all the same. */
static void note_touch(drs_session_t *session)
{
    if (session->terms->idle > 0 && session->terms->touch) {
        session->life->touched = 1;
    }
}

void drs_life_learn(drs_session_t *session, apr_status_t rv)
{
    drs_life_t *life = session->life;
    if (rv == APR_SUCCESS || rv == APR_NOTFOUND || rv == APR_EEXIST) {
        note_touch(session);
    }
    if (life->store.alive == DRS_ALIVE_YES) {
        life->seen = 1;
    }
    else if (life->store.alive == DRS_ALIVE_NO && !life->seen && !life->fresh &&
             session->terms->strict) {
        drs_life_forget(session);
    }
}

void drs_life_empty(drs_session_t *session)
{
    drs_life_t *life = session->life;
    if (life->fresh || !session->terms->strict) {
        life->seen = 0;
    }
    else {
        drs_life_forget(session);
    }
}

int drs_life_is_there(const drs_session_t *session)
{
    return session->life->id != NULL && !session->past;
}

/*
 * Past its lifetime a session ends, whoever asks. Who may only read ends it
 * for himself: on the terms of others it may live.
 */
static apr_status_t retire(drs_session_t *session)
{
    drs_life_t *life = session->life;
    apr_status_t rv;

    session->past = life_left(session, life->id) == 0;
    if (!session->past || session->terms->readonly) return APR_SUCCESS;

    session->past = 0;
    rv = drs_store_unlink(&life->store);
    /* It is no session any more, and what was asked for was not sent. */
    if (rv == DRS_EUNSURE) rv = APR_SUCCESS;
    if (rv == APR_SUCCESS) drs_life_forget(session);
    return rv;
}

apr_status_t drs_life_begin(drs_session_t *session)
{
    drs_life_t *life = session->life;
    drs_store_t *store = &life->store;
    apr_status_t rv;

    session->host.used(session->host.baton);
    drs_life_agree(session);
    store->why.text[0] = '\0';
    store->over = 0;
    if (life->id == NULL) return APR_SUCCESS;

    rv = retire(session);
    if (rv != APR_SUCCESS || !drs_life_is_there(session)) return rv;

    store->expiry = drs_life_expiry(session, life->id);
    store->touch = 0;
    if (session->terms->idle > 0 && session->terms->touch && !life->touched) {
        store->touch = store->expiry;
    }
    store->may_create = !session->terms->strict || (life->fresh && !life->seen);
    return APR_SUCCESS;
}

apr_status_t drs_life_begin_field(drs_session_t *session, const char *field)
{
    apr_size_t len = field == NULL ? 0 : strlen(field);

    session->host.used(session->host.baton);
    if (len > DRS_FIELD_MAX) {
        session->life->store.over = 1;
        return drs_life_fail(session, DRS_EVALUE,
                             "the field name is over the limit of 255 bytes");
    }
    if (len == 0 || !drs_codec_is_utf8(field, len)) {
        return drs_life_fail(session, DRS_EVALUE,
                             "a field name is 1 to 255 bytes of UTF-8");
    }
    return drs_life_begin(session);
}

apr_status_t drs_life_begin_write(drs_session_t *session)
{
    if (session->terms->readonly) {
        session->host.used(session->host.baton);
        return drs_life_fail(session, DRS_EREADONLY,
                             "DRSession is ReadOnly here");
    }
    session->life->changes++;
    return drs_life_begin(session);
}

apr_status_t drs_life_dump(drs_session_t *session, const char *json,
                           apr_size_t len, drs_bytes_t *stored, apr_pool_t *p)
{
    const char *why = "the codec cannot dump the value";
    apr_status_t rv;

    stored->data = NULL;
    stored->len = 0;
    if (json == NULL) return APR_SUCCESS;

    rv = drs_codec_dump(session->terms->codec, json, len, &stored->data,
                        &stored->len, &why, p);
    if (rv != APR_SUCCESS) return drs_life_fail(session, rv, why);
    if (stored->len > session->terms->value_max) {
        session->life->store.over = 1;
        return drs_life_fail(session, DRS_EVALUE,
                             "the value is over the limit (DRSessionLimit)");
    }
    return APR_SUCCESS;
}

apr_status_t drs_life_load(drs_session_t *session, const drs_bytes_t *stored,
                           const char **json, apr_size_t *len, apr_pool_t *p)
{
    const char *why = "the codec cannot load the value";
    apr_status_t rv = drs_codec_load(session->terms->codec, stored->data,
                                     stored->len, json, len, &why, p);

    return rv == APR_SUCCESS ? rv : drs_life_fail(session, rv, why);
}

apr_status_t drs_life_end(drs_session_t *session)
{
    drs_life_t *life = session->life;
    int had_cookie = life->id != NULL;
    apr_status_t rv = drs_life_begin_write(session);

    if (rv != APR_SUCCESS || !had_cookie) return rv;
    if (life->id != NULL) rv = drs_store_unlink(&life->store);
    if (rv != APR_SUCCESS) return rv;

    drs_life_forget(session);
    if (session->host.can_send(session->host.baton)) {
        session->host.announce(session->host.baton, NULL);
    }
    return APR_SUCCESS;
}

apr_status_t drs_life_may_send(drs_session_t *session)
{
    if (session->host.can_send(session->host.baton)) return APR_SUCCESS;
    return drs_life_fail(session, DRS_ESENT,
                         "a new session or id needs a cookie, and the "
                         "response headers are already out");
}

static apr_status_t mint(drs_session_t *session, apr_int64_t birth, char *id)
{
    if (drs_id_mint(id, birth) == APR_SUCCESS) return APR_SUCCESS;
    return drs_life_fail(session, DRS_EDOWN, "the system has no random bytes");
}

apr_status_t drs_life_mint(drs_session_t *session, char *id)
{
    apr_status_t rv = drs_life_may_send(session);

    return rv == APR_SUCCESS ? mint(session, apr_time_sec(apr_time_now()), id)
                             : rv;
}

void drs_life_move_in(drs_session_t *session, const char *id)
{
    drs_life_set_id(session, id);
    session->life->seen = 1;
    note_touch(session);
    session->host.announce(session->host.baton, id);
}

apr_status_t drs_life_bear(drs_session_t *session, drs_life_act_t *act,
                           void *baton, apr_pool_t *p)
{
    drs_life_t *life = session->life;
    drs_store_t *store = &life->store;
    char *id = apr_palloc(life->pool, DRS_ID_LEN + 1);
    apr_status_t rv = drs_life_mint(session, id);

    if (rv != APR_SUCCESS) return rv;

    store->key = apr_pstrcat(life->pool, session->terms->prefix, id, NULL);
    store->expiry = drs_life_expiry(session, id);
    store->may_create = 1;
    rv = act(store, baton, p);
    if (rv != APR_SUCCESS) {
        drs_life_set_id(session, life->id);
    }
    else if (store->alive == DRS_ALIVE_NO) {
        drs_life_forget(session);
    }
    else {
        drs_life_move_in(session, id);
    }
    return rv;
}

apr_status_t drs_life_succeed(drs_session_t *session, const char **id,
                              const char **key)
{
    drs_life_t *life = session->life;
    char *minted = apr_palloc(life->pool, DRS_ID_LEN + 1);
    apr_int64_t birth = drs_id_birth(life->id);
    apr_status_t rv = drs_life_may_send(session);

    if (birth < 0) birth = apr_time_sec(apr_time_now());
    if (rv == APR_SUCCESS) rv = mint(session, birth, minted);
    if (rv != APR_SUCCESS) return rv;
    *id = minted;
    *key = apr_pstrcat(life->pool, session->terms->prefix, minted, NULL);
    return APR_SUCCESS;
}

int drs_life_has_moved(drs_session_t *session, const char *key)
{
    drs_store_t *store = &session->life->store;
    drs_store_t moved = *store;
    int there;

    moved.key = key;
    moved.touch = 0;
    there =
        drs_store_exists(&moved) == APR_SUCCESS && moved.alive == DRS_ALIVE_YES;
    store->budget = moved.budget;
    if (!there) return 0;
    store->alive = DRS_ALIVE_YES;
    store->why.text[0] = '\0';
    return 1;
}

apr_status_t drs_life_renew(drs_session_t *session)
{
    drs_life_t *life = session->life;
    const char *id = NULL;
    const char *key = NULL;
    apr_status_t rv = drs_life_begin_write(session);

    if (rv != APR_SUCCESS) return rv;
    if (life->id == NULL) return APR_NOTFOUND;
    rv = drs_life_succeed(session, &id, &key);
    if (rv != APR_SUCCESS) return rv;

    rv = drs_store_rename(&life->store, key);
    if (rv == DRS_EUNSURE && drs_life_has_moved(session, key)) {
        rv = APR_SUCCESS;
    }
    if (rv == DRS_EGONE && life->fresh && !life->seen) {
        return APR_NOTFOUND;
    }
    if (rv == APR_SUCCESS) drs_life_move_in(session, id);
    return rv;
}
