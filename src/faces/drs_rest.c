/* SPDX-License-Identifier: MIT */
/*
 * The handler "drsession". A request is sorted once, by method, path and
 * query, into one of the verbs below; the verb asks for its permission,
 * calls the session once and writes the answer.
 *
 *     BASE/       GET all   PATCH merge   DELETE end   POST ?regenerate
 *     BASE/field  GET HEAD PUT [?add] DELETE   POST ?incr=N   POST ?pop
 */
#include "drs_rest.h"

#include <string.h>

#include <ap_expr.h>
#include <apr_strings.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>

#include "drs_body.h"
#include "drs_codec.h"
#include "drs_outage.h"
#include "drs_view.h"

APLOG_USE_MODULE(drsession);

/* One request on its way through the handler. */
typedef struct rest_t {
    request_rec *r;
    const drs_conf_t *conf;
    drs_session_t *session;
    const char *field; /* NULL = the session as a whole */
    const char *args;  /* the query; "" = none */
} rest_t;

int drs_rest_status(apr_status_t rv, const char **word)
{
    static const struct {
        apr_status_t rv;
        const char *word;
        int status;
    } table[] = {
        { APR_NOTFOUND, "notfound", HTTP_NOT_FOUND },
        { APR_EEXIST, "exists", HTTP_CONFLICT },
        { DRS_EDOWN, "down", HTTP_SERVICE_UNAVAILABLE },
        { DRS_EUNSURE, "unsure", HTTP_SERVICE_UNAVAILABLE },
        { DRS_EGONE, "gone", HTTP_GONE },
        { DRS_EREPLY, "reply", HTTP_INTERNAL_SERVER_ERROR },
        { DRS_EVALUE, "value", HTTP_BAD_REQUEST },
        { DRS_ESENT, "sent", HTTP_INTERNAL_SERVER_ERROR },
        { DRS_EREADONLY, "readonly", HTTP_FORBIDDEN },
    };
    apr_size_t i;

    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].rv == rv) {
            *word = table[i].word;
            return table[i].status;
        }
    }
    *word = "reply";
    return HTTP_INTERNAL_SERVER_ERROR;
}

int drs_rest_refuse(request_rec *r, apr_status_t rv)
{
    const char *word;

    if (rv == DRS_EDOWN) {
        apr_table_setn(r->err_headers_out, "Retry-After", "1");
    }
    return drs_rest_status(rv, &word);
}

static int answer_bytes(const rest_t *rest, int status, const char *json,
                        apr_size_t len)
{
    request_rec *r = rest->r;

    r->status = status;
    if (json == NULL) return OK;
    ap_set_content_type(r, "application/json");
    ap_set_content_length(r, (apr_off_t)len);
    ap_rwrite(json, (int)len, r);
    return OK;
}

static int answer(const rest_t *rest, int status, const char *json)
{
    return answer_bytes(rest, status, json, json != NULL ? strlen(json) : 0);
}

/* Write an error body; httpd's own error pages would hide the cause. */
static int complain(const rest_t *rest, int status, const char *word,
                    const char *detail)
{
    request_rec *r = rest->r;
    const char *quoted = "\"\"";

    if (drs_codec_quote(detail, strlen(detail), &quoted, r->pool) !=
        APR_SUCCESS) {
        quoted = "\"\"";
    }
    return answer(rest, status,
                  apr_psprintf(r->pool, "{\"error\": \"%s\", \"detail\": %s}",
                               word, quoted));
}

static int forbid(const rest_t *rest, const char *detail)
{
    return complain(rest, HTTP_FORBIDDEN, "forbidden", detail);
}

static int refuse_query(const rest_t *rest)
{
    return complain(rest, HTTP_BAD_REQUEST, "value",
                    "this query is not known for this method and path");
}

