"""States in which a train has set out, kept on disk: dreamt once, a show begins there at once.

One may have come with the bundle. What is dreamt from a look alone hangs on the bundle, on what
runs it, on the look and the seed, and on nothing else; it takes a processor some seconds, in which
the picture stands still. A file that is not whole is dreamt anew.
"""

import hashlib
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from trainjourney.folders import cache_folder, make_room
from trainjourney.inference.manifest import ITEM_BYTES, StateTable
from trainjourney.inference.shipped_start import ShippedStart
from trainjourney.types import Embedding, State

log = logging.getLogger(__name__)

RECIPE = 1  # counts up when the world dreams what it sets out in by another way
_HASH = 32  # bytes of SHA-256 that a file begins with; then the tensors as they are
MOST_BYTES = 32 << 20  # of those that are kept before one more; the pocket's are 4 MB each


class Departed:
    """What was dreamt by one engine of one bundle, of whose states `tables` tell."""

    def __init__(
        self,
        tables: Sequence[StateTable],
        *marks: object,
        shipped: ShippedStart | None = None,
        folder: Path | None = None,
    ) -> None:
        """`marks` are all that the dream hangs on beside seed and look; `shipped` came with the
        bundle, and is the same on every machine."""
        self._tables, self._shipped = tables, shipped
        self._marks = repr((RECIPE, *marks)).encode()
        self._folder = folder or cache_folder() / "departed"

    def find(self, seed: int, embedding: Embedding) -> State | None:
        """The state that was kept of these; None where none was."""
        came = self._shipped
        if came and came.seed == seed and np.array_equal(came.embedding, embedding):
            return {name: array.copy() for name, array in came.state.items()}
        path = self._path(seed, embedding)
        size = _HASH + sum(table.size_bytes for table in self._tables)
        try:
            if path.exists() and not path.is_file():  # a pipe would be waited for
                raise OSError("it is no file")
            with path.open("rb") as file:
                data = file.read(size + 1)
        except FileNotFoundError:
            return None
        except OSError as err:
            log.info("%s: is dreamt anew (%s)", path, (err.strerror or str(err)).lower())
            return None
        if len(data) != size or hashlib.sha256(data[_HASH:]).digest() != data[:_HASH]:
            log.info("%s: is dreamt anew (it is not whole)", path)
            return None
        with suppress(OSError):
            os.utime(path)  # where room is made, what was of use last stays
        state, at = {}, _HASH
        for table in self._tables:
            part = np.frombuffer(data, table.dtype, table.size_bytes // ITEM_BYTES[table.dtype], at)
            state[table.name] = part.reshape(table.shape).copy()
            at += table.size_bytes
        return state

    def keep(self, seed: int, embedding: Embedding, state: State) -> None:
        """Keep a state. A disk that refuses is told of, and costs the next show some seconds."""
        path = self._path(seed, embedding)
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            others = [one for one in path.parent.glob("*.*") if one.is_file()]
            make_room(others, MOST_BYTES)
            data = b"".join(state[table.name].tobytes() for table in self._tables)
            part.write_bytes(hashlib.sha256(data).digest() + data)
            part.replace(path)
        except OSError as err:
            log.info("%s: cannot be kept (%s)", path, (err.strerror or str(err)).lower())
            with suppress(OSError):
                part.unlink(missing_ok=True)

    def _path(self, seed: int, embedding: Embedding) -> Path:
        told = hashlib.sha256(self._marks)
        told.update(repr(seed).encode() + np.ascontiguousarray(embedding, np.float32).tobytes())
        return self._folder / f"{told.hexdigest()[:32]}.state"
