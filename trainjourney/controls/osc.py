"""The OSC server: datagrams to the desk, and the desk's news back. Runs in an asyncio loop.

One socket takes and sends. It is read in gulps, for a flood must not cost a turn of the loop a
datagram. Nothing here waits, and nothing a stranger sends is so much as decoded.
"""

import asyncio
import heapq
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator

from trainjourney.controls.desk import Desk
from trainjourney.controls.osc_feedback import (
    PERIOD_S,
    STANDING,
    Feedback,
    read_targets,
    source_name,
)
from trainjourney.controls.osc_intake import Intake, Sender, read_networks
from trainjourney.controls.osc_message import (
    BadDatagramError,
    Message,
    Timed,
    read_datagram,
    write_message,
)
from trainjourney.controls.osc_pattern import is_pattern
from trainjourney.controls.osc_table import BadMessageError, find_addresses, is_query
from trainjourney.errors import ControlError
from trainjourney.settings import OscConfig

log = logging.getLogger(__name__)

GULP = 256  # datagrams read at one go
MOST_PATTERNS = 4  # in a datagram
MOST_AHEAD_S = 1.0  # of a time tag
MOST_WAITING = 512  # messages with time tags
MOST_ANSWERS = 64  # to one query
HELD_S = 0.005  # between two looks at what is held or waits
SUBSCRIBE, UNSUBSCRIBE = "/train/subscribe", "/train/unsubscribe"


class Ear:
    """What datagrams do to a desk: all of the server but its socket. The caller brings the times.

    `counts` tells what became of everything that came.
    """

    def __init__(self, desk: Desk, config: OscConfig) -> None:
        """Raises ConfigError."""
        self.desk = desk
        self.counts: Counter[str] = Counter()
        self.intake = Intake(read_networks(config.allow), float(config.rate), self.counts)
        self.feedback = Feedback(read_targets(config.feedback), desk.values)
        self.answers: list[tuple[bytes, Sender]] = []  # to queries, for the socket to send
        self._waiting: list[tuple[float, int, Message, Sender]] = []  # a heap by Unix time

    def hear(self, data: bytes, sender: Sender, now_s: float, clock_s: float) -> None:
        """A datagram came. `now_s` is monotonic, `clock_s` Unix time."""
        if self.intake.admit(data, sender, now_s):
            self._take(data, sender, now_s, clock_s)

    def tick(self, now_s: float, clock_s: float) -> None:
        """Do what was held back and what is due by now."""
        for data, sender in self.intake.earned(now_s):
            self._take(data, sender, now_s, clock_s)
        while self._waiting and self._waiting[0][0] <= clock_s:
            _, _, message, sender = heapq.heappop(self._waiting)
            self._obey(message, sender, now_s)

    @property
    def busy(self) -> bool:
        """Whether anything waits for `tick`."""
        return bool(self._waiting) or self.intake.holding

    def _take(self, data: bytes, sender: Sender, now_s: float, clock_s: float) -> None:
        try:
            found = read_datagram(data)
        except BadDatagramError as err:
            self._let_go(f"bad: {err}", sender, data)
            return
        self.intake.charge(sender, len(found) - 1)
        self.feedback.heard(sender, now_s)
        patterns = 0
        for timed in found:
            patterns += is_pattern(timed.message.address)
            if patterns > MOST_PATTERNS:
                self.counts["bad: too many patterns"] += 1
                return
            if timed.at_s is None or timed.at_s <= clock_s:
                self._obey(timed.message, sender, now_s)
            else:
                self._wait(timed, timed.at_s, sender, clock_s)

    def _wait(self, timed: Timed, at_s: float, sender: Sender, clock_s: float) -> None:
        if at_s - clock_s > MOST_AHEAD_S or len(self._waiting) >= MOST_WAITING:
            self.counts["too far ahead"] += 1
            return
        self.counts["put off"] += 1  # counts up, so equal times keep their order
        entry = (at_s, self.counts["put off"], timed.message, sender)
        heapq.heappush(self._waiting, entry)

    def _obey(self, message: Message, sender: Sender, now_s: float) -> None:
        if message.address in (SUBSCRIBE, UNSUBSCRIBE):
            self._subscribe(message, sender, now_s)
            return
        try:
            addresses = find_addresses(message.address)
            if is_query(message.arguments):
                values = self.desk.values()
                self.intake.charge(sender, len(addresses) - 1)
                for address in addresses[:MOST_ANSWERS]:
                    data = write_message(address.path, address.arguments(values))
                    self.answers.append((data, sender))
                self.counts["asked"] += 1
                return
            changes = [
                change
                for address in addresses
                for change in address.changes(message.arguments, now_s)
            ]
        except BadMessageError as err:
            self._let_go(f"refused: {err}", sender, message.address, message.arguments)
            return
        for change in changes:
            taken = self.desk.turn(change, source_name(sender))
            self.counts["taken" if taken else "refused: by the desk"] += 1

    def _subscribe(self, message: Message, sender: Sender, now_s: float) -> None:
        port = message.arguments[0] if message.arguments else sender[1]
        if message.address == UNSUBSCRIBE:
            self.feedback.unsubscribe(sender)
        elif not isinstance(port, int) or not 0 < port < 65536:
            self._let_go("refused: no port", sender, message.address, port)
        elif self.feedback.subscribe(sender, port, now_s):
            self.intake.charge(sender, len(STANDING))  # so much is sent for it
        else:
            self._let_go("refused: too many subscribers", sender, message.address)

    def _let_go(self, why: str, sender: Sender, *what: object) -> None:
        self.counts[why] += 1
        if self.counts[why] & (self.counts[why] - 1) == 0:  # 1, 2, 4, 8 … as the desk does
            said = " ".join(f"{one!a:.80}" for one in what)
            log.warning(
                "osc: %s from %s is %s; let go (%d so far), see trainjourney osc list",
                said, sender[0], why, self.counts[why],
            )  # fmt: skip


