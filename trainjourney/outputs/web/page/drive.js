// The desk of the driver, made from the table of controls that the train itself sends. One
// WebSocket tells every move of everybody, and takes ours.

import { Train, ask_ticket, enter_by_link, my_role, on_link } from "./train.js";
import { choice, look_card, look_select, lever, make, number, pad, say_number, slider, slot_of, toggle, trigger, words } from "./widgets.js";

const find = (name) => document.querySelector(name);
const TITLES = { train: "The train", look: "The country", pad: "Between four", beat: "The beat", output: "The picture", preset: "Stops" };
const BESIDE = ["pad", "preset", "output", "beat"]; // under the picture where the page is wide
const STOPS = 12;
const QUICK = ["brake", "blackout"]; // on a small page they stand under the picture, always in reach
const HOLD_MS = 600, OVER_MS = 1500; // to store a stop, and over one that is stored
const SILENT_MS = 5000; // the train says something every second
const AGAIN_MS = 400;
const LEADS = { look: "look", weight: "weight", pad_x: "pad", pad_y: "pad" }; // whichever was touched last steers the picture

const state = { you: "", lead: "look", table: {}, values: {}, looks: [], stored: new Set(), widgets: new Map(), cards: new Map(), panels: {}, rows: {} };
let socket = null, tries = 0;

const train = new Train(find(".pane"), (how, said) => {
  document.body.dataset.state = how;
  find("#say").textContent = how === "full" ? said : "";
  if (how === "ticket") ask();
});

function ask() {
  document.body.dataset.state = "ticket";
  find(".cab").inert = true;
  ask_ticket(find("#ticket"), begin);
}

// Our own moves go out at most once a frame, the latest of each control.
const due = new Map(), sent = new Map();
function turn(name, value) {
  if (!due.size) requestAnimationFrame(flush);
  due.set(name, value);
  sent.set(name, value);
  state.values[name] = value;
  lead(name, value);
}
function flush() {
  for (const [name, value] of due) if (socket && socket.readyState === 1) socket.send(JSON.stringify({ turn: [name, value] }));
  due.clear();
}

