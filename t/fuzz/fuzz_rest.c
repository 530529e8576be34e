/* SPDX-License-Identifier: MIT */
/*
 * Requests of anybody for the handler "drsession". A second sorter says which
 * may go to Redis; no other sends it a byte. What is answered is one of the
 * statuses that the verb has, an error is JSON that names it, a refused or
 * failed request changed nothing, and a listing shows no hidden field.
 *
 *     input: three bytes of choices (method; who may; how it is sent), lines
 *            for path, query, Host, Origin, Sec-Fetch-Site and body, then
 *            what is done with each command (server.c)
 */
#include "fuzz.h"

#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "drs_codec.h"
#include "drs_outage.h"
#include "drs_rest.h"
#include "server.h"
#include "stage.h"

enum { MOST = 64 };

static const struct {
    int number;
    int head;
} methods[] = {
    /* clang-format off */
    { M_GET, 0 }, { M_PUT, 0 }, { M_POST, 0 }, { M_DELETE, 0 },
    { M_PATCH, 0 }, { M_GET, 1 }, { M_OPTIONS, 0 }, { M_INVALID, 0 }
    /* clang-format on */
};

/* What a request is, once sorted. */
typedef enum kind_t {
    REFUSED, /* by a status that is known before Redis is asked */
    ALL,
    LISTED,
    GET,
    PUT,
    ADD,
    INCR,
    POP,
    DELETE,
    PATCH,
    RENEW,
    END
} kind_t;

typedef struct scene_t {
    apr_pool_t *p;
    request_rec *r;
    drs_conf_t conf;
    drs_allow_t allow;
    drs_terms_t terms;
    drs_session_t *session;
    const char *body;
    int long_name; /* 1 = no field can have it */
    int announced;
} scene_t;

static void be_used(void *baton)
{
    (void)baton;
}

static int can_send(void *baton)
{
    (void)baton;
    return 1;
}

static void announce(void *baton, const char *id)
{
    (void)id;
    ((scene_t *)baton)->announced++;
}

static apr_array_header_t *make_names(unsigned int some, const char *a,
                                      const char *b, apr_pool_t *p)
{
    apr_array_header_t *names = apr_array_make(p, 2, sizeof(const char *));

    if (some & 1) APR_ARRAY_PUSH(names, const char *) = a;
    if (some & 2) APR_ARRAY_PUSH(names, const char *) = b;
    return names;
}

static void allow(scene_t *scene, unsigned int choice)
{
    drs_allow_t *allow = &scene->allow;

    allow->read = make_names(choice, "a", "f/\xc3\xa4", scene->p);
    allow->write = make_names(choice >> 2, "a", "n", scene->p);
    allow->read_all = (choice & 0x30) == 0x10;
    allow->write_all = (choice & 0x50) == 0x50;
    allow->end = (choice & 0x80) != 0;
    scene->conf.allow = (choice & 0xf0) == 0x20 ? NULL : allow;
    scene->conf.value_max = MOST;
    scene->conf.codec = &drs_codec_json;
}

static void open_session(scene_t *scene, drs_route_t *route, unsigned int how)
{
    static const char id[] = "AGqwXyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    drs_host_t host = { be_used, can_send, announce, scene };

    scene->terms.prefix = "p:";
    scene->terms.codec = &drs_codec_json;
    scene->terms.command = APR_USEC_PER_SEC;
    scene->terms.value_max = MOST;
    scene->terms.fields_max = 10;
    scene->terms.strict = 1;
    scene->session = drs_session_create(route, apr_time_from_sec(9), &host,
                                        how & 1 ? NULL : id, scene->p);
    drs_session_agree(scene->session, &scene->terms);
}

static void set_header(request_rec *r, const char *name, const char *value)
{
    if (*value != '\0') apr_table_setn(r->headers_in, name, value);
}

static void set_request(scene_t *scene, fuzz_input_t *input, unsigned int how)
{
    request_rec *r = scene->r;

    stage.scheme = how & 2 ? "https" : "http";
    stage.piece = how & 4 ? 4 : 0;
    stage.broken = (how & 0x18) == 0x18;
    stage_location(r, how & 0x20 ? "/s/" : "/s", DRS_REST_HANDLER);
    stage_location(r, "/s/f", how & 0x40 ? DRS_REST_HANDLER : NULL);
    stage_location(r, "/other", DRS_REST_HANDLER);
    r->uri = apr_pstrdup(scene->p, fuzz_line(input));
    r->args = apr_pstrdup(scene->p, fuzz_line(input));
    if (*r->args == '\0' && how & 0x80) r->args = NULL;
    set_header(r, "Host", fuzz_line(input));
    set_header(r, "Origin", fuzz_line(input));
    set_header(r, "Sec-Fetch-Site", fuzz_line(input));
    scene->body = stage.body = fuzz_line(input);
    stage.left = strlen(stage.body);
    r->read_chunked = stage.broken || (how & 8) != 0;
    r->remaining = r->read_chunked ? 0 : (apr_off_t)stage.left;
}

