"""The shared block: what every control is set to and the bank of looks, from the show to a world.

The desk writes, a world reads at each step. Latest wins: of several turns of one control within a
frame the last is read, and controls are read in the order of their last turns.
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainjourney.controls.parameters import PARAMETERS, SLOTS
from trainjourney.inference.bundle import Look
from trainjourney.journey.finish import LIGHT
from trainjourney.show.memory import Memory
from trainjourney.types import Change

_TABLE: dict[str, bool] = {  # every control by its full name, and whether it is a trigger
    name: p.kind == "trigger"
    for p in PARAMETERS.values()
    for name in ([f"{p.name}.{slot}" for slot in range(p.slots + 1)] if p.slots else [p.name])
}
_NAMES = list(_TABLE)
_ALL = np.ones(len(_NAMES), np.bool_)
_OF_LIGHT = np.isin(_NAMES, LIGHT)
_OF_WORLD = ~np.isin(_NAMES, (*LIGHT, "seed", "tap", "still", "record", "preset", "store"))
_ROWS = {name: row for row, name in enumerate(_NAMES)}
_NUMBER = struct.Struct("<Q")
_ROW = struct.Struct("<QQddH806s")  # sequence, serial, value, time_s, a name in the value's place
_BANK = struct.Struct("<?H800sH1200s")  # is there, name, path of its picture; then the embedding
_TRIES = 8


class Block:
    """Controls and looks in shared memory; `fd` is that of a block which is there already.

    `size` is that of an embedding. One thread at a time turns, one lays the bank.
    """

    def __init__(self, size: int, fd: int | None = None) -> None:
        self.size = size
        self._bank_at = 64 + 8 * len(_NAMES) + _ROW.size * len(_NAMES)
        self._look_bytes = _BANK.size + 4 * size
        self.memory = Memory(self._bank_at + 8 + (SLOTS + 1) * self._look_bytes, fd)
        self._view = self.memory.view
        self._serials = np.frombuffer(self._view, "<u8", len(_NAMES), 64)
        self._screen = np.frombuffer(self._view, "<f8", 2, 16)  # each is stored at once

    @property
    def serial(self) -> int:
        """The number of turns so far."""
        return int(_NUMBER.unpack_from(self._view)[0])

    def turn(self, change: Change, source: str = "") -> None:
        """Write one change; a Desk's listener."""
        row = _ROWS[change.parameter]
        at = self._row_at(row)
        serial, sequence = self.serial + 1, _NUMBER.unpack_from(self._view, at)[0] | 1
        name = change.value.encode() if isinstance(change.value, str) else b""
        value = 0.0 if isinstance(change.value, str) else float(change.value)
        _NUMBER.pack_into(self._view, at, sequence)
        _ROW.pack_into(self._view, at, sequence, serial, value, change.time_s, len(name), name)
        _NUMBER.pack_into(self._view, at, sequence + 1)
        self._serials[row] = serial
        _NUMBER.pack_into(self._view, 0, serial)

    def looked(self, looked_s: float, period_s: float) -> None:
        """The window looked for a frame at `looked_s` (time.perf_counter); it does so every
        `period_s`."""
        self._screen[0], self._screen[1] = looked_s, period_s

    def screen(self) -> tuple[float, float]:
        """What `looked` was told last; 0, 0 where there is no window."""
        return float(self._screen[0]), float(self._screen[1])

    def lay_bank(self, looks: Mapping[int, Look]) -> None:
        """Lay these looks, by slot, in place of those before."""
        sequence = self._bank_sequence() | 1
        _NUMBER.pack_into(self._view, self._bank_at, sequence)
        for slot in range(SLOTS + 1):
            at = self._look_at(slot)
            _BANK.pack_into(self._view, at, False, 0, b"", 0, b"")
            if look := looks.get(slot):
                name, path = look.name.encode()[:800], str(look.picture).encode()
                path = path if len(path) <= 1200 else b""
                _BANK.pack_into(self._view, at, True, len(name), name, len(path), path)
                room = np.frombuffer(self._view, np.float32, self.size, at + _BANK.size)
                room[:] = look.embedding
        _NUMBER.pack_into(self._view, self._bank_at, sequence + 1)

    def bank(self, after: int = 0) -> tuple[int, dict[int, Look]] | None:
        """The looks by slot and the bank's number, if that is above `after`. Never blocks."""
        for _ in range(_TRIES):
            sequence = self._bank_sequence()
            if sequence <= after:
                return None
            looks = {slot: look for slot in range(SLOTS + 1) if (look := self._look(slot))}
            if sequence % 2 == 0 and self._bank_sequence() == sequence:
                return sequence, looks
        return None

    def read(self, row: int) -> tuple[int, Change] | None:
        """A row's serial and change; None while it is being written."""
        for _ in range(_TRIES):
            sequence, serial, value, time_s, length, name = _ROW.unpack_from(
                self._view, self._row_at(row)
            )
            same = _NUMBER.unpack_from(self._view, self._row_at(row))[0] == sequence
            if sequence % 2 == 0 and same:
                text = name[:length].decode("utf-8", "replace")
                return serial, Change(_NAMES[row], text if length else value, time_s)
        return None

    def serials(self) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
        """The serial of every row's last turn, a copy; 0 where there was none."""
        return self._serials.copy()

    def _look(self, slot: int) -> Look | None:
        at = self._look_at(slot)
        there, name_bytes, name, path_bytes, path = _BANK.unpack_from(self._view, at)
        if not there:
            return None
        embedding = np.frombuffer(self._view, np.float32, self.size, at + _BANK.size).copy()
        picture = Path(path[:path_bytes].decode("utf-8", "replace"))
        return Look(name[:name_bytes].decode("utf-8", "replace"), embedding, picture)

    def _bank_sequence(self) -> int:
        return int(_NUMBER.unpack_from(self._view, self._bank_at)[0])

    def _row_at(self, row: int) -> int:
        return 64 + 8 * len(_NAMES) + row * _ROW.size

    def _look_at(self, slot: int) -> int:
        return self._bank_at + 8 + slot * self._look_bytes


