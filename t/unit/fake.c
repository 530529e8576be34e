/* SPDX-License-Identifier: MIT */
/*
 * The fake Redis: a thread that accepts, and one for each connection. They
 * sleep in poll() only, on their socket and on a pipe that ends them all;
 * no thread but the test's own may assert.
 */
#include "fake.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "late.h"

enum { CROWD = 8, PATIENCE = 1000, BLOCK = 64 * 1024 };

typedef struct play_t {
    fake_act_t acts[FAKE_ACTS];
    int n; /* 0 = never answers */
} play_t;

typedef struct connection_t {
    struct connection_t *next;
    fake_t *fake;
    pthread_t thread;
    int number;
    int fd;
    int stop; /* readable = end */
    play_t play;
    char *heard;
    size_t len;
    size_t room;
    size_t used; /* bytes of the command at the front */
} connection_t;

struct fake_t {
    int family;
    int port;
    char dir[64];
    char path[96];
    char name[128];
    int listener;
    int stop[2];
    int crowd[CROWD]; /* those that fill the backlog of a frozen one */
    pthread_t acceptor;
    int accepting;
    pthread_mutex_t lock; /* of all below */
    connection_t *connections;
    int accepted;
    int open;
    play_t plays[FAKE_PLAYS];
    int n_plays;
    fake_heard_t **log;
    int n_log;
};

static void die(const char *what)
{
    perror(what);
    abort();
}

static void *grow(void *old, size_t size)
{
    void *bytes = realloc(old, size);

    if (bytes == NULL) die("realloc");
    return bytes;
}

void fake_sleep(int ms)
{
    struct timespec time = { ms / 1000, (long)(ms % 1000) * 1000000 };

    while (nanosleep(&time, &time) != 0) continue;
}

/* Wait for the socket; 0 = the time is up, -1 = the end has come. */
static int await(connection_t *connection, short events, int ms)
{
    struct pollfd both[2] = { { 0, 0, 0 }, { 0, POLLIN, 0 } };
    int n;

    both[0].fd = connection->fd;
    both[0].events = (short)(events | POLLRDHUP);
    both[1].fd = connection->stop;
    while ((n = poll(both, 2, ms)) < 0 && errno == EINTR) continue;
    if (both[1].revents != 0) return -1;
    if (both[0].revents & (POLLHUP | POLLERR)) return -1;
    if (n > 0 && !(both[0].revents & events)) return -1;
    return n > 0;
}

static int send_bytes(connection_t *connection, const char *bytes, size_t len)
{
    ssize_t n;

    while (len > 0) {
        if (await(connection, POLLOUT, -1) < 0) return 0;
        n = send(connection->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR) return 0;
        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        }
    }
    return 1;
}

static int drip_bytes(connection_t *connection, const fake_act_t *act,
                      const char *bytes, size_t len)
{
    size_t i;

    if (act->drip == 0) return send_bytes(connection, bytes, len);
    for (i = 0; i < len; i++) {
        if (await(connection, 0, act->drip) < 0) return 0;
        if (!send_bytes(connection, bytes + i, 1)) return 0;
    }
    return 1;
}

/* A number of RESP; what follows it, or NULL. */
static const char *read_number(const char *at, const char *end, char mark,
                               size_t *n)
{
    if (at >= end || *at != mark) return NULL;
    *n = 0;
    for (at++; at < end && *at >= '0' && *at <= '9'; at++) {
        *n = *n * 10 + (size_t)(*at - '0');
    }
    return at + 2 <= end && at[0] == '\r' && at[1] == '\n' ? at + 2 : NULL;
}

static void free_command(fake_heard_t *heard)
{
    int i;

    for (i = 0; i < heard->argc; i++) free(heard->argv[i]);
    free(heard->argv);
    free(heard->lens);
    free(heard->text);
    free(heard);
}

/* The command at the front of what was heard, once it is whole. */
static fake_heard_t *parse(connection_t *connection)
{
    const char *at = connection->heard;
    const char *end = at + connection->len;
    fake_heard_t *heard;
    size_t argc = 0;
    size_t text = 0;
    size_t i;

    at = read_number(at, end, '*', &argc);
    if (at == NULL || argc == 0) return NULL;
    heard = grow(NULL, sizeof(*heard));
    memset(heard, 0, sizeof(*heard));
    heard->connection = connection->number;
    heard->argv = grow(NULL, argc * sizeof(*heard->argv));
    heard->lens = grow(NULL, argc * sizeof(*heard->lens));
    for (i = 0; i < argc; i++) {
        size_t len = 0;

        at = read_number(at, end, '$', &len);
        if (at == NULL || len + 2 > (size_t)(end - at)) {
            free_command(heard);
            return NULL;
        }
        heard->argv[i] = grow(NULL, len + 1);
        memcpy(heard->argv[i], at, len);
        heard->argv[i][len] = '\0';
        heard->lens[i] = len;
        heard->argc++;
        heard->text = grow(heard->text, text + len + 1);
        memcpy(heard->text + text, at, len);
        heard->text[text + len] = i + 1 < argc ? ' ' : '\0';
        text += len + 1;
        at += len + 2;
    }
    connection->used = (size_t)(at - connection->heard);
    return heard;
}

