/* SPDX-License-Identifier: MIT */
/*
 *     well --failure: "down"--> failing --failure, 5 s later: "still"--+
 *       ^                          |  ^                                |
 *       +--answer: "up again"------+  +--------------------------------+
 *
 * A server that is well costs a round trip one look at a word and no lock.
 */
#include "drs_outage.h"

#include <pthread.h>
#include <stdarg.h>

#include <apr_atomic.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_log.h>

#include "drs_conf.h"

APLOG_USE_MODULE(drsession);

static const apr_interval_time_t pause_of_lines = 5 * APR_USEC_PER_SEC;
static const apr_interval_time_t pause_of_examples = 60 * APR_USEC_PER_SEC;

struct drs_outage_t {
    server_rec *s;
    const char *name;
    pthread_mutex_t lock;
    volatile apr_uint32_t failing; /* read without the lock */
    apr_uint64_t failures;         /* since it began */
    apr_interval_time_t since;     /* us on drs_clock_now(), like all here */
    apr_interval_time_t last;      /* failure */
    apr_interval_time_t said;      /* last line about all requests */
    apr_interval_time_t shown;     /* last line about one request; 0 = none */
    drs_why_t why;                 /* of the last that was asked */
};

static apr_status_t destroy_lock(void *outage)
{
    pthread_mutex_destroy(&((drs_outage_t *)outage)->lock);
    return APR_SUCCESS;
}

drs_route_t *drs_outage_watch(drs_route_conf_t *conf, server_rec *s,
                              apr_pool_t *p)
{
    drs_outage_t *outage = apr_pcalloc(p, sizeof(*outage));

    outage->s = s;
    outage->name = conf->server.url->name;
    pthread_mutex_init(&outage->lock, NULL);
    apr_pool_cleanup_register(p, outage, destroy_lock, apr_pool_cleanup_null);
    conf->on_trip = drs_outage_note;
    conf->baton = outage;
    return drs_route_create(conf, p);
}

static double seconds(apr_interval_time_t us)
{
    return (double)us / APR_USEC_PER_SEC;
}

/* Lock held. */
static void note_failure(drs_outage_t *outage, const drs_why_t *why)
{
    apr_interval_time_t now = drs_clock_now();
    int first = !apr_atomic_read32(&outage->failing);

    if (first) {
        outage->failures = 0;
        outage->since = now;
        outage->shown = 0;
        apr_atomic_set32(&outage->failing, 1);
    }
    outage->failures++;
    outage->last = now;
    if (first || !why->unasked) outage->why = *why;
    if (!first && now - outage->said < pause_of_lines) return;

    outage->said = now;
    if (first) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, outage->s,
                     "sessions are down: %s", outage->why.text);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, outage->s,
                     "sessions are down for %.1f s, %" APR_UINT64_T_FMT
                     " calls failed; the last: %s",
                     seconds(now - outage->since), outage->failures,
                     outage->why.text);
    }
}

/* Lock held. */
static void note_answer(drs_outage_t *outage, int recovered)
{
    apr_interval_time_t now = drs_clock_now();

    if (!apr_atomic_read32(&outage->failing)) return;
    if (!recovered && now - outage->last < pause_of_lines) return;

    apr_atomic_set32(&outage->failing, 0);
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, outage->s,
                 "sessions are up again after %.1f s, %" APR_UINT64_T_FMT
                 " calls failed: %s answers",
                 seconds((recovered ? now : outage->last) - outage->since),
                 outage->failures, outage->name);
}

void drs_outage_note(void *data, apr_status_t rv, int recovered,
                     const drs_why_t *why)
{
    drs_outage_t *outage = data;

    if (rv == APR_SUCCESS && !apr_atomic_read32(&outage->failing)) return;

    pthread_mutex_lock(&outage->lock);
    if (rv == APR_SUCCESS) {
        note_answer(outage, recovered);
    }
    else {
        note_failure(outage, why);
    }
    pthread_mutex_unlock(&outage->lock);
}

/* Lock not held: whether a request is an example, or one of many. */
static int is_example(drs_outage_t *outage)
{
    apr_interval_time_t now = drs_clock_now();
    int is_new;

    pthread_mutex_lock(&outage->lock);
    is_new = outage->shown == 0 || now - outage->shown >= pause_of_examples;
    if (is_new) outage->shown = now;
    pthread_mutex_unlock(&outage->lock);
    return is_new;
}

/*
 * Whether the lines about all requests count such a failure. A reply that is
 * unfit, too long for one, is a failure of the trip and counted; an error
 * that Redis answered is none.
 */
static int is_counted(drs_outage_t *outage, apr_status_t rv)
{
    if (rv == DRS_EDOWN || rv == DRS_EUNSURE) return 1;
    return rv == DRS_EREPLY && apr_atomic_read32(&outage->failing);
}

void drs_outage_complain(request_rec *r, apr_status_t rv, const char *format,
                         ...)
{
    const drs_conf_server_t *conf =
        ap_get_module_config(r->server->module_config, &drsession_module);
    drs_outage_t *outage = drs_route_baton(conf->route);
    int is_one_of_many = is_counted(outage, rv) && !is_example(outage);
    int level = is_one_of_many ? APLOG_DEBUG : APLOG_ERR;
    va_list args;

    if (!APLOG_R_IS_LEVEL(r, level)) return;

    va_start(args, format);
    ap_log_rerror(APLOG_MARK, level, 0, r, "%s",
                  apr_pvsprintf(r->pool, format, args));
    va_end(args);
}
