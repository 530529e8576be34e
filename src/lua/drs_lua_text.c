/* SPDX-License-Identifier: MIT */
/*
 * Only the second byte of a character has ranges of its own:
 *
 *     E0 A0..BF   no overlong form      F0 90..BF   no overlong form
 *     ED 80..9F   no surrogate          F4 80..8F   not above 10FFFF
 */
#include "drs_lua_text.h"

static int is_between(unsigned char byte, unsigned int low, unsigned int high)
{
    return byte >= low && byte <= high;
}

static int fits_second(unsigned char first, unsigned char second)
{
    switch (first) {
    case 0xe0:
        return is_between(second, 0xa0, 0xbf);
    case 0xed:
        return is_between(second, 0x80, 0x9f);
    case 0xf0:
        return is_between(second, 0x90, 0xbf);
    case 0xf4:
        return is_between(second, 0x80, 0x8f);
    default:
        return is_between(second, 0x80, 0xbf);
    }
}

apr_size_t drs_lua_text_measure(const char *at, const char *end)
{
    const unsigned char *byte = (const unsigned char *)at;
    apr_size_t len;
    apr_size_t i;

    if (byte[0] < 0x80) return 1;
    if (is_between(byte[0], 0xc2, 0xdf)) len = 2;
    else if (is_between(byte[0], 0xe0, 0xef)) len = 3;
    else if (is_between(byte[0], 0xf0, 0xf4)) len = 4;
    else return 0;

    if ((apr_size_t)(end - at) < len || !fits_second(byte[0], byte[1])) {
        return 0;
    }
    for (i = 2; i < len; i++) {
        if (!is_between(byte[i], 0x80, 0xbf)) return 0;
    }
    return len;
}

int drs_lua_text_is_utf8(const char *text, apr_size_t len)
{
    const char *end = text + len;
    apr_size_t n;

    for (; text < end; text += n) {
        n = drs_lua_text_measure(text, end);
        if (n == 0) return 0;
    }
    return 1;
}

static char tail(unsigned int bits)
{
    return (char)(0x80 | (bits & 0x3f));
}

apr_size_t drs_lua_text_write(unsigned int code, char *to)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = tail(code);
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = tail(code >> 6);
        to[2] = tail(code);
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = tail(code >> 12);
    to[2] = tail(code >> 6);
    to[3] = tail(code);
    return 4;
}
