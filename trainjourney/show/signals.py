"""Signals: only the main thread bears them, never one that a foreign library starts.

A system call that a signal cuts short is tried again by Python; not so by every library. JACK's
thread takes its server for dead then, and its client's memory is freed twice when the port is
closed. The system prefers the main thread, but gives others what comes while that one is busy.
"""

import queue
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN_S = 1.0  # after which a second signal is meant: some are sent twice, by `timeout` for one
_ENDING = tuple(  # the last when the terminal is closed; Windows has none
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_CAN_BLOCK = hasattr(signal, "pthread_sigmask")  # not on Windows, which has no such signals


@contextmanager
def held_back() -> Iterator[None]:
    """Threads that are started in here, and by those, never bear a signal that ends the show.

    One that comes meanwhile is heard at the end of the block.
    """
    if not _CAN_BLOCK:
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def let_through() -> None:
    """For a process that a show's thread started: it was born with that thread's block."""
    if _CAN_BLOCK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)


@contextmanager
def setting(stop: threading.Event) -> Iterator[None]:
    """The first Ctrl-C (or kill) sets `stop`, so that a frame is finished; a later one breaks.

    Another thread sets it: in a signal's handler that may wait for a lock that the interrupted main
    thread holds, for ever. What a process was started to ignore, as by nohup, it goes on to ignore.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no signals here
        return
    found = {number: signal.getsignal(number) for number in _ENDING}
    former = {number: one for number, one in found.items() if one != signal.SIG_IGN}
    wishes: queue.SimpleQueue[bool] = queue.SimpleQueue()  # its put never waits
    first_s: list[float] = []

    def end(number: int, _: object) -> None:
        if not first_s:
            first_s.append(time.monotonic())
            wishes.put(True)
        elif time.monotonic() - first_s[0] >= AGAIN_S:
            signal.signal(number, former[signal.Signals(number)])
            signal.raise_signal(number)

    def heed() -> None:
        if wishes.get():
            stop.set()

    with held_back():
        threading.Thread(target=heed, name="signals", daemon=True).start()
    try:
        for number in former:
            signal.signal(number, end)
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        wishes.put(False)
