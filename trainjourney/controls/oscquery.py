"""OSCQuery: the controls as a tree of JSON over HTTP, and their news over a WebSocket.

After the OSCQuery proposal (Vidvox 2018): attributes by query (?VALUE, ?HOST_INFO), LISTEN and
IGNORE as text, OSC messages as binary both ways. Lives in an aiohttp application of someone else,
who also says who may come in.
"""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from trainjourney.controls.desk import Desk
from trainjourney.controls.osc import Ear
from trainjourney.controls.osc_feedback import PERIOD_S, source_name
from trainjourney.controls.osc_intake import Sender
from trainjourney.controls.osc_message import MOST_BYTES, write_message
from trainjourney.controls.osc_table import ADDRESSES, MAIN, Address, Values
from trainjourney.controls.parameters import SLOTS
from trainjourney.settings import OscConfig
from trainjourney.types import Change

log = logging.getLogger(__name__)

MOST_SOCKETS = 32
SEND_S = 5.0  # a listener that takes longer to take a message is let go
ATTRIBUTES = (
    "FULL_PATH", "CONTENTS", "TYPE", "ACCESS", "VALUE", "RANGE", "DESCRIPTION", "CLIPMODE", "UNIT",
)  # fmt: skip
EXTENSIONS = (*ATTRIBUTES[3:], "LISTEN", "IGNORE", "PATH_CHANGED")
Slots = Callable[[], Mapping[int, str]]  # the names in the bank by their slots
Node = dict[str, Any]
_OF_CONTROL = {  # the addresses that tell of a control
    control: [a for a in ADDRESSES.values() if control in a.controls and not a.triggers]
    for control in MAIN
}


def describe(address: Address, values: Values, names: Mapping[int, str]) -> Node:
    """The attributes of one address."""
    path, parameter = address.path, address.parameters[0]
    node: Node = {"FULL_PATH": path, "DESCRIPTION": address.help}
    if address.triggers:
        if address.button is not None and address.button in names:
            node["DESCRIPTION"] = f"Melt to {names[address.button]}."
        return node | {"TYPE": "I", "ACCESS": 2}
    said = _by_slot(address, values, names)
    node |= {"ACCESS": 3, "VALUE": said}
    if parameter.kind == "toggle":
        return node | {"TYPE": "T" if said[0] else "F", "VALUE": [bool(said[0])]}
    low, high = parameter.low, parameter.high
    if parameter.kind == "number":
        kind, limits = "f", (low, high) if address.raw else (0.0, 1.0)
    else:
        kind, limits = "i", (int(low), max(names, default=int(high)) if names else int(high))
    bounds: Node = {"MIN": limits[0], "MAX": limits[1]}
    if parameter.kind == "choice":
        bounds = {"VALS": list(range(len(parameter.choices)))}
    count = len(address.controls)
    if address.raw and parameter.unit:
        node["UNIT"] = [parameter.unit] * count
    return node | {"TYPE": kind * count, "RANGE": [bounds] * count, "CLIPMODE": ["both"] * count}


def _by_slot(address: Address, values: Values, names: Mapping[int, str]) -> list[Any]:
    """What an address is set to; a look by its slot, for the type of a node does not change."""
    said = list(address.arguments(values))
    if isinstance(said[0], str):
        slots = {name.casefold(): slot for slot, name in names.items()}
        number = int(said[0]) if said[0].isascii() and said[0].isdecimal() else 0
        said[0] = slots.get(said[0].casefold(), min(number, SLOTS))
    return said


def find_node(path: str, values: Values, names: Mapping[int, str]) -> Node | None:
    """The node at a path with all beneath it; None if there is none.

    With `names` only slots that have a look are there.
    """
    path = "/" + path.strip("/")
    found: Node | None = None
    for address in ADDRESSES.values():
        inside = address.path == path or address.path.startswith(path.rstrip("/") + "/")
        if not inside or (names and _slot(address) not in (None, *names)):
            continue
        found = found or {"FULL_PATH": path, "ACCESS": 0}
        node, at = found, path.rstrip("/")
        for part in [part for part in address.path[len(at) :].split("/") if part]:
            at += f"/{part}"
            node = node.setdefault("CONTENTS", {}).setdefault(part, {"FULL_PATH": at, "ACCESS": 0})
        node |= describe(address, values, names)
    return found


def _slot(address: Address) -> int | None:
    return next((int(part) for part in address.path.split("/") if part.isdecimal()), None)


@dataclass
class _Listener:
    socket: web.WebSocketResponse
    sender: Sender
    paths: set[str] = field(default_factory=set)
    pending: dict[str, bytes] = field(default_factory=dict)  # path -> message, the newest


