/* SPDX-License-Identifier: MIT */
/*
 * Request headers of anybody before a proxy: what a CGI would see as one of
 * ours is gone, Connection does not name it, and all else is there in its
 * order. A request that this one came from had headers of ours as well.
 *
 *     input: a byte of choices, a line for our header, one for that of the
 *            earlier request, then lines of the client: name, colon, value
 */
#include "fuzz.h"

#include <ctype.h>
#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "drs_forward.h"
#include "stage.h"

enum { LINES_MAX = 24 };

/* The name of a variable, RFC 3875. */
static const char *write_variable(const char *name, apr_pool_t *p)
{
    char *variable = apr_pstrdup(p, name);
    char *at;

    for (at = variable; *at != '\0'; at++) {
        *at = (char)(isalnum((unsigned char)*at) ? toupper(*at) : '_');
    }
    return variable;
}

static int is_hidden(const char *name, const char *const *ours, apr_pool_t *p)
{
    name = write_variable(name, p);
    return strcmp(name, write_variable(ours[0], p)) == 0 ||
           (ours[1] != NULL && strcmp(name, write_variable(ours[1], p)) == 0);
}

/* mod_proxy ends a name at a ';' too. */
static const char *clean(const char *value, const char *const *ours,
                         apr_pool_t *p)
{
    const char *kept = NULL;

    while (*value != '\0') {
        apr_size_t len = strcspn(value, ",; \t");
        const char *word = apr_pstrmemdup(p, value, len);

        if (len > 0 && !is_hidden(word, ours, p)) {
            kept = kept == NULL ? word : apr_pstrcat(p, kept, ", ", word, NULL);
        }
        value += len + (value[len] != '\0');
    }
    return kept;
}

static drs_conf_t *make_conf(const char *header, apr_pool_t *p)
{
    drs_conf_t *conf = apr_pcalloc(p, sizeof(*conf));
    drs_forward_t forward = { "f", header };

    conf->forwards = apr_array_make(p, 1, sizeof(forward));
    APR_ARRAY_PUSH(conf->forwards, drs_forward_t) = forward;
    return conf;
}

/* What is left, line by line, of what there was. */
static void check_left(const apr_table_t *was, const apr_table_t *is,
                       const char *const *ours, apr_pool_t *p)
{
    const apr_table_entry_t *old = (void *)apr_table_elts(was)->elts;
    const apr_table_entry_t *new = (void *)apr_table_elts(is)->elts;
    int left = apr_table_elts(is)->nelts;
    int i;

    for (i = 0; i < apr_table_elts(was)->nelts; i++, old++) {
        const char *value = old->val;

        if (is_hidden(old->key, ours, p)) continue;
        if (apr_cstr_casecmp(old->key, "Connection") == 0) {
            value = clean(value, ours, p);
            if (value == NULL) continue;
        }
        CLAIM(left-- > 0);
        CLAIM(strcmp(new->key, old->key) == 0);
        CLAIM(strcmp(new->val, value) == 0);
        new ++;
    }
    CLAIM(left == 0);
}

static void read_headers(fuzz_input_t *input, apr_table_t *headers)
{
    int i;

    for (i = 0; i < LINES_MAX && input->left > 0; i++) {
        char *name = apr_pstrdup(input->p, fuzz_line(input));
        char *colon = strchr(name, ':');

        if (colon == NULL) continue;
        *colon = '\0';
        apr_table_addn(headers, name, colon + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t input = fuzz_open(data, size);
    unsigned int choice = fuzz_byte(&input);
    const char *ours[2] = { fuzz_line(&input), fuzz_line(&input) };
    drs_conf_t *conf = make_conf(ours[0], input.p);
    request_rec *r = stage_request(conf, input.p);
    request_rec *from = stage_request(make_conf(ours[1], input.p), input.p);
    apr_table_t *was = r->headers_in;
    const apr_table_t *once;

    if ((choice & 3) == 0) ours[1] = NULL;
    if ((choice & 3) == 1) r->main = from;
    if ((choice & 3) == 2) r->prev = from;
    if ((choice & 3) == 3) {
        r->main = stage_request(conf, input.p);
        r->main->prev = from;
    }
    read_headers(&input, was);
    drs_forward_clear(r, conf);
    once = r->headers_in;
    CLAIM(once != was);
    check_left(was, once, ours, input.p);
    drs_forward_clear(r, conf);
    check_left(once, r->headers_in, ours, input.p);
    CLAIM(drs_forward_is_same(ours[0], ours[0]));
    CLAIM(drs_forward_is_same(ours[0], write_variable(ours[0], input.p)));
    fuzz_end();
    return 0;
}
