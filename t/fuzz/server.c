/* SPDX-License-Identifier: MIT */
/*
 * Answers as Redis has them; whether a key is there is up to the input and
 * not to what was written. Bytes that the input makes up have no 'u', so
 * that none of them is a tag.
 */
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "drs_script.h"

enum {
    LINES = 64,
    ROOM = 32 * 1024,
    ARGS = 64,
    QUEUE = 8,
    SCRIPTS = DRS_SCRIPT_BATCH + 1
};
enum { FIRST = 10000 };

/* What is done with a command. */
enum plan_t {
    PLAN_ANSWER,
    PLAN_ABSENT,
    PLAN_REFUSE,
    PLAN_ERROR,
    PLAN_RAW,
    PLAN_SILENT,
    PLAN_LATE,
    PLAN_TWICE,
    PLAN_PART,
    PLAN_CLOSE,
    PLAN_RESET,
    PLAN_AFTER,
    PLANS
};

typedef struct command_t {
    int argc;
    const char *argv[ARGS];
    int absent; /* which kind of "no", 0 = none */
} command_t;

typedef struct line_t {
    char bytes[ROOM];
    size_t len;
    int multi;
    int aborted;
    int over;
    int surplus; /* more may have been said than was asked for */
    int owing;   /* something was not answered */
    int n;
    command_t queue[QUEUE];
} line_t;

server_book_t server_book;

static fuzz_input_t *plans;
static line_t lines[LINES];
static char digests[SCRIPTS][41];
static const char *texts[SCRIPTS];
static const char *tag;
static int moving; /* a batch was heard in this turn: it may move the key */
static int number;

static const char *bulk(const char *text)
{
    return apr_psprintf(plans->p, "$%lu\r\n%s\r\n", (unsigned long)strlen(text),
                        text);
}

static const char *value(void)
{
    return bulk(apr_pstrcat(plans->p, "\"", tag, "\"", NULL));
}

static int is_verb(const command_t *command, const char *verb)
{
    return strcmp(command->argv[0], verb) == 0;
}

static int script_of(const command_t *command)
{
    int i = 0;

    while (i < SCRIPTS && strcmp(command->argv[1], digests[i]) != 0 &&
           strcmp(command->argv[1], texts[i]) != 0) {
        i++;
    }
    CLAIM(i < SCRIPTS);
    return i;
}

/* A script that did nothing: gone, full, there already or not, as it can be. */
static const char *refuse_script(const command_t *command)
{
    int script = script_of(command);
    int worst = script == DRS_SCRIPT_ADD ? 3 : 2;

    if (script == DRS_SCRIPT_DEL) {
        return command->absent % 2 ? "*1\r\n:-1\r\n" : "*2\r\n:0\r\n:1\r\n";
    }
    return apr_psprintf(plans->p, "*1\r\n:-%d\r\n",
                        1 + command->absent % worst);
}

static const char *run_script(const command_t *command, int *effect)
{
    if (command->absent) return refuse_script(command);
    *effect = 1;
    if (script_of(command) != DRS_SCRIPT_INCR) return "*2\r\n:1\r\n:1\r\n";
    return apr_psprintf(plans->p, "*2\r\n:0\r\n%s",
                        bulk(apr_itoa(plans->p, number)));
}

static const char *run_list(const command_t *command)
{
    const char *text = "";
    int i;

    if (is_verb(command, "HMGET")) {
        for (i = 2; i < command->argc; i++) {
            text = apr_pstrcat(plans->p, text,
                               command->absent ? "$-1\r\n" : value(), NULL);
        }
        return apr_psprintf(plans->p, "*%d\r\n%s", command->argc - 2, text);
    }
    if (command->absent) return "*0\r\n";
    return is_verb(command, "HKEYS")
               ? "*1\r\n$1\r\nf\r\n"
               : apr_pstrcat(plans->p, "*2\r\n$1\r\nf\r\n", value(), NULL);
}

/* What a command that is not queued is answered with. */
static const char *run(const command_t *command, int *effect)
{
    const char *verb = command->argv[0];

    if (strncmp(verb, "EVAL", 4) == 0) return run_script(command, effect);
    if (strcmp(verb, "HGET") == 0) {
        return command->absent ? "$-1\r\n" : value();
    }
    if (strcmp(verb, "HMGET") == 0 || strcmp(verb, "HKEYS") == 0 ||
        strcmp(verb, "HGETALL") == 0) {
        return run_list(command);
    }
    if (strcmp(verb, "RENAME") == 0) {
        if (command->absent) return "-ERR no such key\r\n";
        *effect = 1;
        return "+OK\r\n";
    }
    /* A key that only a move can have made is there if that was done. */
    if (moving && strcmp(verb, "EXISTS") == 0) {
        return server_book.executed > 0 ? ":1\r\n" : ":0\r\n";
    }
    if (!command->absent &&
        (strcmp(verb, "HDEL") == 0 || strcmp(verb, "UNLINK") == 0)) {
        *effect = 1;
    }
    return command->absent ? ":0\r\n" : ":1\r\n";
}

