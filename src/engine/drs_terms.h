/* SPDX-License-Identifier: MIT */
/*
 * What a session is given from above: its terms, as the configuration has
 * them for a location, and the callbacks by which the world hears of it.
 */
#ifndef DRS_TERMS_H
#define DRS_TERMS_H

#include <apr_time.h>

#include "mod_drsession.h"

/* Twice as many elements come back, and 4096 is the reader's most. */
#define DRS_FIELDS_MAX 2048

/** The terms of a session, as the configuration has them for a request. */
typedef struct drs_terms_t {
    const char *prefix; /* of the Redis key */
    const drs_codec_t *codec;
    apr_interval_time_t idle;     /* us; 0 = never expires */
    apr_interval_time_t lifetime; /* us since birth; 0 = without end */
    apr_interval_time_t command;  /* us one call may take */
    apr_size_t value_max;         /* bytes */
    int fields_max;               /* at most DRS_FIELDS_MAX */
    int strict;                   /* 0 = a client may choose its id */
    int readonly;
    int touch; /* reads refresh the expiry */
} drs_terms_t;

/** What a session tells the world above it. */
typedef struct drs_host_t {
    void (*used)(void *baton);    /* the response depends on the session */
    int (*can_send)(void *baton); /* 1 = the headers are not out yet */
    void (*announce)(void *baton, const char *id); /* NULL: expire it */
    void *baton;
} drs_host_t;

#endif
