/* SPDX-License-Identifier: MIT */
/*
 * The live session. Two facts make its state: the id (none = unborn) and
 * whether this request has seen the key alive:
 *
 *     unborn --first write--> bound, seen --destroy--> unborn
 *     bound, unseen --reply shows the key--> bound, seen
 *     bound, unseen --reply shows no key --> unborn (the id was nothing)
 *     bound, seen   --write finds no key --> DRS_EGONE (someone ended it)
 */
#include "drs_session.h"

#include <string.h>

#include <apr_strings.h>

#include "drs_codec.h"
#include "drs_id.h"
#include "drs_store.h"

/* What stands around the values of the largest reply. */
enum { FRAMES_MAX = 64 * 1024 };

struct drs_session_t {
    const drs_terms_t *terms;
    drs_host_t host;
    drs_store_t store;    /* its key is NULL while unborn */
    const char *id;       /* NULL = unborn */
    int seen;             /* this request knows that the key was there */
    int touched;          /* the expiry was refreshed in this request */
    unsigned int changes;
    apr_pool_t *pool;
};

drs_session_t *drs_session_create(drs_route_t *route,
                                  apr_interval_time_t budget,
                                  const drs_host_t *host, const char *id,
                                  apr_pool_t *p)
{
    drs_session_t *session = apr_pcalloc(p, sizeof(*session));

    session->host = *host;
    session->store.route = route;
    session->store.budget = budget;
    session->id = id;
    session->pool = p;
    return session;
}

static void set_id(drs_session_t *session, const char *id)
{
    session->id = id;
    session->store.key =
        id == NULL ? NULL
                   : apr_pstrcat(session->pool, session->terms->prefix, id,
                                 NULL);
}

void drs_session_agree(drs_session_t *session, const drs_terms_t *terms)
{
    session->terms = terms;
    session->store.command = terms->command;
    session->store.fields_max = terms->fields_max;
    session->store.reply_max = terms->value_max * 4 + FRAMES_MAX;
    if (session->store.key == NULL) set_id(session, session->id);
}

unsigned int drs_session_changes(const drs_session_t *session)
{
    return session->changes;
}

const char *drs_session_id(drs_session_t *session)
{
    return session->id;
}

const char *drs_session_key(drs_session_t *session)
{
    return session->store.key;
}

const char *drs_session_error(drs_session_t *session)
{
    return session->store.why.text;
}

static apr_status_t fail(drs_session_t *session, apr_status_t rv,
                         const char *why)
{
    drs_redis_explain(&session->store.why, "%s", why);
    return rv;
}

static void forget(drs_session_t *session)
{
    set_id(session, NULL);
    session->seen = 0;
}

/* Milliseconds that the session has to live by its birth; -1 = no limit. */
static apr_int64_t life_left(const drs_session_t *session, const char *id)
{
    apr_int64_t birth = drs_id_birth(id);
    apr_int64_t end;

    if (session->terms->lifetime == 0 || birth < 0) return -1;
    end = birth * 1000 + session->terms->lifetime / 1000;
    return end > apr_time_now() / 1000 ? end - apr_time_now() / 1000 : 0;
}

/*
 * The expiry of the key: the idle time, but never past the end of life. An
 * id without birth time (drsession.py) lives from the first write that sees
 * it without an expiry; see drs_store_t for the sign.
 */
static apr_int64_t expiry_of(const drs_session_t *session, const char *id)
{
    apr_int64_t idle = session->terms->idle / 1000;
    apr_int64_t left = life_left(session, id);

    if (left >= 0 && (idle == 0 || left < idle)) return left > 0 ? left : 1;
    if (idle > 0) return idle;
    return -(session->terms->lifetime / 1000);
}

/* Learn from a reply; an id that was never there is no session. */
static void note_reply(drs_session_t *session, apr_status_t rv)
{
    if (rv == APR_SUCCESS || rv == APR_NOTFOUND || rv == APR_EEXIST) {
        session->touched = 1;
    }
    if (session->store.alive == DRS_ALIVE_YES) {
        session->seen = 1;
    }
    else if (session->store.alive == DRS_ALIVE_NO && !session->seen &&
             session->terms->strict) {
        forget(session);
    }
}

