/* SPDX-License-Identifier: MIT */
/*
 * Words of the configuration, each turned into a value or into a sentence
 * that says what is wrong with it.
 */
#include "drs_words.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

const char *drs_words_refuse(const cmd_parms *cmd, const char *word,
                             const char *allowed)
{
    return apr_psprintf(cmd->pool, "%s: '%s' is not allowed here; %s",
                        cmd->cmd->name, word, allowed);
}

const char *drs_words_switch(const cmd_parms *cmd, const char *word, int *on)
{
    int is_on = ap_cstr_casecmp(word, "On") == 0;

    if (!is_on && ap_cstr_casecmp(word, "Off") != 0) {
        return drs_words_refuse(cmd, word, "On or Off");
    }
    *on = is_on;
    return NULL;
}

/* The units of a time, by their length: us, and how they are written. */
static const struct {
    apr_interval_time_t us;
    const char *name;
} units[] = {
    /* clang-format off */
    { 1000, "ms" },
    { APR_USEC_PER_SEC, "s" },
    { APR_USEC_PER_SEC, "" },
    { 60 * APR_USEC_PER_SEC, "min" },
    { 3600 * APR_USEC_PER_SEC, "h" },
    { 24 * 3600 * APR_USEC_PER_SEC, "d" }
    /* clang-format on */
};

#define TIME_MAX (36500 * APR_USEC_PER_SEC * 24 * 3600)

/* 0 for what is no time, or is longer than any. */
static int read_time(const char *word, apr_interval_time_t *time)
{
    apr_size_t digits = strspn(word, "0123456789");
    apr_int64_t n;
    apr_size_t i;

    if (digits == 0 || digits > 15) return 0;
    n = apr_strtoi64(word, NULL, 10);
    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (ap_cstr_casecmp(word + digits, units[i].name) == 0 &&
            n <= TIME_MAX / units[i].us) {
            *time = n * units[i].us;
            return 1;
        }
    }
    return 0;
}

const char *drs_words_time(const cmd_parms *cmd, const char *word,
                           apr_interval_time_t least, apr_interval_time_t *time)
{
    apr_interval_time_t parsed = 0;

    if (!read_time(word, &parsed)) {
        return drs_words_refuse(cmd, word,
                                "a time is digits with ms, s, min, "
                                "h or d, up to 36500d, for example 500ms or "
                                "30min");
    }
    if (parsed < least) {
        return drs_words_refuse(cmd, word,
                                least < APR_USEC_PER_SEC ? "the least is 1ms"
                                                         : "the least is 1s");
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
        return drs_words_refuse(
            cmd, word,
            apr_psprintf(cmd->pool,
                         "a whole number from %" APR_INT64_T_FMT
                         " to %" APR_INT64_T_FMT,
                         least, most));
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
        return drs_words_refuse(cmd, word,
                                "Path=, Domain=, SameSite=, Secure=, "
                                "HttpOnly=, Max-Age= or Partitioned");
    }
    return NULL;
}
