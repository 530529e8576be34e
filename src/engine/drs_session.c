/* SPDX-License-Identifier: MIT */
/*
 * The verbs of a live session. Each begins by drs_life, makes one call on
 * the store, and lets drs_life learn from the reply.
 */
#include "drs_session.h"

#include <string.h>

#include <apr_strings.h>

#include "drs_codec.h"
#include "drs_life.h"
#include "drs_store.h"

drs_session_t *drs_session_create(drs_route_t *route,
                                  apr_interval_time_t budget,
                                  const drs_host_t *host, const char *id,
                                  apr_pool_t *p)
{
    drs_session_t *session = apr_pcalloc(p, sizeof(*session));
    drs_life_t *life = apr_pcalloc(p, sizeof(*life));

    life->store.route = route;
    life->store.budget = budget;
    life->id = id;
    life->pool = p;
    session->host = *host;
    session->life = life;
    return session;
}

drs_session_t *drs_session_share(const drs_session_t *session,
                                 const drs_host_t *host)
{
    drs_session_t *other = apr_pcalloc(session->life->pool, sizeof(*other));

    other->host = *host;
    other->life = session->life;
    return other;
}

void drs_session_agree(drs_session_t *session, const drs_terms_t *terms)
{
    drs_life_t *life = session->life;

    session->terms = terms;
    if (life->store.key == NULL) drs_life_set_id(session, life->id);
}

unsigned int drs_session_changes(const drs_session_t *session)
{
    return session->life->changes;
}

void drs_session_adopt(drs_session_t *session, const char *id)
{
    drs_life_t *life = session->life;

    if (life->id != NULL || life->changes > 0 || id == NULL) return;
    drs_life_set_id(session, id);
    /* What was read of nothing is not to be remembered. */
    life->changes++;
}

drs_session_t *drs_session_use(drs_session_t *session)
{
    session->host.used(session->host.baton);
    return session;
}

const char *drs_session_id(drs_session_t *session)
{
    return drs_life_is_there(session) ? session->life->id : NULL;
}

const char *drs_session_key(drs_session_t *session)
{
    return drs_life_is_there(session) ? session->life->store.key : NULL;
}

const char *drs_session_error(drs_session_t *session)
{
    return session->life->store.why.text;
}

int drs_session_is_over(const drs_session_t *session)
{
    return session->life->store.over;
}

apr_status_t drs_session_get(drs_session_t *session, const char *field,
                             const char **json, apr_size_t *len, apr_pool_t *p)
{
    drs_bytes_t stored = { NULL, 0 };
    apr_status_t rv = drs_life_begin_field(session, field);

    if (rv != APR_SUCCESS) return rv;
    if (!drs_life_is_there(session)) return APR_NOTFOUND;

    rv = drs_store_get(&session->life->store, field, &stored, p);
    drs_life_learn(session, rv);
    if (rv != APR_SUCCESS) return rv;
    return drs_life_load(session, &stored, json, len, p);
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
            return drs_life_fail(session, DRS_EVALUE,
                                 "the value has a NUL in it");
        }
        *text = json;
        return APR_SUCCESS;
    }
    rv = drs_codec_string(json, len, text, &why, p);
    return rv == APR_SUCCESS ? rv : drs_life_fail(session, rv, why);
}

apr_status_t drs_session_get_int(drs_session_t *session, const char *field,
                                 apr_int64_t *n)
{
    const char *why = "not an integer";
    const char *json = NULL;
    apr_size_t len = 0;
    apr_pool_t *scratch;
    apr_status_t rv;

    apr_pool_create(&scratch, session->life->pool);
    rv = drs_session_get(session, field, &json, &len, scratch);
    if (rv == APR_SUCCESS) {
        rv = drs_codec_int(json, len, n, &why);
        if (rv != APR_SUCCESS) drs_life_fail(session, rv, why);
    }
    apr_pool_destroy(scratch);
    return rv;
}

