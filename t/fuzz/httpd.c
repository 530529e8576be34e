/* SPDX-License-Identifier: MIT */
/* The httpd that faces are linked to where none runs. */
#include <apr_cstr.h>
#include <httpd.h>

int ap_cstr_casecmp(const char *a, const char *b)
{
    return apr_cstr_casecmp(a, b);
}

int ap_cstr_casecmpn(const char *a, const char *b, apr_size_t n)
{
    return apr_cstr_casecmpn(a, b, n);
}
