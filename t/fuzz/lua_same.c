/* SPDX-License-Identifier: MIT */
/*
 * Compares Lua values deeply; the stack of C grows with the depth that
 * drs_lua_dump allows.
 */
#include "lua_same.h"

#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>

#include "drs_lua_dump.h"

lua_State *lua_same_open(void)
{
    lua_State *L = luaL_newstate();

    if (L == NULL) abort();
    luaL_newmetatable(L, DRS_LUA_ARRAY);
    luaL_newmetatable(L, DRS_LUA_OBJECT);
    lua_settop(L, 0);
    return L;
}

static int count(lua_State *L, int table)
{
    int n = 0;

    for (lua_pushnil(L); lua_next(L, table) != 0; lua_pop(L, 1)) n++;
    return n;
}

/* Every key of one is a key of the other, with the same value. */
static int is_within(lua_State *L, int a, int b)
{
    int top = lua_gettop(L);

    for (lua_pushnil(L); lua_next(L, a) != 0; lua_settop(L, top + 1)) {
        lua_pushvalue(L, top + 1);
        lua_rawget(L, b);
        if (!lua_same(L, top + 2, top + 3)) {
            lua_settop(L, top);
            return 0;
        }
    }
    return 1;
}

/* An empty table is an array by its mark alone. */
static int is_array(lua_State *L, int table)
{
    int marked = 0;

    if (lua_getmetatable(L, table)) {
        luaL_getmetatable(L, DRS_LUA_ARRAY);
        marked = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    return marked || lua_rawgeti(L, table, 1) != LUA_TNIL || (lua_pop(L, 1), 0);
}

static int is_same_table(lua_State *L, int a, int b)
{
    int top = lua_gettop(L);
    int arrays = is_array(L, a) == is_array(L, b);

    lua_settop(L, top);
    if (!lua_checkstack(L, 16)) abort();
    return arrays && count(L, a) == count(L, b) && is_within(L, a, b);
}

int lua_same(struct lua_State *L, int a, int b)
{
    if (lua_type(L, a) != lua_type(L, b)) return 0;
    if (lua_type(L, a) == LUA_TTABLE) return is_same_table(L, a, b);
    if (lua_type(L, a) == LUA_TNUMBER &&
        lua_isinteger(L, a) != lua_isinteger(L, b)) {
        return 0;
    }
    return lua_rawequal(L, a, b);
}
