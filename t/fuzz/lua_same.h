/* SPDX-License-Identifier: MIT */
/*
 * What the two Lua targets have in common: an interpreter with the marks of
 * drs_lua_dump.h and nothing else, and when two values are the same JSON.
 */
#ifndef LUA_SAME_H
#define LUA_SAME_H

struct lua_State;

/**
 * Make an interpreter.
 *
 * @return it; to be closed by lua_close()
 */
struct lua_State *lua_same_open(void);

/**
 * Judge whether two values say the same as JSON: tables by what is in them,
 * numbers by type and value.
 *
 * @param L the interpreter
 * @param a index of one, above 0
 * @param b index of the other, above 0
 * @return 1 or 0
 */
int lua_same(struct lua_State *L, int a, int b);

#endif
