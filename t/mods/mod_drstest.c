/* SPDX-License-Identifier: MIT */
/*
 * A guest of mod_drsession for the tests: the handler "drstest" reads calls
 * of the C API from the request body, one a line, and answers a line for
 * each. It knows the public header and httpd, nothing of the module's inside.
 *
 *     set cart {"items":3}        ok
 *     get cart                    ok {"items":3}
 *     get none                    notfound
 *
 * Words are percent-decoded once. In an answer control characters and '%'
 * are percent-encoded; several items are separated by tabs.
 */
#include "mod_drsession.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <httpd.h>

#include <ap_provider.h>
#include <apr_escape.h>
#include <apr_strings.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

#include "mark.h"

#define BODY_MAX (64 * 1024 * 1024)
#define WORDS_MAX 2048
#define ABSENT "(nil)"

typedef struct job_t {
    request_rec *r;
    const drs_api_t *api;
    drs_session_t *session;
    char *args;         /* what is left of the line */
    const char *out;    /* the answer behind the status word, or NULL */
    apr_size_t out_len; /* bytes */
    mark_t mark;
} job_t;

typedef struct verb_t {
    const char *name;
    apr_status_t (*run)(job_t *job);
} verb_t;

extern module AP_MODULE_DECLARE_DATA drstest_module
    __attribute__((visibility("default")));

/* Bytes in and out. */

static int from_hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* In place; the result is NUL-terminated, a %00 is inside its length. */
static apr_size_t decode(char *text)
{
    char *to = text;
    const char *from = text;

    for (; *from != '\0'; from++, to++) {
        *to = *from;
        if (*from == '%' && from_hex(from[1]) >= 0 && from_hex(from[2]) >= 0) {
            *to = (char)(from_hex(from[1]) * 16 + from_hex(from[2]));
            from += 2;
        }
    }
    *to = '\0';
    return (apr_size_t)(to - text);
}

static const char *encode(apr_pool_t *p, const char *bytes, apr_size_t len)
{
    static const char digits[] = "0123456789ABCDEF";
    char *text = apr_palloc(p, len * 3 + 1);
    char *to = text;
    apr_size_t i;

    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];

        if (c >= 0x20 && c != 0x7f && c != '%') {
            *to++ = bytes[i];
            continue;
        }
        *to++ = '%';
        *to++ = digits[c >> 4];
        *to++ = digits[c & 15];
    }
    *to = '\0';
    return text;
}

/* The next word of a line, not decoded; NULL at its end. */
static char *take(char **args, const char *separator)
{
    char *word = *args;
    char *end;

    if (word == NULL || *word == '\0') return NULL;
    end = strpbrk(word, separator);
    *args = NULL;
    if (end != NULL) {
        *end = '\0';
        *args = end + 1;
    }
    return word;
}

static const char *take_field(job_t *job)
{
    char *word = take(&job->args, " ");

    if (word == NULL) return "";
    decode(word);
    return word;
}

static const char *take_rest(job_t *job, apr_size_t *len)
{
    char *rest = job->args;

    job->args = NULL;
    *len = 0;
    if (rest == NULL) return "";
    *len = decode(rest);
    return rest;
}

static int take_fields(job_t *job, const char **fields)
{
    int n = 0;

    while (n < WORDS_MAX && job->args != NULL && *job->args != '\0') {
        fields[n++] = take_field(job);
    }
    return n;
}

static apr_status_t answer(job_t *job, apr_status_t rv, const char *text,
                           apr_size_t len)
{
    if (rv == APR_SUCCESS) {
        job->out = text;
        job->out_len = len;
    }
    return rv;
}

static apr_status_t answer_text(job_t *job, const char *text)
{
    if (text == NULL) return APR_NOTFOUND;
    return answer(job, APR_SUCCESS, text, strlen(text));
}

/* The verbs, one a member of the table and a few aids. */

static apr_status_t run_id(job_t *job)
{
    return answer_text(job, job->api->id(job->session));
}

static apr_status_t run_key(job_t *job)
{
    return answer_text(job, job->api->key(job->session));
}