apr_status_t drs_session_has(drs_session_t *session, const char *field)
{
    apr_status_t rv = drs_life_begin_field(session, field);

    if (rv != APR_SUCCESS) return rv;
    if (!drs_life_is_there(session)) return APR_NOTFOUND;
    rv = drs_store_has(&session->life->store, field);
    drs_life_learn(session, rv);
    return rv;
}

apr_status_t drs_session_count(drs_session_t *session, apr_size_t *n)
{
    apr_status_t rv = drs_life_begin(session);

    if (rv != APR_SUCCESS) return rv;
    if (!drs_life_is_there(session)) {
        *n = 0;
        return APR_SUCCESS;
    }
    rv = drs_store_count(&session->life->store, n);
    drs_life_learn(session, rv);
    return rv;
}

/* What a write takes and tells. */
typedef struct write_t {
    drs_life_act_t *act;
    const drs_pair_t *pairs;
    int n;
    apr_size_t created; /* out */
    apr_int64_t number; /* in: by; out: the value afterwards */
} write_t;

static apr_status_t write_through(drs_session_t *session, write_t *write,
                                  apr_pool_t *p)
{
    drs_life_t *life = session->life;
    apr_status_t rv;

    if (life->id != NULL) {
        rv = write->act(&life->store, write, p);
        drs_life_learn(session, rv);
        if (life->id != NULL) {
            /* Emptied by our own hand is not ended by another's. */
            if (rv == APR_SUCCESS && life->store.alive == DRS_ALIVE_NO) {
                drs_life_empty(session);
            }
            return rv;
        }
        if (rv != DRS_EGONE) return rv;
        life->store.why.text[0] = '\0';
    }
    return drs_life_bear(session, write->act, write, p);
}

static apr_status_t act_update(drs_store_t *store, void *baton, apr_pool_t *p)
{
    write_t *write = baton;

    return drs_store_update(store, write->pairs, write->n, &write->created, p);
}

static apr_status_t act_add(drs_store_t *store, void *baton, apr_pool_t *p)
{
    write_t *write = baton;

    return drs_store_add(store, write->pairs, p);
}

static apr_status_t act_incr(drs_store_t *store, void *baton, apr_pool_t *p)
{
    write_t *write = baton;

    return drs_store_incr(store, write->pairs->field, write->number,
                          &write->number, p);
}

/* Check and dump all pairs; sets tells how many are no deletions. */
static apr_status_t make_pairs(drs_session_t *session,
                               const char *const *fields,
                               const char *const *json, const apr_size_t *lens,
                               int n, drs_pair_t *pairs, int *sets,
                               apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    *sets = 0;
    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        rv = drs_life_begin_field(session, fields[i]);
        if (rv == APR_SUCCESS) {
            rv = drs_life_dump(session, json[i], lens[i], &pairs[i].value, p);
        }
        pairs[i].field = fields[i];
        if (json[i] != NULL) (*sets)++;
    }
    return rv;
}

/*
 * What no session can hold is not sent: Redis serves everybody, and would be
 * busy with a list of many thousand names only to refuse it.
 */
static apr_status_t check_number(drs_session_t *session, int sets,
                                 int deletions)
{
    if (sets <= session->terms->fields_max && deletions <= DRS_FIELDS_MAX) {
        return APR_SUCCESS;
    }
    session->life->store.over = 1;
    return drs_life_fail(session, DRS_EVALUE,
                         "more fields at once than a session may have "
                         "(DRSessionLimit)");
}

