// Controls of a page, one a kind of parameter. Each has `element`, `set(value)`, and calls
// `turn(value)` when somebody moves it. What they are called and how far they go is the table's.

export function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...inside);
  return element;
}

export const words = (name) => name.replace(/_s$/, "").replaceAll("_", " ");

export function say_number(row, value) {
  const unit = { s: " s", bpm: " bpm", "x cruising": " ×", x: " ×" }[row.unit] || "";
  const wide = row.high - row.low;
  const short = row.unit === "s" && value > 0 && value < 10; // half a second is no cut
  const places = row.kind === "whole" ? 0 : short ? (value < 1 ? 2 : 1) : wide > 50 ? 0 : wide > 5 ? 1 : 2;
  return Number(value).toFixed(places) + unit;
}

export function slider(row, turn) {
  const skew = row.unit === "s" && row.high > 100 ? 3 : 1; // a melt of 600 s leaves room for the first ten
  const part = (value) => ((value - row.low) / (row.high - row.low)) ** (1 / skew);
  const range = make("input", { type: "range", min: 0, max: 1000, class: "widget", "aria-label": words(row.name), title: row.help });
  const output = make("output");
  let held = false, value = row.default;
  let late = null; // what others turned while it was held
  let from = null; // where a finger came down that may be there to scroll
  const show = () => {
    output.textContent = say_number(row, value);
    range.setAttribute("aria-valuetext", output.textContent);
    range.style.setProperty("--at", `${100 * part(value)}%`);
  };
  const read = () => row.low + (row.high - row.low) * (range.value / 1000) ** skew;
  const take = () => { from = null; value = read(); show(); turn(value); };
  const place = () => { range.value = 1000 * part(value); show(); };
  const let_go = () => {
    held = false;
    from = null;
    if (late !== null) value = late;
    late = null;
    place();
  };
  range.oninput = () => { if (from === null) take(); };
  range.onpointerdown = (event) => { held = true; if (event.pointerType === "touch") from = event.clientX; };
  range.onpointermove = (event) => { if (from !== null && Math.abs(event.clientX - from) > 8) take(); };
  range.onpointerup = () => { if (from !== null) take(); let_go(); };
  range.onpointercancel = range.onlostpointercapture = let_go;
  range.onkeydown = (event) => {
    const way = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 }[event.key];
    if (!way) return;
    event.preventDefault();
    const near = way < 0 ? value - 1e-9 : value;
    const step = skew > 1 && near < 10 ? (near < 2 ? 0.1 : 0.5) : row.high - row.low > 50 ? 1 : (row.high - row.low) / 40;
    value = Math.min(row.high, Math.max(row.low, Math.round((value + way * step) * 1000) / 1000));
    place();
    turn(value);
  };
  const element = make("div", { class: "control" }, make("span", { class: "title", text: title(row) }), output, range);
  return { element, set(to) { if (held) late = Number(to); else { value = Number(to); place(); } } };
}

export function number(row, turn) {
  const field = make("input", { type: "number", min: row.low, max: row.high, step: 1, class: "widget", "aria-label": words(row.name), title: row.help });
  let value = row.default;
  const put = () => { field.value = value; };
  field.onchange = () => {
    const wanted = field.value.trim() ? Math.round(Number(field.value)) : NaN;
    if (Number.isFinite(wanted)) { value = Math.min(row.high, Math.max(row.low, wanted)); turn(value); }
    put();
  };
  field.onblur = put;
  const element = make("label", { class: "control" }, make("span", { class: "title", text: title(row) }), make("output"), field);
  return { element, set(to) { value = Number(to); if (document.activeElement !== field) put(); } };
}

export function toggle(row, turn) {
  const element = make("button", { type: "button", class: `push${row.name === "blackout" || row.name === "record" ? " danger" : ""}`, "aria-pressed": "false", title: row.help, text: words(row.name) });
  const middle = (row.low + row.high) / 2;
  let on = false;
  element.onclick = () => turn(on ? row.low : row.high);
  return { element, set(to) { on = Number(to) > middle; element.setAttribute("aria-pressed", String(on)); } };
}

export function trigger(row, turn) {
  const at_once = row.group === "beat"; // a tap on the beat counts from its beginning
  const element = make("button", { type: "button", class: at_once ? "push at-once" : "push", title: row.help, text: words(row.name) });
  let done = false; // with the press that a click ends; a finger that scrolls ends in no click
  element.onpointerdown = (event) => {
    done = event.button === 0 && (at_once || event.pointerType === "mouse");
    if (done) fire();
  };
  element.onclick = (event) => { if (!done || event.detail === 0) fire(); done = false; };
  const fire = () => { turn(1); flash(); };
  const flash = () => { element.classList.add("fired"); setTimeout(() => element.classList.remove("fired"), 160); };
  return { element, set: flash };
}

