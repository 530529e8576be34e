/* SPDX-License-Identifier: MIT */
/*
 * The directives that are lists. Variables and headers do not know the case
 * of a name, so neither may two of a list differ by it alone.
 */
#include "drs_lists.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "drs_codec.h"
#include "drs_forward.h"
#include "drs_words.h"

static const char field_names[] = "a field name is 1 to 255 bytes of UTF-8";

static int is_field(const char *word, apr_size_t len)
{
    return len > 0 && len <= DRS_FIELD_MAX && drs_codec_is_utf8(word, len);
}

static const char *name_of(const drs_export_t *one, const char *env,
                           apr_pool_t *p)
{
    return one->name != NULL ? one->name
                             : apr_pstrcat(p, env, "_", one->field, NULL);
}

/* Names that are ours: PREFIX_STATUS and what child access exports. */
static int is_reserved(const char *name, const char *env)
{
    static const char *const words[] = { "STATUS", "ID", "KEY", "URL", "IDLE" };
    apr_size_t len = strlen(env);
    apr_size_t i;

    if (ap_cstr_casecmpn(name, env, len) != 0 || name[len] != '_') return 0;
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (ap_cstr_casecmp(name + len + 1, words[i]) == 0) return 1;
    }
    return 0;
}

/* Variables that httpd makes of the request, after ours: a client's words. */
static int is_of_request(const char *name)
{
    static const char *const names[] = {
        /* clang-format off */
        "CONTENT_LENGTH", "CONTENT_TYPE", "DOCUMENT_ARGS", "DOCUMENT_NAME",
        "DOCUMENT_PATH_INFO", "DOCUMENT_URI", "PATH_INFO", "PATH_TRANSLATED",
        "QUERY_STRING", "QUERY_STRING_UNESCAPED", "REMOTE_ADDR",
        "REMOTE_HOST", "REMOTE_IDENT", "REMOTE_PORT", "REQUEST_METHOD",
        "REQUEST_SCHEME", "REQUEST_URI", "SCRIPT_FILENAME", "SCRIPT_NAME",
        "SCRIPT_URI", "SCRIPT_URL", "SERVER_NAME", "SERVER_PORT",
        "SERVER_PROTOCOL"
        /* clang-format on */
    };
    apr_size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (ap_cstr_casecmp(name, names[i]) == 0) return 1;
    }
    return 0;
}

static const char *refuse_export(const char *name, const char *why,
                                 apr_pool_t *p)
{
    return apr_psprintf(p, "DRSessionExport: '%s' is not allowed here; %s",
                        name, why);
}

const char *drs_lists_check(const drs_conf_t *conf, apr_pool_t *p)
{
    const apr_array_header_t *list = conf->exports;
    const char *env = conf->env != NULL ? conf->env : "DRSESSION";
    const char *name;
    int i;
    int k;

    for (i = 0; list != NULL && i < list->nelts; i++) {
        name = name_of(&APR_ARRAY_IDX(list, i, drs_export_t), env, p);
        if (!drs_words_is_variable(name) || is_reserved(name, env) ||
            is_of_request(name)) {
            return refuse_export(name,
                                 "a variable is letters, digits and "
                                 "'_', does not begin with HTTP_ and is none "
                                 "of the request's or the module's own; "
                                 "write field=NAME",
                                 p);
        }
        for (k = 0; k < i; k++) {
            if (ap_cstr_casecmp(name,
                                name_of(&APR_ARRAY_IDX(list, k, drs_export_t),
                                        env, p)) == 0) {
                return refuse_export(name,
                                     "two fields would become this "
                                     "variable; case does not tell them "
                                     "apart",
                                     p);
            }
        }
    }
    return NULL;
}

const char *drs_lists_export(cmd_parms *cmd, drs_conf_t *conf, const char *word)
{
    const char *equals = ap_strchr_c(word, '=');
    apr_size_t len =
        equals != NULL ? (apr_size_t)(equals - word) : strlen(word);
    drs_export_t *one;

    if (!is_field(word, len)) return drs_words_refuse(cmd, word, field_names);
    if (conf->exports == NULL) {
        conf->exports = apr_array_make(cmd->pool, 4, sizeof(drs_export_t));
    }
    one = apr_array_push(conf->exports);
    one->field = apr_pstrmemdup(cmd->pool, word, len);
    one->name = equals != NULL ? equals + 1 : NULL;
    return NULL;
}

