// The explorer. It asks questions (answers.py) and shows the answers; whatever comes from
// outside is put in as text, never as markup.

import { ask } from "./ask.js";

const at = (id) => document.getElementById(id);
const START = `scenario mine

A opens driver on H as fd0
A maps fd0[0,4) at 0
`;
const state = {
  chosen: ["6.12", "7.3"], text: START, log: "", tab: "scenario",
  past: [], name: "mine", error: null, asked: 0, address: "",
};

function element(kind, text = "", attributes = {}) {
  const made = document.createElement(kind);
  made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// ------------------------------------------------------------------ the address

const encode = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)))
  .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

function decode(word) {
  const bytes = atob(word.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder("utf-8", { fatal: true })
    .decode(Uint8Array.from(bytes, (each) => each.charCodeAt(0)));
}

// The fragment holds everything; it is never sent to a server. A log stays out of it.
function fragment() {
  return `#with=${state.chosen.map(encodeURIComponent).join(",")}&program=${encode(state.text)}`;
}

function keepAddress() {
  history.replaceState(null, "", fragment());
}

function readAddress() {
  const said = new URLSearchParams(location.hash.slice(1));
  try {
    if (said.get("program")) state.text = decode(said.get("program"));
  } catch {
    complain({ message: "the address holds no whole program" });
  }
  const known = new Set([...document.querySelectorAll("#chips button")].map((each) => each.value));
  const names = (said.get("with") ?? "").split(",").filter((name) => known.has(name));
  if (names.length) state.chosen = names.slice(0, 6);
}

// ------------------------------------------------------------------ the editor

const editor = () => at("text");

function complain(error) {
  state.error = error;
  const place = error?.line ? `line ${error.line}: ` : "";
  at("complaint").textContent = error ? place + error.message : "";
  editor().setAttribute("aria-invalid", error ? "true" : "false");
  mark();
}

// Behind the text stands the same text, invisible, with the place of the error underlined.
function mark() {
  const marks = at("marks");
  marks.replaceChildren();
  state.text.split("\n").forEach((line, index) => {
    if (state.error?.line !== index + 1) {
      marks.append(`${line}\n`);
      return;
    }
    const from = Math.min((state.error.column ?? 1) - 1, line.length);
    const word = /^[\w-]+|^./u.exec(line.slice(from));
    const to = word ? from + word[0].length : line.length;
    marks.append(line.slice(0, from), element("u", line.slice(from, to) || " "),
      `${line.slice(to)}\n`);
  });
  marks.append("\n");
  marks.scrollTop = editor().scrollTop;
  marks.scrollLeft = editor().scrollLeft;
}

function write(text) {
  state.past.push(state.text);
  if (state.past.length > 200) state.past.shift();
  state.text = text;
  editor().value = text;
  refresh();
}

function undo() {
  if (!state.past.length) return;
  state.text = state.past.pop();
  editor().value = state.text;
  refresh();
}

// A step goes behind the last one and its claims, before what is claimed of the whole.
function added(line) {
  const lines = state.text.replace(/\s*$/, "").split("\n");
  const final = lines.findIndex((each) => /^\s*finally\b/.test(each));
  if (final < 0) return `${lines.join("\n")}\n${line}\n`;
  const before = lines.slice(0, final).join("\n").replace(/\s*$/, "");
  return `${before}\n${line}\n\n${lines.slice(final).join("\n")}\n`;
}

// ------------------------------------------------------------------ questions

let waiting;
let typing = null;

function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(refresh, 300);
}

async function refresh() {
  clearTimeout(waiting);
  const mine = ++state.asked;
  at("undo").disabled = !state.past.length;
  if (state.tab === "log") return showLog(mine);
  keepAddress();
  const question = { text: state.text, with: state.chosen };
  const shown = await ask({ do: "show", ...question });
  if (mine !== state.asked) return;
  complain(shown.error ?? null);
  if (shown.error) {
    at("offers").replaceChildren();
    at("verdicts").textContent = state.address ? "shown: the last program that made sense" : "";
    return;
  }
  state.name = shown.name;
  verdicts(shown.verdicts);
  show(shown.page, `#step=${shown.steps.length}`);
  at("next").setAttribute("aria-busy", "true");
  const next = await ask({ do: "offers", ...question });
  if (mine !== state.asked) return;
  at("next").removeAttribute("aria-busy");
  offer(next.offers ?? []);
}

async function showLog(mine) {
  at("verdicts").textContent = "";
  if (!state.log.trim()) return;
  const shown = await ask({ do: "triage", text: state.log });
  if (mine !== state.asked) return;
  complain(shown.error ?? null);
  if (shown.page) show(shown.page, "");
}

// The picture is a page of `pfntrack report`, in a frame that can reach nothing of this one.
function show(page, fragment) {
  const old = state.address;
  state.address = URL.createObjectURL(new Blob([page], { type: "text/html;charset=utf-8" }));
  at("picture").src = state.address + fragment;
  if (old) URL.revokeObjectURL(old);
}

