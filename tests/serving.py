"""A page that is really served: a server in a loop of its own thread, over a test card."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import Any, TypeVar

from trainjourney.controls.desk import Desk
from trainjourney.inference.bundle import Look
from trainjourney.journey.picture import load_picture
from trainjourney.outputs.testcard import TestCard
from trainjourney.outputs.web.server import Server, Show, serve
from trainjourney.settings import WebConfig, WebrtcConfig
from trainjourney.show.network import end_tasks
from trainjourney.types import Frames

T = TypeVar("T")
FPS = 30.0
CHROMIUM = Path("/usr/bin/chromium")
CHROMIUM_ARGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


@dataclass
class Answer:
    """What a server said."""

    status: int
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def data(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    """A server that runs, and its loop."""

    server: Server
    loop: asyncio.AbstractEventLoop
    desk: Desk
    tasks: list[Any] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.server.address.rstrip("/")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def run(self, work: Coroutine[Any, Any, T], wait_s: float = 20.0) -> T:
        """A coroutine in the server's loop, from the test's thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(wait_s)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request, and what came back, whatever it is."""
        request = urllib.request.Request(self.url + path, body, dict(headers or {}), method=method)
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as err:
            with err:
                return Answer(err.code, err.headers, err.read())


@contextmanager
def served(
    frames: Frames | None = None,
    desk: Desk | None = None,
    looks: Callable[[], Mapping[int, Look]] = dict,
    status: Callable[[], Mapping[str, Any]] = dict,
    tokens: Path | None = None,
    folder: Path | None = None,
    port: int = 0,
    listen: str = "127.0.0.1",
    requests: int = 500,
    viewers: int = 50,
    hosts: str = "",
    webrtc: Mapping[str, Any] | None = None,
    presets: Callable[[], Sequence[int]] = list,
) -> Iterator[Served]:
    """A page over a small test card, while the block lasts."""
    desk = desk or Desk()
    show = Show(
        frames or TestCard(256, 128, FPS), desk, FPS, load_picture, looks, status, folder,
        lambda: float(desk.values()["speed"]), presets=presets,
    )  # fmt: skip
    config = WebConfig(
        port=port,
        listen=listen,
        tokens=str(tokens or "/nonexistent/tokens.json"),
        requests=requests,
        hosts=hosts,
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loop")
    thread.start()
    try:
        made = serve(show, config, WebrtcConfig(viewers=viewers, kbps=800, **(webrtc or {})))
        server = asyncio.run_coroutine_threadsafe(made, loop).result(10)
        try:
            yield Served(server, loop, desk)
        finally:
            asyncio.run_coroutine_threadsafe(server.close(), loop).result(20)
    finally:
        asyncio.run_coroutine_threadsafe(end_tasks(), loop).result(10)
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def wait_for(true: Callable[[], object], wait_s: float = 10.0, what: str = "") -> None:
    """Until it is true; fails with `what` where that takes too long."""
    until = threading.Event()
    for _ in range(int(wait_s / 0.02)):
        if true():
            return
        until.wait(0.02)
    raise AssertionError(f"not within {wait_s} s: {what or true}")
