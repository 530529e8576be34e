/* SPDX-License-Identifier: MIT */
/*
 * Request headers that show fields to a backend: what a client may not send
 * under any spelling. Knows names and where clients hide them; the values
 * are set by drs_env, in the round trip of the exports.
 */
#ifndef DRS_FORWARD_H
#define DRS_FORWARD_H

#include <httpd.h>

#include "drs_conf.h"

/**
 * Judge whether two names become one variable somewhere behind us: case and
 * whatever is no letter or digit tell nothing apart.
 *
 * @param name  NUL-terminated
 * @param other NUL-terminated
 * @return 1 or 0
 * Source: RFC 3875 section 4.1.18.
 */
int drs_forward_is_same(const char *name, const char *other);

/**
 * Remove every header of ours from a request, whoever set it: the client, or
 * a request that this one is part of or came from. Connection may not name
 * them either, for a proxy drops what it names.
 *
 * @param r    the request; its headers become its own
 * @param conf of the request
 */
void drs_forward_clear(request_rec *r, const drs_conf_t *conf);

#endif
