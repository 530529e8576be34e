/* SPDX-License-Identifier: MIT */
/*
 * Values: JSON text in, bytes of Redis out, and back. Knows the built-in
 * codecs and how to decode one value; nothing of sessions. drs_json says
 * what is JSON; jansson decodes and quotes strings and sees nothing else.
 */
#include "drs_codec.h"

#include <string.h>

#include <apr_hash.h>
#include <apr_strings.h>
#include <jansson.h>

#include "drs_json.h"

static apr_status_t pass_on(const char *from, apr_size_t len, const char **to,
                            apr_size_t *to_len, const char **why, apr_pool_t *p)
{
    (void)why;
    (void)p;
    *to = from;
    *to_len = len;
    return APR_SUCCESS;
}

/* Alike but for their address, which tells dump() what needs no check. */
const drs_codec_t drs_codec_json = { pass_on, pass_on, 1 };
const drs_codec_t drs_codec_raw = { pass_on, pass_on, 1 };

const char drs_codec_no_memory[] = "there is no memory for the value";

apr_status_t drs_codec_scan(const char *text, apr_size_t len,
                            const char **value, const char **end,
                            const char **why)
{
    return drs_json_scan(text, len, DRS_CODEC_DEPTH, value, end, why);
}

/* Scan a text that is one value and nothing else but outer white space. */
static apr_status_t scan_whole(const char *text, apr_size_t len,
                               const char **value, apr_size_t *value_len,
                               const char **why)
{
    const char *first = NULL;
    const char *end = NULL;
    apr_status_t rv = drs_codec_scan(text, len, &first, &end, why);

    if (rv != APR_SUCCESS) return rv;

    if (drs_json_skip(end, text + len) != text + len) {
        *why = "more than one JSON value";
        return DRS_EVALUE;
    }
    *value = first;
    *value_len = (apr_size_t)(end - first);
    return APR_SUCCESS;
}

apr_status_t drs_codec_dump(const drs_codec_t *codec, const char *json,
                            apr_size_t len, const char **stored,
                            apr_size_t *stored_len, const char **why,
                            apr_pool_t *p)
{
    const char *fault = "the codec refused the value";
    const char *bytes = NULL;
    apr_size_t bytes_len = 0;
    apr_status_t rv = APR_SUCCESS;

    if (codec != &drs_codec_raw) {
        rv = scan_whole(json, len, &json, &len, &fault);
    }
    if (rv == APR_SUCCESS) {
        rv = codec->dumps(json, len, &bytes, &bytes_len, &fault, p);
    }
    if (rv != APR_SUCCESS) {
        *why = fault;
        return DRS_EVALUE;
    }
    *stored = bytes;
    *stored_len = bytes_len;
    return APR_SUCCESS;
}

apr_status_t drs_codec_load(const drs_codec_t *codec, const char *stored,
                            apr_size_t len, const char **json,
                            apr_size_t *json_len, const char **why,
                            apr_pool_t *p)
{
    const char *fault = "the codec cannot load the value";
    const char *text = NULL;
    apr_size_t text_len = 0;

    if (codec->loads(stored, len, &text, &text_len, &fault, p) != APR_SUCCESS) {
        *why = fault;
        return DRS_EREPLY;
    }
    *json = text;
    if (json_len != NULL) *json_len = text_len;
    return APR_SUCCESS;
}

apr_status_t drs_codec_quote(const char *text, apr_size_t len,
                             const char **json, apr_pool_t *p)
{
    json_t *string = json_stringn(text, len);
    apr_status_t rv = DRS_EDOWN;
    size_t size;
    char *quoted;

    if (string == NULL) {
        if (!drs_json_is_utf8(text, len)) rv = DRS_EVALUE;
        goto cleanup;
    }
    /* Two quotes at least; less means that jansson has no memory. */
    size = json_dumpb(string, NULL, 0, JSON_ENCODE_ANY);
    if (size == 0) goto cleanup;

    quoted = apr_palloc(p, size + 1);
    if (json_dumpb(string, quoted, size, JSON_ENCODE_ANY) != size) goto cleanup;
    quoted[size] = '\0';
    *json = quoted;
    rv = APR_SUCCESS;

cleanup:
    json_decref(string);
    return rv;
}