class BlockSource:
    """A Source that reads a block. It begins with all that is set, but pulls no old trigger."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._seen = block.serials()
        self._seen[[row for row, name in enumerate(_NAMES) if not _TABLE[name]]] = 0
        self.serial = 0  # of the last change before which all were read

    def turned(self) -> bool:
        """Whether there is something to read."""
        return self._block.serial > self.serial

    def steered(self) -> bool:
        """Whether there is something that a world has to make a frame anew for."""
        return self.turned() and bool(((self._block.serials() > self._seen) & _OF_WORLD).any())

    def screen(self) -> tuple[float, float]:
        """When the window last looked for a frame (time.perf_counter) and its period, s; 0, 0 where
        there is none."""
        return self._block.screen()

    def later(self, one: str, other: str) -> bool:
        """Whether a control was turned after another was."""
        serials = self._block.serials()
        return bool(serials[_ROWS[one]] > serials[_ROWS[other]])

    def poll(self) -> Iterator[Change]:
        """The last change of each control since the last poll, in their order."""
        return self._read(_ALL)

    def poll_light(self) -> Iterator[Change]:
        """Those alone that a frame can still obey once it is made: its light."""
        return self._read(_OF_LIGHT)

    def _read(self, rows: NDArray[np.bool_]) -> Iterator[Change]:
        if not self.turned():
            return
        latest, serials = self._block.serial, self._block.serials()
        turned = np.flatnonzero((serials > self._seen) & rows)
        for row in turned[np.argsort(serials[turned])].tolist():
            if found := self._block.read(row):
                self._seen[row], change = found
                yield change
        if (self._seen >= serials).all():
            self.serial = latest
