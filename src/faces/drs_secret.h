/* SPDX-License-Identifier: MIT */
/*
 * Where a password comes from: a file or a command, never the configuration
 * itself. Knows nothing of what it is for.
 */
#ifndef DRS_SECRET_H
#define DRS_SECRET_H

#include <httpd.h>
#include <http_config.h>

/**
 * Read a secret: the first line of a plain file, without its CR LF, 1 to
 * 1024 bytes. Warns when everyone may read the file.
 *
 * @param cmd    of the setter; its pool owns the secret
 * @param path   absolute, or below ServerRoot
 * @param secret out
 * @return NULL, or what is wrong, without the directive
 */
const char *drs_secret_file(const cmd_parms *cmd, const char *path,
                            const char **secret);

/**
 * Read a secret: the first line that a command prints, as of a file. The
 * command has 10 s, has to exit with 0, reads nothing and has httpd's own
 * standard error and environment.
 *
 * @param cmd     of the setter; its pool owns the secret
 * @param command program, looked for in PATH, and arguments, as a shell
 *                would split them
 * @param secret  out
 * @return NULL, or what is wrong, without the directive
 */
const char *drs_secret_exec(const cmd_parms *cmd, const char *command,
                            const char **secret);

#endif