/* Where Redis is and what it says is for the error log, not for a client. */
static const char *describe(apr_status_t rv, const char *detail)
{
    if (rv == DRS_EDOWN) {
        return "the session store has no answer; nothing was changed";
    }
    if (rv == DRS_EUNSURE) {
        return "the session store did not answer; the change may have been "
               "made";
    }
    if (rv == DRS_EREPLY) return "the session store answered with an error";
    if (rv == APR_EEXIST) return "the field is there already";
    return detail;
}

/* Tell a failed call. */
static int fail(const rest_t *rest, apr_status_t rv)
{
    const char *word;
    const char *detail = drs_session_error(rest->session);
    int status = drs_rest_status(rv, &word);

    if (rv == DRS_EVALUE && drs_session_is_over(rest->session)) {
        status = HTTP_REQUEST_ENTITY_TOO_LARGE;
    }
    if (rv == DRS_EDOWN) {
        apr_table_setn(rest->r->err_headers_out, "Retry-After", "1");
    }
    if (rv == APR_NOTFOUND) {
        detail = rest->field != NULL ? "no such field" : "no session";
    }
    if (status >= 500) {
        drs_outage_complain(rest->r, rv, "%s %s: %s", rest->r->method,
                            rest->r->uri, detail);
    }
    return complain(rest, status, word, describe(rv, detail));
}

static int is_listed(const apr_array_header_t *names, const char *field)
{
    int i;

    for (i = 0; i < names->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(names, i, const char *), field) == 0) {
            return 1;
        }
    }
    return 0;
}

static int may_read(const rest_t *rest, const char *field)
{
    const drs_allow_t *allow = rest->conf->allow;

    return allow != NULL && (allow->read_all || is_listed(allow->read, field));
}

static int may_write(const rest_t *rest, const char *field)
{
    const drs_allow_t *allow = rest->conf->allow;

    return allow != NULL &&
           (allow->write_all || is_listed(allow->write, field));
}

static int may_end(const rest_t *rest)
{
    const drs_allow_t *allow = rest->conf->allow;

    return allow != NULL && (allow->end || allow->write_all);
}

static int forbid_read(const rest_t *rest)
{
    return forbid(rest, "reading this is not allowed here; "
                        "see DRSessionAllow read");
}

static int forbid_write(const rest_t *rest)
{
    return forbid(rest, "writing this is not allowed here; "
                        "see DRSessionAllow write");
}

static int forbid_end(const rest_t *rest)
{
    return forbid(rest, "ending or renewing the session is not allowed here; "
                        "see DRSessionAllow end");
}

/* Answer with a value as Redis holds it; the raw codec has no type. */
static int answer_value(const rest_t *rest, const char *json, apr_size_t len)
{
    request_rec *r = rest->r;

    r->status = HTTP_OK;
    ap_set_content_type(r, rest->conf->codec == &drs_codec_raw
                               ? "application/octet-stream"
                               : "application/json");
    ap_set_content_length(r, (apr_off_t)len);
    ap_rwrite(json, (int)len, r);
    return OK;
}

static int get_all(const rest_t *rest)
{
    const drs_allow_t *allow = rest->conf->allow;
    apr_pool_t *p = rest->r->pool;
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv;

    if (allow == NULL || (!allow->read_all && allow->read->nelts == 0)) {
        return forbid_read(rest);
    }
    rv = allow->read_all ? drs_view_all(rest->session, &json, &len, p)
                         : drs_view_some(rest->session,
                                         (const char *const *)allow->read->elts,
                                         allow->read->nelts, &json, &len, p);
    if (rv != APR_SUCCESS) return fail(rest, rv);
    return answer_bytes(rest, HTTP_OK, json, len);
}

static int get_field(const rest_t *rest)
{
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv;

    if (!may_read(rest, rest->field)) return forbid_read(rest);
    rv =
        drs_session_get(rest->session, rest->field, &json, &len, rest->r->pool);
    return rv == APR_SUCCESS ? answer_value(rest, json, len) : fail(rest, rv);
}

