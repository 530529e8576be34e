// SPDX-License-Identifier: MIT
// The page over the REST face: it keeps no copy, it asks and shows.
"use strict";

const at = (id) => document.getElementById(id);
const tabs = new BroadcastChannel("drsession");

async function call(method, path, body) {
    const response = await fetch("session/" + path, { method, body });
    const text = await response.text();
    const answer = text === "" ? null : JSON.parse(text);
    if (!response.ok && response.status !== 404) {
        throw new Error(answer.error + ": " + answer.detail);
    }
    return answer;
}

function showField(name, value) {
    const row = document.createElement("tr");
    for (const text of [name, JSON.stringify(value)]) {
        row.insertCell().textContent = text;
    }
    const button = document.createElement("button");
    button.textContent = "Delete";
    button.setAttribute("aria-label", "Delete " + name);
    button.onclick = () => change("DELETE", encodeURIComponent(name));
    row.insertCell().append(button);
    return row;
}

async function refresh() {
    try {
        const fields = await call("GET", "");
        const names = Object.keys(fields).sort();
        at("fields").replaceChildren(
            ...names.map((name) => showField(name, fields[name])));
        at("empty").hidden = names.length > 0;
        at("state").textContent = names.length > 0 ? "live" : "";
        at("visits").textContent = fields.visits ?? 0;
        at("items").textContent =
            Array.isArray(fields.cart) ? fields.cart.length : 0;
        at("error").hidden = true;
        return fields;
    } catch (error) {
        at("error").textContent = error.message;
        at("error").hidden = false;
        return {};
    }
}

async function change(method, path, body) {
    try {
        await call(method, path, body);
    } catch (error) {
        at("error").textContent = error.message;
        at("error").hidden = false;
        return;
    }
    tabs.postMessage("changed");
    await refresh();
}

function asJson(text) {
    try {
        JSON.parse(text);
        return text;
    } catch {
        return JSON.stringify(text);
    }
}

at("plus").onclick = () => change("POST", "visits?incr=1");
at("renew").onclick = () => change("POST", "?regenerate");
at("end").onclick = () => change("DELETE", "");
at("set").onsubmit = (event) => {
    event.preventDefault();
    change("PUT", encodeURIComponent(at("name").value),
        asJson(at("value").value));
};
for (const button of document.querySelectorAll("[data-item]")) {
    button.onclick = async () => {
        const { cart } = await refresh();
        const items = Array.isArray(cart) ? cart : [];
        change("PUT", "cart", JSON.stringify([...items, button.dataset.item]));
    };
}
tabs.onmessage = refresh;
setInterval(refresh, 1000);
refresh();
