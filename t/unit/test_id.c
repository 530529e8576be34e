/* SPDX-License-Identifier: MIT */
/*
 * drs_id: the shape that is accepted, the birth time inside, and whether
 * ids are as random as the system. A getrandom() of our own stands before
 * the real one to be interrupted, short or broken on demand.
 */
#include "drs_id.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ID43 "0123456789-_abcdefghijklmnopqrstuvwxyzABCDE"
#define ID44 ID43 "F"
#define LAST_BIRTH (((apr_int64_t)1 << 40) - 1)

static int interruptions; /* EINTR still to come */
static size_t most;       /* bytes a call gives at most; 0 = all */
static int broken;        /* errno of every call; 0 = none */

ssize_t getrandom(void *bytes, size_t len, unsigned int flags)
{
    if (broken != 0 || interruptions > 0) {
        errno = broken != 0 ? broken : EINTR;
        interruptions--;
        return -1;
    }
    if (most != 0 && len > most) len = most;
    return syscall(SYS_getrandom, bytes, len, flags);
}

static int heal(void **state)
{
    (void)state;
    interruptions = 0;
    most = 0;
    broken = 0;
    return 0;
}

static void only_ids_of_the_right_shape_are_wellformed(void **state)
{
    static const struct {
        const char *id;
        int strict;
        int lax;
    } rows[] = {
        { ID43, 1, 1 },
        { ID44, 1, 1 },
        { "", 0, 0 },
        { "a", 0, 0 },
        { "0123456789abcde", 0, 0 },
        { "0123456789abcdef", 0, 1 },
        { "0123456789-_abcdefghijklmnopqrstuvwxyzABCD", 0, 1 },
        { ID44 "G", 0, 1 },
        { ID43 "=", 0, 0 },
        { ID43 "+", 0, 0 },
        { ID43 "/", 0, 0 },
        { ID43 ".", 0, 0 },
        { ID43 ":", 0, 0 },
        { ID43 "*", 0, 0 },
        { ID43 " ", 0, 0 },
        { ID43 "\n", 0, 0 },
        { ID43 "\x7f", 0, 0 },
        { ID43 "\xc3\xa4", 0, 0 },
        { ID43 "@", 0, 0 },
        { ID43 "[", 0, 0 },
        { ID43 "`", 0, 0 },
        { ID43 "{", 0, 0 },
        { ID43 ",", 0, 0 },
        { " " ID43, 0, 0 },
        { "../" ID43, 0, 0 },
        { "\"" ID43, 0, 0 },
        { ID43 "\r\nFLUSHALL", 0, 0 },
        { ID43 ID43, 0, 1 },
        { ID44 ID43 "01234567890123456789012345678901234567890", 0, 1 },
        { ID44 ID44 "01234567890123456789012345678901234567890", 0, 0 },
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(rows[i].id);

        assert_int_equal(drs_id_is_wellformed(rows[i].id, len, 1),
                         rows[i].strict);
        assert_int_equal(drs_id_is_wellformed(rows[i].id, len, 0), rows[i].lax);
    }
}

static void a_nul_inside_is_not_wellformed(void **state)
{
    char id[] = ID44;

    (void)state;
    id[20] = '\0';
    assert_int_equal(drs_id_is_wellformed(id, sizeof(id) - 1, 1), 0);
    assert_int_equal(drs_id_is_wellformed(id, sizeof(id) - 1, 0), 0);
}

static void the_length_is_obeyed_where_more_bytes_follow(void **state)
{
    (void)state;
    assert_int_equal(drs_id_is_wellformed(ID44 "; theme=dark", 44, 1), 1);
    assert_int_equal(drs_id_is_wellformed(ID44 "; theme=dark", 45, 1), 0);
}

static void every_byte_outside_the_alphabet_is_refused(void **state)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz"
                                   "0123456789-_";
    char id[] = ID44;
    int c;

    (void)state;
    for (c = 0; c < 256; c++) {
        int good = c != 0 && strchr(alphabet, c) != NULL;

        id[43] = (char)c;
        assert_int_equal(drs_id_is_wellformed(id, 44, 1), good);
    }
}

static void a_new_id_is_wellformed_and_carries_its_birth(void **state)
{
    static const apr_int64_t births[] = {
        /* clang-format off */
        0, 1, 255, 256, 65535, 1234567890, 1700000000, 4294967295LL,
        4294967296LL, 0x0102030405LL, 0xaaaaaaaaaaLL, LAST_BIRTH
        /* clang-format on */
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(births) / sizeof(births[0]); i++) {
        char id[DRS_ID_LEN + 1];

        assert_int_equal(drs_id_mint(id, births[i]), APR_SUCCESS);
        assert_int_equal(strlen(id), DRS_ID_LEN);
        assert_int_equal(drs_id_is_wellformed(id, DRS_ID_LEN, 1), 1);
        assert_true(drs_id_birth(id) == births[i]);
    }
}

static void births_are_read_as_base64_of_big_endian_seconds(void **state)
{
    /* base64url of 00 65 53 f1 00, 28 zero bytes behind it. */
    static const char *id = "AGVT8QAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    (void)state;
    assert_true(drs_id_birth(id) == 1700000000);
}

static void an_id_of_another_length_has_no_birth(void **state)
{
    (void)state;
    assert_true(drs_id_birth(ID43) == -1);
    assert_true(drs_id_birth(ID44 "x") == -1);
    assert_true(drs_id_birth("0123456789abcdef") == -1);
}

