/* SPDX-License-Identifier: MIT */
/*
 * Words of the configuration: what may be written, and what it means. Knows
 * times, sizes, names and cookie attributes; nothing of directives. Where
 * a function returns text it is NULL on success, else one sentence that
 * begins with the directive, shows the bad word and says what is allowed;
 * outputs are untouched then.
 */
#ifndef DRS_WORDS_H
#define DRS_WORDS_H

#include <httpd.h>
#include <http_config.h>

#include "drs_cookie.h"

/**
 * Say that a word is not allowed.
 *
 * @param cmd     of the setter; its pool owns the sentence
 * @param word    shown: never a secret
 * @param allowed what may be written
 * @return the sentence
 */
const char *drs_words_refuse(const cmd_parms *cmd, const char *word,
                             const char *allowed);

/**
 * Read On or Off, in any case.
 *
 * @param cmd  of the setter
 * @param word as written
 * @param on   out: 1 or 0
 * @return NULL or a sentence
 */
const char *drs_words_switch(const cmd_parms *cmd, const char *word, int *on);

/**
 * Read a time: digits, with ms, s (or nothing), min, h or d, in any case;
 * at most 36500d.
 *
 * @param cmd   of the setter
 * @param word  as written
 * @param least us that are allowed: 0, 1 ms or 1 s
 * @param time  out: us
 * @return NULL or a sentence
 */
const char *drs_words_time(const cmd_parms *cmd, const char *word,
                           apr_interval_time_t least,
                           apr_interval_time_t *time);

/**
 * Read a whole number.
 *
 * @param cmd   of the setter
 * @param word  as written
 * @param least allowed
 * @param most  allowed
 * @param n     out
 * @return NULL or a sentence
 */
const char *drs_words_number(const cmd_parms *cmd, const char *word,
                             apr_int64_t least, apr_int64_t most,
                             apr_int64_t *n);

/**
 * Read a size: bytes, or with k or m; at most 256m.
 *
 * @param cmd  of the setter
 * @param word as written
 * @param size out: bytes
 * @return NULL or a sentence
 */
const char *drs_words_size(const cmd_parms *cmd, const char *word,
                           apr_int64_t *size);

/**
 * Take name=value apart.
 *
 * @param word as written
 * @param name in any case
 * @return the value, part of word; NULL when the name is another
 */
const char *drs_words_value(const char *word, const char *name);

/**
 * Judge whether a name may be a variable of ours: a shell can hold it, and
 * it does not begin with HTTP_, which is where clients write.
 *
 * @param name NUL-terminated
 * @return 1 or 0
 */
int drs_words_is_variable(const char *name);

/**
 * Read one attribute of DRSessionCookie.
 *
 * @param cmd    of the setter
 * @param word   as written
 * @param cookie out
 * @return NULL or a sentence
 */
const char *drs_words_cookie(const cmd_parms *cmd, const char *word,
                             drs_cookie_t *cookie);

#endif
