/* SPDX-License-Identifier: MIT */
/*
 * The directives: their settings, how they merge, what they default to.
 * Knows every word an administrator may write; refuses to act on any.
 */
#ifndef DRS_CONF_H
#define DRS_CONF_H

#include <httpd.h>
#include <http_config.h>

#include "drs_cookie.h"
#include "drs_pool.h"
#include "drs_route.h"
#include "drs_session.h"
#include "mod_drsession.h"

/** A setting that nobody made. */
#define DRS_UNSET (-1)

/** DRSession. */
typedef enum drs_mode_t {
    DRS_MODE_OFF,
    DRS_MODE_ON,
    DRS_MODE_READONLY
} drs_mode_t;

/** DRSessionChildAccess, where it is no url. */
#define DRS_CHILD_OFF ""
#define DRS_CHILD_ON "on"

/** A field and the variable that shows it. */
typedef struct drs_export_t {
    const char *field;
    const char *name; /* NULL = prefix, '_' and the field */
} drs_export_t;

/** A field and the request header that shows it to a backend. */
typedef struct drs_forward_t {
    const char *field;
    const char *header;
} drs_forward_t;

/** DRSessionAllow: which fields the handler shows and changes. */
typedef struct drs_allow_t {
    apr_array_header_t *read;  /* of const char * */
    apr_array_header_t *write; /* of const char * */
    int read_all;
    int write_all;
    int end;
} drs_allow_t;

/** Settings of a directory; NULL and DRS_UNSET are unset. No padding. */
typedef struct drs_conf_t {
    const char *prefix;
    const drs_cookie_t *cookie;
    const drs_codec_t *codec;
    apr_array_header_t *exports;  /* of drs_export_t */
    apr_array_header_t *forwards; /* of drs_forward_t */
    drs_allow_t *allow;
    const char *env;              /* prefix of variables, without '_' */
    const char *child;            /* DRS_CHILD_OFF, DRS_CHILD_ON or a url */
    apr_interval_time_t idle;     /* us; 0 = never */
    apr_interval_time_t lifetime; /* us; 0 = never */
    apr_int64_t value_max;        /* bytes */
    int mode;                     /* drs_mode_t */
    int touch;
    int strict;
    int pass; /* DRSessionOnError pass */
    int fields_max;
    int header; /* DRSessionHeader */
} drs_conf_t;

/** Settings of a server; NULL and DRS_UNSET are unset. No padding. */
typedef struct drs_conf_server_t {
    const drs_url_t *url;
    const char *user;
    const char *pass;             /* a secret */
    apr_interval_time_t connect;  /* us */
    apr_interval_time_t command;  /* us */
    apr_interval_time_t request;  /* us */
    apr_interval_time_t idle;     /* us; of a pooled connection */
    apr_interval_time_t wait;     /* us */
    drs_route_t *route;           /* of this child; NULL in the parent */
    const unsigned char *log_key; /* for names in logs; NULL = none */
    apr_size_t forwards;          /* DRSessionForward lines, of a <Proxy> too */
    int keep;
    int max;
} drs_conf_server_t;

/** The module record; the one symbol that the shared object exports. */
extern module AP_MODULE_DECLARE_DATA drsession_module
    __attribute__((visibility("default")));

/** The table of directives, for the module record. */
extern const command_rec drs_conf_directives[];

/**
 * Make unset settings of a directory.
 *
 * @param p   owns the result
 * @param dir unused
 * @return drs_conf_t
 * Source: create_dir_config of httpd's module record.
 */
void *drs_conf_create_dir(apr_pool_t *p, char *dir);

/**
 * Lay settings over inherited ones.
 *
 * @param p    owns the result
 * @param base inherited, drs_conf_t
 * @param add  of the section, drs_conf_t
 * @return drs_conf_t
 * Source: merge_dir_config of httpd's module record.
 */
void *drs_conf_merge_dir(apr_pool_t *p, void *base, void *add);

/** As drs_conf_create_dir(), for drs_conf_server_t. */
void *drs_conf_create_server(apr_pool_t *p, server_rec *s);

/** As drs_conf_merge_dir(), for drs_conf_server_t. */
void *drs_conf_merge_server(apr_pool_t *p, void *base, void *add);

/**
 * Fill in defaults.
 *
 * @param conf merged
 * @param out  out: nothing in it is unset
 */
void drs_conf_fill_dir(const drs_conf_t *conf, drs_conf_t *out);

/**
 * Turn the settings of a server into what a route is made of; defaults are
 * filled in.
 *
 * @param conf      merged
 * @param threads   of a child process
 * @param p         owns the result
 * @return for drs_route_create()
 */
drs_route_conf_t *drs_conf_route(const drs_conf_server_t *conf, int threads,
                                 apr_pool_t *p);

/**
 * Tell the terms of a session from settings.
 *
 * @param dir    filled in by drs_conf_fill_dir()
 * @param server merged
 * @param terms  out
 */
void drs_conf_terms(const drs_conf_t *dir, const drs_conf_server_t *server,
                    drs_terms_t *terms);

/**
 * Tell the url that child programs get.
 *
 * @param dir    filled in by drs_conf_fill_dir()
 * @param server merged
 * @return the administrator's own, or that of DRSessionServer without user
 *         and password; NULL = no child access
 */
const char *drs_conf_child_url(const drs_conf_t *dir,
                               const drs_conf_server_t *server);

/**
 * Time that all calls of one request may take.
 *
 * @param server merged
 * @return us
 */
apr_interval_time_t drs_conf_budget(const drs_conf_server_t *server);

/**
 * Find contradictions between settings of different directives.
 *
 * @param conf merged
 * @param p    owns the sentence
 * @return NULL, or one sentence naming the directives
 */
const char *drs_conf_check(const drs_conf_t *conf, apr_pool_t *p);

#endif
