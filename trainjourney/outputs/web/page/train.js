// The picture of the train on a page: over WebRTC where that can be, else as a stream of JPEGs.
// It connects by itself, sees when nothing comes any more, and connects again; and who has JPEGs
// gets WebRTC as soon as that can be, tried out of sight meanwhile.

const CONNECT_MS = 7000;
const ANSWER_MS = 12000;
const MOST_JPEG = 8e6; // bytes
const STALL_MS = 4000;
const AGAIN_MS = [400, 800, 1500, 3000, 5000, 8000];
const BACK_TO_WEBRTC_MS = 60000;

export class Train {
  // pane holds <video>, <img> and <canvas class="last">; tell(state, words) hears how it goes:
  // "arriving", "playing", "lost", "ticket" (a token is wanted), "full"; and "sound", where that
  // came, went, or was muted by the browser. Sound is sent only to who `hears`. One for a trial
  // does not mind what happens to the page.
  constructor(pane, tell, hears = false, trial = false) {
    this.video = pane.querySelector("video");
    this.image = pane.querySelector("img");
    this.last = pane.querySelector("canvas.last");
    this.tell = tell;
    this.hears = hears;
    this.has_sound = false;
    this.tries = 0;
    this.failures = 0; // of WebRTC, in a row
    this.frames = 0;
    this.peer = null;
    this.session = null;
    this.way = "";
    this.trial = null;
    this.timers = new Set();
    this.image.onload = () => { if (this.way === "jpeg") { this.frames += 1; this.playing("jpeg"); } };
    if (trial) return;
    addEventListener("pagehide", () => { this.leave(); if (this.trial) this.trial.leave(); });
    addEventListener("online", () => this.hurry());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.hurry(); });
  }

  async start() {
    this.stop();
    this.state = "arriving";
    this.tell("arriving", this.tries ? "The line is down. Connecting again…" : "");
    const turn = (this.turn = {});
    const webrtc = "RTCPeerConnection" in window && this.failures < 2;
    this.after(ANSWER_MS, () => { if (this.state === "arriving" && !this.way) this.lost(); });
    try {
      if (webrtc) await this.connect(turn);
      else await this.fall_back(turn);
    } catch (error) {
      if (turn !== this.turn) return;
      if (error.way === "ticket") { this.state = "ticket"; this.tell("ticket", error.message); return; }
      if (error.way === "full") {
        if (!webrtc) this.failures = 0; // there may be a seat of the other kind
        this.again(error.wait_ms, "full", error.message);
        return;
      }
      if (error.way === "unable") this.failures += 2;
      else if (webrtc && error.way !== "gone") this.failures += 1;
      this.lost();
    }
  }

  async connect(turn) {
    const servers = await ice_servers();
    if (turn !== this.turn) return;
    const peer = (this.peer = new RTCPeerConnection({ iceServers: servers }));
    const receiver = peer.addTransceiver("video", { direction: "recvonly" }).receiver;
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    if (this.hears) peer.addTransceiver("audio", { direction: "recvonly" });
    const stream = new MediaStream();
    peer.ontrack = (event) => {
      stream.addTrack(event.track);
      if (event.track.kind === "audio") event.track.onunmute = () => { if (turn === this.turn) this.sound(true); };
    };
    const late = [];
    peer.onicecandidate = (event) => {
      if (!event.candidate || !event.candidate.candidate) return;
      if (this.session) this.trickle([event.candidate]); else late.push(event.candidate);
    };
    peer.onconnectionstatechange = () => {
      if (turn !== this.turn) return;
      if (peer.connectionState === "failed") { this.failures += this.frames ? 0 : 1; this.lost(); }
      if (peer.connectionState === "disconnected") this.after(3000, () => { if (peer.connectionState !== "connected") this.lost(); });
    };
    await peer.setLocalDescription();
    const answer = await fetch("/whep", { method: "POST", headers: { "Content-Type": "application/sdp" }, body: peer.localDescription.sdp });
    if (answer.status !== 201) throw await refusal(answer);
    const session = { url: answer.headers.get("Location"), etag: answer.headers.get("ETag") };
    const sdp = await answer.text();
    if (turn !== this.turn) { fetch(session.url, { method: "DELETE" }); return; }
    this.session = session;
    await peer.setRemoteDescription({ type: "answer", sdp });
    if (late.length) this.trickle(late);
    this.way = "webrtc";
    this.video.srcObject = stream;
    this.play();
    this.count_frames(turn);
    this.after(CONNECT_MS, () => { if (!this.frames) { this.failures += 1; this.lost(); } });
    this.watch();
  }

  // A browser that was not touched yet plays only what is muted.
  play() {
    this.video.play().catch((error) => {
      if (error.name !== "NotAllowedError" || this.video.muted) return;
      this.video.muted = true;
      this.tell("sound", "");
      this.video.play().catch(() => {});
    });
  }

  sound(there) {
    if (this.has_sound === there) return;
    this.has_sound = there;
    this.tell("sound", "");
  }

  async fall_back(turn) {
    const cut = (this.cut = new AbortController());
    const answer = await fetch("/stream.mjpeg", { signal: cut.signal, cache: "no-store" });
    if (!answer.ok) throw await refusal(answer);
    if (turn !== this.turn) return;
    this.way = "jpeg";
    this.frames = 0;
    this.fresh_ms = performance.now();
    const over = () => { if (turn === this.turn) this.lost(); };
    read_jpegs(answer.body, (jpeg) => this.show_jpeg(jpeg)).then(over, over);
    this.after(BACK_TO_WEBRTC_MS, () => this.try_webrtc());
    this.after(CONNECT_MS, () => { if (!this.frames) this.lost(); });
    this.watch();
  }

  // Beside the JPEGs, in a pane that nobody sees: what does not play there costs the picture nothing.
  try_webrtc() {
    if (!("RTCPeerConnection" in window)) return;
    const pane = document.createElement("div");
    pane.innerHTML = '<video muted playsinline></video><img alt=""><canvas class="last"></canvas>';
    this.trial = new Train(pane, (state) => {
      if (state !== "arriving" && state !== "sound") this.after(0, () => this.end_trial(state));
    }, false, true);
    this.trial.tries = 1; // its first failure is told
    this.trial.start();
  }

  end_trial(state) {
    if (!this.trial) return;
    this.drop_trial();
    if (state !== "playing") return this.after(BACK_TO_WEBRTC_MS, () => this.try_webrtc());
    this.failures = 0;
    this.keep_last();
    this.start();
  }

  drop_trial() {
    if (this.trial) this.trial.stop();
    this.trial = null;
  }

  // Each is decoded out of sight first, so that none is seen half; one that comes meanwhile is left out.
  show_jpeg(jpeg) {
    this.fresh_ms = performance.now();
    if (this.decoding) return;
    const next = (this.decoding = new Image());
    next.src = URL.createObjectURL(new Blob([jpeg], { type: "image/jpeg" }));
    const shown = () => {
      this.decoding = null;
      const gone = this.way === "jpeg" ? this.url : next.src;
      if (this.way === "jpeg") this.image.src = this.url = next.src;
      if (gone) URL.revokeObjectURL(gone);
    };
    next.decode().then(shown, () => { this.decoding = null; URL.revokeObjectURL(next.src); });
  }

  // Frames that are shown, counted; the first of them is the arrival.
  count_frames(turn) {
    this.frames = 0;
    this.fresh_ms = performance.now();
    const shown = () => {
      if (turn !== this.turn) return;
      this.frames += 1;
      this.fresh_ms = performance.now();
      if (this.frames === 1) { this.failures = 0; this.playing("webrtc"); }
      this.video.requestVideoFrameCallback(shown);
    };
    if ("requestVideoFrameCallback" in this.video) this.video.requestVideoFrameCallback(shown);
    else this.video.ontimeupdate = () => { this.frames += 1; this.fresh_ms = performance.now(); if (this.frames === 1) this.playing("webrtc"); };
  }

  watch() {
    this.after(1000, () => {
      if (document.hidden) this.fresh_ms = performance.now();
      if (this.frames && performance.now() - this.fresh_ms > STALL_MS) this.lost();
      else this.watch();
    });
  }

  playing(way) {
    this.tries = 0;
    const first = this.state !== "playing";
    this.state = "playing";
    this.image.hidden = way !== "jpeg";
    this.video.hidden = way === "jpeg";
    this.last.hidden = true;
    if (first) this.tell("playing", "");
  }

  lost() {
    this.keep_last();
    this.again(AGAIN_MS[Math.min(this.tries, AGAIN_MS.length - 1)] * (0.8 + 0.4 * Math.random()), "lost", "The line is down. Connecting again…");
  }

  again(wait_ms, state, words) {
    this.stop();
    this.tries += 1;
    this.state = state;
    if (this.tries > 1 || state !== "lost") this.tell(state, words);
    this.after(wait_ms, () => this.start());
  }

  // Somebody came back to the page, or the network did: do not wait out the pause.
  hurry() {
    if (this.state === "lost" || this.state === "full") this.start();
    else if (this.way === "webrtc" && this.peer && this.peer.connectionState !== "connected" && this.frames) this.lost();
  }

  // The last picture stays while there is no new one.
  keep_last() {
    const from = this.way === "jpeg" ? this.image : this.video;
    const width = from.videoWidth || from.naturalWidth, height = from.videoHeight || from.naturalHeight;
    if (!width || !this.frames) return;
    this.last.width = width;
    this.last.height = height;
    try { this.last.getContext("2d").drawImage(from, 0, 0); this.last.hidden = false; } catch { /* nothing to keep */ }
  }

  trickle(candidates) {
    const description = this.peer.localDescription.sdp;
    const name = /a=ice-ufrag:(.*)/.exec(description)[1].trim(), word = /a=ice-pwd:(.*)/.exec(description)[1].trim();
    const lines = candidates.flatMap((one) => [`a=mid:${one.sdpMid}`, `a=${one.candidate}`]);
    const body = [`a=ice-ufrag:${name}`, `a=ice-pwd:${word}`, "m=video 9 UDP/TLS/RTP/SAVPF 0", ...lines, ""].join("\r\n");
    fetch(this.session.url, { method: "PATCH", headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": this.session.etag }, body }).catch(() => {});
  }

  after(wait_ms, act) {
    const timer = setTimeout(() => { this.timers.delete(timer); act(); }, wait_ms);
    this.timers.add(timer);
  }

  stop() {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    this.drop_trial();
    this.turn = null;
    this.leave();
    if (this.peer) { this.peer.onconnectionstatechange = null; this.peer.close(); this.peer = null; }
    if (this.cut) this.cut.abort();
    this.cut = null;
    if (this.url) { this.image.removeAttribute("src"); URL.revokeObjectURL(this.url); }
    this.url = "";
    this.way = "";
    this.sound(false);
  }

  leave() {
    if (this.session) fetch(this.session.url, { method: "DELETE", keepalive: true }).catch(() => {});
    this.session = null;
  }
}

// The parts of an endless answer of JPEGs, each with its length in its head.
async function read_jpegs(body, take) {
  const reader = body.getReader(), text = new TextDecoder("latin1");
  let held = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const both = new Uint8Array(held.length + value.length);
    both.set(held);
    both.set(value, held.length);
    held = both;
    for (;;) {
      const head = /Content-Length: (\d+)\r\n\r\n/.exec(text.decode(held.subarray(0, 300)));
      const from = head ? head.index + head[0].length : 0, until = head ? from + Number(head[1]) : Infinity;
      if (until > held.length) break;
      take(held.slice(from, until));
      held = held.subarray(until);
    }
    if (held.length > MOST_JPEG) throw new Error("no JPEG is that large");
  }
}

