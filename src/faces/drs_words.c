/* SPDX-License-Identifier: MIT */
/*
 * Words of the configuration, each turned into a value or into a sentence
 * that says what is wrong with it.
 */
#include "drs_words.h"

#include <signal.h>
#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <http_log.h>

APLOG_USE_MODULE(drsession);

#define SECRET_MAX 1024 /* bytes */
#define EXEC_TIME (10 * APR_USEC_PER_SEC)

const char *drs_words_refuse(const cmd_parms *cmd, const char *word,
                             const char *allowed)
{
    return apr_psprintf(cmd->pool, "%s: '%s' is not allowed here; %s",
                        cmd->cmd->name, word, allowed);
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

/* The first line of what was read; a password has at least one byte. */
static const char *take_line(const cmd_parms *cmd, const char *bytes,
                             apr_size_t len, const char *source,
                             const char **secret)
{
    const char *newline = memchr(bytes, '\n', len);
    apr_size_t end = newline != NULL ? (apr_size_t)(newline - bytes) : len;

    if (end > 0 && bytes[end - 1] == '\r') end--;
    if (memchr(bytes, '\0', end) != NULL) {
        return apr_pstrcat(cmd->pool, "a NUL byte in what ", source, " says",
                           NULL);
    }
    if (end == 0 || end > SECRET_MAX) {
        return apr_pstrcat(cmd->pool, "the first line of ", source,
                           " is a password of 1 to 1024 bytes", NULL);
    }
    *secret = apr_pstrmemdup(cmd->pool, bytes, end);
    return NULL;
}

const char *drs_words_file(const cmd_parms *cmd, const char *path,
                           const char **secret)
{
    char line[SECRET_MAX + 1];
    apr_size_t len = sizeof(line);
    apr_file_t *file;
    apr_finfo_t info;
    apr_status_t rv;

    path = ap_server_root_relative(cmd->temp_pool, path);
    if (path == NULL) return "the path is not valid";
    /* Before it is opened: a pipe would hold up httpd for ever. */
    rv = apr_stat(&info, path, APR_FINFO_TYPE | APR_FINFO_PROT, cmd->temp_pool);
    if (rv == APR_SUCCESS && info.filetype != APR_REG) {
        return "it is no plain file";
    }
    rv = apr_file_open(&file, path, APR_READ, APR_OS_DEFAULT, cmd->temp_pool);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(cmd->pool, "the file cannot be opened: %pm", &rv);
    }
    if ((info.protection & APR_FPROT_WREAD) != 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, cmd->server,
                     "%s: the file with the password can be read by everyone",
                     cmd->cmd->name);
    }
    rv = apr_file_read_full(file, line, sizeof(line), &len);
    apr_file_close(file);
    if (rv != APR_SUCCESS && !APR_STATUS_IS_EOF(rv)) {
        return apr_psprintf(cmd->pool, "the file cannot be read: %pm", &rv);
    }
    return take_line(cmd, line, len, "the file", secret);
}

/* Reads until the command closes its end; what is too much is dropped. */
static apr_status_t read_all(apr_proc_t *proc, char *bytes, apr_size_t *len,
                             apr_time_t end)
{
    apr_size_t size = *len;
    apr_status_t rv = APR_SUCCESS;
    char more[256];
    apr_size_t n;

    for (*len = 0; rv == APR_SUCCESS; *len += n) {
        char *to = *len < size ? bytes + *len : more;

        n = *len < size ? size - *len : sizeof(more);
        if (apr_time_now() >= end) return APR_TIMEUP;
        apr_file_pipe_timeout_set(proc->out, end - apr_time_now());
        rv = apr_file_read(proc->out, to, &n);
        if (rv != APR_SUCCESS) n = 0;
        if (to == more) n = 0;
    }
    return rv;
}

/* Whether the command ends, in time and well; one that hangs is killed. */
static const char *end_command(apr_proc_t *proc, apr_time_t end)
{
    apr_exit_why_e how = APR_PROC_EXIT;
    apr_status_t rv;
    int code = 0;

    while ((rv = apr_proc_wait(proc, &code, &how, APR_NOWAIT)) ==
           APR_CHILD_NOTDONE) {
        if (apr_time_now() >= end) {
            apr_proc_kill(proc, SIGKILL);
            apr_proc_wait(proc, &code, &how, APR_WAIT);
            return "the command took longer than 10s";
        }
        apr_sleep(5 * 1000);
    }
    return rv == APR_CHILD_DONE && how == APR_PROC_EXIT && code == 0
               ? NULL
               : "the command failed";
}

static apr_status_t start_command(apr_proc_t *proc, const char *command,
                                  apr_pool_t *p)
{
    apr_procattr_t *attr;
    char **argv;
    apr_status_t rv;

    rv = apr_tokenize_to_argv(command, &argv, p);
    if (rv == APR_SUCCESS && argv[0] == NULL) rv = APR_ENOENT;
    if (rv == APR_SUCCESS) rv = apr_procattr_create(&attr, p);
    if (rv == APR_SUCCESS) {
        rv =
            apr_procattr_io_set(attr, APR_NO_FILE, APR_FULL_BLOCK, APR_NO_PIPE);
    }
    if (rv == APR_SUCCESS) {
        rv = apr_procattr_cmdtype_set(attr, APR_PROGRAM_PATH);
    }
    /* Here and not in the child, where nobody would hear of it. */
    if (rv == APR_SUCCESS) rv = apr_procattr_error_check_set(attr, 1);
    if (rv != APR_SUCCESS) return rv;
    return apr_proc_create(proc, argv[0], (const char *const *)argv, NULL, attr,
                           p);
}

const char *drs_words_exec(const cmd_parms *cmd, const char *command,
                           const char **secret)
{
    char line[SECRET_MAX + 1];
    apr_size_t len = sizeof(line);
    apr_time_t end = apr_time_now() + EXEC_TIME;
    apr_proc_t proc;
    const char *why;
    apr_status_t rv;

    rv = start_command(&proc, command, cmd->temp_pool);
    if (rv != APR_SUCCESS) {
        return apr_psprintf(cmd->pool, "the command cannot be run: %pm", &rv);
    }
    rv = read_all(&proc, line, &len, end);
    why = end_command(&proc, APR_STATUS_IS_EOF(rv) ? end : 0);
    apr_file_close(proc.out);
    return why != NULL ? why : take_line(cmd, line, len, "the command", secret);
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
