/* SPDX-License-Identifier: MIT */
/*
 * A handle is Lua's memory, the session is the request's. Either may go
 * first, each in a thread of its own:
 *
 *     request pool --- guest ---> handle ---> handle
 *     (thread that writes)  ^        |  (thread that runs the interpreter)
 *                           +--------+
 *
 * All these links are read and changed under one lock. Whoever goes takes
 * its own out; a handle without a guest is stale. The lock is not held while
 * a verb runs: drs_turn_t vouches that this thread serves the request, hence
 * that no other one ends it.
 */
#include "drs_lua_handle.h"

#include <pthread.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#define REQUEST "Apache2.Request" /* mod_lua's metatable */
#define GUEST "mod_drsession.lua" /* the guest's name in its pool */

typedef struct handle_t handle_t;

/* What a request knows of the handles that scripts hold of it. */
typedef struct guest_t {
    apr_pool_t *pool;    /* of the initial request, which owns the session */
    apr_pool_t *scratch; /* cleared by each verb: an error clears nothing */
    handle_t *first;
    int over; /* its cleanup has run */
    int busy; /* a verb still needs the scratch; an error may leave it so */
} guest_t;

struct handle_t {
    const drs_api_t *api;
    const drs_turn_t *turn;
    drs_session_t *session;
    guest_t *guest;  /* NULL = the request is over */
    handle_t *next;  /* of the same guest */
    handle_t **from; /* what points here */
};

/* In httpd, which has no header for guests that are no modules. */
extern void *ap_lookup_provider(const char *group, const char *name,
                                const char *version) __attribute__((weak));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void unlink_handle(handle_t *handle)
{
    if (handle->guest == NULL) return;
    *handle->from = handle->next;
    if (handle->next != NULL) handle->next->from = handle->from;
    handle->guest = NULL;
}

static void link_handle(handle_t *handle, guest_t *guest)
{
    pthread_mutex_lock(&lock);
    handle->guest = guest;
    handle->next = guest->first;
    handle->from = &guest->first;
    if (handle->next != NULL) handle->next->from = &handle->next;
    guest->first = handle;
    pthread_mutex_unlock(&lock);
}

static apr_status_t end_guest(void *data)
{
    guest_t *guest = data;

    pthread_mutex_lock(&lock);
    while (guest->first != NULL) unlink_handle(guest->first);
    guest->over = 1;
    pthread_mutex_unlock(&lock);
    return APR_SUCCESS;
}

/* A pre-cleanup: scripts may run while the pools below are destroyed. */
static guest_t *find_guest(apr_pool_t *pool)
{
    void *found = NULL;
    guest_t *guest;

    apr_pool_userdata_get(&found, GUEST, pool);
    if (found != NULL) return found;

    guest = apr_pcalloc(pool, sizeof(*guest));
    guest->pool = pool;
    apr_pool_create(&guest->scratch, pool);
    apr_pool_userdata_setn(guest, GUEST, NULL, pool);
    apr_pool_pre_cleanup_register(pool, guest, end_guest);
    return guest;
}

static const void *look_up(lua_State *L, const char *name)
{
    const void *found = NULL;

    if (ap_lookup_provider != NULL) {
        found = ap_lookup_provider(DRS_API_GROUP, name, DRS_API_VERSION);
    }
    if (found == NULL) {
        drs_lua_handle_raise(L, "off", "mod_drsession is not loaded");
    }
    return found;
}

int drs_lua_handle_open(struct lua_State *L)
{
    struct request_rec **box = luaL_checkudata(L, 1, REQUEST);
    drs_lua_use_t use = { look_up(L, DRS_API_NAME), NULL, NULL, NULL };
    const drs_turn_t *turn = look_up(L, DRS_TURN_NAME);
    apr_pool_t *pool = turn->pool(*box);
    guest_t *guest = pool != NULL ? find_guest(pool) : NULL;
    handle_t *handle;

    if (guest == NULL || guest->over) {
        return drs_lua_handle_raise(L, "stale",
                                    "this request is over, or "
                                    "not the one being served");
    }
    drs_lua_handle_check(L, &use, use.api->open(*box, &use.session));
    handle = lua_newuserdata(L, sizeof(*handle));
    memset(handle, 0, sizeof(*handle));
    handle->api = use.api;
    handle->turn = turn;
    handle->session = use.session;
    luaL_setmetatable(L, DRS_LUA_HANDLE);
    link_handle(handle, guest);
    return 1;
}

void drs_lua_handle_use(struct lua_State *L, drs_lua_use_t *use)
{
    handle_t *handle = luaL_checkudata(L, 1, DRS_LUA_HANDLE);
    apr_pool_t *pool = handle->turn->pool(NULL);
    guest_t *guest = NULL;

    pthread_mutex_lock(&lock);
    if (handle->guest != NULL && handle->guest->pool == pool) {
        guest = handle->guest;
    }
    pthread_mutex_unlock(&lock);

    if (guest == NULL) {
        drs_lua_handle_raise(L, "stale",
                             "the request of this session is "
                             "over; open one for each request");
        return;
    }
    if (!guest->busy) apr_pool_clear(guest->scratch);
    use->api = handle->api;
    use->session = handle->session;
    use->p = guest->scratch;
    use->busy = &guest->busy;
}

int drs_lua_handle_forget(struct lua_State *L)
{
    handle_t *handle = luaL_checkudata(L, 1, DRS_LUA_HANDLE);

    pthread_mutex_lock(&lock);
    unlink_handle(handle);
    pthread_mutex_unlock(&lock);
    return 0;
}

int drs_lua_handle_raise(struct lua_State *L, const char *word,
                         const char *detail)
{
    const char *where;
    size_t len;

    luaL_where(L, 1);
    where = lua_tolstring(L, -1, &len);
    if (len < 2) return luaL_error(L, "%s: %s", word, detail);

    lua_pushlstring(L, where, len - 2); /* less the colon and the blank */
    lua_pushfstring(L, "%s: %s (%s)", word, detail, lua_tostring(L, -1));
    return lua_error(L);
}

void drs_lua_handle_check(struct lua_State *L, const drs_lua_use_t *use,
                          apr_status_t rv)
{
    static const struct {
        apr_status_t rv;
        const char *word;
        const char *detail;
    } failures[] = {
        { DRS_EDOWN, "down", "Redis has no answer" },
        { DRS_EUNSURE, "unsure", "it may have been done" },
        { DRS_EGONE, "gone", "the session ended meanwhile" },
        { DRS_EVALUE, "value", "Redis is not asked for this" },
        { DRS_ESENT, "sent", "the response headers are already out" },
        { DRS_EREADONLY, "readonly", "DRSession is ReadOnly here" },
        { APR_ENOTIMPL, "off", "DRSession is Off here" },
        { DRS_EREPLY, "reply", "Redis refused" } /* the last: any other */
    };
    const char *detail = "";
    size_t i = 0;

    if (rv == APR_SUCCESS || rv == APR_NOTFOUND || rv == APR_EEXIST) return;

    while (failures[i].rv != rv && failures[i].rv != DRS_EREPLY) i++;
    if (use->session != NULL) detail = use->api->error(use->session);
    if (*detail == '\0') detail = failures[i].detail;
    drs_lua_handle_raise(L, failures[i].word, detail);
}