static const char *execute(line_t *line, int *effect)
{
    const char *text = apr_psprintf(plans->p, "*%d\r\n", line->n);
    int aborted = line->aborted;
    int multi = line->multi;
    int i;

    line->multi = line->aborted = 0;
    if (!multi) return "-ERR EXEC without MULTI\r\n";
    if (aborted) return "-EXECABORT Transaction discarded\r\n";
    for (i = 0; i < line->n; i++) {
        text = apr_pstrcat(plans->p, text, run(&line->queue[i], effect), NULL);
    }
    return text;
}

static const char *answer(line_t *line, const command_t *command, int *effect)
{
    if (is_verb(command, "MULTI")) {
        line->multi = 1;
        line->n = line->aborted = 0;
        return "+OK\r\n";
    }
    if (is_verb(command, "EXEC")) return execute(line, effect);
    if (!line->multi) return run(command, effect);
    CLAIM(line->n < QUEUE);
    line->queue[line->n++] = *command;
    return "+QUEUED\r\n";
}

/* What is refused is not done, and spoils its transaction. */
static const char *refuse(line_t *line, const command_t *command, int error)
{
    enum { TURNED_AWAY = 3 };
    static const char *const refusals[] = {
        /* clang-format off */
        "READONLY You", "NOAUTH Authentication", "MASTERDOWN Link",
        "ERR max number of clients reached", "LOADING Redis", "OOM command",
        "NOPERM this", "WRONGPASS invalid", "NOREPLICAS Not", "MISCONF Redis",
        "BUSY Redis", "MOVED 1 a:1", "ASK 1 a:1", "CLUSTERDOWN Hash",
        "TRYAGAIN Multiple", "EXECABORT Transaction"
        /* clang-format on */
    };
    static const char *const errors[] = {
        "NOSCRIPT No matching script", "WRONGTYPE Operation",
        "ERR hash value is not an integer",
        "ERR increment or decrement would overflow", "ERR 'anything' at all"
    };
    unsigned int which = fuzz_byte(plans);

    /* A door that was open does not turn away: it owes an answer. */
    if (!error && line->owing && which % 16 == TURNED_AWAY) which++;
    if (is_verb(command, "EXEC")) line->multi = 0;
    else if (line->multi) line->aborted = 1;
    return apr_psprintf(plans->p, "-%s\r\n",
                        error ? errors[which % 5] : refusals[which % 16]);
}

static void say(int fd, const char *text, size_t len, apr_interval_time_t delay)
{
    wire_say(fd, text, len, delay);
}

static void say_raw(int fd)
{
    size_t len = fuzz_byte(plans) % 64;
    char *bytes;
    size_t i;

    if (len > plans->left) len = plans->left;
    bytes = apr_pstrmemdup(plans->p, plans->at, len);
    plans->at += len;
    plans->left -= len;
    for (i = 0; i < len; i++) {
        if (bytes[i] == 'u') bytes[i] = 'v';
    }
    server_book.unknown = 1;
    lines[fd - FIRST].surplus = 1;
    say(fd, bytes, len, 0);
}

/* Nothing that comes after is done. */
static void hang_up(int fd, line_t *line, int error)
{
    line->over = 1;
    wire_hang_up(fd, error);
}

/*
 * RESP does not number its answers: one too many and one that is missing, or
 * comes later, are together what nobody can tell from the right ones. So who
 * has said too much is honest from then on, and who owes says nothing twice.
 */
static void say_as_planned(int fd, line_t *line, const char *text,
                           enum plan_t plan)
{
    size_t len = strlen(text);

