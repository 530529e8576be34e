/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is: which request mod_lua serves in a thread. Knows
 * mod_lua's hook by its name alone; nothing of Lua, sessions or Redis.
 */
#ifndef DRS_TURN_H
#define DRS_TURN_H

#include <httpd.h>

/**
 * Follow mod_lua, if it is loaded, and register the provider drs_turn_t.
 *
 * @param p of the configuration
 */
void drs_turn_register(apr_pool_t *p);

#endif
