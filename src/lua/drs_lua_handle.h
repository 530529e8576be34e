/* SPDX-License-Identifier: MIT */
/*
 * The handle that a script holds: made from mod_lua's request, dead when
 * that request is over, whoever still keeps it. Also how failures become
 * Lua errors. Knows lifetimes; nothing of values.
 */
#ifndef DRS_LUA_HANDLE_H
#define DRS_LUA_HANDLE_H

#include <apr_errno.h>
#include <apr_pools.h>

#include "mod_drsession.h"

struct lua_State;

/** Metatable, by its name in the registry, of the handle. */
#define DRS_LUA_HANDLE "drsession.session"

/** A handle in use: what a verb needs. */
typedef struct drs_lua_use_t {
    const drs_api_t *api;
    drs_session_t *session;
    apr_pool_t *p; /* until the next verb of the same request */
    int *busy;     /* set it where Lua may run others while p is needed */
} drs_lua_use_t;

/**
 * Push a handle for mod_lua's request at index 1; raises "stale", "off" or
 * what open() of drs_api_t fails with.
 *
 * @param L an interpreter in httpd
 * @return 1, the values pushed
 */
int drs_lua_handle_open(struct lua_State *L);

/**
 * Take the handle at index 1 into use; raises "stale" if its request is
 * over or another one is being served.
 *
 * @param L   an interpreter in httpd
 * @param use out: for this verb
 */
void drs_lua_handle_use(struct lua_State *L, drs_lua_use_t *use);

/**
 * Forget a handle that Lua collects: the metamethod __gc.
 *
 * @param L an interpreter, the handle at index 1
 * @return 0, the values pushed
 */
int drs_lua_handle_forget(struct lua_State *L);

/**
 * Raise an error: "WORD: DETAIL (SCRIPT:LINE)", a string.
 *
 * @param L      an interpreter
 * @param word   one of docs/lua.md
 * @param detail one line, never with an id, a value or a password
 * @return never
 */
int drs_lua_handle_raise(struct lua_State *L, const char *word,
                         const char *detail);

/**
 * Raise the error of a status that is a failure; return if it is an answer.
 *
 * @param L   an interpreter
 * @param use of the handle
 * @param rv  of a member of drs_api_t
 */
void drs_lua_handle_check(struct lua_State *L, const drs_lua_use_t *use,
                          apr_status_t rv);

#endif