/* Past its lifetime a session ends, whoever asks. */
static apr_status_t retire(drs_session_t *session)
{
    apr_status_t rv = APR_SUCCESS;

    if (life_left(session, session->id) != 0) return APR_SUCCESS;
    if (!session->terms->readonly) rv = drs_store_unlink(&session->store);
    if (rv == APR_SUCCESS) forget(session);
    return rv;
}

/* Every verb begins here. */
static apr_status_t begin(drs_session_t *session)
{
    drs_store_t *store = &session->store;
    apr_status_t rv;

    session->host.used(session->host.baton);
    store->why.text[0] = '\0';
    if (session->id == NULL) return APR_SUCCESS;

    rv = retire(session);
    if (rv != APR_SUCCESS || session->id == NULL) return rv;

    store->expiry = expiry_of(session, session->id);
    store->touch = 0;
    if (session->terms->idle > 0 && session->terms->touch &&
        !session->touched) {
        store->touch = store->expiry;
    }
    store->may_create = !session->terms->strict;
    return APR_SUCCESS;
}

static apr_status_t begin_field(drs_session_t *session, const char *field)
{
    apr_size_t len = field == NULL ? 0 : strlen(field);

    session->host.used(session->host.baton);
    if (len == 0 || len > DRS_FIELD_MAX || !drs_codec_is_utf8(field, len)) {
        return fail(session, DRS_EVALUE,
                    "a field name is 1 to 255 bytes of UTF-8");
    }
    return begin(session);
}

static apr_status_t begin_write(drs_session_t *session)
{
    if (session->terms->readonly) {
        session->host.used(session->host.baton);
        return fail(session, DRS_EREADONLY, "DRSession is ReadOnly here");
    }
    session->changes++;
    return begin(session);
}

/* Turn bytes of Redis into what the caller is promised. */
static apr_status_t load(drs_session_t *session, const drs_bytes_t *stored,
                         const char **json, apr_size_t *len, apr_pool_t *p)
{
    const char *why = "the codec cannot load the value";
    apr_status_t rv = drs_codec_load(session->terms->codec, stored->data,
                                     stored->len, json, len, &why, p);

    return rv == APR_SUCCESS ? rv : fail(session, rv, why);
}

apr_status_t drs_session_get(drs_session_t *session, const char *field,
                             const char **json, apr_size_t *len,
                             apr_pool_t *p)
{
    drs_bytes_t stored = { NULL, 0 };
    apr_status_t rv = begin_field(session, field);

    if (rv != APR_SUCCESS) return rv;
    if (session->id == NULL) return APR_NOTFOUND;

    rv = drs_store_get(&session->store, field, &stored, p);
    note_reply(session, rv);
    if (rv != APR_SUCCESS) return rv;
    return load(session, &stored, json, len, p);
}

apr_status_t drs_session_get_string(drs_session_t *session, const char *field,
                                    const char **text, apr_pool_t *p)
{
    const char *why = "not a string";
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv = drs_session_get(session, field, &json, &len, p);

    if (rv != APR_SUCCESS) return rv;
    if (session->terms->codec == &drs_codec_raw) {
        if (strlen(json) != len) {
            return fail(session, DRS_EVALUE, "the value has a NUL in it");
        }
        *text = json;
        return APR_SUCCESS;
    }
    rv = drs_codec_string(json, len, text, &why, p);
    return rv == APR_SUCCESS ? rv : fail(session, rv, why);
}

apr_status_t drs_session_get_int(drs_session_t *session, const char *field,
                                 apr_int64_t *n)
{
    const char *why = "not an integer";
    const char *json = NULL;
    apr_size_t len = 0;
    apr_pool_t *scratch;
    apr_status_t rv;

    apr_pool_create(&scratch, session->pool);
    rv = drs_session_get(session, field, &json, &len, scratch);
    if (rv == APR_SUCCESS) {
        rv = drs_codec_int(json, len, n, &why);
        if (rv != APR_SUCCESS) fail(session, rv, why);
    }
    apr_pool_destroy(scratch);
    return rv;
}

