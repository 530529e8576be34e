/* SPDX-License-Identifier: MIT */
/*
 * A request without httpd: a session on a rig, and what its host heard of
 * it. Knows the callbacks; refuses to know what is right.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "drs_session.h"
#include "rig.h"

/** A request. */
typedef struct request_t {
    rig_t *rig;
    drs_session_t *session;
    drs_terms_t terms; /* strict, touching, no expiry, a second a call */
    int headers_out;   /* 1 = no cookie can be sent any more */
    int used;          /* how often it was told so */
    int announced;     /* how often a cookie was queued */
    char cookie[64];   /* the last one; empty = it was expired */
} request_t;

/** The id that a client sends. */
extern const char request_client_id[];

/**
 * Begin a request on a server that has forgotten what was before; all calls
 * together may take two seconds.
 *
 * @param request out
 * @param state   of cmocka, holds the rig
 * @param id      from the client; NULL = none
 */
void request_begin(request_t *request, void **state, const char *id);

#endif
