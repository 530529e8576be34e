/* SPDX-License-Identifier: MIT */
/*
 * The session cookie on the wire: finding it in a Cookie header, judging
 * its settings, writing the Set-Cookie line. Knows the grammar of both
 * headers; refuses to know requests, or whether a session lives.
 */
#include "drs_cookie.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "drs_id.h"

/* What browsers take, RFC 6265bis sections 5.5 to 5.7. */
#define MAX_AGE (400 * 24 * apr_time_from_sec(3600))
#define MAX_ATTRIBUTE 1024
#define MAX_LINE 4096

/* The longest id that a cookie may carry: one of a client, not strict. */
#define MAX_ID 128

#define EXPIRED "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/*
 *   Cookie: theme=dark; drsession=Xk3...; =drsession=evil
 *           ----------  ----------------  ----------------
 *           pairs, blanks cut; the last one has the name ""
 *
 * Returns the value if the pair has this name, and moves `end` to its end.
 */
static const char *match_pair(const char *pair, const char **end,
                              const char *name)
{
    apr_size_t len = strlen(name);

    while (pair < *end && is_blank(*pair)) {
        pair++;
    }
    while (pair < *end && is_blank((*end)[-1])) {
        (*end)--;
    }
    if ((apr_size_t)(*end - pair) <= len) return NULL;
    if (memcmp(pair, name, len) != 0 || pair[len] != '=') return NULL;
    return pair + len + 1;
}

drs_found_t drs_cookie_find(const char *header, const char *name, int strict,
                            const char **id, apr_pool_t *p)
{
    const char *first = NULL;
    apr_size_t first_len = 0;

    while (header != NULL) {
        const char *next = strchr(header, ';');
        const char *end = next != NULL ? next : header + strlen(header);
        const char *value = match_pair(header, &end, name);
        apr_size_t len = value != NULL ? (apr_size_t)(end - value) : 0;

        header = next != NULL ? next + 1 : NULL;
        if (value == NULL) continue;
        if (!drs_id_is_wellformed(value, len, strict) ||
            (first != NULL &&
             (len != first_len || memcmp(value, first, len) != 0))) {
            return DRS_FOUND_REFUSED;
        }
        first = value;
        first_len = len;
    }
    if (first == NULL) return DRS_FOUND_NONE;

    *id = apr_pstrmemdup(p, first, first_len);
    return DRS_FOUND_ID;
}

static int is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

/* Whether all of a text is letters, digits and the marks given. */
static int is_made_of(const char *text, const char *marks)
{
    while (*text != '\0' && (is_alnum(*text) || strchr(marks, *text))) {
        text++;
    }
    return *text == '\0';
}

/* A comma is allowed there, but where httpd joins headers it would split. */
static int is_attribute(const char *text)
{
    while (*text >= ' ' && *text < 0x7f && *text != ';' && *text != ',') {
        text++;
    }
    return *text == '\0';
}

static int has_prefix(const char *name, const char *prefix)
{
    return apr_cstr_casecmpn(name, prefix, strlen(prefix)) == 0;
}

static int is_host_prefixed(const drs_cookie_t *cookie)
{
    return has_prefix(cookie->name, "__Host-");
}

static int is_prefixed(const drs_cookie_t *cookie)
{
    return is_host_prefixed(cookie) || has_prefix(cookie->name, "__Secure-");
}

static const char *check_scope(const drs_cookie_t *cookie)
{
    const char *path = cookie->path;
    const char *domain = cookie->domain;

    if (path[0] != '/') return "Path does not begin with '/'";
    if (!is_attribute(path)) {
        return "Path has a ';', a ',' or bytes that are not printable ASCII";
    }
    if (strlen(path) > MAX_ATTRIBUTE) {
        return "Path is over 1024 bytes: browsers would ignore it";
    }
    if (domain == NULL) return NULL;

    if (domain[0] == '\0' || !is_made_of(domain, ".-_")) {
        return "Domain is no host name";
    }
    if (strlen(domain) > MAX_ATTRIBUTE) {
        return "Domain is over 1024 bytes: browsers would ignore it";
    }
    return NULL;
}

