"""Limits: how often one address may ask, how much it may send, how long it may take."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

MOST_ADDRESSES = 4096
HEADERS_S = 10.0  # from a connection to its first request
BODY_S = 15.0
MOST_CONNECTIONS = 96  # of one address; a browser opens six


class Bucket:
    """Tokens that trickle in at `rate` a second, at most `burst` of them. The caller has the clock.

    One bucket for each of the last few thousand keys; a key that was forgotten begins full.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst = rate, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now_s: float, cost: float = 1.0) -> bool:
        """Take from the key's bucket; False where it has too little."""
        left, then_s = self._left.pop(key, (self.burst, now_s))
        left = min(self.burst, left + self.rate * max(0.0, now_s - then_s))
        enough = left >= cost
        self._left[key] = (left - cost if enough else left, now_s)
        while len(self._left) > MOST_ADDRESSES:
            self._left.popitem(last=False)
        return enough

    def has(self, key: str, now_s: float, cost: float = 1.0) -> bool:
        """Whether there is enough, without taking it."""
        return self.take(key, now_s, 0.0) and self._left[key][0] >= cost


async def read_body(request: web.Request, most_bytes: int) -> bytes:
    """A request's body; 413 where it is larger, 408 where it takes longer."""
    said = request.content_length
    if said is not None and said > most_bytes:
        raise _too_large(most_bytes, said)
    data = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.content.iter_chunked(65536):
                data += part
                if len(data) > most_bytes:
                    raise _too_large(most_bytes, len(data))
    except TimeoutError as err:
        raise web.HTTPRequestTimeout(text="too slow\n") from err
    except web.RequestPayloadError as err:
        raise web.HTTPBadRequest(text="the body is not what its headers say\n") from err
    return bytes(data)


def _too_large(most: int, said: int) -> web.HTTPException:
    words = f"{most >> 20} MB" if most >= 1 << 20 else f"{most} bytes"
    return web.HTTPRequestEntityTooLarge(most, said, text=f"larger than {words}\n")


class Malformed(logging.Filter):
    """Keeps out of the log what strangers send that is no HTTP: aiohttp has a traceback for each,
    before anybody is asked for a token. A fault of ours is let through."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is for the log."""
        err = record.exc_info[1] if record.exc_info else None
        strange = isinstance(err, HttpProcessingError | web.RequestPayloadError)
        self.count += strange
        return not strange


class Gate:
    """Makes the protocol of every connection, and ends those that never say what they want."""

    def __init__(self, make: Callable[[], RequestHandler], headers_s: float = HEADERS_S) -> None:
        self._make, self._headers_s = make, headers_s
        self._open: set[RequestHandler] = set()
        self._spoke: set[object] = set()
        self.slow = self.crowded = 0

    def __call__(self) -> RequestHandler:
        handler = self._make()
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._admit, handler)  # after it has its transport
        loop.call_later(self._headers_s, self._ask, handler)
        return handler

    def spoke(self, request: web.Request) -> None:
        """A request came in whole."""
        self._spoke.add(request.protocol)

    @property
    def connections(self) -> int:
        """How many are open."""
        return sum(handler.transport is not None for handler in self._open)

    def _admit(self, handler: RequestHandler) -> None:
        self._open = {other for other in self._open if other.transport is not None}
        self._spoke &= self._open
        mine = _address(handler)
        same = sum(_address(other) == mine for other in self._open)
        if same >= MOST_CONNECTIONS and handler.transport is not None:
            self.crowded += 1
            handler.transport.abort()
            return
        self._open.add(handler)

    def _ask(self, handler: RequestHandler) -> None:
        if handler not in self._spoke and handler.transport is not None:
            self.slow += 1
            handler.transport.abort()


def _address(handler: RequestHandler) -> str | None:
    if handler.transport is None:
        return None
    peer = handler.transport.get_extra_info("peername")
    return str(peer[0]) if peer else ""
