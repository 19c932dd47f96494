"""What is written whole or not at all: beside its place first, then put into it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; what was written takes its place at the end.

    Where it came to no end, nothing is left of it. Raises OSError.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def scratch(folder: Path, kind: str) -> Iterator[Path]:
    """A folder beside `folder` to work in: where that has room, this has. Gone at the end.

    What killed processes left of that kind goes at the beginning. Raises OSError.
    """
    sweep(folder, kind)
    work = beside(folder, kind)
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def beside(folder: Path, kind: str) -> Path:
    """This process's own place of that kind beside `folder`."""
    return folder.with_name(f".{folder.name}.{kind}-{os.getpid()}")


def sweep(folder: Path, kind: str) -> None:
    """Remove what is of that kind beside `folder`, but for that of other processes that run."""
    for left in folder.parent.glob(f".{escape(folder.name)}.{kind}-*"):
        number = left.name.rpartition("-")[2]
        if number.isdecimal() and (int(number) == os.getpid() or not _runs(int(number))):
            shutil.rmtree(left, ignore_errors=True)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)  # asks alone
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True
