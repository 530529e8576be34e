/* SPDX-License-Identifier: MIT */
/*
 * Headers of the response, so that no cache shows one user's page to
 * another and no response carries two cookies of ours. The application may
 * speak of caching until its headers leave, so filters have the last word:
 *
 *     a part of a page   part -> mod_cache's for parts
 *     the page           page -> mod_headers -> last -> mod_cache's
 */
#include "drs_reply.h"

#include <string.h>

#include <apr_strings.h>
#include <http_protocol.h>
#include <util_filter.h>

static const char page_filter[] = "DRSESSION_CACHE";
static const char last_filter[] = "DRSESSION_CACHE_LAST";
static const char part_filter[] = "DRSESSION_CACHE_PART";

static int has_token(const char *list, const char *token)
{
    return list != NULL && ap_find_token(NULL, list, token);
}

/* Whether a word of Cache-Control lets others see the page, or is ours. */
static int is_replaced(const char *word)
{
    static const char *const words[] = { "public", "private", "no-cache",
                                         "s-maxage" };
    apr_size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (ap_cstr_casecmpn(word, words[i], strlen(words[i])) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Take the next word off a list; what stands in quotes belongs to one. */
static const char *next_word(const char **list, apr_pool_t *p)
{
    const char *from = *list + strspn(*list, ", \t");
    const char *at = from;
    int quoted = 0;

    while (*at != '\0' && (quoted || strchr(", \t", *at) == NULL)) {
        if (*at == '"') quoted = !quoted;
        if (quoted && *at == '\\' && at[1] != '\0') at++;
        at++;
    }
    *list = at;
    return at > from ? apr_pstrmemdup(p, from, (apr_size_t)(at - from)) : NULL;
}

/* What the application said of caching, less what would let others see it. */
static const char *make_cache_control(const char *given, int announced,
                                      apr_pool_t *p)
{
    const char *made =
        announced ? "private, no-cache, no-store" : "private, no-cache";
    const char *list = given;
    const char *word;

    while ((word = next_word(&list, p)) != NULL) {
        if (ap_cstr_casecmp(word, "no-store") == 0) return given;
        if (!is_replaced(word)) made = apr_pstrcat(p, made, ", ", word, NULL);
    }
    return made;
}

/*
 * Keep shared caches from showing one user's page to another. What CGI
 * programs say stands in err_headers_out, what others say in headers_out.
 */
static void protect(request_rec *r, int announced)
{
    const char *vary = apr_table_get(r->headers_out, "Vary");
    const char *out = apr_table_get(r->headers_out, "Cache-Control");
    const char *err = apr_table_get(r->err_headers_out, "Cache-Control");
    const char *given = apr_pstrcat(r->pool, out != NULL ? out : "",
                                    out != NULL && err != NULL ? ", " : "",
                                    err != NULL ? err : "", NULL);

    if (!has_token(vary, "Cookie") && !has_token(vary, "*")) {
        apr_table_mergen(r->headers_out, "Vary", "Cookie");
    }
    apr_table_unset(r->err_headers_out, "Cache-Control");
    apr_table_setn(r->headers_out, "Cache-Control",
                   make_cache_control(given, announced, r->pool));
}

static apr_status_t step_aside(ap_filter_t *f, apr_bucket_brigade *bb)
{
    const drs_guard_t *guard = f->ctx;

    if (guard->used) protect(f->r, guard->announced);
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

/* Filters of one kind stand as they came: to be last is to come again. */
static apr_status_t go_last(ap_filter_t *f, apr_bucket_brigade *bb)
{
    ap_add_output_filter(last_filter, f->ctx, f->r, f->c);
    return step_aside(f, bb);
}

void drs_reply_register(void)
{
    ap_register_output_filter(page_filter, go_last, NULL, AP_FTYPE_CONTENT_SET);
    ap_register_output_filter(last_filter, step_aside, NULL,
                              AP_FTYPE_CONTENT_SET);
    ap_register_output_filter(part_filter, step_aside, NULL,
                              AP_FTYPE_CONTENT_SET - 2);
}

static int is_watched(const request_rec *r, const drs_guard_t *guard)
{
    const ap_filter_t *f = r->output_filters;

    while (f != NULL && (f->ctx != guard || f->r != r)) f = f->next;
    return f != NULL;
}

void drs_reply_guard(request_rec *r, drs_guard_t *guard)
{
    if (is_watched(r, guard)) return; /* the filter looks once more */
    if (r->main == NULL) {
        if (!guard->used) return;
        /* Too late for headers, but not for what mod_cache has stored. */
        if (r->sent_bodyct) r->no_cache = 1;
        protect(r, guard->announced);
    }
    ap_add_output_filter(r->main == NULL ? page_filter : part_filter, guard, r,
                         r->connection);
}

/* Take out an earlier Set-Cookie of ours: a response carries one at most. */
static void drop_cookie(request_rec *r, apr_table_t *headers, const char *name)
{
    const apr_array_header_t *lines = apr_table_elts(headers);
    const apr_table_entry_t *entry = (const apr_table_entry_t *)lines->elts;
    apr_table_t *others = apr_table_make(r->pool, 4);
    apr_size_t len = strlen(name);
    int i;

    for (i = 0; i < lines->nelts; i++) {
        if (entry[i].key == NULL ||
            ap_cstr_casecmp(entry[i].key, "Set-Cookie") != 0) {
            continue;
        }
        if (strncmp(entry[i].val, name, len) != 0 || entry[i].val[len] != '=') {
            apr_table_addn(others, "Set-Cookie", entry[i].val);
        }
    }
    apr_table_unset(headers, "Set-Cookie");
    lines = apr_table_elts(others);
    entry = (const apr_table_entry_t *)lines->elts;
    for (i = 0; i < lines->nelts; i++) {
        apr_table_addn(headers, "Set-Cookie", entry[i].val);
    }
}

void drs_reply_cookie(request_rec *r, const char *name, const char *line)
{
    /* An error response of httpd's own has them in the other table. */
    drop_cookie(r, r->err_headers_out, name);
    drop_cookie(r, r->headers_out, name);
    apr_table_addn(r->err_headers_out, "Set-Cookie", line);
}

/* A program that sends its headers by itself, as mod_cgi tells it. */
static int is_nph(const request_rec *r)
{
    const char *name = strrchr(r->filename != NULL ? r->filename : "", '/');

    return r->handler != NULL && strcmp(r->handler, "cgi-script") == 0 &&
           name != NULL && strncmp(name, "/nph-", 5) == 0;
}

/*
 * httpd counts bodies. Where a status or HEAD has none, the filter that has
 * sent the headers has a context, or has gone; in HTTP/2 it is another filter.
 */
static int has_sent(const request_rec *r)
{
    const ap_filter_t *f = r->proto_output_filters;

    if (r->sent_bodyct) return 1;
    if (!r->header_only && !AP_STATUS_IS_HEADER_ONLY(r->status)) return 0;
    if (r->connection->master != NULL) return 0;
    while (f != NULL && ap_cstr_casecmp(f->frec->name, "http_header") != 0) {
        f = f->next;
    }
    return f == NULL || f->ctx != NULL;
}

int drs_reply_can_send(const request_rec *r)
{
    return !has_sent(r) && !is_nph(r);
}
