/* SPDX-License-Identifier: MIT */
/*
 * drs_cookie: what is found in foreign Cookie headers, which settings are
 * refused, and that every line written obeys a grammar checker of its own,
 * stricter than browsers are.
 */
#include "drs_cookie.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "drs_id.h"

#define A "0123456789-_abcdefghijklmnopqrstuvwxyzABCDE" /* 43 bytes */
#define B A "F"                                         /* 44 bytes */
#define C "zyxwvutsrqponmlkjihgfedcba_-9876543210EDCBA" /* 43 bytes */
#define D "drsession="

#define NONE "none"
#define REFUSED "refused"

typedef struct row_t {
    const char *header;
    const char *found; /* NONE, REFUSED or the id */
} row_t;

static int make_pool(void **state)
{
    apr_pool_t *p = NULL;

    if (apr_initialize() != APR_SUCCESS) return 1;
    if (apr_pool_create(&p, NULL) != APR_SUCCESS) return 1;
    *state = p;
    return 0;
}

static int drop_pool(void **state)
{
    apr_pool_destroy(*state);
    apr_terminate();
    return 0;
}

static void check_row(const row_t *row, int strict, apr_pool_t *p)
{
    const char *id = NULL;
    drs_found_t got = drs_cookie_find(row->header, "drsession", strict, &id, p);
    const char *found = id != NULL ? id : NONE;

    if (got == DRS_FOUND_REFUSED) found = REFUSED;
    if ((got == DRS_FOUND_ID) != (id != NULL) ||
        strcmp(found, row->found) != 0) {
        fail_msg("%s: %s", row->header, found);
    }
}

/* clang-format off */

/* Headers without a cookie of ours. */
static const char *const none[] = {
    /* plain */
    "", " ", ";", ";;;;", " ; \t; ", "theme=dark", "session=" A,
    /* blanks and tabs around a pair are cut, others are not */
    "drsession =" A, "drsession\t=" A, "drs ession=" A, "\n" D A, "\r\n" D A,
    "\v" D A, "\f" D A, "\xc2\xa0" D A,
    /* the name is compared byte for byte */
    "DRSESSION=" A, "Drsession=" A, "drsessioN=" A, "%64rsession=" A,
    "%64%72%73%65%73%73%69%6f%6e=" A, "drsession%20=" A, "drsession%3D" A,
    "\"drsession\"=" A, "'drsession'=" A, "drsession[]=" A, "drsession.x=" A,
    "drsessions=" A, "drsessio=" A, "drsessio=n=" A, "xdrsession=" A,
    "x-drsession=" A, "__Host-drsession=" A, "__Secure-drsession=" A,
    "drsession_=" A, "drsession\x01=" A, "\x01" D A, "drsession\x7f=" A,
    "dr\xc5\xbf" "ession=" A, "\xef\xbb\xbf" D A, "_drsession=" A,
    "+drsession=" A, "drsession:" A, "drsession" A,
    /* nameless cookies cannot pose as ours */
    "=" D A, "=drsession=evil", "==" D A, " =" D A, "drsession", A, "=" A, "=",
    /* no RFC 2109, no RFC 2965 */
    "$drsession=" A, "$Path=" D A, "$Version=1, " D A,
    /* a comma splits nothing */
    "theme=dark, " D A, "," D A,
};

/* Headers with one that is no id, or with two that differ. */
static const char *const refused[] = {
    /* blanks and tabs around a pair are cut, others are not */
    D " " A, D "\t" A, D "0123456789 -_abcdefghijklmnopqrstuvwxyzABCD",
    D A "\n", D A "\r\n", D A "\v", D A "\xc2\xa0",
    /* a comma splits nothing */
    D A ",", D A ", theme=dark", D A ", " D A, D A "," D A,
    /* the value is taken as it is */
    D "\"" A "\"", D "\"" A, D A "\"", D "'" A "'", D "\"\"",
    D "%30123456789-_abcdefghijklmnopqrstuvwxyzABCD", D A "%", D A "%00",
    D "=" A, D A "=", D D A, D A "=evil", D "\\" A, D "\"a; " D A "; b\"",
    /* values that are no ids */
    D, D " ", D ";", D "; " D A, D "x", D "null", D "0123456789abcdef",
    D "0123456789-_abcdefghijklmnopqrstuvwxyzABCD", D B "G", D A A,
    D "../../../../../../../../../../../../../../../",
    D "drsession:0123456789abcdefghijklmnopqrstuvw",
    D "*******************************************", D A "*", D A ":", D A "+",
    D A "/", D A ".", D A "~", D A "\x01", D A "\x1f", D A "\x7f", D A "\x80",
    D A "\xff", D A "\xc3\xa4", D "\x01" A, D A "\r\nSet-Cookie: x=y",
    D "0123456789-_abcdefghijklmnopqrstuvwxyz\r\nABC",
    /* the same id twice is that id, anything else is none */
    D A "; " D C, D C "; " D A, D A "; " D B, D B "; " D A,
    D A "; " D A "; " D C, D A "; " D, D "; " D, D A "; " D "evil",
    D "evil; " D A, D "evil; " D "evil", D A "; " D "\"" A "\"",
    D A "; " D A "\n",
};

