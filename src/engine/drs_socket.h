/* SPDX-License-Identifier: MIT */
/*
 * A stream socket that is connected and awaited by a deadline, and that no
 * child process inherits. Knows addresses and errno; refuses to know what
 * travels over it.
 */
#ifndef DRS_SOCKET_H
#define DRS_SOCKET_H

#include <apr_time.h>

#include "drs_names.h"
#include "mod_drsession.h"

/**
 * Connect to a unix socket.
 *
 * @param path     absolute, short enough for a socket
 * @param deadline us on drs_clock_now()
 * @param fd       out: non-blocking, close-on-exec; the caller closes it
 * @return 0; else why not, in errno's words
 * Source: connect(2), unix(7).
 */
int drs_socket_connect_unix(const char *path, apr_interval_time_t deadline,
                            int *fd) DRS_MUST_CHECK;

/**
 * Connect to the first address of a host that answers; all share the time.
 *
 * @param names    of the host
 * @param deadline us on drs_clock_now()
 * @param fd       out: non-blocking, close-on-exec; the caller closes it
 * @param unknown  out: why the name has no address; else untouched
 * @return 0; else why not, in errno's words
 * Source: connect(2), getaddrinfo(3).
 */
int drs_socket_connect_tcp(drs_names_t *names, apr_interval_time_t deadline,
                           int *fd, const char **unknown) DRS_MUST_CHECK;

/**
 * Wait until a socket can be read or written.
 *
 * @param fd       from above
 * @param events   POLLIN or POLLOUT
 * @param deadline us on drs_clock_now()
 * @return 1; 0 when the deadline came first
 * Source: ppoll(2).
 */
int drs_socket_wait(int fd, short events,
                    apr_interval_time_t deadline) DRS_MUST_CHECK;

/**
 * Tell whether a connection is up and nothing waits to be read from it.
 *
 * @param fd from above
 * @return 1 or 0
 * Source: recv(2), MSG_PEEK.
 */
int drs_socket_is_quiet(int fd);

#endif