static void write_down(fake_t *fake, fake_heard_t *heard)
{
    pthread_mutex_lock(&fake->lock);
    fake->log = grow(fake->log, ((size_t)fake->n_log + 1) * sizeof(*fake->log));
    fake->log[fake->n_log++] = heard;
    pthread_mutex_unlock(&fake->lock);
}

/* Hear one command; NULL at the end. */
static const fake_heard_t *hear(connection_t *connection)
{
    fake_heard_t *heard;
    ssize_t n;

    connection->len -= connection->used;
    if (connection->used > 0) {
        memmove(connection->heard, connection->heard + connection->used,
                connection->len);
    }
    connection->used = 0;
    while ((heard = parse(connection)) == NULL) {
        if (await(connection, POLLIN, -1) < 0) return NULL;
        if (connection->room - connection->len < 65536) {
            connection->room = connection->room * 2 + 131072;
            connection->heard = grow(connection->heard, connection->room);
        }
        n = recv(connection->fd, connection->heard + connection->len,
                 connection->room - connection->len, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN)) return NULL;
        if (n > 0) connection->len += (size_t)n;
    }
    write_down(connection->fake, heard);
    return heard;
}

/* In one go, so that what comes too much comes with the echo. */
static int echo(connection_t *connection, const fake_act_t *act,
                const fake_heard_t *heard)
{
    size_t more = act->bytes != NULL ? strlen(act->bytes) : 0;
    size_t len = heard->lens[heard->argc - 1];
    char *bytes = grow(NULL, len + more + 32);
    int n = snprintf(bytes, 32, "$%zu\r\n", len);
    int sent;

    memcpy(bytes + n, heard->argv[heard->argc - 1], len);
    memcpy(bytes + n + len, "\r\n", 2);
    if (more > 0) memcpy(bytes + n + len + 2, act->bytes, more);
    sent = drip_bytes(connection, act, bytes, (size_t)n + len + 2 + more);
    free(bytes);
    return sent;
}

/* So often, in large pieces: the first answer never comes alone. */
static int send_often(connection_t *connection, const fake_act_t *act,
                      size_t len)
{
    size_t most = BLOCK / len;
    size_t left = act->times > 0 ? act->times : 1;
    size_t n = left < most ? left : most;
    char *bytes;
    size_t i;
    int sent = 1;

    if (n <= 1) return drip_bytes(connection, act, act->bytes, len);
    bytes = grow(NULL, n * len);
    for (i = 0; i < n; i++) memcpy(bytes + i * len, act->bytes, len);
    for (; sent && left > 0; left -= n) {
        if (n > left) n = left;
        sent = drip_bytes(connection, act, bytes, n * len);
    }
    free(bytes);
    return sent;
}

/* Play one act; 0 = the connection has ended. */
static int perform(connection_t *connection, const fake_act_t *act)
{
    const fake_heard_t *heard = NULL;

    if (!act->unasked) {
        heard = hear(connection);
        if (heard == NULL) return 0;
    }
    if (act->then != NULL) act->then();
    if (act->wait > 0 && await(connection, 0, act->wait) < 0) return 0;
    if (act->echo) {
        return echo(connection, act, heard) && act->end == FAKE_KEEP;
    }
    if (act->bytes != NULL &&
        !send_often(connection, act,
                    act->len != 0 ? act->len : strlen(act->bytes))) {
        return 0;
    }
    return act->end == FAKE_KEEP;
}

static void hang_up(connection_t *connection, fake_end_t end)
{
    const struct linger at_once = { 1, 0 };

    if (end == FAKE_RESET) {
        setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once,
                   sizeof(at_once));
    }
    pthread_mutex_lock(&connection->fake->lock);
    connection->fake->open--;
    close(connection->fd);
    pthread_mutex_unlock(&connection->fake->lock);
    free(connection->heard);
    late_leave();
}

