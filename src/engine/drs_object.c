/* SPDX-License-Identifier: MIT */
/* Members are collected as bytes and put together once. */
#include "drs_object.h"

#include <string.h>

#include "drs_codec.h"

typedef struct part_t {
    const char *data;
    apr_size_t len;
} part_t;

void drs_object_begin(drs_object_t *object, apr_pool_t *p)
{
    object->p = p;
    object->parts = apr_array_make(p, 64, sizeof(part_t));
    object->size = 0;
}

static void push(drs_object_t *object, const char *data, apr_size_t len)
{
    part_t *part = apr_array_push(object->parts);

    part->data = data;
    part->len = len;
    object->size += len;
}

apr_status_t drs_object_add(drs_object_t *object, const char *name,
                            apr_size_t n, const char *json, apr_size_t len)
{
    const char *quoted = NULL;
    apr_status_t rv = drs_codec_quote(name, n, &quoted, object->p);

    if (rv != APR_SUCCESS) return rv;
    if (object->parts->nelts > 0) push(object, ",", 1);
    push(object, quoted, strlen(quoted));
    push(object, ":", 1);
    push(object, json, len);
    return APR_SUCCESS;
}

void drs_object_end(const drs_object_t *object, const char **json,
                    apr_size_t *len)
{
    char *text = apr_palloc(object->p, object->size + 3);
    char *to = text;
    int i;

    *to++ = '{';
    for (i = 0; i < object->parts->nelts; i++) {
        const part_t *part = &APR_ARRAY_IDX(object->parts, i, part_t);

        memcpy(to, part->data, part->len);
        to += part->len;
    }
    memcpy(to, "}", 2);
    *json = text;
    if (len != NULL) *len = object->size + 2;
}