async function refusal(answer) {
  const error = new Error((await answer.text()).trim());
  if (answer.status === 401 || answer.status === 403) error.way = "ticket";
  else if (answer.status === 503 || answer.status === 429) {
    error.way = "full";
    error.message = answer.status === 503 ? "Every seat is taken. Waiting for one…" : "";
    error.wait_ms = 1000 * (Number(answer.headers.get("Retry-After")) || 5);
  } else if (answer.status === 406) error.way = "unable";
  return error;
}

async function ice_servers() {
  let answer;
  try { answer = await fetch("/whep", { method: "HEAD" }); } catch (error) { error.way = "gone"; throw error; }
  if (!answer.ok) throw await refusal(answer);
  const said = answer.headers.get("Link") || "";
  return [...said.matchAll(/<([^>]+)>\s*;([^<]*)/g)].filter((one) => /rel="ice-server"/.test(one[2])).map((one) => {
    const part = (name) => (new RegExp(`${name}="([^"]*)"`).exec(one[2]) || [])[1];
    const server = { urls: one[1] };
    if (part("username")) { server.username = part("username"); server.credential = part("credential"); }
    return server;
  });
}

// A link may bring its token behind the #, where no log and no other site sees it; pasted where
// the page is open already, it loads nothing anew.
const token_of_link = () => new URLSearchParams(location.hash.slice(1)).get("token");

export async function enter_by_link(form) {
  const token = token_of_link();
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  form.querySelector("[role=alert]").textContent = await enter(token);
  form.hidden = true;
}

export function on_link(then) {
  addEventListener("hashchange", () => { if (token_of_link()) then(); });
}

export async function enter(token) {
  const answer = await fetch("/enter", { method: "POST", body: token }).catch(() => null);
  if (!answer) return "The line is down. Try again.";
  if (answer.ok) return "";
  return answer.status === 429 ? "Too many tries. Wait half a minute." : "That token is not known here.";
}

// null is nobody's; undefined: there was no answer.
export async function my_role() {
  const answer = await fetch("/me").catch(() => null);
  return answer && answer.ok ? (await answer.json()).role : undefined;
}

// Ask for the token until there is one that is good enough.
export function ask_ticket(form, then) {
  const field = form.querySelector("input"), alert = form.querySelector("[role=alert]");
  form.hidden = false;
  field.focus();
  form.onsubmit = async (event) => {
    event.preventDefault();
    alert.textContent = await enter(field.value.trim());
    if (alert.textContent) return field.select();
    form.hidden = true;
    field.value = "";
    then();
  };
}
