/* SPDX-License-Identifier: MIT */
/*
 * The directives. A setter parses strictly and says what is wrong in one
 * sentence with the directive, the bad word and what is allowed; it never
 * repeats a word that may be a secret.
 */
#include "drs_conf.h"

#include <string.h>

#include <ap_provider.h>
#include <apr_lib.h>
#include <apr_strings.h>
#include <http_core.h>

#include "drs_codec.h"
#include "drs_lists.h"
#include "drs_secret.h"
#include "drs_words.h"

static const drs_cookie_t default_cookie = {
    /* clang-format off */
    "drsession", "/", NULL, "Lax",
    (apr_interval_time_t)400 * 24 * 3600 * APR_USEC_PER_SEC,
    DRS_SECURE_AUTO, 1, 0
    /* clang-format on */
};

static const char default_url[] = "redis://127.0.0.1:6379/0";

void *drs_conf_create_dir(apr_pool_t *p, char *dir)
{
    drs_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    (void)dir;
    conf->idle = DRS_UNSET;
    conf->lifetime = DRS_UNSET;
    conf->value_max = DRS_UNSET;
    conf->mode = DRS_UNSET;
    conf->touch = DRS_UNSET;
    conf->strict = DRS_UNSET;
    conf->pass = DRS_UNSET;
    conf->fields_max = DRS_UNSET;
    conf->header = DRS_UNSET;
    return conf;
}

#define INHERIT(field, unset)                                                  \
    if (conf->field == (unset)) conf->field = base->field

void *drs_conf_merge_dir(apr_pool_t *p, void *inherited, void *add)
{
    const drs_conf_t *base = inherited;
    drs_conf_t *conf = apr_pmemdup(p, add, sizeof(*conf));

    INHERIT(prefix, NULL);
    INHERIT(cookie, NULL);
    INHERIT(codec, NULL);
    INHERIT(exports, NULL);
    INHERIT(forwards, NULL);
    INHERIT(allow, NULL);
    INHERIT(env, NULL);
    INHERIT(child, NULL);
    INHERIT(idle, DRS_UNSET);
    INHERIT(lifetime, DRS_UNSET);
    INHERIT(value_max, DRS_UNSET);
    INHERIT(mode, DRS_UNSET);
    INHERIT(touch, DRS_UNSET);
    INHERIT(strict, DRS_UNSET);
    INHERIT(pass, DRS_UNSET);
    INHERIT(fields_max, DRS_UNSET);
    INHERIT(header, DRS_UNSET);
    return conf;
}

void *drs_conf_create_server(apr_pool_t *p, server_rec *s)
{
    drs_conf_server_t *conf = apr_pcalloc(p, sizeof(*conf));

    (void)s;
    conf->connect = DRS_UNSET;
    conf->command = DRS_UNSET;
    conf->request = DRS_UNSET;
    conf->idle = DRS_UNSET;
    conf->wait = DRS_UNSET;
    conf->keep = DRS_UNSET;
    conf->max = DRS_UNSET;
    return conf;
}

void *drs_conf_merge_server(apr_pool_t *p, void *inherited, void *add)
{
    const drs_conf_server_t *base = inherited;
    drs_conf_server_t *conf = apr_pmemdup(p, add, sizeof(*conf));

    /* User and password go together, and not with a url that has its own. */
    if (conf->pass == NULL && (conf->url == NULL || conf->url->pass == NULL)) {
        INHERIT(user, NULL);
        INHERIT(pass, NULL);
    }
    INHERIT(url, NULL);
    INHERIT(connect, DRS_UNSET);
    INHERIT(command, DRS_UNSET);
    INHERIT(request, DRS_UNSET);
    INHERIT(idle, DRS_UNSET);
    INHERIT(wait, DRS_UNSET);
    INHERIT(route, NULL);
    INHERIT(log_key, NULL);
    INHERIT(keep, DRS_UNSET);
    INHERIT(max, DRS_UNSET);
    INHERIT(forwards, 0);
    return conf;
}

#define DEFAULT(field, unset, value)                                           \
    if (out->field == (unset)) out->field = (value)

