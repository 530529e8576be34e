/* SPDX-License-Identifier: MIT */
/*
 * The Lua module "drsession": live sessions for the scripts of mod_lua.
 * Methods are functions of the module and never of the handle, so that
 * every s.name is a field. Verbs only: lifetimes and errors stand in
 * drs_lua_handle, values in drs_lua_dump and drs_lua_load.
 */
#include <string.h>

#include <apr_tables.h>
#include <lauxlib.h>
#include <lua.h>

#include "drs_lua_dump.h"
#include "drs_lua_handle.h"
#include "drs_lua_load.h"
#include "mod_drsession.h"

int luaopen_drsession(lua_State *L) __attribute__((visibility("default")));

typedef struct text_t {
    const char *json;
    apr_size_t len;
} text_t;

static const char *check_field(lua_State *L, int index)
{
    const char *field;
    size_t len;

    luaL_checkany(L, index);
    if (lua_type(L, index) != LUA_TSTRING) {
        drs_lua_handle_raise(L, "value", "a field name is a string");
    }
    field = lua_tolstring(L, index, &len);
    if (strlen(field) != len) {
        drs_lua_handle_raise(L, "value", "a field name has no NUL in it");
    }
    return field;
}

static text_t check_value(lua_State *L, const drs_lua_use_t *use, int index)
{
    const char *why = NULL;
    text_t text = { NULL, 0 };

    luaL_checkany(L, index);
    if (drs_lua_dump(L, index, &text.json, &text.len, &why, use->p) !=
        APR_SUCCESS) {
        drs_lua_handle_raise(L, "value", why);
    }
    return text;
}

/* Each new Lua value may let a finalizer run, and that use the session. */
static void push_value(lua_State *L, const drs_lua_use_t *use, const char *json,
                       apr_size_t len)
{
    const char *why = NULL;
    int outer = *use->busy;
    apr_status_t rv;

    if (json == NULL) {
        lua_pushnil(L);
        return;
    }
    *use->busy = 1;
    rv = drs_lua_load(L, json, len, &why, use->p);
    *use->busy = outer;
    if (rv != APR_SUCCESS) drs_lua_handle_raise(L, "reply", why);
}

/* Push true or false for a status that is an answer; raise for others. */
static int push_answer(lua_State *L, const drs_lua_use_t *use, apr_status_t rv)
{
    drs_lua_handle_check(L, use, rv);
    lua_pushboolean(L, rv == APR_SUCCESS);
    return 1;
}

/* get(s, field, ...): any number of fields in one round trip. */
static int get(lua_State *L)
{
    int n = lua_gettop(L) - 1;
    const char **fields;
    const char **json;
    drs_lua_use_t use;
    int i;

    drs_lua_handle_use(L, &use);
    luaL_checkany(L, 2);
    fields = apr_palloc(use.p, (apr_size_t)n * sizeof(*fields));
    json = apr_pcalloc(use.p, (apr_size_t)n * sizeof(*json));
    for (i = 0; i < n; i++) fields[i] = check_field(L, i + 2);
    drs_lua_handle_check(
        L, &use, use.api->get_many(use.session, fields, n, json, use.p));
    luaL_checkstack(L, n + 8, "too many fields");
    for (i = 0; i < n; i++) {
        push_value(L, &use, json[i], json[i] != NULL ? strlen(json[i]) : 0);
    }
    return n;
}

/* s.field */
static int index_field(lua_State *L)
{
    drs_lua_use_t use;
    const char *field;
    const char *json = NULL;
    apr_size_t len = 0;

    drs_lua_handle_use(L, &use);
    field = check_field(L, 2);
    drs_lua_handle_check(L, &use,
                         use.api->get(use.session, field, &json, &len, use.p));
    push_value(L, &use, json, len);
    return 1;
}

/* set(s, field, value) and s.field = value; nil deletes. */
static int set(lua_State *L)
{
    drs_lua_use_t use;
    const char *field;
    apr_status_t rv;
    text_t text;

    drs_lua_handle_use(L, &use);
    field = check_field(L, 2);
    if (lua_type(L, 3) == LUA_TNIL) {
        rv = use.api->del(use.session, field);
    }
    else {
        text = check_value(L, &use, 3);
        rv = use.api->set(use.session, field, text.json, text.len);
    }
    drs_lua_handle_check(L, &use, rv);
    return 0;
}