static void a_birth_beyond_forty_bits_makes_no_id(void **state)
{
    char id[DRS_ID_LEN + 1] = "untouched";

    (void)state;
    assert_int_not_equal(drs_id_mint(id, -1), APR_SUCCESS);
    assert_int_not_equal(drs_id_mint(id, LAST_BIRTH + 1), APR_SUCCESS);
    assert_string_equal(id, "untouched");
}

static void an_interrupted_or_short_read_is_continued(void **state)
{
    char one[DRS_ID_LEN + 1];
    char two[DRS_ID_LEN + 1];

    (void)state;
    interruptions = 3;
    most = 1;
    assert_int_equal(drs_id_mint(one, 0), APR_SUCCESS);
    interruptions = 1;
    assert_int_equal(drs_id_mint(two, 0), APR_SUCCESS);
    /* The last letters differ unless the tail was never filled. */
    assert_string_not_equal(one + 30, two + 30);
}

static void without_random_bytes_there_is_no_id(void **state)
{
    char id[DRS_ID_LEN + 1] = "untouched";

    (void)state;
    broken = ENOSYS;
    assert_int_equal(drs_id_mint(id, 0), ENOSYS);
    assert_string_equal(id, "untouched");
}

/* `make security-long` makes a million. */
#ifndef EACH
#define EACH 2000
#endif
#define CHILDREN 50

static void mint_into(int fd)
{
    char id[DRS_ID_LEN + 1];
    int i;

    for (i = 0; i < EACH; i++) {
        if (drs_id_mint(id, 1700000000) != APR_SUCCESS ||
            write(fd, id, sizeof(id)) != (ssize_t)sizeof(id)) {
            _exit(1);
        }
    }
    _exit(0);
}

static void read_all(int fd, char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t got = read(fd, bytes, len);

        assert_true(got > 0);
        bytes += got;
        len -= (size_t)got;
    }
}

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void ids_of_fifty_processes_all_differ(void **state)
{
    static char ids[CHILDREN * EACH][DRS_ID_LEN + 1];
    char first[DRS_ID_LEN + 1];
    int i;

    (void)state;
    /* A generator seeded before the fork would repeat itself after it. */
    assert_int_equal(drs_id_mint(first, 0), APR_SUCCESS);
    for (i = 0; i < CHILDREN; i++) {
        int ends[2];
        int status;
        pid_t child;

        assert_int_equal(pipe(ends), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) mint_into(ends[1]);
        close(ends[1]);
        read_all(ends[0], ids[i * EACH], sizeof(ids) / CHILDREN);
        close(ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
    }
    qsort(ids, CHILDREN * EACH, sizeof(ids[0]), compare);
    for (i = 1; i < CHILDREN * EACH; i++) {
        assert_string_not_equal(ids[i - 1], ids[i]);
    }
}

#define TOSSES 10000
#define RANDOM_BITS (6 * 37)

static int value_of(char letter)
{
    return letter == '_'   ? 63
           : letter == '-' ? 62
           : letter <= '9' ? letter - '0' + 52
           : letter <= 'Z' ? letter - 'A'
                           : letter - 'a' + 26;
}

static void every_random_bit_is_set_about_half_the_time(void **state)
{
    int ones[RANDOM_BITS] = { 0 };
    int all = 0;
    int i;
    int bit;

    (void)state;
    for (i = 0; i < TOSSES; i++) {
        char id[DRS_ID_LEN + 1];

        assert_int_equal(drs_id_mint(id, 0), APR_SUCCESS);
        for (bit = 0; bit < RANDOM_BITS; bit++) {
            ones[bit] += value_of(id[7 + bit / 6]) >> bit % 6 & 1;
        }
    }
    /* Six standard deviations: 50 for one bit, 745 for all of them. */
    for (bit = 0; bit < RANDOM_BITS; bit++) {
        assert_in_range(ones[bit], TOSSES / 2 - 300, TOSSES / 2 + 300);
        all += ones[bit];
    }
    assert_in_range(all, TOSSES * RANDOM_BITS / 2 - 4470,
                    TOSSES * RANDOM_BITS / 2 + 4470);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* clang-format off */
        cmocka_unit_test(only_ids_of_the_right_shape_are_wellformed),
        cmocka_unit_test(a_nul_inside_is_not_wellformed),
        cmocka_unit_test(the_length_is_obeyed_where_more_bytes_follow),
        cmocka_unit_test(every_byte_outside_the_alphabet_is_refused),
        cmocka_unit_test(a_new_id_is_wellformed_and_carries_its_birth),
        cmocka_unit_test(births_are_read_as_base64_of_big_endian_seconds),
        cmocka_unit_test(an_id_of_another_length_has_no_birth),
        cmocka_unit_test(a_birth_beyond_forty_bits_makes_no_id),
        cmocka_unit_test_setup(an_interrupted_or_short_read_is_continued,
                               heal),
        cmocka_unit_test_setup_teardown(without_random_bytes_there_is_no_id,
                                        heal, heal),
        cmocka_unit_test_setup(
            ids_of_fifty_processes_all_differ, heal),
        cmocka_unit_test_setup(every_random_bit_is_set_about_half_the_time,
                               heal),
        /* clang-format on */
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
