"""The server: all doors of the page on one port, in the loop that runs."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp.web_protocol import RequestHandler

from trainjourney.controls.desk import Desk
from trainjourney.errors import WebError
from trainjourney.inference.bundle import Look
from trainjourney.outputs.coding import Codec
from trainjourney.outputs.encoder import Encoder
from trainjourney.outputs.fanout import Fanout
from trainjourney.outputs.opus import SoundEncoder
from trainjourney.outputs.web.access import (
    ROLE,
    Access,
    add_headers,
    check_hosts,
    check_listen,
    is_loopback,
    while_it_lasts,
)
from trainjourney.outputs.web.address import page_address
from trainjourney.outputs.web.driving import Driving, PresetsOf
from trainjourney.outputs.web.health import FrameAge, Health
from trainjourney.outputs.web.jpegs import Jpegs
from trainjourney.outputs.web.limits import Gate, Malformed
from trainjourney.outputs.web.looks import LoadPicture, LookPictures
from trainjourney.outputs.web.tokens import Tokens, default_file, may
from trainjourney.outputs.web.whep import IceServers, Whep
from trainjourney.outputs.webrtc import Viewers
from trainjourney.settings import WebConfig, WebrtcConfig
from trainjourney.types import Frames

log = logging.getLogger(__name__)

PAGES = {"/": "watch.html", "/drive": "drive.html"}
ASSETS = {
    "style.css": "text/css", "watch.js": "text/javascript", "drive.js": "text/javascript",
    "train.js": "text/javascript", "widgets.js": "text/javascript", "icon.svg": "image/svg+xml",
    "manifest.json": "application/manifest+json",
}  # fmt: skip
Root = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
_LOOK_S = 1.0 / 60.0


@dataclass(frozen=True)
class Show:
    """What the page shows and steers: a show, as far as the page knows it."""

    frames: Frames
    desk: Desk
    fps: float
    load: LoadPicture
    looks: Callable[[], Mapping[int, Look]] = dict
    status: Callable[[], Mapping[str, Any]] = dict
    folder: Path | None = None  # of looks, where one dragged in goes
    speed: Callable[[], float] = lambda: 0.0  # x cruising, as it is now: what the sound follows
    counts: Sequence[Callable[[], Mapping[str, Any]]] = field(default=())  # more to count
    presets: PresetsOf = list


class Server:
    """The page, while it is served. Made by `serve`."""

    def __init__(self, show: Show, web_config: WebConfig, webrtc: WebrtcConfig) -> None:
        tokens = check_page(web_config, webrtc)
        self._show, self._config = show, web_config
        self.encoders: dict[Codec, Encoder] = {
            codec: Encoder(show.frames, show.fps, codec, webrtc.kbps) for codec in ("h264", "vp8")
        }
        self.fanouts = {codec: Fanout(encoder) for codec, encoder in self.encoders.items()}
        self.sound = SoundEncoder(show.speed)
        heard = Fanout(self.sound) if webrtc.sound else None
        self.viewers = Viewers(self.fanouts, webrtc.viewers, webrtc.stun, sound=heard)
        self.access = Access(
            web_config.listen, web_config.hosts.split(","), tokens, web_config.requests
        )
        self.age = FrameAge(show.frames)
        self.jpegs = Jpegs(show.frames)
        self.driving = Driving(show.desk, show.looks, show.presets, self._now)
        self.looks = LookPictures(show.looks, show.load, show.folder)
        self.health = Health(self.age, self.counts, show.status)
        self.whep = Whep(self.viewers, IceServers.read(webrtc))
        self.malformed = Malformed()
        self.lag_s = 0.0  # most that the loop was late in the last second
        self._lags_s: deque[float] = deque(maxlen=900)
        self.address = ""
        self._runner: web.AppRunner | None = None
        self._looking: asyncio.Task[None] | None = None
        self._root: Root | None = None

    async def start(
        self, routes: Sequence[web.AbstractRouteDef] = (), root: Root | None = None
    ) -> None:
        """Listen. `routes` are further doors, for the role control. Raises WebError.

        So is `root`: it is asked first what / shall be, and gives None where it is the page.
        """
        if root:
            self._root = self.access.need("control", while_it_lasts(root))  # type: ignore[arg-type]
        app = web.Application(client_max_size=64 * 1024)
        http_log = logging.Logger("http")  # of this server alone: the filter counts
        http_log.parent = log
        http_log.addFilter(self.malformed)
        self._runner = runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=15.0, handle_signals=False,
            max_line_size=8190, max_field_size=8190, shutdown_timeout=2.0, logger=http_log,
        )  # fmt: skip

        def make() -> RequestHandler:
            assert runner.server is not None, "a connection before the set-up"
            return runner.server()

        self.gate = gate = Gate(make)
        app.middlewares.append(self.access.guard(gate))
        app.on_response_prepare.append(add_headers)
        self._add_routes(app, routes)
        await runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._socket = await loop.create_server(
                gate, self._config.listen, self._config.port, backlog=128, reuse_address=True
            )
        except (OSError, OverflowError, UnicodeError) as err:
            await runner.cleanup()
            reason = getattr(err, "strerror", None) or str(err)
            raise WebError(
                f"the page cannot be served at {self._config.listen}:{self._config.port} "
                f"({reason}); give another, as in --set web.port=8411"
            ) from err
        host, port = self._socket.sockets[0].getsockname()[:2]
        self.address = page_address(host, port)
        where = "this machine alone" if is_loopback(host) else "whoever has a token"
        log.info("the page is at %s, for %s", self.address, where)
        self.driving.start()
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Let all viewers go and listen no more."""
        self.driving.stop()
        if self._looking is not None:
            self._looking.cancel()
            self._socket.close()
        await self.viewers.close()
        if self._runner is not None:
            await self._runner.cleanup()
        for encoder in (*self.encoders.values(), self.sound):
            await asyncio.get_running_loop().run_in_executor(None, encoder.close)

    def counts(self) -> dict[str, Any]:
        """What is counted here and by those who joined."""
        figures: dict[str, Any] = {
            "viewers": len(self.viewers),
            "viewers_jpeg": self.jpegs.watching,
            "drivers": len(self.driving),
            "sessions": {
                "opened": self.viewers.opened, "refused": self.viewers.refused,
                "silent": self.viewers.silent,
            },
            "encodes": {codec: one.encodes for codec, one in self.encoders.items()},
            "key_frames": {codec: one.keys for codec, one in self.encoders.items()},
            "dropped": {"viewer": self.viewers.dropped, "jpeg": self.jpegs.stalled}
            | {f"driver_{kind}": n for kind, n in self.driving.refused.items()},
            "refused": dict(self.access.refused)
            | {"slow": self.gate.slow, "crowded": self.gate.crowded}
            | {"malformed": self.malformed.count},
            "connections": self.gate.connections,
            "encoded_bytes": {codec: one.bytes for codec, one in self.encoders.items()},
            "sound": {
                "packets": self.sound.encodes, "bytes": self.sound.bytes,
                "failures": self.sound.failures,
            },
            "loop_lag_s": round(self.lag_s, 4),
            "loop_lag_p99_s": round(self._lag_p99_s(), 4),
        }  # fmt: skip
        for more in self._show.counts:
            figures |= more()
        return figures

    def _lag_p99_s(self) -> float:
        """How late the loop was, the worst in a hundred turns of the last seconds."""
        lags = sorted(self._lags_s)
        return lags[len(lags) * 99 // 100] if lags else 0.0

    def _now(self) -> dict[str, Any]:
        """The few figures that stand on the driving page."""
        status = self._show.status()
        kept = ("fps", "look", "speed", "distance", "world")
        told = {key: status[key] for key in kept if key in status} | {
            "viewers": len(self.viewers) + self.jpegs.watching,
            "age_s": round(min(self.age.age_s, 999.0), 2),
        }
        for more in self._show.counts:
            told |= {key: value for key, value in more().items() if key == "recording"}
        return told

    def _add_routes(self, app: web.Application, more: Sequence[web.AbstractRouteDef]) -> None:
        def add(role: str, method: str, path: str, handler: Handler) -> None:
            if role:
                handler = self.access.need(role, handler)  # type: ignore[arg-type]
            app.router.add_route(method, path, handler)

        for path in PAGES:
            add("", "GET", path, self._page)
        for name in ASSETS:
            add("", "GET", f"/page/{name}", self._asset)
        add("", "POST", "/enter", self.access.enter)
        add("", "POST", "/leave", self.access.leave)
        add("", "GET", "/me", self._me)
        for route in (*self.whep.routes(), *self.jpegs.routes()):
            add("view", *route)
        for route in self.looks.routes():
            add("control", *route)
        add("control", "GET", "/drive/ws", self.driving.connect)
        for role, *rest in self.health.routes():
            add(role, *rest)  # type: ignore[arg-type]
        for further in more:
            assert isinstance(further, web.RouteDef), further
            add("control", further.method, further.path, while_it_lasts(further.handler))

    async def _page(self, request: web.Request) -> web.StreamResponse:
        asked = request.path == "/" and may(request[ROLE], "control")
        if asked and self._root and (answer := await self._root(request)):
            return answer
        return _file(PAGES[request.path], "text/html")

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.path.rpartition("/")[2]
        return _file(name, ASSETS[name])

    async def _me(self, request: web.Request) -> web.Response:
        """What the one who asks may do."""
        return web.json_response({"role": request[ROLE]})

    async def _look(self) -> None:
        """See new frames come, and how late the loop is."""
        loop = asyncio.get_running_loop()
        worst, until_s = 0.0, loop.time() + 1.0
        due_s = loop.time()
        while True:
            due_s = max(due_s + _LOOK_S, loop.time())
            await asyncio.sleep(due_s - loop.time())
            lag_s = loop.time() - due_s
            self._lags_s.append(lag_s)
            worst = max(worst, lag_s)
            if loop.time() > until_s:
                self.lag_s, worst, until_s = worst, 0.0, loop.time() + 1.0
            self.age.look()


def check_page(web_config: WebConfig, webrtc: WebrtcConfig) -> Tokens:
    """The tokens, where the page may be served as the settings say. Raises WebError."""
    path = Path(web_config.tokens).expanduser() if web_config.tokens else default_file()
    tokens = Tokens(path)
    check_listen(web_config.listen, tokens)
    check_hosts(web_config.hosts.split(","))
    IceServers.read(webrtc)
    return tokens


async def serve(
    show: Show,
    web_config: WebConfig,
    webrtc: WebrtcConfig,
    routes: Sequence[web.AbstractRouteDef] = (),
) -> Server:
    """Serve the page in the loop that runs; `close()` what is returned. Raises WebError."""
    server = Server(show, web_config, webrtc)
    await server.start(routes)
    return server


def _file(name: str, kind: str) -> web.Response:
    data = resources.files("trainjourney.outputs.web").joinpath("page", name).read_bytes()
    charset = None if kind.startswith("image/") else "utf-8"
    response = web.Response(body=data, content_type=kind, charset=charset)
    response.headers["Cache-Control"] = "no-cache"
    return response
