/* SPDX-License-Identifier: MIT */
/*
 * A Redis on the wire of wire.h that knows the commands of drs_store and
 * does with each what the input says: answers, lies, is late, hangs up,
 * refuses. Every value that it gives names the turn in which it was asked,
 * and it keeps the book of what it really did.
 */
#ifndef SERVER_H
#define SERVER_H

#include "fuzz.h"
#include "wire.h"

/** What became of commands in one turn. */
typedef struct server_book_t {
    int heard;    /* whole commands */
    int bytes;    /* that arrived, of whole commands or not */
    int executed; /* that changed something; a transaction is one */
    int unknown;  /* 1 = answers were any bytes: nothing follows from them */
} server_book_t;

/** The book of this turn. */
extern server_book_t server_book;

/**
 * Start a server; wire_reset() is part of it.
 *
 * @param input says what is done with each command
 */
void server_start(fuzz_input_t *input);

/** Begin a turn: the next request of any client. */
void server_turn(void);

/**
 * Tell what a value of this turn says.
 *
 * @return the text, without the quotes that make it JSON
 */
const char *server_tag(void);

/**
 * Tell the number of this turn, which is the sum of any counting.
 *
 * @return 1 or more
 */
int server_number(void);

#endif
