/* SPDX-License-Identifier: MIT */
/*
 * Session ids: how they are made, what shape is accepted, when they were
 * born. Knows the alphabet and the random source; nothing of cookies or
 * Redis keys.
 */
#ifndef DRS_ID_H
#define DRS_ID_H

#include <apr_pools.h>
#include <apr_time.h>

#include "mod_drsession.h"

/** Bytes of an id made here, without the final NUL. */
#define DRS_ID_LEN 44

/**
 * Make an id: base64url of 33 bytes, 5 of birth time and 28 random ones.
 *
 * @param id    out: room for DRS_ID_LEN + 1 bytes, NUL-terminated
 * @param birth seconds since 1970, 0..2^40-1: when the session was born
 * @return APR_SUCCESS; APR_EINVAL birth is out of range; another APR error
 *         when the system has no random bytes: there is no id then, and no
 *         weaker source is tried
 * Source: docs/redis-layout.md; getrandom(2); RFC 4648 section 5.
 */
apr_status_t drs_id_mint(char *id, apr_int64_t birth) DRS_MUST_CHECK;

/**
 * Judge the shape of an id that a client sent.
 *
 * @param id     bytes, not necessarily NUL-terminated
 * @param len    how many
 * @param strict 1: 43 or 44 bytes of [A-Za-z0-9_-]; 0: 16..128 of them
 * @return 1 when it may become part of a Redis key, 0 when it is no id
 * Source: docs/redis-layout.md.
 */
int drs_id_is_wellformed(const char *id, apr_size_t len, int strict);

/**
 * Read the birth time out of an id.
 *
 * @param id NUL-terminated, well-formed
 * @return seconds since 1970; -1 when it carries none: it is not 44 bytes
 *         long, and so was not made here
 * Source: docs/redis-layout.md.
 */
apr_int64_t drs_id_birth(const char *id);

#endif
