/* SPDX-License-Identifier: MIT */
/*
 * drs_conf and drs_words without an httpd: no setting is lost in a merge,
 * defaults fill what is unset, each directive takes what it should and
 * leaves its setting alone where it refuses.
 */
#include "drs_conf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <ap_provider.h>
#include <apr_cstr.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <http_log.h>
#include <cmocka.h>

#include "drs_codec.h"

/* What drs_conf and drs_words ask of httpd. */

module AP_MODULE_DECLARE_DATA drsession_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, NULL, 0
};

static int warnings;

int ap_cstr_casecmp(const char *a, const char *b)
{
    return apr_cstr_casecmp(a, b);
}

int ap_cstr_casecmpn(const char *a, const char *b, apr_size_t n)
{
    return apr_cstr_casecmpn(a, b, n);
}

void *ap_lookup_provider(const char *group, const char *name,
                         const char *version)
{
    static const drs_codec_t rot13;

    (void)group;
    (void)version;
    return strcmp(name, "rot13") == 0 ? (void *)(uintptr_t)&rot13 : NULL;
}

const char *ap_check_cmd_context(cmd_parms *cmd, unsigned forbidden)
{
    (void)cmd;
    (void)forbidden;
    return NULL;
}

char *ap_server_root_relative(apr_pool_t *p, const char *file)
{
    return apr_pstrdup(p, file);
}

void ap_log_error_(const char *file, int line, int module_index, int level,
                   apr_status_t status, const server_rec *s, const char *fmt,
                   ...)
{
    (void)file;
    (void)line;
    (void)module_index;
    (void)level;
    (void)status;
    (void)s;
    (void)fmt;
    warnings++;
}

/* A server, a directory and a line of configuration. */

typedef struct site_t {
    apr_pool_t *p;
    server_rec server;
    ap_directive_t line;
    cmd_parms cmd;
    drs_conf_t *dir;
    drs_conf_server_t *conf;
} site_t;

static void clear(site_t *site)
{
    site->server.module_config = apr_pcalloc(site->p, 8 * sizeof(void *));
    site->conf = drs_conf_create_server(site->p, &site->server);
    site->dir = drs_conf_create_dir(site->p, NULL);
    ap_set_module_config(site->server.module_config, &drsession_module,
                         site->conf);
}

static int make_site(void **state)
{
    apr_pool_t *p = NULL;
    site_t *site;

    if (apr_initialize() != APR_SUCCESS) return 1;
    if (apr_pool_create(&p, NULL) != APR_SUCCESS) return 1;
    site = apr_pcalloc(p, sizeof(*site));
    site->p = p;
    site->cmd.pool = p;
    site->cmd.temp_pool = p;
    site->cmd.server = &site->server;
    site->cmd.directive = &site->line;
    drsession_module.module_index = 1;
    clear(site);
    *state = site;
    return 0;
}

static int drop_site(void **state)
{
    apr_pool_destroy(((site_t *)*state)->p);
    apr_terminate();
    return 0;
}

static const char *call(site_t *site, int argc, char **argv)
{
    const command_rec *how = site->cmd.cmd;
    const char *why = NULL;
    int i;

    switch (how->args_how) {
    case TAKE1:
        return how->AP_TAKE1(&site->cmd, site->dir, argv[1]);
    case TAKE12:
        return how->AP_TAKE2(&site->cmd, site->dir, argv[1], argv[2]);
    case TAKE_ARGV:
        return how->AP_TAKE_ARGV(&site->cmd, site->dir, argc - 1, argv + 1);
    case ITERATE:
        for (i = 1; why == NULL && i < argc; i++) {
            why = how->AP_TAKE1(&site->cmd, site->dir, argv[i]);
        }
        return why;
    default:
        fail_msg("%s: a kind of arguments that is not known", how->name);
        return NULL;
    }
}