class OscQuery:
    """The handlers; one for a show. `close` when the application ends."""

    def __init__(self, desk: Desk, osc_port: int, slots: Slots = dict, name: str = "") -> None:
        self._desk, self._slots = desk, slots
        self._host_info = {
            "NAME": name or "Trainjourney",
            "OSC_PORT": osc_port,
            "OSC_TRANSPORT": "UDP",
            "EXTENSIONS": dict.fromkeys(EXTENSIONS, True),
        }
        # Whoever came this far may turn controls: the application asked for the token.
        self.ear = Ear(desk, OscConfig(allow="0.0.0.0/0, ::/0", feedback=""))
        self._listeners: list[_Listener] = []
        self._lock = threading.Lock()
        self._serial = 0
        self.close = desk.listen(self._note)

    def routes(self) -> list[web.RouteDef]:
        """What is to be added to the application, beside `root` at its page."""
        return [web.get("/train", self.answer), web.get("/train/{path:.*}", self.answer)]

    async def root(self, request: web.Request) -> web.StreamResponse | None:
        """The answer to a request for / where OSCQuery is meant; None where a page is."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self.listen(request)
        if request.query_string.split("&")[0] not in ("", *ATTRIBUTES, "HOST_INFO"):
            return None
        if not request.query_string and "text/html" in request.headers.get("Accept", ""):
            return None
        return await self.answer(request)

    async def answer(self, request: web.Request) -> web.Response:
        """JSON of a node or of one of its attributes; 204, 400 and 404 as the proposal has it."""
        asked = request.query_string.split("&")[0].partition("=")[0]
        if asked == "HOST_INFO":
            return web.json_response(self._host_info)
        if asked and asked not in ATTRIBUTES:
            return web.json_response({"error": "no such attribute"}, status=400)
        node = find_node(request.path, self._desk.values(), self._slots())
        if node is None:
            return web.json_response({"error": "no such address"}, status=404)
        if asked and asked not in node:
            return web.Response(status=204)
        return web.json_response({asked: node[asked]} if asked else node)

    async def listen(self, request: web.Request) -> web.StreamResponse:
        """A WebSocket: LISTEN and IGNORE, OSC both ways, until the client goes."""
        if len(self._listeners) >= MOST_SOCKETS:
            return web.json_response({"error": "too many listeners"}, status=503)
        socket = web.WebSocketResponse(max_msg_size=MOST_BYTES, heartbeat=20.0)
        await socket.prepare(request)
        self._serial += 1
        one = _Listener(socket, (request.remote or "0.0.0.0", self._serial))  # noqa: S104
        with self._lock:
            self._listeners.append(one)
        telling = asyncio.create_task(self._tell(one))
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._command(one, message.data)
                elif message.type == WSMsgType.BINARY:
                    self.ear.hear(message.data, one.sender, time.monotonic(), time.time())
        finally:
            telling.cancel()
            with self._lock:
                self._listeners.remove(one)
        return socket

    def bank_changed(self) -> None:
        """Other looks are in the bank: those who listen hear of it. In the application's loop."""
        for one in self._listeners:
            one.pending[""] = b""

    def _command(self, one: _Listener, text: str) -> None:
        try:
            said = json.loads(text)
            command, path = said["COMMAND"], said["DATA"]
        except (ValueError, KeyError, TypeError, RecursionError):
            self.ear.counts["refused: no command"] += 1
            return
        if not isinstance(path, str) or path not in ADDRESSES:
            command = None
        if command not in ("LISTEN", "IGNORE"):
            self.ear.counts["refused: no command"] += 1
        elif command == "LISTEN":
            one.paths.add(path)
        else:
            one.paths.discard(path)

    def _note(self, change: Change, source: str) -> None:
        """A control was turned: a listener of the desk, in any thread."""
        with self._lock:
            if not any(one.paths for one in self._listeners):
                return
            values = self._desk.values() | {change.parameter: change.value}
            for address in _OF_CONTROL.get(change.parameter, ()):  # weight.0 has none
                told = [one for one in self._listeners if address.path in one.paths]
                if told:
                    said = _by_slot(address, values, self._slots())
                    data = write_message(address.path, said)
                    for one in told:
                        if source != source_name(one.sender):
                            one.pending[address.path] = data

    async def _tell(self, one: _Listener) -> None:
        """Send what is pending, thirty times a second; end with the client."""
        with suppress(ConnectionError, TimeoutError):
            while not one.socket.closed:
                await asyncio.sleep(PERIOD_S)
                self.ear.tick(time.monotonic(), time.time())
                self.ear.answers.clear()  # it asks by HTTP
                with self._lock:
                    pending, one.pending = one.pending, {}
                async with asyncio.timeout(SEND_S):
                    if pending.pop("", None) is not None:
                        changed = {"COMMAND": "PATH_CHANGED", "DATA": "/train/look"}
                        await one.socket.send_str(json.dumps(changed))
                    for data in pending.values():
                        await one.socket.send_bytes(data)
            return
        await one.socket.close()