static void *serve(void *data)
{
    connection_t *connection = data;
    const play_t *play = &connection->play;
    const fake_act_t *act = NULL;
    int i;

    for (i = 0; play->n > 0; i++) {
        if (i >= play->n && play->acts[play->n - 1].unasked) break;
        act = &play->acts[i < play->n ? i : play->n - 1];
        if (!perform(connection, act)) break;
    }
    if (play->n == 0) {
        while (hear(connection) != NULL) continue;
    }
    else if (i >= play->n && act->unasked) {
        while (await(connection, 0, -1) >= 0) continue;
    }
    hang_up(connection, act != NULL ? act->end : FAKE_KEEP);
    return NULL;
}

static void welcome(fake_t *fake, int fd)
{
    connection_t *connection = grow(NULL, sizeof(*connection));
    int which;

    memset(connection, 0, sizeof(*connection));
    connection->fake = fake;
    connection->fd = fd;
    connection->stop = fake->stop[0];
    pthread_mutex_lock(&fake->lock);
    connection->number = fake->accepted++;
    fake->open++;
    which = connection->number;
    if (which >= fake->n_plays) which = fake->n_plays - 1;
    if (which >= 0) connection->play = fake->plays[which];
    connection->next = fake->connections;
    fake->connections = connection;
    pthread_mutex_unlock(&fake->lock);
    if (pthread_create(&connection->thread, NULL, serve, connection) != 0) {
        die("pthread_create");
    }
}

static void *accept_all(void *data)
{
    fake_t *fake = data;
    struct pollfd both[2] = { { 0, POLLIN, 0 }, { 0, POLLIN, 0 } };
    int fd;

    both[0].fd = fake->listener;
    both[1].fd = fake->stop[0];
    for (;;) {
        if (poll(both, 2, -1) < 0 && errno != EINTR) die("poll");
        if (both[1].revents != 0) return NULL;
        fd = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) welcome(fake, fd);
    }
}

static socklen_t address_of(const fake_t *fake, struct sockaddr_storage *to)
{
    struct sockaddr_in *in = (struct sockaddr_in *)to;
    struct sockaddr_un *un = (struct sockaddr_un *)to;

    memset(to, 0, sizeof(*to));
    if (fake->family == AF_UNIX) {
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, fake->path, strlen(fake->path));
        return sizeof(*un);
    }
    in->sin_family = AF_INET;
    in->sin_port = htons((unsigned short)fake->port);
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof(*in);
}

/* A socket where the server is; the first bind() finds the port. */
static void bind_listener(fake_t *fake, int backlog)
{
    struct sockaddr_storage to;
    socklen_t len = address_of(fake, &to);
    int on = 1;

    fake->listener =
        socket(fake->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fake->listener < 0) die("socket");
    if (fake->family == AF_UNIX) unlink(fake->path);
    setsockopt(fake->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fake->listener, (struct sockaddr *)&to, len) != 0) die("bind");
    if (listen(fake->listener, backlog) != 0) die("listen");
    if (fake->family == AF_INET) {
        getsockname(fake->listener, (struct sockaddr *)&to, &len);
        fake->port = ntohs(((struct sockaddr_in *)&to)->sin_port);
        snprintf(fake->name, sizeof(fake->name), "redis://127.0.0.1:%d",
                 fake->port);
    }
}

fake_t *fake_start(int family)
{
    fake_t *fake = grow(NULL, sizeof(*fake));
    int i;

    memset(fake, 0, sizeof(*fake));
    fake->family = family;
    pthread_mutex_init(&fake->lock, NULL);
    for (i = 0; i < CROWD; i++) fake->crowd[i] = -1;
    if (family == AF_UNIX) {
        snprintf(fake->dir, sizeof(fake->dir), "/tmp/drs-fake-XXXXXX");
        if (mkdtemp(fake->dir) == NULL) die("mkdtemp");
        snprintf(fake->path, sizeof(fake->path), "%s/s", fake->dir);
        snprintf(fake->name, sizeof(fake->name), "unix://%s", fake->path);
    }
    fake_rise(fake);
    return fake;
}

/* End all threads but the acceptor's, or with it. */
static void end_threads(fake_t *fake, int acceptor)
{
    connection_t *connection;
    connection_t *next;

    close(fake->stop[1]);
    if (acceptor) pthread_join(fake->acceptor, NULL);
    pthread_mutex_lock(&fake->lock);
    connection = fake->connections;
    fake->connections = NULL;
    pthread_mutex_unlock(&fake->lock);
    for (; connection != NULL; connection = next) {
        next = connection->next;
        pthread_join(connection->thread, NULL);
        free(connection);
    }
    close(fake->stop[0]);
}

