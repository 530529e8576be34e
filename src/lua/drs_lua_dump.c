/* SPDX-License-Identifier: MIT */
/*
 * Text grows in pool memory and not in a luaL_Buffer, which wants the top of
 * the stack that walking a table needs. Lua may leave any function here by a
 * long jump; nothing but the pool holds memory then.
 */
#include "drs_lua_dump.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "drs_lua_text.h"

#define ROOM_FIRST 256
#define NUMBER_MAX 64 /* bytes; a double has 17 digits, an integer 20 */

typedef struct dump_t {
    lua_State *L;
    apr_pool_t *p;
    char *text;
    apr_size_t len;
    apr_size_t room;
    const char *why;                 /* NULL while all is well */
    const void *path[DRS_LUA_DEPTH]; /* the tables around the value at hand */
    int depth;
} dump_t;

/* What kind of table: its keys, and the mark it carries. */
typedef struct shape_t {
    apr_size_t names;
    apr_size_t indexes;
    lua_Integer highest;
    int is_array;
} shape_t;

static int dump_value(dump_t *dump, int index);

static int refuse(dump_t *dump, const char *why)
{
    dump->why = why;
    return 0;
}

static void put(dump_t *dump, const char *bytes, apr_size_t len)
{
    char *more;

    if (dump->room - dump->len <= len) {
        dump->room = (dump->len + len) * 2 + ROOM_FIRST;
        more = apr_palloc(dump->p, dump->room);
        if (dump->len > 0) memcpy(more, dump->text, dump->len);
        dump->text = more;
    }
    memcpy(dump->text + dump->len, bytes, len);
    dump->len += len;
}

static void put_escape(dump_t *dump, unsigned char c)
{
    static const char plain[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *found = c != '\0' ? strchr(plain, c) : NULL;
    char escape[8];

    if (found != NULL) {
        escape[0] = '\\';
        escape[1] = letters[found - plain];
        put(dump, escape, 2);
        return;
    }
    put(dump, escape,
        (apr_size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
}

static int dump_text(dump_t *dump, const char *text, apr_size_t len)
{
    const char *end = text + len;
    const char *from = text;

    if (!drs_lua_text_is_utf8(text, len)) {
        return refuse(dump, "a string is not UTF-8");
    }
    put(dump, "\"", 1);
    for (; text < end; text++) {
        unsigned char c = (unsigned char)*text;

        if (c >= 0x20 && c != '"' && c != '\\') continue;
        put(dump, from, (apr_size_t)(text - from));
        put_escape(dump, c);
        from = text + 1;
    }
    put(dump, from, (apr_size_t)(end - from));
    put(dump, "\"", 1);
    return 1;
}

/* A script may have chosen a locale that writes 1,5. */
static void write_point(char *number)
{
    const char *point = localeconv()->decimal_point;
    char *found = strstr(number, point);
    apr_size_t len = strlen(point);

    if (found == NULL || len == 0) return;
    *found = '.';
    memmove(found + 1, found + len, strlen(found + len) + 1);
}

/* The shortest form that reads back as the same double, still a float. */
static int dump_float(dump_t *dump, double n)
{
    char text[NUMBER_MAX];
    int digits;

    if (isnan(n) || isinf(n)) {
        return refuse(dump, "JSON has no NaN and no infinity");
    }
    for (digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, n);
        if (strtod(text, NULL) == n) break;
    }
    write_point(text);
    if (strpbrk(text, ".e") == NULL) strcat(text, ".0");
    put(dump, text, strlen(text));
    return 1;
}

static int dump_number(dump_t *dump, int index)
{
    char text[NUMBER_MAX];

    if (!lua_isinteger(dump->L, index)) {
        return dump_float(dump, (double)lua_tonumber(dump->L, index));
    }
    put(dump, text,
        (apr_size_t)snprintf(text, sizeof(text), "%lld",
                             (long long)lua_tointeger(dump->L, index)));
    return 1;
}

static int has_mark(lua_State *L, int index, const char *name)
{
    int same;

    if (!lua_getmetatable(L, index)) return 0;
    luaL_getmetatable(L, name);
    same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

static int count_keys(dump_t *dump, int index, shape_t *shape)
{
    lua_State *L = dump->L;

    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            shape->names++;
        }
        else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1) {
            shape->indexes++;
            if (lua_tointeger(L, -2) > shape->highest) {
                shape->highest = lua_tointeger(L, -2);
            }
        }
        else {
            return refuse(dump, "a table has a key that is neither a string "
                                "nor an index from 1");
        }
    }
    return 1;
}