/* Headers with our cookie, and A in it. */
static const char *const with_a[] = {
    /* plain */
    D A, D A ";", ";" D A, ";;" D A ";;", "theme=dark; " D A, "theme=dark;" D A,
    D A "; theme=dark", D A ";theme=dark", "theme; " D A, "theme=; " D A,
    "=; " D A, "a=b=c; " D A,
    /* blanks and tabs around a pair are cut, others are not */
    " " D A, "  \t " D A, D A " ", D A "\t", D A " \t \t", "\t" D A "\t;\tx=y",
    /* nameless cookies cannot pose as ours */
    D A "; =" D C, "drsession; " D A,
    /* no RFC 2109, no RFC 2965 */
    "$Version=1; " D A "; $Path=/",
    "$Version=\"1\"; " D A "; $Path=\"/\"; $Domain=\"h\"",
    /* the value is taken as it is */
    "x=\"a; " D A "; b\"",
    /* the same id twice is that id, anything else is none */
    D A "; " D A, D A "; theme=dark; " D A " ; x", D A "; DRSESSION=" C,
    D A "; drsession =" C, D A "; %64rsession=" C,
};

/* Headers with our cookie, and another id in it. */
static const row_t with_another[] = {
    { D B, B },
    { "a=1; b=2; " D B "; c=3", B },
    { "x=y;\t \t" D B " \t;z", B },
    { "=" D A "; " D C, C },
    { "theme=dark," D A "; " D C, C },
    { D B ";" D B ";" D B, B },
};

/* clang-format on */

static const row_t lax_rows[] = {
    { D "0123456789abcdef", "0123456789abcdef" },
    { D "0123456789abcde", REFUSED },
    { D "0123456789abcde.", REFUSED },
    { D "\"0123456789abcdef\"", REFUSED },
    { D A, A },
    { D B, B },
    { D B "G", B "G" },
    { D A A "0123456789-_abcdefghijklmnopqrstuvwxyzABCD",
      A A "0123456789-_abcdefghijklmnopqrstuvwxyzABCD" },
    { D A "; " D A A, REFUSED },
    { D "0123456789abcdef; " D "0123456789abcdeF", REFUSED },
    { "=" D A, NONE },
};

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static void check_all(const char *const *headers, size_t n, const char *found,
                      apr_pool_t *p)
{
    size_t i;

    for (i = 0; i < n; i++) {
        const row_t row = { headers[i], found };

        check_row(&row, 1, p);
    }
}

static void what_only_looks_like_our_cookie_is_none(void **state)
{
    const row_t absent = { NULL, NONE };

    check_row(&absent, 1, *state);
    check_all(none, COUNT(none), NONE, *state);
}

static void our_cookie_is_refused_unless_it_is_one_id(void **state)
{
    check_all(refused, COUNT(refused), REFUSED, *state);
}

static void our_cookie_is_found_wherever_it_stands(void **state)
{
    size_t i;

    check_all(with_a, COUNT(with_a), A, *state);
    for (i = 0; i < COUNT(with_another); i++) {
        check_row(&with_another[i], 1, *state);
    }
}

static void without_strictness_other_lengths_are_ids_as_well(void **state)
{
    size_t i;

    for (i = 0; i < COUNT(lax_rows); i++) {
        check_row(&lax_rows[i], 0, *state);
    }
}

static void every_byte_added_to_an_id_or_name_spoils_it(void **state)
{
    int c;

    for (c = 1; c < 256; c++) {
        const row_t value = { apr_psprintf(*state, D "%c" B, c), REFUSED };
        const row_t name = { apr_psprintf(*state, "%cdrsession=" B, c),
                             strchr(" \t;", c) != NULL ? B : NONE };

        check_row(&value, 1, *state);
        check_row(&name, 1, *state);
    }
}