export function choice(row, turn) {
  const buttons = row.choices.map((name, index) => make("button", { type: "button", role: "radio", "aria-checked": "false", tabindex: index ? -1 : 0, text: name, onclick: () => turn(index) }));
  const group = make("div", { class: "choices widget", role: "radiogroup", "aria-label": words(row.name), title: row.help }, ...buttons);
  group.onkeydown = (event) => {
    const way = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const next = (buttons.indexOf(document.activeElement) + way + buttons.length) % buttons.length;
    buttons[next].focus();
    turn(next);
    set(next);
  };
  const set = (to) => buttons.forEach((one, index) => {
    const chosen = index === Math.round(Number(to));
    one.setAttribute("aria-checked", String(chosen));
    one.tabIndex = chosen ? 0 : -1;
  });
  const element = make("div", { class: "control" }, make("span", { class: "title", text: title(row) }), make("output"), group);
  return { element, set };
}

export function look_select(row, turn) {
  const field = make("select", { class: "widget", "aria-label": row.help, title: row.help });
  field.onchange = () => turn(Number(field.value));
  let value = row.default, looks = [];
  const show = () => { field.value = String(slot_of(looks, value)); };
  const element = make("label", { class: "control" }, make("span", { class: "title", text: title(row) }), make("output"), field);
  return {
    element,
    set(to) { value = to; show(); },
    looks(all) { looks = all; field.replaceChildren(...all.map((one) => make("option", { value: one.slot, text: words(one.name) }))); show(); },
  };
}

// The lever of the train: up is forth, down is back, and it catches at a stand and at cruising.
export function lever(row, turn) {
  const part = (value) => (value - row.low) / (row.high - row.low);
  const knob = make("div", { class: "knob" }), fill = make("div", { class: "slot" }, make("i")), is = make("div", { class: "is" });
  const element = make("div", { class: "lever", role: "slider", tabindex: 0, "aria-orientation": "vertical", "aria-label": "speed of the train", "aria-valuemin": row.low, "aria-valuemax": row.high, title: row.help }, fill, is, knob);
  for (const [value, text, big] of [[2, "express"], [1, "cruising", true], [0, "stand", true], [-1, "back"], [-2, ""]]) {
    if (!text || value < row.low || value > row.high) continue;
    const mark = make("div", { class: big ? "mark big" : "mark", text });
    mark.style.setProperty("--part", part(value));
    element.append(mark);
  }
  let value = row.default, held = null, late = null, tapped = false;
  const show = () => {
    element.style.setProperty("--at", `${100 * part(value)}%`);
    knob.style.setProperty("--part", part(value));
    element.setAttribute("aria-valuenow", value.toFixed(2));
    element.setAttribute("aria-valuetext", value === 0 ? "stand" : `${value.toFixed(2)} times cruising`);
  };
  const go = (to, catching) => {
    to = Math.min(row.high, Math.max(row.low, to));
    if (catching) for (const detent of [0, 1]) if (Math.abs(to - detent) < 0.055) to = detent;
    value = Math.round(to * 100) / 100;
    show();
    turn(value);
  };
  const at = (event) => {
    const box = fill.getBoundingClientRect();
    return row.low + (row.high - row.low) * (box.bottom - event.clientY) / box.height;
  };
  element.onpointerdown = (event) => {
    const on_knob = knob.contains(event.target);
    tapped = event.pointerType === "touch" && !on_knob; // or it scrolls: then there is no click
    if (event.button !== 0 || tapped) return;
    element.setPointerCapture(event.pointerId);
    held = on_knob ? at(event) - value : 0;
    if (!on_knob) go(at(event), true);
  };
  element.onpointermove = (event) => { if (held !== null) go(at(event) - held, true); };
  element.onpointerup = element.onpointercancel = () => {
    held = null;
    if (late !== null) { value = late; show(); }
    late = null;
  };
  element.onclick = (event) => { if (tapped) go(at(event), true); tapped = false; };
  element.onkeydown = (event) => {
    const way = { ArrowUp: 0.1, ArrowRight: 0.1, ArrowDown: -0.1, ArrowLeft: -0.1, PageUp: 0.5, PageDown: -0.5 }[event.key];
    if (way) go(value + way);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(1);
    else return;
    event.preventDefault();
  };
  return {
    element,
    set(to) { if (held !== null) late = Number(to); else { value = Number(to); show(); } },
    is(speed) { is.style.setProperty("--is", part(Math.min(row.high, Math.max(row.low, speed)))); is.hidden = false; },
  };
}

