/* SPDX-License-Identifier: MIT */
/*
 * The session in JavaScript: the handler "drsession" at session/. The cookie
 * goes with each request; no script can read it.
 */
'use strict';

async function rest(method, path, body) {
    const answer = await fetch('session/' + path, {
        method, body, cache: 'no-store', credentials: 'same-origin',
        signal: AbortSignal.timeout(20000)
    });
    const text = await answer.text();

    if (!answer.ok) {
        let said = {};
        try { said = JSON.parse(text); } catch (e) { /* no JSON */ }
        throw new Error(`${method} session/${path}: ${answer.status} ` +
                        `${said.error || ''} ${said.detail || ''}`);
    }
    return text === '' ? null : JSON.parse(text);
}

/* Redis adds: of two pages that count at once both count. */
function countVisit() {
    return rest('POST', 'visits?incr=1');
}

/* A cart is one value: read it, write it. */
async function putIntoCart(item) {
    const { cart = [] } = await rest('GET', '');

    return rest('PUT', 'cart', JSON.stringify([...cart, item]));
}