function connect() {
  const line = (socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/drive/ws`));
  let heard_ms = performance.now();
  const watch = setInterval(() => { if (performance.now() - heard_ms > SILENT_MS) end(); }, 1000);
  const end = () => { // whoever is silent does not answer a farewell either
    clearInterval(watch);
    line.onmessage = line.onclose = null;
    line.close();
    socket = null;
    down();
  };
  line.onclose = end;
  line.onmessage = (event) => {
    heard_ms = performance.now();
    const message = JSON.parse(event.data);
    if (message.hello) board_the_train(message.hello);
    if (message.looks) show_looks(message.looks);
    if (message.presets) show_stops(message.presets);
    for (const one of message.turns || []) hear(...one);
    if (message.now) show_now(message.now);
  };
}

// Nothing can be turned until the line is there again; what had the focus has it again then.
let focused = null, pause = 0;
function down() {
  if (document.body.dataset.line === "up") focused = document.activeElement;
  document.body.dataset.line = "down";
  find("#told").textContent = "The line is down. Connecting again…";
  for (const name of ["#desk", "#below", "#quick"]) find(name).inert = true;
  clearTimeout(pause);
  pause = setTimeout(begin, Math.min(5000, AGAIN_MS * 2 ** tries++));
}

function up() {
  document.body.dataset.line = "up";
  tries = 0;
  for (const name of ["#desk", "#below", "#quick"]) find(name).inert = false;
  if (focused && focused.isConnected) focused.focus({ preventScroll: true });
  focused = null;
}

function board_the_train(hello) {
  const known = JSON.stringify(hello.table) === JSON.stringify(Object.values(state.table));
  state.you = hello.you;
  state.values = hello.values;
  if (!known) {
    state.table = Object.fromEntries(hello.table.map((row) => [row.name, row]));
    build();
  }
  show_looks(hello.looks);
  show_stops(hello.presets);
  for (const [name, value] of Object.entries(state.values)) set(name, value);
  up();
  find("#told").textContent = "The desk is yours";
  show_now(hello.now);
}

// A move that took effect, of whoever.
function hear(name, value, source) {
  const mine = source === state.you;
  if (mine && sent.get(name) !== value) return; // an echo of a move that we have gone on from
  state.values[name] = value;
  set(name, value);
  note(name, value, source, mine);
  if (mine) return;
  const element = element_of(name);
  if (!element) return;
  element.classList.add("moved");
  clearTimeout(element.fading);
  element.fading = setTimeout(() => element.classList.remove("moved"), 350);
}

function set(name, value) {
  const [base, slot] = name.split(".");
  lead(name, value);
  if (base === "weight") { const card = state.cards.get(Number(slot)); if (card) card.set(value); return; }
  const widget = state.widgets.get(base);
  if (widget) widget.set(value);
  if (base === "preset") mark_stop();
  if (base.startsWith("pad_")) corner(base);
}

function lead(name, value) {
  const by = LEADS[name.split(".")[0]];
  if (!by || (by === "weight" && !Number(value))) return; // a weight that is let go takes no lead
  document.body.dataset.lead = state.lead = by;
  mark_look();
}

function element_of(name) {
  const [base, slot] = name.split(".");
  if (base === "weight") return state.cards.get(Number(slot))?.element;
  if (base === "look") return state.cards.get(slot_of(state.looks, state.values.look))?.element;
  return state.widgets.get(base)?.element;
}

function build() {
  state.widgets.clear();
  state.panels = {};
  find("#quick").replaceChildren();
  const groups = Object.groupBy ? Object.groupBy(Object.values(state.table), (row) => row.group) : by_group();
  for (const [group, rows] of Object.entries(groups)) {
    const panel = make("section", { class: `panel p-${group}`, "aria-label": TITLES[group] || words(group) }, make("h2", { text: TITLES[group] || words(group) }));
    state.panels[group] = panel;
    const named = Object.fromEntries(rows.map((row) => [row.name, row]));
    if (named.speed) add_lever(panel, named.speed);
    if (named.look) add_looks(panel);
    if (named.pad_x && named.pad_y) add_pad(panel, named);
    if (named.preset) add_stops(panel, named);
    const fields = make("div", { class: group === "pad" ? "corners" : "fields" }), buttons = make("div", { class: "row" });
    if (group === "pad") rows.sort((one, other) => "cdab".indexOf(one.name.at(-1)) - "cdab".indexOf(other.name.at(-1))); // as they lie on it
    for (const row of rows) {
      if (row.slots || state.widgets.has(row.name) || row.name === "look" || row.name === "store") continue;
      const kind = { whole: number, toggle, trigger, choice, look: look_select }[row.kind] || slider;
      const fading = QUICK.includes(row.name); // a number that is mostly none or all
      const widget = (fading ? toggle : kind)(row, (value) => turn(row.name, value));
      state.widgets.set(row.name, widget);
      if (fading) state.rows[row.name] = buttons;
      (fading || row.kind === "toggle" || row.kind === "trigger" ? buttons : fields).append(widget.element);
    }
    if (fields.children.length) panel.append(fields);
    if (buttons.children.length) { if (fields.children.length) buttons.style.marginTop = ".9rem"; panel.append(buttons); }
  }
  state.panels.journal = make("section", { class: "panel p-journal", "aria-label": "What was done" }, make("h2", { text: "The journal" }), make("ol", { class: "journal", id: "journal" }));
  lay_out();
}

function by_group() {
  const groups = {};
  for (const row of Object.values(state.table)) (groups[row.group] ||= []).push(row);
  return groups;
}

const wide = matchMedia("(min-width: 68rem)");
function lay_out() {
  const order = ["look", "train", "pad", "output", "preset", "beat"];
  const names = [...order, ...Object.keys(state.panels).filter((name) => !order.includes(name))];
  find("#desk").replaceChildren(...names.filter((name) => !wide.matches || !BESIDE.includes(name)).map((name) => state.panels[name]));
  find("#below").replaceChildren(...names.filter((name) => wide.matches && BESIDE.includes(name)).map((name) => state.panels[name]));
  for (const [name, row] of Object.entries(state.rows)) {
    const button = state.widgets.get(name).element;
    if (wide.matches) row.prepend(button); else find("#quick").append(button);
  }
  for (const [name, panel] of Object.entries(state.panels)) panel.classList.toggle("p-wide", wide.matches && !["look", "train"].includes(name) && !BESIDE.includes(name));
}
wide.onchange = lay_out;

function add_lever(panel, row) {
  const output = make("small", {});
  const widget = lever(row, (value) => { turn("speed", value); output.textContent = say_number(row, value); });
  const set_lever = widget.set;
  widget.set = (value) => { set_lever(value); output.textContent = say_number(row, value); };
  panel.firstChild.append(output);
  panel.append(widget.element);
  state.widgets.set("speed", widget);
}

function add_looks(panel) {
  panel.firstChild.append(make("small", { text: "tap: melt · hold, then draw: weight" }));
  const input = make("input", { type: "file", accept: "image/*", multiple: true, class: "unseen", "aria-label": "Add a picture as a look", onchange: () => { for (const file of input.files) add_picture(file); input.value = ""; } });
  state.add = make("label", { class: "add" }, input, make("span", { text: "+" }), make("span", { text: "add a picture" }));
  state.taken = make("ol", { class: "taken" });
  state.grid = make("div", { class: "looks" }, state.add);
  const clear = make("button", { type: "button", class: "push", text: "Clear weights", onclick: () => { for (const [slot, card] of state.cards) if (state.values[`weight.${slot}`]) { card.set(0); turn(`weight.${slot}`, 0); } turn("look", state.values.look); show_clear(); } }); // and back to the look
  state.clear = make("div", { class: "row", hidden: true }, clear);
  panel.append(state.grid, state.taken, state.clear);
}

const show_clear = () => { state.clear.hidden = ![...state.cards.keys()].some((slot) => state.values[`weight.${slot}`] > 0.005); };

function show_looks(looks) {
  state.looks = looks;
  const former = state.cards, active = document.activeElement;
  const had_focus = [...former.values()].find((card) => card.element === active)?.look.slot;
  state.cards = new Map();
  const act = {
    melt: (look) => turn("look", look.slot),
    weigh: (slot, value) => { turn(`weight.${slot}`, value); show_clear(); },
  };
  for (const look of looks) {
    const same = former.get(look.slot);
    const card = same && same.look.name === look.name && same.look.picture === look.picture ? same : look_card(look, act);
    card.set(state.values[`weight.${look.slot}`] || 0);
    state.cards.set(look.slot, card);
  }
  state.grid.replaceChildren(...[...state.cards.values()].map((card) => card.element), state.add);
  if (had_focus !== undefined) state.cards.get(had_focus)?.element.focus({ preventScroll: true });
  for (const widget of state.widgets.values()) if (widget.looks) widget.looks(looks);
  for (const name of ["pad_a", "pad_b", "pad_c", "pad_d"]) corner(name);
  mark_look();
  show_clear();
}

function mark_look() {
  const slot = slot_of(state.looks, state.values.look);
  for (const [other, card] of state.cards) card.element.setAttribute("aria-pressed", String(other === slot && state.lead === "look"));
}

function corner(name) {
  if (!/^pad_[a-d]$/.test(name) || !state.pad) return;
  const slot = slot_of(state.looks, state.values[name]);
  state.pad.picture(name.at(-1), state.looks.find((one) => one.slot === slot));
}

function add_pad(panel, rows) {
  state.pad = pad(rows, turn);
  panel.append(state.pad.element);
  for (const name of ["pad_x", "pad_y"]) state.widgets.set(name, { element: state.pad.box, set: (value) => state.pad.set(name, value) });
}

function add_stops(panel, rows) {
  panel.firstChild.append(make("small", { text: "tap: go there · hold: store" }));
  state.stops = Array.from({ length: STOPS }, (_, index) => {
    const stop = index + 1;
    let timer = 0, stored = false;
    const store = () => { turn("store", stop); button.classList.add("storing"); setTimeout(() => button.classList.remove("storing"), 700); find("#heard").textContent = `Stored as stop ${stop}`; };
    const button = make("button", { type: "button", class: "stop", text: stop });
    button.onpointerdown = (event) => {
      stored = false;
      if (event.button === 0) timer = setTimeout(() => { stored = true; store(); }, state.stored.has(stop) ? OVER_MS : HOLD_MS);
    };
    button.onpointerup = button.onpointerleave = button.onpointercancel = () => clearTimeout(timer);
    button.onclick = () => { if (!stored) go_to(stop); stored = false; };
    button.onkeydown = (event) => { if (event.key.toLowerCase() === "s" && !event.repeat) store(); };
    button.oncontextmenu = (event) => event.preventDefault();
    return button;
  });
  panel.append(make("div", { class: "stops" }, ...state.stops));
  state.widgets.set("preset", { element: panel, set: mark_stop });
  if (rows.store) state.widgets.set("store", { element: panel, set() {} });
}

function go_to(stop) {
  if (state.stored.has(stop)) { turn("preset", stop); mark_stop(); return; }
  find("#told").textContent = find("#heard").textContent = `Stop ${stop} is empty; hold to store`;
}

function show_stops(stored) {
  state.stored = new Set(stored);
  mark_stop();
}

function mark_stop() {
  state.stops.forEach((button, index) => {
    const stop = index + 1, stored = state.stored.has(stop);
    button.classList.toggle("stored", stored);
    button.setAttribute("aria-pressed", String(stored && Number(state.values.preset) === stop));
    button.setAttribute("aria-label", stored ? `Stop ${stop}. Enter recalls it, S stores it.` : `Stop ${stop}, empty. S stores it.`);
  });
}

// Who did what, latest first; a fader that moves is one line.
let noted = null;
function note(name, value, source, mine) {
  const [base, slot] = name.split(".");
  const row = state.table[base];
  const look = (number) => words(state.looks.find((one) => one.slot === slot_of(state.looks, number))?.name || String(number));
  let what = row.kind === "look" ? look(value) : row.kind === "choice" ? row.choices[value] : row.kind === "whole" || (row.kind === "number" && !(QUICK.includes(base) && Number.isInteger(Number(value)))) ? say_number(row, value) : Number(value) ? "on" : "off";
  if (row.kind === "trigger") what = "";
  const which = slot ? `${words(base)} of ${look(Number(slot))}` : words(base);
  const who = mine ? "you" : source || "the show";
  find("#told").textContent = `${who} · ${which} ${what}`;
  const time = new Date().toTimeString().slice(0, 8);
  const list = find("#journal");
  if (noted && noted.key === `${who} ${name}` && performance.now() - noted.ms < 1500) noted.line.lastChild.textContent = what;
  else {
    const line = make("li", {}, make("span", { text: time }), make("b", { text: who }), make("span", { text: which }), make("span", { text: what }));
    list.prepend(line);
    while (list.children.length > 60) list.lastChild.remove();
    noted = { line };
  }
  noted.key = `${who} ${name}`;
  noted.ms = performance.now();
  if (row.kind === "look" && base === "look") find("#heard").textContent = `Melting to ${what}`;
  if (base === "weight") show_clear();
}

let trouble = "";
function show_now(now) {
  const why = now.recording?.trouble || "";
  if (why && why !== trouble) find("#told").textContent = find("#heard").textContent = why;
  trouble = why;
  const many = (count, one, more) => `${count} ${count === 1 ? one : more}`;
  const parts = [];
  if (now.fps !== undefined) parts.push(`${Math.round(now.fps)} fps`);
  parts.push(many(now.viewers, "viewer", "viewers"));
  if (now.drivers > 1) parts.push(many(now.drivers, "driver", "drivers"));
  if (now.recording?.on) parts.unshift("recording");
  if (now.world && now.world !== "playing") parts.unshift(now.world === "opening" ? "the world opens" : "the world is started again");
  else if (now.age_s > 2) parts.unshift("the picture stands still");
  find("#now").textContent = parts.join(" · ");
  if (now.speed !== undefined) state.widgets.get("speed")?.is(now.speed);
}

async function add_picture(file) {
  const line = make("li", { text: `${file.name}: taking it in…` });
  state.taken.append(line);
  const answer = await fetch(`/looks?name=${encodeURIComponent(file.name)}`, { method: "POST", headers: { "Content-Type": file.type || "image/jpeg" }, body: file }).catch(() => null);
  const good = answer && answer.ok;
  const said = !answer ? "it did not arrive" : good ? "a moment…" : (await answer.text()).trim();
  line.textContent = find("#heard").textContent = `${file.name}: ${said}`;
  line.classList.toggle("refused", !good);
  setTimeout(() => line.remove(), good ? 2500 : 20000);
}
addEventListener("dragover", (event) => { if (![...event.dataTransfer.types].includes("Files")) return; event.preventDefault(); document.body.classList.add("dropping"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
addEventListener("drop", (event) => { event.preventDefault(); document.body.classList.remove("dropping"); for (const file of event.dataTransfer.files) add_picture(file); });

async function begin() {
  await enter_by_link(find("#ticket"));
  const role = await my_role();
  if (role === undefined) return down();
  if (role !== "control" && role !== "admin") return ask();
  find(".cab").inert = false;
  if (!["playing", "arriving", "full"].includes(train.state)) train.start();
  if (!socket) connect();
}

window.train = train;
on_link(begin);
begin();