/* One line as httpd would hand it over; NULL or the sentence. */
static const char *say(site_t *site, const char *text)
{
    char **argv;
    int argc = 0;

    assert_int_equal(apr_tokenize_to_argv(text, &argv, site->p), APR_SUCCESS);
    while (argv[argc] != NULL) argc++;
    for (site->cmd.cmd = drs_conf_directives; site->cmd.cmd->name != NULL;
         site->cmd.cmd++) {
        if (strcmp(site->cmd.cmd->name, argv[0]) == 0) {
            return call(site, argc, argv);
        }
    }
    fail_msg("%s: no such directive", argv[0]);
    return NULL;
}

static void takes(site_t *site, const char *text)
{
    const char *why;

    clear(site);
    why = say(site, text);
    if (why != NULL) fail_msg("%s: %s", text, why);
}

/* Refused by name, and nothing of it stays. */
static void refuses(site_t *site, const char *text)
{
    const char *why;
    apr_size_t len = strcspn(text, " ");

    clear(site);
    why = say(site, text);
    if (why == NULL) fail_msg("%s: taken", text);
    assert_memory_equal(why, text, len);
    /* DRSessionCookie shows the cookie's name before the colon. */
    assert_true(strncmp(why + len, ": ", 2) == 0 ||
                (why[len] == ' ' && strstr(why + len, ": ") != NULL));
}

static void no_setting_of_a_directory_is_lost_in_a_merge(void **state)
{
    apr_pool_t *p = ((site_t *)*state)->p;
    drs_conf_t *unset = drs_conf_create_dir(p, NULL);
    drs_conf_t set;

    memset(&set, 0x5a, sizeof(set));
    assert_memory_equal(drs_conf_merge_dir(p, &set, unset), &set, sizeof(set));
    assert_memory_equal(drs_conf_merge_dir(p, unset, &set), &set, sizeof(set));
}

static void no_setting_of_a_server_is_lost_in_a_merge(void **state)
{
    apr_pool_t *p = ((site_t *)*state)->p;
    drs_conf_server_t *unset = drs_conf_create_server(p, NULL);
    drs_conf_server_t set;

    memset(&set, 0x5a, sizeof(set));
    assert_memory_equal(drs_conf_merge_server(p, &set, unset), &set,
                        sizeof(set));
    assert_memory_equal(drs_conf_merge_server(p, unset, &set), &set,
                        sizeof(set));
}

/* The other way round: each byte of the nearer section stays. */
static void the_nearer_setting_wins(void **state)
{
    apr_pool_t *p = ((site_t *)*state)->p;
    drs_conf_t far_dir;
    drs_conf_t near_dir;
    drs_conf_server_t far_server;
    drs_conf_server_t near_server;

    memset(&far_dir, 0x33, sizeof(far_dir));
    memset(&near_dir, 0x5a, sizeof(near_dir));
    assert_memory_equal(drs_conf_merge_dir(p, &far_dir, &near_dir), &near_dir,
                        sizeof(near_dir));
    memset(&far_server, 0x33, sizeof(far_server));
    memset(&near_server, 0x5a, sizeof(near_server));
    assert_memory_equal(drs_conf_merge_server(p, &far_server, &near_server),
                        &near_server, sizeof(near_server));
}

static void defaults_fill_what_is_unset_and_nothing_else(void **state)
{
    apr_pool_t *p = ((site_t *)*state)->p;
    drs_conf_t set;
    drs_conf_t out;

    memset(&set, 0x5a, sizeof(set));
    drs_conf_fill_dir(&set, &out);
    assert_memory_equal(&out, &set, sizeof(set));

    drs_conf_fill_dir(drs_conf_create_dir(p, NULL), &out);
    assert_string_equal(out.prefix, "drsession:");
    assert_string_equal(out.cookie->name, "drsession");
    assert_ptr_equal(out.codec, &drs_codec_json);
    assert_string_equal(out.env, "DRSESSION");
    assert_int_equal(out.mode, DRS_MODE_OFF);
    assert_int_equal(out.idle, 0);
    assert_int_equal(out.lifetime, 0);
    assert_int_equal(out.value_max, 1 << 20);
    assert_int_equal(out.fields_max, 1000);
    assert_int_equal(out.touch, 1);
    assert_int_equal(out.strict, 1);
    assert_int_equal(out.pass, 0);
    assert_null(out.exports);
    assert_null(out.allow);
}

