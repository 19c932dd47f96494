"""What the service manager is told: that the picture is there, that it still moves, and how it is.

systemd's protocol (sd_notify(3), sd_watchdog_enabled(3)): datagrams to the socket that
NOTIFY_SOCKET names. The show says READY at its world's first frame, and beats from the loop that
refreshes the screen. A screen that is stuck, or a world that stays away for LOST_S, stops the
beats, and a unit with WatchdogSec is started again.
"""

import logging
import os
import socket
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

log = logging.getLogger(__name__)

LOST_S = 120.0  # its keeper has tried a dozen times by then: the process itself is to blame
BEAT_S = 1.0  # or a quarter of what the manager waits, if that is less
_TOLD = ("world", "bundle", "look", "fps", "restarts")  # of the status


class Manager:
    """The service manager that started this process, or nobody. Belongs to the main thread."""

    def __init__(
        self,
        status: Callable[[], Mapping[str, Any]],
        environ: MutableMapping[str, str] = os.environ,
    ) -> None:
        """`status` is the stage's. The variables are taken out of `environ`, so that no process of
        the show's own answers in its stead.

        WATCHDOG_PID is not asked: between the manager and the show stands a compositor.
        """
        self._status, self._socket = status, _connect(environ.pop("NOTIFY_SOCKET", ""))
        environ.pop("WATCHDOG_PID", None)
        longest = environ.pop("WATCHDOG_USEC", "")
        longest_s = int(longest) / 1e6 if longest.isascii() and longest.isdigit() else 0.0
        self._beat_s = min(BEAT_S, longest_s / 4.0) if longest_s else BEAT_S
        self._ready, self._next_s = False, 0.0

    def beat(self, now_s: float) -> None:
        """Called with every refresh; tells what there is to tell every BEAT_S."""
        if self._socket is None or now_s < self._next_s:
            return
        self._next_s = now_s + self._beat_s
        told = self._status()
        there = bool(told["frame"])
        lines = ["READY=1"] if there and not self._ready else []
        if there and told["age_ms"] < 1000.0 * LOST_S:
            lines.append("WATCHDOG=1")
        words = "world {}, {}, look {}, {:.0f} fps, {} restarts".format(
            *(told[name] for name in _TOLD)
        )
        # a look has the name of somebody's file: it must not become a line of its own
        lines.append(f"STATUS={''.join(c for c in words if c.isprintable())[:200]}")
        if self._say(lines):
            self._ready = there

    def close(self) -> None:
        """The show ends because it was told to."""
        self._say(["STOPPING=1"])
        if self._socket:
            self._socket.close()
            self._socket = None

    def _say(self, lines: list[str]) -> bool:
        """Whether that was sent."""
        if self._socket is None:
            return False
        try:
            self._socket.send("\n".join(lines).encode("utf-8", "replace"))
        except BlockingIOError:
            return False  # it is busy; the next beat tells it again
        except OSError as err:
            log.warning("the service manager does not listen any more (%s)", err.strerror)
            self._socket.close()
            self._socket = None
            return False
        return True


def _connect(address: str) -> socket.socket | None:
    if not address:
        return None
    if address[0] not in "/@":
        log.warning("NOTIFY_SOCKET=%.100s is no path; the service manager is told nothing", address)
        return None
    door = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    door.setblocking(False)
    try:
        door.connect("\0" + address[1:] if address[0] == "@" else address)
    except OSError as err:
        log.warning("NOTIFY_SOCKET=%.100s: %s; nothing is told there", address, err.strerror or err)
        door.close()
        return None
    return door
