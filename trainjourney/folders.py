"""Where a user's machine keeps what a program remembers and what it can make anew; room for it."""

import logging
import os
from collections.abc import Iterable
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

    Raises OSError.
    """
    there = sorted(files, key=lambda file: file.stat().st_mtime_ns)
    sizes = [file.stat().st_size for file in there]
    while len(there) > stay and sum(sizes) > most_bytes:
        oldest, _ = there.pop(0), sizes.pop(0)
        oldest.unlink(missing_ok=True)
        log.info("%s made room", oldest)


def _home(variable: str, otherwise: str) -> Path:
    return Path(os.environ.get(variable) or otherwise).expanduser() / "trainjourney"