static void a_route_has_the_defaults_and_the_settings(void **state)
{
    site_t *site = *state;
    const drs_route_conf_t *route;

    clear(site);
    route = drs_conf_route(site->conf, 25, site->p);
    assert_string_equal(route->server.url->name, "redis://127.0.0.1:6379/0");
    assert_int_equal(route->server.connect, 500000);
    assert_int_equal(route->pool.max, 25);
    assert_int_equal(route->pool.keep, 1);
    assert_int_equal(route->pool.idle, 60000000);
    assert_int_equal(route->pool.wait, 200000);
    assert_int_equal(drs_conf_budget(site->conf), 2000000);

    assert_null(say(site, "DRSessionServer redis://u:pw@h:1/2"));
    assert_null(say(site, "DRSessionTimeout connect=1s request=3s"));
    assert_null(say(site, "DRSessionPool max=4 idle=5s wait=6ms"));
    route = drs_conf_route(site->conf, 25, site->p);
    assert_string_equal(route->server.url->host, "h");
    assert_string_equal(route->server.user, "u");
    assert_string_equal(route->server.pass, "pw");
    assert_int_equal(route->server.connect, 1000000);
    assert_int_equal(route->pool.max, 4);
    assert_int_equal(route->pool.idle, 5000000);
    assert_int_equal(route->pool.wait, 6000);
    assert_int_equal(drs_conf_budget(site->conf), 3000000);
}

static void a_user_is_never_inherited_without_his_password(void **state)
{
    site_t *site = *state;
    drs_conf_server_t *base = drs_conf_create_server(site->p, NULL);
    drs_conf_server_t *merged;

    base->user = "app";
    base->pass = "app-pw";
    clear(site);
    site->conf->pass = "other-pw";
    merged = drs_conf_merge_server(site->p, base, site->conf);
    assert_null(merged->user);
    assert_string_equal(merged->pass, "other-pw");

    clear(site);
    assert_null(say(site, "DRSessionServer redis://h"));
    merged = drs_conf_merge_server(site->p, base, site->conf);
    assert_string_equal(merged->user, "app");
    assert_string_equal(merged->pass, "app-pw");

    clear(site);
    assert_null(say(site, "DRSessionServer redis://:url-pw@h"));
    merged = drs_conf_merge_server(site->p, base, site->conf);
    assert_null(merged->user);
    assert_null(merged->pass);
}

static void times_have_units(void **state)
{
    site_t *site = *state;
    static const struct {
        const char *word;
        apr_interval_time_t us;
    } rows[] = {
        /* clang-format off */
        { "0", 0 }, { "7", 7000000 }, { "7s", 7000000 }, { "7S", 7000000 },
        { "7ms", 7000 }, { "7min", 420000000 }, { "7Min", 420000000 },
        { "7h", APR_INT64_C(25200000000) },
        { "7d", APR_INT64_C(604800000000) },
        { "36500d", APR_INT64_C(3153600000000000) }
        /* clang-format on */
    };
    static const char *const bad[] = {
        /* clang-format off */
        "-1", "+1", "s", "ms", "1m", "1 s", "1.5s", "1sec", "1mins", "1hd",
        "0x1", "36501d", "876001h", "9999999999999999", "1000000000000000d"
        /* clang-format on */
    };
    apr_size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        takes(site, apr_pstrcat(site->p, "DRSessionIdle ", rows[i].word, NULL));
        assert_int_equal(site->dir->idle, rows[i].us);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refuses(site,
                apr_pstrcat(site->p, "DRSessionIdle '", bad[i], "'", NULL));
        assert_int_equal(site->dir->idle, DRS_UNSET);
    }
}