/* Read fields of a bound session. */
static apr_status_t view(drs_session_t *session, const char *const *fields,
                         int n, const char **json, int *live, apr_pool_t *p)
{
    drs_bytes_t *stored = apr_pcalloc(p, ((apr_size_t)n + 1) * sizeof(*stored));
    apr_status_t rv;
    int i;

    rv = n == 0 ? drs_store_exists(&session->store)
                : drs_store_get_many(&session->store, fields, n, stored, p);
    note_reply(session, rv);
    if (rv != APR_SUCCESS) return rv;

    *live = session->store.alive == DRS_ALIVE_YES;
    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        json[i] = NULL;
        if (stored[i].data == NULL) continue;
        rv = load(session, &stored[i], &json[i], NULL, p);
    }
    return rv;
}

apr_status_t drs_session_view(drs_session_t *session,
                              const char *const *fields, int n,
                              const char **json, int *live, apr_pool_t *p)
{
    apr_status_t rv = begin(session);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        rv = begin_field(session, fields[i]);
    }
    if (rv != APR_SUCCESS) return rv;
    if (session->id != NULL) return view(session, fields, n, json, live, p);

    *live = 0;
    for (i = 0; i < n; i++) json[i] = NULL;
    return APR_SUCCESS;
}

apr_status_t drs_session_get_many(drs_session_t *session,
                                  const char *const *fields, int n,
                                  const char **json, apr_pool_t *p)
{
    int live;

    if (n <= 0) return begin(session);
    return drs_session_view(session, fields, n, json, &live, p);
}

apr_status_t drs_session_has(drs_session_t *session, const char *field)
{
    apr_status_t rv = begin_field(session, field);

    if (rv != APR_SUCCESS) return rv;
    if (session->id == NULL) return APR_NOTFOUND;
    rv = drs_store_has(&session->store, field);
    note_reply(session, rv);
    return rv;
}

apr_status_t drs_session_count(drs_session_t *session, apr_size_t *n)
{
    apr_status_t rv = begin(session);

    if (rv != APR_SUCCESS) return rv;
    if (session->id == NULL) {
        *n = 0;
        return APR_SUCCESS;
    }
    rv = drs_store_count(&session->store, n);
    note_reply(session, rv);
    return rv;
}

apr_status_t drs_session_keys(drs_session_t *session,
                              apr_array_header_t **fields, apr_pool_t *p)
{
    apr_array_header_t *names = NULL;
    apr_array_header_t *out = apr_array_make(p, 8, sizeof(const char *));
    apr_status_t rv = begin(session);
    int i;

    if (rv == APR_SUCCESS && session->id != NULL) {
        rv = drs_store_keys(&session->store, &names, p);
        note_reply(session, rv);
    }
    if (rv != APR_SUCCESS) return rv;

    for (i = 0; names != NULL && i < names->nelts; i++) {
        APR_ARRAY_PUSH(out, const char *) =
            APR_ARRAY_IDX(names, i, drs_bytes_t).data;
    }
    *fields = out;
    return APR_SUCCESS;
}

/* Write one member of an object: its name quoted, its value as it stands. */
static apr_status_t push_member(drs_session_t *session,
                                const drs_bytes_t *name,
                                const drs_bytes_t *stored,
                                apr_array_header_t *parts, apr_pool_t *p)
{
    const char *quoted = NULL;
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv = drs_codec_quote(name->data, name->len, &quoted, p);

    if (rv != APR_SUCCESS) {
        return fail(session, DRS_EREPLY, "a field name is not UTF-8");
    }
    rv = load(session, stored, &json, &len, p);
    if (rv == APR_SUCCESS && session->terms->codec == &drs_codec_raw &&
        drs_codec_quote(json, len, &json, p) != APR_SUCCESS) {
        rv = fail(session, DRS_EREPLY, "a raw value is not UTF-8");
    }
    if (rv != APR_SUCCESS) return rv;
    APR_ARRAY_PUSH(parts, const char *) =
        apr_pstrcat(p, parts->nelts > 0 ? "," : "", quoted, ":", json, NULL);
    return APR_SUCCESS;
}