void drs_conf_fill_dir(const drs_conf_t *conf, drs_conf_t *out)
{
    *out = *conf;
    DEFAULT(prefix, NULL, "drsession:");
    DEFAULT(cookie, NULL, &default_cookie);
    DEFAULT(codec, NULL, &drs_codec_json);
    DEFAULT(env, NULL, "DRSESSION");
    DEFAULT(child, NULL, DRS_CHILD_OFF);
    DEFAULT(idle, DRS_UNSET, 0);
    DEFAULT(lifetime, DRS_UNSET, 0);
    DEFAULT(value_max, DRS_UNSET, 1024 * 1024);
    DEFAULT(mode, DRS_UNSET, DRS_MODE_OFF);
    DEFAULT(touch, DRS_UNSET, 1);
    DEFAULT(strict, DRS_UNSET, 1);
    DEFAULT(pass, DRS_UNSET, 0);
    DEFAULT(fields_max, DRS_UNSET, 1000);
    DEFAULT(header, DRS_UNSET, 0);
}

static apr_interval_time_t or_else(apr_interval_time_t set,
                                   apr_interval_time_t otherwise)
{
    return set == DRS_UNSET ? otherwise : set;
}

drs_route_conf_t *drs_conf_route(const drs_conf_server_t *conf, int threads,
                                 apr_pool_t *p)
{
    drs_route_conf_t *route = apr_pcalloc(p, sizeof(*route));
    const char *why;
    int own = conf->user != NULL || conf->pass != NULL;

    route->server.url = conf->url;
    if (conf->url == NULL && drs_url_parse(default_url, &route->server.url,
                                           &why, p) != APR_SUCCESS) {
        return NULL;
    }
    route->server.user = own ? conf->user : route->server.url->user;
    route->server.pass = own ? conf->pass : route->server.url->pass;
    route->server.connect = or_else(conf->connect, 500 * 1000);
    route->pool.keep = conf->keep == DRS_UNSET ? 1 : conf->keep;
    route->pool.max = conf->max == DRS_UNSET ? threads : conf->max;
    route->pool.idle = or_else(conf->idle, 60 * APR_USEC_PER_SEC);
    route->pool.wait = or_else(conf->wait, 200 * 1000);
    return route;
}

void drs_conf_terms(const drs_conf_t *dir, const drs_conf_server_t *server,
                    drs_terms_t *terms)
{
    terms->prefix = dir->prefix;
    terms->codec = dir->codec;
    terms->idle = dir->idle;
    terms->lifetime = dir->lifetime;
    terms->command = or_else(server->command, 500 * 1000);
    terms->value_max = (apr_size_t)dir->value_max;
    terms->fields_max = dir->fields_max;
    terms->strict = dir->strict;
    terms->readonly = dir->mode == DRS_MODE_READONLY;
    terms->touch = dir->touch;
}

const char *drs_conf_child_url(const drs_conf_t *dir,
                               const drs_conf_server_t *server)
{
    if (strcmp(dir->child, DRS_CHILD_OFF) == 0) return NULL;
    if (strcmp(dir->child, DRS_CHILD_ON) != 0) return dir->child;
    return server->url != NULL ? server->url->name : default_url;
}

apr_interval_time_t drs_conf_budget(const drs_conf_server_t *server)
{
    return or_else(server->request, 2 * APR_USEC_PER_SEC);
}

/*
 * A session outlives the subrequest that read a .htaccess, and with it what
 * that says: words and lists would be gone. AllowOverrideList asks for no
 * context, so the setters do.
 */
static const char *outside(cmd_parms *cmd)
{
    return ap_check_cmd_context(cmd, NOT_IN_HTACCESS);
}

static const char *set_mode(cmd_parms *cmd, void *dir, const char *word)
{
    drs_conf_t *conf = dir;

    if (ap_cstr_casecmp(word, "On") == 0) {
        conf->mode = DRS_MODE_ON;
    }
    else if (ap_cstr_casecmp(word, "Off") == 0) {
        conf->mode = DRS_MODE_OFF;
    }
    else if (ap_cstr_casecmp(word, "ReadOnly") == 0) {
        conf->mode = DRS_MODE_READONLY;
    }
    else {
        return drs_words_refuse(cmd, word, "On, Off or ReadOnly");
    }
    return NULL;
}

static drs_conf_server_t *server_of(const cmd_parms *cmd)
{
    return ap_get_module_config(cmd->server->module_config, &drsession_module);
}

/* What mod_info and DUMP_CONFIG show is the text of the directive. */
static void hide_password(cmd_parms *cmd, const drs_url_t *url)
{
    if (url->user == NULL && url->pass == NULL) return;
    cmd->directive->args = apr_pstrcat(cmd->pool, "redis://***@",
                                       url->name + strlen("redis://"), NULL);
}