static void each_directive_of_a_directory_sets_its_setting(void **state)
{
    site_t *site = *state;
    drs_conf_t *dir;

    clear(site);
    assert_null(say(site, "DRSession ReadOnly"));
    assert_null(say(site, "DRSessionPrefix p:"));
    assert_null(say(site, "DRSessionCookie sid Domain=a.b SameSite=None "
                          "Secure=on HttpOnly=off Max-Age=1h Partitioned"));
    assert_null(say(site, "DRSessionMaxLifetime 2d"));
    assert_null(say(site, "DRSessionTouch Off"));
    assert_null(say(site, "DRSessionStrict Off"));
    assert_null(say(site, "DRSessionOnError pass"));
    assert_null(say(site, "DRSessionCodec rot13"));
    assert_null(say(site, "DRSessionLimit value=2k fields=3"));
    assert_null(say(site, "DRSessionEnv SHOP"));
    assert_null(say(site, "DRSessionExport a b=B_B"));
    dir = site->dir;
    assert_int_equal(dir->mode, DRS_MODE_READONLY);
    assert_string_equal(dir->prefix, "p:");
    assert_string_equal(dir->cookie->name, "sid");
    assert_string_equal(dir->cookie->path, "/");
    assert_string_equal(dir->cookie->domain, "a.b");
    assert_string_equal(dir->cookie->same_site, "None");
    assert_int_equal(dir->cookie->secure, DRS_SECURE_ON);
    assert_int_equal(dir->cookie->http_only, 0);
    assert_int_equal(dir->cookie->max_age, APR_INT64_C(3600000000));
    assert_int_equal(dir->cookie->partitioned, 1);
    assert_int_equal(dir->lifetime, APR_INT64_C(172800000000));
    assert_int_equal(dir->touch, 0);
    assert_int_equal(dir->strict, 0);
    assert_int_equal(dir->pass, 1);
    assert_ptr_equal(dir->codec, ap_lookup_provider("", "rot13", ""));
    assert_int_equal(dir->value_max, 2048);
    assert_int_equal(dir->fields_max, 3);
    assert_string_equal(dir->env, "SHOP");
    assert_int_equal(dir->exports->nelts, 2);
    assert_null(APR_ARRAY_IDX(dir->exports, 0, drs_export_t).name);
    assert_string_equal(APR_ARRAY_IDX(dir->exports, 1, drs_export_t).field,
                        "b");
    assert_string_equal(APR_ARRAY_IDX(dir->exports, 1, drs_export_t).name,
                        "B_B");
}

static void lists_of_rights_add_up(void **state)
{
    site_t *site = *state;
    const drs_allow_t *allow;

    clear(site);
    assert_null(say(site, "DRSessionAllow read a b"));
    assert_null(say(site, "DRSessionAllow READ c"));
    assert_null(say(site, "DRSessionAllow write d"));
    allow = site->dir->allow;
    assert_int_equal(allow->read->nelts, 3);
    assert_int_equal(allow->write->nelts, 1);
    assert_int_equal(allow->read_all | allow->write_all | allow->end, 0);
    assert_string_equal(APR_ARRAY_IDX(allow->read, 2, const char *), "c");

    assert_null(say(site, "DRSessionAllow write *"));
    assert_int_equal(allow->write_all, 1);
    assert_int_equal(allow->read_all | allow->end, 0);
    assert_null(say(site, "DRSessionAllow read * x"));
    assert_null(say(site, "DRSessionAllow end"));
    assert_int_equal(allow->read_all & allow->end, 1);
}

static void bad_words_are_refused_by_name(void **state)
{
    static const char *const lines[] = {
        /* clang-format off */
        "DRSession Perhaps", "DRSessionServer host",
        "DRSessionServer cluster://h", "DRSessionCredentials hunter2",
        "DRSessionTimeout connect=0", "DRSessionTimeout all=1s",
        "DRSessionPool max=0", "DRSessionPool min=1", "DRSessionPool Off max=1",
        "DRSessionPool wait=1s Off", "DRSessionPrefix 'a b'",
        "DRSessionCookie", "DRSessionCookie a=b", "DRSessionCookie a Age=1",
        "DRSessionCookie __Host-a Domain=b", "DRSessionMaxLifetime ever",
        "DRSessionOnError die", "DRSessionCodec rot14", "DRSessionLimit 5",
        "DRSessionLimit value=0", "DRSessionLimit value=257m",
        "DRSessionLimit value=5g", "DRSessionLimit fields=2049",
        "DRSessionEnv HTTP", "DRSessionEnv 1", "DRSessionExport =A",
        "DRSessionExport a-b", "DRSessionExport a=HTTP_A",
        "DRSessionExport STATUS", "DRSessionExport a A",
        "DRSessionAllow", "DRSessionAllow read", "DRSessionAllow run a"
        /* clang-format on */
    };
    apr_size_t i;

    for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        refuses(*state, lines[i]);
    }
}

