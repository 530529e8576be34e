/* SPDX-License-Identifier: MIT */
/*
 * drs_socket where nobody listens, on a port that the system also gives to
 * who connects: sooner or later it gives that port itself.
 */
#include "drs_socket.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <apr_general.h>

#include <cmocka.h>

#include "drs_clock.h"

/* Unguarded, a socket met itself after 10 to 50 thousand tries, in 2 s. */
enum { TRIES = 150 * 1000, SECOND = 1000 * 1000, MOST = 4 * SECOND };

/* Whether nobody has the port, or any if it is 0; out: it. */
static int is_free(int *port)
{
    struct sockaddr_in own;
    socklen_t len = sizeof(own);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int error;

    memset(&own, 0, sizeof(own));
    own.sin_family = AF_INET;
    own.sin_port = htons((unsigned short)*port);
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    error = bind(fd, (struct sockaddr *)&own, len);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
    close(fd);
    *port = ntohs(own.sin_port);
    return error == 0;
}

/* The system gives odd ports to who listens, even ones to who connects. */
static int find_port(void)
{
    int port;

    do {
        port = 0;
        assert_true(is_free(&port));
        port = (port & ~1) - 2;
    } while (!is_free(&port));
    return port;
}

static void a_socket_never_meets_itself(void **state)
{
    apr_interval_time_t end = drs_clock_now() + MOST;
    const char *unknown = NULL;
    drs_names_t *names;
    apr_pool_t *p;
    int error = 1;
    int fd = -1;
    int i;

    (void)state;
    assert_int_equal(apr_pool_create(&p, NULL), APR_SUCCESS);
    names = drs_names_create("127.0.0.1", find_port(), p);
    for (i = 0; i < TRIES && error != 0 && drs_clock_now() < end; i++) {
        error = drs_socket_connect_tcp(names, drs_clock_now() + SECOND, &fd,
                                       &unknown);
    }
    apr_pool_destroy(p);
    assert_int_not_equal(error, 0);
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_socket_never_meets_itself),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
