/* SPDX-License-Identifier: MIT */
/*
 * JSON text to Lua values, strictly. Knows RFC 8259 and what Lua makes of
 * it; nothing of sessions. The text may come from anybody.
 */
#ifndef DRS_LUA_LOAD_H
#define DRS_LUA_LOAD_H

#include <apr_errno.h>
#include <apr_pools.h>

#include "mod_drsession.h"

struct lua_State;

/**
 * Read one JSON value and push it as a Lua value.
 *
 * Integers that fit 64 bits are integers, longer ones floats. Arrays carry
 * the mark DRS_LUA_ARRAY; of a name given twice the last counts; null is
 * the light userdata NULL.
 *
 * @param L    an interpreter; one more on its stack after APR_SUCCESS
 * @param json bytes
 * @param len  how many
 * @param why  out on failure: one static line
 * @param p    for what is needed meanwhile
 * @return APR_SUCCESS; DRS_EREPLY not one JSON value (NaN), a lone
 *         surrogate, a number beyond a double, deeper than DRS_LUA_DEPTH
 * Source: RFC 8259; `loads` of drsession.py.
 */
apr_status_t drs_lua_load(struct lua_State *L, const char *json, apr_size_t len,
                          const char **why, apr_pool_t *p) DRS_MUST_CHECK;

#endif
