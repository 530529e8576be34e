/* SPDX-License-Identifier: MIT */
/*
 * What the codec reads out of a value, against jansson: strings, integers,
 * members of objects, elements of arrays. Also the way back: what is quoted
 * is the same string when it is decoded.
 *
 *     input: the text
 */
#include "fuzz.h"

#include <string.h>

#include <jansson.h>

#include "drs_codec.h"

/* NULL also for a NUL: jansson passes over one behind a number. */
static json_t *load(const char *json, size_t len)
{
    if (memchr(json, '\0', len) != NULL) return NULL;
    return json_loadb(
        json, len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
        NULL);
}

static void check_string(const char *json, size_t len, const json_t *other,
                         apr_pool_t *p)
{
    const char *text = NULL;
    const char *why = NULL;
    apr_status_t rv = drs_codec_string(json, len, &text, &why, p);

    if (rv != APR_SUCCESS) {
        CLAIM(rv == DRS_EVALUE && text == NULL && why != NULL);
        CLAIM(!json_is_string(other) ||
              strlen(json_string_value(other)) != json_string_length(other));
        return;
    }
    CLAIM(json_is_string(other));
    CLAIM(strcmp(text, json_string_value(other)) == 0);
    CLAIM(drs_codec_is_utf8(text, strlen(text)));
}

static void check_int(const char *json, size_t len, const json_t *other)
{
    apr_int64_t n = 4711;
    const char *why = NULL;
    apr_status_t rv = drs_codec_int(json, len, &n, &why);

    if (rv != APR_SUCCESS) {
        CLAIM(rv == DRS_EVALUE && n == 4711 && why != NULL);
        /* Blanks around an integer are none of Redis'. */
        CLAIM(!json_is_integer(other) || strchr(" \t\r\n", json[0]) ||
              strchr(" \t\r\n", json[len - 1]));
        return;
    }
    CLAIM(json_is_integer(other) && json_integer_value(other) == n);
}

static void check_member(const drs_member_t *member, const char *json,
                         size_t len, const json_t *other)
{
    json_t *value = load(member->json, member->len);

    CLAIM(member->json > json && member->json + member->len < json + len);
    CLAIM(value != NULL);
    CLAIM(json_equal(value, json_object_get(other, member->name)));
    json_decref(value);
}

static void check_members(const char *json, size_t len, const json_t *other,
                          apr_pool_t *p)
{
    apr_array_header_t *members = NULL;
    const char *why = NULL;
    apr_status_t rv = drs_codec_members(json, len, &members, &why, p);
    int i;

    if (rv != APR_SUCCESS) {
        CLAIM(rv == DRS_EVALUE && members == NULL && why != NULL);
        CLAIM(!json_is_object(other) || strstr(why, "too deep") != NULL);
        return;
    }
    if (other == NULL) return;
    CLAIM(json_object_size(other) == (size_t)members->nelts);
    for (i = 0; i < members->nelts; i++) {
        check_member(&APR_ARRAY_IDX(members, i, drs_member_t), json, len,
                     other);
    }
}

static void check_elements(const char *json, size_t len, const json_t *other,
                           apr_pool_t *p)
{
    apr_array_header_t *texts = NULL;
    const char *why = NULL;
    apr_status_t rv = drs_codec_elements(json, len, &texts, &why, p);
    int i;

    if (rv != APR_SUCCESS) {
        CLAIM(rv == DRS_EVALUE && texts == NULL && why != NULL);
        return;
    }
    if (other == NULL) return;
    CLAIM(json_array_size(other) == (size_t)texts->nelts);
    for (i = 0; i < texts->nelts; i++) {
        const json_t *one = json_array_get(other, (size_t)i);

        if (json_is_string(one)) {
            CLAIM(strcmp(APR_ARRAY_IDX(texts, i, const char *),
                         json_string_value(one)) == 0);
        }
        if (json_is_null(one)) {
            CLAIM(APR_ARRAY_IDX(texts, i, const char *)[0] == '\0');
        }
    }
}

static void check_quote(const char *text, size_t len, apr_pool_t *p)
{
    const char *quoted = NULL;
    const char *again = NULL;
    const char *why = NULL;
    apr_status_t rv = drs_codec_quote(text, len, &quoted, p);

    CLAIM((rv == APR_SUCCESS) == drs_codec_is_utf8(text, len));
    if (rv != APR_SUCCESS) {
        CLAIM(rv == DRS_EVALUE && quoted == NULL);
        return;
    }
    rv = drs_codec_string(quoted, strlen(quoted), &again, &why, p);
    CLAIM((rv == APR_SUCCESS) == (memchr(text, '\0', len) == NULL));
    CLAIM(rv != APR_SUCCESS ||
          (strlen(again) == len && memcmp(again, text, len) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p = fuzz_begin();
    const char *text = (const char *)data;
    json_t *other = load(text, size);
    json_t *exact = memchr(text, '\0', size) != NULL
                        ? NULL
                        : json_loadb(text, size, JSON_DECODE_ANY, NULL);

    check_string(text, size, other, p);
    check_int(text, size, exact);
    check_members(text, size, other, p);
    check_elements(text, size, other, p);
    check_quote(text, size, p);
    json_decref(exact);
    json_decref(other);
    fuzz_end();
    return 0;
}
