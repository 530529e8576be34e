/* SPDX-License-Identifier: MIT */
/*
 * Request headers that show fields to a backend. Subrequests and redirects
 * share the table of headers with the request they came from: what was set
 * there for one backend must not reach another.
 */
#include "drs_forward.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

int drs_forward_is_same(const char *name, const char *other)
{
    for (; *name != '\0' && *other != '\0'; name++, other++) {
        if (!apr_isalnum(*name) && !apr_isalnum(*other)) continue;
        if (apr_tolower(*name) != apr_tolower(*other)) return 0;
    }
    return *name == *other;
}

static int is_ours(const apr_array_header_t *forwards, const char *name)
{
    int i;

    for (i = 0; i < forwards->nelts; i++) {
        if (drs_forward_is_same(
                name, APR_ARRAY_IDX(forwards, i, drs_forward_t).header)) {
            return 1;
        }
    }
    return 0;
}

/*
 * A Connection header without the names that are ours. mod_proxy ends a name
 * at a ';' as well.
 */
static const char *clean_connection(const char *value,
                                    const apr_array_header_t *forwards,
                                    apr_pool_t *p)
{
    const char *kept = "";
    char *last;
    char *word = apr_strtok(apr_pstrdup(p, value), ",; \t", &last);

    for (; word != NULL; word = apr_strtok(NULL, ",; \t", &last)) {
        if (is_ours(forwards, word)) continue;
        kept = apr_pstrcat(p, kept, *kept != '\0' ? ", " : "", word, NULL);
    }
    return kept;
}

/* A table of the headers that stay. */
static apr_table_t *leave_out(const apr_table_t *headers,
                              const apr_array_header_t *forwards, apr_pool_t *p)
{
    const apr_array_header_t *lines = apr_table_elts(headers);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)lines->elts;
    apr_table_t *kept = apr_table_make(p, lines->nelts + 4);
    int i;

    for (i = 0; i < lines->nelts; i++) {
        const char *value = entry[i].val;

        if (entry[i].key == NULL || is_ours(forwards, entry[i].key)) continue;
        if (ap_cstr_casecmp(entry[i].key, "Connection") == 0) {
            value = clean_connection(value, forwards, p);
            if (*value == '\0') continue;
        }
        apr_table_addn(kept, entry[i].key, value);
    }
    return kept;
}

static void clear_for(request_rec *r, const apr_array_header_t *forwards)
{
    if (forwards == NULL) return;
    r->headers_in = leave_out(r->headers_in, forwards, r->pool);
}

void drs_forward_clear(request_rec *r, const drs_conf_t *conf)
{
    const request_rec *from = r->main != NULL ? r->main : r->prev;
    const drs_conf_t *other;

    for (; from != NULL; from = from->main != NULL ? from->main : from->prev) {
        other = ap_get_module_config(from->per_dir_config, &drsession_module);
        if (other->forwards != conf->forwards) clear_for(r, other->forwards);
    }
    clear_for(r, conf->forwards);
}
