/* SPDX-License-Identifier: MIT */
/*
 * mod_lua keeps interpreters beyond a request and lends them to others:
 *
 *     thread 1   A  script, handler ......  B  script with A's handle
 *     thread 2      ................  A  last bytes, pool destroyed
 *
 * That A's pool still lives when B runs makes B no owner of A's session.
 * So each run of a script says here for whom it is, and a handle asks.
 */
#include "drs_turn.h"

#include <ap_provider.h>
#include <apr_optional_hooks.h>
#include <http_config.h>
#include <http_protocol.h>

#include "mod_drsession.h"

struct lua_State;

/* As mod_lua.h declares it, which is not installed everywhere. */
typedef int ap_lua_HOOK_lua_request_t(struct lua_State *L, request_rec *r);

static __thread const request_rec *at_hand; /* compared, never followed */
static __thread const request_rec *initial; /* of at_hand; outlives it */

static int begin_turn(struct lua_State *L, request_rec *r)
{
    (void)L;
    at_hand = r;
    while (r->main != NULL || r->prev != NULL) {
        r = r->main != NULL ? r->main : r->prev;
    }
    initial = r;
    return OK;
}

/* A script that is loaded anew runs before its request is announced. */
static int end_turn(request_rec *r)
{
    (void)r;
    at_hand = NULL;
    initial = NULL;
    return DECLINED;
}

static apr_pool_t *find_pool(const request_rec *r)
{
    const request_rec *known = initial;

    if (initial == NULL) return NULL;
    if (r == NULL || r == at_hand) return initial->pool;
    while (known != NULL && known != r) known = known->next;
    return known != NULL ? initial->pool : NULL;
}

void drs_turn_register(apr_pool_t *p)
{
    static const drs_turn_t turn = { find_pool };

    ap_hook_post_read_request(end_turn, NULL, NULL, APR_HOOK_REALLY_FIRST);
    APR_OPTIONAL_HOOK(ap_lua, lua_request, begin_turn, NULL, NULL,
                      APR_HOOK_MIDDLE);
    ap_register_provider(p, DRS_API_GROUP, DRS_TURN_NAME, DRS_API_VERSION,
                         &turn);
}