static int is_named(const apr_array_header_t *names, const char *field)
{
    int i;

    for (i = 0; i < names->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(names, i, const char *), field)) return 1;
    }
    return 0;
}

static int may(const scene_t *scene, int write, const char *field)
{
    const drs_allow_t *allow = scene->conf.allow;

    if (allow == NULL) return 0;
    if (write ? allow->write_all : allow->read_all) return 1;
    return is_named(write ? allow->write : allow->read, field);
}

static int may_some(const scene_t *scene, int write)
{
    const drs_allow_t *allow = scene->conf.allow;

    return allow != NULL && (write ? allow->write_all || allow->write->nelts > 0
                                   : allow->read_all || allow->read->nelts > 0);
}

static int may_end(const scene_t *scene)
{
    const drs_allow_t *allow = scene->conf.allow;

    return allow != NULL && (allow->write_all || allow->end);
}

/* A page of another site, by RFC 6454 and Fetch Metadata. */
static int is_foreign(const scene_t *scene)
{
    const apr_table_t *headers = scene->r->headers_in;
    const char *site = apr_table_get(headers, "Sec-Fetch-Site");
    const char *origin = apr_table_get(headers, "Origin");
    const char *host = apr_table_get(headers, "Host");
    const char *port = strcmp(stage.scheme, "http") == 0 ? ":80" : ":443";
    char *own;
    char *end;

    if (site != NULL)
        return strcmp(site, "same-origin") && strcmp(site, "none");
    if (origin == NULL) return 0;
    if (host == NULL) return 1;
    own = apr_pstrcat(scene->p, stage.scheme, "://", host, NULL);
    end = own + strlen(own) - strlen(port);
    if (end > own && strcmp(end, port) == 0) *end = '\0';
    return apr_cstr_casecmp(own, origin) != 0;
}

/* Behind the deepest of our locations; NULL = it is below none. */
static const char *find_field(const char *uri, unsigned int how)
{
    if (how & 0x40 && strncmp(uri, "/s/f", 4) == 0 &&
        strchr("/", uri[4]) != NULL) {
        return uri[4] == '/' ? uri + 5 : "";
    }
    if (strncmp(uri, "/s", 2) == 0 && strchr("/", uri[2]) != NULL) {
        return uri[2] == '/' ? uri + 3 : "";
    }
    if (strncmp(uri, "/other", 6) == 0 && strchr("/", uri[6]) != NULL) {
        return uri[6] == '/' ? uri + 7 : "";
    }
    return NULL;
}

static kind_t refuse(int *status, int with)
{
    *status = with;
    return REFUSED;
}

static kind_t sort_body(const scene_t *scene, kind_t kind, int *status)
{
    size_t len = strlen(scene->body);

    if (len > MOST) return refuse(status, HTTP_REQUEST_ENTITY_TOO_LARGE);
    if (stage.broken) return refuse(status, HTTP_BAD_REQUEST);
    return kind;
}

/* Of an object each member has to be one that may be written. */
static kind_t sort_members(const scene_t *scene, int *status)
{
    apr_array_header_t *members = NULL;
    const char *why = NULL;
    kind_t kind = sort_body(scene, PATCH, status);
    int i;

    if (kind == REFUSED) return kind;
    if (drs_codec_members(scene->body, strlen(scene->body), &members, &why,
                          scene->p) != APR_SUCCESS) {
        return refuse(status, HTTP_BAD_REQUEST);
    }
    for (i = 0; i < members->nelts; i++) {
        if (!may(scene, 1, APR_ARRAY_IDX(members, i, drs_member_t).name)) {
            return refuse(status, HTTP_FORBIDDEN);
        }
    }
    return PATCH;
}

static kind_t sort_post(const scene_t *scene, const char *field,
                        const char *args, int *status)
{
    const char *why;
    apr_int64_t by;

    if (strncmp(args, "incr=", 5) == 0) {
        if (!may(scene, 1, field)) return refuse(status, HTTP_FORBIDDEN);
        if (drs_codec_int(args + 5, strlen(args + 5), &by, &why)) {
            return refuse(status, HTTP_BAD_REQUEST);
        }
        return INCR;
    }
    if (strcmp(args, "pop") != 0) return refuse(status, HTTP_BAD_REQUEST);
    if (!may(scene, 0, field) || !may(scene, 1, field)) {
        return refuse(status, HTTP_FORBIDDEN);
    }
    return POP;
}

