/* SPDX-License-Identifier: MIT */
/*
 * One pass, one function a kind of value; each pushes exactly one Lua value
 * or says why not. The stack of C grows with DRS_LUA_DEPTH at most.
 */
#include "drs_lua_load.h"

#include <math.h>
#include <string.h>

#include <apr_strings.h>
#include <lauxlib.h>
#include <lua.h>

#include "drs_lua_dump.h"
#include "drs_lua_text.h"

#define NO_JSON "the value is not JSON"

typedef struct load_t {
    lua_State *L;
    apr_pool_t *p;
    const char *at;
    const char *end;
    const char *why;
    int depth;
} load_t;

static int load_value(load_t *load);

static int refuse(load_t *load, const char *why)
{
    load->why = why;
    return 0;
}

static void skip_space(load_t *load)
{
    while (load->at < load->end && *load->at != '\0' &&
           strchr(" \t\r\n", *load->at) != NULL) {
        load->at++;
    }
}

/* Pass over one character if it is the next. */
static int take(load_t *load, char c)
{
    if (load->at == load->end || *load->at != c) return 0;
    load->at++;
    return 1;
}

static int load_word(load_t *load, const char *word)
{
    apr_size_t len = strlen(word);

    if ((apr_size_t)(load->end - load->at) < len ||
        memcmp(load->at, word, len) != 0) {
        return refuse(load, NO_JSON);
    }
    load->at += len;
    if (*word == 'n') lua_pushlightuserdata(load->L, NULL);
    else lua_pushboolean(load->L, *word == 't');
    return 1;
}

static int take_digits(load_t *load)
{
    const char *from = load->at;

    while (load->at < load->end && *load->at >= '0' && *load->at <= '9') {
        load->at++;
    }
    return load->at > from;
}

static int take_number(load_t *load)
{
    take(load, '-');
    if (!take(load, '0') && !take_digits(load)) return 0;
    if (take(load, '.') && !take_digits(load)) return 0;
    if (take(load, 'e') || take(load, 'E')) {
        if (!take(load, '+')) take(load, '-');
        return take_digits(load);
    }
    return 1;
}

static int load_number(load_t *load)
{
    const char *from = load->at;
    const char *text;

    if (!take_number(load)) return refuse(load, NO_JSON);

    text = apr_pstrmemdup(load->p, from, (apr_size_t)(load->at - from));
    if (lua_stringtonumber(load->L, text) == 0 ||
        isinf((double)lua_tonumber(load->L, -1))) {
        return refuse(load, "a number is beyond a double");
    }
    return 1;
}

static int take_hex(load_t *load, unsigned int *unit)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found;
    int i;

    if (load->end - load->at < 4) return 0;
    for (*unit = 0, i = 0; i < 4; i++, load->at++) {
        found = *load->at != '\0' ? strchr(digits, *load->at) : NULL;
        if (found == NULL) return 0;
        *unit = *unit * 16 + ((unsigned int)(found - digits) & 15);
    }
    return 1;
}

/* Behind \u: one unit, or the two of a surrogate pair. */
static int take_code(load_t *load, unsigned int *code)
{
    unsigned int low;

    if (!take_hex(load, code)) return refuse(load, NO_JSON);
    if (*code < 0xd800 || *code > 0xdfff) return 1;

    if (*code > 0xdbff || !take(load, '\\') || !take(load, 'u') ||
        !take_hex(load, &low) || low < 0xdc00 || low > 0xdfff) {
        return refuse(load, "a string has a lone surrogate");
    }
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return 1;
}

static int take_escape(load_t *load, char **to)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char plain[] = "\"\\/\b\f\n\r\t";
    const char *found;
    unsigned int code;

    if (take(load, 'u')) {
        if (!take_code(load, &code)) return 0;
        *to += drs_lua_text_write(code, *to);
        return 1;
    }
    if (load->at == load->end || *load->at == '\0') {
        return refuse(load, NO_JSON);
    }
    found = strchr(letters, *load->at++);
    if (found == NULL) return refuse(load, NO_JSON);
    *(*to)++ = plain[found - letters];
    return 1;
}

/* Where a string ends, the quote not counted; NULL if it does not. */
static const char *find_quote(const load_t *load)
{
    const char *at = load->at;

    for (; at < load->end && *at != '"'; at++) {
        if (*at == '\\' && ++at == load->end) return NULL;
    }
    return at < load->end ? at : NULL;
}

/* Behind the first quote; no escape is shorter than what it stands for. */
static int load_string(load_t *load)
{
    const char *quote = find_quote(load);
    char *text;
    char *to;
    apr_size_t n;

    if (quote == NULL) return refuse(load, NO_JSON);
    to = text = apr_palloc(load->p, (apr_size_t)(quote - load->at) + 1);
    while (load->at < quote) {
        if (take(load, '\\')) {
            if (!take_escape(load, &to)) return 0;
            continue;
        }
        n = drs_lua_text_measure(load->at, quote);
        if (n == 0 || (unsigned char)*load->at < 0x20) {
            return refuse(load, NO_JSON);
        }
        memcpy(to, load->at, n);
        load->at += n;
        to += n;
    }
    load->at++;
    lua_pushlstring(load->L, text, (size_t)(to - text));
    return 1;
}

static int load_array(load_t *load)
{
    lua_State *L = load->L;
    lua_Integer n = 0;

    lua_newtable(L);
    luaL_setmetatable(L, DRS_LUA_ARRAY);
    skip_space(load);
    if (take(load, ']')) return 1;
    do {
        if (!load_value(load)) return 0;
        lua_rawseti(L, -2, ++n);
        skip_space(load);
    } while (take(load, ','));
    return take(load, ']') || refuse(load, NO_JSON);
}

static int load_object(load_t *load)
{
    lua_State *L = load->L;

    lua_newtable(L);
    skip_space(load);
    if (take(load, '}')) return 1;
    do {
        skip_space(load);
        if (!take(load, '"')) return refuse(load, NO_JSON);
        if (!load_string(load)) return 0;
        skip_space(load);
        if (!take(load, ':')) return refuse(load, NO_JSON);
        if (!load_value(load)) return 0;
        lua_rawset(L, -3);
        skip_space(load);
    } while (take(load, ','));
    return take(load, '}') || refuse(load, NO_JSON);
}

static int load_table(load_t *load)
{
    int done;

    if (load->depth == DRS_LUA_DEPTH || !lua_checkstack(load->L, 8)) {
        return refuse(load, "the value is nested deeper than 128");
    }
    load->depth++;
    done = *load->at++ == '[' ? load_array(load) : load_object(load);
    load->depth--;
    return done;
}

static int load_value(load_t *load)
{
    skip_space(load);
    if (load->at == load->end) return refuse(load, NO_JSON);
    switch (*load->at) {
    case '[':
    case '{':
        return load_table(load);
    case '"':
        load->at++;
        return load_string(load);
    case 't':
        return load_word(load, "true");
    case 'f':
        return load_word(load, "false");
    case 'n':
        return load_word(load, "null");
    default:
        return load_number(load);
    }
}

apr_status_t drs_lua_load(struct lua_State *L, const char *json, apr_size_t len,
                          const char **why, apr_pool_t *p)
{
    load_t load = { L, p, json, json + len, NO_JSON, 0 };
    int done = load_value(&load);

    skip_space(&load);
    if (done && load.at == load.end) return APR_SUCCESS;
    *why = load.why;
    return DRS_EREPLY;
}
