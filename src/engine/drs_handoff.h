/* SPDX-License-Identifier: MIT */
/*
 * A session in two hands: a process that owns the request gives its key to
 * a child program, and the child works on the same hash by itself. Knows
 * who may make the key and who owes it its expiry; refuses to know how the
 * key travels. Both sides are here: the module gives, the command takes.
 */
#ifndef DRS_HANDOFF_H
#define DRS_HANDOFF_H

#include "drs_session.h"
#include "mod_drsession.h"

/** For how long after its birth a child may make the key, in seconds. */
enum { DRS_HANDOFF_BIRTH = 3600 };

/**
 * Have an id that can be given away. A session that lives stays as it is;
 * where there is none an id is minted and its cookie sent, and Redis holds
 * nothing before the first write, the child's or ours. To be called after
 * drs_view_fields(), which verifies the id; no traffic.
 *
 * @param session from drs_session_create()
 * @return APR_SUCCESS; DRS_ESENT a cookie is needed and the headers are out;
 *         DRS_EREADONLY there is no session and none may be made; DRS_EDOWN
 *         no random bytes, or the old session could not be ended
 * Source: DESIGN.md section 8, live access for child programs.
 */
apr_status_t drs_handoff_give(drs_session_t *session) DRS_MUST_CHECK;

/**
 * Tell whether a session was given away.
 *
 * @param session any
 * @return 1 or 0
 */
int drs_handoff_is_given(const drs_session_t *session);

/**
 * Tell the expiry that the child shall set when it writes.
 *
 * @param session given
 * @return ms; 0 = none: the key keeps what it has
 */
apr_int64_t drs_handoff_expiry(const drs_session_t *session);

/**
 * Note that the child may change the session from now on: what was read
 * before is old.
 *
 * @param session given
 */
void drs_handoff_expect_changes(drs_session_t *session);

/**
 * Give the key its expiry when the child has ended, which may have written
 * without. Where nothing was written nothing happens. With `DRSessionTouch
 * Off` only a key that has no expiry gets one. One round trip, made even
 * when the request has used up its time; none where nothing expires.
 *
 * @param session given
 * @return APR_SUCCESS; DRS_EDOWN, DRS_EUNSURE, DRS_EREPLY as set of
 *         drs_api_t
 * Source: PEXPIRE in a script.
 */
apr_status_t drs_handoff_settle(drs_session_t *session) DRS_MUST_CHECK;

/**
 * Take what another process gave. To be called before the first verb, on a
 * session that was created with a prefix of "" and the key for its id.
 *
 * @param session from drs_session_create(), its terms agreed
 * @param fresh   1 = the giver found no session: the first write may make
 *                the key, for DRS_HANDOFF_BIRTH after the birth that the id
 *                tells; 0 = there was one: a write that finds it gone is
 *                DRS_EGONE
 */
void drs_handoff_take(drs_session_t *session, int fresh);

#endif
