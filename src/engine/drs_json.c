/* SPDX-License-Identifier: MIT */
/*
 * JSON as bytes: a recursive descent over RFC 8259 that looks and never
 * copies. Knows where a value ends and why a text is none; refuses to
 * decode. Recursion is bounded by the depth that the caller allows.
 */
#include "drs_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every scan_* below stands at its first byte and leaves `at` behind its
 * last one, or returns 0 with `why` set. */
typedef struct scan_t {
    const char *at;
    const char *end;
    int room;        /* levels that may still be opened */
    const char *why; /* NULL until something is wrong */
} scan_t;

static int scan_value(scan_t *scan);

static int refuse(scan_t *scan, const char *why)
{
    scan->why = why;
    return 0;
}

static int refuse_here(scan_t *scan)
{
    return refuse(scan,
                  scan->at < scan->end ? "not JSON" : "JSON ends too early");
}

/* The next byte, or -1, which is none. */
static int peek(const scan_t *scan)
{
    return scan->at < scan->end ? (unsigned char)*scan->at : -1;
}

static int take(scan_t *scan, char c)
{
    if (peek(scan) != (unsigned char)c) return 0;
    scan->at++;
    return 1;
}

const char *drs_json_skip(const char *at, const char *end)
{
    while (at < end &&
           (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) {
        at++;
    }
    return at;
}

static void skip_blanks(scan_t *scan)
{
    scan->at = drs_json_skip(scan->at, scan->end);
}

/* Bytes that the first one promises; 0 when it begins no character. */
static int expect_bytes(unsigned char first)
{
    if (first < 0x80) return 1;
    if (first < 0xc2) return 0;
    if (first < 0xe0) return 2;
    if (first < 0xf0) return 3;
    return first < 0xf5 ? 4 : 0;
}

/*
 * Bytes of the character at `at`, 0 when it is not UTF-8. The second byte's
 * range depends on the first: that keeps out overlong forms (E0, F0),
 * surrogates (ED) and what lies beyond U+10FFFF (F4).
 */
static int measure_char(const char *at, const char *end)
{
    const unsigned char *byte = (const unsigned char *)at;
    int len = expect_bytes(byte[0]);
    int low = byte[0] == 0xe0 ? 0xa0 : byte[0] == 0xf0 ? 0x90 : 0x80;
    int high = byte[0] == 0xed ? 0x9f : byte[0] == 0xf4 ? 0x8f : 0xbf;
    int i;

    if (end - at < len) return 0;
    for (i = 1; i < len; i++) {
        if (byte[i] < low || byte[i] > high) return 0;
        low = 0x80;
        high = 0xbf;
    }
    return len;
}

int drs_json_is_utf8(const char *text, apr_size_t len)
{
    const char *end = text + len;

    while (text < end) {
        int n = measure_char(text, end);

        if (n == 0) return 0;
        text += n;
    }
    return 1;
}

static int is_hex(int c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

static int scan_escape(scan_t *scan)
{
    int c;
    int i;

    scan->at++;
    c = peek(scan);
    if (c <= 0 || strchr("\"\\/bfnrtu", c) == NULL) {
        return refuse(scan, "bad escape in a JSON string");
    }
    scan->at++;
    for (i = 0; c == 'u' && i < 4; i++) {
        if (!is_hex(peek(scan))) {
            return refuse(scan, "bad escape in a JSON string");
        }
        scan->at++;
    }
    return 1;
}

static int scan_char(scan_t *scan)
{
    int n;

    if (peek(scan) < 0) return refuse_here(scan);
    if (peek(scan) < 0x20) {
        return refuse(scan, "control character in a JSON string");
    }
    if (peek(scan) == '\\') return scan_escape(scan);

    n = measure_char(scan->at, scan->end);
    if (n == 0) return refuse(scan, "JSON string is not UTF-8");
    scan->at += n;
    return 1;
}

static int scan_string(scan_t *scan)
{
    if (!take(scan, '"')) return refuse_here(scan);
    while (!take(scan, '"')) {
        if (!scan_char(scan)) return 0;
    }
    return 1;
}

/* The limit of a double has 309 digits: later ones change no answer. */
#define DIGITS 320
#define BEYOND 99999

static int clamp(apr_int64_t n)
{
    return (int)(n > BEYOND ? BEYOND : n < -BEYOND ? -BEYOND : n);
}

static apr_int64_t read_exponent(const char *at, const char *end)
{
    int negative = at < end && *at == '-';
    apr_int64_t n = 0;

    for (; at < end; at++) {
        if (*at != '-' && *at != '+' && n < APR_INT64_MAX / 100) {
            n = n * 10 + (*at - '0');
        }
    }
    return negative ? -n : n;
}

/*
 * Whether a double holds a number of the right form. strtod() may judge,
 * but it reads '.' in some locales only: so it gets the significant digits
 * as an integer, and what the point meant added to the exponent.
 */
static int is_finite(const char *at, const char *end)
{
    char digits[DIGITS + sizeof("e-99999")] = "";
    apr_int64_t exponent = 0;
    int fraction = 0;
    int n = 0;

    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        int cut = n == DIGITS;

        if (*at == '.') {
            fraction = 1;
        }
        else if (*at != '-') {
            if (!cut && (n > 0 || *at != '0')) digits[n++] = *at;
            exponent += cut - fraction;
        }
    }
    if (n == 0) return 1;

    if (at < end) exponent += read_exponent(at + 1, end);
    snprintf(digits + n, sizeof(digits) - (size_t)n, "e%d", clamp(exponent));
    return isfinite(strtod(digits, NULL));
}

static int scan_digits(scan_t *scan)
{
    const char *first = scan->at;

    while (peek(scan) >= '0' && peek(scan) <= '9') {
        scan->at++;
    }
    return scan->at > first || refuse_here(scan);
}

static int scan_number(scan_t *scan)
{
    const char *first = scan->at;
    int integer = 1;

    (void)take(scan, '-');
    if (!take(scan, '0') && !scan_digits(scan)) return 0;
    if (take(scan, '.')) {
        integer = 0;
        if (!scan_digits(scan)) return 0;
    }
    if (take(scan, 'e') || take(scan, 'E')) {
        integer = 0;
        if (!take(scan, '+')) (void)take(scan, '-');
        if (!scan_digits(scan)) return 0;
    }
    if (integer || is_finite(first, scan->at)) return 1;
    return refuse(scan, "JSON number is beyond a double");
}

static int scan_word(scan_t *scan, const char *word)
{
    for (; *word != '\0'; word++) {
        if (!take(scan, *word)) return refuse_here(scan);
    }
    return 1;
}

static int scan_name(scan_t *scan)
{
    skip_blanks(scan);
    if (!scan_string(scan)) return 0;
    skip_blanks(scan);
    return take(scan, ':') || refuse_here(scan);
}

static int scan_item(scan_t *scan, int named)
{
    if (named && !scan_name(scan)) return 0;
    skip_blanks(scan);
    if (!scan_value(scan)) return 0;
    skip_blanks(scan);
    return 1;
}

static int scan_items(scan_t *scan, char close)
{
    if (scan->room == 0) return refuse(scan, "JSON is nested too deep");
    scan->room--;
    scan->at++;
    skip_blanks(scan);
    if (!take(scan, close)) {
        do {
            if (!scan_item(scan, close == '}')) return 0;
        } while (take(scan, ','));
        if (!take(scan, close)) return refuse_here(scan);
    }
    scan->room++;
    return 1;
}

static int scan_value(scan_t *scan)
{
    switch (peek(scan)) {
    case '{':
        return scan_items(scan, '}');
    case '[':
        return scan_items(scan, ']');
    case '"':
        return scan_string(scan);
    case 't':
        return scan_word(scan, "true");
    case 'f':
        return scan_word(scan, "false");
    case 'n':
        return scan_word(scan, "null");
    default:
        return scan_number(scan);
    }
}

apr_status_t drs_json_scan(const char *text, apr_size_t len, int depth,
                           const char **value, const char **end,
                           const char **why)
{
    scan_t scan = { text, text + len, depth, NULL };
    const char *first;

    skip_blanks(&scan);
    first = scan.at;
    if (!scan_value(&scan)) {
        *why = scan.why;
        return DRS_EVALUE;
    }
    *value = first;
    *end = scan.at;
    return APR_SUCCESS;
}
