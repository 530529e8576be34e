/* SPDX-License-Identifier: MIT */
/*
 * A Redis that does what it is told: on loopback or a unix socket, in
 * threads of the test. Each connection plays a script of acts, one for each
 * command; what it hears is written down. It knows RESP as far as commands
 * go, and nothing of Redis: every answer is the test's.
 */
#ifndef FAKE_H
#define FAKE_H

#include <stddef.h>

#include "drs_redis.h"

/** What becomes of the connection after an act. */
typedef enum fake_end_t {
    FAKE_KEEP,
    FAKE_CLOSE, /* a FIN: the client reads an end of file */
    FAKE_RESET  /* a RST */
} fake_end_t;

/** What is done about one command. */
typedef struct fake_act_t {
    const char *bytes;  /* the answer; NULL = none */
    size_t len;         /* of it; 0 = up to its NUL */
    unsigned int times; /* how often the answer is sent; 0 = once */
    int wait;           /* ms before the answer */
    int drip;           /* ms before each byte; 0 = all in one go */
    int echo;           /* 1 = the command's last argument, then bytes */
    int unasked;        /* 1 = without waiting for a command */
    void (*then)(void); /* called before the answer; NULL = nothing */
    fake_end_t end;
} fake_act_t;

/** A command that was heard. */
typedef struct fake_heard_t {
    int connection; /* 0 = the first that was accepted */
    int argc;
    char **argv;
    size_t *lens;
    char *text; /* the arguments, a blank between them */
} fake_heard_t;

/** The server. */
typedef struct fake_t fake_t;

/**
 * Start a server on a port or path of its own.
 *
 * @param family AF_INET or AF_UNIX
 * @return the server; the process ends when there can be none
 */
fake_t *fake_start(int family);

/**
 * Stop it, threads and sockets, and free it.
 *
 * @param fake from fake_start()
 */
void fake_stop(fake_t *fake);

/**
 * Tell how to reach it, with a connect time of a second.
 *
 * @param fake   from fake_start()
 * @param server out, without password
 * @param url    out, refers to fake
 */
void fake_reach(const fake_t *fake, drs_server_t *server, drs_url_t *url);

/**
 * Give the next connection its script. The last act of a script is repeated,
 * or the connection falls silent where that one is unasked; the last script
 * is that of all further connections. A connection without any never
 * answers.
 *
 * @param fake from fake_start()
 * @param acts copied; their bytes are not
 * @param n    1..FAKE_ACTS
 */
void fake_play(fake_t *fake, const fake_act_t *acts, int n);

/** Most acts of a script, and most scripts. */
enum { FAKE_ACTS = 16, FAKE_PLAYS = 16 };

/**
 * Forget scripts, commands and connections: the next connection is the
 * first. Those there were are cut.
 *
 * @param fake from fake_start()
 */
void fake_forget(fake_t *fake);

/**
 * Die: the listener is closed, all connections are.
 *
 * @param fake from fake_start()
 */
void fake_die(fake_t *fake);

/**
 * Listen again where it did before.
 *
 * @param fake after fake_die() or fake_freeze()
 */
void fake_rise(fake_t *fake);

/**
 * Accept no more, and let the system not do it either: who connects from
 * now on waits.
 *
 * @param fake from fake_start()
 */
void fake_freeze(fake_t *fake);

/**
 * Count the commands heard.
 *
 * @param fake from fake_start()
 * @return how many
 */
int fake_heard(fake_t *fake);

/**
 * Look at a command.
 *
 * @param fake from fake_start()
 * @param i    0..fake_heard() - 1
 * @return it, alive until fake_forget()
 */
const fake_heard_t *fake_command(fake_t *fake, int i);

/**
 * Count the connections accepted; waits a second for what may be on its way.
 *
 * @param fake   from fake_start()
 * @param wanted what is expected
 * @return how many since the start or fake_forget()
 */
int fake_connections(fake_t *fake, int wanted);

/**
 * Count the connections that neither side has closed; waits a second for
 * what may be on its way.
 *
 * @param fake   from fake_start()
 * @param wanted what is expected
 * @return how many are left
 */
int fake_open(fake_t *fake, int wanted);

/**
 * Wait until so many commands were heard, a second at most.
 *
 * @param fake   from fake_start()
 * @param wanted how many
 * @return how many were
 */
int fake_await(fake_t *fake, int wanted);

/**
 * Sleep.
 *
 * @param ms how long
 */
void fake_sleep(int ms);

#endif