apr_status_t drs_session_all(drs_session_t *session, const char **json,
                             apr_size_t *len, apr_pool_t *p)
{
    apr_array_header_t *parts = apr_array_make(p, 16, sizeof(const char *));
    apr_array_header_t *all = NULL;
    apr_status_t rv = begin(session);
    int i;

    if (rv == APR_SUCCESS && session->id != NULL) {
        rv = drs_store_all(&session->store, &all, p);
        note_reply(session, rv);
    }
    for (i = 0; rv == APR_SUCCESS && all != NULL && i + 1 < all->nelts;
         i += 2) {
        rv = push_member(session, &APR_ARRAY_IDX(all, i, drs_bytes_t),
                         &APR_ARRAY_IDX(all, i + 1, drs_bytes_t), parts, p);
    }
    if (rv != APR_SUCCESS) return rv;

    *json = apr_pstrcat(p, "{", apr_array_pstrcat(p, parts, 0), "}", NULL);
    if (len != NULL) *len = strlen(*json);
    return APR_SUCCESS;
}

/* A write: what to do once the store knows key and expiry. */
typedef struct write_t {
    apr_status_t (*act)(drs_store_t *store, struct write_t *write,
                        apr_pool_t *p);
    const drs_pair_t *pairs;
    int n;
    apr_size_t created; /* out */
    apr_int64_t number; /* in: by; out: the value afterwards */
} write_t;

/* Mint the id and write under it; only a success tells the browser. */
static apr_status_t give_birth(drs_session_t *session, write_t *write,
                               apr_pool_t *p)
{
    drs_store_t *store = &session->store;
    char *id = apr_palloc(session->pool, DRS_ID_LEN + 1);
    apr_status_t rv;

    if (!session->host.can_send(session->host.baton)) {
        return fail(session, DRS_ESENT, "a new session needs a cookie, and "
                    "the response headers are already out");
    }
    if (drs_id_mint(id, apr_time_sec(apr_time_now())) != APR_SUCCESS) {
        return fail(session, DRS_EDOWN, "the system has no random bytes");
    }
    store->key = apr_pstrcat(session->pool, session->terms->prefix, id, NULL);
    store->expiry = expiry_of(session, id);
    store->may_create = 1;
    rv = write->act(store, write, p);
    if (rv != APR_SUCCESS) {
        store->key = NULL;
        return rv;
    }
    set_id(session, id);
    session->seen = 1;
    session->touched = 1;
    session->host.announce(session->host.baton, id);
    return APR_SUCCESS;
}

static apr_status_t write_through(drs_session_t *session, write_t *write,
                                  apr_pool_t *p)
{
    apr_status_t rv;

    if (session->id != NULL) {
        rv = write->act(&session->store, write, p);
        note_reply(session, rv);
        if (session->id != NULL) {
            /* Emptied by our own hand is not ended by another's. */
            if (rv == APR_SUCCESS && session->store.alive == DRS_ALIVE_NO) {
                forget(session);
            }
            return rv;
        }
        if (rv != DRS_EGONE) return rv;
        session->store.why.text[0] = '\0';
    }
    return give_birth(session, write, p);
}

/* Turn what the caller gave into what Redis is to hold. */
static apr_status_t dump(drs_session_t *session, const char *json,
                         apr_size_t len, drs_bytes_t *stored, apr_pool_t *p)
{
    const char *why = "the codec cannot dump the value";
    apr_status_t rv;

    stored->data = NULL;
    stored->len = 0;
    if (json == NULL) return APR_SUCCESS;

    rv = drs_codec_dump(session->terms->codec, json, len, &stored->data,
                        &stored->len, &why, p);
    if (rv != APR_SUCCESS) return fail(session, rv, why);
    if (stored->len > session->terms->value_max) {
        return fail(session, DRS_EVALUE,
                    "the value is over the limit (DRSessionLimit)");
    }
    return APR_SUCCESS;
}

static apr_status_t act_update(drs_store_t *store, write_t *write,
                               apr_pool_t *p)
{
    return drs_store_update(store, write->pairs, write->n, &write->created,
                            p);
}

static apr_status_t act_add(drs_store_t *store, write_t *write, apr_pool_t *p)
{
    return drs_store_add(store, write->pairs, p);
}

static apr_status_t act_incr(drs_store_t *store, write_t *write,
                             apr_pool_t *p)
{
    return drs_store_incr(store, write->pairs->field, write->number,
                          &write->number, p);
}

