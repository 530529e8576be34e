/* SPDX-License-Identifier: MIT */
/*
 * The command drsession: the session of a request in the hands of its CGI
 * or FastCGI program, one verb a call. Knows words, streams and exit codes;
 * everything about sessions is the engine's.
 *
 *     drsession [-rs] [-e PREFIX] COMMAND [-rs] [--] [ARGUMENT...]
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "drs_codec.h"
#include "drs_place.h"
#include "drs_session.h"
#include "drs_view.h"

/* Most bytes of standard input: a thousand fields fit, an accident does not. */
enum { INPUT_MAX = 64 * 1024 * 1024 };

/* What the exit code says; the manual lists it. */
enum {
    EXIT_OK,
    EXIT_NO,
    EXIT_USAGE,
    EXIT_DOWN,
    EXIT_UNSURE,
    EXIT_GONE,
    EXIT_REFUSED
};

/* One call of the command. */
typedef struct job_t {
    apr_pool_t *p;
    const char *env; /* prefix of the variables */
    int raw;         /* print strings as they are */
    int string;      /* take values as plain text */
    int argc;        /* what stands behind the command */
    char **argv;
    drs_session_t *session;
    const char *why; /* NULL = the session knows */
} job_t;

typedef struct verb_t {
    const char *name;
    int least; /* arguments */
    int most;
    apr_status_t (*run)(job_t *job);
} verb_t;

static const char usage[] =
    "usage: drsession [-rs] [-e PREFIX] COMMAND [ARGUMENT...]\n"
    "  get FIELD           print the value as JSON, with -r a string as text\n"
    "  set FIELD VALUE     VALUE is JSON, with -s plain text, - standard input\n"
    "  add FIELD VALUE     as set, only if the field is absent\n"
    "  incr FIELD [N]      add N, by default 1; print the sum\n"
    "  has FIELD           answer by the exit code\n"
    "  del FIELD           delete it\n"
    "  pop FIELD           delete it and print its value\n"
    "  update OBJECT       set all members of a JSON object, null deletes\n"
    "  keys | all | count  print names, an object, how many fields\n"
    "  destroy             end the session\n"
    "exit: 0 ok, 1 no such field or already there, 2 usage or bad value,\n"
    "  3 down, 4 unsure, 5 gone, 6 refused by Redis\n";

static apr_status_t complain(job_t *job, const char *why)
{
    job->why = why;
    return DRS_EVALUE;
}

static apr_status_t print(job_t *job, const char *text, apr_size_t len)
{
    if (fwrite(text, 1, len, stdout) == len && putchar('\n') != EOF &&
        fflush(stdout) == 0) {
        return APR_SUCCESS;
    }
    return complain(job, "cannot write to standard output");
}

/* What cannot be text is printed as JSON: a popped value must not be lost. */
static apr_status_t print_value(job_t *job, const char *json, apr_size_t len)
{
    const char *text = NULL;
    const char *why = "not a string";
    apr_status_t rv;

    if (!job->raw || len == 0 || json[0] != '"') {
        return print(job, json, len);
    }
    if (drs_codec_string(json, len, &text, &why, job->p) == APR_SUCCESS) {
        return print(job, text, strlen(text));
    }
    rv = print(job, json, len);
    return rv == APR_SUCCESS ? complain(job, why) : rv;
}

static apr_status_t read_input(job_t *job, const char **text, apr_size_t *len)
{
    apr_size_t room = 8192;
    char *data = apr_palloc(job->p, room);
    char *more;
    apr_size_t n;

    *len = 0;
    while ((n = fread(data + *len, 1, room - *len, stdin)) > 0) {
        *len += n;
        if (*len < room) continue;
        if (room >= INPUT_MAX) return complain(job, "the input is too long");
        more = apr_palloc(job->p, room * 2);
        memcpy(more, data, room);
        room *= 2;
        data = more;
    }
    if (ferror(stdin)) return complain(job, "cannot read standard input");
    *text = data;
    return APR_SUCCESS;
}

static apr_status_t read_argument(job_t *job, const char *word,
                                  const char **text, apr_size_t *len)
{
    if (strcmp(word, "-") == 0) return read_input(job, text, len);
    *text = word;
    *len = strlen(word);
    return APR_SUCCESS;
}

/* The value for set and add, as JSON. */
static apr_status_t read_value(job_t *job, const char **json, apr_size_t *len)
{
    apr_status_t rv = read_argument(job, job->argv[1], json, len);

    if (rv != APR_SUCCESS || !job->string) return rv;
    if (drs_codec_quote(*json, *len, json, job->p) != APR_SUCCESS) {
        return complain(job, "the text is not UTF-8");
    }
    *len = strlen(*json);
    return APR_SUCCESS;
}

