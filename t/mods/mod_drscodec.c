/* SPDX-License-Identifier: MIT */
/*
 * A module that brings codecs of its own to mod_drsession, for the tests.
 * "rot" is a toy encryption: JSON outside, in Redis hexadecimal digits of
 * bytes XORed with a constant; it protects nothing. "broken" refuses,
 * whichever way it is asked.
 */
#include "mod_drsession.h"

#include <httpd.h>

#include <ap_provider.h>
#include <apr_escape.h>
#include <apr_strings.h>
#include <http_config.h>

#define ROT_MASK 0x5a

extern module AP_MODULE_DECLARE_DATA drscodec_module
    __attribute__((visibility("default")));

static void mask(char *bytes, apr_size_t len)
{
    apr_size_t i;

    for (i = 0; i < len; i++) bytes[i] = (char)(bytes[i] ^ ROT_MASK);
}

static apr_status_t rot_dumps(const char *json, apr_size_t len,
                              const char **stored, apr_size_t *stored_len,
                              const char **why, apr_pool_t *p)
{
    char *masked = apr_pmemdup(p, json, len);

    (void)why;
    mask(masked, len);
    *stored = apr_pescape_hex(p, masked, len, 0);
    *stored_len = len * 2;
    return APR_SUCCESS;
}

static apr_status_t rot_loads(const char *stored, apr_size_t len,
                              const char **json, apr_size_t *json_len,
                              const char **why, apr_pool_t *p)
{
    char *text = apr_palloc(p, len / 2 + 1);
    apr_size_t got = 0;

    if (len % 2 != 0 || apr_unescape_hex(text, stored, (apr_ssize_t)len, 0,
                                         &got) != APR_SUCCESS) {
        *why = "rot: the stored value is not hex";
        return APR_EGENERAL;
    }
    text[len / 2] = '\0';
    mask(text, len / 2);
    *json = text;
    *json_len = len / 2;
    return APR_SUCCESS;
}

static apr_status_t refuse(const char *in, apr_size_t len, const char **out,
                           apr_size_t *out_len, const char **why, apr_pool_t *p)
{
    (void)in;
    (void)len;
    (void)out;
    (void)out_len;
    (void)p;
    *why = "broken: cannot do it";
    return APR_EGENERAL;
}

static const drs_codec_t rot = { rot_dumps, rot_loads, 0 };
static const drs_codec_t broken = { refuse, refuse, 0 };

static void register_codecs(apr_pool_t *p)
{
    ap_register_provider(p, DRS_CODEC_GROUP, "rot", DRS_CODEC_VERSION, &rot);
    ap_register_provider(p, DRS_CODEC_GROUP, "broken", DRS_CODEC_VERSION,
                         &broken);
}

module AP_MODULE_DECLARE_DATA drscodec_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_codecs, 0
};
