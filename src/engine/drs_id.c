/* SPDX-License-Identifier: MIT */
/*
 * Session ids: how they are made, what shape is accepted, when they were
 * born. Knows the alphabet and the random source; nothing of cookies or
 * Redis keys, and no second source of randomness.
 */
#include "drs_id.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

/*
 * bytes   | birth, big-endian | random                            |
 *         0                   5                                   33
 * letters |         |         |                                   |
 *         0         4       6 2/3                                 44
 *
 * 33 bytes are 11 groups of 3, so base64 needs no padding; the seventh
 * letter carries the last 4 bits of the birth and 2 random ones.
 */
#define BIRTH_BYTES 5
#define RAW_BYTES 33
#define BIRTH_MAX (((apr_int64_t)1 << (8 * BIRTH_BYTES)) - 1)

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz"
                               "0123456789-_";

static apr_status_t fill_random(unsigned char *bytes, apr_size_t len)
{
    while (len > 0) {
        ssize_t got = getrandom(bytes, len, 0);

        if (got > 0) {
            bytes += got;
            len -= (apr_size_t)got;
        }
        else if (got == 0 || errno != EINTR) {
            return got == 0 ? APR_EGENERAL : errno;
        }
    }
    return APR_SUCCESS;
}

static void put_birth(unsigned char *bytes, apr_int64_t birth)
{
    int i;

    for (i = BIRTH_BYTES - 1; i >= 0; i--) {
        bytes[i] = (unsigned char)(birth & 0xff);
        birth >>= 8;
    }
}

static void encode(char *text, const unsigned char *bytes)
{
    int i;

    for (i = 0; i < RAW_BYTES; i += 3, text += 4) {
        unsigned int group = (unsigned int)bytes[i] << 16 |
                             (unsigned int)bytes[i + 1] << 8 | bytes[i + 2];

        text[0] = alphabet[group >> 18];
        text[1] = alphabet[group >> 12 & 63];
        text[2] = alphabet[group >> 6 & 63];
        text[3] = alphabet[group & 63];
    }
    *text = '\0';
}

apr_status_t drs_id_mint(char *id, apr_int64_t birth)
{
    unsigned char bytes[RAW_BYTES];
    apr_status_t rv;

    if (birth < 0 || birth > BIRTH_MAX) return APR_EINVAL;

    put_birth(bytes, birth);
    rv = fill_random(bytes + BIRTH_BYTES, sizeof(bytes) - BIRTH_BYTES);
    if (rv != APR_SUCCESS) return rv;

    encode(id, bytes);
    return APR_SUCCESS;
}

/* By hand: isalnum() asks the locale. */
static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_';
}

int drs_id_is_wellformed(const char *id, apr_size_t len, int strict)
{
    apr_size_t min = strict ? 43 : 16;
    apr_size_t max = strict ? 44 : 128;
    apr_size_t i = 0;

    if (len < min || len > max) return 0;

    while (i < len && is_letter(id[i])) {
        i++;
    }
    return i == len;
}

apr_int64_t drs_id_birth(const char *id)
{
    apr_int64_t bits = 0;
    int i;

    if (strlen(id) != DRS_ID_LEN) return -1;

    for (i = 0; i < 7; i++) {
        bits = bits << 6 | (strchr(alphabet, id[i]) - alphabet);
    }
    return bits >> 2;
}
