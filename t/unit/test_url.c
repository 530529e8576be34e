/* SPDX-License-Identifier: MIT */
/*
 * drs_url: what each url means, which are refused, and that no sentence
 * about a bad one gives a password away.
 */
#include "drs_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

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

static void assert_text(const char *got, const char *wanted)
{
    if (wanted == NULL) {
        assert_null(got);
    }
    else {
        assert_non_null(got);
        assert_string_equal(got, wanted);
    }
}

static void good_tcp_urls_are_taken_apart(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        int port;
        int db;
        const char *user;
        const char *pass;
        const char *name;
    } rows[] = {
        /* clang-format off */
        { "redis://h", "h", 6379, 0, NULL, NULL, "redis://h" },
        { "redis://h/", "h", 6379, 0, NULL, NULL, "redis://h/" },
        { "REDIS://h", "h", 6379, 0, NULL, NULL, "redis://h" },
        { "redis://127.0.0.1:6379/0", "127.0.0.1", 6379, 0, NULL, NULL,
          "redis://127.0.0.1:6379/0" },
        { "redis://h:1/15", "h", 1, 15, NULL, NULL, "redis://h:1/15" },
        { "redis://h:65535", "h", 65535, 0, NULL, NULL, "redis://h:65535" },
        { "redis://h/2147483647", "h", 6379, 2147483647, NULL, NULL,
          "redis://h/2147483647" },
        { "redis://my_db-1.example.org", "my_db-1.example.org", 6379, 0,
          NULL, NULL, "redis://my_db-1.example.org" },
        { "redis://[::1]", "::1", 6379, 0, NULL, NULL, "redis://[::1]" },
        { "redis://[2001:db8::7]:7000/3", "2001:db8::7", 7000, 3, NULL,
          NULL, "redis://[2001:db8::7]:7000/3" },
        { "redis://[::ffff:10.0.0.1]", "::ffff:10.0.0.1", 6379, 0, NULL,
          NULL, "redis://[::ffff:10.0.0.1]" },
        { "redis://:secret@h:7/1", "h", 7, 1, NULL, "secret",
          "redis://h:7/1" },
        { "redis://ann@h", "h", 6379, 0, "ann", NULL, "redis://h" },
        { "redis://ann:secret@h", "h", 6379, 0, "ann", "secret",
          "redis://h" },
        { "redis://ann:@h", "h", 6379, 0, "ann", "", "redis://h" },
        { "redis://@h", "h", 6379, 0, NULL, NULL, "redis://h" },
        { "redis://ann:a:b:c@h", "h", 6379, 0, "ann", "a:b:c",
          "redis://h" },
        { "redis://a%3Ab:p%40s%2fs%25@h", "h", 6379, 0, "a:b", "p@s/s%",
          "redis://h" },
        { "redis://:a+b?c#d@[::1]:9", "::1", 9, 0, NULL, "a+b?c#d",
          "redis://[::1]:9" },
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const drs_url_t *url = NULL;
        const char *why = NULL;

        assert_int_equal(drs_url_parse(rows[i].text, &url, &why, *state),
                         APR_SUCCESS);
        assert_null(why);
        assert_int_equal(url->scheme, DRS_SCHEME_TCP);
        assert_text(url->host, rows[i].host);
        assert_int_equal(url->port, rows[i].port);
        assert_int_equal(url->db, rows[i].db);
        assert_text(url->user, rows[i].user);
        assert_text(url->pass, rows[i].pass);
        assert_text(url->name, rows[i].name);
        assert_null(url->path);
    }
}

static void good_unix_urls_are_taken_apart(void **state)
{
    static const struct {
        const char *text;
        const char *path;
        int db;
    } rows[] = {
        { "unix:///run/redis.sock", "/run/redis.sock", 0 },
        { "unix:///run/redis.sock?db=0", "/run/redis.sock", 0 },
        { "unix:///run/redis.sock?db=12", "/run/redis.sock", 12 },
        { "unix:///run/my%20redis%3f", "/run/my redis?", 0 },
        { "unix:///r@x:1", "/r@x:1", 0 },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const drs_url_t *url = NULL;
        const char *why = NULL;

        assert_int_equal(drs_url_parse(rows[i].text, &url, &why, *state),
                         APR_SUCCESS);
        assert_int_equal(url->scheme, DRS_SCHEME_UNIX);
        assert_text(url->path, rows[i].path);
        assert_int_equal(url->db, rows[i].db);
        assert_int_equal(url->port, 0);
        assert_null(url->host);
        assert_null(url->user);
        assert_null(url->pass);
        assert_text(url->name, rows[i].text);
    }
}