/* Check and dump all pairs; sets tells how many are no deletions. */
static apr_status_t make_pairs(drs_session_t *session,
                               const char *const *fields,
                               const char *const *json,
                               const apr_size_t *lens, int n,
                               drs_pair_t *pairs, int *sets, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    *sets = 0;
    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        rv = begin_field(session, fields[i]);
        if (rv == APR_SUCCESS) {
            rv = dump(session, json[i], lens[i], &pairs[i].value, p);
        }
        pairs[i].field = fields[i];
        if (json[i] != NULL) (*sets)++;
    }
    return rv;
}

apr_status_t drs_session_update(drs_session_t *session,
                                const char *const *fields,
                                const char *const *json,
                                const apr_size_t *lens, int n,
                                apr_size_t *created)
{
    write_t write = { act_update, NULL, n, 0, 0 };
    drs_pair_t *pairs;
    apr_pool_t *scratch;
    int sets = 0;
    apr_status_t rv = begin_write(session);

    if (rv != APR_SUCCESS || n <= 0) return rv;

    apr_pool_create(&scratch, session->pool);
    pairs = apr_palloc(scratch, (apr_size_t)n * sizeof(*pairs));
    write.pairs = pairs;
    rv = make_pairs(session, fields, json, lens, n, pairs, &sets, scratch);
    if (rv == APR_SUCCESS && (sets > 0 || session->id != NULL)) {
        rv = write_through(session, &write, scratch);
    }
    if (rv == APR_SUCCESS && created != NULL) *created = write.created;
    apr_pool_destroy(scratch);
    return rv;
}

apr_status_t drs_session_set(drs_session_t *session, const char *field,
                             const char *json, apr_size_t len)
{
    return drs_session_update(session, &field, &json, &len, 1, NULL);
}

apr_status_t drs_session_set_many(drs_session_t *session,
                                  const char *const *fields,
                                  const char *const *json, int n)
{
    apr_size_t *lens;
    apr_pool_t *scratch;
    apr_status_t rv;
    int i;

    apr_pool_create(&scratch, session->pool);
    lens = apr_pcalloc(scratch, ((apr_size_t)n + 1) * sizeof(*lens));
    for (i = 0; i < n; i++) {
        if (json[i] != NULL) lens[i] = strlen(json[i]);
    }
    rv = drs_session_update(session, fields, json, lens, n, NULL);
    apr_pool_destroy(scratch);
    return rv;
}

apr_status_t drs_session_set_string(drs_session_t *session, const char *field,
                                    const char *text)
{
    const char *json = text;
    apr_pool_t *scratch;
    apr_status_t rv = APR_SUCCESS;

    apr_pool_create(&scratch, session->pool);
    if (session->terms->codec != &drs_codec_raw) {
        rv = drs_codec_quote(text, strlen(text), &json, scratch);
    }
    if (rv == APR_SUCCESS) {
        rv = drs_session_set(session, field, json, strlen(json));
    }
    else {
        fail(session, rv, "the text is not UTF-8");
    }
    apr_pool_destroy(scratch);
    return rv;
}

apr_status_t drs_session_set_int(drs_session_t *session, const char *field,
                                 apr_int64_t n)
{
    char digits[24];
    int len = apr_snprintf(digits, sizeof(digits), "%" APR_INT64_T_FMT, n);

    return drs_session_set(session, field, digits, (apr_size_t)len);
}

apr_status_t drs_session_add(drs_session_t *session, const char *field,
                             const char *json, apr_size_t len)
{
    drs_pair_t pair = { field, { NULL, 0 } };
    write_t write = { act_add, &pair, 1, 0, 0 };
    apr_pool_t *scratch;
    apr_status_t rv = begin_write(session);

    if (rv == APR_SUCCESS) rv = begin_field(session, field);
    if (rv != APR_SUCCESS) return rv;

    apr_pool_create(&scratch, session->pool);
    rv = dump(session, json, len, &pair.value, scratch);
    if (rv == APR_SUCCESS) rv = write_through(session, &write, scratch);
    apr_pool_destroy(scratch);
    return rv;
}