/* Read the body, at most as long as a value may be. */
static int read_body(const rest_t *rest, const char **body, apr_size_t *len)
{
    return drs_body_read(rest->r, (apr_size_t)rest->conf->value_max, body, len);
}

static int refuse_body(const rest_t *rest, int status)
{
    if (status == HTTP_REQUEST_ENTITY_TOO_LARGE) {
        return complain(rest, status, "value",
                        "the body is over the limit "
                        "(DRSessionLimit, LimitRequestBody)");
    }
    if (status == HTTP_REQUEST_TIME_OUT) {
        return complain(rest, status, "value", "the body did not come in time");
    }
    /* A filter has answered by itself. */
    if (!ap_is_HTTP_ERROR(status)) return status;
    return complain(rest, status, "value", "the body cannot be read");
}

static int put_field(const rest_t *rest)
{
    const char *body = NULL;
    apr_size_t len = 0;
    apr_size_t created = 1;
    int add = strcmp(rest->args, "add") == 0;
    int status;
    apr_status_t rv;

    if (!may_write(rest, rest->field)) return forbid_write(rest);
    if (*rest->args != '\0' && !add) return refuse_query(rest);

    status = read_body(rest, &body, &len);
    if (status != OK) return refuse_body(rest, status);

    rv = add ? drs_session_add(rest->session, rest->field, body, len)
             : drs_session_update(rest->session, &rest->field, &body, &len, 1,
                                  &created);
    if (rv != APR_SUCCESS) return fail(rest, rv);
    return answer(rest, created > 0 ? HTTP_CREATED : HTTP_NO_CONTENT, NULL);
}

/* Merge the members of an object; null deletes. */
static int merge(const rest_t *rest, const apr_array_header_t *members)
{
    apr_pool_t *p = rest->r->pool;
    apr_size_t n = (apr_size_t)members->nelts;
    const char **fields = apr_palloc(p, (n + 1) * sizeof(*fields));
    const char **json = apr_palloc(p, (n + 1) * sizeof(*json));
    apr_size_t *lens = apr_palloc(p, (n + 1) * sizeof(*lens));
    const drs_member_t *member;
    apr_size_t i;
    apr_status_t rv;

    for (i = 0; i < n; i++) {
        member = &APR_ARRAY_IDX(members, i, drs_member_t);
        if (!may_write(rest, member->name)) return forbid_write(rest);
        fields[i] = member->name;
        lens[i] = member->len;
        json[i] = member->len == 4 && memcmp(member->json, "null", 4) == 0
                      ? NULL
                      : member->json;
    }
    rv = drs_session_update(rest->session, fields, json, lens, (int)n, NULL);
    return rv == APR_SUCCESS ? answer(rest, HTTP_NO_CONTENT, NULL)
                             : fail(rest, rv);
}

static int patch_all(const rest_t *rest)
{
    const drs_allow_t *allow = rest->conf->allow;
    apr_array_header_t *members = NULL;
    const char *why = "not an object";
    const char *word = NULL;
    const char *body = NULL;
    apr_size_t len = 0;
    int status;
    apr_status_t rv;

    if (allow == NULL || (!allow->write_all && allow->write->nelts == 0)) {
        return forbid_write(rest);
    }
    status = read_body(rest, &body, &len);
    if (status != OK) return refuse_body(rest, status);
    rv = drs_codec_members(body, len, &members, &why, rest->r->pool);
    if (rv != APR_SUCCESS) {
        status = drs_rest_status(rv, &word);
        return complain(rest, status, word, why);
    }
    return merge(rest, members);
}

static int delete_field(const rest_t *rest)
{
    apr_status_t rv;

    if (!may_write(rest, rest->field)) return forbid_write(rest);
    rv = drs_session_del(rest->session, rest->field);
    return rv == APR_SUCCESS ? answer(rest, HTTP_NO_CONTENT, NULL)
                             : fail(rest, rv);
}