static apr_status_t run_is_bound(job_t *job)
{
    return answer_text(job, job->api->id(job->session) != NULL ? "1" : "0");
}

static apr_status_t run_get(job_t *job)
{
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv =
        job->api->get(job->session, take_field(job), &json, &len, job->r->pool);

    return answer(job, rv, json, len);
}

static apr_status_t run_hex_get(job_t *job)
{
    apr_status_t rv = run_get(job);

    if (rv == APR_SUCCESS) {
        job->out = apr_pescape_hex(job->r->pool, job->out, job->out_len, 0);
        job->out_len *= 2;
    }
    return rv;
}

static apr_status_t run_get_string(job_t *job)
{
    const char *text = NULL;
    apr_status_t rv = job->api->get_string(job->session, take_field(job), &text,
                                           job->r->pool);

    return rv == APR_SUCCESS ? answer_text(job, text) : rv;
}

static apr_status_t answer_number(job_t *job, apr_status_t rv, apr_int64_t n)
{
    if (rv != APR_SUCCESS) return rv;
    return answer_text(job, apr_psprintf(job->r->pool, "%" APR_INT64_T_FMT, n));
}

static apr_status_t run_get_int(job_t *job)
{
    apr_int64_t n = 0;
    apr_status_t rv = job->api->get_int(job->session, take_field(job), &n);

    return answer_number(job, rv, n);
}

/* Items are encoded one by one, so that the tabs between them are ours. */
static const char *join(job_t *job, const char *const *items, int n)
{
    apr_pool_t *p = job->r->pool;
    apr_array_header_t *list = apr_array_make(p, n + 1, sizeof(char *));
    int i;

    for (i = 0; i < n; i++) {
        APR_ARRAY_PUSH(list, const char *) =
            items[i] == NULL ? ABSENT : encode(p, items[i], strlen(items[i]));
    }
    return apr_array_pstrcat(p, list, '\t');
}

static apr_status_t run_get_many(job_t *job)
{
    const char **fields =
        apr_pcalloc(job->r->pool, WORDS_MAX * sizeof(*fields));
    const char **json = apr_pcalloc(job->r->pool, WORDS_MAX * sizeof(*json));
    int n = take_fields(job, fields);
    apr_status_t rv =
        job->api->get_many(job->session, fields, n, json, job->r->pool);

    return rv == APR_SUCCESS ? answer_text(job, join(job, json, n)) : rv;
}

static apr_status_t run_set(job_t *job)
{
    const char *field = take_field(job);
    apr_size_t len;
    const char *json = take_rest(job, &len);

    return job->api->set(job->session, field, json, len);
}

static apr_status_t run_sethex(job_t *job)
{
    const char *field = take_field(job);
    apr_size_t len;
    const char *hex = take_rest(job, &len);
    char *bytes = apr_palloc(job->r->pool, len / 2 + 1);

    if (apr_unescape_hex(bytes, hex, (apr_ssize_t)len, 0, &len) !=
        APR_SUCCESS) {
        return APR_EINVAL;
    }
    return job->api->set(job->session, field, bytes, len);
}

static apr_status_t run_set_string(job_t *job)
{
    const char *field = take_field(job);
    apr_size_t len;
    const char *text = take_rest(job, &len);

    return job->api->set_string(job->session, field, text);
}

static apr_status_t run_set_int(job_t *job)
{
    const char *field = take_field(job);
    apr_size_t len;
    const char *digits = take_rest(job, &len);

    return job->api->set_int(job->session, field, apr_atoi64(digits));
}

static apr_status_t run_set_many(job_t *job)
{
    apr_size_t room = WORDS_MAX * sizeof(char *);
    const char **fields = apr_pcalloc(job->r->pool, room);
    const char **json = apr_pcalloc(job->r->pool, room);
    char *item;
    int n = 0;

    while (n < WORDS_MAX && (item = take(&job->args, "\t")) != NULL) {
        char *value = item;
        char *field = take(&value, " ");

        decode(field);
        if (value != NULL) decode(value);
        fields[n] = field;
        json[n++] = value;
    }
    return job->api->set_many(job->session, fields, json, n);
}

