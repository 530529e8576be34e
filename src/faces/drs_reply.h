/* SPDX-License-Identifier: MIT */
/*
 * What a response says of the session: its cookie, and who may keep the
 * page. Knows headers; refuses to know when they are due.
 */
#ifndef DRS_REPLY_H
#define DRS_REPLY_H

#include <httpd.h>

/* What a response owes to one session, while it is made. */
typedef struct drs_guard_t {
    int used;      /* it depends on the session */
    int announced; /* it carries our Set-Cookie: nobody may store it */
} drs_guard_t;

/**
 * Keep shared caches from keeping a page whose session is used: now, and
 * again when its headers leave. A stricter word of the application stays, a
 * looser one goes, and so does one of mod_headers. Once the headers are out,
 * only httpd's own cache can still be told. To be called when the
 * session is used, and for each request that makes a part of the page: what
 * httpd caches of a part is protected if the session is used by then.
 *
 * @param r     whose headers they are; a subrequest makes a part
 * @param guard lives as long as the response
 * Source: RFC 9111 section 5.2.2; Vary of RFC 9110 section 12.5.5.
 */
void drs_reply_guard(request_rec *r, drs_guard_t *guard);

/**
 * Register the filters of drs_reply_guard().
 */
void drs_reply_register(void);

/**
 * Tell whether a cookie can still be sent.
 *
 * @param r whose response it is
 * @return 1; 0 the headers are out, or the program sends them by itself (nph-)
 */
int drs_reply_can_send(const request_rec *r);

/**
 * Put our cookie into a response, in place of an earlier one of ours.
 *
 * @param r    whose response it is
 * @param name of the cookie
 * @param line value of the Set-Cookie header, of the request's pool or one
 *             that lives longer
 * Source: RFC 6265bis section 4.1.
 */
void drs_reply_cookie(request_rec *r, const char *name, const char *line);

#endif
