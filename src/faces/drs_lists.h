/* SPDX-License-Identifier: MIT */
/*
 * The directives that are lists: which fields are exported, forwarded and
 * allowed. Knows what a line of them may say; refuses to know who reads it.
 * Each returns NULL, or one sentence for httpd as in drs_words.h.
 */
#ifndef DRS_LISTS_H
#define DRS_LISTS_H

#include <httpd.h>
#include <http_config.h>

#include "drs_conf.h"

/**
 * Judge the variables that exports become, under the prefix at hand.
 *
 * @param cmd  of a setter
 * @param conf being read
 * @return NULL or a sentence
 */
const char *drs_lists_check(const cmd_parms *cmd, const drs_conf_t *conf);

/**
 * Set DRSessionExport.
 *
 * @param cmd  of httpd
 * @param dir  drs_conf_t
 * @param word FIELD or FIELD=NAME
 * @return NULL or a sentence
 */
const char *drs_lists_export(cmd_parms *cmd, void *dir, const char *word);

/**
 * Set DRSessionForward.
 *
 * @param cmd    of httpd
 * @param dir    drs_conf_t
 * @param field  whose value is shown
 * @param header of the request
 * @return NULL or a sentence
 */
const char *drs_lists_forward(cmd_parms *cmd, void *dir, const char *field,
                              const char *header);

/**
 * Set DRSessionAllow.
 *
 * @param cmd  of httpd
 * @param dir  drs_conf_t
 * @param argc words
 * @param argv read or write and fields, or end
 * @return NULL or a sentence
 */
const char *drs_lists_allow(cmd_parms *cmd, void *dir, int argc,
                            char *const argv[]);

#endif
