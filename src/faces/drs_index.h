/* SPDX-License-Identifier: MIT */
/*
 * A request whose file became another one: mod_dir answers a folder by its
 * index, or what is missing by the FallbackResource. Knows how to notice it
 * and what was left behind; not how a request is prepared.
 */
#ifndef DRS_INDEX_H
#define DRS_INDEX_H

#include <httpd.h>

/**
 * Remember for which place the request is prepared.
 *
 * @param r the request, in its fixups
 */
void drs_index_note(request_rec *r);

/**
 * Tell whether the request has got another place since; if so, take out the
 * headers and variables that were made for the earlier one.
 *
 * @param r the request, at the end of its fixups
 * @return 1 = it is to be prepared anew; 0 = it is still there
 */
int drs_index_leave(request_rec *r);

#endif
