/* SPDX-License-Identifier: MIT */
/*
 * Words of the configuration, each turned into a value or into a sentence
 * that says what is wrong with it.
 */
#include "drs_words.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <http_log.h>

APLOG_USE_MODULE(drsession);

const char *drs_words_refuse(const cmd_parms *cmd, const char *word,
                            const char *allowed)
{
    return apr_psprintf(cmd->pool, "%s: '%s' is not allowed here; %s",
                        cmd->cmd->name, word, allowed);
}

const char *drs_words_time(const cmd_parms *cmd, const char *word,
                              apr_interval_time_t least,
                              apr_interval_time_t *time)
{
    static const char allowed[] =
        "a time is digits with ms, s, min, h or d, for example 500ms or 30min";
    apr_interval_time_t parsed = 0;
    apr_int64_t days;
    char *end;

    if (!apr_isdigit(*word)) return drs_words_refuse(cmd, word, allowed);
    days = apr_strtoi64(word, &end, 10);
    if (strcmp(end, "d") == 0 && days <= 36500) {
        parsed = days * 24 * 3600 * APR_USEC_PER_SEC;
    }
    else if (strlen(word) > 15 ||
             ap_timeout_parameter_parse(word, &parsed, "s") != APR_SUCCESS) {
        return drs_words_refuse(cmd, word, allowed);
    }
    if (parsed < least) {
        return drs_words_refuse(cmd, word, "it has to be longer");
    }
    *time = parsed;
    return NULL;
}

const char *drs_words_number(const cmd_parms *cmd, const char *word,
                                apr_int64_t least, apr_int64_t most,
                                apr_int64_t *n)
{
    char *end = NULL;
    apr_int64_t parsed = -1;

    if (apr_isdigit(*word)) parsed = apr_strtoi64(word, &end, 10);
    if (end == NULL || *end != '\0' || strlen(word) > 18 || parsed < least ||
        parsed > most) {
        return drs_words_refuse(cmd, word,
                        apr_psprintf(cmd->pool,
                                     "a whole number from %" APR_INT64_T_FMT
                                     " to %" APR_INT64_T_FMT, least, most));
    }
    *n = parsed;
    return NULL;
}

const char *drs_words_value(const char *word, const char *name)
{
    apr_size_t len = strlen(name);

    if (ap_cstr_casecmpn(word, name, len) != 0 || word[len] != '=') {
        return NULL;
    }
    return word + len + 1;
}

const char *drs_words_size(const cmd_parms *cmd, const char *word,
                              apr_int64_t *size)
{
    char *end = NULL;
    apr_int64_t n = -1;
    int shift = 0;

    if (apr_isdigit(*word) && strlen(word) < 12) {
        n = apr_strtoi64(word, &end, 10);
        if (apr_tolower(*end) == 'k') shift = 10;
        if (apr_tolower(*end) == 'm') shift = 20;
        if (shift > 0) end++;
    }
    if (n < 1 || *end != '\0' || n > ((apr_int64_t)256 << 20 >> shift)) {
        return drs_words_refuse(cmd, word, "a size is from 1 to 256m");
    }
    *size = n << shift;
    return NULL;
}

int drs_words_is_variable(const char *name)
{
    const char *at;

    if (!apr_isalpha(*name) && *name != '_') return 0;
    for (at = name; *at != '\0'; at++) {
        if (!apr_isalnum(*at) && *at != '_') return 0;
    }
    return ap_cstr_casecmpn(name, "HTTP_", 5) != 0;
}

