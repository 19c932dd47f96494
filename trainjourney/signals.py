"""Signals: only the main thread bears them, never one that a foreign library starts.

A system call that a signal cuts short is tried again by Python; not so by every library. JACK's
thread takes its server for dead then, and its client's memory is freed twice when the port is
closed. The system prefers the main thread, but gives others what comes while that one is busy.
"""

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
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
def asked_to_end(told: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C (or kill) calls `told`, so that what goes on is ended whole; a later one
    breaks. In another thread than the main one there are no signals.

    `told` must wait for no lock: the main thread that is interrupted may hold it, then for ever.
    What a process was started to ignore, as by nohup, it goes on to ignore.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    found = {number: signal.getsignal(number) for number in _ENDING}
    former = {number: one for number, one in found.items() if one != signal.SIG_IGN}
    first_s: list[float] = []

    def end(number: int, _: object) -> None:
        if not first_s:
            first_s.append(time.monotonic())
            told()
        elif time.monotonic() - first_s[0] >= AGAIN_S:
            signal.signal(number, former[signal.Signals(number)])
            signal.raise_signal(number)

    try:
        for number in former:
            signal.signal(number, end)
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextmanager
def setting(stop: threading.Event) -> Iterator[None]:
    """The same sets `stop`; in a thread of its own, for an event has a lock."""
    wishes: queue.SimpleQueue[bool] = queue.SimpleQueue()  # its put never waits

    def heed() -> None:
        if wishes.get():
            stop.set()

    with held_back():
        threading.Thread(target=heed, name="signals", daemon=True).start()
    try:
        with asked_to_end(lambda: wishes.put(True)):
            yield
    finally:
        wishes.put(False)
