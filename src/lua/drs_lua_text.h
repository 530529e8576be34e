/* SPDX-License-Identifier: MIT */
/*
 * Text as bytes for both directions of JSON: which bytes are UTF-8, and how
 * a code point is written. Knows RFC 3629 alone.
 */
#ifndef DRS_LUA_TEXT_H
#define DRS_LUA_TEXT_H

#include <apr.h>

/**
 * Measure the UTF-8 character at the beginning of a text.
 *
 * @param at  its first byte
 * @param end of the text, above at
 * @return its bytes, 1 to 4; 0 if it is none: overlong, a surrogate, cut
 * Source: RFC 3629 section 4.
 */
apr_size_t drs_lua_text_measure(const char *at, const char *end);

/**
 * Judge whether bytes are UTF-8.
 *
 * @param text bytes
 * @param len  how many
 * @return 1 or 0
 * Source: RFC 3629 section 4.
 */
int drs_lua_text_is_utf8(const char *text, apr_size_t len);

/**
 * Write a code point.
 *
 * @param code up to 0x10ffff, no surrogate
 * @param to   room for 4 bytes
 * @return how many were written
 * Source: RFC 3629 section 3.
 */
apr_size_t drs_lua_text_write(unsigned int code, char *to);

#endif