/*
 * Decode what drs_json has found to be a string. All that jansson can object
 * to then is half a surrogate pair; else it has no memory.
 */
static apr_status_t decode(const char *json, apr_size_t len, const char **text,
                           const char **why, apr_pool_t *p)
{
    static const char half[] = "invalid Unicode";
    json_error_t error;
    json_t *string =
        json_loadb(json, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    apr_status_t rv = DRS_EVALUE;

    if (string == NULL && strncmp(error.text, half, strlen(half)) != 0) {
        *why = drs_codec_no_memory;
        rv = DRS_EDOWN;
        goto cleanup;
    }
    if (string == NULL) {
        *why = "a JSON string with half a surrogate pair";
        goto cleanup;
    }
    if (strlen(json_string_value(string)) != json_string_length(string)) {
        *why = "a JSON string with a NUL";
        goto cleanup;
    }
    *text = apr_pstrdup(p, json_string_value(string));
    rv = APR_SUCCESS;

cleanup:
    json_decref(string);
    return rv;
}

apr_status_t drs_codec_string(const char *json, apr_size_t len,
                              const char **text, const char **why,
                              apr_pool_t *p)
{
    apr_status_t rv = scan_whole(json, len, &json, &len, why);

    if (rv != APR_SUCCESS) return rv;

    if (json[0] != '"') {
        *why = "not a JSON string";
        return DRS_EVALUE;
    }
    return decode(json, len, text, why, p);
}

/* Whether bytes are an integer of JSON; `01` is none, for Redis neither. */
static int is_integer(const char *json, apr_size_t len)
{
    const char *end = json + len;

    if (json < end && *json == '-') json++;
    if (json == end || (*json == '0' && end - json > 1)) return 0;

    while (json < end && *json >= '0' && *json <= '9') {
        json++;
    }
    return json == end;
}

apr_status_t drs_codec_int(const char *json, apr_size_t len, apr_int64_t *n,
                           const char **why)
{
    int negative = len > 0 && json[0] == '-';
    apr_int64_t below = 0; /* 0 minus the digits: that side holds one more */
    apr_size_t i;

    if (!is_integer(json, len)) {
        *why = "not an integer";
        return DRS_EVALUE;
    }
    for (i = negative ? 1 : 0; i < len; i++) {
        int digit = json[i] - '0';

        if (below < (APR_INT64_MIN + digit) / 10) goto beyond;
        below = below * 10 - digit;
    }
    if (!negative && below == APR_INT64_MIN) goto beyond;

    *n = negative ? below : -below;
    return APR_SUCCESS;

beyond:
    *why = "an integer beyond 64 bits";
    return DRS_EVALUE;
}

static int has_control(const char *text, apr_size_t len)
{
    apr_size_t i = 0;

    while (i < len && (unsigned char)text[i] >= 0x20 && text[i] != 0x7f) {
        i++;
    }
    return i < len;
}

static int is_null(const char *json, apr_size_t len)
{
    return len == 4 && memcmp(json, "null", 4) == 0;
}

apr_status_t drs_codec_plain_raw(const char *bytes, apr_size_t len,
                                 const char **text, const char **why,
                                 apr_pool_t *p)
{
    if (has_control(bytes, len)) {
        *why = "a control character in the value";
        return DRS_EVALUE;
    }
    *text = apr_pstrmemdup(p, bytes, len);
    return APR_SUCCESS;
}

apr_status_t drs_codec_plain(const char *json, apr_size_t len,
                             const char **text, const char **why, apr_pool_t *p)
{
    const char *shown = NULL;
    const char *ignored;
    int valid = scan_whole(json, len, &json, &len, &ignored) == APR_SUCCESS;

    if (valid && json[0] == '"') {
        apr_status_t rv = decode(json, len, &shown, why, p);

        if (rv != APR_SUCCESS) return rv;
        json = shown;
        len = strlen(shown);
    }
    else if (valid && is_null(json, len)) {
        len = 0;
    }
    return drs_codec_plain_raw(json, len, text, why, p);
}

/* A name seen before gets its new value in its old place. */
static void put_member(apr_array_header_t *members, apr_hash_t *seen,
                       const drs_member_t *member)
{
    const int *place = apr_hash_get(seen, member->name, APR_HASH_KEY_STRING);

    if (place != NULL) {
        APR_ARRAY_IDX(members, *place, drs_member_t) = *member;
    }
    else {
        int *next = apr_pmemdup(members->pool, &members->nelts, sizeof(*next));

        APR_ARRAY_PUSH(members, drs_member_t) = *member;
        apr_hash_set(seen, member->name, APR_HASH_KEY_STRING, next);
    }
}

/*
 * Read one member of an object known to be good, and move `at` behind it
 * and the ',' or '}' that follows.
 */
static apr_status_t read_member(const char **at, const char *end,
                                drs_member_t *member, const char **why,
                                apr_pool_t *p)
{
    const char *name = NULL;
    const char *after = NULL;
    apr_status_t rv;

    rv = drs_codec_scan(*at, (apr_size_t)(end - *at), &name, &after, why);
    if (rv != APR_SUCCESS) return rv;

    rv = decode(name, (apr_size_t)(after - name), &member->name, why, p);
    if (rv != APR_SUCCESS) return rv;

    after = drs_json_skip(after, end) + 1;
    rv = drs_codec_scan(after, (apr_size_t)(end - after), &member->json, &after,
                        why);
    if (rv != APR_SUCCESS) return rv;

    member->len = (apr_size_t)(after - member->json);
    *at = drs_json_skip(after, end) + 1;
    return APR_SUCCESS;
}

apr_status_t drs_codec_members(const char *json, apr_size_t len,
                               apr_array_header_t **members, const char **why,
                               apr_pool_t *p)
{
    apr_array_header_t *found = apr_array_make(p, 8, sizeof(drs_member_t));
    apr_hash_t *seen = apr_hash_make(p);
    apr_status_t rv = scan_whole(json, len, &json, &len, why);
    const char *end = json + len;
    const char *at;

    if (rv != APR_SUCCESS) return rv;

    if (json[0] != '{') {
        *why = "not a JSON object";
        return DRS_EVALUE;
    }
    at = drs_json_skip(json + 1, end);
    while (at < end && *at != '}') {
        drs_member_t member;

        rv = read_member(&at, end, &member, why, p);
        if (rv != APR_SUCCESS) return rv;
        put_member(found, seen, &member);
    }
    *members = found;
    return APR_SUCCESS;
}

apr_status_t drs_codec_elements(const char *json, apr_size_t len,
                                apr_array_header_t **texts, const char **why,
                                apr_pool_t *p)
{
    apr_array_header_t *found = apr_array_make(p, 8, sizeof(const char *));
    apr_status_t rv = scan_whole(json, len, &json, &len, why);
    const char *end = json + len;
    const char *after = NULL;
    const char *text = NULL;
    const char *at;

    if (rv != APR_SUCCESS) return rv;

    if (json[0] != '[') {
        *why = "not a JSON array";
        return DRS_EVALUE;
    }
    at = drs_json_skip(json + 1, end);
    while (at < end && *at != ']') {
        rv = drs_codec_scan(at, (apr_size_t)(end - at), &at, &after, why);
        if (rv == APR_SUCCESS) {
            rv = drs_codec_plain(at, (apr_size_t)(after - at), &text, why, p);
        }
        if (rv != APR_SUCCESS) return rv;
        APR_ARRAY_PUSH(found, const char *) = text;
        at = drs_json_skip(after, end) + 1;
    }
    *texts = found;
    return APR_SUCCESS;
}

int drs_codec_is_utf8(const char *text, apr_size_t len)
{
    return drs_json_is_utf8(text, len);
}
