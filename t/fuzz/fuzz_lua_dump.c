/* SPDX-License-Identifier: MIT */
/*
 * A Lua value of any script to JSON: what comes out is JSON without a NUL,
 * and read again it is the same value; what has none is refused.
 *
 *     input: a program; each byte pushes a value or puts what was pushed
 *            into the table below it
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "drs_codec.h"
#include "drs_lua_dump.h"
#include "drs_lua_load.h"
#include "lua_same.h"

enum { STACK_MAX = 160, STEPS_MAX = 1000 };

static int do_nothing(lua_State *L)
{
    (void)L;
    return 0;
}

static void push_string(lua_State *L, fuzz_input_t *input)
{
    size_t len = fuzz_byte(input) % 24;

    if (len > input->left) len = input->left;
    lua_pushlstring(L, input->at, len);
    input->at += len;
    input->left -= len;
}

static void push_bits(lua_State *L, fuzz_input_t *input, int is_float)
{
    uint64_t bits = 0;
    double n;
    int i;

    for (i = 0; i < 8; i++) bits = bits << 8 | fuzz_byte(input);
    memcpy(&n, &bits, sizeof(n));
    if (is_float) lua_pushnumber(L, n);
    else lua_pushinteger(L, (lua_Integer)bits);
}

static void push(lua_State *L, fuzz_input_t *input, unsigned int kind)
{
    switch (kind) {
    case 0:
        lua_pushboolean(L, (int)(fuzz_byte(input) & 1));
        break;
    case 1:
        lua_pushinteger(L, (lua_Integer)fuzz_byte(input) - 2);
        break;
    case 2:
    case 3:
        push_bits(L, input, kind == 3);
        break;
    case 4:
        push_string(L, input);
        break;
    case 5:
        lua_pushlightuserdata(L, NULL);
        break;
    case 6:
        lua_pushcfunction(L, do_nothing);
        break;
    default:
        lua_newtable(L);
        break;
    }
}

/* The table below takes a value: as a member, as its next element, marked. */
static void put(lua_State *L, fuzz_input_t *input, unsigned int kind)
{
    int top = lua_gettop(L);

    if (top < 2 || lua_type(L, top - 1) != LUA_TTABLE) return;
    switch (kind) {
    case 0:
        push_string(L, input);
        lua_insert(L, -2);
        lua_rawset(L, -3);
        break;
    case 1:
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, top - 1) + 1);
        break;
    case 2:
        lua_rawseti(L, -2, (lua_Integer)fuzz_byte(input) - 1);
        break;
    default:
        lua_pop(L, 1);
        luaL_setmetatable(L, fuzz_byte(input) & 1 ? DRS_LUA_ARRAY
                                                  : DRS_LUA_OBJECT);
        break;
    }
}

static void build(lua_State *L, fuzz_input_t *input)
{
    int steps;

    lua_newtable(L);
    for (steps = 0; input->left > 0 && steps < STEPS_MAX; steps++) {
        unsigned int step = fuzz_byte(input) % 14;

        if (step >= 10) put(L, input, step - 10);
        else if (lua_gettop(L) >= STACK_MAX) break;
        else if (step == 9) lua_pushvalue(L, 1);
        else push(L, input, step);
    }
    /* What stands open goes into what is below it. */
    while (lua_gettop(L) > 1) {
        if (lua_type(L, -2) != LUA_TTABLE) lua_remove(L, -2);
        else lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
}

static void check_json(lua_State *L, const char *json, apr_size_t len,
                       apr_pool_t *p)
{
    const char *stored = NULL;
    const char *why = NULL;
    apr_size_t stored_len = 0;

    CLAIM(strlen(json) == len);
    CLAIM(drs_codec_dump(&drs_codec_json, json, len, &stored, &stored_len, &why,
                         p) == APR_SUCCESS);
    CLAIM(stored == json && stored_len == len);
    CLAIM(drs_lua_load(L, json, len, &why, p) == APR_SUCCESS);
    CLAIM(lua_same(L, 1, 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t input = fuzz_open(data, size);
    lua_State *L = lua_same_open();
    const char *json = NULL;
    const char *why = NULL;
    apr_size_t len = 0;
    apr_status_t rv;

    if (!lua_checkstack(L, STACK_MAX + 16)) abort();
    build(L, &input);
    rv = drs_lua_dump(L, 1, &json, &len, &why, input.p);
    if (rv == APR_SUCCESS) {
        CLAIM(lua_gettop(L) == 1);
        check_json(L, json, len, input.p);
    }
    else {
        CLAIM(rv == DRS_EVALUE && json == NULL && why != NULL);
    }
    lua_close(L);
    fuzz_end();
    return 0;
}
