// The window: nothing but the picture, and a bar that goes when nobody moves.

import { Train, ask_ticket, enter_by_link, my_role, on_link } from "./train.js";

const find = (name) => document.querySelector(name);
const body = document.body, video = find("video"), bar = find("#bar"), say = find("#say");
const glow = find(".glow").getContext("2d");
const IDLE_MS = 2800;

let idle = 0;
function wake() {
  body.classList.remove("idle");
  clearTimeout(idle);
  idle = setTimeout(() => { if (!bar.querySelector(":focus-visible")) body.classList.add("idle"); }, IDLE_MS);
}
for (const kind of ["pointermove", "pointerdown", "keydown", "focusin"]) addEventListener(kind, wake, { passive: true });

const train = new Train(find(".pane"), (state, words) => {
  if (state === "sound") return show_sound();
  body.dataset.state = state;
  say.textContent = words;
  if (state === "ticket") ask_ticket(find("#ticket"), begin);
}, true);

async function begin() {
  await enter_by_link(find("#ticket"));
  train.start();
  const role = await my_role();
  find("#drive").hidden = role !== "control" && role !== "admin";
}

function toggle_full() {
  const root = document.documentElement;
  if (document.fullscreenElement) document.exitFullscreen();
  else if (root.requestFullscreen) root.requestFullscreen({ navigationUI: "hide" }).catch(() => {});
  else if (video.webkitEnterFullscreen) video.webkitEnterFullscreen(); // an iPhone
}

function toggle_sound() {
  video.muted = !video.muted;
  show_sound();
}

function show_sound() {
  find("#sound").hidden = !train.has_sound;
  find("#sound").setAttribute("aria-pressed", String(!video.muted));
}

find("#full").onclick = toggle_full;
find("#sound").onclick = toggle_sound;
find(".pane").ondblclick = toggle_full;
document.onfullscreenchange = () => {
  find("#full span").textContent = document.fullscreenElement ? "Leave fullscreen" : "Fullscreen";
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  const key = event.key.toLowerCase();
  if (key === "f") toggle_full();
  if (key === "m" && !find("#sound").hidden) toggle_sound();
  if (key === "d" && !find("#drive").hidden) location.href = "/drive";
});

// What the window does not fill takes the country's own light.
setInterval(() => {
  const from = train.way === "jpeg" ? train.image : video;
  if (document.hidden || train.state !== "playing") return;
  try { glow.globalAlpha = 0.25; glow.drawImage(from, 0, 0, 32, 16); } catch { /* no picture yet */ }
}, 120);

// A screen that shows a train does not sleep.
async function stay_awake() {
  try { if (!document.hidden) await navigator.wakeLock.request("screen"); } catch { /* it may */ }
}
document.addEventListener("visibilitychange", stay_awake);
stay_awake();

window.train = train; // for whoever looks under the bonnet, tests among them
wake();
on_link(begin);
begin();
