/* SPDX-License-Identifier: MIT */
/*
 * Where Redis is: takes a DRSessionServer url apart. Knows the grammar of
 * each scheme; refuses to resolve names or to open anything. Sentences
 * about a bad url quote nothing of it: in a mistyped one the password may
 * stand anywhere.
 */
#include "drs_url.h"

#include <arpa/inet.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <apr_cstr.h>
#include <apr_escape.h>
#include <apr_strings.h>

/*
 *   redis://  user:pass @ host:port / db        unix://  /path ?db= N
 *             ----------------------                     ----- -----
 *             authority, to the first '/'
 */
#define DEFAULT_PORT 6379
#define MAX_PORT 65535

/* Takes what follows the scheme; NULL or a sentence about what is wrong. */
typedef const char *(*parse_t)(const char *rest, drs_url_t *url, apr_pool_t *p);

typedef struct known_t {
    const char *prefix;
    drs_scheme_t scheme;
    parse_t parse; /* NULL = known by name only */
} known_t;

static int read_number(const char *text, apr_size_t len, int max, int *n)
{
    int value = 0;
    apr_size_t i;

    for (i = 0; i < len; i++) {
        int digit = text[i] - '0';

        if (digit < 0 || digit > 9 || value > (max - digit) / 10) return 0;
        value = value * 10 + digit;
    }
    if (len == 0) return 0;
    *n = value;
    return 1;
}

/* NULL for a bad escape, and for %00, which would cut a C string. */
static const char *decode(const char *text, apr_size_t len, apr_pool_t *p)
{
    return apr_punescape_url(p, apr_pstrmemdup(p, text, len), NULL, NULL, 0);
}

static const char *parse_userinfo(const char *text, apr_size_t len,
                                  drs_url_t *url, apr_pool_t *p)
{
    const char *colon = memchr(text, ':', len);
    apr_size_t user_len = colon != NULL ? (apr_size_t)(colon - text) : len;
    int bad = 0;

    if (user_len > 0) {
        url->user = decode(text, user_len, p);
        bad = url->user == NULL;
    }
    if (colon != NULL) {
        url->pass = decode(colon + 1, len - user_len - 1, p);
        bad = bad || url->pass == NULL;
    }
    return bad ? "user or password have a bad %-escape" : NULL;
}

static int is_host_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
}

/* Sets the host and returns the byte after it; NULL when there is none. */
static const char *parse_name(const char *text, const char *end, drs_url_t *url,
                              apr_pool_t *p)
{
    const char *at = text;

    while (at < end && is_host_char(*at)) {
        at++;
    }
    url->host = apr_pstrmemdup(p, text, (apr_size_t)(at - text));
    return at > text ? at : NULL;
}

static const char *parse_ipv6(const char *text, const char *end, drs_url_t *url,
                              apr_pool_t *p)
{
    const char *close = memchr(text, ']', (apr_size_t)(end - text));
    struct in6_addr address;

    if (close == NULL) return NULL;
    url->host = apr_pstrmemdup(p, text + 1, (apr_size_t)(close - text - 1));
    return inet_pton(AF_INET6, url->host, &address) == 1 ? close + 1 : NULL;
}

static const char *parse_host(const char *text, const char *end, drs_url_t *url,
                              apr_pool_t *p)
{
    int bracket = text < end && *text == '[';
    const char *at =
        bracket ? parse_ipv6(text, end, url, p) : parse_name(text, end, url, p);

    if (at == NULL || (at < end && *at != ':')) {
        return "the host is no name or address; IPv6 stands in brackets, "
               "'@' in a password is written %40, '/' %2F";
    }
    if (at < end && (!read_number(at + 1, (apr_size_t)(end - at - 1), MAX_PORT,
                                  &url->port) ||
                     url->port == 0)) {
        return "the port is no number of 1 to 65535";
    }
    return NULL;
}

static const char *parse_tcp(const char *rest, drs_url_t *url, apr_pool_t *p)
{
    const char *end = rest + strcspn(rest, "/");
    const char *at = memchr(rest, '@', (apr_size_t)(end - rest));
    const char *why = NULL;

    url->port = DEFAULT_PORT;
    if (at != NULL) {
        why = parse_userinfo(rest, (apr_size_t)(at - rest), url, p);
        rest = at + 1;
    }
    if (why == NULL) {
        why = parse_host(rest, end, url, p);
    }
    if (why == NULL && end[0] != '\0' && end[1] != '\0' &&
        !read_number(end + 1, strlen(end + 1), INT_MAX, &url->db)) {
        why = "the database is no number";
    }
    url->name = apr_pstrcat(p, "redis://", rest, NULL);
    return why;
}

static const char *parse_unix(const char *rest, drs_url_t *url, apr_pool_t *p)
{
    struct sockaddr_un address;
    apr_size_t len = strcspn(rest, "?");
    const char *query = rest + len;

    if (rest[0] != '/') return "unix:// is followed by an absolute path";
    if (query[0] != '\0' &&
        (strncmp(query, "?db=", 4) != 0 ||
         !read_number(query + 4, strlen(query + 4), INT_MAX, &url->db))) {
        return "after the path of a unix socket only ?db=N may stand";
    }
    url->path = decode(rest, len, p);
    if (url->path == NULL) return "the path has a bad %-escape";
    if (strlen(url->path) >= sizeof(address.sun_path)) {
        return "the path is too long for a unix socket";
    }
    url->name = apr_pstrcat(p, "unix://", rest, NULL);
    return NULL;
}

static const known_t schemes[] = {
    /* clang-format off */
    { "redis://", DRS_SCHEME_TCP, parse_tcp },
    { "unix://", DRS_SCHEME_UNIX, parse_unix },
    { "rediss://", DRS_SCHEME_TLS, NULL },
    { "sentinel://", DRS_SCHEME_SENTINEL, NULL },
    { "cluster://", DRS_SCHEME_CLUSTER, NULL },
    { NULL, DRS_SCHEME_TCP, NULL }
    /* clang-format on */
};

static const known_t *find_scheme(const char *text)
{
    const known_t *known = schemes;

    while (known->prefix != NULL &&
           apr_cstr_casecmpn(text, known->prefix, strlen(known->prefix)) != 0) {
        known++;
    }
    return known->prefix != NULL ? known : NULL;
}

/* Such bytes would forge lines wherever the url's name is shown. */
static int has_blank_or_control(const char *text)
{
    while ((unsigned char)*text > ' ' && *text != 0x7f) {
        text++;
    }
    return *text != '\0';
}

static const char *parse_any(const char *text, drs_url_t *url, apr_pool_t *p)
{
    const known_t *known = find_scheme(text);

    if (known == NULL) {
        return "the url begins with neither redis:// nor unix://";
    }
    if (known->parse == NULL) {
        return apr_pstrcat(p, known->prefix,
                           " is not supported by this version", NULL);
    }
    if (has_blank_or_control(text)) {
        return "the url has a blank or a control character";
    }
    url->scheme = known->scheme;
    return known->parse(text + strlen(known->prefix), url, p);
}

apr_status_t drs_url_parse(const char *text, const drs_url_t **url,
                           const char **why, apr_pool_t *p)
{
    drs_url_t *parts = apr_pcalloc(p, sizeof(*parts));
    const char *fault = parse_any(text, parts, p);

    if (fault != NULL) {
        *why = fault;
        return DRS_EVALUE;
    }
    *url = parts;
    return APR_SUCCESS;
}
