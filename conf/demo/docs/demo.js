/* SPDX-License-Identifier: MIT */
/*
 * The page. It keeps no state of its own: a door shows what its program said
 * last, the table what Redis holds.
 */
'use strict';

const $ = (id) => document.getElementById(id);
const tabs = 'BroadcastChannel' in window
    ? new BroadcastChannel('drsession') : null;
let shown = null;

/*
 * One thing after the other, in all tabs: two first writes would make two
 * sessions, and a program that is asked while the id changes would be a
 * visitor without a session.
 */
let queue = Promise.resolve();

function inTurn(work) {
    if (navigator.locks) return navigator.locks.request('drsession', work);
    queue = queue.then(work, work);
    return queue;
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

function flash(element) {
    element.classList.remove('changed');
    void element.offsetWidth;
    element.classList.add('changed');
}

/* Doors: what a program behind a URL says and does. */

async function ask(door, method, query) {
    const answer = await fetch(door + query, {
        method, cache: 'no-store', credentials: 'same-origin',
        signal: AbortSignal.timeout(20000)
    });

    if (!answer.ok) {
        throw new Error(`${method} ${door}${query}: ${answer.status}`);
    }
    return answer.json();
}

/* Without a session there is nothing to look at. */
async function look(panel, session) {
    if (Object.keys(session).length === 0) return session;
    return panel.dataset.door ? ask(panel.dataset.door, 'GET', '')
                              : rest('GET', '');
}

function use(panel, what) {
    if (panel.dataset.door) return ask(panel.dataset.door, 'POST', `?${what}`);
    return what === 'visit' ? countVisit() : putIntoCart(what);
}

function put(element, text) {
    if (element.textContent === text) return;
    element.textContent = text;
    flash(element);
}

function showCart(list, cart) {
    const counts = new Map();

    for (const item of Array.isArray(cart) ? cart : []) {
        counts.set(item, (counts.get(item) || 0) + 1);
    }
    const was = list.textContent;
    list.replaceChildren(...[...counts].map(([item, n]) => {
        const li = document.createElement('li');
        li.textContent = n > 1 ? `${item} × ${n}` : `${item}`;
        return li;
    }));
    if (counts.size === 0) {
        const li = document.createElement('li');
        li.textContent = 'empty cart';
        li.className = 'none';
        list.append(li);
    }
    if (was !== '' && was !== list.textContent) flash(list);
}

function showDoor(panel, said) {
    const find = (name) => panel.querySelector(name);

    panel.dataset.state = 'open';
    put(find('.user'), said.user ? `${said.user}` : 'stranger');
    put(find('.visits'), `${said.visits ?? 0}`);
    showCart(find('.cart'), said.cart);
}

function closeDoor(panel, words) {
    panel.dataset.state = 'closed';
    panel.querySelector('.note').textContent = words;
}

async function refreshDoor(panel, session) {
    if (panel.dataset.state === 'absent') return;
    try {
        showDoor(panel, await look(panel, session));
    } catch (error) {
        closeDoor(panel, `No answer. ${error.message}`);
    }
}

/* mod_lua, or the headers of its Lua, may have been missing. */
async function findDoor(panel) {
    const said = await ask(panel.dataset.door, 'GET', '');

    if (!said.absent) return;
    closeDoor(panel, said.absent);
    panel.dataset.state = 'absent';
}

function furnish(panel) {
    const note = document.createElement('p');

    note.className = 'note';
    panel.querySelector('.excerpt').before(
        note, $('screen').content.cloneNode(true));
    for (const one of panel.querySelectorAll('[data-do]')) {
        one.addEventListener('click',
            () => change(() => use(panel, one.dataset.do)));
    }
}

/* The table. */

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
                              () => rest('POST', `${path}?incr=1`)), ' ');
    }
    actions.append(button('Delete', `Delete ${field}`,
                          () => rest('DELETE', path)));
    if (shown && JSON.stringify(shown[field]) !== JSON.stringify(value)) {
        tr.className = 'changed';
    }
    return tr;
}

/* The whole page; the doors are asked when Redis holds something else. */
async function show(session) {
    const fields = Object.keys(session).sort();
    const doors = [...document.querySelectorAll('.door')];

    tell(fields.length ? 'live' : 'none', fields.length
        ? `live: ${fields.length} field${fields.length > 1 ? 's' : ''}`
        : 'no session yet');
    $('cookie').textContent = JSON.stringify(document.cookie);
    if (JSON.stringify(session) === JSON.stringify(shown) &&
        doors.every((door) => door.dataset.state !== 'closed')) return;

    $('fields').replaceChildren(...fields.map((f) => row(f, session[f])));
    $('empty').hidden = fields.length > 0;
    $('fields').parentNode.hidden = fields.length === 0;
    $('end').disabled = $('regenerate').disabled = fields.length === 0;
    $('cart-clear').disabled = !('cart' in session);
    shown = session;
    await Promise.all(doors.map((door) => refreshDoor(door, session)));
}

async function refresh() {
    try {
        await show(await rest('GET', ''));
    } catch (error) {
        tell('down', 'no answer');
        complain(error);
        throw error;
    }
}

/* Of many changes in a row the last one looks at what has become of it. */
let waiting = 0;

function change(action) {
    waiting++;
    return inTurn(async () => {
        try {
            await action();
            complain(null);
        } catch (error) {
            complain(error);
        }
        if (--waiting > 0) return;
        await refresh();
        if (tabs) tabs.postMessage('changed');
    }).catch(() => {});
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

$('set-form').addEventListener('submit', (event) => {
    const path = encodeURIComponent($('field').value);
    const body = asJson($('value').value);

    event.preventDefault();
    change(() => rest('PUT', path, body));
});
$('cart-clear').addEventListener('click',
    () => change(() => rest('DELETE', 'cart')));
$('regenerate').addEventListener('click',
    () => change(() => rest('POST', '?regenerate')));
$('end').addEventListener('click', () => change(() => rest('DELETE', '')));

let failing = false;
let polling = false;

async function poll() {
    if (polling) return;
    polling = true;
    try {
        await inTurn(refresh);
        if (failing) complain(null);
        failing = false;
    } catch (e) {
        failing = true;
    }
    polling = false;
}

document.querySelectorAll('.door').forEach(furnish);
for (const id of ['end', 'regenerate', 'cart-clear']) $(id).disabled = true;
function pollIfSeen() {
    if (!document.hidden) poll();
}

if (tabs) tabs.onmessage = pollIfSeen;
document.addEventListener('visibilitychange', pollIfSeen);
inTurn(() => findDoor($('door-lua'))).catch(() => {}).then(poll);
setInterval(pollIfSeen, 1000);
