/* SPDX-License-Identifier: MIT */
/*
 * The scanner against jansson: what one takes the other takes, but for what
 * they are known to differ in. Ours keeps integers of any length, half a
 * surrogate pair and a NUL in a name as bytes, and goes 128 levels deep.
 *
 *     input: the text
 */
#include "fuzz.h"

#include <string.h>

#include <jansson.h>

#include "drs_codec.h"
#include "drs_json.h"

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* What jansson may refuse though it is JSON. */
static int is_known_refusal(const json_error_t *error)
{
    return json_error_code(error) == json_error_numeric_overflow ||
           json_error_code(error) == json_error_null_byte_in_key ||
           strstr(error->text, "invalid Unicode") != NULL;
}

/* Whether a text is one value; where that stands is checked on the way. */
static int scan(const char *text, size_t size, const char **why)
{
    const char *value = NULL;
    const char *end = NULL;
    const char *at;

    if (drs_json_scan(text, size, DRS_CODEC_DEPTH, &value, &end, why) !=
        APR_SUCCESS) {
        CLAIM(value == NULL && end == NULL && *why != NULL);
        return 0;
    }
    CLAIM(value >= text && value < end && end <= text + size);
    CLAIM(!is_blank(*value) && !is_blank(end[-1]));
    for (at = text; at < value; at++) CLAIM(is_blank(*at));
    CLAIM(drs_json_is_utf8(value, (size_t)(end - value)));
    *why = "more than one value";
    return drs_json_skip(end, text + size) == text + size;
}

/* The value alone is a value again, with nothing before or behind it. */
static void check_codec(const char *text, size_t size, int valid, apr_pool_t *p)
{
    const char *stored = NULL;
    const char *again = NULL;
    const char *why = NULL;
    apr_size_t len = 0;
    apr_size_t again_len = 0;
    apr_status_t rv =
        drs_codec_dump(&drs_codec_json, text, size, &stored, &len, &why, p);

    CLAIM((rv == APR_SUCCESS) == valid);
    if (!valid) {
        CLAIM(rv == DRS_EVALUE && stored == NULL && why != NULL);
        return;
    }
    CLAIM(drs_codec_dump(&drs_codec_json, stored, len, &again, &again_len, &why,
                         p) == APR_SUCCESS);
    CLAIM(again == stored && again_len == len);
    CLAIM(drs_codec_load(&drs_codec_json, stored, len, &again, NULL, &why, p) ==
          APR_SUCCESS);
    CLAIM(again == stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p = fuzz_begin();
    const char *text = (const char *)data;
    const char *why = NULL;
    json_error_t error;
    int valid = scan(text, size, &why);
    json_t *other = json_loadb(
        text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
        &error);

    if (valid) CLAIM(other != NULL || is_known_refusal(&error));
    /* jansson passes over a NUL behind a number. */
    if (other != NULL && memchr(text, '\0', size) == NULL) {
        CLAIM(valid || strstr(why, "too deep") != NULL);
    }
    json_decref(other);
    check_codec(text, size, valid, p);
    fuzz_end();
    return 0;
}