static int add(lua_State *L)
{
    drs_lua_use_t use;
    const char *field;
    text_t text;

    drs_lua_handle_use(L, &use);
    field = check_field(L, 2);
    text = check_value(L, &use, 3);
    return push_answer(L, &use,
                       use.api->add(use.session, field, text.json, text.len));
}

/* incr(s, field, by): by is 1 unless given. */
static int incr(lua_State *L)
{
    drs_lua_use_t use;
    const char *field;
    lua_Integer by;
    apr_int64_t now = 0;

    drs_lua_handle_use(L, &use);
    field = check_field(L, 2);
    by = luaL_optinteger(L, 3, 1);
    drs_lua_handle_check(L, &use, use.api->incr(use.session, field, by, &now));
    lua_pushinteger(L, now);
    return 1;
}

static int has(lua_State *L)
{
    drs_lua_use_t use;

    drs_lua_handle_use(L, &use);
    return push_answer(L, &use, use.api->has(use.session, check_field(L, 2)));
}

static int del(lua_State *L)
{
    drs_lua_use_t use;

    drs_lua_handle_use(L, &use);
    return push_answer(L, &use, use.api->del(use.session, check_field(L, 2)));
}

static int pop(lua_State *L)
{
    drs_lua_use_t use;
    const char *field;
    const char *json = NULL;
    apr_size_t len = 0;

    drs_lua_handle_use(L, &use);
    field = check_field(L, 2);
    drs_lua_handle_check(L, &use,
                         use.api->pop(use.session, field, &json, &len, use.p));
    push_value(L, &use, json, len);
    return 1;
}

static void collect_writes(lua_State *L, const drs_lua_use_t *use,
                           apr_array_header_t *fields, apr_array_header_t *json)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    for (lua_pushnil(L); lua_next(L, 2) != 0; lua_pop(L, 1)) {
        const char *field = check_field(L, lua_gettop(L) - 1);

        APR_ARRAY_PUSH(fields, const char *) = field;
        APR_ARRAY_PUSH(json, const char *) =
            check_value(L, use, lua_gettop(L)).json;
    }
}

/* The names stay alive: their table does. */
static void collect_deletions(lua_State *L, apr_array_header_t *fields,
                              apr_array_header_t *json)
{
    lua_Integer i;

    if (lua_isnoneornil(L, 3)) return;
    luaL_checktype(L, 3, LUA_TTABLE);
    for (i = 1; lua_rawgeti(L, 3, i) != LUA_TNIL; i++) {
        APR_ARRAY_PUSH(fields, const char *) = check_field(L, -1);
        APR_ARRAY_PUSH(json, const char *) = NULL;
        lua_pop(L, 1);
    }
}

/* update(s, values, gone): all of it or nothing; gone names deletions. */
static int update(lua_State *L)
{
    drs_lua_use_t use;
    apr_array_header_t *fields;
    apr_array_header_t *json;

    drs_lua_handle_use(L, &use);
    fields = apr_array_make(use.p, 8, sizeof(const char *));
    json = apr_array_make(use.p, 8, sizeof(const char *));
    collect_writes(L, &use, fields, json);
    collect_deletions(L, fields, json);
    drs_lua_handle_check(
        L, &use,
        use.api->set_many(use.session, (const char *const *)fields->elts,
                          (const char *const *)json->elts, fields->nelts));
    return 0;
}

static int keys(lua_State *L)
{
    drs_lua_use_t use;
    apr_array_header_t *names = NULL;
    int outer;
    int i;

    drs_lua_handle_use(L, &use);
    drs_lua_handle_check(L, &use, use.api->keys(use.session, &names, use.p));
    outer = *use.busy;
    *use.busy = 1;
    lua_createtable(L, names->nelts, 0);
    luaL_setmetatable(L, DRS_LUA_ARRAY);
    for (i = 0; i < names->nelts; i++) {
        lua_pushstring(L, APR_ARRAY_IDX(names, i, const char *));
        lua_rawseti(L, -2, i + 1);
    }
    *use.busy = outer;
    return 1;
}

