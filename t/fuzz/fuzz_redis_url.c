/* SPDX-License-Identifier: MIT */
/*
 * A DRSessionServer url as a tired administrator writes it, against a second
 * reader that takes it apart from the other end: both take the same urls and
 * make the same of them, the name for messages holds neither user nor
 * password, and a refusal quotes nothing of the url.
 *
 *     input: the url
 */
#include "fuzz.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "drs_url.h"

static int is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f) return 0;
    }
    return 1;
}

/* Digits only, and not above the most; -1 otherwise. */
static long long read_digits(const char *text, long long most)
{
    size_t len = strspn(text, "0123456789");
    const char *first = text + strspn(text, "0");

    if (len == 0 || text[len] != '\0') return -1;
    if (strlen(first) > 10 || strtoll(text, NULL, 10) > most) return -1;
    return strtoll(text, NULL, 10);
}

static int read_hex(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower(c) - 'a' + 10;
}

/* NULL where a percent is no escape, or is one of a NUL. */
static char *unescape(char *text)
{
    char *to = text;
    char *at;

    for (at = text; *at != '\0'; at++) {
        if (*at != '%') {
            *to++ = *at;
            continue;
        }
        if (!isxdigit((unsigned char)at[1]) ||
            !isxdigit((unsigned char)at[2])) {
            return NULL;
        }
        *to = (char)(read_hex(at[1]) << 4 | read_hex(at[2]));
        if (*to++ == '\0') return NULL;
        at += 2;
    }
    *to = '\0';
    return text;
}

static int read_login(char *login, drs_url_t *url)
{
    char *pass = strchr(login, ':');

    if (pass != NULL) {
        *pass++ = '\0';
        url->pass = unescape(pass);
        if (url->pass == NULL) return 0;
    }
    if (*login == '\0') return 1;
    url->user = unescape(login);
    return url->user != NULL;
}

static int is_name(const char *host)
{
    return *host != '\0' && host[strspn(host, "abcdefghijklmnopqrstuvwxyz"
                                              "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                              "0123456789-._")] == '\0';
}

static int read_place(char *place, drs_url_t *url)
{
    struct in6_addr address;
    char *port = strrchr(place, ':');
    char *end = place[0] == '[' ? strchr(place, ']') : NULL;

    url->port = 6379;
    if (end != NULL) {
        port = end[1] == '\0' ? NULL : end + 1;
        if (port != NULL && *port != ':') return 0;
        *end = '\0';
        place++;
        if (inet_pton(AF_INET6, place, &address) != 1) return 0;
    }
    if (port != NULL) {
        *port++ = '\0';
        url->port = (int)read_digits(port, 65535);
    }
    url->host = place;
    return url->port > 0 && (end != NULL || is_name(place));
}

static int read_tcp(char *rest, drs_url_t *url, apr_pool_t *p)
{
    char *db = strchr(rest, '/');
    char *place;

    url->scheme = DRS_SCHEME_TCP;
    url->name = apr_pstrcat(p, "redis://", rest, NULL);
    if (db != NULL) {
        *db++ = '\0';
        url->db = *db == '\0' ? 0 : (int)read_digits(db, 2147483647);
    }
    place = strchr(rest, '@');
    if (place != NULL) {
        url->name = apr_pstrcat(p, "redis://", place + 1, db ? "/" : "",
                                db ? db : "", NULL);
        *place++ = '\0';
        if (!read_login(rest, url)) return 0;
        rest = place;
    }
    return read_place(rest, url) && url->db >= 0;
}

static int read_unix(char *rest, drs_url_t *url, apr_pool_t *p)
{
    struct sockaddr_un address;
    char *query = strchr(rest, '?');

    url->scheme = DRS_SCHEME_UNIX;
    url->name = apr_pstrcat(p, "unix://", rest, NULL);
    if (query != NULL) {
        *query++ = '\0';
        if (strncmp(query, "db=", 3) != 0) return 0;
        url->db = (int)read_digits(query + 3, 2147483647);
    }
    url->path = unescape(rest);
    return url->path != NULL && *url->path == '/' && url->db >= 0 &&
           strlen(url->path) < sizeof(address.sun_path) && rest[0] == '/';
}

static int read_url(const char *text, drs_url_t *url, apr_pool_t *p)
{
    char *copy = apr_pstrdup(p, text);
    int is_tcp = apr_cstr_casecmpn(text, "redis://", 8) == 0;
    int is_unix = apr_cstr_casecmpn(text, "unix://", 7) == 0;

    if (!is_printable(text)) return 0;
    /* What is escaped is not the slash that a path begins with. */
    if (is_unix && text[7] != '/') return 0;
    if (is_tcp) return read_tcp(copy + 8, url, p);
    return is_unix && read_unix(copy + 7, url, p);
}

static int is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_good(const drs_url_t *url, const drs_url_t *other)
{
    CLAIM(url->scheme == other->scheme);
    CLAIM(url->port == other->port);
    CLAIM(url->db == other->db && url->db >= 0);
    CLAIM(is_same(url->host, other->host));
    CLAIM(is_same(url->path, other->path));
    CLAIM(is_same(url->user, other->user));
    CLAIM(is_same(url->pass, other->pass));
    CLAIM(is_same(url->name, other->name));
    CLAIM(is_printable(url->name));
    CLAIM(url->scheme == DRS_SCHEME_UNIX || strchr(url->name, '@') == NULL ||
          strchr(url->name, '@') > strchr(url->name + 8, '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t input = fuzz_open(data, size);
    const char *text = fuzz_rest(&input);
    const drs_url_t *url = NULL;
    const char *why = NULL;
    drs_url_t other;
    apr_status_t rv = drs_url_parse(text, &url, &why, input.p);
    int good;

    memset(&other, 0, sizeof(other));
    good = read_url(text, &other, input.p);
    CLAIM(rv == (good ? APR_SUCCESS : DRS_EVALUE));
    if (good) {
        check_good(url, &other);
    }
    else {
        CLAIM(url == NULL && why != NULL && strlen(why) < 160);
        /* Sentences are ours: long pieces of the url are never in one. */
        CLAIM(strlen(text) < 40 || strstr(why, text) == NULL);
    }
    fuzz_end();
    return 0;
}