static apr_status_t run_add(job_t *job)
{
    const char *field = take_field(job);
    apr_size_t len;
    const char *json = take_rest(job, &len);

    return job->api->add(job->session, field, json, len);
}

static apr_status_t run_incr(job_t *job)
{
    const char *field = take_field(job);
    apr_size_t len;
    apr_int64_t now = 0;
    apr_int64_t by = apr_atoi64(take_rest(job, &len));
    apr_status_t rv = job->api->incr(job->session, field, by, &now);

    return answer_number(job, rv, now);
}

static apr_status_t run_has(job_t *job)
{
    return job->api->has(job->session, take_field(job));
}

static apr_status_t run_del(job_t *job)
{
    return job->api->del(job->session, take_field(job));
}

static apr_status_t run_pop(job_t *job)
{
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv =
        job->api->pop(job->session, take_field(job), &json, &len, job->r->pool);

    return answer(job, rv, json, len);
}

static apr_status_t run_count(job_t *job)
{
    apr_size_t n = 0;
    apr_status_t rv = job->api->count(job->session, &n);

    return answer_number(job, rv, (apr_int64_t)n);
}

static int compare(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;

    return strcmp(*left, *right);
}

static apr_status_t run_keys(job_t *job)
{
    apr_array_header_t *fields = NULL;
    apr_status_t rv = job->api->keys(job->session, &fields, job->r->pool);

    if (rv != APR_SUCCESS) return rv;
    qsort(fields->elts, (size_t)fields->nelts, sizeof(const char *), compare);
    return answer_text(
        job, join(job, (const char *const *)fields->elts, fields->nelts));
}

static apr_status_t run_all(job_t *job)
{
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv = job->api->all(job->session, &json, &len, job->r->pool);

    return answer(job, rv, json, len);
}

static apr_status_t run_destroy(job_t *job)
{
    return job->api->destroy(job->session);
}

static apr_status_t run_regenerate(job_t *job)
{
    return job->api->regenerate(job->session);
}

static apr_status_t run_error(job_t *job)
{
    return answer_text(job, job->api->error(job->session));
}

static apr_status_t run_open(job_t *job)
{
    return job->api->open(job->r, &job->session);
}

static apr_status_t run_sleep(job_t *job)
{
    apr_sleep(apr_atoi64(take_field(job)) * 1000);
    return APR_SUCCESS;
}

/* Until a file is there, for ten seconds. */
static apr_status_t run_await(job_t *job)
{
    apr_size_t len;
    const char *path = take_rest(job, &len);
    int i;

    for (i = 0; i < 1000 && access(path, F_OK) != 0; i++) apr_sleep(10000);
    return i < 1000 ? APR_SUCCESS : APR_TIMEUP;
}

static apr_status_t run_flush(job_t *job)
{
    ap_rputs("", job->r);
    return ap_rflush(job->r) < 0 ? APR_EGENERAL : APR_SUCCESS;
}

/* What is answered from then on comes behind another's response. */
static apr_status_t run_redirect(job_t *job)
{
    ap_internal_redirect(take_field(job), job->r);
    return APR_SUCCESS;
}

static apr_status_t run_mark(job_t *job)
{
    const char *id = job->api->id(job->session);

    return answer_text(job, apr_pstrcat(job->r->pool,
                                        mark_set(&job->mark, job->r->pool), " ",
                                        id != NULL ? id : "-", NULL));
}

