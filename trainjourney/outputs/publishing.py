"""Publishing: the shared packets piped to a process that sends them on by WHIP (whip.py)."""

import asyncio
import json
import logging
import sys
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from trainjourney.errors import WebError
from trainjourney.outputs.fanout import Fanout
from trainjourney.outputs.whip import HEAD
from trainjourney.settings import PublishConfig

log = logging.getLogger(__name__)

ANSWER_S = 10.0  # for the server to answer
STALLED_S = 5.0  # a process that takes nothing for so long is ended and begun anew
AGAIN_S = 2.0
_MOST_LINE = 64 * 1024


def check_publish(config: PublishConfig) -> tuple[str, str]:
    """The address and the token of the server, as the settings say. Raises WebError."""
    if not config.url:
        return "", ""
    url = config.url.removeprefix("whip+")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WebError(
            f"--publish {config.url}: is no WHIP address; write it as whip+https://host/path"
        )
    if not config.token:
        return url, ""
    try:
        return url, Path(config.token).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as err:
        raise WebError(
            f"[publish] token: '{config.token}' cannot be read; give the file with the token"
        ) from err


class Publishing:
    """Keeps a publishing process fed while it runs."""

    def __init__(self, fanout: Fanout, config: PublishConfig, answer_s: float = ANSWER_S) -> None:
        self._fanout, self._answer_s = fanout, answer_s
        self._url, self._token = check_publish(config)
        self.state = "opening"
        self.tally: Counter[str] = Counter()

    def counts(self) -> dict[str, Any]:
        """For /status and /metrics."""
        on = self.state == "connected"
        return {"publishing": {"on": on, "state": self.state, **self.tally}}

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._run_once()
            self.state = "lost"
            self.tally["restarts"] += 1
            await asyncio.sleep(AGAIN_S)

    async def _run_once(self) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "trainjourney", "publisher",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=_MOST_LINE,
        )  # fmt: skip
        assert process.stdin and process.stdout
        try:
            order = {"url": self._url, "token": self._token, "answer_s": self._answer_s}
            process.stdin.write(json.dumps(order).encode() + b"\n")
            feeding = asyncio.create_task(self._feed(process.stdin))
            hearing = asyncio.create_task(self._hear(process.stdout))
            try:
                await asyncio.wait((feeding, hearing), return_when=asyncio.FIRST_COMPLETED)
            finally:
                feeding.cancel()
                hearing.cancel()
                await asyncio.gather(feeding, hearing, return_exceptions=True)
        finally:
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), 4.0)
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _feed(self, stdin: asyncio.StreamWriter) -> None:
        """Packets into the pipe, while the process takes them."""
        lane = self._fanout.join()
        try:
            while (coded := await lane.take()) is not None:
                data = bytes(coded.packet)
                stdin.write(HEAD.pack(len(data), coded.packet.pts or 0, coded.key) + data)
                async with asyncio.timeout(STALLED_S):
                    await stdin.drain()
                self.tally["packets"] += 1
        except (TimeoutError, ConnectionError) as err:
            log.warning("publishing: its process takes nothing (%s); begun anew", err)
        finally:
            self._fanout.leave(lane)

    async def _hear(self, stdout: asyncio.StreamReader) -> None:
        """What the process tells."""
        while line := await stdout.readline():
            try:
                told = json.loads(line)
            except ValueError:
                continue  # a library's chatter
            match told:
                case {"key": True}:
                    self.tally["key_requests"] += 1
                    self._fanout.encoder.ask_key()
                case {"state": "connected"}:
                    self.state = "connected"
                    log.info("publishing to %s", self._url)
                case {"state": "lost", "reason": str(reason), "wait_s": float(wait_s)}:
                    if self.state != "lost" or not self.tally["losses"]:
                        log.warning(
                            "publishing to %s: %s; trying again, next in %g s",
                            self._url, reason, wait_s,
                        )  # fmt: skip
                    self.state = "lost"
                    self.tally["losses"] += 1