class OscServer:
    """An Ear on a UDP socket. `start` and `close` are called in the loop that it runs in."""

    def __init__(self, desk: Desk, config: OscConfig) -> None:
        """Raises ConfigError."""
        self._config = config
        self.ear = Ear(desk, config)
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._telling: asyncio.TimerHandle | None = None
        self._deaf_to_desk: Callable[[], None] = lambda: None
        self.port = 0  # where it listens, once started

    @property
    def counts(self) -> Counter[str]:
        """What became of everything that came."""
        return self.ear.counts

    def start(self) -> None:
        """Listen from now on. Raises ControlError where the port cannot be had."""
        self._socket = open_socket(self._config.host, self._config.port)
        self.port = self._socket.getsockname()[1]
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)
        self._deaf_to_desk = self.ear.desk.listen(self.ear.feedback.note)
        self._tell()
        log.info("osc: listening at %s:%d", self._config.host, self.port)

    def close(self) -> None:
        """Listen no more."""
        self._deaf_to_desk()
        if self._socket and self._loop:
            for timer in (self._ticking, self._telling):
                if timer:
                    timer.cancel()
            self._loop.remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _read(self) -> None:
        now_s, clock_s = time.monotonic(), time.time()
        for data, sender in self._gulp():
            self.ear.hear(data, sender, now_s, clock_s)
        self._answer()
        self._later()

    def _gulp(self) -> Iterator[tuple[bytes, Sender]]:
        assert self._socket
        for _ in range(GULP):
            try:
                data, sender = self._socket.recvfrom(65535)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # a word that a datagram sent earlier could not be delivered
                continue
            yield data, (sender[0], sender[1])

    def _later(self) -> None:
        if self._loop and self.ear.busy and not self._ticking:
            self._ticking = self._loop.call_later(HELD_S, self._tick)

    def _tick(self) -> None:
        self._ticking = None
        self.ear.tick(time.monotonic(), time.time())
        self._answer()
        self._later()

    def _tell(self) -> None:
        """Send the news to those who subscribed, thirty times a second."""
        for data, target in self.ear.feedback.due(time.monotonic()):
            self._send(data, target)
        if self._loop and self._socket:
            self._telling = self._loop.call_later(PERIOD_S, self._tell)

    def _answer(self) -> None:
        answers, self.ear.answers = self.ear.answers, []
        for data, sender in answers:
            self._send(data, sender)

    def _send(self, data: bytes, target: Sender) -> None:
        if self._socket:
            try:
                self._socket.sendto(data, target)
            except OSError:  # no such host, no route, its buffer full: the next value will do
                self.counts["not sent"] += 1


def open_socket(host: str, port: int, other: str = "--set osc.port=9001") -> socket.socket:
    """A UDP socket that never blocks; `other` is how another port is given. Raises ControlError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    one = socket.socket(family, socket.SOCK_DGRAM)
    try:
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        one.bind((host, port))
    except OSError as err:
        one.close()
        reason = (err.strerror or str(err)).lower()
        raise ControlError(
            f"port {port} at {host} cannot be had ({reason}); give another, {other}"
        ) from err
    return one