static const verb_t verbs[] = {
    /* clang-format off */
    { "open", run_open }, { "id", run_id }, { "key", run_key },
    { "is_bound", run_is_bound }, { "get", run_get },
    { "hex-get", run_hex_get }, { "get_string", run_get_string },
    { "get_int", run_get_int }, { "get_many", run_get_many },
    { "set", run_set }, { "sethex", run_sethex },
    { "set_string", run_set_string }, { "set_int", run_set_int },
    { "set_many", run_set_many }, { "add", run_add }, { "incr", run_incr },
    { "has", run_has }, { "del", run_del }, { "pop", run_pop },
    { "count", run_count }, { "keys", run_keys }, { "all", run_all },
    { "destroy", run_destroy }, { "regenerate", run_regenerate },
    { "error", run_error }, { "sleep", run_sleep }, { "flush", run_flush },
    { "mark", run_mark }, { "await", run_await }, { "redirect", run_redirect },
    /* clang-format on */
};

/* Lines in, lines out. */

static const char *word_of(apr_pool_t *p, apr_status_t rv)
{
    switch (rv) {
    case APR_SUCCESS:
        return "ok";
    case APR_NOTFOUND:
        return "notfound";
    case APR_EEXIST:
        return "exists";
    case APR_ENOTIMPL:
        return "off";
    case DRS_EDOWN:
        return "down";
    case DRS_EUNSURE:
        return "unsure";
    case DRS_EGONE:
        return "gone";
    case DRS_EREPLY:
        return "reply";
    case DRS_EVALUE:
        return "value";
    case DRS_ESENT:
        return "sent";
    case DRS_EREADONLY:
        return "readonly";
    default:
        return apr_psprintf(p, "other:%d", rv);
    }
}

static const verb_t *find_verb(const char *name)
{
    apr_size_t i;

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    }
    return NULL;
}

static int is_list(const verb_t *verb)
{
    return verb->run == run_get_many || verb->run == run_keys;
}

static void run_line(job_t *job, char *line)
{
    apr_pool_t *p = job->r->pool;
    const char *name;
    const verb_t *verb;
    apr_status_t rv;

    job->args = line;
    job->out = NULL;
    name = take(&job->args, " ");
    if (name == NULL) return;
    verb = find_verb(name);
    if (verb == NULL) {
        ap_rprintf(job->r, "other:unknown %s\n", name);
        return;
    }
    if (job->session == NULL && verb->run != run_open) {
        ap_rputs("off\n", job->r);
        return;
    }
    rv = verb->run(job);
    ap_rputs(word_of(p, rv), job->r);
    if (job->out != NULL) {
        ap_rputs(" ", job->r);
        ap_rputs(is_list(verb) ? job->out : encode(p, job->out, job->out_len),
                 job->r);
    }
    ap_rputs("\n", job->r);
}

static int read_body(request_rec *r, char **body)
{
    apr_size_t room = 65536;
    apr_size_t len = 0;
    long got;
    int rv = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);

    if (rv != OK) return rv;
    *body = apr_palloc(r->pool, room);
    if (ap_should_client_block(r)) {
        while ((got = ap_get_client_block(r, *body + len, room - len - 1)) >
               0) {
            len += (apr_size_t)got;
            if (len >= BODY_MAX) return HTTP_REQUEST_ENTITY_TOO_LARGE;
            if (room - len < 8192) {
                char *more = apr_palloc(r->pool, room * 2);

                memcpy(more, *body, len);
                *body = more;
                room *= 2;
            }
        }
        if (got < 0) return HTTP_BAD_REQUEST;
    }
    (*body)[len] = '\0';
    return OK;
}

static int handle(request_rec *r)
{
    job_t job = { NULL, NULL, NULL, NULL, NULL, 0, { 0, 0 } };
    char *body = NULL;
    char *line;
    int rv;

    if (r->handler == NULL || strcmp(r->handler, "drstest") != 0) {
        return DECLINED;
    }
    rv = read_body(r, &body);
    if (rv != OK) return rv;

    job.r = r;
    job.api = ap_lookup_provider(DRS_API_GROUP, DRS_API_NAME, DRS_API_VERSION);
    if (job.api == NULL) return HTTP_INTERNAL_SERVER_ERROR;
    ap_set_content_type(r, "text/plain");
    if (job.api->open(r, &job.session) != APR_SUCCESS) job.session = NULL;

    while ((line = take(&body, "\n")) != NULL) run_line(&job, line);
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA drstest_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks, 0
};