static void what_contradicts_is_refused_in_either_order(void **state)
{
    site_t *site = *state;

    clear(site);
    assert_null(say(site, "DRSessionIdle 2h"));
    assert_non_null(say(site, "DRSessionMaxLifetime 1h"));
    clear(site);
    assert_null(say(site, "DRSessionMaxLifetime 1h"));
    assert_null(say(site, "DRSessionIdle 1h"));
    assert_non_null(say(site, "DRSessionIdle 61min"));
    clear(site);
    assert_null(say(site, "DRSessionExport a b=SHOP_A"));
    assert_non_null(say(site, "DRSessionEnv shop"));
}

static void a_password_in_a_url_is_not_kept_as_text(void **state)
{
    site_t *site = *state;

    site->line.args = "as written";
    takes(site, "DRSessionServer redis://h:1/2");
    assert_string_equal(site->line.args, "as written");
    takes(site, "DRSessionServer REDIS://u:hunter2@h:1/2");
    assert_string_equal(site->line.args, "redis://***@h:1/2");
    assert_string_equal(site->conf->url->pass, "hunter2");
}

static void a_password_is_the_first_line_of_a_file(void **state)
{
    site_t *site = *state;
    const char *path =
        apr_psprintf(site->p, "/tmp/drs-conf-%ld", (long)getpid());
    const char *line =
        apr_pstrcat(site->p, "DRSessionCredentials app file:", path, NULL);
    apr_file_t *file;

    assert_int_equal(
        apr_file_open(&file, path,
                      APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_TRUNCATE,
                      APR_FPROT_UREAD | APR_FPROT_UWRITE, site->p),
        APR_SUCCESS);
    refuses(site, line);
    apr_file_puts("hunter 2\r\nmore\n", file);
    takes(site, line);
    assert_string_equal(site->conf->user, "app");
    assert_string_equal(site->conf->pass, "hunter 2");
    assert_int_equal(warnings, 0);
    apr_file_perms_set(path, APR_FPROT_UREAD | APR_FPROT_WREAD);
    takes(site, line);
    assert_int_equal(warnings, 1);
    apr_file_close(file);
    apr_file_remove(path, site->p);
    refuses(site, line);
    assert_null(site->conf->pass);
}

static void a_password_is_the_first_line_of_a_command(void **state)
{
    site_t *site = *state;

    takes(site, "DRSessionCredentials \"exec:seq -f 'hunter %.0f' 2 3\"");
    assert_null(site->conf->user);
    assert_string_equal(site->conf->pass, "hunter 2");
    refuses(site, "DRSessionCredentials exec:false");
    refuses(site, "DRSessionCredentials exec:true");
    refuses(site, "DRSessionCredentials exec:");
    refuses(site, "DRSessionCredentials \"exec:sh -c 'echo a; exit 1'\"");
    assert_null(site->conf->pass);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_site, drop_site)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(no_setting_of_a_directory_is_lost_in_a_merge),
        TEST(no_setting_of_a_server_is_lost_in_a_merge),
        TEST(the_nearer_setting_wins),
        TEST(defaults_fill_what_is_unset_and_nothing_else),
        TEST(a_route_has_the_defaults_and_the_settings),
        TEST(a_user_is_never_inherited_without_his_password),
        TEST(times_have_units),
        TEST(each_directive_of_a_directory_sets_its_setting),
        TEST(lists_of_rights_add_up),
        TEST(bad_words_are_refused_by_name),
        TEST(what_contradicts_is_refused_in_either_order),
        TEST(a_password_in_a_url_is_not_kept_as_text),
        TEST(a_password_is_the_first_line_of_a_file),
        TEST(a_password_is_the_first_line_of_a_command),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
