"""One process at a time in a folder. The system itself lets go of it when that process ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainjourney.errors import TrainjourneyError


@contextmanager
def alone(folder: Path, refused: TrainjourneyError) -> Iterator[None]:
    """Hold `folder`, which is there; raises `refused` where another process holds it.

    Not held: on Windows, and where the file system knows no locks.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise refused from err
        except OSError:  # as on some shares in a network
            pass
        yield
    finally:
        os.close(held)