static int all(lua_State *L)
{
    drs_lua_use_t use;
    const char *json = NULL;
    apr_size_t len = 0;

    drs_lua_handle_use(L, &use);
    drs_lua_handle_check(L, &use,
                         use.api->all(use.session, &json, &len, use.p));
    push_value(L, &use, json, len);
    return 1;
}

static int next_pair(lua_State *L)
{
    lua_settop(L, 2);
    if (lua_next(L, 1) != 0) return 2;
    lua_pushnil(L);
    return 1;
}

/* pairs(s): over what one round trip saw; the loop may write. */
static int pairs(lua_State *L)
{
    lua_pushcfunction(L, next_pair);
    all(L);
    lua_pushnil(L);
    return 3;
}

/* #s */
static int count(lua_State *L)
{
    drs_lua_use_t use;
    apr_size_t n = 0;

    drs_lua_handle_use(L, &use);
    drs_lua_handle_check(L, &use, use.api->count(use.session, &n));
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

static int destroy(lua_State *L)
{
    drs_lua_use_t use;

    drs_lua_handle_use(L, &use);
    drs_lua_handle_check(L, &use, use.api->destroy(use.session));
    return 0;
}

static int regenerate(lua_State *L)
{
    drs_lua_use_t use;

    drs_lua_handle_use(L, &use);
    return push_answer(L, &use, use.api->regenerate(use.session));
}

static int id(lua_State *L)
{
    drs_lua_use_t use;

    drs_lua_handle_use(L, &use);
    lua_pushstring(L, use.api->id(use.session));
    return 1;
}

/* The text as Redis holds it, or the bytes of another codec. */
static int get_json(lua_State *L)
{
    drs_lua_use_t use;
    const char *field;
    const char *json = NULL;
    apr_size_t len = 0;

    drs_lua_handle_use(L, &use);
    field = check_field(L, 2);
    drs_lua_handle_check(L, &use,
                         use.api->get(use.session, field, &json, &len, use.p));
    if (json == NULL) lua_pushnil(L);
    else lua_pushlstring(L, json, len);
    return 1;
}

static int set_json(lua_State *L)
{
    drs_lua_use_t use;
    const char *field;
    const char *json;
    size_t len;

    drs_lua_handle_use(L, &use);
    field = check_field(L, 2);
    json = luaL_checklstring(L, 3, &len);
    drs_lua_handle_check(L, &use, use.api->set(use.session, field, json, len));
    return 0;
}

/* Mark a table, a new one where none is given, and return it. */
static int mark(lua_State *L, const char *name)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_setmetatable(L, name);
    return 1;
}

static int array(lua_State *L)
{
    return mark(L, DRS_LUA_ARRAY);
}

static int object(lua_State *L)
{
    return mark(L, DRS_LUA_OBJECT);
}

int luaopen_drsession(lua_State *L)
{
    static const luaL_Reg metamethods[] = {
        /* clang-format off */
        { "__index", index_field }, { "__newindex", set }, { "__len", count },
        { "__pairs", pairs }, { "__gc", drs_lua_handle_forget },
        { NULL, NULL }
        /* clang-format on */
    };
    static const luaL_Reg functions[] = {
        /* clang-format off */
        { "open", drs_lua_handle_open }, { "get", get }, { "set", set },
        { "add", add }, { "incr", incr }, { "has", has }, { "del", del },
        { "pop", pop }, { "update", update }, { "keys", keys },
        { "all", all }, { "destroy", destroy },
        { "regenerate", regenerate }, { "id", id }, { "getjson", get_json },
        { "setjson", set_json }, { "array", array }, { "object", object },
        { NULL, NULL }
        /* clang-format on */
    };

    luaL_newmetatable(L, DRS_LUA_ARRAY);
    luaL_newmetatable(L, DRS_LUA_OBJECT);
    luaL_newmetatable(L, DRS_LUA_HANDLE);
    luaL_setfuncs(L, metamethods, 0);
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