static const char *set_server(cmd_parms *cmd, void *dir, const char *word)
{
    const char *why = NULL;

    (void)dir;
    if (drs_url_parse(word, &server_of(cmd)->url, &why, cmd->pool) !=
        APR_SUCCESS) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, ": ", why, NULL);
    }
    hide_password(cmd, server_of(cmd)->url);
    return NULL;
}

static const char *set_credentials(cmd_parms *cmd, void *dir, const char *first,
                                   const char *second)
{
    drs_conf_server_t *conf = server_of(cmd);
    const char *source = second != NULL ? second : first;
    const char *why = NULL;

    (void)dir;
    if (strncmp(source, "file:", 5) == 0) {
        why = drs_secret_file(cmd, source + 5, &conf->pass);
    }
    else if (strncmp(source, "exec:", 5) == 0) {
        why = drs_secret_exec(cmd, source + 5, &conf->pass);
    }
    else {
        /* Not repeated: it may be the password itself. */
        why = "the password comes from file:path or exec:command";
    }
    if (why != NULL) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, ": ", why, NULL);
    }
    conf->user = second != NULL ? first : NULL;
    return NULL;
}

static const char *set_timeout(cmd_parms *cmd, void *dir, const char *word)
{
    drs_conf_server_t *conf = server_of(cmd);
    const char *value;

    (void)dir;
    if ((value = drs_words_value(word, "connect")) != NULL) {
        return drs_words_time(cmd, value, 1000, &conf->connect);
    }
    if ((value = drs_words_value(word, "command")) != NULL) {
        return drs_words_time(cmd, value, 1000, &conf->command);
    }
    if ((value = drs_words_value(word, "request")) != NULL) {
        return drs_words_time(cmd, value, 1000, &conf->request);
    }
    return drs_words_refuse(cmd, word, "connect=T, command=T or request=T");
}

static const char *set_pool(cmd_parms *cmd, void *dir, const char *word)
{
    static const char alone[] = "Off stands alone, or max=N, idle=T, wait=T";
    drs_conf_server_t *conf = server_of(cmd);
    const char *value;
    const char *why;
    apr_int64_t n = 0;

    (void)dir;
    if (ap_cstr_casecmp(word, "Off") == 0) {
        if (conf->keep == 1) return drs_words_refuse(cmd, word, alone);
        conf->keep = 0;
        return NULL;
    }
    if (conf->keep == 0) return drs_words_refuse(cmd, word, alone);
    conf->keep = 1;
    if ((value = drs_words_value(word, "max")) != NULL) {
        why = drs_words_number(cmd, value, 1, 100000, &n);
        if (why == NULL) conf->max = (int)n;
        return why;
    }
    if ((value = drs_words_value(word, "idle")) != NULL) {
        return drs_words_time(cmd, value, 0, &conf->idle);
    }
    if ((value = drs_words_value(word, "wait")) != NULL) {
        return drs_words_time(cmd, value, 0, &conf->wait);
    }
    return drs_words_refuse(cmd, word, "Off, max=N, idle=T or wait=T");
}

static const char *set_prefix(cmd_parms *cmd, void *dir, const char *word)
{
    drs_conf_t *conf = dir;
    const char *at;

    if (outside(cmd) != NULL) return outside(cmd);
    for (at = word; *at != '\0'; at++) {
        if (!apr_isgraph(*at)) break;
    }
    if (*word == '\0' || *at != '\0' || strlen(word) > 255) {
        return drs_words_refuse(cmd, word, "1 to 255 visible ASCII characters");
    }
    conf->prefix = word;
    return NULL;
}

static const char *set_cookie(cmd_parms *cmd, void *dir, int argc,
                              char *const argv[])
{
    drs_conf_t *conf = dir;
    drs_cookie_t *cookie =
        apr_pmemdup(cmd->pool, &default_cookie, sizeof(default_cookie));
    const char *why = NULL;
    int i;

    if (outside(cmd) != NULL) return outside(cmd);
    if (argc < 1) return "DRSessionCookie: a name is missing";
    cookie->name = argv[0];
    for (i = 1; why == NULL && i < argc; i++) {
        why = drs_words_cookie(cmd, argv[i], cookie);
    }
    if (why != NULL) return why;
    why = drs_cookie_check(cookie, cmd->pool);
    if (why != NULL) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, " ", argv[0], ": ", why,
                           NULL);
    }
    conf->cookie = cookie;
    return NULL;
}

static const char *set_idle(cmd_parms *cmd, void *dir, const char *word)
{
    drs_conf_t *conf = dir;
    const char *why = drs_words_time(cmd, word, 0, &conf->idle);

    if (outside(cmd) != NULL) return outside(cmd);
    return why != NULL ? why : drs_conf_check(conf, cmd->pool);
}

