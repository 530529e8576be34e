/* SPDX-License-Identifier: MIT */
/*
 * Settings of a cookie by anybody: where drs_cookie_check() finds them good
 * the line is one of RFC 6265bis section 4.1.1, read here by its grammar and
 * no other, says what the settings say, and is short enough for browsers.
 *
 *     input: a byte of choices, one of more choices, then lines: name, Path,
 *            Domain, SameSite, seconds of Max-Age
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "drs_cookie.h"
#include "drs_id.h"

static int is_token(const char *from, const char *to)
{
    if (from == to) return 0;
    for (; from < to; from++) {
        if (*from <= ' ' || *from == 0x7f ||
            strchr("()<>@,;:\\\"/[]?={}", *from) != NULL) {
            return 0;
        }
    }
    return 1;
}

/* cookie-octet, a quoted value not being one of ours. */
static int is_value(const char *from, const char *to)
{
    for (; from < to; from++) {
        if (*from <= ' ' || *from == 0x7f || strchr("\",;\\", *from) != NULL) {
            return 0;
        }
    }
    return 1;
}

/* av-octet: any CHAR but controls and ';'. */
static int is_attribute(const char *from, const char *to)
{
    for (; from < to; from++) {
        if (*from < ' ' || *from == 0x7f || *from == ';') return 0;
    }
    return 1;
}

/* What a reader made of a line; NULL where an attribute is absent. */
typedef struct parts_t {
    const char *name;
    const char *value;
    const char *path;
    const char *domain;
    const char *max_age;
    const char *expires;
    const char *same_site;
    const char *secure;
    const char *http_only;
    const char *partitioned;
} parts_t;

static void put_part(parts_t *parts, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **to;
        int valued;
    } known[] = {
        /* clang-format off */
        { "Path", &parts->path, 1 },
        { "Domain", &parts->domain, 1 },
        { "Max-Age", &parts->max_age, 1 },
        { "Expires", &parts->expires, 1 },
        { "SameSite", &parts->same_site, 1 },
        { "Secure", &parts->secure, 0 },
        { "HttpOnly", &parts->http_only, 0 },
        { "Partitioned", &parts->partitioned, 0 }
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(name, known[i].name) == 0) {
            CLAIM(*known[i].to == NULL);
            CLAIM(known[i].valued == (value != NULL));
            *known[i].to = value != NULL ? value : "";
            return;
        }
    }
    fuzz_refute("an attribute is known", __FILE__, __LINE__);
}

/* set-cookie-string = cookie-pair *( ";" SP cookie-av ) */
static void read_line(const char *line, parts_t *parts, apr_pool_t *p)
{
    const char *end = line + strcspn(line, ";");
    const char *equals = memchr(line, '=', (size_t)(end - line));

    CLAIM(equals != NULL && is_token(line, equals));
    CLAIM(is_value(equals + 1, end));
    parts->name = apr_pstrmemdup(p, line, (size_t)(equals - line));
    parts->value = apr_pstrmemdup(p, equals + 1, (size_t)(end - equals - 1));
    while (*end != '\0') {
        CLAIM(end[1] == ' ');
        line = end + 2;
        end = line + strcspn(line, ";");
        CLAIM(end > line && is_attribute(line, end));
        equals = memchr(line, '=', (size_t)(end - line));
        put_part(parts,
                 apr_pstrmemdup(
                     p, line, (size_t)((equals != NULL ? equals : end) - line)),
                 equals == NULL ? NULL
                                : apr_pstrmemdup(p, equals + 1,
                                                 (size_t)(end - equals - 1)));
    }
}

static int begins(const char *name, const char *prefix)
{
    return apr_cstr_casecmpn(name, prefix, strlen(prefix)) == 0;
}

static int is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The rules of browsers, section 5.7, that a line must not break. */
static void check_rules(const parts_t *parts)
{
    int host = begins(parts->name, "__Host-");

    CLAIM(!(host || begins(parts->name, "__Secure-")) || parts->secure);
    CLAIM(!host || (parts->domain == NULL && is_same(parts->path, "/")));
    CLAIM(!is_same(parts->same_site, "None") || parts->secure);
    CLAIM(!parts->partitioned || parts->secure);
}

static void check_line(const drs_cookie_t *cookie, const char *id, int https,
                       apr_pool_t *p)
{
    const char *line = drs_cookie_write(cookie, id, https, p);
    parts_t parts;

    memset(&parts, 0, sizeof(parts));
    CLAIM(strlen(line) <= 4096);
    read_line(line, &parts, p);
    CLAIM(is_same(parts.name, cookie->name));
    CLAIM(is_same(parts.value, id != NULL ? id : ""));
    CLAIM(is_same(parts.path, cookie->path) && parts.path[0] == '/');
    CLAIM(is_same(parts.domain, cookie->domain));
    CLAIM(is_same(parts.same_site, cookie->same_site));
    CLAIM((parts.http_only != NULL) == cookie->http_only);
    CLAIM((parts.partitioned != NULL) == cookie->partitioned);
    CLAIM((parts.expires != NULL) == (id == NULL));
    if (id == NULL) {
        CLAIM(is_same(parts.max_age, "0"));
    }
    else if (cookie->max_age == 0) {
        CLAIM(parts.max_age == NULL);
    }
    else {
        CLAIM(atol(parts.max_age) * APR_USEC_PER_SEC == cookie->max_age);
    }
    if (cookie->secure == DRS_SECURE_OFF) CLAIM(parts.secure == NULL);
    if (https && cookie->secure != DRS_SECURE_OFF) CLAIM(parts.secure);
    check_rules(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char longest[] =
        "Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-"
        "_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0-_Aa0";
    static const drs_secure_t secures[] = { DRS_SECURE_AUTO, DRS_SECURE_ON,
                                            DRS_SECURE_OFF, DRS_SECURE_ON };
    fuzz_input_t input = fuzz_open(data, size);
    unsigned int choice = fuzz_byte(&input);
    drs_cookie_t cookie;
    const char *why;

    memset(&cookie, 0, sizeof(cookie));
    cookie.secure = secures[choice & 3];
    cookie.http_only = (int)(choice >> 2 & 1);
    cookie.partitioned = (int)(choice >> 3 & 1);
    cookie.name = fuzz_line(&input);
    cookie.path = fuzz_line(&input);
    cookie.domain = fuzz_line(&input);
    if (choice >> 4 & 1) cookie.domain = NULL;
    cookie.same_site = fuzz_line(&input);
    cookie.max_age = apr_strtoi64(fuzz_line(&input), NULL, 10);
    if (cookie.max_age < 1000000000 && cookie.max_age > -1000000000) {
        cookie.max_age *= APR_USEC_PER_SEC;
    }
    why = drs_cookie_check(&cookie, input.p);
    CLAIM(why == NULL || why[0] != '\0');
    if (why == NULL) {
        CLAIM(drs_id_is_wellformed(longest, strlen(longest), 0));
        CLAIM(strlen(longest) == 128);
        check_line(&cookie, longest, (int)(choice >> 5 & 1), input.p);
        check_line(&cookie, NULL, (int)(choice >> 5 & 1), input.p);
    }
    fuzz_end();
    return 0;
}
