/* SPDX-License-Identifier: MIT */
/*
 * Where Redis is: the parts of a DRSessionServer url. Knows the schemes
 * and their grammar; refuses to resolve names or to open anything.
 */
#ifndef DRS_URL_H
#define DRS_URL_H

#include <apr_pools.h>

#include "mod_drsession.h"

/** How a server is reached. */
typedef enum drs_scheme_t {
    DRS_SCHEME_TCP,      /* redis:// */
    DRS_SCHEME_UNIX,     /* unix:// */
    DRS_SCHEME_TLS,      /* rediss:// */
    DRS_SCHEME_SENTINEL, /* sentinel:// */
    DRS_SCHEME_CLUSTER   /* cluster:// */
} drs_scheme_t;

/** The parts of a url; strings live in the pool given to drs_url_parse(). */
typedef struct drs_url_t {
    drs_scheme_t scheme;
    int port;         /* 1..65535; 0 for a unix socket */
    int db;           /* 0 or more */
    const char *host; /* name or address, IPv6 without brackets; or NULL */
    const char *path; /* of the unix socket, absolute; or NULL */
    const char *user; /* percent-decoded; NULL = none given */
    const char *pass; /* percent-decoded; NULL = none given; a secret */
    const char *name; /* for messages: the url without user and password */
} drs_url_t;

/**
 * Take a url apart.
 *
 * Grammar: redis://[user[:pass]@]host[:port][/db] and
 * unix:///path[?db=N]; `redis://:pass@host` is a password without a user;
 * an IPv6 address stands in brackets; the port defaults to 6379, the
 * database to 0. sentinel://, cluster:// and rediss:// are known by name
 * and refused with a sentence that says so.
 *
 * @param text NUL-terminated, from the configuration
 * @param url  out: its parts
 * @param why  out on failure: one sentence, without user or password
 * @param p    owns *url, its strings and *why
 * @return APR_SUCCESS; DRS_EVALUE
 * Source: the redis and rediss schemes of IANA's registry, RFC 3986.
 */
apr_status_t drs_url_parse(const char *text, const drs_url_t **url,
                           const char **why, apr_pool_t *p) DRS_MUST_CHECK;

#endif
