"""The file under a film: whatever the disk does, what was written whole before stays whole."""

import errno
import os
from contextlib import suppress
from pathlib import Path

import av

from trainjourney.errors import OutputError


class Disk:
    """The file under the film. Once a write failed, all later ones fail, and nothing changes."""

    def __init__(self, path: Path, elsewhere: str = "give --output another place") -> None:
        """`elsewhere`: what to type where this disk will not do. Raises OutputError."""
        self.path, self._elsewhere = path, elsewhere
        self.broken: OSError | av.FFmpegError | None = None
        self._whole_bytes = 0
        self.parts = -1  # fragments that are whole; the header comes before the first
        if not path.parent.is_dir():
            raise OutputError(f"{path}: no such folder; type: mkdir -p {path.parent}")
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as err:
            raise OutputError(f"{path}: cannot be written ({_reason(err)}); {elsewhere}") from err

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, data: bytes) -> int:
        if self.broken:
            raise self.broken
        try:
            left = memoryview(data)
            while left:  # a raw file may take less than it is given, most of all the last time
                left = left[self._file.write(left) :]
        except OSError as err:
            self.broken = err
            raise
        return len(data)

    def seekable(self) -> bool:
        return self._file.seekable()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def check(self) -> None:
        """Raise what a write met, should the container have kept it to itself."""
        if self.broken:
            raise self.broken

    def keep(self) -> None:
        """What is written by now is whole; a write that fails later does not take it away."""
        self.check()
        if self._file.tell() > self._whole_bytes:
            self._whole_bytes = self._file.tell()
            self.parts += 1

    def close(self) -> None:
        with suppress(OSError):  # what was to be told of the disk is told by now
            if self.broken:
                self._file.truncate(self._whole_bytes)
        with suppress(OSError):
            self._file.close()

    def error(self, frames: int, err: OSError | av.FFmpegError) -> OutputError:
        """The one line for a film that the disk would not take."""
        err = self.broken or err
        self.broken = err
        cure = {
            errno.ENOSPC: "make room",
            errno.EFBIG: "raise the limit on file size (ulimit -f)",
            errno.EDQUOT: "make room in your quota",
        }.get(err.errno or 0, "look after the disk")
        left = "what was filmed until then plays" if self.parts > 0 else "too few to keep"
        return OutputError(
            f"{self.path}: {_reason(err)} after {frames} frames, {left}; "
            f"{cure}, or {self._elsewhere}"
        )


def _reason(err: OSError | av.FFmpegError) -> str:
    return (err.strerror or str(err)).lower()