static void a_header_of_a_hundred_thousand_pairs_is_read(void **state)
{
    char *header = apr_palloc(*state, 200000 + sizeof(D A));
    row_t row = { NULL, A };

    memset(header, ';', 200000);
    memcpy(header + 200000, D A, sizeof(D A));
    row.header = header;
    check_row(&row, 1, *state);
}

static const drs_cookie_t defaults = {
    "drsession",     "/", NULL, "Lax", 400 * apr_time_from_sec(86400),
    DRS_SECURE_AUTO, 1,   0
};

static const char *repeat(char c, apr_size_t n, apr_pool_t *p)
{
    char *text = apr_palloc(p, n + 1);

    memset(text, c, n);
    text[0] = c == 'p' ? '/' : c;
    text[n] = '\0';
    return text;
}

static void assert_names(const drs_cookie_t *cookie, const char *attribute,
                         apr_pool_t *p)
{
    const char *why = drs_cookie_check(cookie, p);

    if (attribute == NULL && why != NULL) {
        fail_msg("%s: %s", cookie->name, why);
    }
    if (attribute != NULL && why == NULL) {
        fail_msg("%s %s accepted", attribute, cookie->path);
    }
    if (attribute != NULL) assert_non_null(strstr(why, attribute));
}

/* Try each value in a slot of the cookie. */
static void check_values(const drs_cookie_t *cookie, const char **slot,
                         const char *const *values, size_t n,
                         const char *attribute, apr_pool_t *p)
{
    size_t i;

    for (i = 0; i < n; i++) {
        *slot = values[i];
        assert_names(cookie, attribute, p);
    }
}

static void the_defaults_are_good(void **state)
{
    assert_names(&defaults, NULL, *state);
}

static void a_name_that_is_no_token_is_refused(void **state)
{
    drs_cookie_t cookie = defaults;
    int c;

    for (c = 1; c < 256; c++) {
        int good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                   (c >= 'A' && c <= 'Z') ||
                   strchr("!#$%&'*+-.^_`|~", c) != NULL;

        cookie.name = apr_psprintf(*state, "s%c", c);
        assert_names(&cookie, good ? NULL : "name", *state);
    }
    cookie.name = "";
    assert_names(&cookie, "name", *state);
}

static void a_path_that_would_split_the_line_is_refused(void **state)
{
    static const char *const bad[] = { "",      "app",       " /",       "/a;b",
                                       "/a,b",  "/\r\nX: y", "/\n",      "/\t",
                                       "/\x01", "/\x7f",     "/\xc3\xa4" };
    static const char *const good[] = { "/",    "/app", "/app/",      "/a b",
                                        "/a=b", "/%3B", "/~ann/\"x\"" };
    drs_cookie_t cookie = defaults;

    check_values(&cookie, &cookie.path, bad, COUNT(bad), "Path", *state);
    check_values(&cookie, &cookie.path, good, COUNT(good), NULL, *state);
}

static void a_domain_that_is_no_host_name_is_refused(void **state)
{
    static const char *const bad[] = {
        "",    "a;b",  "a,b", "a b",          "a\r\nX: y",    "a\x7f",
        "a/b", "a:80", "a=b", "\xc3\xa4.org", "*.example.org"
    };
    static const char *const good[] = { "example.org", ".example.org",
                                        "my_host", "xn--4ca.org", "10.0.0.1" };
    drs_cookie_t cookie = defaults;

    check_values(&cookie, &cookie.domain, bad, COUNT(bad), "Domain", *state);
    check_values(&cookie, &cookie.domain, good, COUNT(good), NULL, *state);
}

static void same_site_none_and_partitioned_need_secure_on(void **state)
{
    drs_cookie_t cookie = defaults;

    cookie.same_site = "None";
    assert_names(&cookie, "SameSite", *state);
    cookie.secure = DRS_SECURE_ON;
    assert_names(&cookie, NULL, *state);
    cookie.partitioned = 1;
    assert_names(&cookie, NULL, *state);
    cookie.same_site = "Strict";
    cookie.secure = DRS_SECURE_AUTO;
    assert_names(&cookie, "Partitioned", *state);
    cookie.partitioned = 0;
    assert_names(&cookie, NULL, *state);
    cookie.same_site = "Lax; Secure";
    assert_names(&cookie, "SameSite", *state);
}

