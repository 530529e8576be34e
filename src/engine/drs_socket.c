/* SPDX-License-Identifier: MIT */
/*
 * Sockets are ours and not hiredis', whose timeouts are counted for each
 * read() and whose sockets are inherited by children.
 */
#include "drs_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <apr_strings.h>

#include "drs_clock.h"

int drs_socket_wait(int fd, short events, apr_interval_time_t deadline)
{
    struct pollfd one = { fd, events, 0 };
    struct timespec left;
    apr_interval_time_t us;
    int n;

    do {
        us = deadline - drs_clock_now();
        if (us <= 0) return 0;
        left.tv_sec = (time_t)(us / APR_USEC_PER_SEC);
        left.tv_nsec = (long)(us % APR_USEC_PER_SEC) * 1000;
        n = ppoll(&one, 1, &left, NULL);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

/* Close-on-exec from its first moment: a CGI must never inherit it. */
static int create_socket(int family)
{
    int on = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
    return fd;
}

/* A full backlog of a unix socket is EAGAIN at once; the next try may do. */
static int connect_patiently(int fd, const struct sockaddr *to, socklen_t len,
                             apr_interval_time_t deadline)
{
    const struct timespec pause = { 0, 1000000 };

    while (connect(fd, to, len) < 0) {
        if (errno == EISCONN) return 0;
        if (errno == EINPROGRESS) return EINPROGRESS;
        if (errno != EAGAIN && errno != EINTR) return errno;
        if (drs_clock_now() >= deadline) return ETIMEDOUT;
        nanosleep(&pause, NULL);
    }
    return 0;
}

/*
 * Where nobody listens, TCP connects a socket to itself if the port it was
 * given for its own end is that one: it would read its own commands.
 */
static int is_own_end(int fd, const struct sockaddr *to, socklen_t len)
{
    struct sockaddr_storage own;
    socklen_t size = sizeof(own);

    memset(&own, 0, sizeof(own));
    return to->sa_family != AF_UNIX &&
           getsockname(fd, (struct sockaddr *)&own, &size) == 0 &&
           size == len && memcmp(&own, to, len) == 0;
}

/* Connect a socket of ours, or tell why not in errno's words. */
static int connect_to(const struct sockaddr *to, socklen_t len,
                      apr_interval_time_t deadline, int *fd)
{
    int made = create_socket(to->sa_family);
    int error = 0;
    socklen_t size = sizeof(error);

    if (made < 0) return errno;

    error = connect_patiently(made, to, len, deadline);
    if (error == EINPROGRESS) {
        error = ETIMEDOUT;
        if (drs_socket_wait(made, POLLOUT, deadline)) {
            getsockopt(made, SOL_SOCKET, SO_ERROR, &error, &size);
        }
    }
    if (error == 0 && is_own_end(made, to, len)) error = ECONNREFUSED;
    if (error == 0) {
        *fd = made;
    }
    else {
        close(made);
    }
    return error;
}

int drs_socket_connect_unix(const char *path, apr_interval_time_t deadline,
                            int *fd)
{
    struct sockaddr_un to;

    memset(&to, 0, sizeof(to));
    to.sun_family = AF_UNIX;
    apr_cpystrn(to.sun_path, path, sizeof(to.sun_path));
    return connect_to((const struct sockaddr *)&to, sizeof(to), deadline, fd);
}

int drs_socket_connect_tcp(drs_names_t *names, apr_interval_time_t deadline,
                           int *fd, const char **unknown)
{
    drs_address_t list[DRS_ADDRESSES_MAX];
    int error = EHOSTUNREACH;
    int i;
    int n = drs_names_find(names, deadline - drs_clock_now(), list, unknown);

    for (i = 0; i < n && error != 0; i++) {
        apr_interval_time_t now = drs_clock_now();

        error = connect_to((const struct sockaddr *)&list[i].to, list[i].len,
                           now + (deadline - now) / (n - i), fd);
    }
    return error;
}

int drs_socket_is_quiet(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}