static const char *set_lifetime(cmd_parms *cmd, void *dir, const char *word)
{
    drs_conf_t *conf = dir;
    const char *why = drs_words_time(cmd, word, 0, &conf->lifetime);

    if (outside(cmd) != NULL) return outside(cmd);
    return why != NULL ? why : drs_conf_check(conf, cmd->pool);
}

static const char *set_switch(cmd_parms *cmd, const char *word, int *on)
{
    if (outside(cmd) != NULL) return outside(cmd);
    return drs_words_switch(cmd, word, on);
}

static const char *set_touch(cmd_parms *cmd, void *dir, const char *word)
{
    return set_switch(cmd, word, &((drs_conf_t *)dir)->touch);
}

static const char *set_strict(cmd_parms *cmd, void *dir, const char *word)
{
    return set_switch(cmd, word, &((drs_conf_t *)dir)->strict);
}

static const char *set_on_error(cmd_parms *cmd, void *dir, const char *word)
{
    drs_conf_t *conf = dir;

    if (outside(cmd) != NULL) return outside(cmd);
    if (ap_cstr_casecmp(word, "fail") != 0 &&
        ap_cstr_casecmp(word, "pass") != 0) {
        return drs_words_refuse(cmd, word, "fail or pass");
    }
    conf->pass = ap_cstr_casecmp(word, "pass") == 0;
    return NULL;
}

static const char *set_codec(cmd_parms *cmd, void *dir, const char *word)
{
    drs_conf_t *conf = dir;

    if (outside(cmd) != NULL) return outside(cmd);
    conf->codec = ap_lookup_provider(DRS_CODEC_GROUP, word, DRS_CODEC_VERSION);
    if (strcmp(word, "json") == 0) conf->codec = &drs_codec_json;
    if (strcmp(word, "raw") == 0) conf->codec = &drs_codec_raw;
    if (conf->codec == NULL) {
        return drs_words_refuse(cmd, word,
                                "json, raw or a codec that a loaded "
                                "module registers");
    }
    return NULL;
}

static const char *set_limit(cmd_parms *cmd, void *dir, const char *word)
{
    drs_conf_t *conf = dir;
    const char *value;
    const char *why;
    apr_int64_t n = 0;

    if (outside(cmd) != NULL) return outside(cmd);
    if ((value = drs_words_value(word, "value")) != NULL) {
        return drs_words_size(cmd, value, &conf->value_max);
    }
    if ((value = drs_words_value(word, "fields")) != NULL) {
        why = drs_words_number(cmd, value, 1, DRS_FIELDS_MAX, &n);
        if (why == NULL) conf->fields_max = (int)n;
        return why;
    }
    return drs_words_refuse(cmd, word, "value=SIZE or fields=N");
}

const char *drs_conf_check(const drs_conf_t *conf, apr_pool_t *p)
{
    if (conf->lifetime > 0 && conf->idle > conf->lifetime) {
        return "DRSessionMaxLifetime is shorter than DRSessionIdle";
    }
    return drs_lists_check(conf, p);
}

static const char *set_export(cmd_parms *cmd, void *dir, const char *word)
{
    const char *why = drs_lists_export(cmd, dir, word);

    if (outside(cmd) != NULL) return outside(cmd);
    return why != NULL ? why : drs_conf_check(dir, cmd->pool);
}

static const char *set_env(cmd_parms *cmd, void *dir, const char *word)
{
    drs_conf_t *conf = dir;

    if (outside(cmd) != NULL) return outside(cmd);
    if (!drs_words_is_variable(word) || ap_cstr_casecmp(word, "HTTP") == 0) {
        return drs_words_refuse(cmd, word, "letters, digits and '_', not HTTP");
    }
    conf->env = word;
    return drs_conf_check(conf, cmd->pool);
}

static const char *set_child(cmd_parms *cmd, void *dir, const char *word)
{
    drs_conf_t *conf = dir;
    const drs_url_t *url = NULL;
    const char *why = NULL;

    if (outside(cmd) != NULL) return outside(cmd);
    if (ap_cstr_casecmp(word, "On") == 0) {
        conf->child = DRS_CHILD_ON;
    }
    else if (ap_cstr_casecmp(word, "Off") == 0) {
        conf->child = DRS_CHILD_OFF;
    }
    else if (drs_url_parse(word, &url, &why, cmd->pool) == APR_SUCCESS) {
        conf->child = word;
        hide_password(cmd, url);
    }
    else {
        /* Not repeated: it may hold a password. */
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           ": neither On, Off nor a url: ", why, NULL);
    }
    return NULL;
}

