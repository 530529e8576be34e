/* SPDX-License-Identifier: MIT */
/*
 * The page over the REST face at session/. It keeps no state of its own:
 * what it shows is what Redis said last.
 */
'use strict';

const base = 'session/';
const $ = (id) => document.getElementById(id);
const tabs = 'BroadcastChannel' in window
    ? new BroadcastChannel('drsession') : null;
let shown = {};
let queue = Promise.resolve();

/* Values are shown as Redis holds them; numbers keep their digits. */
async function call(method, path, body) {
    const answer = await fetch(base + path, {
        method, body, cache: 'no-store', credentials: 'same-origin',
        signal: AbortSignal.timeout(10000)
    });
    const text = await answer.text();

    if (!answer.ok) {
        let said = {};
        try { said = JSON.parse(text); } catch (e) { /* no JSON */ }
        throw new Error(`${method} ${base}${path}: ${answer.status} ` +
                        `${said.error || ''} ${said.detail || ''}`);
    }
    return text === '' ? null : JSON.parse(text);
}

function complain(error) {
    $('error').hidden = !error;
    $('error').textContent = error ? error.message : '';
}

function tell(state, words) {
    if ($('state').textContent === words) return;
    $('state').dataset.state = state;
    $('state').textContent = words;
}

function button(words, label, action) {
    const one = document.createElement('button');

    one.type = 'button';
    one.className = 'tiny';
    one.textContent = words;
    one.setAttribute('aria-label', label);
    one.addEventListener('click', () => change(action));
    return one;
}

function row(field, value) {
    const tr = document.createElement('tr');
    const name = tr.appendChild(document.createElement('th'));
    const cell = tr.appendChild(document.createElement('td'));
    const code = cell.appendChild(document.createElement('code'));
    const actions = tr.appendChild(document.createElement('td'));
    const path = encodeURIComponent(field);

    tr.dataset.field = field;
    name.scope = 'row';
    name.textContent = field;
    code.textContent = JSON.stringify(value);
    if (Number.isInteger(value)) {
        actions.append(button('+1', `Add 1 to ${field}`,
                              () => call('POST', `${path}?incr=1`)), ' ');
    }
    actions.append(button('Delete', `Delete ${field}`,
                          () => call('DELETE', path)));
    if (JSON.stringify(shown[field]) !== JSON.stringify(value)) {
        tr.className = 'changed';
    }
    return tr;
}

function cartOf(session) {
    const cart = session.cart;

    return cart && typeof cart === 'object' && !Array.isArray(cart)
        ? cart : {};
}

function showCart(cart) {
    $('cart').replaceChildren(...Object.keys(cart).sort().map((item) => {
        const li = document.createElement('li');
        const n = li.appendChild(document.createElement('span'));
        const count = li.appendChild(document.createElement('strong'));

        n.textContent = item;
        count.textContent = String(cart[item]);
        return li;
    }));
    $('cart-empty').hidden = Object.keys(cart).length > 0;
}

function show(session) {
    const fields = Object.keys(session).sort();
    const same = JSON.stringify(session) === JSON.stringify(shown);

    tell(fields.length ? 'live' : 'none', fields.length
        ? `live: ${fields.length} field${fields.length > 1 ? 's' : ''}`
        : 'no session');
    $('cookie').textContent = JSON.stringify(document.cookie);
    if (same && $('fields').children.length === fields.length) return;

    $('fields').replaceChildren(...fields.map((f) => row(f, session[f])));
    $('empty').hidden = fields.length > 0;
    $('visits').textContent = JSON.stringify(session.visits ?? 0);
    showCart(cartOf(session));
    $('end').disabled = $('regenerate').disabled = fields.length === 0;
    shown = session;
}

async function refresh() {
    try {
        show(await call('GET', ''));
    } catch (error) {
        tell('down', 'no answer');
        complain(error);
        throw error;
    }
}

/* One after the other: two first writes would make two sessions. */
function change(action) {
    queue = queue.then(async () => {
        try {
            await action();
            complain(null);
        } catch (error) {
            complain(error);
        }
        await refresh();
        if (tabs) tabs.postMessage('changed');
    }).catch(() => {});
    return queue;
}

/* Text that is no JSON is a string. */
function asJson(text) {
    try {
        JSON.parse(text);
        return text;
    } catch (e) {
        return JSON.stringify(text);
    }
}

async function putIntoCart(item) {
    const cart = cartOf(await call('GET', ''));

    cart[item] = (cart[item] || 0) + 1;
    return call('PUT', 'cart', JSON.stringify(cart));
}

$('set-form').addEventListener('submit', (event) => {
    const path = encodeURIComponent($('field').value);
    const body = asJson($('value').value);

    event.preventDefault();
    change(() => call('PUT', path, body));
});
$('visit').addEventListener('click',
    () => change(() => call('POST', 'visits?incr=1')));
$('visit-ten').addEventListener('click',
    () => change(() => call('POST', 'visits?incr=10')));
for (const one of document.querySelectorAll('[data-item]')) {
    one.addEventListener('click',
        () => change(() => putIntoCart(one.dataset.item)));
}
$('cart-clear').addEventListener('click',
    () => change(() => call('PUT', 'cart', '{}')));
$('regenerate').addEventListener('click',
    () => change(() => call('POST', '?regenerate')));
$('end').addEventListener('click', () => change(() => call('DELETE', '')));

let failing = false;

async function poll() {
    try {
        await refresh();
        if (failing) complain(null);
        failing = false;
    } catch (e) {
        failing = true;
    }
}

if (tabs) tabs.onmessage = poll;
$('end').disabled = $('regenerate').disabled = true;
poll();
setInterval(() => { if (!document.hidden) poll(); }, 1000);
