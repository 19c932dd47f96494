"""Where a user's machine keeps what a program remembers and what it can make anew; room for it."""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)


def state_folder() -> Path:
    """What is to be kept: presets, maps, journals. After the XDG Base Directory Specification."""
    return _home("XDG_STATE_HOME", "~/.local/state")


def cache_folder() -> Path:
    """What may be deleted at any time."""
    return _home("XDG_CACHE_HOME", "~/.cache")


def make_room(files: Iterable[Path], most_bytes: float, stay: int = 0) -> None:
    """Remove the oldest files until together they have no more; the newest `stay` always do.

    What cannot be looked at or removed is left. Raises OSError where `files` does.
    """
    there = sorted(_found(files))
    size = sum(one for _, one, _ in there)
    for _, one, file in there[: max(len(there) - stay, 0)]:
        if size <= most_bytes:
            return
        try:
            file.unlink(missing_ok=True)
        except OSError as err:
            log.warning("%s: cannot make room (%s)", file, (err.strerror or str(err)).lower())
        else:
            size -= one
            log.info("%s made room", file)


def _found(files: Iterable[Path]) -> Iterator[tuple[int, int, Path]]:
    """Time, size and path of each that is there."""
    for file in files:
        with suppress(OSError):
            stat = file.stat()
            yield stat.st_mtime_ns, stat.st_size, file


def _home(variable: str, otherwise: str) -> Path:
    return Path(os.environ.get(variable) or otherwise).expanduser() / "trainjourney"