void fake_die(fake_t *fake)
{
    int i;

    end_threads(fake, fake->accepting);
    fake->accepting = 0;
    if (fake->listener >= 0) close(fake->listener);
    fake->listener = -1;
    for (i = 0; i < CROWD; i++) {
        if (fake->crowd[i] >= 0) close(fake->crowd[i]);
        fake->crowd[i] = -1;
    }
    fake->stop[0] = fake->stop[1] = -1;
}

static void start_accepting(fake_t *fake)
{
    if (pipe(fake->stop) != 0) die("pipe");
    fake->accepting = 1;
    if (pthread_create(&fake->acceptor, NULL, accept_all, fake) != 0) {
        die("pthread_create");
    }
}

void fake_rise(fake_t *fake)
{
    bind_listener(fake, 128);
    start_accepting(fake);
}

void fake_freeze(fake_t *fake)
{
    struct sockaddr_storage to;
    socklen_t len;
    int i;

    fake_die(fake);
    bind_listener(fake, 0);
    if (pipe(fake->stop) != 0) die("pipe");
    len = address_of(fake, &to);
    for (i = 0; i < CROWD; i++) {
        fake->crowd[i] =
            socket(fake->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (connect(fake->crowd[i], (struct sockaddr *)&to, len) != 0 &&
            errno != EINPROGRESS && errno != EAGAIN) {
            die("connect");
        }
    }
}

static void forget_commands(fake_t *fake)
{
    while (fake->n_log > 0) free_command(fake->log[--fake->n_log]);
    free(fake->log);
    fake->log = NULL;
}

void fake_forget(fake_t *fake)
{
    end_threads(fake, 1);
    forget_commands(fake);
    fake->accepted = 0;
    fake->n_plays = 0;
    start_accepting(fake);
}

void fake_stop(fake_t *fake)
{
    if (fake->listener >= 0) fake_die(fake);
    forget_commands(fake);
    if (fake->family == AF_UNIX) {
        unlink(fake->path);
        rmdir(fake->dir);
    }
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

void fake_reach(const fake_t *fake, drs_server_t *server, drs_url_t *url)
{
    memset(server, 0, sizeof(*server));
    memset(url, 0, sizeof(*url));
    url->scheme = fake->family == AF_UNIX ? DRS_SCHEME_UNIX : DRS_SCHEME_TCP;
    url->port = fake->port;
    url->host = fake->family == AF_UNIX ? NULL : "127.0.0.1";
    url->path = fake->family == AF_UNIX ? fake->path : NULL;
    url->name = fake->name;
    server->url = url;
    server->connect = APR_USEC_PER_SEC;
}

void fake_play(fake_t *fake, const fake_act_t *acts, int n)
{
    play_t *play;

    if (n > FAKE_ACTS || fake->n_plays >= FAKE_PLAYS) abort();
    pthread_mutex_lock(&fake->lock);
    play = &fake->plays[fake->n_plays++];
    memcpy(play->acts, acts, (size_t)n * sizeof(*acts));
    play->n = n;
    pthread_mutex_unlock(&fake->lock);
}

/* A count that the threads change. */
static int look(fake_t *fake, const int *count)
{
    int n;

    pthread_mutex_lock(&fake->lock);
    n = *count;
    pthread_mutex_unlock(&fake->lock);
    return n;
}

int fake_heard(fake_t *fake)
{
    return look(fake, &fake->n_log);
}

const fake_heard_t *fake_command(fake_t *fake, int i)
{
    const fake_heard_t *heard = NULL;

    pthread_mutex_lock(&fake->lock);
    if (i < fake->n_log) heard = fake->log[i];
    pthread_mutex_unlock(&fake->lock);
    return heard;
}

/* What it becomes, and stays for a moment. */
static int settle(fake_t *fake, const int *counted, int wanted)
{
    int ms;

    for (ms = 0; ms < PATIENCE && look(fake, counted) != wanted; ms++) {
        fake_sleep(1);
    }
    fake_sleep(2);
    return look(fake, counted);
}

int fake_connections(fake_t *fake, int wanted)
{
    return settle(fake, &fake->accepted, wanted);
}

int fake_open(fake_t *fake, int wanted)
{
    return settle(fake, &fake->open, wanted);
}

int fake_await(fake_t *fake, int wanted)
{
    return settle(fake, &fake->n_log, wanted);
}