apr_status_t drs_session_incr(drs_session_t *session, const char *field,
                              apr_int64_t by, apr_int64_t *now)
{
    drs_pair_t pair = { field, { NULL, 0 } };
    write_t write = { act_incr, &pair, 1, 0, by };
    apr_pool_t *scratch;
    apr_status_t rv = begin_write(session);

    if (rv == APR_SUCCESS) rv = begin_field(session, field);
    if (rv != APR_SUCCESS) return rv;
    if (!session->terms->codec->plain_integers) {
        return fail(session, DRS_EVALUE, "this DRSessionCodec cannot count");
    }
    apr_pool_create(&scratch, session->pool);
    rv = write_through(session, &write, scratch);
    if (rv == APR_SUCCESS && now != NULL) *now = write.number;
    apr_pool_destroy(scratch);
    return rv;
}

/* Take a field out of a bound session. */
static apr_status_t take(drs_session_t *session, const char *field,
                         drs_bytes_t *held, apr_pool_t *p)
{
    apr_status_t rv = begin_write(session);

    if (rv == APR_SUCCESS) rv = begin_field(session, field);
    if (rv != APR_SUCCESS) return rv;
    if (session->id == NULL) return APR_NOTFOUND;

    rv = drs_store_pop(&session->store, field, held, p);
    if (rv == APR_SUCCESS && session->store.alive == DRS_ALIVE_NO) {
        forget(session);
        return rv;
    }
    note_reply(session, rv);
    if (rv == APR_NOTFOUND && session->store.alive == DRS_ALIVE_NO &&
        session->seen) {
        rv = fail(session, DRS_EGONE, "the session has ended meanwhile");
    }
    return rv;
}

apr_status_t drs_session_pop(drs_session_t *session, const char *field,
                             const char **json, apr_size_t *len,
                             apr_pool_t *p)
{
    drs_bytes_t held = { NULL, 0 };
    apr_status_t rv = take(session, field, &held, p);

    if (rv != APR_SUCCESS) return rv;
    return load(session, &held, json, len, p);
}

apr_status_t drs_session_del(drs_session_t *session, const char *field)
{
    drs_bytes_t held = { NULL, 0 };
    apr_pool_t *scratch;
    apr_status_t rv;

    apr_pool_create(&scratch, session->pool);
    rv = take(session, field, &held, scratch);
    apr_pool_destroy(scratch);
    return rv;
}

apr_status_t drs_session_destroy(drs_session_t *session)
{
    int had_cookie = session->id != NULL;
    apr_status_t rv = begin_write(session);

    if (rv != APR_SUCCESS || !had_cookie) return rv;
    if (session->id != NULL) rv = drs_store_unlink(&session->store);
    if (rv != APR_SUCCESS) return rv;

    forget(session);
    if (session->host.can_send(session->host.baton)) {
        session->host.announce(session->host.baton, NULL);
    }
    return APR_SUCCESS;
}

/* The birth of a session stays: a new id gives no longer life. */
static apr_status_t mint_successor(drs_session_t *session, char *id)
{
    apr_int64_t birth = drs_id_birth(session->id);

    if (birth < 0) birth = apr_time_sec(apr_time_now());
    if (drs_id_mint(id, birth) == APR_SUCCESS) return APR_SUCCESS;
    return fail(session, DRS_EDOWN, "the system has no random bytes");
}

apr_status_t drs_session_regenerate(drs_session_t *session)
{
    drs_store_t *store = &session->store;
    char *id = apr_palloc(session->pool, DRS_ID_LEN + 1);
    apr_status_t rv = begin_write(session);

    if (rv != APR_SUCCESS) return rv;
    if (session->id == NULL) return APR_NOTFOUND;
    if (!session->host.can_send(session->host.baton)) {
        return fail(session, DRS_ESENT, "a new id needs a cookie, and the "
                    "response headers are already out");
    }
    rv = mint_successor(session, id);
    if (rv != APR_SUCCESS) return rv;

    rv = drs_store_rename(store, apr_pstrcat(session->pool,
                                             session->terms->prefix, id,
                                             NULL));
    if (rv != APR_SUCCESS) return rv;
    set_id(session, id);
    session->seen = 1;
    session->touched = 1;
    session->host.announce(session->host.baton, id);
    return APR_SUCCESS;
}
