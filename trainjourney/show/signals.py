"""Signals: only the main thread bears them, never one that a foreign library starts.

A system call that a signal cuts short is tried again by Python; not so by every library. JACK's
thread takes its server for dead then, and its client's memory is freed twice when the port is
closed. The system prefers the main thread, but gives others what comes while that one is busy.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_ENDING = (signal.SIGINT, signal.SIGTERM)
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
