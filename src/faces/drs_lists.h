/* SPDX-License-Identifier: MIT */
/*
 * The directives that are lists of fields: how they grow and when two of
 * their names collide. Knows no other setting; how lists merge stands in
 * drs_conf.
 */
#ifndef DRS_LISTS_H
#define DRS_LISTS_H

#include <httpd.h>
#include <http_config.h>

#include "drs_conf.h"

/**
 * Add a word to DRSessionExport.
 *
 * @param cmd  the directive; its pool owns what is kept
 * @param conf of the section
 * @param word FIELD or FIELD=NAME
 * @return NULL, or one sentence with the bad word
 */
const char *drs_lists_export(cmd_parms *cmd, drs_conf_t *conf,
                             const char *word);

/**
 * Add a pair to DRSessionForward.
 *
 * @param cmd    the directive; its pool owns what is kept
 * @param conf   of the section
 * @param field  whose value is shown
 * @param header of the request; spelled with '-' or '_' it is the same
 * @return NULL, or one sentence with the bad word
 */
const char *drs_lists_forward(cmd_parms *cmd, drs_conf_t *conf,
                              const char *field, const char *header);

/**
 * Add the words of a line to DRSessionAllow.
 *
 * @param cmd  the directive; its pool owns what is kept
 * @param conf of the section
 * @param argc 0 or more
 * @param argv the words: read or write and fields or *, or end
 * @return NULL, or one sentence with the bad word
 */
const char *drs_lists_allow(cmd_parms *cmd, drs_conf_t *conf, int argc,
                            char *const argv[]);

/**
 * Find exported names that collide, with each other or with our own.
 *
 * @param conf merged; unset settings count as their defaults
 * @param p    owns the sentence
 * @return NULL, or one sentence naming the directive and the name
 */
const char *drs_lists_check(const drs_conf_t *conf, apr_pool_t *p);

#endif