static int delete_all(const rest_t *rest)
{
    apr_status_t rv;

    if (!may_end(rest)) return forbid_end(rest);
    rv = drs_session_destroy(rest->session);
    return rv == APR_SUCCESS ? answer(rest, HTTP_NO_CONTENT, NULL)
                             : fail(rest, rv);
}

static int regenerate(const rest_t *rest)
{
    apr_status_t rv;

    if (strcmp(rest->args, "regenerate") != 0) return refuse_query(rest);
    if (!may_end(rest)) return forbid_end(rest);
    rv = drs_session_regenerate(rest->session);
    return rv == APR_SUCCESS ? answer(rest, HTTP_NO_CONTENT, NULL)
                             : fail(rest, rv);
}

/* The sum is shown to those only who may read the field. */
static int incr_field(const rest_t *rest, const char *digits)
{
    apr_int64_t by = 0;
    apr_int64_t now = 0;
    const char *why = NULL;
    apr_status_t rv;

    if (!may_write(rest, rest->field)) return forbid_write(rest);
    if (drs_codec_int(digits, strlen(digits), &by, &why) != APR_SUCCESS) {
        return complain(rest, HTTP_BAD_REQUEST, "value",
                        "incr takes a whole number of 64 bits");
    }
    rv = drs_session_incr(rest->session, rest->field, by, &now);
    if (rv != APR_SUCCESS) return fail(rest, rv);
    if (!may_read(rest, rest->field)) {
        return answer(rest, HTTP_NO_CONTENT, NULL);
    }
    return answer(rest, HTTP_OK,
                  apr_psprintf(rest->r->pool, "%" APR_INT64_T_FMT, now));
}

static int pop_field(const rest_t *rest)
{
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv;

    if (!may_read(rest, rest->field)) return forbid_read(rest);
    if (!may_write(rest, rest->field)) return forbid_write(rest);
    rv =
        drs_session_pop(rest->session, rest->field, &json, &len, rest->r->pool);
    return rv == APR_SUCCESS ? answer_value(rest, json, len) : fail(rest, rv);
}

static int post_field(const rest_t *rest)
{
    if (strncmp(rest->args, "incr=", 5) == 0) {
        return incr_field(rest, rest->args + 5);
    }
    if (strcmp(rest->args, "pop") == 0) return pop_field(rest);
    return refuse_query(rest);
}

static int refuse_method(const rest_t *rest, const char *allowed)
{
    apr_table_setn(rest->r->err_headers_out, "Allow", allowed);
    return complain(rest, HTTP_METHOD_NOT_ALLOWED, "value",
                    apr_pstrcat(rest->r->pool, "here one may ", allowed, NULL));
}

static int handle_field(const rest_t *rest)
{
    int method = rest->r->method_number;

    if (method == M_PUT) return put_field(rest);
    if (method == M_POST) return post_field(rest);
    if (method != M_GET && method != M_DELETE) {
        return refuse_method(rest, "GET, HEAD, PUT, POST, DELETE");
    }
    if (*rest->args != '\0') return refuse_query(rest);
    return method == M_GET ? get_field(rest) : delete_field(rest);
}

static int handle_all(const rest_t *rest)
{
    int method = rest->r->method_number;

    if (method == M_POST) return regenerate(rest);
    if (method != M_GET && method != M_PATCH && method != M_DELETE) {
        return refuse_method(rest, "GET, HEAD, PATCH, POST, DELETE");
    }
    if (*rest->args != '\0') return refuse_query(rest);
    if (method == M_GET) return get_all(rest);
    return method == M_PATCH ? patch_all(rest) : delete_all(rest);
}

