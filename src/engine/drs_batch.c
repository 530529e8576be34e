/* SPDX-License-Identifier: MIT */
/*
 * A list of operations becomes steps on one hash and a turn of its key:
 *
 *     set a, regenerate, set b   -> a, b; the key moves
 *     set a, destroy             -> the key ends
 *     set a, destroy, set b      -> b under a fresh key; the old one ends
 */
#include "drs_batch.h"

#include <apr_strings.h>

#include "drs_life.h"
#include "drs_store.h"

typedef struct plan_t {
    drs_step_t *steps;
    int n;
    int makes; /* some step can make a session */
    int ends;  /* a destroy is among the operations */
    int moves; /* a regenerate is; of no account where there is an end */
    drs_then_t turn;
    const char *other; /* key for the turn */
} plan_t;

static apr_status_t check_op(drs_session_t *session, const drs_op_t *op,
                             drs_step_t *step, apr_pool_t *p)
{
    static const drs_step_verb_t verbs[] = { DRS_STEP_SET, DRS_STEP_ADD,
                                             DRS_STEP_INCR, DRS_STEP_DEL };
    apr_status_t rv = drs_life_begin_field(session, op->field);

    if (rv != APR_SUCCESS) return rv;
    step->verb = verbs[op->verb];
    step->field = op->field;
    step->value.data = NULL;
    step->value.len = 0;
    if (op->verb == DRS_OP_DELETE) return APR_SUCCESS;
    if (op->verb != DRS_OP_INCR) {
        return drs_life_dump(session, op->json, op->len, &step->value, p);
    }
    if (!session->terms->codec->plain_integers) {
        return drs_life_fail(session, DRS_EVALUE,
                             "this DRSessionCodec cannot count");
    }
    step->value.data = op->json;
    step->value.len = op->len;
    return APR_SUCCESS;
}

static apr_status_t make_plan(drs_session_t *session, const drs_op_t *ops,
                              int n, plan_t *plan, apr_pool_t *p)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    plan->steps = apr_pcalloc(p, ((apr_size_t)n + 1) * sizeof(*plan->steps));
    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        if (ops[i].verb == DRS_OP_DESTROY) {
            plan->n = 0;
            plan->makes = 0;
            plan->ends = 1;
        }
        else if (ops[i].verb == DRS_OP_REGENERATE) {
            plan->moves = 1;
        }
        else {
            rv = check_op(session, &ops[i], &plan->steps[plan->n++], p);
            if (ops[i].verb != DRS_OP_DELETE) plan->makes = 1;
        }
    }
    return rv;
}

static apr_status_t act(drs_store_t *store, void *baton, apr_pool_t *p)
{
    const plan_t *plan = baton;

    return drs_store_batch(store, plan->steps, plan->n, plan->turn, plan->other,
                           p);
}

/* Without a session; what makes none has nothing to do. */
static apr_status_t run_unborn(drs_session_t *session, plan_t *plan,
                               apr_pool_t *p)
{
    plan->turn = DRS_THEN_STAY;
    plan->other = NULL;
    return plan->makes ? drs_life_bear(session, act, plan, p) : APR_SUCCESS;
}

/* End the old session and make another in the same step. */
static apr_status_t run_fresh(drs_session_t *session, plan_t *plan,
                              apr_pool_t *p)
{
    apr_status_t rv;

    plan->turn = DRS_THEN_FRESH;
    plan->other = session->life->store.key;
    rv = drs_life_bear(session, act, plan, p);
    if (rv == APR_EMISMATCH) {
        rv = drs_life_end(session);
        return rv == APR_SUCCESS ? run_unborn(session, plan, p) : rv;
    }
    /* What was made and deleted again is no session: the cookie goes. */
    if (rv == APR_SUCCESS && session->life->id == NULL) {
        session->host.announce(session->host.baton, NULL);
    }
    return rv;
}

static apr_status_t run_bound(drs_session_t *session, plan_t *plan,
                              apr_pool_t *p);

/* In a Cluster the new id lives elsewhere: then it is a step of its own. */
static apr_status_t run_apart(drs_session_t *session, plan_t *plan,
                              apr_pool_t *p)
{
    const char *id = session->life->id;
    apr_status_t rv;

    plan->moves = 0;
    plan->turn = DRS_THEN_STAY;
    plan->other = NULL;
    rv = run_bound(session, plan, p);
    if (rv != APR_SUCCESS || session->life->id != id) return rv;
    return drs_life_renew(session);
}

static apr_status_t run_bound(drs_session_t *session, plan_t *plan,
                              apr_pool_t *p)
{
    drs_store_t *store = &session->life->store;
    const char *id = NULL;
    apr_status_t rv = APR_SUCCESS;

    if (plan->moves) {
        plan->turn = DRS_THEN_MOVE;
        rv = drs_life_succeed(session, &id, &plan->other);
    }
    if (rv != APR_SUCCESS) return rv;

    rv = act(store, plan, p);
    if (rv == APR_EMISMATCH) return run_apart(session, plan, p);
    if (rv == DRS_EUNSURE && plan->moves &&
        drs_life_has_moved(session, plan->other)) {
        rv = APR_SUCCESS;
    }
    drs_life_learn(session, rv);
    if (rv == DRS_EGONE && session->life->id == NULL) {
        store->why.text[0] = '\0';
        return run_unborn(session, plan, p);
    }
    if (rv == APR_SUCCESS && store->alive == DRS_ALIVE_NO) {
        drs_life_empty(session);
    }
    else if (rv == APR_SUCCESS && plan->moves) {
        drs_life_move_in(session, id);
    }
    return rv;
}

static apr_status_t run(drs_session_t *session, plan_t *plan, apr_pool_t *p)
{
    if (plan->ends && !plan->makes) return drs_life_end(session);
    if (session->life->id == NULL) return run_unborn(session, plan, p);
    if (plan->ends) return run_fresh(session, plan, p);
    return run_bound(session, plan, p);
}

apr_status_t drs_batch_run(drs_session_t *session, const drs_op_t *ops, int n)
{
    plan_t plan = { NULL, 0, 0, 0, 0, DRS_THEN_STAY, NULL };
    apr_pool_t *scratch;
    apr_status_t rv = drs_life_begin_write(session);

    if (rv != APR_SUCCESS || n <= 0) return rv;

    apr_pool_create(&scratch, session->life->pool);
    rv = make_plan(session, ops, n, &plan, scratch);
    if (rv == APR_SUCCESS) rv = run(session, &plan, scratch);
    apr_pool_destroy(scratch);
    return rv;
}
