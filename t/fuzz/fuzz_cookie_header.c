/* SPDX-License-Identifier: MIT */
/*
 * A Cookie header of anybody: what is found is an id, stands in the header
 * as the value of a pair of that name, and every other such pair is alike.
 *
 *     input: a byte of choices, the header
 */
#include "fuzz.h"

#include <string.h>

#include <apr_strings.h>

#include "drs_cookie.h"
#include "drs_id.h"

static const char *const names[] = { "drsession", "__Host-drsession", "a",
                                     "sid" };

/* Pairs the slow way: a copy of each, cut at both sides, then compared. */
typedef struct count_t {
    int named;
    int same;
    int good;
} count_t;

static char *trim(char *pair)
{
    char *end = pair + strlen(pair);

    while (*pair == ' ' || *pair == '\t') pair++;
    while (end > pair && (end[-1] == ' ' || end[-1] == '\t')) end--;
    *end = '\0';
    return pair;
}

static count_t count_pairs(const char *header, const char *name, int strict,
                           apr_pool_t *p)
{
    count_t count = { 0, 0, 0 };
    char *copy = apr_pstrdup(p, header);
    const char *first = NULL;

    while (copy != NULL) {
        char *next = strchr(copy, ';');
        char *equals;

        if (next != NULL) *next++ = '\0';
        copy = trim(copy);
        equals = strchr(copy, '=');
        if (equals != NULL) *equals++ = '\0';
        if (equals != NULL && strcmp(copy, name) == 0) {
            if (first == NULL) first = equals;
            count.named++;
            count.same += strcmp(first, equals) == 0;
            count.good += drs_id_is_wellformed(equals, strlen(equals), strict);
        }
        copy = next;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t input = fuzz_open(data, size);
    unsigned int choice = fuzz_byte(&input);
    const char *name = names[choice >> 1 & 3];
    int strict = (int)(choice & 1);
    const char *header = fuzz_rest(&input);
    const char *id = NULL;
    drs_found_t found = drs_cookie_find(header, name, strict, &id, input.p);
    count_t count = count_pairs(header, name, strict, input.p);

    CLAIM((found == DRS_FOUND_ID) == (id != NULL));
    CLAIM((found == DRS_FOUND_NONE) == (count.named == 0));
    CLAIM((found == DRS_FOUND_ID) ==
          (count.named > 0 && count.same == count.named &&
           count.good == count.named));
    CLAIM(id == NULL || drs_id_is_wellformed(id, strlen(id), strict));
    CLAIM(id == NULL ||
          strstr(header, apr_pstrcat(input.p, name, "=", id, NULL)) != NULL);
    CLAIM(drs_cookie_find(NULL, name, strict, &id, input.p) == DRS_FOUND_NONE);
    fuzz_end();
    return 0;
}
