/* SPDX-License-Identifier: MIT */
/*
 * One answer a field and request. Failures are remembered, too: a
 * configuration that asks for five fields waits for a hanging Redis once,
 * and all its lines see the same.
 */
#include "drs_lookup.h"

#include <string.h>

#include <apr_strings.h>

#include "drs_codec.h"

/* What came of a lookup. */
typedef struct found_t {
    apr_status_t rv;
    const char *json; /* as the codec loaded it; set when rv says so */
    apr_size_t len;
} found_t;

static int is_answer(apr_status_t rv)
{
    return rv == APR_SUCCESS || rv == APR_NOTFOUND || rv == DRS_EVALUE;
}

/*
 * What another section's codec made of a value is no answer here, nor what a
 * session had that is too old for this one.
 */
static int holds(const drs_lookup_memory_t *memory, const drs_place_t *place)
{
    return memory->fields != NULL && memory->codec == place->conf->codec &&
           memory->lifetime == place->conf->lifetime &&
           memory->changes == drs_session_changes(place->session);
}

static const found_t *recall(const drs_place_t *place, const char *field)
{
    const drs_lookup_memory_t *memory = place->memory;

    if (!holds(memory, place)) return NULL;
    return apr_hash_get(memory->fields, field, APR_HASH_KEY_STRING);
}

/* An error page that meets the failure again has one of its own. */
static const found_t *note(const drs_place_t *place, const found_t *found)
{
    if (!is_answer(found->rv)) *place->failed = found->rv;
    return found;
}

static const found_t *look_up(const drs_place_t *place, const char *field)
{
    drs_lookup_memory_t *memory = place->memory;
    const found_t *known = recall(place, field);
    found_t *found;

    if (known != NULL) return note(place, known);

    if (!holds(memory, place)) {
        memory->fields = apr_hash_make(place->p);
        memory->codec = place->conf->codec;
        memory->lifetime = place->conf->lifetime;
        memory->changes = drs_session_changes(place->session);
    }
    found = apr_pcalloc(place->p, sizeof(*found));
    found->rv = drs_session_get(place->session, field, &found->json,
                                &found->len, place->p);
    apr_hash_set(memory->fields, apr_pstrdup(place->p, field),
                 APR_HASH_KEY_STRING, found);
    return note(place, found);
}

static apr_status_t show(const drs_place_t *place, const found_t *found,
                         const char **text)
{
    const char *why = NULL;

    if (found->rv != APR_SUCCESS) return found->rv;
    if (place->conf->codec == &drs_codec_raw) {
        return drs_codec_plain_raw(found->json, found->len, text, &why,
                                   place->p);
    }
    return drs_codec_plain(found->json, found->len, text, &why, place->p);
}

apr_status_t drs_lookup_has(const drs_place_t *place, const char *field)
{
    return look_up(place, field)->rv;
}

apr_status_t drs_lookup_text(const drs_place_t *place, const char *field,
                             const char **text)
{
    return show(place, look_up(place, field), text);
}

apr_status_t drs_lookup_list(const drs_place_t *place, const char *field,
                             apr_array_header_t **texts)
{
    const found_t *found = look_up(place, field);
    apr_array_header_t *list;
    const char *why = NULL;
    const char *text = NULL;
    apr_status_t rv = found->rv;

    if (rv != APR_SUCCESS) return rv;
    if (place->conf->codec != &drs_codec_raw && found->json[0] == '[') {
        return drs_codec_elements(found->json, found->len, texts, &why,
                                  place->p);
    }
    rv = show(place, found, &text);
    if (rv != APR_SUCCESS) return rv;

    list = apr_array_make(place->p, 1, sizeof(const char *));
    APR_ARRAY_PUSH(list, const char *) = text;
    *texts = list;
    return APR_SUCCESS;
}

const char *drs_lookup_known(const drs_place_t *place, const char *field)
{
    const found_t *found = recall(place, field);
    const char *text = NULL;

    if (found == NULL || show(place, found, &text) != APR_SUCCESS) {
        return NULL;
    }
    return text;
}
