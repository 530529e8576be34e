/* SPDX-License-Identifier: MIT */
/*
 * The terms of a request and the callbacks of its host.
 */
#include "request.h"

#include "drs_codec.h"

const char request_client_id[] = "AGqwXyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

static void be_used(void *baton)
{
    ((request_t *)baton)->used++;
}

static int can_send(void *baton)
{
    return !((request_t *)baton)->headers_out;
}

static void announce(void *baton, const char *id)
{
    request_t *request = baton;

    request->announced++;
    apr_cpystrn(request->cookie, id != NULL ? id : "", sizeof(request->cookie));
}

void request_begin(request_t *request, void **state, const char *id)
{
    drs_host_t host = { be_used, can_send, announce, request };
    rig_t *rig = *state;

    memset(request, 0, sizeof(*request));
    request->rig = rig;
    request->terms.prefix = "drsession:";
    request->terms.codec = &drs_codec_json;
    request->terms.command = LONG * MS;
    request->terms.value_max = 8 * 1024;
    request->terms.fields_max = 100;
    request->terms.strict = 1;
    request->terms.touch = 1;
    fake_forget(rig->fake);
    request->session =
        drs_session_create(drs_route_create(&rig->conf, rig->p),
                           2 * APR_USEC_PER_SEC, &host, id, rig->p);
    drs_session_agree(request->session, &request->terms);
}
