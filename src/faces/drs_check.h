/* SPDX-License-Identifier: MIT */
/*
 * Contradictions between sections of the configuration. Knows how httpd
 * keeps its sections and which of them can be judged before a request;
 * refuses to know what a single directive may say.
 */
#ifndef DRS_CHECK_H
#define DRS_CHECK_H

#include <httpd.h>

/**
 * Find contradictions between the settings of a server and each of its
 * sections. Of what a section inherits only that is judged which no other
 * section sets: which sections meet in a request is not known before.
 *
 * @param s merged, with all its sections
 * @param p owns the sentence
 * @return NULL, or one sentence naming the directives and the section
 */
const char *drs_check_server(const server_rec *s, apr_pool_t *p);

#endif
