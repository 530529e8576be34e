/* SPDX-License-Identifier: MIT */
/*
 * A value on its way into an environment or a header: whatever Redis holds,
 * no control character gets out, and what gets out is what was in.
 *
 *     input: the bytes of Redis
 */
#include "fuzz.h"

#include <string.h>

#include "drs_codec.h"
#include "drs_json.h"

static int has_control(const char *text, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) return 1;
    }
    return 0;
}

static void check_raw(const char *bytes, size_t len, apr_pool_t *p)
{
    const char *text = NULL;
    const char *why = NULL;
    apr_status_t rv = drs_codec_plain_raw(bytes, len, &text, &why, p);

    CLAIM((rv == APR_SUCCESS) == !has_control(bytes, len));
    if (rv != APR_SUCCESS) {
        CLAIM(rv == DRS_EVALUE && text == NULL && why != NULL);
        return;
    }
    CLAIM(strlen(text) == len && memcmp(text, bytes, len) == 0);
}

/* What is no string of JSON stands there as it is, blanks around it cut. */
static void check_shown(const char *bytes, size_t len, const char *text,
                        apr_pool_t *p)
{
    const char *value = NULL;
    const char *end = NULL;
    const char *string = NULL;
    const char *why = NULL;
    apr_status_t rv =
        drs_json_scan(bytes, len, DRS_CODEC_DEPTH, &value, &end, &why);

    if (rv != APR_SUCCESS || drs_json_skip(end, bytes + len) != bytes + len) {
        value = bytes;
        end = bytes + len;
    }
    else if (*value == '"') {
        CLAIM(drs_codec_string(bytes, len, &string, &why, p) == APR_SUCCESS);
        value = string;
        end = string + strlen(string);
    }
    else if (end - value == 4 && memcmp(value, "null", 4) == 0) {
        end = value;
    }
    CLAIM(strlen(text) == (size_t)(end - value));
    CLAIM(memcmp(text, value, strlen(text)) == 0);
}

static void check_elements(const char *bytes, size_t len, apr_pool_t *p)
{
    apr_array_header_t *texts = NULL;
    const char *why = NULL;
    int i;

    if (drs_codec_elements(bytes, len, &texts, &why, p) != APR_SUCCESS) return;
    for (i = 0; i < texts->nelts; i++) {
        const char *text = APR_ARRAY_IDX(texts, i, const char *);

        CLAIM(!has_control(text, strlen(text)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p = fuzz_begin();
    const char *bytes = (const char *)data;
    const char *text = NULL;
    const char *why = NULL;
    apr_status_t rv = drs_codec_plain(bytes, size, &text, &why, p);

    if (rv != APR_SUCCESS) {
        CLAIM(rv == DRS_EVALUE && text == NULL && why != NULL);
    }
    else {
        CLAIM(!has_control(text, strlen(text)));
        check_shown(bytes, size, text, p);
    }
    check_raw(bytes, size, p);
    check_elements(bytes, size, p);
    fuzz_end();
    return 0;
}
