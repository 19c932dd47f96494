"""The picture as JPEGs, for whoever WebRTC cannot reach. Each is made once, for all who look.

`/stream.mjpeg` is an endless picture that any browser shows in an <img>; `/frame.jpg` is one.
"""

import asyncio
import io
import time
from collections.abc import Sequence

from aiohttp import web
from aiohttp.typedefs import Handler
from PIL import Image

from trainjourney.outputs.web.access import LASTS
from trainjourney.types import Frame, Frames

FPS = 15.0
MOST_WATCHING = 12
QUALITY = 82
STALLED_S = 8.0  # a viewer who takes nothing for so long is let go
_BOUNDARY = "frame"


class Jpegs:
    """The newest frame as a JPEG. Used in the loop; the work is done in its thread pool."""

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._number = 0
        self._jpeg = b""
        self._made_s = 0.0
        self._lock = asyncio.Lock()
        self.watching = self.made = self.stalled = 0

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Method, path and handler; all for the role view."""
        return [("GET", "/stream.mjpeg", self.stream), ("GET", "/frame.jpg", self.frame)]

    async def newest(self) -> tuple[int, bytes]:
        """The newest frame's number and JPEG, no more than FPS times a second; 0 before one."""
        async with self._lock:
            if time.monotonic() - self._made_s >= 1.0 / FPS:
                newest = self._frames.newest(self._number)
                if newest is not None:
                    loop = asyncio.get_running_loop()
                    self._jpeg = await loop.run_in_executor(None, to_jpeg, newest[1])
                    self._number, self._made_s = newest[0], time.monotonic()
                    self.made += 1
            return self._number, self._jpeg

    async def frame(self, request: web.Request) -> web.Response:
        """One picture."""
        number, jpeg = await self.newest()
        if not number:
            raise web.HTTPServiceUnavailable(headers={"Retry-After": "1"}, text="no frame yet\n")
        return web.Response(body=jpeg, content_type="image/jpeg")

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Pictures until the viewer goes, or takes none."""
        if self.watching >= MOST_WATCHING:
            raise web.HTTPServiceUnavailable(
                headers={"Retry-After": "10"}, text="all places are taken\n"
            )
        response = web.StreamResponse()
        response.content_type = "multipart/x-mixed-replace"
        response.headers["Content-Type"] = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        self.watching += 1
        try:
            await response.prepare(request)
            shown = 0
            while request[LASTS]():
                number, jpeg = await self.newest()
                if number != shown:
                    shown = number
                    head = (
                        f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
                        f"Content-Length: {len(jpeg)}\r\n\r\n"
                    )
                    async with asyncio.timeout(STALLED_S):
                        await response.write(head.encode() + jpeg + b"\r\n")
                await asyncio.sleep(1.0 / FPS)
        except TimeoutError:
            self.stalled += 1
            if request.transport is not None:
                request.transport.abort()
        except (ConnectionError, web.HTTPException):
            pass  # gone
        finally:
            self.watching -= 1
        return response


def to_jpeg(frame: Frame, quality: int = QUALITY) -> bytes:
    """A frame as a JPEG."""
    out = io.BytesIO()
    Image.fromarray(frame).save(out, "JPEG", quality=quality)
    return out.getvalue()