static void a_host_prefix_binds_the_cookie_to_host_and_root(void **state)
{
    static const char *const names[] = { "__Host-s", "__HOST-s", "__host-s" };
    size_t i;

    for (i = 0; i < COUNT(names); i++) {
        drs_cookie_t cookie = defaults;

        cookie.name = names[i];
        cookie.domain = "example.org";
        assert_names(&cookie, "Domain", *state);
        cookie.domain = NULL;
        assert_names(&cookie, NULL, *state);
        cookie.path = "/app";
        assert_names(&cookie, "Path", *state);
        cookie.path = "/";
        cookie.secure = DRS_SECURE_OFF;
        assert_names(&cookie, "Secure", *state);
    }
}

static void a_secure_prefix_forbids_secure_off(void **state)
{
    drs_cookie_t cookie = defaults;

    cookie.name = "__secure-s";
    assert_names(&cookie, NULL, *state);
    cookie.secure = DRS_SECURE_OFF;
    assert_names(&cookie, "Secure", *state);
}

static void max_age_is_whole_seconds_up_to_400_days(void **state)
{
    drs_cookie_t cookie = defaults;

    cookie.max_age = 400 * apr_time_from_sec(86400) + 1;
    assert_names(&cookie, "Max-Age", *state);
    cookie.max_age = -apr_time_from_sec(1);
    assert_names(&cookie, "Max-Age", *state);
    cookie.max_age = apr_time_from_msec(500);
    assert_names(&cookie, "Max-Age", *state);
    cookie.max_age = 0;
    assert_names(&cookie, NULL, *state);
}

static void what_browsers_would_ignore_for_its_length_is_refused(void **state)
{
    drs_cookie_t cookie = defaults;
    apr_size_t longest;

    cookie.path = repeat('p', 1024, *state);
    cookie.domain = repeat('d', 1024, *state);
    assert_names(&cookie, NULL, *state);
    cookie.path = repeat('p', 1025, *state);
    assert_names(&cookie, "Path", *state);
    cookie.path = "/";
    cookie.domain = repeat('d', 1025, *state);
    assert_names(&cookie, "Domain", *state);
    cookie = defaults;
    cookie.name = "";
    longest = 4096 - 128 - strlen(drs_cookie_write(&cookie, "", 1, *state));
    cookie.name = repeat('n', longest, *state);
    assert_names(&cookie, NULL, *state);
    cookie.name = repeat('n', longest + 1, *state);
    assert_names(&cookie, "name", *state);
}

#define DATE "Thu, 01 Jan 1970 00:00:00 GMT"

/* What a checker of RFC 6265bis section 4.1.1 read from a line. */
typedef struct line_t {
    const char *name;
    const char *value;
    const char *path;
    const char *domain;
    const char *max_age;
    const char *expires;
    const char *same_site;
    int secure;
    int http_only;
    int partitioned;
} line_t;

static void read_attribute(line_t *line, char *attribute)
{
    const struct {
        const char *name;
        const char **value; /* NULL = the attribute has none */
        int *flag;
    } known[] = {
        { "Path", &line->path, NULL },
        { "Domain", &line->domain, NULL },
        { "Max-Age", &line->max_age, NULL },
        { "Expires", &line->expires, NULL },
        { "SameSite", &line->same_site, NULL },
        { "Secure", NULL, &line->secure },
        { "HttpOnly", NULL, &line->http_only },
        { "Partitioned", NULL, &line->partitioned },
    };
    char *value = strchr(attribute, '=');
    size_t i = 0;

    if (value != NULL) *value++ = '\0';
    while (i < COUNT(known) && strcmp(known[i].name, attribute) != 0) {
        i++;
    }
    assert_true(i < COUNT(known));
    if (known[i].value != NULL) {
        assert_null(*known[i].value);
        assert_non_null(value);
        assert_true(value[0] != '\0');
        *known[i].value = value;
    }
    else {
        assert_null(value);
        assert_int_equal((*known[i].flag)++, 0);
    }
}

static void read_line(line_t *line, const char *text, apr_pool_t *p)
{
    char *rest = apr_pstrdup(p, text);
    char *value = strchr(rest, '=');
    char *next = strstr(rest, "; ");

    memset(line, 0, sizeof(*line));
    assert_true(strlen(text) <= 4096);
    for (; *text != '\0'; text++) {
        assert_in_range((unsigned char)*text, 0x20, 0x7e);
    }
    assert_non_null(value);
    assert_non_null(next);
    assert_true(value < next);
    *value++ = '\0';
    line->name = rest;
    line->value = value;
    while (next != NULL) {
        char *attribute = next + 2;

        *next = '\0';
        next = strstr(attribute, "; ");
        if (next != NULL) *next = '\0';
        assert_null(strchr(attribute, ';'));
        read_attribute(line, attribute);
    }
    assert_null(strpbrk(value, " \",;\\"));
}

