"""An Ear with a clock of its own, and a real OSC server in a thread: for the tests of OSC."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from trainjourney.controls.desk import Desk
from trainjourney.controls.osc import Ear, OscServer
from trainjourney.controls.osc_message import write_message
from trainjourney.settings import OscConfig

SENDER = ("127.0.0.1", 5000)


class Said:
    """An Ear, what its desk heard, and a clock that stands unless it is moved."""

    def __init__(self, **settings: object) -> None:
        self.desk = Desk()
        self.ear = Ear(self.desk, OscConfig(**settings))  # type: ignore[arg-type]
        self.now_s = 100.0
        self.heard: list[tuple[str, float | str]] = []
        self.desk.listen(lambda change, _: self.heard.append((change.parameter, change.value)))
        self.desk.listen(self.ear.feedback.note)

    @property
    def clock_s(self) -> float:
        """Unix time."""
        return 1_700_000_000.0 + self.now_s

    def say(self, address: str, *arguments: object, sender: tuple[str, int] = SENDER) -> None:
        """One message."""
        self.send(write_message(address, arguments), sender)  # type: ignore[arg-type]

    def send(self, data: bytes, sender: tuple[str, int] = SENDER) -> None:
        """One datagram."""
        self.ear.hear(data, sender, self.now_s, self.clock_s)

    def wait(self, seconds: float) -> None:
        """Move the clock, and tick."""
        self.now_s += seconds
        self.ear.tick(self.now_s, self.clock_s)


@contextmanager
def osc_server(desk: Desk, **settings: object) -> Iterator[OscServer]:
    """A server at a free port of the loopback, in a loop in a thread."""
    server = OscServer(desk, OscConfig(port=0, **settings))  # type: ignore[arg-type]
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def call(what: str) -> None:
        getattr(server, what)()

    try:
        asyncio.run_coroutine_threadsafe(call("start"), loop).result(5)
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(call("close"), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
