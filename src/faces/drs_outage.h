/* SPDX-License-Identifier: MIT */
/*
 * What the error log is told of a server that fails, and how often: that it
 * is down, every few seconds that it still is, that it is up again. Knows
 * the outcome of each round trip, by thread and by none; decides nothing.
 */
#ifndef DRS_OUTAGE_H
#define DRS_OUTAGE_H

#include <httpd.h>

#include "drs_route.h"

/** One server of one child process; shared by its threads. */
typedef struct drs_outage_t drs_outage_t;

/**
 * Make a route whose outages are logged.
 *
 * @param conf what it is made of
 * @param s    in whose error log the lines stand
 * @param p    owns the result
 * @return as drs_route_create()
 */
drs_route_t *drs_outage_watch(drs_route_conf_t *conf, server_rec *s,
                              apr_pool_t *p);

/**
 * Take notice of a round trip, and log what is new: the first failure as an
 * error, one line each five seconds while failures go on, and a notice when
 * they have ended. That is so at once when Redis answers after a time in
 * which it was not asked; else, for a server that answers some and refuses
 * others, with the first answer five seconds after the last failure.
 *
 * @param outage    drs_outage_t; this is a drs_route_tell_t
 * @param rv        of the trip
 * @param recovered of the trip
 * @param why       of the trip
 */
void drs_outage_note(void *outage, apr_status_t rv, int recovered,
                     const drs_why_t *why);

/**
 * Log that a request failed: as an error, or at level debug where Redis is
 * down or its replies are unfit and this child gave an example within the
 * last minute; then the lines of drs_outage_note() count it.
 *
 * @param r      the request
 * @param rv     why it failed
 * @param format as printf(); says which request and who asked
 */
void drs_outage_complain(request_rec *r, apr_status_t rv, const char *format,
                         ...) __attribute__((format(printf, 3, 4)));

#endif
