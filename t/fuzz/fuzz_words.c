/* SPDX-License-Identifier: MIT */
/*
 * Words of the configuration: a time, a size, a number, a cookie attribute
 * is what it means or is refused by one sentence that names the directive,
 * and then nothing was changed.
 *
 *     input: the word
 */
#include "fuzz.h"

#include <ctype.h>
#include <string.h>

#include <apr_cstr.h>
#include <apr_strings.h>

#include "drs_words.h"

static const apr_int64_t untouched = -4711;

/* The digits that a word begins with; -1 where they are none or too many. */
static apr_int64_t read_digits(const char **at)
{
    apr_int64_t n = 0;
    const char *from = *at;

    while (isdigit((unsigned char)**at)) {
        if (n > APR_INT64_MAX / 20) return -1;
        n = n * 10 + (*(*at)++ - '0');
    }
    return *at > from ? n : -1;
}

static void check_sentence(const char *why, const char *word)
{
    CLAIM(strncmp(why, "DRSessionX: '", 13) == 0);
    CLAIM(strncmp(why + 13, word, strlen(word)) == 0);
    CLAIM(strncmp(why + 13 + strlen(word), "' is not allowed here; ", 23) == 0);
}

/* us of a unit; 0 = there is none of this name. */
static apr_int64_t read_unit(const char *name)
{
    if (apr_cstr_casecmp(name, "ms") == 0) return 1000;
    if (apr_cstr_casecmp(name, "s") == 0 || *name == '\0') return 1000000;
    if (apr_cstr_casecmp(name, "min") == 0) return 60000000;
    if (apr_cstr_casecmp(name, "h") == 0) return 3600000000;
    return apr_cstr_casecmp(name, "d") == 0 ? 86400000000 : 0;
}

static void check_time(const cmd_parms *cmd, const char *word,
                       apr_int64_t least)
{
    const apr_int64_t most = APR_INT64_C(36500) * 86400 * 1000000;
    const char *at = word;
    apr_int64_t n = read_digits(&at);
    apr_int64_t unit = read_unit(at);
    apr_interval_time_t time = untouched;
    const char *why = drs_words_time(cmd, word, least, &time);

    if (why != NULL) {
        check_sentence(why, word);
        CLAIM(time == untouched);
        CLAIM(n < 0 || unit == 0 || n > most / unit || n * unit < least ||
              at - word > 15);
        return;
    }
    CLAIM(unit > 0 && n >= 0 && time == n * unit);
    CLAIM(time >= least && time <= most);
}

static void check_size(const cmd_parms *cmd, const char *word)
{
    const char *at = word;
    apr_int64_t n = read_digits(&at);
    apr_int64_t size = untouched;
    const char *why = drs_words_size(cmd, word, &size);

    if (n >= 0 && (*at == 'k' || *at == 'K')) {
        n = n > 1 << 20 ? -1 : n * 1024;
        at++;
    }
    else if (n >= 0 && (*at == 'm' || *at == 'M')) {
        n = n > 1 << 20 ? -1 : n * 1024 * 1024;
        at++;
    }
    if (why != NULL) {
        check_sentence(why, word);
        CLAIM(size == untouched);
        CLAIM(*at != '\0' || n < 1 || n > 256 << 20 || strlen(word) > 11);
        return;
    }
    CLAIM(*at == '\0' && size == n && n >= 1 && n <= 256 << 20);
}

static void check_number(const cmd_parms *cmd, const char *word,
                         apr_int64_t least, apr_int64_t most)
{
    const char *at = word;
    apr_int64_t n = read_digits(&at);
    apr_int64_t number = untouched;
    const char *why = drs_words_number(cmd, word, least, most, &number);

    if (why != NULL) {
        check_sentence(why, word);
        CLAIM(number == untouched);
        CLAIM(*at != '\0' || n < least || n > most || strlen(word) > 18);
        return;
    }
    CLAIM(*at == '\0' && number == n && n >= least && n <= most);
}

static void check_cookie(const cmd_parms *cmd, const char *word)
{
    drs_cookie_t cookie;
    const char *why;

    memset(&cookie, 0, sizeof(cookie));
    why = drs_words_cookie(cmd, word, &cookie);
    if (why != NULL) {
        CLAIM(strncmp(why, "DRSessionX: '", 13) == 0);
        return;
    }
    CLAIM(cookie.path == NULL || strstr(word, cookie.path) != NULL);
    CLAIM(cookie.domain == NULL || strstr(word, cookie.domain) != NULL);
    CLAIM(cookie.max_age >= 0);
    CLAIM(strchr(word, '=') != NULL || cookie.partitioned);
}

static void check_variable(const char *name)
{
    size_t len = strlen(name);
    int good = len > 0 && !isdigit((unsigned char)name[0]) &&
               strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == len &&
               apr_cstr_casecmpn(name, "http_", 5) != 0;

    CLAIM(drs_words_is_variable(name) == good);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t input = fuzz_open(data, size);
    const char *word = fuzz_rest(&input);
    command_rec command;
    cmd_parms cmd;

    memset(&command, 0, sizeof(command));
    memset(&cmd, 0, sizeof(cmd));
    command.name = "DRSessionX";
    cmd.cmd = &command;
    cmd.pool = cmd.temp_pool = input.p;
    check_time(&cmd, word, 0);
    check_time(&cmd, word, 1000);
    check_time(&cmd, word, APR_USEC_PER_SEC);
    check_size(&cmd, word);
    check_number(&cmd, word, 0, 10);
    check_number(&cmd, word, 1, APR_INT64_MAX);
    check_cookie(&cmd, word);
    check_variable(word);
    fuzz_end();
    return 0;
}
