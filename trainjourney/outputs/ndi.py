"""NDI: the picture on the local network, for programs that mix pictures (optional).

NDI's library is native and closed, so it lives in a process of its own (ndi_source.py), which is
piped the frames; what becomes of it there, the show does not feel.
"""

import asyncio
import json
import logging
from importlib.util import find_spec
from typing import Any

from trainjourney.errors import OutputError
from trainjourney.outputs.child import hand_over, run_child
from trainjourney.settings import NdiConfig
from trainjourney.types import Frame, Frames

log = logging.getLogger(__name__)

IDLE_S = 0.5  # between frames while nobody receives them: who comes has a picture at once
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
        self._failed = ""  # why it cannot be begun, in the process's words

    def counts(self) -> dict[str, Any]:
        """For /status and /metrics."""
        on = bool(self.source)
        told = {"on": on, "source": self.source, "receivers": self.receivers, "sent": self.sent}
        return {"ndi": told}

    async def run(self) -> None:
        """Send until cancelled. Raises OutputError where the process ends, and why."""
        self._failed = ""
        try:
            reason = await run_child("ndi-source", self._feed, self._hear)
        finally:
            self.source, self.receivers = "", 0
        raise OutputError(self._failed or reason or "its process ended")

    async def _feed(self, stdin: asyncio.StreamWriter) -> None:
        """Frames into the pipe as they are made; without a receiver, now and then one."""
        number = 0
        while True:
            if found := self._frames.newest(number):
                if not number:
                    stdin.write(self._order(found[1]))
                number, frame = found
                await hand_over(stdin, frame.tobytes())
                self.sent += 1
            await asyncio.sleep(0.25 / self._fps if self.receivers else IDLE_S)

    def _order(self, frame: Frame) -> bytes:
        height, width, _ = frame.shape
        order = {"name": self._name, "width": width, "height": height, "fps": self._fps}
        return json.dumps(order).encode() + b"\n"

    def _hear(self, told: Any) -> None:
        match told:
            case {"source": str(source)}:
                self.source = source[:_MOST_REASON]
                log.info("ndi: the picture is on the network as %s", self.source)
            case {"receivers": int(receivers)}:
                self.receivers = receivers
            case {"failed": str(reason)}:
                self._failed = " ".join(reason.split())[:_MOST_REASON]
