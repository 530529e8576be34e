/* SPDX-License-Identifier: MIT */
/*
 * An id of anybody: nothing but 43 or 44 (16 to 128 where a client may
 * choose) of 64 characters is one, its birth is what base64 says, and what
 * we mint of any birth tells that birth.
 *
 *     input: the id; its first 8 bytes are also a birth
 */
#include "fuzz.h"

#include <string.h>

#include <apr_strings.h>

#include "drs_id.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "abcdefghijklmnopqrstuvwxyz"
                               "0123456789-_";

static int is_in_alphabet(const char *id, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        if (id[i] == '\0' || strchr(alphabet, id[i]) == NULL) return 0;
    }
    return 1;
}

/* The first 40 bits, one at a time. */
static apr_int64_t read_birth(const char *id)
{
    apr_int64_t birth = 0;
    int bit;

    for (bit = 0; bit < 40; bit++) {
        long letter = strchr(alphabet, id[bit / 6]) - alphabet;

        birth = birth * 2 + (letter >> (5 - bit % 6) & 1);
    }
    return birth;
}

static void mint(const uint8_t *data, size_t size)
{
    char id[DRS_ID_LEN + 1] = "untouched";
    apr_int64_t birth = 0;
    apr_status_t rv;

    memcpy(&birth, data, size < sizeof(birth) ? size : sizeof(birth));
    rv = drs_id_mint(id, birth);
    if (birth < 0 || birth >> 40 != 0) {
        CLAIM(rv == APR_EINVAL);
        CLAIM(strcmp(id, "untouched") == 0);
        return;
    }
    CLAIM(rv == APR_SUCCESS);
    CLAIM(strlen(id) == DRS_ID_LEN);
    CLAIM(drs_id_is_wellformed(id, DRS_ID_LEN, 1));
    CLAIM(drs_id_birth(id) == birth);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    apr_pool_t *p = fuzz_begin();
    const char *bytes = (const char *)data;
    int good = is_in_alphabet(bytes, size);
    int strict = drs_id_is_wellformed(bytes, size, 1);
    int loose = drs_id_is_wellformed(bytes, size, 0);

    CLAIM(strict == (good && (size == 43 || size == 44)));
    CLAIM(loose == (good && size >= 16 && size <= 128));
    if (loose) {
        const char *id = apr_pstrmemdup(p, bytes, size);

        CLAIM(drs_id_birth(id) == (size == 44 ? read_birth(id) : -1));
    }
    mint(data, size);
    fuzz_end();
    return 0;
}
