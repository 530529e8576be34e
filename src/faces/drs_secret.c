/* SPDX-License-Identifier: MIT */
/*
 * Secrets from a file or a command. What goes wrong is said without the
 * secret, and without the text that held it.
 */
#include "drs_secret.h"

#include <signal.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <http_log.h>

APLOG_USE_MODULE(drsession);

#define SECRET_MAX 1024 /* bytes */
#define EXEC_TIME (10 * APR_USEC_PER_SEC)

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

const char *drs_secret_file(const cmd_parms *cmd, const char *path,
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

const char *drs_secret_exec(const cmd_parms *cmd, const char *command,
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