const char *drs_words_file(const cmd_parms *cmd, const char *path,
                               const char **secret)
{
    char line[1024];
    apr_file_t *file;
    apr_finfo_t info;
    apr_size_t len;
    apr_status_t rv;

    path = ap_server_root_relative(cmd->temp_pool, path);
    if (path == NULL) return "the path is not valid";
    rv = apr_file_open(&file, path, APR_READ, APR_OS_DEFAULT, cmd->temp_pool);
    if (rv != APR_SUCCESS) return "the file cannot be opened";

    if (apr_file_info_get(&info, APR_FINFO_PROT, file) == APR_SUCCESS &&
        (info.protection & APR_FPROT_WREAD) != 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, cmd->server,
                     "%s: the file with the password can be read by everyone",
                     cmd->cmd->name);
    }
    rv = apr_file_gets(line, sizeof(line), file);
    apr_file_close(file);
    if (rv != APR_SUCCESS) return "the file is empty";
    len = strcspn(line, "\r\n");
    if (len == 0 || len == sizeof(line) - 1) {
        return "no password in its first line";
    }
    *secret = apr_pstrmemdup(cmd->pool, line, len);
    return NULL;
}

const char *drs_words_exec(const cmd_parms *cmd, const char *command,
                                  const char **secret)
{
    char **argv;
    char *line;

    if (apr_tokenize_to_argv(command, &argv, cmd->temp_pool) != APR_SUCCESS ||
        argv[0] == NULL) {
        return "no command";
    }
    line = ap_get_exec_line(cmd->pool, argv[0],
                            (const char *const *)argv);
    if (line == NULL || *line == '\0') return "the command said nothing";
    *secret = line;
    return NULL;
}

static const char *set_same_site(const cmd_parms *cmd, const char *value,
                                 drs_cookie_t *cookie)
{
    static const char *const known[] = { "Lax", "Strict", "None" };
    apr_size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (ap_cstr_casecmp(value, known[i]) == 0) {
            cookie->same_site = known[i];
            return NULL;
        }
    }
    return drs_words_refuse(cmd, value, "SameSite is Lax, Strict or None");
}

static const char *set_secure(const cmd_parms *cmd, const char *value,
                              drs_cookie_t *cookie)
{
    static const char *const known[] = { "auto", "on", "off" };
    apr_size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (ap_cstr_casecmp(value, known[i]) == 0) {
            cookie->secure = (drs_secure_t)i;
            return NULL;
        }
    }
    return drs_words_refuse(cmd, value, "Secure is auto, on or off");
}

static const char *set_http_only(const cmd_parms *cmd, const char *value,
                                 drs_cookie_t *cookie)
{
    if (ap_cstr_casecmp(value, "on") != 0 &&
        ap_cstr_casecmp(value, "off") != 0) {
        return drs_words_refuse(cmd, value, "HttpOnly is on or off");
    }
    cookie->http_only = ap_cstr_casecmp(value, "on") == 0;
    return NULL;
}

const char *drs_words_cookie(const cmd_parms *cmd, const char *word,
                                 drs_cookie_t *cookie)
{
    const char *value;

    if ((value = drs_words_value(word, "Path")) != NULL) {
        cookie->path = value;
    }
    else if ((value = drs_words_value(word, "Domain")) != NULL) {
        cookie->domain = value;
    }
    else if ((value = drs_words_value(word, "SameSite")) != NULL) {
        return set_same_site(cmd, value, cookie);
    }
    else if ((value = drs_words_value(word, "Secure")) != NULL) {
        return set_secure(cmd, value, cookie);
    }
    else if ((value = drs_words_value(word, "HttpOnly")) != NULL) {
        return set_http_only(cmd, value, cookie);
    }
    else if ((value = drs_words_value(word, "Max-Age")) != NULL) {
        cookie->max_age = 0;
        if (ap_cstr_casecmp(value, "session") == 0) return NULL;
        return drs_words_time(cmd, value, APR_USEC_PER_SEC, &cookie->max_age);
    }
    else if (ap_cstr_casecmp(word, "Partitioned") == 0) {
        cookie->partitioned = 1;
    }
    else {
        return drs_words_refuse(cmd, word, "Path=, Domain=, SameSite=, Secure=, "
                        "HttpOnly=, Max-Age= or Partitioned");
    }
    return NULL;
}
