/* SPDX-License-Identifier: MIT */
/*
 * The scripts. Redis runs each as one step, so that no moment lies between
 * the question whether the session lives, the write, and its expiry.
 */
#include "drs_script.h"

#include <pthread.h>
#include <string.h>

#include <apr_escape.h>
#include <apr_sha1.h>
#include <apr_strings.h>

/* EVALSHA, name, 1 or 2, keys, and three arguments for all scripts. */
enum { HEAD_ARGS = 8 };

/* clang-format off */

/* Every script begins with the check that makes a write strict ... */
#define SCRIPT_HEAD                                                         \
    "local key = KEYS[1]\n"                                                 \
    "if ARGV[1] == '0' and redis.call('EXISTS', key) == 0 then\n"           \
    "  return {-1}\n"                                                       \
    "end\n"                                                                 \
    "local function full(new)\n"                                            \
    "  return new > 0 and\n"                                                \
    "    redis.call('HLEN', key) + new > tonumber(ARGV[3])\n"               \
    "end\n"                                                                 \
    "local function expire()\n"                                             \
    "  local ms = tonumber(ARGV[2])\n"                                      \
    "  if ms > 0 then\n"                                                    \
    "    redis.call('PEXPIRE', key, ARGV[2])\n"                             \
    "  elseif ms < 0 and redis.call('PTTL', key) == -1 then\n"              \
    "    redis.call('PEXPIRE', key, string.sub(ARGV[2], 2))\n"              \
    "  end\n"                                                               \
    "end\n"

/* ... and ends with the expiry that leaves no key without one. */
/* Deleting comes last: a key without fields would lose its expiry. */
static const char update_script[] = SCRIPT_HEAD
    "local last, new = {}, 0\n"
    "for i = 4, #ARGV, 3 do last[ARGV[i + 1]] = i end\n"
    "for field, i in pairs(last) do\n"
    "  local there = redis.call('HEXISTS', key, field)\n"
    "  if ARGV[i] == 'set' then new = new + 1 - there end\n"
    "end\n"
    "if full(new) then return {-2} end\n"
    "for field, i in pairs(last) do\n"
    "  if ARGV[i] == 'set' then\n"
    "    redis.call('HSET', key, field, ARGV[i + 2])\n"
    "  end\n"
    "end\n"
    "for field, i in pairs(last) do\n"
    "  if ARGV[i] ~= 'set' then redis.call('HDEL', key, field) end\n"
    "end\n"
    "expire()\n"
    "return {new, redis.call('EXISTS', key)}\n";

static const char add_script[] = SCRIPT_HEAD
    "if redis.call('HEXISTS', key, ARGV[4]) == 1 then\n"
    "  expire()\n"
    "  return {-3}\n"
    "end\n"
    "if full(1) then return {-2} end\n"
    "redis.call('HSETNX', key, ARGV[4], ARGV[5])\n"
    "expire()\n"
    "return {1, 1}\n";

/* The sum comes back as text: a Lua number would lose it beyond 2^53. */
static const char incr_script[] = SCRIPT_HEAD
    "if full(1 - redis.call('HEXISTS', key, ARGV[4])) then return {-2} end\n"
    "local sum = redis.pcall('HINCRBY', key, ARGV[4], ARGV[5])\n"
    "if type(sum) == 'table' then return sum end\n"
    "expire()\n"
    "return {0, redis.call('HGET', key, ARGV[4])}\n";

static const char del_script[] = SCRIPT_HEAD
    "local deleted = redis.call('HDEL', key, ARGV[4])\n"
    "expire()\n"
    "return {deleted, redis.call('EXISTS', key)}\n";

/*
 * A step that is refused undoes those before it. The key is gone for a
 * moment where its last field goes before another comes: its expiry is kept.
 */
