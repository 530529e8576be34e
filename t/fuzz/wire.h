/* SPDX-License-Identifier: MIT */
/*
 * Sockets and a clock without a kernel: what drs_redis asks of libc is
 * answered here (the linker's --wrap). Time is a number that moves when
 * somebody waits, so that a second is as short as a byte. Every byte that
 * comes back knows in whose turn it was sent.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stddef.h>

#include <apr_time.h>

/** What the server does when bytes of commands arrive. */
typedef void wire_serve_t(void *baton, int fd, const char *bytes, size_t len);

/** How the wire behaves; may be changed at any time. */
typedef struct wire_mood_t {
    wire_serve_t *serve;
    void *baton;
    int refuse;       /* 0, or errno of the next connects */
    size_t take_most; /* bytes that one send takes; 0 = all */
    size_t give_most; /* bytes that one receive gives; 0 = all */
    int clogged;      /* 1 = nothing can be sent */
    int broken;       /* 1 = sending fails */
    int turn;         /* whose bytes are sent from now on */
} wire_mood_t;

/** The mood. */
extern wire_mood_t wire_mood;

/** Forget all sockets; the clock starts anew, the mood is good. */
void wire_reset(void);

/**
 * Let time pass.
 *
 * @param us how long
 */
void wire_sleep(apr_interval_time_t us);

/**
 * Let the server send bytes, after those it sent before.
 *
 * @param fd    of the client
 * @param bytes to be there until wire_reset()
 * @param len   how many
 * @param delay us from now
 */
void wire_say(int fd, const char *bytes, size_t len, apr_interval_time_t delay);

/**
 * Let the server close when all it said has been read.
 *
 * @param fd    of the client
 * @param error 0 = an end of file; else errno of the client's receive
 */
void wire_hang_up(int fd, int error);

/**
 * Count the sockets that the client has not closed.
 *
 * @return how many
 */
int wire_open(void);

/**
 * Tell whether a client read bytes of another turn than the present one.
 *
 * @return 1 or 0
 */
int wire_was_mixed(void);

#endif
