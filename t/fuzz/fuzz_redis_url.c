/* SPDX-License-Identifier: MIT */
/*
 * A DRSessionServer url as a tired administrator writes it: the parts stay
 * within their ranges, the name for messages is printable and holds neither
 * user nor password, and a refusal quotes nothing of the url.
 *
 *     input: the url
 */
#include "fuzz.h"

#include <string.h>
#include <sys/un.h>

#include "drs_url.h"

static int is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text <= ' ' || *text == 0x7f) return 0;
    }
    return 1;
}

static void check_unix(const drs_url_t *url)
{
    struct sockaddr_un address;

    CLAIM(url->host == NULL && url->user == NULL && url->pass == NULL);
    CLAIM(url->path[0] == '/');
    CLAIM(strlen(url->path) < sizeof(address.sun_path));
    CLAIM(url->port == 0);
    CLAIM(strncmp(url->name, "unix:///", 8) == 0);
}

static void check_tcp(const drs_url_t *url, const char *text)
{
    const char *at = strchr(text + strlen("redis://"), '@');
    const char *slash = strchr(text + strlen("redis://"), '/');

    CLAIM(url->path == NULL);
    CLAIM(url->host[0] != '\0' && strpbrk(url->host, "@/[]?#%") == NULL);
    CLAIM(url->port >= 1 && url->port <= 65535);
    CLAIM(strncmp(url->name, "redis://", 8) == 0);
    /* Before the path an '@' ends user and password, and none is shown. */
    CLAIM(strchr(url->name, '@') == NULL);
    if (at == NULL || (slash != NULL && slash < at)) {
        CLAIM(url->user == NULL && url->pass == NULL);
    }
    else {
        CLAIM(strcmp(url->name + 8, at + 1) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_t input = fuzz_open(data, size);
    const char *text = fuzz_rest(&input);
    const drs_url_t *url = NULL;
    const char *why = NULL;
    apr_status_t rv = drs_url_parse(text, &url, &why, input.p);

    CLAIM(rv == APR_SUCCESS || rv == DRS_EVALUE);
    if (rv == DRS_EVALUE) {
        CLAIM(url == NULL && why != NULL && strlen(why) < 160);
        /* Sentences are ours: long pieces of the url are never in one. */
        CLAIM(strlen(text) < 40 || strstr(why, text) == NULL);
    }
    else {
        CLAIM(url->db >= 0);
        CLAIM(is_printable(url->name));
        CLAIM(url->scheme == DRS_SCHEME_TCP || url->scheme == DRS_SCHEME_UNIX);
        if (url->scheme == DRS_SCHEME_UNIX) check_unix(url);
        else check_tcp(url, text);
    }
    fuzz_end();
    return 0;
}
