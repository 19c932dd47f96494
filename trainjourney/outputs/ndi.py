"""NDI: the picture on the local network, for programs that mix pictures (optional).

NDI's library is native and closed, so it lives in a process of its own (ndi_source.py), which is
piped the frames; what becomes of it there, the show does not feel.
"""

import asyncio
import json
import logging
import sys
from importlib.util import find_spec
from typing import Any

from trainjourney.errors import OutputError
from trainjourney.settings import NdiConfig
from trainjourney.types import Frame, Frames

log = logging.getLogger(__name__)

IDLE_S = 0.5  # between frames while nobody receives them: who comes has a picture at once
STALLED_S = 5.0  # a process that takes nothing for so long is ended and begun anew
_MOST_LINE = 64 * 1024
_MOST_REASON = 200  # letters


def check_ndi(config: NdiConfig) -> None:
    """Refuse what can be seen to be wrong before the train departs. Raises OutputError."""
    if not config.name:
        return
    if not config.name.isprintable() or config.name != config.name.strip():
        raise OutputError(f"ndi.name: {config.name!r} is no name; give letters, as Train")
    if find_spec("cyndilib") is None:
        raise OutputError(
            "ndi.name: NDI needs cyndilib, which is not installed here; type: pip install '.[ndi]'"
        )


class NdiFeed:
    """Keeps a process that sends by NDI fed with the newest frames, while `run` runs."""

    def __init__(self, frames: Frames, fps: float, config: NdiConfig) -> None:
        self._frames, self._fps, self._name = frames, fps, config.name
        self.source = ""  # as receivers list it, while it is there
        self.receivers = self.sent = 0

    def counts(self) -> dict[str, Any]:
        """For /status and /metrics."""
        on = bool(self.source)
        told = {"on": on, "source": self.source, "receivers": self.receivers, "sent": self.sent}
        return {"ndi": told}

    async def run(self) -> None:
        """Send until cancelled. Raises OutputError where the process ends, and why."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "trainjourney", "ndi-source",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_MOST_LINE,
        )  # fmt: skip
        assert process.stdin and process.stdout
        feeding = asyncio.create_task(self._feed(process.stdin))
        hearing = asyncio.create_task(self._hear(process.stdout))
        try:
            await asyncio.wait({feeding, hearing}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({hearing}, timeout=1.0)  # it may say why
            reasons = [task.result() for task in (hearing, feeding) if task.done()]
            raise OutputError(" ".join(filter(None, reasons)) or "its process ended")
        finally:
            self.source, self.receivers = "", 0
            feeding.cancel()
            hearing.cancel()
            await asyncio.gather(feeding, hearing, return_exceptions=True)
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), 2.0)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _feed(self, stdin: asyncio.StreamWriter) -> str:
        """Frames into the pipe as they are made; without a receiver, now and then one. Why it
        ends."""
        number = 0
        while True:
            if found := self._frames.newest(number):
                if not number:
                    stdin.write(self._order(found[1]))
                number, frame = found
                stdin.write(frame.tobytes())
                try:
                    async with asyncio.timeout(STALLED_S):
                        await stdin.drain()
                except TimeoutError:
                    return f"its process took nothing for {STALLED_S:.0f} s"
                except ConnectionError:
                    return ""
                self.sent += 1
            await asyncio.sleep(0.25 / self._fps if self.receivers else IDLE_S)

    def _order(self, frame: Frame) -> bytes:
        height, width, _ = frame.shape
        order = {"name": self._name, "width": width, "height": height, "fps": self._fps}
        return json.dumps(order).encode() + b"\n"

    async def _hear(self, stdout: asyncio.StreamReader) -> str:
        """What the process tells; why it ends, if it says so."""
        while line := await stdout.readline():
            try:
                told = json.loads(line)
            except ValueError:
                continue  # the library's chatter
            match told:
                case {"source": str(source)}:
                    self.source = source[:_MOST_REASON]
                    log.info("ndi: the picture is on the network as %s", self.source)
                case {"receivers": int(receivers)}:
                    self.receivers = receivers
                case {"failed": str(reason)}:
                    return " ".join(reason.split())[:_MOST_REASON]
        return ""