static int look_at(dump_t *dump, int index, shape_t *shape)
{
    int marked = has_mark(dump->L, index, DRS_LUA_ARRAY);

    if (!count_keys(dump, index, shape)) return 0;
    if (shape->names > 0 && shape->indexes > 0) {
        return refuse(dump, "a table has both string keys and indexes");
    }
    if (marked && shape->names > 0) {
        return refuse(dump, "an array has a string key");
    }
    if (shape->indexes > 0 && has_mark(dump->L, index, DRS_LUA_OBJECT)) {
        return refuse(dump, "an object has an index as a key");
    }
    if ((apr_uint64_t)shape->highest != shape->indexes) {
        return refuse(dump, "an array has a hole; drsession.null fills it");
    }
    shape->is_array = marked || shape->indexes > 0;
    return 1;
}

static int dump_array(dump_t *dump, int index, const shape_t *shape)
{
    lua_Integer i;

    put(dump, "[", 1);
    for (i = 1; i <= shape->highest; i++) {
        if (i > 1) put(dump, ",", 1);
        lua_rawgeti(dump->L, index, i);
        if (!dump_value(dump, lua_gettop(dump->L))) return 0;
        lua_pop(dump->L, 1);
    }
    put(dump, "]", 1);
    return 1;
}

static int dump_object(dump_t *dump, int index)
{
    lua_State *L = dump->L;
    const char *separator = "";
    const char *name;
    size_t len;

    put(dump, "{", 1);
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        put(dump, separator, strlen(separator));
        separator = ",";
        name = lua_tolstring(L, -2, &len);
        if (!dump_text(dump, name, len)) return 0;
        put(dump, ":", 1);
        if (!dump_value(dump, lua_gettop(L))) return 0;
    }
    put(dump, "}", 1);
    return 1;
}

static int dump_table(dump_t *dump, int index)
{
    const void *table = lua_topointer(dump->L, index);
    shape_t shape = { 0, 0, 0, 0 };
    int done;
    int i;

    for (i = 0; i < dump->depth; i++) {
        if (dump->path[i] == table) {
            return refuse(dump, "a table contains itself");
        }
    }
    if (dump->depth == DRS_LUA_DEPTH || !lua_checkstack(dump->L, 8)) {
        return refuse(dump, "tables are nested deeper than 128");
    }
    if (!look_at(dump, index, &shape)) return 0;

    dump->path[dump->depth++] = table;
    done = shape.is_array ? dump_array(dump, index, &shape)
                          : dump_object(dump, index);
    dump->depth--;
    return done;
}

static int dump_value(dump_t *dump, int index)
{
    lua_State *L = dump->L;
    const char *text;
    size_t len;

    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        text = lua_toboolean(L, index) ? "true" : "false";
        put(dump, text, strlen(text));
        return 1;
    case LUA_TNUMBER:
        return dump_number(dump, index);
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &len);
        return dump_text(dump, text, len);
    case LUA_TTABLE:
        return dump_table(dump, index);
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index) != NULL) break;
        put(dump, "null", 4);
        return 1;
    default:
        break;
    }
    return refuse(dump, "JSON has no functions, threads or userdata, and "
                        "null is drsession.null");
}

apr_status_t drs_lua_dump(struct lua_State *L, int index, const char **json,
                          apr_size_t *len, const char **why, apr_pool_t *p)
{
    dump_t *dump = apr_pcalloc(p, sizeof(*dump));

    dump->L = L;
    dump->p = p;
    if (!dump_value(dump, lua_absindex(L, index))) {
        *why = dump->why;
        return DRS_EVALUE;
    }
    *len = dump->len;
    put(dump, "", 1);
    *json = dump->text;
    return APR_SUCCESS;
}
