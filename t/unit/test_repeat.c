/* SPDX-License-Identifier: MIT */
/*
 * drs_route: how late a repetition may begin. The clock of deadlines is moved
 * while the server answers: no test waits, and none depends on how fast the
 * machine is.
 */
#include "drs_route.h"

#include <apr_atomic.h>

#include "rig.h"

#define OWN "$3\r\nown\r\n"

/* ms by which the clock is ahead; set by the thread of the server. */
static volatile apr_uint32_t ahead;

/* Provided by the linker, see the Makefile. */
apr_interval_time_t __real_drs_clock_now(void);
apr_interval_time_t __wrap_drs_clock_now(void);

apr_interval_time_t __wrap_drs_clock_now(void)
{
    return __real_drs_clock_now() +
           (apr_interval_time_t)apr_atomic_read32(&ahead) * MS;
}

static void pass_58_of_100(void)
{
    apr_atomic_add32(&ahead, 58000);
}

static void pass_62_of_100(void)
{
    apr_atomic_add32(&ahead, 62000);
}

/* Let so much of 100 s pass, then the connection ends; how many were asked? */
static int ask_after(rig_t *rig, void (*pass)(void), apr_status_t wanted)
{
    drs_route_t *route = drs_route_create(&rig->conf, rig->p);
    drs_trip_t trip;

    fake_forget(rig->fake);
    PLAY(rig->fake, { .then = pass, .end = FAKE_CLOSE });
    PLAY(rig->fake, { .bytes = OWN });
    assert_int_equal(rig_travel(rig, route, READ, 1, 100000, &trip), wanted);
    drs_route_free(&trip);
    return fake_heard(rig->fake);
}

static void what_leaves_two_fifths_of_the_time_is_repeated(void **state)
{
    assert_int_equal(ask_after(*state, pass_58_of_100, APR_SUCCESS), 2);
}

static void what_leaves_less_is_not(void **state)
{
    assert_int_equal(ask_after(*state, pass_62_of_100, DRS_EDOWN), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TCP(what_leaves_two_fifths_of_the_time_is_repeated),
        TCP(what_leaves_less_is_not),
    };
    int failed;

    apr_initialize();
    failed = cmocka_run_group_tests_name("repeat", tests, NULL, NULL);
    apr_terminate();
    return failed;
}
