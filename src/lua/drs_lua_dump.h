/* SPDX-License-Identifier: MIT */
/*
 * Lua values to JSON text, strictly. Knows Lua's types, RFC 8259 and the two
 * marks that tell an empty array from an empty object; nothing of sessions.
 */
#ifndef DRS_LUA_DUMP_H
#define DRS_LUA_DUMP_H

#include <apr_errno.h>
#include <apr_pools.h>

#include "mod_drsession.h"

struct lua_State;

/** Metatable, by its name in the registry, of tables that are arrays. */
#define DRS_LUA_ARRAY "drsession.array"

/** Metatable, by its name in the registry, of tables that are objects. */
#define DRS_LUA_OBJECT "drsession.object"

/** Deepest nesting of tables; `{}` is one deep. */
#define DRS_LUA_DEPTH 128

/**
 * Write a Lua value as JSON.
 *
 * Integers keep their 64 bits, floats a fraction or exponent. Tables with
 * the keys 1..n are arrays, with string keys objects; an empty one is an
 * object unless it is marked. Metatables but the marks are ignored. The
 * light userdata NULL is null.
 *
 * @param L     an interpreter; its stack is as before after APR_SUCCESS
 * @param index of the value
 * @param json  out: NUL-terminated text without a NUL in it
 * @param len   out: its bytes
 * @param why   out on failure: one static line
 * @param p     owns *json
 * @return APR_SUCCESS; DRS_EVALUE a function, thread or userdata, NaN or
 *         infinity, not UTF-8, other keys, a cycle, or too deep
 * Source: RFC 8259; `dumps` of drsession.py.
 */
apr_status_t drs_lua_dump(struct lua_State *L, int index, const char **json,
                          apr_size_t *len, const char **why,
                          apr_pool_t *p) DRS_MUST_CHECK;

#endif
