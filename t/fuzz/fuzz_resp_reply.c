/* SPDX-License-Identifier: MIT */
/*
 * One round trip whose answer is any bytes, in pieces of any size. A strict
 * reader of our own says what whole replies are; the trip is done where the
 * bytes are those of as many replies as there were commands, fit for them,
 * and not one more. What is done says what was sent; bytes that were not
 * read yet make the connection one that is not used again.
 *
 *     input: three bytes of choices (how many commands and how it ends,
 *            their kinds, the size of pieces), the bytes of the server
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include <apr_strings.h>
#include <hiredis/hiredis.h>

#include "drs_redis.h"
#include "resp.h"
#include "wire.h"

enum { COMMANDS = 3, MOST = 1024 };

typedef struct kind_t {
    int type;
    int elements;
} kind_t;

static const kind_t kinds[] = {
    /* clang-format off */
    { REDIS_REPLY_STRING, 0 },
    { REDIS_REPLY_ARRAY, 2 },
    { REDIS_REPLY_INTEGER, 0 },
    { 0, 0 }
    /* clang-format on */
};

typedef struct server_t {
    fuzz_input_t *input;
    int said;
    unsigned int end;
} server_t;

static void serve(void *baton, int fd, const char *bytes, size_t len)
{
    server_t *server = baton;

    (void)bytes;
    (void)len;
    if (server->said) return;
    server->said = 1;
    wire_say(fd, server->input->at, server->input->left, 0);
    if (server->end == 1) wire_hang_up(fd, 0);
    if (server->end == 2) wire_hang_up(fd, ECONNRESET);
}

static int is_fit(const resp_t *reply, const kind_t *kind)
{
    int type = reply->mark == '+'   ? REDIS_REPLY_STATUS
               : reply->mark == ':' ? REDIS_REPLY_INTEGER
               : reply->mark == '*' ? REDIS_REPLY_ARRAY
                                    : REDIS_REPLY_STRING;

    if (reply->mark == '-' || kind->type == 0) return 1;
    if (reply->is_nil) return kind->type == REDIS_REPLY_STRING;
    return type == kind->type &&
           (kind->elements == 0 || reply->n == kind->elements);
}

/* The end of the replies of commands, one each; NULL where they are none. */
static const char *find_end(const char *at, size_t len,
                            const kind_t *const *wanted, int n)
{
    const char *end = at + len;
    long long room = RESP_ELEMENTS_MAX;
    int i;

    for (i = 0; i < n; i++) {
        resp_t reply;

        at = resp_read(at, end, 1, &room, &reply);
        if (at == NULL || !is_fit(&reply, wanted[i])) return NULL;
    }
    return at;
}

static void check_done(redisReply **replies, int n, const char *bytes,
                       const char *end)
{
    int i;

    for (i = 0; i < n; i++) {
        CLAIM(replies[i] != NULL);
        bytes = resp_match(bytes, end, replies[i]);
        CLAIM(bytes != NULL);
        freeReplyObject(replies[i]);
    }
}

static void check_failed(redisReply **replies, int n, const drs_why_t *why)
{
    const char *at;
    int i;

    for (i = 0; i < n; i++) CLAIM(replies[i] == NULL);
    CLAIM(why->text[0] != '\0' && strlen(why->text) < sizeof(why->text));
    for (at = why->text; *at != '\0'; at++) {
        CLAIM((unsigned char)*at >= ' ' && *at != 0x7f);
    }
}

static void call(drs_redis_t *redis, fuzz_input_t *input, server_t *server)
{
    static const char *words[] = { "HGET", "key", "field" };
    drs_command_t commands[COMMANDS];
    const kind_t *wanted[COMMANDS];
    redisReply *replies[COMMANDS];
    unsigned int choice = fuzz_byte(input);
    unsigned int choices = fuzz_byte(input);
    int n = 1 + (int)(choice % COMMANDS);
    drs_why_t why = { "", 0 };
    const char *all;
    const char *end;
    drs_fate_t fate;
    int i;

    server->end = choice / COMMANDS % 3;
    wire_mood.give_most = fuzz_byte(input);
    for (i = 0; i < n; i++) {
        wanted[i] = &kinds[choices >> 2 * i & 3];
        commands[i] = (drs_command_t){ 3, words, NULL, wanted[i]->type,
                                       wanted[i]->elements };
    }
    fate = drs_redis_call(redis, commands, n, replies, MOST,
                          drs_clock_now() + APR_USEC_PER_SEC, &why);
    all = input->at + input->left;
    end = find_end(input->at, input->left, wanted, n);
    if (fate == DRS_FATE_DONE) {
        CLAIM(end != NULL);
        CLAIM(drs_redis_is_quiet(redis) == (end == all && !server->end));
        check_done(replies, n, input->at, all);
        return;
    }
    CLAIM(end == NULL || end != all || input->left > MOST);
    check_failed(replies, n, &why);
    CLAIM(fate != DRS_FATE_LATE || server->end == 0);
    CLAIM(fate != DRS_FATE_CLOSED || server->end != 0);
    CLAIM(fate != DRS_FATE_UNSENT ||
          strstr(why.text, "refused: ERR max number of clients") != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t input = fuzz_open(data, size);
    server_t server = { &input, 0, 0 };
    drs_url_t url = { DRS_SCHEME_UNIX, 0, 0, NULL, "/r", NULL, NULL, "here" };
    drs_server_t place = { &url, NULL, NULL, APR_USEC_PER_SEC };
    drs_redis_t *redis = drs_redis_create(&place, NULL, input.p);
    drs_why_t why = { "", 0 };

    wire_reset();
    wire_mood.serve = serve;
    wire_mood.baton = &server;
    CLAIM(drs_redis_open(redis, drs_clock_now() + APR_USEC_PER_SEC, &why) ==
          APR_SUCCESS);
    call(redis, &input, &server);
    drs_redis_close(redis);
    CLAIM(wire_open() == 0);
    fuzz_end();
    return 0;
}