static const char *set_allow(cmd_parms *cmd, void *dir, int argc,
                             char *const argv[])
{
    if (outside(cmd) != NULL) return outside(cmd);
    return drs_lists_allow(cmd, dir, argc, argv);
}

static const char *set_forward(cmd_parms *cmd, void *dir, const char *field,
                               const char *header)
{
    if (outside(cmd) != NULL) return outside(cmd);
    server_of(cmd)->forwards++;
    return drs_lists_forward(cmd, dir, field, header);
}

static const char *set_header(cmd_parms *cmd, void *dir, const char *word)
{
    return set_switch(cmd, word, &((drs_conf_t *)dir)->header);
}

#define ANYWHERE (RSRC_CONF | ACCESS_CONF)

const command_rec drs_conf_directives[] = {
    /* clang-format off */
    AP_INIT_TAKE1("DRSession", set_mode, NULL, ANYWHERE | OR_AUTHCFG,
        "On, Off (default) or ReadOnly: whether requests have a session"),
    AP_INIT_TAKE1("DRSessionServer", set_server, NULL, RSRC_CONF,
        "url of Redis; default redis://127.0.0.1:6379/0"),
    AP_INIT_TAKE12("DRSessionCredentials", set_credentials, NULL, RSRC_CONF,
        "[user] file:path or exec:command with the password; default none"),
    AP_INIT_ITERATE("DRSessionTimeout", set_timeout, NULL, RSRC_CONF,
        "connect=T command=T request=T; default 500ms 500ms 2s"),
    AP_INIT_ITERATE("DRSessionPool", set_pool, NULL, RSRC_CONF,
        "Off, or max=N idle=T wait=T; default one a thread, 60s, 200ms"),
    AP_INIT_TAKE1("DRSessionPrefix", set_prefix, NULL, ANYWHERE,
        "what Redis keys begin with; default drsession:"),
    AP_INIT_TAKE_ARGV("DRSessionCookie", set_cookie, NULL, ANYWHERE,
        "name and attributes of the cookie; default drsession Path=/ "
        "SameSite=Lax Secure=auto HttpOnly=on Max-Age=400d"),
    AP_INIT_TAKE1("DRSessionIdle", set_idle, NULL, ANYWHERE,
        "time without use before Redis drops a session; 0 = never (default)"),
    AP_INIT_TAKE1("DRSessionMaxLifetime", set_lifetime, NULL, ANYWHERE,
        "time since birth after which a session ends; 0 = never (default)"),
    AP_INIT_TAKE1("DRSessionTouch", set_touch, NULL, ANYWHERE,
        "On (default): reading refreshes the expiry"),
    AP_INIT_TAKE1("DRSessionStrict", set_strict, NULL, ANYWHERE,
        "On (default): no client chooses its id"),
    AP_INIT_TAKE1("DRSessionOnError", set_on_error, NULL, ANYWHERE,
        "fail (default, 503) or pass: when an export has no answer"),
    AP_INIT_TAKE1("DRSessionCodec", set_codec, NULL, ANYWHERE,
        "json (default), raw, or a registered codec"),
    AP_INIT_ITERATE("DRSessionLimit", set_limit, NULL, ANYWHERE,
        "value=SIZE of a value, fields=N of a session; default 1m 1000"),
    AP_INIT_TAKE1("DRSessionEnv", set_env, NULL, ANYWHERE,
        "prefix of exported variables; default DRSESSION"),
    AP_INIT_ITERATE("DRSessionExport", set_export, NULL, ANYWHERE,
        "fields to export, FIELD or FIELD=NAME; default none"),
    AP_INIT_TAKE1("DRSessionChildAccess", set_child, NULL, ANYWHERE,
        "On, Off (default) or a url of Redis: whether CGI and FastCGI "
        "programs get the session's key"),
    AP_INIT_TAKE1("DRSessionHeader", set_header, NULL, ANYWHERE,
        "On: response headers DRSession of backends change the session; "
        "default Off"),
    AP_INIT_TAKE2("DRSessionForward", set_forward, NULL, ANYWHERE,
        "a field and the request header that shows it to backends; "
        "default none"),
    AP_INIT_TAKE_ARGV("DRSessionAllow", set_allow, NULL, ANYWHERE,
        "what the handler drsession may do: read or write FIELD... or *, "
        "or end; default nothing"),
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL }
    /* clang-format on */
};
