/* SPDX-License-Identifier: MIT */
/*
 * Operations as text, as backends write them into a response header. Knows
 * the grammar; the order of operations means what drs_batch says.
 *
 *     item *( "," item )
 *     item  = "set" field JSON / "add" field JSON / "incr" field integer
 *           / "delete" field / "update" JSON-object / "regenerate"
 *           / "destroy"                          ; blanks between the words
 *     field = JSON string / 1*( ALPHA / DIGIT / "_" / "." / "-" )
 */
#ifndef DRS_OPS_H
#define DRS_OPS_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "mod_drsession.h"

/**
 * Read a list of operations.
 *
 * @param text NUL-terminated
 * @param ops  in and out: array of drs_op_t, added to; of no use after a
 *             failure
 * @param why  out on failure: one static line
 * @param p    owns what ops point to, where it is no part of text
 * @return APR_SUCCESS; DRS_EVALUE
 * Source: RFC 9110 section 5.6.1; RFC 8259.
 */
apr_status_t drs_ops_parse(const char *text, apr_array_header_t *ops,
                           const char **why, apr_pool_t *p) DRS_MUST_CHECK;

#endif