static void assert_refused(const char *text, apr_pool_t *p)
{
    const drs_url_t *url = NULL;
    const char *why = NULL;

    if (drs_url_parse(text, &url, &why, p) != DRS_EVALUE) {
        fail_msg("%s was accepted", text);
    }
    assert_null(url);
    assert_non_null(why);
    assert_null(strstr(why, "s3cret"));
    assert_null(strchr(why, '\n'));
}

static void bad_urls_are_refused_without_showing_a_password(void **state)
{
    static const char *const rows[] = {
        /* clang-format off */
        "", "redis", "redis:", "redis:/", "redis://", "redis:///", "://",
        "http://h", "redi://h", "s3cret://h", "s3cret", ":s3cret@h",
        "127.0.0.1:6379", "redis//h", " redis://h", "redis://h ",
        "redis://:6379", "redis://:6379/1", "redis:///0", "redis://@",
        "redis://:s3cret@", "redis://:s3cret@/0", "redis://ann:s3cret",
        "redis://:s3cret", "redis://:s3@cret@h", "redis://:s3/cret@h",
        "redis://:s3cret@h:99999", "redis://:s3cret@h/x",
        "redis://:s3cret%@h", "redis://:s3cret%4@h", "redis://:s3cret%zz@h",
        "redis://:s3cret%00@h", "redis://s3cret%00@h", "redis://%zz:a@h",
        "redis://:s3cret @h", "redis://:s3cret\n@h", "redis://h\r\nX: y",
        "redis://h:", "redis://h:0", "redis://h:65536", "redis://h:-1",
        "redis://h:+1", "redis://h:6379x", "redis://h:99999999999999999999",
        "redis://h:0x10", "redis://h:6379:1", "redis://h:1 ",
        "redis://h/-1", "redis://h/1/2", "redis://h/1x", "redis://h//",
        "redis://h/2147483648", "redis://h/99999999999999999999",
        "redis://h/0?db=1", "redis://h?db=1", "redis://h#1", "redis://h/#",
        "redis://a,b", "redis://h\\x", "redis://h%41", "redis://a b",
        "redis://h\xc3\xa4", "redis://h\x7f",
        "redis://[", "redis://[]", "redis://]", "redis://[::1",
        "redis://::1", "redis://[::1]6379", "redis://[::1]:",
        "redis://[127.0.0.1]", "redis://[h]", "redis://[::1]x",
        "redis://[fe80::1%25eth0]", "redis://[::1::2]", "redis://2001:db8::7",
        "unix:", "unix://", "unix:/run/r", "unix://run/r", "unix://h/run/r",
        "unix://:s3cret@/run/r", "unix:///r?", "unix:///r?db", "unix:///r?x",
        "unix:///r?db=", "unix:///r?db=x", "unix:///r?db=-1",
        "unix:///r?db=1&x=2", "unix:///r?DB=1", "unix:///r?db=2147483648",
        "unix:///r%", "unix:///r%00", "unix:///r%zz", "unix:///r r",
        "unix:///r\n",
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_refused(rows[i], *state);
    }
}

static void a_path_that_no_socket_can_have_is_refused(void **state)
{
    char path[108 + 1];
    const drs_url_t *url = NULL;
    const char *why = NULL;

    memset(path, 'r', sizeof(path));
    path[0] = '/';
    path[108] = '\0';
    assert_refused(apr_pstrcat(*state, "unix://", path, NULL), *state);
    path[107] = '\0';
    assert_int_equal(drs_url_parse(apr_pstrcat(*state, "unix://", path, NULL),
                                   &url, &why, *state),
                     APR_SUCCESS);
}

static void schemes_known_by_name_only_are_named_in_the_refusal(void **state)
{
    static const char *const rows[] = { "rediss://", "sentinel://",
                                        "cluster://" };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const drs_url_t *url = NULL;
        const char *why = NULL;
        const char *text = apr_pstrcat(*state, rows[i], ":s3cret@h", NULL);

        assert_refused(text, *state);
        assert_int_equal(drs_url_parse(text, &url, &why, *state), DRS_EVALUE);
        assert_non_null(strstr(why, rows[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_tcp_urls_are_taken_apart),
        cmocka_unit_test(good_unix_urls_are_taken_apart),
        cmocka_unit_test(bad_urls_are_refused_without_showing_a_password),
        cmocka_unit_test(a_path_that_no_socket_can_have_is_refused),
        cmocka_unit_test(schemes_known_by_name_only_are_named_in_the_refusal),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_pool, drop_pool);
}
