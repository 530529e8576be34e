/* SPDX-License-Identifier: MIT */
/*
 * Pools without pools: apr_palloc() is ours, for libapr too, and each block
 * is one of malloc(). A block of the real one is part of 8 KB in which
 * anybody may read on without being seen.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

typedef struct block_t {
    struct block_t *next;
    void *bytes;
} block_t;

/* What no pool frees before the input ends: mostly its notes on cleanups. */
static block_t *blocks;

/* What libapr made for itself before the first input. */
static block_t *forever;
static apr_pool_t *pool;

static apr_status_t release(void *bytes)
{
    free(bytes);
    return APR_SUCCESS;
}

static void keep(void *bytes, block_t **list)
{
    block_t *block = malloc(sizeof(*block));

    if (block == NULL) abort();
    block->bytes = bytes;
    block->next = *list;
    *list = block;
}

/* The name is APR's; libapr was not told to call its own. */
__attribute__((visibility("default"))) void *apr_palloc(apr_pool_t *p,
                                                        apr_size_t size)
{
    static int inside;
    void *bytes = malloc(size > 0 ? size : 1);

    if (bytes == NULL) abort();
    /* No block is clean by accident. */
    memset(bytes, 0xa5, size);
    if (pool == NULL || inside) {
        keep(bytes, pool == NULL ? &forever : &blocks);
        return bytes;
    }
    inside = 1;
    apr_pool_cleanup_register(p, bytes, release, apr_pool_cleanup_null);
    inside = 0;
    return bytes;
}

apr_pool_t *fuzz_begin(void)
{
    static int begun;

    if (!begun && apr_initialize() != APR_SUCCESS) abort();
    begun = 1;
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) abort();
    return pool;
}

void fuzz_end(void)
{
    block_t *next;

    apr_pool_destroy(pool);
    pool = NULL;
    for (; blocks != NULL; blocks = next) {
        next = blocks->next;
        free(blocks->bytes);
        free(blocks);
    }
}

void fuzz_refute(const char *claim, const char *file, int line)
{
    fprintf(stderr, "%s:%d: not true: %s\n", file, line, claim);
    abort();
}

fuzz_input_t fuzz_open(const uint8_t *data, size_t size)
{
    fuzz_input_t input = { (const char *)data, size, fuzz_begin() };

    return input;
}

unsigned int fuzz_byte(fuzz_input_t *input)
{
    if (input->left == 0) return 0;
    input->left--;
    return (unsigned char)*input->at++;
}

static const char *take(fuzz_input_t *input, size_t size, size_t dropped)
{
    const char *text = apr_pstrmemdup(input->p, input->at, size);

    input->at += size + dropped;
    input->left -= size + dropped;
    return apr_pstrdup(input->p, text);
}

const char *fuzz_line(fuzz_input_t *input)
{
    const char *newline = memchr(input->at, '\n', input->left);

    if (input->left == 0) return "";
    if (newline == NULL) return fuzz_rest(input);
    return take(input, (size_t)(newline - input->at), 1);
}

const char *fuzz_rest(fuzz_input_t *input)
{
    return input->left > 0 ? take(input, input->left, 0) : "";
}
