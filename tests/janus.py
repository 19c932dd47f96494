"""A real SFU: Janus from Debian with one video room, and the WHIP door that Janus itself lacks.

The door does what Meetecho's WHIP server does: an offer becomes a publisher of the room.
"""

import asyncio
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

PLUGINS = next(Path("/usr/lib").glob("*/janus/plugins"), Path("/nonexistent"))
TRANSPORTS = PLUGINS.parent / "transports"
ROOM = 1234
TOKEN = "a-ticket-for-the-sfu"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@contextmanager
def janus(folder: Path) -> Iterator[str]:
    """Janus while the block lasts; its HTTP address."""
    port = free_port()
    files = {
        "janus.jcfg": f"""
general: {{ configs_folder = "{folder}" plugins_folder = "{PLUGINS}"
  transports_folder = "{TRANSPORTS}" debug_level = 3 }}
media: {{ ipv6 = false }}
nat: {{ ice_ignore_list = "vmnet" }}
plugins: {{ disable = "{",".join(p.name for p in PLUGINS.glob("*.so") if "videoroom" not in p.name)}" }}
transports: {{ disable = "{",".join(p.name for p in TRANSPORTS.glob("*.so") if "http" not in p.name)}" }}
""",  # noqa: E501
        "janus.transport.http.jcfg": f"""
general: {{ json = "compact" base_path = "/janus" http = true port = {port} https = false
  ip = "127.0.0.1" }}
admin: {{ admin_http = false }}
cors: {{ allow_origin = "*" }}
""",
        "janus.plugin.videoroom.jcfg": f"""
room-{ROOM}: {{ description = "Train" publishers = 3 bitrate = 4000000 fir_freq = 0
  videocodec = "h264" audiocodec = "opus" }}
""",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        ["janus", "-F", str(folder), "-C", str(folder / "janus.jcfg"), "-o"],
        stdout=log, stderr=log, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()[-2000:]
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/janus"
    finally:
        process.terminate()
        process.wait(10)
        log.close()


@dataclass
class Door:
    """WHIP in front of a Janus."""

    janus: str
    http: aiohttp.ClientSession
    sessions: dict[str, str] = field(default_factory=dict)
    posts: int = 0
    ended: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def ask(self, place: str, **body: Any) -> Any:
        body |= {"transaction": uuid.uuid4().hex}
        async with self.http.post(place, json=body) as answer:
            return await answer.json()

    async def create(self, request: web.Request) -> web.Response:
        """POST: an offer for an answer."""
        self.posts += 1
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise web.HTTPUnauthorized
        made = await self.ask(self.janus, janus="create")
        session = f"{self.janus}/{made['data']['id']}"
        attached = await self.ask(session, janus="attach", plugin="janus.plugin.videoroom")
        handle = f"{session}/{attached['data']['id']}"
        join = {"request": "joinandconfigure", "ptype": "publisher", "room": ROOM, "video": True}
        offer = {"type": "offer", "sdp": await request.text()}
        await self.ask(handle, janus="message", body=join, jsep=offer)
        async with asyncio.timeout(10):
            while True:
                async with self.http.get(session, params={"maxev": "1"}) as events:
                    event = await events.json()
                event = event[0] if isinstance(event, list) else event
                if "jsep" in event:
                    break
        name = uuid.uuid4().hex
        self.sessions[name] = session
        keep = asyncio.create_task(self._keep(session))
        self.tasks.add(keep)
        return web.Response(
            status=201, text=event["jsep"]["sdp"], content_type="application/sdp",
            headers={"Location": f"/whip/{name}"},
        )  # fmt: skip

    async def page(self, request: web.Request) -> web.Response:
        """An empty page: from about:blank a browser asks nothing of this machine."""
        return web.Response(text="<!doctype html>", content_type="text/html")

    async def end(self, request: web.Request) -> web.Response:
        """DELETE: the publisher goes."""
        self.ended += 1
        await self.ask(self.sessions.pop(request.match_info["name"]), janus="destroy")
        return web.Response()

    async def _keep(self, session: str) -> None:
        while True:
            await asyncio.sleep(10)
            await self.ask(session, janus="keepalive")


@asynccontextmanager
async def whip_door(janus_url: str, port: int) -> AsyncIterator[Door]:
    """The door, at /whip of that port, while the block lasts."""
    async with aiohttp.ClientSession() as http:
        door = Door(janus_url, http)
        app = web.Application()
        app.router.add_post("/whip", door.create)
        app.router.add_get("/", door.page)
        app.router.add_delete("/whip/{name}", door.end)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield door
        finally:
            for task in door.tasks:
                task.cancel()
            await runner.cleanup()


# What a watching page does: subscribe to the one publisher of the room, and answer Janus's offer.
WATCH = """async ([janus, room]) => {
  const ask = async (place, body) => (await fetch(place, {method: "POST",
    body: JSON.stringify({...body, transaction: String(Math.random())})})).json();
  const session = `${janus}/${(await ask(janus, {janus: "create"})).data.id}`;
  const attach = {janus: "attach", plugin: "janus.plugin.videoroom"};
  const handle = `${session}/${(await ask(session, attach)).data.id}`;
  const list = await ask(handle, {janus: "message", body: {request: "listparticipants", room}});
  const feed = list.plugindata.data.participants.find(one => one.publisher);
  if (!feed) return "nobody publishes";
  await ask(handle, {janus: "message", body: {request: "join", ptype: "subscriber", room,
    streams: [{feed: feed.id}]}});
  let offer;
  while (!offer) {
    const event = await (await fetch(`${session}?maxev=1`)).json();
    offer = (Array.isArray(event) ? event[0] : event).jsep;
  }
  const peer = new RTCPeerConnection({iceServers: []});
  const video = document.createElement("video");
  video.muted = video.autoplay = video.playsInline = true;
  document.body.append(video);
  window.seen = 0;
  peer.ontrack = (event) => {
    video.srcObject = new MediaStream([event.track]);
    const shown = () => { window.seen += 1; video.requestVideoFrameCallback(shown); };
    video.requestVideoFrameCallback(shown);
  };
  await peer.setRemoteDescription(offer);
  await peer.setLocalDescription();
  await new Promise(done => { peer.onicegatheringstatechange = done; setTimeout(done, 1500); });
  await ask(handle, {janus: "message", body: {request: "start"},
    jsep: {type: "answer", sdp: peer.localDescription.sdp}});
  setInterval(() => ask(session, {janus: "keepalive"}), 10000);
  return "watching";
}"""