// The pad: a place between four looks. Two sliders beneath it are for keys and readers of screens.
export function pad(rows, turn) {
  const corners = ["a", "b", "c", "d"].map((name) => make("div", { class: `corner ${name}` }, make("img", { alt: "", hidden: true })));
  const dot = make("div", { class: "dot" });
  const box = make("div", { class: "pad", title: "Between four looks" }, ...corners, dot);
  const place = { pad_x: 0.5, pad_y: 0.5 };
  let held = false, late = {}, tapped = false;
  const fields = {};
  const show = () => {
    const { pad_x: x, pad_y: y } = place;
    box.style.setProperty("--x", x);
    box.style.setProperty("--y", y);
    [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y].forEach((share, index) => corners[index].style.setProperty("--share", share));
    for (const name of ["pad_x", "pad_y"]) fields[name].value = place[name];
  };
  const go = (event) => {
    const area = box.getBoundingClientRect();
    const clip = (value) => Math.min(1, Math.max(0, value));
    place.pad_x = clip((event.clientX - area.left) / area.width);
    place.pad_y = clip((area.bottom - event.clientY) / area.height);
    show();
    turn("pad_x", place.pad_x);
    turn("pad_y", place.pad_y);
  };
  box.onpointerdown = (event) => {
    tapped = event.pointerType === "touch" && event.target !== dot; // or it scrolls: then there is no click
    if (event.button !== 0 || tapped) return;
    box.setPointerCapture(event.pointerId);
    held = true;
    go(event);
  };
  box.onpointermove = (event) => { if (held) go(event); };
  box.onpointerup = box.onpointercancel = () => { held = false; Object.assign(place, late); late = {}; show(); };
  box.onclick = (event) => { if (tapped) go(event); tapped = false; };
  for (const name of ["pad_x", "pad_y"]) {
    fields[name] = make("input", { type: "range", min: 0, max: 1, step: 0.02, class: "unseen", "aria-label": rows[name].help, oninput: () => { place[name] = Number(fields[name].value); show(); turn(name, place[name]); } });
    fields[name].onfocus = () => box.classList.add("moved");
    fields[name].onblur = () => box.classList.remove("moved");
  }
  const element = make("div", {}, box, fields.pad_x, fields.pad_y);
  show();
  return {
    element, box,
    set(name, to) { if (held) late[name] = Number(to); else { place[name] = Number(to); show(); } },
    picture(corner, look) {
      const image = corners["abcd".indexOf(corner)].firstChild;
      image.hidden = !look;
      if (look) image.src = look.picture;
    },
  };
}

// A look as its picture: a tap melts to it; pressed and drawn sideways it gets a weight in the mix.
export function look_card(look, act) {
  const weight = make("span", { class: "weight" }, make("i"));
  const element = make("button", { type: "button", class: "look", "aria-pressed": "false" },
    make("span", { class: "glass" }, make("img", { src: look.picture, alt: "", loading: "lazy", draggable: "false" }), weight),
    make("span", { class: "caption" }, make("b", { text: words(look.name) }), make("i", { text: "" })));
  const share = element.querySelector(".caption i");
  let value = 0, press = null, timer = 0, weighed = false;
  const show = () => {
    element.style.setProperty("--weight", value);
    element.classList.toggle("weighed", value > 0.005);
    share.textContent = value > 0.005 ? `${Math.round(100 * value)} %` : look.slot || "";
    element.setAttribute("aria-label", `${words(look.name)}, look ${look.slot}${value > 0.005 ? `, weight ${Math.round(100 * value)} percent` : ""}. Enter melts to it, up and down give it weight.`);
  };
  const weigh = (to) => { value = Math.min(1, Math.max(0, to)); show(); act.weigh(look.slot, value); };
  const end = () => { clearTimeout(timer); press = null; element.classList.remove("weighing"); };
  element.onpointerdown = (event) => {
    if (event.button !== 0 || look.slot === 0) return;
    press = { x: event.clientX, from: value, weighing: false };
    weighed = false;
    timer = setTimeout(() => {
      press.weighing = weighed = true;
      element.setPointerCapture(event.pointerId);
      element.classList.add("weighing");
      if (navigator.vibrate) navigator.vibrate(12);
    }, 320);
  };
  element.onpointermove = (event) => {
    if (!press) return;
    if (!press.weighing) { if (Math.abs(event.clientX - press.x) > 9) end(); return; }
    weigh(press.from + (event.clientX - press.x) / element.clientWidth);
  };
  element.onpointerup = element.onpointercancel = end;
  element.addEventListener("touchmove", (event) => { if (press && press.weighing) event.preventDefault(); }, { passive: false });
  element.oncontextmenu = (event) => event.preventDefault();
  element.onclick = () => { if (!weighed) act.melt(look); weighed = false; };
  element.onkeydown = (event) => {
    const way = { ArrowUp: 0.05, ArrowDown: -0.05 }[event.key];
    if (!way || look.slot === 0) return;
    event.preventDefault();
    weigh(value + way);
  };
  show();
  return { element, look, set(to) { if (!press || !press.weighing) { value = Number(to) || 0; show(); } } };
}

export function slot_of(looks, value) {
  if (typeof value === "number") return value;
  const plain = (name) => name.toLowerCase().replace(/[-_\s]+/g, " ").trim();
  const found = looks.find((one) => plain(one.name) === plain(value));
  return found ? found.slot : Number(value);
}

function title(row) {
  const name = words(row.name);
  return name.charAt(0).toUpperCase() + name.slice(1);
}
