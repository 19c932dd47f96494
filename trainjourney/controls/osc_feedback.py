"""OSC out: those who subscribed hear what all controls are set to, then what others turned, each
control's newest value thirty times a second at most. Whoever turned a control does not hear of it,
or its fader would fight."""

import ipaddress
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from trainjourney.controls.osc_intake import Sender
from trainjourney.controls.osc_message import write_message
from trainjourney.controls.osc_table import ADDRESSES, MAIN, Address, Values
from trainjourney.errors import ConfigError
from trainjourney.types import Change

MOST_SUBSCRIBERS = 32
LEASE_S = 60.0  # after the last word from a subscriber's host it is told no more
PERIOD_S = 1.0 / 30.0
MOST_AT_ONCE = 16  # of the values that a new subscriber has not heard: 87 at once may get lost
_TOLD: dict[str, list[Address]] = {  # what is told of a control: itself, and the pad as a whole
    name: [one, *(a for a in ADDRESSES.values() if len(a.controls) > 1 and name in a.controls)]
    for name, one in MAIN.items()
}
STANDING = [name for name, address in reversed(MAIN.items()) if not address.triggers]


def read_targets(text: str) -> list[Sender]:
    """The targets in "10.0.0.5:9001, localhost:9002". Raises ConfigError.

    Names are not looked up: a name server that is slow would hold up every send.
    """
    found = []
    for part in text.split(","):
        if not part.strip():
            continue
        host, _, port = part.strip().rpartition(":")
        host = "127.0.0.1" if host == "localhost" else host.strip("[]")
        try:
            ipaddress.ip_address(host)
            if not 0 < int(port) < 65536:
                raise ValueError("no port")
        except ValueError as err:
            raise ConfigError(
                f"osc.feedback: '{part.strip()[:60]}' is no address:port; "
                "write it as in 192.168.1.20:9001"
            ) from err
        found.append((host, int(port)))
    return found


@dataclass
class _Subscriber:
    sender: Sender | None  # where its messages come from; None if the settings named it
    until_s: float
    unheard: list[str] = field(default_factory=lambda: list(STANDING))  # controls, as they stand


class Feedback:
    """Who is told, and what is yet to be told. `note` may be called in any thread."""

    def __init__(self, targets: list[Sender], values: Callable[[], Values] = dict) -> None:
        """`values` is what all controls are set to."""
        self._values = values
        self._subscribers = {target: _Subscriber(None, float("inf")) for target in targets}
        self._lock = threading.Lock()
        self._pending: dict[str, tuple[float | str, str]] = {}

    def note(self, change: Change, source: str) -> None:
        """A control was turned: a listener of the desk."""
        with self._lock:
            if self._subscribers:
                self._pending[change.parameter] = (change.value, source)

    def subscribe(self, sender: Sender, port: int, now_s: float) -> bool:
        """Tell the sender's host at `port` from now on; False where there are too many.

        Whoever says so again hears no more of what has not been turned since.
        """
        target = (sender[0], port)
        if target not in self._subscribers and len(self._subscribers) >= MOST_SUBSCRIBERS:
            return False
        with self._lock:
            before = self._subscribers.get(target)
            one = self._subscribers[target] = _Subscriber(sender, now_s + LEASE_S)
            if before and before.sender == sender:
                one.unheard = before.unheard
        return True

    def unsubscribe(self, sender: Sender) -> None:
        """Tell the sender no more, wherever it was told."""
        with self._lock:
            for target, one in list(self._subscribers.items()):
                if sender in (one.sender, target):
                    del self._subscribers[target]

    def heard(self, sender: Sender, now_s: float) -> None:
        """A word from a host: its subscriptions live on."""
        for one in self._subscribers.values():
            if one.sender and one.sender[0] == sender[0]:
                one.until_s = now_s + LEASE_S

    def due(self, now_s: float) -> Iterator[tuple[bytes, Sender]]:
        """What is to be sent now, and to whom."""
        with self._lock:
            pending, self._pending = self._pending, {}
            for target, one in list(self._subscribers.items()):
                if one.until_s < now_s:
                    del self._subscribers[target]
            subscribers = list(self._subscribers.items())
            first: dict[Sender, list[str]] = {}
            for target, one in subscribers:
                first[target] = one.unheard[:MOST_AT_ONCE]
                one.unheard = one.unheard[MOST_AT_ONCE:]
        now = {**self._values(), **{name: value for name, (value, _) in pending.items()}}
        for name in dict.fromkeys(chain(pending, *first.values())):
            for address in _TOLD.get(name, ()):  # weight.0 has none
                data = write_message(address.path, address.arguments(now))
                for target, one in subscribers:
                    turned = name in pending and not _spoke(pending[name][1], target, one.sender)
                    if turned or name in first[target]:
                        yield data, target


def source_name(sender: Sender) -> str:
    """How the desk knows an OSC sender."""
    return f"osc {sender[0]}:{sender[1]}"


def _spoke(source: str, target: Sender, sender: Sender | None) -> bool:
    """Whether a change came from this subscriber."""
    if sender is None and not target[0].startswith(("127.", "::1")):
        # Named in the settings: a tablet sends from a port of its own, so its host must do.
        return source.startswith(f"osc {target[0]}:")
    return source in (source_name(target), sender and source_name(sender))
