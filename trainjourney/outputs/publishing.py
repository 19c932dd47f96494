"""Publishing: the shared packets piped to a process that sends them on by WHIP (whip.py)."""

import asyncio
import json
import logging
import sys
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from trainjourney.errors import WebError
from trainjourney.outputs.fanout import Fanout
from trainjourney.outputs.whip import HEAD, read_token
from trainjourney.settings import PublishConfig

log = logging.getLogger(__name__)

ANSWER_S = 10.0  # for the server to answer
STALLED_S = 5.0  # a process that takes nothing for so long is ended and begun anew
AGAIN_S = 2.0
_MOST_LINE = 64 * 1024
_MOST_REASON = 200  # letters


def check_publish(config: PublishConfig) -> None:
    """Refuse what can be seen to be wrong before the train departs. Raises WebError."""
    if config.url:
        read_url(config.url)
        read_token(config.token)


def read_url(text: str) -> str:
    """The server's address in "whip+https://host/path". Raises WebError."""
    url = text.removeprefix("whip+")
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address, or a port that is none
        fits = False
    if not fits or url == text or " " in url:
        form = f"whip+{'http' if url.startswith('http:') else 'https'}://host/path"
        raise WebError(f"--publish {text}: is no WHIP address; write it as {form}")
    return url


class Publishing:
    """Keeps a publishing process fed while it runs."""

    def __init__(self, fanout: Fanout, config: PublishConfig, answer_s: float = ANSWER_S) -> None:
        self._fanout, self._answer_s = fanout, answer_s
        self._url, self._token = read_url(config.url), config.token
        parts = urlsplit(self._url)  # a name and a password in it are not for the log
        self._told = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self.state = "opening"
        self.reason = ""  # why it is lost
        self.tally: Counter[str] = Counter()

    def counts(self) -> dict[str, Any]:
        """For /status and /metrics."""
        on = self.state == "connected"
        told = {"on": on, "state": self.state, "reason": self.reason}
        return {"publishing": {**told, **self.tally}}

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await self._run_once()
            self.state, self.reason = "lost", self.reason or "its process ended"
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
                    self.state, self.reason = "connected", ""
                    log.info("publishing to %s", self._told)
                case {"state": "lost", "reason": str(reason), "wait_s": float(wait_s)}:
                    reason = " ".join(reason.split())[:_MOST_REASON]  # some are the server's words
                    if reason != self.reason:
                        log.warning(
                            "publishing to %s: %s; trying again, next in %g s",
                            self._told, reason, wait_s,
                        )  # fmt: skip
                    self.state, self.reason = "lost", reason
                    self.tally["losses"] += 1
