"""Publishing: the shared packets piped to a process that sends them on by WHIP (whip.py)."""

import asyncio
import json
import logging
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from trainjourney.errors import WebError
from trainjourney.outputs.child import hand_over, run_child
from trainjourney.outputs.fanout import Fanout
from trainjourney.outputs.whip import HEAD, read_token
from trainjourney.settings import PublishConfig

log = logging.getLogger(__name__)

ANSWER_S = 10.0  # for the server to answer
AGAIN_S = 2.0
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
            reason = await run_child("publisher", self._feed, self._hear)
            if reason:
                log.warning("publishing: %s; begun anew", reason)
            self.state, self.reason = "lost", reason or self.reason or "its process ended"
            self.tally["restarts"] += 1
            await asyncio.sleep(AGAIN_S)

    async def _feed(self, stdin: asyncio.StreamWriter) -> None:
        """An order, then packets into the pipe, while the process takes them."""
        order = {"url": self._url, "token": self._token, "answer_s": self._answer_s}
        stdin.write(json.dumps(order).encode() + b"\n")
        lane = self._fanout.join()
        try:
            while (coded := await lane.take()) is not None:
                data = bytes(coded.packet)
                head = HEAD.pack(len(data), coded.packet.pts or 0, coded.key)
                await hand_over(stdin, head + data)
                self.tally["packets"] += 1
        finally:
            self._fanout.leave(lane)

    def _hear(self, told: Any) -> None:
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
