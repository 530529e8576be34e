/* SPDX-License-Identifier: MIT */
/*
 * A JSON object that is written member by member: names are quoted, values
 * stand as they are, whatever bytes they have. Knows no session; refuses to
 * check what it is given for a value.
 */
#ifndef DRS_OBJECT_H
#define DRS_OBJECT_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "mod_drsession.h"

/** An object under way. */
typedef struct drs_object_t {
    apr_pool_t *p;
    apr_array_header_t *parts; /* bytes of all members so far */
    apr_size_t size;           /* of them together */
} drs_object_t;

/**
 * Begin an object.
 *
 * @param object out
 * @param p      owns it; the values have to live as long
 */
void drs_object_begin(drs_object_t *object, apr_pool_t *p);

/**
 * Add a member.
 *
 * @param object from drs_object_begin()
 * @param name   UTF-8, not quoted
 * @param n      bytes of it
 * @param json   the value, kept by reference
 * @param len    bytes of it
 * @return APR_SUCCESS; DRS_EVALUE the name is not UTF-8; DRS_EDOWN no memory
 * Source: RFC 8259 section 4.
 */
apr_status_t drs_object_add(drs_object_t *object, const char *name,
                            apr_size_t n, const char *json,
                            apr_size_t len) DRS_MUST_CHECK;

/**
 * End an object.
 *
 * @param object from drs_object_begin()
 * @param json   out: the text, NUL-terminated
 * @param len    out, may be NULL: bytes of it
 */
void drs_object_end(const drs_object_t *object, const char **json,
                    apr_size_t *len);

#endif
