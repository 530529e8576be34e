/* SPDX-License-Identifier: MIT */
/*
 * What every fuzz target stands on: a pool for one input, whose blocks are
 * of malloc() and end where they say, so that the address sanitizer sees one
 * byte too many; and claims, which end the process when they are not true.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include <apr_pools.h>

/** End the process unless something is true. */
#define CLAIM(truth)                                                           \
    do {                                                                       \
        if (!(truth)) fuzz_refute(#truth, __FILE__, __LINE__);                 \
    } while (0)

/**
 * The target: do all that can be done with one input.
 *
 * @param data bytes
 * @param size how many
 * @return 0
 * Source: libFuzzer.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/**
 * Begin with an input.
 *
 * @return the pool of this input, until fuzz_end()
 */
apr_pool_t *fuzz_begin(void);

/** End with an input: its pool goes, and all that was in it. */
void fuzz_end(void);

/**
 * Say that a claim is not true, and abort.
 *
 * @param claim its text
 * @param file  where it stands
 * @param line  where it stands
 */
void fuzz_refute(const char *claim, const char *file, int line)
    __attribute__((noreturn));

/** What of an input is still to be taken. */
typedef struct fuzz_input_t {
    const char *at;
    size_t left;
    apr_pool_t *p; /* owns the texts that are taken */
} fuzz_input_t;

/**
 * Begin with an input that will be taken piece by piece.
 *
 * @param data bytes
 * @param size how many
 * @return all of it; the pool is that of fuzz_begin()
 */
fuzz_input_t fuzz_open(const uint8_t *data, size_t size);

/**
 * Take a byte.
 *
 * @param input what is left
 * @return it; 0 when nothing is left
 */
unsigned int fuzz_byte(fuzz_input_t *input);

/**
 * Take a line.
 *
 * @param input what is left
 * @return up to the next newline, which is dropped, or the end;
 *         NUL-terminated, cut at a NUL
 */
const char *fuzz_line(fuzz_input_t *input);

/**
 * Take all that is left.
 *
 * @param input what is left; nothing afterwards
 * @return NUL-terminated, cut at a NUL
 */
const char *fuzz_rest(fuzz_input_t *input);

#endif