static void assert_same(const char *got, const char *wanted)
{
    if (wanted == NULL) {
        assert_null(got);
    }
    else {
        assert_non_null(got);
        assert_string_equal(got, wanted);
    }
}

static void check_line(const drs_cookie_t *cookie, const char *id, int https,
                       apr_pool_t *p)
{
    int prefixed = strncmp(cookie->name, "__", 2) == 0;
    const char *age = cookie->max_age == 0
                          ? NULL
                          : apr_psprintf(p, "%" APR_TIME_T_FMT,
                                         apr_time_sec(cookie->max_age));
    line_t line;

    read_line(&line, drs_cookie_write(cookie, id, https, p), p);
    assert_same(line.name, cookie->name);
    assert_same(line.value, id != NULL ? id : "");
    assert_same(line.path, cookie->path);
    assert_same(line.domain, cookie->domain);
    assert_same(line.same_site, cookie->same_site);
    assert_same(line.max_age, id != NULL ? age : "0");
    assert_same(line.expires, id != NULL ? NULL : DATE);
    assert_int_equal(line.http_only, cookie->http_only);
    assert_int_equal(line.partitioned, cookie->partitioned);
    assert_int_equal(line.secure, cookie->secure == DRS_SECURE_ON ||
                                      (cookie->secure == DRS_SECURE_AUTO &&
                                       (https || prefixed)));
}

/* The n-th choice of a mixed-radix count; moves on to the next digit. */
static unsigned int pick(unsigned int *n, unsigned int choices)
{
    unsigned int digit = *n % choices;

    *n /= choices;
    return digit;
}

static void every_combination_of_attributes_makes_a_strict_line(void **state)
{
    static const char *const names[] = { "drsession", "__Host-s", "__secure-s",
                                         "a!#$%&'*+-.^_`|~" };
    static const char *const paths[] = { "/", "/app", "/a b=c" };
    static const char *const domains[] = { NULL, "example.org", ".h" };
    static const char *const sites[] = { "Lax", "Strict", "None" };
    static const apr_int64_t ages[] = { 0, 1, 400 * 86400 };
    unsigned int combination;
    int written = 0;

    for (combination = 0; combination < 4 * 3 * 3 * 3 * 3 * 3 * 2 * 2 * 2;
         combination++) {
        unsigned int n = combination;
        drs_cookie_t cookie;
        int https;
        apr_pool_t *p;

        cookie.name = names[pick(&n, 4)];
        cookie.path = paths[pick(&n, 3)];
        cookie.domain = domains[pick(&n, 3)];
        cookie.same_site = sites[pick(&n, 3)];
        cookie.max_age = apr_time_from_sec(ages[pick(&n, 3)]);
        cookie.secure = (drs_secure_t)pick(&n, 3);
        cookie.http_only = (int)pick(&n, 2);
        cookie.partitioned = (int)pick(&n, 2);
        https = (int)pick(&n, 2);

        assert_int_equal(apr_pool_create(&p, *state), APR_SUCCESS);
        if (drs_cookie_check(&cookie, p) == NULL) {
            check_line(&cookie, B, https, p);
            check_line(&cookie, NULL, https, p);
            written++;
        }
        apr_pool_destroy(p);
    }
    assert_true(written > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_looks_like_our_cookie_is_none),
        cmocka_unit_test(our_cookie_is_refused_unless_it_is_one_id),
        cmocka_unit_test(our_cookie_is_found_wherever_it_stands),
        cmocka_unit_test(without_strictness_other_lengths_are_ids_as_well),
        cmocka_unit_test(every_byte_added_to_an_id_or_name_spoils_it),
        cmocka_unit_test(a_header_of_a_hundred_thousand_pairs_is_read),
        cmocka_unit_test(the_defaults_are_good),
        cmocka_unit_test(a_name_that_is_no_token_is_refused),
        cmocka_unit_test(a_path_that_would_split_the_line_is_refused),
        cmocka_unit_test(a_domain_that_is_no_host_name_is_refused),
        cmocka_unit_test(same_site_none_and_partitioned_need_secure_on),
        cmocka_unit_test(a_host_prefix_binds_the_cookie_to_host_and_root),
        cmocka_unit_test(a_secure_prefix_forbids_secure_off),
        cmocka_unit_test(max_age_is_whole_seconds_up_to_400_days),
        cmocka_unit_test(what_browsers_would_ignore_for_its_length_is_refused),
        cmocka_unit_test(every_combination_of_attributes_makes_a_strict_line),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