    if (line->surplus) plan = PLAN_ANSWER;
    switch (plan) {
    case PLAN_SILENT:
        line->owing = 1;
        return;
    case PLAN_LATE:
        say(fd, text, len, (apr_interval_time_t)fuzz_byte(plans) * 10000);
        return;
    case PLAN_PART:
        say(fd, text, fuzz_byte(plans) % len, 0);
        break;
    case PLAN_TWICE:
    case PLAN_AFTER:
        say(fd, text, len, 0);
        if (line->owing) return;
        line->surplus = 1;
        say(fd, text, len, plan == PLAN_AFTER ? 1 : 0);
        return;
    case PLAN_CLOSE:
    case PLAN_RESET:
        break;
    default:
        say(fd, text, len, 0);
        return;
    }
    hang_up(fd, line, plan == PLAN_RESET ? ECONNRESET : 0);
}

static void obey(int fd, line_t *line, command_t *command)
{
    enum plan_t plan = (enum plan_t)(fuzz_byte(plans) % PLANS);
    const char *text;
    int effect = 0;

    server_book.heard++;
    if (strncmp(command->argv[0], "EVAL", 4) == 0) {
        moving |= script_of(command) == DRS_SCRIPT_BATCH;
    }
    command->absent = plan == PLAN_ABSENT ? 1 + (int)fuzz_byte(plans) : 0;
    if (plan == PLAN_REFUSE || plan == PLAN_ERROR) {
        text = refuse(line, command, plan == PLAN_ERROR);
    }
    else {
        text = answer(line, command, &effect);
    }
    server_book.executed += effect;
    if (plan == PLAN_RAW) say_raw(fd);
    else say_as_planned(fd, line, text, plan);
    if (strncmp(text, "-ERR max number", 15) == 0) hang_up(fd, line, 0);
}

/* A number and its line; NULL = it is not all there. */
static const char *read_count(const char *at, const char *end, char mark,
                              long *n)
{
    const char *line = memchr(at, '\n', (size_t)(end - at));

    if (line == NULL) return NULL;
    CLAIM(*at == mark);
    *n = strtol(at + 1, NULL, 10);
    return line + 1;
}

/* Read a whole command; NULL = it is not all there. */
static const char *read_command(const char *at, const char *end,
                                command_t *command)
{
    long n = 0;
    long len = 0;

    at = read_count(at, end, '*', &n);
    if (at == NULL) return NULL;
    CLAIM(n >= 1 && n <= ARGS);
    for (command->argc = 0; command->argc < n; command->argc++) {
        at = at < end ? read_count(at, end, '$', &len) : NULL;
        if (at == NULL || end - at < len + 2) return NULL;
        command->argv[command->argc] =
            apr_pstrmemdup(plans->p, at, (size_t)len);
        at += len + 2;
    }
    return at;
}

static void serve(void *baton, int fd, const char *bytes, size_t len)
{
    line_t *line = &lines[fd - FIRST];
    command_t command;
    const char *at;
    const char *behind;

    (void)baton;
    CLAIM(line->len + len <= ROOM);
    memcpy(line->bytes + line->len, bytes, len);
    line->len += len;
    server_book.bytes += (int)len;
    for (at = line->bytes; at < line->bytes + line->len; at = behind) {
        behind = read_command(at, line->bytes + line->len, &command);
        if (behind == NULL) break;
        if (!line->over) obey(fd, line, &command);
    }
    line->len -= (size_t)(at - line->bytes);
    memmove(line->bytes, at, line->len);
}

/* Scripts are told by what drs_script makes of their names. */
static void learn_scripts(apr_pool_t *p)
{
    drs_script_terms_t terms;
    drs_script_t call;
    int i;

    if (digests[0][0] != '\0') return;
    memset(&terms, 0, sizeof(terms));
    terms.key = "";
    for (i = 0; i < SCRIPTS; i++) {
        drs_script_start((drs_script_name_t)i, &terms, 8, &call, p);
        apr_cpystrn(digests[i], call.argv[1], sizeof(digests[i]));
        texts[i] = call.text;
    }
}

void server_start(fuzz_input_t *input)
{
    int i;

    plans = input;
    number = 0;
    for (i = 0; i < LINES; i++) {
        lines[i].len = 0;
        lines[i].multi = lines[i].aborted = lines[i].over = lines[i].n = 0;
        lines[i].surplus = lines[i].owing = 0;
    }
    learn_scripts(input->p);
    wire_reset();
    wire_mood.serve = serve;
    server_turn();
}

void server_turn(void)
{
    number++;
    tag = apr_psprintf(plans->p, "turn-%d", number);
    memset(&server_book, 0, sizeof(server_book));
    moving = 0;
    wire_mood.turn = number;
    wire_sleep(2);
}

const char *server_tag(void)
{
    return tag;
}

int server_number(void)
{
    return number;
}
