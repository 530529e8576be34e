/* SPDX-License-Identifier: MIT */
/*
 * What the threads share is held by the pool and by a thread that asks; who
 * lets go last frees it. Such a thread may outlive the pool by as long as
 * the resolver takes, and touches nothing else.
 */
#include "drs_names.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_strings.h>

struct drs_names_t {
    apr_pool_t *own; /* holds this; of no parent, since it may stay longer */
    pthread_mutex_t lock;
    pthread_cond_t told;
    int holders;
    int numeric;        /* the host is an address */
    int asking;         /* a thread is under way */
    unsigned int tells; /* how often one came back */
    int error;          /* of the last one, of getaddrinfo(); 0 = none */
    int n;              /* addresses that were found last */
    drs_address_t list[DRS_ADDRESSES_MAX];
    const char *host;
    char port[12];
};

static void let_go(drs_names_t *names)
{
    int holders;

    pthread_mutex_lock(&names->lock);
    holders = --names->holders;
    pthread_mutex_unlock(&names->lock);
    if (holders > 0) return;

    pthread_cond_destroy(&names->told);
    pthread_mutex_destroy(&names->lock);
    apr_pool_destroy(names->own);
}

static apr_status_t let_go_on_cleanup(void *names)
{
    let_go(names);
    return APR_SUCCESS;
}

static void keep(drs_names_t *names, const struct addrinfo *found)
{
    for (names->n = 0; found != NULL && names->n < DRS_ADDRESSES_MAX;
         found = found->ai_next) {
        drs_address_t *one = &names->list[names->n];

        if (found->ai_addrlen > sizeof(one->to)) continue;
        one->len = found->ai_addrlen;
        memcpy(&one->to, found->ai_addr, found->ai_addrlen);
        names->n++;
    }
}

static int ask(const drs_names_t *names, int flags, struct addrinfo **found)
{
    struct addrinfo hints;

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;
    return getaddrinfo(names->host, names->port, &hints, found);
}

static void *ask_alone(void *data)
{
    drs_names_t *names = data;
    struct addrinfo *found = NULL;
    int error = ask(names, 0, &found);

    pthread_mutex_lock(&names->lock);
    if (error == 0) keep(names, found);
    names->error = error;
    names->asking = 0;
    names->tells++;
    pthread_cond_broadcast(&names->told);
    pthread_mutex_unlock(&names->lock);

    if (found != NULL) freeaddrinfo(found);
    let_go(names);
    return NULL;
}

/* Lock held: send a thread, in which no signal of httpd's is handled. */
static void send_thread(drs_names_t *names)
{
    pthread_t thread;
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, ask_alone, names) == 0) {
        pthread_detach(thread);
        names->asking = 1;
        names->holders++;
    }
    else {
        names->error = EAI_MEMORY;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Lock held: wait until the thread under way comes back, or too long. */
static void await_thread(drs_names_t *names, apr_interval_time_t wait)
{
    unsigned int tells = names->tells;
    struct timespec until;
    apr_interval_time_t us;

    clock_gettime(CLOCK_MONOTONIC, &until);
    us = until.tv_nsec / 1000 + wait;
    until.tv_sec += (time_t)(us / APR_USEC_PER_SEC);
    until.tv_nsec = (long)(us % APR_USEC_PER_SEC) * 1000;
    while (names->asking && names->tells == tells) {
        if (pthread_cond_timedwait(&names->told, &names->lock, &until) != 0) {
            return;
        }
    }
}

drs_names_t *drs_names_create(const char *host, int port, apr_pool_t *p)
{
    struct addrinfo *found = NULL;
    pthread_condattr_t monotonic;
    drs_names_t *names;
    apr_pool_t *own;

    if (apr_pool_create_unmanaged(&own) != APR_SUCCESS) abort();
    names = apr_pcalloc(own, sizeof(*names));
    names->own = own;
    names->host = apr_pstrdup(own, host);
    apr_snprintf(names->port, sizeof(names->port), "%d", port);
    names->holders = 1;
    pthread_mutex_init(&names->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&names->told, &monotonic);
    pthread_condattr_destroy(&monotonic);
    apr_pool_cleanup_register(p, names, let_go_on_cleanup,
                              apr_pool_cleanup_null);

    names->numeric = ask(names, AI_NUMERICHOST, &found) == 0;
    if (names->numeric) {
        keep(names, found);
        freeaddrinfo(found);
    }
    return names;
}

int drs_names_find(drs_names_t *names, apr_interval_time_t wait,
                   drs_address_t *list, const char **why)
{
    int late;
    int n;

    pthread_mutex_lock(&names->lock);
    late = names->asking && names->n > 0;
    if (!names->numeric && !late) {
        if (!names->asking) send_thread(names);
        await_thread(names, names->n > 0 ? wait / 2 : wait);
    }
    n = names->n;
    memcpy(list, names->list, (apr_size_t)n * sizeof(*list));
    if (n == 0) {
        *why = names->asking ? "nobody tells its address in time"
                             : gai_strerror(names->error);
    }
    pthread_mutex_unlock(&names->lock);
    return n;
}
