/* SPDX-License-Identifier: MIT */
/*
 * A fuzz target without a fuzzer: every seed as it is, then seeds changed by
 * dice that always fall alike. Prints TAP. What fails is printed as hex.
 *
 *     fuzz_x FOLDER [RUNS]
 */
#include "fuzz.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEEDS_MAX = 256, SIZE_MAX_SEED = 8192, RUNS = 20000 };

typedef struct seed_t {
    uint8_t *bytes;
    size_t size;
} seed_t;

static seed_t seeds[SEEDS_MAX];
static size_t n_seeds;
static const uint8_t *current;
static size_t current_size;

/* Of a dying process: nothing but write() is safe. */
static void show(int sig)
{
    static const char digits[] = "0123456789abcdef";
    static const char head[] = "# the input, as hex: ";
    char pair[2];
    size_t i;

    signal(sig, SIG_DFL);
    if (write(STDERR_FILENO, head, sizeof(head) - 1) < 0) _exit(1);
    for (i = 0; i < current_size; i++) {
        pair[0] = digits[current[i] >> 4];
        pair[1] = digits[current[i] & 15];
        if (write(STDERR_FILENO, pair, sizeof(pair)) < 0) _exit(1);
    }
    if (write(STDERR_FILENO, "\n", 1) < 0) _exit(1);
    raise(sig);
}

/* A copy that ends where it ends, so that no byte behind it is ours. */
static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);

    if (copy == NULL) abort();
    memcpy(copy, bytes, size);
    current = copy;
    current_size = size;
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    current_size = 0;
}

static unsigned int roll(unsigned int sides)
{
    static uint64_t dice = 88172645463325252u;

    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (unsigned int)((dice >> 32) % (sides > 0 ? sides : 1));
}

static size_t cut(uint8_t *bytes, size_t size)
{
    size_t from = roll((unsigned int)size);
    size_t len = 1 + roll(8);

    if (len > size - from) len = size - from;
    memmove(bytes + from, bytes + from + len, size - from - len);
    return size - len;
}

/* A piece of another seed, or of the same, at any place. */
static size_t splice(uint8_t *bytes, size_t size)
{
    const seed_t *other = &seeds[roll((unsigned int)n_seeds)];
    size_t from = roll((unsigned int)other->size);
    size_t len = 1 + roll(24);
    size_t to = roll((unsigned int)size + 1);

    if (other->size == 0) return size;
    if (len > other->size - from) len = other->size - from;
    if (size + len > SIZE_MAX_SEED) return size;
    memmove(bytes + to + len, bytes + to, size - to);
    memcpy(bytes + to, other->bytes + from, len);
    return size + len;
}

static size_t change(uint8_t *bytes, size_t size)
{
    if (size == 0) return splice(bytes, size);
    switch (roll(5)) {
    case 0:
        bytes[roll((unsigned int)size)] ^= (uint8_t)(1u << roll(8));
        return size;
    case 1:
        bytes[roll((unsigned int)size)] = (uint8_t)roll(256);
        return size;
    case 2:
        return cut(bytes, size);
    case 3:
        return roll((unsigned int)size + 1);
    default:
        return splice(bytes, size);
    }
}

static void mutate(void)
{
    static uint8_t bytes[SIZE_MAX_SEED];
    const seed_t *seed = &seeds[roll((unsigned int)n_seeds)];
    size_t size = seed->size;
    unsigned int changes = 1 + roll(4);

    memcpy(bytes, seed->bytes, size);
    while (changes-- > 0) size = change(bytes, size);
    run(bytes, size);
}

static int compare(const void *a, const void *b)
{
    return strcmp((*(struct dirent *const *)a)->d_name,
                  (*(struct dirent *const *)b)->d_name);
}

static void read_seed(const char *folder, const char *name)
{
    seed_t *seed = &seeds[n_seeds];
    char path[4096];
    FILE *in;

    if (name[0] == '.' || n_seeds == SEEDS_MAX) return;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    in = fopen(path, "rb");
    seed->bytes = malloc(SIZE_MAX_SEED);
    if (in == NULL || seed->bytes == NULL) abort();
    seed->size = fread(seed->bytes, 1, SIZE_MAX_SEED, in);
    fclose(in);
    n_seeds++;
}

/* In the order of their names: dice alone do not make runs alike. */
static void read_seeds(const char *folder)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, NULL, NULL);
    int i;

    if (n > 0) qsort(entries, (size_t)n, sizeof(*entries), compare);
    for (i = 0; i < n; i++) {
        read_seed(folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    long runs = argc > 2 ? strtol(argv[2], NULL, 10) : RUNS;
    size_t i;
    long n;

    if (argc < 2) return 2;
    read_seeds(argv[1]);
    signal(SIGABRT, show);
    signal(SIGSEGV, show);
    printf("1..2\n");
    run((const uint8_t *)"", 0);
    for (i = 0; i < n_seeds; i++) run(seeds[i].bytes, seeds[i].size);
    printf("%sok 1 - every seed holds, %lu of them\n",
           n_seeds > 0 ? "" : "not ", (unsigned long)n_seeds);
    fflush(stdout);
    for (n = 0; n < runs && n_seeds > 0; n++) mutate();
    printf("ok 2 - changed seeds hold, %ld of them\n", n);
    for (i = 0; i < n_seeds; i++) free(seeds[i].bytes);
    return n_seeds > 0 ? 0 : 1;
}
