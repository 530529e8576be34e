/* SPDX-License-Identifier: MIT */
/*
 * JSON of Redis to a Lua value: it takes what our scanner takes, but for half
 * a surrogate pair and integers beyond a double, and nothing else; the value
 * written as JSON and read again is the same value.
 *
 *     input: the text
 */
#include "fuzz.h"

#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "drs_codec.h"
#include "drs_json.h"
#include "drs_lua_dump.h"
#include "drs_lua_load.h"
#include "lua_same.h"

static int is_json(const char *text, size_t size)
{
    const char *value = NULL;
    const char *end = NULL;
    const char *why = NULL;

    return drs_json_scan(text, size, DRS_CODEC_DEPTH, &value, &end, &why) ==
               APR_SUCCESS &&
           drs_json_skip(end, text + size) == text + size;
}

static void check_again(lua_State *L, apr_pool_t *p)
{
    const char *json = NULL;
    const char *why = NULL;
    apr_size_t len = 0;

    CLAIM(drs_lua_dump(L, -1, &json, &len, &why, p) == APR_SUCCESS);
    CLAIM(lua_gettop(L) == 1);
    CLAIM(strlen(json) == len && is_json(json, len));
    CLAIM(drs_lua_load(L, json, len, &why, p) == APR_SUCCESS);
    CLAIM(lua_gettop(L) == 2);
    CLAIM(lua_same(L, 1, 2));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p = fuzz_begin();
    const char *text = (const char *)data;
    lua_State *L = lua_same_open();
    const char *why = NULL;
    apr_status_t rv = drs_lua_load(L, text, size, &why, p);

    if (rv == APR_SUCCESS) {
        CLAIM(is_json(text, size));
        CLAIM(lua_gettop(L) == 1);
        check_again(L, p);
    }
    else {
        CLAIM(rv == DRS_EREPLY && why != NULL);
        CLAIM(!is_json(text, size) || strstr(why, "surrogate") != NULL ||
              strstr(why, "beyond a double") != NULL);
    }
    lua_close(L);
    fuzz_end();
    return 0;
}