static const char batch_script[] = SCRIPT_HEAD
    "local ttl, held = redis.call('PTTL', key), {}\n"
    "local function keep_expiry()\n"
    "  if ttl >= 0 and redis.call('PTTL', key) == -1 then\n"
    "    redis.call('PEXPIRE', key, math.max(ttl, 1))\n"
    "  end\n"
    "end\n"
    "local function undo(answer)\n"
    "  for field, value in pairs(held) do\n"
    "    if value then redis.call('HSET', key, field, value)\n"
    "    else redis.call('HDEL', key, field) end\n"
    "  end\n"
    "  keep_expiry()\n"
    "  return answer\n"
    "end\n"
    "for i = 5, #ARGV, 3 do\n"
    "  local verb, field, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]\n"
    "  local now = redis.call('HGET', key, field)\n"
    "  if held[field] == nil then held[field] = now end\n"
    "  if verb == 'del' then\n"
    "    redis.call('HDEL', key, field)\n"
    "  elseif not now and full(1) then\n"
    "    return undo({-2})\n"
    "  elseif verb == 'set' then\n"
    "    redis.call('HSET', key, field, value)\n"
    "  elseif verb == 'add' then\n"
    "    redis.call('HSETNX', key, field, value)\n"
    "  else\n"
    "    local sum = redis.pcall('HINCRBY', key, field, value)\n"
    "    if type(sum) == 'table' then return undo(sum) end\n"
    "  end\n"
    "end\n"
    "keep_expiry()\n"
    "expire()\n"
    "local left = redis.call('EXISTS', key)\n"
    "if ARGV[4] == 'move' and left == 1 then\n"
    "  redis.call('RENAME', key, KEYS[2])\n"
    "elseif ARGV[4] == 'fresh' then\n"
    "  redis.call('UNLINK', KEYS[2])\n"
    "end\n"
    "return {0, left}\n";

/* clang-format on */

static const char *const texts[] = { update_script, add_script, incr_script,
                                     del_script, batch_script };

enum { SCRIPTS = sizeof(texts) / sizeof(texts[0]) };

/* Redis knows a script by its SHA1, in hexadecimal digits. */
static char digests[SCRIPTS][2 * APR_SHA1_DIGESTSIZE + 1];

static void make_digests(void)
{
    unsigned char digest[APR_SHA1_DIGESTSIZE];
    apr_sha1_ctx_t sha;
    int i;

    for (i = 0; i < SCRIPTS; i++) {
        apr_sha1_init(&sha);
        apr_sha1_update(&sha, texts[i], (unsigned int)strlen(texts[i]));
        apr_sha1_final(digest, &sha);
        apr_escape_hex(digests[i], digest, sizeof(digest), 0, NULL);
    }
}

void drs_script_push(drs_script_t *call, const char *data, apr_size_t len)
{
    call->argv[call->argc] = data;
    call->lens[call->argc++] = len;
}

void drs_script_push_text(drs_script_t *call, const char *text)
{
    drs_script_push(call, text, strlen(text));
}

void drs_script_start(drs_script_name_t name, const drs_script_terms_t *terms,
                      int own, drs_script_t *call, apr_pool_t *p)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    apr_size_t n = (apr_size_t)own + HEAD_ARGS;

    pthread_once(&once, make_digests);
    call->text = texts[name];
    call->argc = 0;
    call->argv = apr_palloc(p, n * sizeof(*call->argv));
    call->lens = apr_palloc(p, n * sizeof(*call->lens));
    drs_script_push_text(call, "EVALSHA");
    drs_script_push_text(call, digests[name]);
    drs_script_push_text(call, terms->other != NULL ? "2" : "1");
    drs_script_push_text(call, terms->key);
    if (terms->other != NULL) drs_script_push_text(call, terms->other);
    drs_script_push_text(call, terms->may_create ? "1" : "0");
    drs_script_push_text(call,
                         apr_psprintf(p, "%" APR_INT64_T_FMT, terms->expiry));
    drs_script_push_text(call, apr_itoa(p, terms->fields_max));
}

void drs_script_spell_out(drs_script_t *call)
{
    call->argv[0] = "EVAL";
    call->lens[0] = 4;
    call->argv[1] = call->text;
    call->lens[1] = strlen(call->text);
}