/* Headers that carry the request itself, or the session. */
static int is_vital(const char *name)
{
    static const char *const names[] = {
        /* clang-format off */
        "Host", "Cookie", "Connection", "Keep-Alive", "Content-Length",
        "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Expect",
        /* written by mod_proxy, kept from programs */
        "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Server", "Via",
        "Max-Forwards", "Proxy"
        /* clang-format on */
    };
    apr_size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (drs_forward_is_same(name, names[i])) return 1;
    }
    return 0;
}

/* Spelled with '-' or '_' it has to be the same everywhere. */
static int is_header(const char *name)
{
    const char *at;

    if (!apr_isalpha(*name)) return 0;
    for (at = name; *at != '\0'; at++) {
        if (!apr_isalnum(*at) && *at != '-' && *at != '_') return 0;
    }
    return !is_vital(name);
}

const char *drs_lists_forward(cmd_parms *cmd, drs_conf_t *conf,
                              const char *field, const char *header)
{
    drs_forward_t *one;
    int i;

    if (!is_field(field, strlen(field))) {
        return drs_words_refuse(cmd, field, field_names);
    }
    if (!is_header(header)) {
        return drs_words_refuse(cmd, header,
                                "a header is letters, digits, "
                                "'-' and '_', and none that carries the "
                                "request itself");
    }
    if (conf->forwards == NULL) {
        conf->forwards = apr_array_make(cmd->pool, 4, sizeof(drs_forward_t));
    }
    for (i = 0; i < conf->forwards->nelts; i++) {
        one = &APR_ARRAY_IDX(conf->forwards, i, drs_forward_t);
        if (drs_forward_is_same(header, one->header)) {
            return drs_words_refuse(cmd, header,
                                    "two fields would become "
                                    "this header");
        }
    }
    one = apr_array_push(conf->forwards);
    one->field = field;
    one->header = header;
    return NULL;
}

static drs_allow_t *allow_of(drs_conf_t *conf, apr_pool_t *p)
{
    if (conf->allow == NULL) {
        conf->allow = apr_pcalloc(p, sizeof(*conf->allow));
        conf->allow->read = apr_array_make(p, 4, sizeof(const char *));
        conf->allow->write = apr_array_make(p, 4, sizeof(const char *));
    }
    return conf->allow;
}

const char *drs_lists_allow(cmd_parms *cmd, drs_conf_t *conf, int argc,
                            char *const argv[])
{
    drs_allow_t *allow = allow_of(conf, cmd->pool);
    int write = argc > 0 && ap_cstr_casecmp(argv[0], "write") == 0;
    int i;

    if (argc == 1 && ap_cstr_casecmp(argv[0], "end") == 0) {
        allow->end = 1;
        return NULL;
    }
    /* The most that httpd reads of a line. */
    if (argc >= 64) {
        return drs_words_refuse(cmd, argv[0],
                                "more than 63 "
                                "words; write further lines");
    }
    if (argc < 2 || (!write && ap_cstr_casecmp(argv[0], "read") != 0)) {
        return drs_words_refuse(
            cmd, argc > 0 ? argv[0] : "",
            "read FIELD..., write FIELD..., * for all, or end");
    }
    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "*") == 0) {
            *(write ? &allow->write_all : &allow->read_all) = 1;
        }
        else if (strlen(argv[i]) - 1 >= DRS_FIELD_MAX ||
                 !drs_codec_is_utf8(argv[i], strlen(argv[i]))) {
            return drs_words_refuse(cmd, argv[i],
                                    "a field name is 1 to 255 "
                                    "bytes of UTF-8");
        }
        else {
            APR_ARRAY_PUSH(write ? allow->write : allow->read, const char *) =
                argv[i];
        }
    }
    return NULL;
}
