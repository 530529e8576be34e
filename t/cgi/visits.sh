#!/bin/sh
# SPDX-License-Identifier: MIT
# Live access from a shell: count the visits of a session, remember a name.
# Needs `DRSessionChildAccess On`; a failed write is told to the browser.
if visits=$(drsession incr visits); then :; else
    printf 'Status: 503\r\nContent-Type: text/plain\r\n\r\nTry again.\n'
    exit
fi
[ -z "$QUERY_STRING" ] || drsession -s set name "$QUERY_STRING"
name=$(drsession -r get name) || name=stranger

printf 'Content-Type: text/plain\r\n\r\n'
printf 'Visit %s of %s.\n' "$visits" "$name"