/* The request's own origin, as a browser would write it. */
static int is_own_origin(request_rec *r, const char *origin)
{
    const char *host = apr_table_get(r->headers_in, "Host");
    const char *scheme = ap_http_scheme(r);
    const char *standard = strcmp(scheme, "https") == 0 ? ":443" : ":80";
    const char *own;
    apr_size_t len;

    if (host == NULL) return 0;
    own = apr_pstrcat(r->pool, scheme, "://", host, NULL);
    len = strlen(own);
    if (len > strlen(standard) &&
        strcmp(own + len - strlen(standard), standard) == 0) {
        own = apr_pstrmemdup(r->pool, own, len - strlen(standard));
    }
    return ap_cstr_casecmp(own, origin) == 0;
}

/*
 * A page of another site must not change a session. Browsers that tell the
 * site of the page decide; older ones send Origin; others are no browser.
 */
static int is_cross_site(request_rec *r)
{
    const char *site = apr_table_get(r->headers_in, "Sec-Fetch-Site");
    const char *origin = apr_table_get(r->headers_in, "Origin");

    if (r->method_number == M_GET || r->method_number == M_OPTIONS) return 0;
    if (site != NULL) {
        return strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0;
    }
    return origin != NULL && !is_own_origin(r, origin);
}

/* No page of another origin may load an answer as a script or a picture. */
static void shut_out_strangers(request_rec *r)
{
    apr_table_setn(r->err_headers_out, "X-Content-Type-Options", "nosniff");
    apr_table_setn(r->err_headers_out, "Cross-Origin-Resource-Policy",
                   "same-origin");
}

/* Whether a section sets our handler; httpd keeps it as an expression. */
static int sets_handler(request_rec *r, const core_dir_config *dir)
{
    const char *handler = dir->handler;
    const char *why = NULL;

    if (dir->expr_handler != NULL) {
        handler = ap_expr_str_exec(r, dir->expr_handler, &why);
    }
    return handler != NULL && why == NULL &&
           strcmp(handler, DRS_REST_HANDLER) == 0;
}

/*
 * Find the path of the <Location> that sets the handler, in the order in
 * which httpd merges them. The merged configuration does not keep it.
 */
static const char *find_base(request_rec *r)
{
    const core_server_config *core =
        ap_get_core_module_config(r->server->module_config);
    const char *base = NULL;
    int i;

    for (i = 0; i < core->sec_url->nelts; i++) {
        ap_conf_vector_t *section =
            APR_ARRAY_IDX(core->sec_url, i, ap_conf_vector_t *);
        const core_dir_config *dir = ap_get_core_module_config(section);
        apr_size_t len;

        if (dir->d == NULL || dir->r != NULL || !sets_handler(r, dir)) {
            continue;
        }
        len = strlen(dir->d);
        while (len > 0 && dir->d[len - 1] == '/') len--;
        if (strncmp(r->uri, dir->d, len) == 0 &&
            (r->uri[len] == '/' || r->uri[len] == '\0')) {
            base = apr_pstrmemdup(r->pool, dir->d, len);
        }
    }
    return base;
}

int drs_rest_handle(request_rec *r, const drs_conf_t *conf,
                    drs_session_t *session)
{
    rest_t rest = { r, conf, session, NULL, "" };
    const char *base = find_base(r);

    shut_out_strangers(r);
    if (r->args != NULL) rest.args = r->args;
    if (session == NULL) return forbid(&rest, "DRSession is Off here");
    if (base == NULL) {
        drs_outage_complain(r, APR_EGENERAL,
                            "%s %s: SetHandler drsession stands in no "
                            "<Location>",
                            r->method, r->uri);
        return complain(&rest, HTTP_INTERNAL_SERVER_ERROR, "value",
                        "SetHandler drsession has to stand in a <Location>");
    }
    if (is_cross_site(r)) {
        return forbid(&rest, "a page of another origin may not do this "
                             "(Sec-Fetch-Site, Origin)");
    }
    rest.field = r->uri + strlen(base);
    if (*rest.field == '/') rest.field++;
    if (*rest.field != '\0') return handle_field(&rest);
    rest.field = NULL;
    return handle_all(&rest);
}