static apr_status_t run_get(job_t *job)
{
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv =
        drs_session_get(job->session, job->argv[0], &json, &len, job->p);

    return rv == APR_SUCCESS ? print_value(job, json, len) : rv;
}

static apr_status_t run_set(job_t *job)
{
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv = read_value(job, &json, &len);

    return rv == APR_SUCCESS
               ? drs_session_set(job->session, job->argv[0], json, len)
               : rv;
}

static apr_status_t run_add(job_t *job)
{
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv = read_value(job, &json, &len);

    return rv == APR_SUCCESS
               ? drs_session_add(job->session, job->argv[0], json, len)
               : rv;
}

static apr_status_t run_incr(job_t *job)
{
    const char *by = job->argc > 1 ? job->argv[1] : "1";
    const char *why = "not an integer";
    const char *sum;
    apr_int64_t n = 0;
    apr_status_t rv;

    if (drs_codec_int(by, strlen(by), &n, &why) != APR_SUCCESS) {
        return complain(job, why);
    }
    rv = drs_session_incr(job->session, job->argv[0], n, &n);
    if (rv != APR_SUCCESS) return rv;
    sum = apr_psprintf(job->p, "%" APR_INT64_T_FMT, n);
    return print(job, sum, strlen(sum));
}

static apr_status_t run_has(job_t *job)
{
    return drs_session_has(job->session, job->argv[0]);
}

static apr_status_t run_del(job_t *job)
{
    return drs_session_del(job->session, job->argv[0]);
}

static apr_status_t run_pop(job_t *job)
{
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv =
        drs_session_pop(job->session, job->argv[0], &json, &len, job->p);

    return rv == APR_SUCCESS ? print_value(job, json, len) : rv;
}

static apr_status_t run_update(job_t *job)
{
    apr_array_header_t *members = NULL;
    const drs_member_t *member;
    const char *why = "not an object";
    const char *text = NULL;
    const char **fields;
    const char **json;
    apr_size_t *lens;
    apr_size_t len = 0;
    apr_size_t n;
    apr_size_t i;
    apr_status_t rv = read_argument(job, job->argv[0], &text, &len);

    if (rv != APR_SUCCESS) return rv;
    if (drs_codec_members(text, len, &members, &why, job->p) != APR_SUCCESS) {
        return complain(job, why);
    }
    n = (apr_size_t)members->nelts;
    fields = apr_palloc(job->p, (n + 1) * sizeof(*fields));
    json = apr_palloc(job->p, (n + 1) * sizeof(*json));
    lens = apr_palloc(job->p, (n + 1) * sizeof(*lens));
    for (i = 0; i < n; i++) {
        member = &APR_ARRAY_IDX(members, i, drs_member_t);
        fields[i] = member->name;
        lens[i] = member->len;
        json[i] = member->len == 4 && memcmp(member->json, "null", 4) == 0
                      ? NULL
                      : member->json;
    }
    return drs_session_update(job->session, fields, json, lens, (int)n, NULL);
}

static apr_status_t run_keys(job_t *job)
{
    apr_array_header_t *fields = NULL;
    const char *out;
    const char *name;
    apr_status_t rv = drs_view_keys(job->session, &fields, job->p);
    int i;

    for (i = 0; rv == APR_SUCCESS && !job->raw && i < fields->nelts; i++) {
        name = APR_ARRAY_IDX(fields, i, const char *);
        if (drs_codec_quote(name, strlen(name),
                            &APR_ARRAY_IDX(fields, i, const char *),
                            job->p) != APR_SUCCESS) {
            rv = complain(job, "a field name is not UTF-8: use -r");
        }
    }
    if (rv != APR_SUCCESS || (job->raw && fields->nelts == 0)) return rv;

    out = apr_array_pstrcat(job->p, fields, job->raw ? '\n' : ',');
    if (!job->raw) out = apr_pstrcat(job->p, "[", out, "]", NULL);
    return print(job, out, strlen(out));
}

static apr_status_t run_all(job_t *job)
{
    const char *json = NULL;
    apr_size_t len = 0;
    apr_status_t rv = drs_view_all(job->session, &json, &len, job->p);

    return rv == APR_SUCCESS ? print(job, json, len) : rv;
}

