/* SPDX-License-Identifier: MIT */
/*
 * What a server should never send, and a dozen answers it should, to be cut
 * and bent. A hostile answer fits no command that a store asks as read; what
 * an answer means to which verb is the test's to know.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stddef.h>

/** A hostile answer. */
typedef struct hostile_t {
    const char *name;
    const char *bytes;
    size_t len;         /* 0 = up to the NUL */
    unsigned int times; /* how often, in a row; 0 = once */
} hostile_t;

#define HOSTILE(name, bytes)                                                   \
    {                                                                          \
        name, bytes, sizeof(bytes) - 1, 0                                      \
    }
#define HOSTILE_OFTEN(name, bytes, times)                                      \
    {                                                                          \
        name, bytes, sizeof(bytes) - 1, times                                  \
    }

/** No answer to HGET, HMGET, HGETALL, a script or a transaction. */
static const hostile_t hostile[] = {
    /* clang-format off */
    /* no type */
    HOSTILE("an unknown type", "?x\r\n"),
    HOSTILE("a bare line", "OK\r\n"),
    HOSTILE("an empty line", "\r\n"),
    HOSTILE("line feeds", "\n\n\n\n"),
    HOSTILE("a NUL", "\0"),
    HOSTILE("NULs", "\0\0\0\0\0\0\0\0\r\n"),
    HOSTILE("the highest byte", "\xff\xff\xff\xff\r\n"),
    HOSTILE("a blank before it", " $1\r\na\r\n"),
    HOSTILE("HTTP", "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
    HOSTILE("SSH", "SSH-2.0-OpenSSH_9.2p1\r\n"),
    HOSTILE("a TLS alert", "\x15\x03\x01\x00\x02\x02\x46"),
    HOSTILE("memcached", "ERROR\r\n"),
    HOSTILE("a command back", "*3\r\n$4\r\nHGET\r\n$1\r\nk\r\n"),
    /* numbers that are none */
    HOSTILE("a length that is no number", "$x\r\n"),
    HOSTILE("no length", "$\r\n"),
    HOSTILE("a length with a fraction", "$1.5\r\na\r\n"),
    HOSTILE("a hexadecimal length", "$0x1\r\na\r\n"),
    HOSTILE("a length with a tail", "$1a\r\na\r\n"),
    HOSTILE("a length after a blank", "$ 1\r\na\r\n"),
    HOSTILE("a length of -2", "$-2\r\n"),
    HOSTILE("the least length", "$-9223372036854775808\r\n"),
    HOSTILE("less than the least", "$-9223372036854775809\r\n"),
    HOSTILE("a length of 2 GB", "$2147483648\r\nx"),
    HOSTILE("the greatest length", "$9223372036854775807\r\nx"),
    HOSTILE("more than the greatest", "$9223372036854775808\r\nx"),
    HOSTILE("a length of 2^64", "$18446744073709551616\r\nx"),
    HOSTILE("a length of many digits",
            "$99999999999999999999999999999999999999999999999\r\nx"),
    HOSTILE("a number that is none", ":abc\r\n"),
    HOSTILE("no number", ":\r\n"),
    HOSTILE("a number past 64 bits", ":99999999999999999999\r\n"),
    HOSTILE("two signs", ":--1\r\n"),
    HOSTILE("a sign alone", ":-\r\n"),
    /* arrays */
    HOSTILE("an array of -2", "*-2\r\n"),
    HOSTILE("an array of no number", "*x\r\n"),
    HOSTILE("an array of nothing", "*\r\n"),
    HOSTILE("an array of 4097", "*4097\r\n"),
    HOSTILE("an array of 2^31 - 1", "*2147483647\r\n"),
    HOSTILE("an array of 2^31", "*2147483648\r\n"),
    HOSTILE("an array of 2^32", "*4294967296\r\n"),
    HOSTILE("an array of 2^32 + 1", "*4294967297\r\n:1\r\n"),
    HOSTILE("an array of 2^61", "*2305843009213693952\r\n"),
    HOSTILE("the greatest array", "*9223372036854775807\r\n"),
    HOSTILE("an array past 64 bits", "*18446744073709551617\r\n:1\r\n"),
    HOSTILE("three deep", "*1\r\n*1\r\n*1\r\n:1\r\n"),
    HOSTILE("nine deep",
            "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"),
    HOSTILE_OFTEN("endlessly deep", "*1\r\n", 500000),
    HOSTILE_OFTEN("endlessly wide and deep", "*4096\r\n", 500000),
    HOSTILE("an array of 5 in one",
            "*1\r\n*5\r\n:1\r\n:2\r\n:3\r\n:4\r\n:5\r\n"),
    HOSTILE("an array with a hole", "*2\r\n\r\n:1\r\n"),
    HOSTILE("an array with an unknown type", "*2\r\n:1\r\n?\r\n"),
    /* texts */
    HOSTILE("a text longer than it says", "$1\r\nabc\r\n"),
    HOSTILE("a text without its end", "$3\r\nabcXY"),
    HOSTILE("a text that ends in line feeds", "$3\r\nabc\n\n:"),
    HOSTILE("line feeds instead of ends", "$1\na\n$1\na\n"),
    HOSTILE("carriage returns only", "$1\ra\r$1\ra\r"),
    HOSTILE_OFTEN("an endless line", "+aaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                  65536),
    HOSTILE_OFTEN("an endless error", "-aaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                  65536),
    HOSTILE_OFTEN("an endless number", ":1111111111111111111111111111111",
                  65536),
    HOSTILE_OFTEN("an endless length", "$1111111111111111111111111111111",
                  65536),
    HOSTILE_OFTEN("an endless text", "$1073741824\r\naaaaaaaaaaaaaaaaaaaaaaa",
                  65536),
    HOSTILE_OFTEN("carriage returns without end", "+\r\r\r\r\r\r\r\r",
                  65536),
    /* more than was asked for */
    HOSTILE("two texts", "$1\r\na\r\n$1\r\nb\r\n"),
    HOSTILE("two nils", "$-1\r\n$-1\r\n"),
    HOSTILE("two errors", "-ERR a\r\n-ERR b\r\n"),
    HOSTILE("a text and half a text", "$1\r\na\r\n$1\r\n"),
    HOSTILE("a text and a byte", "$1\r\na\r\n*"),
    HOSTILE("a text and an end of line", "$1\r\na\r\n\r\n"),
    HOSTILE("an array and a number", "*1\r\n$1\r\na\r\n:1\r\n"),
    HOSTILE_OFTEN("a flood of answers", "$1\r\na\r\n", 65536),
    /* RESP3, which was not asked for */
    HOSTILE("a boolean", "#t\r\n"),
    HOSTILE("a double", ",1.5\r\n"),
    HOSTILE("a double that is none", ",x\r\n"),
    HOSTILE("a big number", "(3492890328409238509324850943850943825024385\r\n"),
    HOSTILE("a blob error", "!21\r\nSYNTAX invalid syntax\r\n"),
    HOSTILE("a verbatim text", "=5\r\ntxt:a\r\n"),
    HOSTILE("a verbatim text too short", "=3\r\ntxt\r\n"),
    HOSTILE("a map", "%1\r\n$1\r\na\r\n$1\r\nb\r\n"),
    HOSTILE("a map of 2^62", "%4611686018427387904\r\n"),
    HOSTILE("a map of 2^63 - 1", "%9223372036854775807\r\n"),
    HOSTILE("a set", "~1\r\n$1\r\na\r\n"),
    HOSTILE("an attribute", "|1\r\n+a\r\n+b\r\n$1\r\na\r\n"),
    HOSTILE("a push", ">2\r\n$7\r\nmessage\r\n$1\r\na\r\n"),
    HOSTILE("a push before the answer",
            ">2\r\n$10\r\ninvalidate\r\n*0\r\n$1\r\na\r\n"),
    HOSTILE("a streamed text", "$?\r\n;1\r\na\r\n;0\r\n"),
    HOSTILE("a streamed array", "*?\r\n:1\r\n.\r\n"),
    /* whole replies of a kind that nothing asked here has */
    HOSTILE("a status", "+OK\r\n"),
    HOSTILE("an empty status", "+\r\n"),
    HOSTILE("queued", "+QUEUED\r\n"),
    HOSTILE("an array of arrays", "*2\r\n*0\r\n*0\r\n"),
    HOSTILE("a nil array", "*-1\r\n*-1\r\n"),
    /* clang-format on */
};

/** Answers as they should be: one of each kind that verbs have. */
static const char *const valid[] = {
    /* clang-format off */
    "$3\r\n\"a\"\r\n", "$-1\r\n", ":0\r\n", ":1\r\n",
    ":9223372036854775807\r\n", "+OK\r\n", "-WRONGTYPE Operation\r\n",
    "-LOADING Redis is\r\n",
    "*2\r\n:1\r\n:1\r\n", "*2\r\n:0\r\n$2\r\n17\r\n", "*1\r\n:-1\r\n",
    "*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$4\r\nnull\r\n",
    "*2\r\n$1\r\n1\r\n$-1\r\n", "*0\r\n",
    /* clang-format on */
};

#endif
