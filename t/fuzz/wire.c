/* SPDX-License-Identifier: MIT */
/*
 * Each socket is a queue of pieces with the time from which they can be
 * read. A number above WIRE_FIRST is a socket.
 */
#include "wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { WIRE_FIRST = 10000, SOCKETS = 64, PIECES = 64, IN_ONE_GO = 65536 };

typedef struct piece_t {
    const char *bytes;
    size_t len;
    apr_interval_time_t at;
    int turn;
} piece_t;

typedef struct line_t {
    int open;
    int read_turn; /* of the last byte that was read; -1 = none */
    int hung_up;
    int error;
    int first;
    int n;
    piece_t pieces[PIECES];
} line_t;

wire_mood_t wire_mood;

static line_t lines[SOCKETS];
static int n_lines;
static apr_interval_time_t now;
static int mixed;

int __wrap_socket(int family, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int __wrap_close(int fd);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t len, int flags);
int __wrap_ppoll(struct pollfd *one, nfds_t n, const struct timespec *time,
                 const sigset_t *mask);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);
int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

void wire_reset(void)
{
    memset(&wire_mood, 0, sizeof(wire_mood));
    n_lines = 0;
    now = APR_USEC_PER_SEC;
    mixed = 0;
}

void wire_sleep(apr_interval_time_t us)
{
    now += us;
}

/* What is no socket of ours was closed, or never was one. */
static line_t *line_of(int fd)
{
    line_t *line = &lines[fd - WIRE_FIRST];

    if (fd < WIRE_FIRST || fd >= WIRE_FIRST + n_lines || !line->open) abort();
    return line;
}

void wire_say(int fd, const char *bytes, size_t len, apr_interval_time_t delay)
{
    line_t *line = line_of(fd);
    piece_t *piece = &line->pieces[line->n];

    if (line->n == PIECES || len == 0 || line->hung_up) return;
    piece->bytes = bytes;
    piece->len = len;
    piece->at = now + delay;
    piece->turn = wire_mood.turn;
    if (line->n > line->first && piece->at < piece[-1].at) {
        piece->at = piece[-1].at;
    }
    line->n++;
}

void wire_hang_up(int fd, int error)
{
    line_of(fd)->hung_up = 1;
    line_of(fd)->error = error;
}

int wire_open(void)
{
    int n = 0;
    int i;

    for (i = 0; i < n_lines; i++) n += lines[i].open;
    return n;
}

int wire_was_mixed(void)
{
    return mixed;
}

static int fail(int error)
{
    errno = error;
    return -1;
}

int __wrap_socket(int family, int type, int protocol)
{
    (void)family;
    (void)type;
    (void)protocol;
    if (n_lines == SOCKETS) return fail(EMFILE);
    memset(&lines[n_lines], 0, offsetof(line_t, pieces));
    lines[n_lines].open = 1;
    lines[n_lines].read_turn = -1;
    return WIRE_FIRST + n_lines++;
}

int __wrap_connect(int fd, const struct sockaddr *to, socklen_t len)
{
    (void)line_of(fd);
    (void)to;
    (void)len;
    return wire_mood.refuse != 0 ? fail(wire_mood.refuse) : 0;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    int none = 0;

    (void)line_of(fd);
    (void)level;
    (void)name;
    memcpy(value, &none, *len < sizeof(none) ? *len : sizeof(none));
    return 0;
}

int __wrap_close(int fd)
{
    line_of(fd)->open = 0;
    return 0;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    static char bytes[IN_ONE_GO];
    line_t *line = line_of(fd);
    size_t most = wire_mood.take_most;
    size_t len = 0;
    size_t i;

    (void)flags;
    if (line->hung_up || wire_mood.broken) return fail(EPIPE);
    if (wire_mood.clogged) return fail(EAGAIN);
    if (most == 0 || most > sizeof(bytes)) most = sizeof(bytes);
    for (i = 0; i < (size_t)message->msg_iovlen && len < most; i++) {
        size_t n = message->msg_iov[i].iov_len;

        if (n > most - len) n = most - len;
        memcpy(bytes + len, message->msg_iov[i].iov_base, n);
        len += n;
    }
    wire_mood.serve(wire_mood.baton, fd, bytes, len);
    return (ssize_t)len;
}

static int is_there(const line_t *line)
{
    return line->first < line->n && line->pieces[line->first].at <= now;
}

ssize_t __wrap_recv(int fd, void *to, size_t len, int flags)
{
    line_t *line = line_of(fd);
    piece_t *piece = &line->pieces[line->first];

    if (!is_there(line)) {
        if (line->first < line->n || !line->hung_up) return fail(EAGAIN);
        return line->error != 0 ? fail(line->error) : 0;
    }
    if (wire_mood.give_most > 0 && len > wire_mood.give_most) {
        len = wire_mood.give_most;
    }
    if (len > piece->len) len = piece->len;
    memcpy(to, piece->bytes, len);
    if ((flags & MSG_PEEK) != 0) return (ssize_t)len;

    if (piece->turn != wire_mood.turn) mixed = 1;
    piece->bytes += len;
    piece->len -= len;
    if (piece->len == 0) line->first++;
    return (ssize_t)len;
}

/* When something can be read; as late as possible where nothing can. */
static apr_interval_time_t next_event(const line_t *line)
{
    if (line->first < line->n) return line->pieces[line->first].at;
    return line->hung_up ? now : APR_INT64_MAX;
}

int __wrap_ppoll(struct pollfd *one, nfds_t n, const struct timespec *time,
                 const sigset_t *mask)
{
    const line_t *line = line_of(one->fd);
    apr_interval_time_t until =
        now + time->tv_sec * APR_USEC_PER_SEC + time->tv_nsec / 1000;
    apr_interval_time_t at = now;

    (void)n;
    (void)mask;
    if ((one->events & POLLIN) != 0) at = next_event(line);
    else if (wire_mood.clogged) at = APR_INT64_MAX;
    if (at > until) {
        now = until;
        return 0;
    }
    if (at > now) now = at;
    one->revents = one->events;
    return 1;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    (void)clock;
    time->tv_sec = (time_t)(now / APR_USEC_PER_SEC);
    time->tv_nsec = (long)(now % APR_USEC_PER_SEC) * 1000;
    return 0;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
    (void)left;
    now += time->tv_sec * APR_USEC_PER_SEC + time->tv_nsec / 1000;
    return 0;
}