static kind_t sort_field(const scene_t *scene, const char *field,
                         const char *args, int *status)
{
    int write = scene->r->method_number != M_GET;

    switch (scene->r->method_number) {
    case M_POST:
        return sort_post(scene, field, args, status);
    case M_PUT:
        if (!may(scene, 1, field)) return refuse(status, HTTP_FORBIDDEN);
        if (strcmp(args, "add") == 0) return sort_body(scene, ADD, status);
        if (*args != '\0') return refuse(status, HTTP_BAD_REQUEST);
        return sort_body(scene, PUT, status);
    case M_GET:
    case M_DELETE:
        if (*args != '\0') return refuse(status, HTTP_BAD_REQUEST);
        if (!may(scene, write, field)) return refuse(status, HTTP_FORBIDDEN);
        return write ? DELETE : GET;
    default:
        return refuse(status, HTTP_METHOD_NOT_ALLOWED);
    }
}

static kind_t sort_all(const scene_t *scene, const char *args, int *status)
{
    int method = scene->r->method_number;

    if (method == M_POST) {
        if (strcmp(args, "regenerate")) return refuse(status, HTTP_BAD_REQUEST);
        return may_end(scene) ? RENEW : refuse(status, HTTP_FORBIDDEN);
    }
    if (method != M_GET && method != M_PATCH && method != M_DELETE) {
        return refuse(status, HTTP_METHOD_NOT_ALLOWED);
    }
    if (*args != '\0') return refuse(status, HTTP_BAD_REQUEST);
    if (method == M_DELETE) {
        return may_end(scene) ? END : refuse(status, HTTP_FORBIDDEN);
    }
    if (!may_some(scene, method == M_PATCH)) {
        return refuse(status, HTTP_FORBIDDEN);
    }
    if (method == M_PATCH) return sort_members(scene, status);
    return scene->allow.read_all ? ALL : LISTED;
}

static kind_t sort(const scene_t *scene, unsigned int how, int *status)
{
    const request_rec *r = scene->r;
    const char *field = find_field(r->uri, how);
    const char *args = r->args != NULL ? r->args : "";

    if (field == NULL) return refuse(status, HTTP_INTERNAL_SERVER_ERROR);
    if (r->method_number != M_GET && r->method_number != M_OPTIONS &&
        is_foreign(scene)) {
        return refuse(status, HTTP_FORBIDDEN);
    }
    return *field != '\0' ? sort_field(scene, field, args, status)
                          : sort_all(scene, args, status);
}

static int is_good(kind_t kind, int status)
{
    if (kind == PUT) return status == HTTP_CREATED || status == HTTP_NO_CONTENT;
    if (kind == ADD) return status == HTTP_CREATED;
    if (kind == INCR) return status == HTTP_OK || status == HTTP_NO_CONTENT;
    return status == (kind >= DELETE ? HTTP_NO_CONTENT : HTTP_OK);
}

/* Which word may stand beside a status. */
static int is_fit(int status, const char *word)
{
    static const struct {
        int status;
        const char *word;
    } all[] = {
        /* clang-format off */
        { 400, "value" }, { 403, "forbidden" }, { 404, "notfound" },
        { 405, "value" }, { 409, "exists" }, { 410, "gone" },
        { 413, "value" }, { 500, "reply" }, { 500, "value" },
        { 503, "down" }, { 503, "unsure" }
        /* clang-format on */
    };
    size_t i;

    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i].status == status && !strcmp(all[i].word, word)) return 1;
    }
    return 0;
}

/* {"error": WORD, "detail": TEXT}; the word is returned. */
static const char *read_error(const scene_t *scene)
{
    apr_array_header_t *members = NULL;
    const drs_member_t *member;
    const char *word = NULL;
    const char *why = NULL;

    CLAIM(strcmp(stage.type, "application/json") == 0);
    CLAIM(drs_codec_members(stage.text, stage.written, &members, &why,
                            scene->p) == APR_SUCCESS);
    CLAIM(members->nelts == 2);
    member = &APR_ARRAY_IDX(members, 1, drs_member_t);
    CLAIM(strcmp(member->name, "detail") == 0 && member->len > 2);
    member = &APR_ARRAY_IDX(members, 0, drs_member_t);
    CLAIM(strcmp(member->name, "error") == 0);
    CLAIM(drs_codec_string(member->json, member->len, &word, &why, scene->p) ==
          APR_SUCCESS);
    return word;
}