apr_status_t drs_session_update(drs_session_t *session,
                                const char *const *fields,
                                const char *const *json, const apr_size_t *lens,
                                int n, apr_size_t *created)
{
    write_t write = { act_update, NULL, n, 0, 0 };
    drs_pair_t *pairs;
    apr_pool_t *scratch;
    int sets = 0;
    apr_status_t rv = drs_life_begin_write(session);

    if (rv != APR_SUCCESS || n <= 0) return rv;

    apr_pool_create(&scratch, session->life->pool);
    pairs = apr_palloc(scratch, (apr_size_t)n * sizeof(*pairs));
    write.pairs = pairs;
    rv = make_pairs(session, fields, json, lens, n, pairs, &sets, scratch);
    if (rv == APR_SUCCESS) rv = check_number(session, sets, n - sets);
    if (rv == APR_SUCCESS && (sets > 0 || session->life->id != NULL)) {
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

    apr_pool_create(&scratch, session->life->pool);
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

    apr_pool_create(&scratch, session->life->pool);
    if (session->terms->codec != &drs_codec_raw) {
        rv = drs_codec_quote(text, strlen(text), &json, scratch);
    }
    if (rv == APR_SUCCESS) {
        rv = drs_session_set(session, field, json, strlen(json));
    }
    else {
        drs_life_fail(session, rv,
                      rv == DRS_EVALUE ? "the text is not UTF-8"
                                       : drs_codec_no_memory);
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
    apr_status_t rv = drs_life_begin_write(session);

    if (rv == APR_SUCCESS) rv = drs_life_begin_field(session, field);
    if (rv != APR_SUCCESS) return rv;

    if (json == NULL) {
        return drs_life_fail(session, DRS_EVALUE, "there is no value to add");
    }
    apr_pool_create(&scratch, session->life->pool);
    rv = drs_life_dump(session, json, len, &pair.value, scratch);
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
    apr_status_t rv = drs_life_begin_write(session);

    if (rv == APR_SUCCESS) rv = drs_life_begin_field(session, field);
    if (rv != APR_SUCCESS) return rv;
    if (!session->terms->codec->plain_integers) {
        return drs_life_fail(session, DRS_EVALUE,
                             "this DRSessionCodec cannot count");
    }
    apr_pool_create(&scratch, session->life->pool);
    rv = write_through(session, &write, scratch);
    if (rv == APR_SUCCESS && now != NULL) *now = write.number;
    apr_pool_destroy(scratch);
    return rv;
}

/* Take a field out of a bound session; what it held, if one wants to know. */
static apr_status_t take(drs_session_t *session, const char *field,
                         drs_bytes_t *held, apr_pool_t *p)
{
    drs_life_t *life = session->life;
    apr_status_t rv = drs_life_begin_write(session);

    if (rv == APR_SUCCESS) rv = drs_life_begin_field(session, field);
    if (rv != APR_SUCCESS) return rv;
    if (life->id == NULL) return APR_NOTFOUND;

    rv = held != NULL ? drs_store_pop(&life->store, field, held, p)
                      : drs_store_del(&life->store, field, p);
    if (rv == APR_SUCCESS && life->store.alive == DRS_ALIVE_NO) {
        drs_life_empty(session);
        return rv;
    }
    drs_life_learn(session, rv);
    /* Whether nothing was in the key, or there was none, the store told. */
    if (life->store.alive == DRS_ALIVE_NO &&
        (rv == APR_NOTFOUND || rv == DRS_EGONE)) {
        life->store.why.text[0] = '\0';
        rv = life->id == NULL || !life->seen
                 ? APR_NOTFOUND
                 : drs_life_fail(session, DRS_EGONE,
                                 "the session has ended meanwhile");
    }
    return rv;
}

apr_status_t drs_session_pop(drs_session_t *session, const char *field,
                             const char **json, apr_size_t *len, apr_pool_t *p)
{
    drs_bytes_t held = { NULL, 0 };
    apr_status_t rv = take(session, field, &held, p);

    if (rv != APR_SUCCESS) return rv;
    return drs_life_load(session, &held, json, len, p);
}

apr_status_t drs_session_del(drs_session_t *session, const char *field)
{
    apr_pool_t *scratch;
    apr_status_t rv;

    apr_pool_create(&scratch, session->life->pool);
    rv = take(session, field, NULL, scratch);
    apr_pool_destroy(scratch);
    return rv;
}

apr_status_t drs_session_destroy(drs_session_t *session)
{
    return drs_life_end(session);
}

apr_status_t drs_session_regenerate(drs_session_t *session)
{
    return drs_life_renew(session);
}
