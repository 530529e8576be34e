/* SPDX-License-Identifier: MIT */
/*
 * The scripts by which a session is written: their text and how they are
 * called. Knows Lua of Redis and argument vectors; sends nothing and reads
 * no reply.
 *
 *     KEYS[1] key   KEYS[2] another key, for a script that needs it
 *     ARGV[1] may create   ARGV[2] expiry   ARGV[3] fields max
 *     -> { code, value }   code: new fields, or one of the refusals below
 */
#ifndef DRS_SCRIPT_H
#define DRS_SCRIPT_H

#include <apr_pools.h>

#include "mod_drsession.h"

/** What a script answers instead of a count. */
enum {
    DRS_SCRIPT_GONE = -1,  /* the key is not there and may not be made */
    DRS_SCRIPT_FULL = -2,  /* there would be too many fields */
    DRS_SCRIPT_EXISTS = -3 /* the field to add is there already */
};

/** Which script. */
typedef enum drs_script_name_t {
    DRS_SCRIPT_UPDATE, /* own arguments: "set" or "del", field, value; ... */
    DRS_SCRIPT_ADD,    /* own arguments: field, value */
    DRS_SCRIPT_INCR,   /* own arguments: field, by; value: the sum as text */
    DRS_SCRIPT_DEL,    /* own argument: field; code: 1 = it was there; value:
                          1 = the key is left */
    DRS_SCRIPT_BATCH   /* own arguments: "stay", "move" (to the other key) or
                          "fresh" (the other key ends); then "set", "add",
                          "incr" or "del", field, value; ... */
} drs_script_name_t;

/** A call of a script as an argument vector. */
typedef struct drs_script_t {
    const char *text;
    int argc;
    const char **argv;
    apr_size_t *lens; /* bytes of each argument */
} drs_script_t;

/** What all scripts are told. */
typedef struct drs_script_terms_t {
    const char *key;
    const char *other; /* NULL = none */
    int may_create;    /* 1 = the key may be made */
    int fields_max;
    apr_int64_t expiry; /* ms; 0 = none; below 0: where there is none yet */
} drs_script_terms_t;

/**
 * Begin a call: EVALSHA and what all scripts are told.
 *
 * @param name  which
 * @param terms key and limits
 * @param own   how many arguments will be pushed
 * @param call  out
 * @param p     owns the vector
 * Source: EVALSHA.
 */
void drs_script_start(drs_script_name_t name, const drs_script_terms_t *terms,
                      int own, drs_script_t *call, apr_pool_t *p);

/**
 * Add an argument.
 *
 * @param call a call with room for it
 * @param data bytes, kept by reference
 * @param len  how many
 */
void drs_script_push(drs_script_t *call, const char *data, apr_size_t len);

/**
 * Add an argument that is text.
 *
 * @param call a call with room for it
 * @param text NUL-terminated, kept by reference
 */
void drs_script_push_text(drs_script_t *call, const char *text);

/**
 * Turn the call into one that carries the script itself, for a server that
 * has not seen it yet.
 *
 * @param call a whole call
 * Source: EVAL.
 */
void drs_script_spell_out(drs_script_t *call);

#endif
