"""Driving: one WebSocket for every control, both ways. Many may drive at once.

To the page go first {"hello": the table, the values, the looks, the presets' numbers}, then
{"turns": [[name, value, source], ...]} at most thirty times a second, the latest of each control in
the order of their turns, with the presets anew where one was stored; once a second {"now": ...}
with the looks anew where they changed. From the page come {"turn": [name, value]}. A page that
does not read holds up nobody: what it has not taken is overwritten by what came later.
"""

import asyncio
import json
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from aiohttp import WSMsgType, web

from trainjourney.controls.desk import Desk
from trainjourney.controls.parameters import PARAMETERS
from trainjourney.inference.bundle import Look
from trainjourney.outputs.web.access import LASTS
from trainjourney.outputs.web.limits import Bucket
from trainjourney.types import Change

log = logging.getLogger(__name__)

PERIOD_S = 1.0 / 30.0
STALLED_S = 10.0
MOST_DRIVERS = 16
MOST_MESSAGE = 1024  # bytes
MESSAGES_PER_S = 240.0
PATIENCE = 2000  # messages over the rate before the socket is closed

LooksOf = Callable[[], Mapping[int, Look]]
PresetsOf = Callable[[], Sequence[int]]  # the presets that there are, by number


class Driver:
    """One page that drives: what it has not been told yet, by control."""

    def __init__(self, name: str, request: web.Request) -> None:
        self.name, self.request = name, request
        self.wake = asyncio.Event()
        self.due: dict[str, list[Any]] = {}
        self.looks: object = None  # those it was told of
        self.presets: object = None


class Driving:
    """All who drive. Lives in the loop; the desk may be turned from any thread."""

    def __init__(
        self, desk: Desk, looks: LooksOf, presets: PresetsOf, now: Callable[[], dict[str, Any]]
    ) -> None:
        """`now` says how the show is, in a few words for the page."""
        self._desk, self._looks, self._presets, self._now = desk, looks, presets, now
        self._drivers: dict[str, Driver] = {}
        self._lock = threading.Lock()
        self._heard: dict[str, list[Any]] = {}
        self._rate = Bucket(MESSAGES_PER_S, 2 * MESSAGES_PER_S)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unlisten: Callable[[], None] = lambda: None
        self.refused = {"message": 0, "rate": 0, "full": 0, "stalled": 0}

    def __len__(self) -> int:
        return len(self._drivers)

    def start(self) -> None:
        """Listen to the desk, in the loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._unlisten = self._desk.listen(self._hear)

    def stop(self) -> None:
        """Listen no more."""
        self._unlisten()

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """A page's WebSocket, until either side ends it."""
        if len(self._drivers) >= MOST_DRIVERS:
            self.refused["full"] += 1
            raise web.HTTPServiceUnavailable(
                headers={"Retry-After": "10"}, text="all places are taken\n"
            )
        socket = web.WebSocketResponse(
            heartbeat=20.0, max_msg_size=MOST_MESSAGE, compress=False, timeout=2.0
        )
        driver = Driver(f"web {secrets.token_hex(2)}", request)
        self._drivers[driver.name] = driver
        try:
            await socket.prepare(request)
            telling = asyncio.create_task(self._tell(socket, driver))
            try:
                await self._take(socket, driver)
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
        except ConnectionError:
            pass  # gone
        finally:
            self._drivers.pop(driver.name, None)
        return socket

    def hello(self, driver: Driver) -> dict[str, Any]:
        """All that a page needs to draw itself."""
        driver.looks, driver.presets = self._list_looks(), self._presets()
        return {
            "hello": {
                "you": driver.name,
                "table": [_row(p) for p in map(asdict, PARAMETERS.values())],
                "values": self._desk.values(),
                "looks": driver.looks,
                "presets": driver.presets,
                "now": self._now(),
            }
        }

    def _hear(self, change: Change, source: str) -> None:
        """The desk was turned, in whatever thread."""
        with self._lock:
            first = not self._heard
            self._heard.pop(change.parameter, None)  # in the order of the last turns
            self._heard[change.parameter] = [change.parameter, change.value, source]
        if first and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._spread)

    def _spread(self) -> None:
        with self._lock:
            heard, self._heard = self._heard, {}
        for driver in self._drivers.values():
            kept = {name: turn for name, turn in driver.due.items() if name not in heard}
            driver.due = kept | heard
            driver.wake.set()

    async def _tell(self, socket: web.WebSocketResponse, driver: Driver) -> None:
        await self._send(socket, driver, self.hello(driver))
        told_s = time.monotonic()
        while not socket.closed:
            try:
                async with asyncio.timeout(1.0):
                    await driver.wake.wait()
            except TimeoutError:
                pass
            driver.wake.clear()
            turns, driver.due = list(driver.due.values()), {}
            message: dict[str, Any] = {"turns": turns} if turns else {}
            presets = self._presets()
            if presets != driver.presets:
                driver.presets = message["presets"] = presets
            if time.monotonic() - told_s >= 1.0:
                if not driver.request[LASTS]():
                    await socket.close(code=1008, message=b"the token was revoked")
                    return
                told_s = time.monotonic()
                message["now"] = self._now() | {"drivers": len(self)}
                looks = self._list_looks()
                if looks != driver.looks:
                    driver.looks = message["looks"] = looks
            if message:
                await self._send(socket, driver, message)
            await asyncio.sleep(PERIOD_S)

    async def _send(
        self, socket: web.WebSocketResponse, driver: Driver, message: dict[str, Any]
    ) -> None:
        try:
            async with asyncio.timeout(STALLED_S):
                await socket.send_str(json.dumps(message, separators=(",", ":")))
        except TimeoutError:
            self.refused["stalled"] += 1
            if driver.request.transport is not None:
                driver.request.transport.abort()
            raise ConnectionResetError("the page does not read") from None

    async def _take(self, socket: web.WebSocketResponse, driver: Driver) -> None:
        over = 0
        async for message in socket:
            if not self._rate.take(driver.name, time.monotonic()):
                over += 1
                self.refused["rate"] += 1
                if over > PATIENCE:
                    await socket.close(code=1008, message=b"too many messages")
                    return
                continue
            if message.type is not WSMsgType.TEXT or not self._turn(message.data, driver.name):
                self.refused["message"] += 1

    def _turn(self, text: str, source: str) -> bool:
        try:
            match json.loads(text):
                case {"turn": [str(name), str() | int() | float() as value]}:
                    value = value if isinstance(value, str) else float(value)
                    return self._desk.turn(Change(name, value, time.monotonic()), source)
        except (ValueError, RecursionError, OverflowError):
            pass
        return False

    def _list_looks(self) -> list[dict[str, Any]]:
        return [
            {"slot": slot, "name": look.name, "picture": f"/looks/{slot}.jpg?{_mark(look)}"}
            for slot, look in sorted(self._looks().items())
        ]


def _mark(look: Look) -> str:
    """Differs where the picture of a slot differs, so that a browser may keep it."""
    return f"{hash((look.name, str(look.picture))) & 0xFFFFFFFF:08x}"


def _row(parameter: Mapping[str, Any]) -> dict[str, Any]:
    kept: Sequence[str] = (
        "name", "low", "high", "default", "unit", "help", "kind", "group", "choices", "slots", "osc"
    )  # fmt: skip
    return {key: parameter[key] for key in kept}
