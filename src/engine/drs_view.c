/* SPDX-License-Identifier: MIT */
/*
 * What is read together can be loaded together, or nothing is told: half an
 * answer would be taken for a whole one.
 */
#include "drs_view.h"

#include <string.h>

#include "drs_codec.h"
#include "drs_life.h"
#include "drs_object.h"
#include "drs_store.h"

/* Read fields of a bound session; all can be loaded, or nothing is told. */
static apr_status_t view(drs_session_t *session, const char *const *fields,
                         int n, const char **json, apr_size_t *lens, int *live,
                         apr_pool_t *p)
{
    drs_life_t *life = session->life;
    drs_bytes_t *stored = apr_pcalloc(p, ((apr_size_t)n + 1) * sizeof(*stored));
    apr_status_t rv;
    int i;

    rv = n == 0 ? drs_store_exists(&life->store)
                : drs_store_get_many(&life->store, fields, n, stored, p);
    drs_life_learn(session, rv);
    if (rv != APR_SUCCESS) return rv;

    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        if (stored[i].data == NULL) continue;
        rv = drs_life_load(session, &stored[i], &stored[i].data, &stored[i].len,
                           p);
    }
    if (rv != APR_SUCCESS) return rv;

    *live = life->store.alive == DRS_ALIVE_YES;
    for (i = 0; i < n; i++) {
        json[i] = stored[i].data;
        if (lens != NULL) lens[i] = stored[i].len;
    }
    return APR_SUCCESS;
}

apr_status_t drs_view_fields(drs_session_t *session, const char *const *fields,
                             int n, const char **json, apr_size_t *lens,
                             int *live, apr_pool_t *p)
{
    apr_status_t rv = drs_life_begin(session);
    int i;

    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        rv = drs_life_begin_field(session, fields[i]);
    }
    if (rv != APR_SUCCESS) return rv;
    if (drs_life_is_there(session)) {
        return view(session, fields, n, json, lens, live, p);
    }

    *live = 0;
    for (i = 0; i < n; i++) json[i] = NULL;
    return APR_SUCCESS;
}

apr_status_t drs_view_many(drs_session_t *session, const char *const *fields,
                           int n, const char **json, apr_pool_t *p)
{
    int live;

    if (n <= 0) return drs_life_begin(session);
    return drs_view_fields(session, fields, n, json, NULL, &live, p);
}

apr_status_t drs_view_keys(drs_session_t *session, apr_array_header_t **fields,
                           apr_pool_t *p)
{
    apr_array_header_t *names = NULL;
    apr_array_header_t *out = apr_array_make(p, 8, sizeof(const char *));
    apr_status_t rv = drs_life_begin(session);
    int i;

    if (rv == APR_SUCCESS && drs_life_is_there(session)) {
        rv = drs_store_keys(&session->life->store, &names, p);
        drs_life_learn(session, rv);
    }
    if (rv != APR_SUCCESS) return rv;

    for (i = 0; names != NULL && i < names->nelts; i++) {
        APR_ARRAY_PUSH(out, const char *) =
            APR_ARRAY_IDX(names, i, drs_bytes_t).data;
    }
    *fields = out;
    return APR_SUCCESS;
}

/* What could not be quoted is no text, or there is no memory for it. */
static apr_status_t refuse_text(drs_session_t *session, apr_status_t rv,
                                const char *why)
{
    if (rv == DRS_EVALUE) return drs_life_fail(session, DRS_EREPLY, why);
    return drs_life_fail(session, rv, drs_codec_no_memory);
}

/* Add a member as codecs loaded it; a raw value is no JSON yet. */
static apr_status_t show(drs_session_t *session, drs_object_t *object,
                         const drs_bytes_t *name, const char *json,
                         apr_size_t len, apr_pool_t *p)
{
    apr_status_t rv;

    if (session->terms->codec == &drs_codec_raw) {
        rv = drs_codec_quote(json, len, &json, p);
        if (rv != APR_SUCCESS) {
            return refuse_text(session, rv, "a raw value is not UTF-8");
        }
        len = strlen(json);
    }
    rv = drs_object_add(object, name->data, name->len, json, len);
    if (rv == APR_SUCCESS) return rv;
    return refuse_text(session, rv, "a field name is not UTF-8");
}

apr_status_t drs_view_all(drs_session_t *session, const char **json,
                          apr_size_t *len, apr_pool_t *p)
{
    apr_array_header_t *all = apr_array_make(p, 0, sizeof(drs_bytes_t));
    apr_status_t rv = drs_life_begin(session);
    drs_object_t object;
    drs_bytes_t *each;
    int i;

    drs_object_begin(&object, p);
    if (rv == APR_SUCCESS && drs_life_is_there(session)) {
        rv = drs_store_all(&session->life->store, &all, p);
        drs_life_learn(session, rv);
    }
    each = (drs_bytes_t *)all->elts;
    for (i = 0; rv == APR_SUCCESS && i + 1 < all->nelts; i += 2) {
        const char *value = NULL;
        apr_size_t n = 0;

        rv = drs_life_load(session, &each[i + 1], &value, &n, p);
        if (rv == APR_SUCCESS) {
            rv = show(session, &object, &each[i], value, n, p);
        }
    }
    if (rv == APR_SUCCESS) drs_object_end(&object, json, len);
    return rv;
}

apr_status_t drs_view_some(drs_session_t *session, const char *const *fields,
                           int n, const char **json, apr_size_t *len,
                           apr_pool_t *p)
{
    const char **texts = apr_pcalloc(p, ((apr_size_t)n + 1) * sizeof(*texts));
    apr_size_t *lens = apr_pcalloc(p, ((apr_size_t)n + 1) * sizeof(*lens));
    drs_object_t object;
    int live = 0;
    apr_status_t rv;
    int i;

    drs_object_begin(&object, p);
    rv = drs_view_fields(session, fields, n, texts, lens, &live, p);
    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        drs_bytes_t name = { fields[i], strlen(fields[i]) };

        if (texts[i] == NULL) continue;
        rv = show(session, &object, &name, texts[i], lens[i], p);
    }
    if (rv == APR_SUCCESS) drs_object_end(&object, json, len);
    return rv;
}
