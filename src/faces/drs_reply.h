/* SPDX-License-Identifier: MIT */
/*
 * What a response says of the session: its cookie, and who may keep the
 * page. Knows headers; refuses to know when they are due.
 */
#ifndef DRS_REPLY_H
#define DRS_REPLY_H

#include <httpd.h>

/**
 * Keep shared caches from keeping this page. A stricter word of the
 * application stays, a looser one goes.
 *
 * @param r         whose response it is
 * @param announced 1 = it carries our Set-Cookie: nobody may store it
 * Source: RFC 9111 section 5.2.2; Vary of RFC 9110 section 12.5.5.
 */
void drs_reply_protect(request_rec *r, int announced);

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