static const char *check_secure(const drs_cookie_t *cookie)
{
    int none = strcmp(cookie->same_site, "None") == 0;

    if (!none && strcmp(cookie->same_site, "Lax") != 0 &&
        strcmp(cookie->same_site, "Strict") != 0) {
        return "SameSite is not Lax, Strict or None";
    }
    if (none && cookie->secure != DRS_SECURE_ON) {
        return "SameSite=None needs Secure=on";
    }
    if (cookie->partitioned && cookie->secure != DRS_SECURE_ON) {
        return "Partitioned needs Secure=on";
    }
    return NULL;
}

static const char *check_prefix(const drs_cookie_t *cookie)
{
    if (is_prefixed(cookie) && cookie->secure == DRS_SECURE_OFF) {
        return "a name with __Host- or __Secure- forbids Secure=off";
    }
    if (is_host_prefixed(cookie) && cookie->domain != NULL) {
        return "a name with __Host- forbids Domain";
    }
    if (is_host_prefixed(cookie) && strcmp(cookie->path, "/") != 0) {
        return "a name with __Host- needs Path=/";
    }
    return NULL;
}

static const char *check_max_age(const drs_cookie_t *cookie)
{
    if (cookie->max_age < 0 || cookie->max_age > MAX_AGE) {
        return "Max-Age is not within 0 and 400 days";
    }
    /* Half a second would be written as 0 and end every session. */
    if (apr_time_usec(cookie->max_age) != 0) {
        return "Max-Age is not a number of whole seconds";
    }
    return NULL;
}

static const char *check_length(const drs_cookie_t *cookie, apr_pool_t *p)
{
    apr_size_t ended = strlen(drs_cookie_write(cookie, NULL, 1, p));
    apr_size_t live = strlen(drs_cookie_write(cookie, "", 1, p)) + MAX_ID;

    if (ended > MAX_LINE || live > MAX_LINE) {
        return apr_psprintf(p,
                            "name, Path and Domain make a line of more "
                            "than %d bytes",
                            MAX_LINE);
    }
    return NULL;
}

const char *drs_cookie_check(const drs_cookie_t *cookie, apr_pool_t *p)
{
    const char *why;

    if (cookie->name[0] == '\0' ||
        !is_made_of(cookie->name, "!#$%&'*+-.^_`|~")) {
        return "the name of the cookie is no token";
    }
    why = check_scope(cookie);
    if (why == NULL) why = check_secure(cookie);
    if (why == NULL) why = check_prefix(cookie);
    if (why == NULL) why = check_max_age(cookie);
    if (why == NULL) why = check_length(cookie, p);
    return why;
}

static int is_secure(const drs_cookie_t *cookie, int https)
{
    if (cookie->secure != DRS_SECURE_AUTO) {
        return cookie->secure == DRS_SECURE_ON;
    }
    return https || is_prefixed(cookie);
}

static const char *write_age(const drs_cookie_t *cookie, apr_pool_t *p)
{
    if (cookie->max_age == 0) return "";
    return apr_psprintf(p, "; Max-Age=%" APR_TIME_T_FMT,
                        apr_time_sec(cookie->max_age));
}

const char *drs_cookie_write(const drs_cookie_t *cookie, const char *id,
                             int https, apr_pool_t *p)
{
    const char *domain = cookie->domain;

    return apr_pstrcat(
        p, cookie->name, "=", id != NULL ? id : "", "; Path=", cookie->path,
        domain != NULL ? "; Domain=" : "", domain != NULL ? domain : "",
        id != NULL ? write_age(cookie, p) : EXPIRED,
        is_secure(cookie, https) ? "; Secure" : "",
        cookie->http_only ? "; HttpOnly" : "", "; SameSite=", cookie->same_site,
        cookie->partitioned ? "; Partitioned" : "", NULL);
}
