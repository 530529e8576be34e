/* SPDX-License-Identifier: MIT */
/*
 * The httpd that faces are linked to where none runs: it holds one request
 * up to them, keeps what they write, and does nothing of its own.
 */
#ifndef STAGE_H
#define STAGE_H

#include <httpd.h>

/** What is shown to a face, and what it did. */
typedef struct stage_t {
    const char *scheme;
    const char *body; /* of the request */
    apr_size_t left;  /* of it */
    apr_size_t piece; /* most that one read gets; 0 = all */
    int broken;       /* 1 = the body ends in an error */
    const char *type; /* out: of the response */
    apr_off_t length; /* out: that was announced; -1 = none was */
    apr_size_t written;
    char text[8192]; /* out: the response, NUL-terminated */
} stage_t;

/** The one there is. */
extern stage_t stage;

/**
 * Make a request, and clear the stage.
 *
 * @param own drs_conf_t of its location, and core's
 * @param p   owns it
 * @return with empty tables and a server
 */
request_rec *stage_request(void *own, apr_pool_t *p);

/**
 * Add a <Location> to the request's server.
 *
 * @param r       from stage_request()
 * @param path    of it
 * @param handler that it sets; NULL = none
 */
void stage_location(request_rec *r, const char *path, const char *handler);

#endif