static apr_status_t run_count(job_t *job)
{
    const char *text;
    apr_size_t n = 0;
    apr_status_t rv = drs_session_count(job->session, &n);

    if (rv != APR_SUCCESS) return rv;
    text = apr_psprintf(job->p, "%" APR_SIZE_T_FMT, n);
    return print(job, text, strlen(text));
}

static apr_status_t run_destroy(job_t *job)
{
    return drs_session_destroy(job->session);
}

static const verb_t verbs[] = {
    /* clang-format off */
    { "get", 1, 1, run_get },       { "set", 2, 2, run_set },
    { "add", 2, 2, run_add },       { "incr", 1, 2, run_incr },
    { "has", 1, 1, run_has },       { "del", 1, 1, run_del },
    { "pop", 1, 1, run_pop },       { "update", 1, 1, run_update },
    { "keys", 0, 0, run_keys },     { "all", 0, 0, run_all },
    { "count", 0, 0, run_count },   { "destroy", 0, 0, run_destroy },
    /* clang-format on */
};

static const verb_t *find_verb(const char *name)
{
    apr_size_t i;

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].name, name) == 0) return &verbs[i];
    }
    return NULL;
}

/* Read options up to the first word that is none; help comes back as 'h'. */
static int read_options(job_t *job)
{
    static const struct option options[] = {
        { "raw", no_argument, NULL, 'r' },
        { "string", no_argument, NULL, 's' },
        { "env", required_argument, NULL, 'e' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 }
    };
    int option;

    opterr = 0;
    optind = 1;
    while ((option = getopt_long(job->argc, job->argv, "+rse:h", options,
                                 NULL)) != -1) {
        if (option == 'r') job->raw = 1;
        if (option == 's') job->string = 1;
        if (option == 'e') job->env = optarg;
        if (option == 'h' || option == '?') return option;
    }
    job->argc -= optind;
    job->argv += optind;
    return 0;
}

/* Both before and after the command options may stand. */
static int read_line(job_t *job, const verb_t **verb)
{
    int option = read_options(job);

    if (option != 0) return option;
    if (job->argc == 0) return '?';
    *verb = find_verb(job->argv[0]);
    if (*verb == NULL) return '?';
    option = read_options(job);
    if (option != 0) return option;
    return job->argc < (*verb)->least || job->argc > (*verb)->most ? '?' : 0;
}

/* Say why on standard error; "no" is an answer and needs no words. */
static int finish(const job_t *job, const verb_t *verb, apr_status_t rv)
{
    static const struct {
        apr_status_t rv;
        int code;
        const char *word;
    } table[] = {
        { APR_SUCCESS, EXIT_OK, NULL },
        { APR_NOTFOUND, EXIT_NO, NULL },
        { APR_EEXIST, EXIT_NO, NULL },
        { DRS_EVALUE, EXIT_USAGE, "value" },
        { DRS_EREADONLY, EXIT_USAGE, "readonly" },
        { DRS_EDOWN, EXIT_DOWN, "down" },
        { DRS_EUNSURE, EXIT_UNSURE, "unsure" },
        { DRS_EGONE, EXIT_GONE, "gone" },
        { DRS_EREPLY, EXIT_REFUSED, "refused" },
    };
    const char *why = job->why;
    apr_size_t i = 0;

    while (i < sizeof(table) / sizeof(table[0]) - 1 && table[i].rv != rv) i++;
    if (rv == DRS_EREADONLY) {
        why = "there is no session, and none can be made: DRSession is "
              "ReadOnly here, or the response headers are out";
    }
    if (why == NULL) why = drs_session_error(job->session);
    if (table[i].word != NULL) {
        fprintf(stderr, "drsession: %s: %s: %s\n", verb->name, table[i].word,
                why);
    }
    return table[i].code;
}

int main(int argc, char **argv)
{
    job_t job = { NULL, "DRSESSION", 0, 0, 0, NULL, NULL, NULL };
    const verb_t *verb = NULL;
    apr_status_t rv;
    int option;

    job.argc = argc;
    job.argv = argv;
    option = read_line(&job, &verb);
    if (option != 0) {
        fputs(usage, option == 'h' ? stdout : stderr);
        return option == 'h' ? EXIT_OK : EXIT_USAGE;
    }
    if (apr_initialize() != APR_SUCCESS) return EXIT_DOWN;
    atexit(apr_terminate);
    signal(SIGPIPE, SIG_IGN);
    apr_pool_create(&job.p, NULL);
    rv = drs_place_open(job.env, &job.session, &job.why, job.p);
    if (rv == APR_SUCCESS) rv = verb->run(&job);
    return finish(&job, verb, rv);
}
