/* SPDX-License-Identifier: MIT */
/*
 * APR's atomics as the thread sanitizer can see them. httpd's workers hand
 * pools and connections to each other through lists without a lock; libapr
 * is not instrumented, and so each use of recycled memory would be called a
 * race. Loaded before libapr, this tells the sanitizer who waits for whom.
 */
#include <apr_atomic.h>

#define VISIBLE __attribute__((visibility("default")))

VISIBLE apr_uint32_t apr_atomic_read32(volatile apr_uint32_t *mem)
{
    return __atomic_load_n(mem, __ATOMIC_SEQ_CST);
}

VISIBLE void apr_atomic_set32(volatile apr_uint32_t *mem, apr_uint32_t val)
{
    __atomic_store_n(mem, val, __ATOMIC_SEQ_CST);
}

VISIBLE apr_uint32_t apr_atomic_add32(volatile apr_uint32_t *mem,
                                      apr_uint32_t val)
{
    return __atomic_fetch_add(mem, val, __ATOMIC_SEQ_CST);
}

VISIBLE void apr_atomic_sub32(volatile apr_uint32_t *mem, apr_uint32_t val)
{
    __atomic_fetch_sub(mem, val, __ATOMIC_SEQ_CST);
}

VISIBLE apr_uint32_t apr_atomic_inc32(volatile apr_uint32_t *mem)
{
    return __atomic_fetch_add(mem, 1, __ATOMIC_SEQ_CST);
}

VISIBLE int apr_atomic_dec32(volatile apr_uint32_t *mem)
{
    return __atomic_sub_fetch(mem, 1, __ATOMIC_SEQ_CST) != 0;
}

VISIBLE apr_uint32_t apr_atomic_cas32(volatile apr_uint32_t *mem,
                                      apr_uint32_t with, apr_uint32_t cmp)
{
    __atomic_compare_exchange_n(mem, &cmp, with, 0, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    return cmp;
}

VISIBLE apr_uint32_t apr_atomic_xchg32(volatile apr_uint32_t *mem,
                                       apr_uint32_t val)
{
    return __atomic_exchange_n(mem, val, __ATOMIC_SEQ_CST);
}

VISIBLE void *apr_atomic_casptr(volatile void **mem, void *with,
                                const void *cmp)
{
    volatile void *seen = (volatile void *)(apr_uintptr_t)cmp;

    __atomic_compare_exchange_n(mem, &seen, with, 0, __ATOMIC_SEQ_CST,
                                __ATOMIC_SEQ_CST);
    return (void *)(apr_uintptr_t)seen;
}

VISIBLE void *apr_atomic_xchgptr(volatile void **mem, void *with)
{
    return (void *)(apr_uintptr_t)__atomic_exchange_n(
        mem, (volatile void *)with, __ATOMIC_SEQ_CST);
}
