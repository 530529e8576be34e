/* SPDX-License-Identifier: MIT */
/*
 * ap_internal_fast_redirect() gives a request the file, settings and
 * variables of a subrequest, but not its request headers, and the request's
 * own variables stay beside the new ones:
 *
 *     fixups of /dir/ ... mod_dir: fixups of /dir/index.cgi ... end of fixups
 *     note                                                     leave
 *
 * A redirect shares the pool of the request it comes from, hence r in it.
 */
#include "drs_index.h"

#include <http_config.h>

#include "drs_conf.h"
#include "drs_env.h"
#include "drs_forward.h"

static const char note_key[] = "drsession-index";

typedef struct note_t {
    const request_rec *r;
    ap_conf_vector_t *place; /* its settings */
} note_t;

void drs_index_note(request_rec *r)
{
    note_t *note = apr_palloc(r->pool, sizeof(*note));

    note->r = r;
    note->place = r->per_dir_config;
    apr_pool_userdata_setn(note, note_key, NULL, r->pool);
}

int drs_index_leave(request_rec *r)
{
    const note_t *note = NULL;
    void *found = NULL;
    drs_conf_t conf;

    apr_pool_userdata_get(&found, note_key, r->pool);
    note = found;
    if (note == NULL || note->r != r || note->place == r->per_dir_config) {
        return 0;
    }
    drs_conf_fill_dir(ap_get_module_config(note->place, &drsession_module),
                      &conf);
    drs_forward_clear(r, &conf);
    drs_env_clear(r, &conf);
    return 1;
}