function verdicts(all) {
  const parts = all.flatMap(({ name, broken }, index) => [
    index ? "; " : "",
    `${name} `,
    broken.length ? element("span", `breaks ${broken.join(", ")}`, { class: "bad" })
      : element("span", "breaks nothing", { class: "good" }),
  ]);
  at("verdicts").replaceChildren(...parts);
}

function effect(effects) {
  const words = new Map();
  for (const { name, result, breaks } of effects) {
    const word = breaks.length ? `breaks ${breaks.join(", ")}` : result.startsWith("ok") ? "" : result;
    if (word) words.set(word, [...(words.get(word) ?? []), name]);
  }
  return [...words].map(([word, names]) =>
    names.length === effects.length ? word : `${names.join(", ")}: ${word}`).join("; ");
}

function offer(all) {
  at("offers").replaceChildren(...all.map(({ text, effects }) => {
    const button = element("button", "", { type: "button" });
    const breaks = effects.some((each) => each.breaks.length);
    button.append(element("code", text),
      element("span", effect(effects), breaks ? { class: "bad" } : {}));
    button.addEventListener("click", () => {
      write(added(text));
      editor().scrollTop = editor().scrollHeight;
    });
    const item = element("li");
    item.append(button);
    return item;
  }));
}

// ------------------------------------------------------------------ things to take away

function save(file, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  const link = element("a", "", { href: address, download: file });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

async function take(what) {
  const made = await ask({ do: what, text: state.text, with: state.chosen });
  if (made.error) complain(made.error);
  else save(made.file, made.text);
}

async function copyLink() {
  keepAddress();
  const said = at("link");
  try {
    await navigator.clipboard.writeText(location.href);
    said.textContent = "Copied";
  } catch {
    said.textContent = "It is in the address bar";
  }
  setTimeout(() => { said.textContent = "Copy link"; }, 1500);
}

// ------------------------------------------------------------------ begin

function chip(name) {
  const button = element("button", name, { type: "button", value: name });
  button.addEventListener("click", () => {
    const has = state.chosen.includes(name);
    if (has && state.chosen.length === 1) return;
    if (!has && state.chosen.length === 6) return;
    state.chosen = has ? state.chosen.filter((each) => each !== name) : [...state.chosen, name];
    press();
    refresh();
  });
  return button;
}

function press() {
  for (const button of document.querySelectorAll("#chips button")) {
    button.setAttribute("aria-pressed", String(state.chosen.includes(button.value)));
  }
}

function more(title, names) {
  const details = element("details");
  const inside = element("div", "", { class: "more" });
  inside.append(...names.map(chip));
  details.append(element("summary", title), inside);
  return details;
}

function turn(tab) {
  state.tab = tab;
  document.body.classList.toggle("log", tab === "log");
  for (const name of ["scenario", "log"]) {
    at(`tab-${name}`).setAttribute("aria-pressed", String(name === tab));
  }
  editor().value = tab === "log" ? state.log : state.text;
  editor().setAttribute("aria-label", tab === "log" ? "paste a kernel log here" : "scenario");
  editor().placeholder = tab === "log" ? "paste a kernel log here; it stays on this machine" : "";
  complain(null);
  refresh();
}

async function library(name) {
  const found = await ask({ do: "library", name });
  if (found.error) complain(found.error);
  else write(found.text);
}

function listen() {
  editor().addEventListener("input", () => {
    if (state.tab === "log") {
      state.log = editor().value;
    } else {
      // One undo takes back what was typed without a pause.
      if (!typing) state.past.push(state.text);
      clearTimeout(typing);
      typing = setTimeout(() => { typing = null; }, 1000);
      state.text = editor().value;
      mark();
    }
    soon();
  });
  editor().addEventListener("scroll", () => {
    at("marks").scrollTop = editor().scrollTop;
    at("marks").scrollLeft = editor().scrollLeft;
  });
  document.addEventListener("keydown", (event) => {
    if (event.altKey && event.key.toLowerCase() === "z") {
      event.preventDefault();
      undo();
    }
  });
  at("undo").addEventListener("click", undo);
  at("link").addEventListener("click", copyLink);
  at("save-pfn").addEventListener("click", () => save(`${state.name}.pfn`, state.text));
  at("save-c").addEventListener("click", () => take("repro"));
  at("save-mail").addEventListener("click", () => take("mail"));
  at("library").addEventListener("change", (event) => {
    if (event.target.value) library(event.target.value.trim());
  });
  for (const name of ["scenario", "log"]) {
    at(`tab-${name}`).addEventListener("click", () => turn(name));
  }
  addEventListener("hashchange", () => {
    if (location.hash === fragment()) return;
    readAddress();
    editor().value = state.text;
    press();
    refresh();
  });
}

async function begin() {
  const options = await ask({ do: "options" });
  if (options.error) {
    complain(options.error);
    return;
  }
  at("chips").append(...options.releases.map(chip),
    more("older", options.historic), more("designs", options.designs));
  at("scenarios").append(...options.scenarios.map((name) => element("option", "", { value: name })));
  readAddress();
  press();
  editor().value = state.text;
  listen();
  await refresh();
  document.body.dataset.ready = "yes";
}

begin();