static void check_error(const scene_t *scene, kind_t kind)
{
    const request_rec *r = scene->r;
    const char *later = apr_table_get(r->err_headers_out, "Retry-After");
    const char *word = read_error(scene);
    int down = strcmp(word, "down") == 0;

    CLAIM(is_fit(r->status, word));
    CLAIM((later != NULL) == down && (!down || strcmp(later, "1") == 0));
    CLAIM((apr_table_get(r->err_headers_out, "Allow") != NULL) ==
          (r->status == HTTP_METHOD_NOT_ALLOWED));
    CLAIM(scene->announced == 0);
    CLAIM(!down || server_book.unknown || server_book.executed == 0);
    if (kind == REFUSED) return;
    /* Whom the second sorter let pass only Redis may refuse. */
    CLAIM(r->status != 403 && r->status != 405);
    CLAIM(r->status != 413 || server_book.bytes > 0 || scene->long_name);
    /* Members are JSON and short; one without a name is no field. */
    CLAIM(kind != PATCH || r->status != 400 || server_book.bytes > 0 ||
          strstr(scene->body, "\"\"") != NULL);
}

static void check_good(const scene_t *scene, kind_t kind)
{
    apr_array_header_t *members = NULL;
    const char *why = NULL;
    int i;

    CLAIM(scene->r->status != HTTP_NO_CONTENT || stage.written == 0);
    if (kind == PUT || kind == ADD || kind == INCR || kind == DELETE) {
        CLAIM(server_book.unknown || server_book.executed == 1);
    }
    if (kind != LISTED || server_book.unknown) return;
    CLAIM(drs_codec_members(stage.text, stage.written, &members, &why,
                            scene->p) == APR_SUCCESS);
    for (i = 0; i < members->nelts; i++) {
        CLAIM(may(scene, 0, APR_ARRAY_IDX(members, i, drs_member_t).name));
    }
}

static void check(const scene_t *scene, kind_t kind, int wanted)
{
    int status = scene->r->status;
    int writes = kind >= PUT;

    CLAIM(stage.length < 0 ? stage.written == 0
                           : stage.length == (apr_off_t)stage.written);
    CLAIM(server_book.executed <= writes || server_book.unknown);
    if (kind == REFUSED) {
        CLAIM(status == wanted);
        CLAIM(server_book.bytes == 0);
    }
    if (scene->long_name) CLAIM(status >= 400 && server_book.bytes == 0);
    if (kind != REFUSED && is_good(kind, status)) check_good(scene, kind);
    else check_error(scene, kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t input = fuzz_open(data, size);
    drs_url_t url = { DRS_SCHEME_UNIX, 0, 0, NULL, "/r", NULL, NULL, "here" };
    drs_route_conf_t conf = { { &url, NULL, NULL, APR_USEC_PER_SEC },
                              { 1, 2, apr_time_from_sec(60), 100000 },
                              NULL,
                              NULL };
    unsigned int method = fuzz_byte(&input);
    unsigned int who = fuzz_byte(&input);
    unsigned int how = fuzz_byte(&input);
    int wanted = 0;
    drs_conf_server_t server;
    scene_t scene;
    const char *field;
    kind_t kind;

    memset(&server, 0, sizeof(server));
    memset(&scene, 0, sizeof(scene));
    if (apr_pool_create(&scene.p, input.p) != APR_SUCCESS) return 0;
    scene.r = stage_request(&scene.conf, scene.p);
    scene.r->method = "ANY";
    scene.r->method_number = methods[method % 8].number;
    scene.r->header_only = methods[method % 8].head;
    allow(&scene, who);
    set_request(&scene, &input, how);
    server_start(&input);
    server.route = drs_outage_watch(&conf, scene.r->server, scene.p);
    ap_set_module_config(scene.r->server->module_config, &drsession_module,
                         &server);
    open_session(&scene, server.route, how);
    field = find_field(scene.r->uri, how);
    scene.long_name = field != NULL && strlen(field) > DRS_FIELD_MAX;
    kind = sort(&scene, how, &wanted);
    CLAIM(drs_rest_handle(scene.r, &scene.conf, scene.session) == OK);
    check(&scene, kind, wanted);
    apr_pool_destroy(scene.p);
    CLAIM(wire_open() == 0);
    fuzz_end();
    return 0;
}
