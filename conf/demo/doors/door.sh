#!/bin/sh
# SPDX-License-Identifier: MIT
# A CGI program in shell: each call of the command drsession is one command
# on Redis, done when the call returns. Values are JSON text.
put() {
    cart=$(drsession get cart) || [ $? -eq 1 ] || return
    case $cart in
    '' | '[]') drsession set cart "[\"$1\"]" ;;
    *) drsession set cart "${cart%]}, \"$1\"]" ;;
    esac
}

answer() {
    printf '%s\r\nContent-Type: application/json\r\n\r\n%s\n' "$1" "$2"
    exit
}

case "$REQUEST_METHOD $QUERY_STRING" in
'POST visit') drsession incr visits >/dev/null ;;
'POST tea' | 'POST coffee' | 'POST cake') put "$QUERY_STRING" ;;
'POST '*) answer 'Status: 400' '{}' ;;
esac && all=$(drsession all) || answer 'Status: 503' '{}'
answer 'Status: 200' "$all"
