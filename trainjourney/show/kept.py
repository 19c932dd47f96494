"""The kept state: what a world needs to go on where another was cut off, in shared memory.

Two slots by turns, so that one is whole whenever the writer is killed.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainjourney.inference.manifest import StateTable
from trainjourney.show.memory import Memory
from trainjourney.types import State

_SLOT = struct.Struct("<QQQQQQ")  # sequence, turn, seed, number, frames, unseen
_SLOT_BYTES = 64


@dataclass(frozen=True)
class Place:
    """Where a journey is: its state, its seed, and the number of the next frame's noise.

    `frames` is how many the show had by then; `unseen` how many steps of a departure are to come.
    """

    state: State
    seed: int
    number: int
    frames: int = 0
    unseen: int = 0


class KeptState:
    """Room for the state of one bundle; `fd` is the memory of one that is there already."""

    def __init__(self, tables: Sequence[StateTable], fd: int | None = None) -> None:
        self._tables = tables
        room = _SLOT_BYTES + sum(_padded(table.size_bytes) for table in tables)
        self.memory = Memory(2 * room, fd)
        self._starts = (0, room)
        self._states = [self._lay(start + _SLOT_BYTES) for start in self._starts]
        self._turn = max(self._slot(slot)[1] for slot in (0, 1))

    def keep(self, place: Place) -> None:
        """Copy it over the older of the two."""
        self._turn += 1
        slot = self._turn % 2
        sequence = self._slot(slot)[0] | 1
        struct.pack_into("<Q", self.memory.view, self._starts[slot], sequence)
        for name, array in self._states[slot].items():
            np.copyto(array, place.state[name])
        numbers = (place.seed, place.number, place.frames, place.unseen)
        _SLOT.pack_into(self.memory.view, self._starts[slot], sequence + 1, self._turn, *numbers)

    def last(self) -> Place | None:
        """The newest that is whole, a copy; None where there is none. Nobody may be writing."""
        whole = [
            (turn, slot, numbers)
            for slot in (0, 1)
            for sequence, turn, *numbers in [self._slot(slot)]
            if turn and sequence % 2 == 0
        ]
        if not whole:
            return None
        _, slot, numbers = max(whole)
        state = {name: array.copy() for name, array in self._states[slot].items()}
        return Place(state, *numbers)

    def _slot(self, slot: int) -> tuple[int, ...]:
        return _SLOT.unpack_from(self.memory.view, self._starts[slot])

    def _lay(self, at: int) -> State:
        state: State = {}
        for table in self._tables:
            items = table.size_bytes // np.dtype(table.dtype).itemsize
            flat = np.frombuffer(self.memory.view, table.dtype, items, at)
            state[table.name] = flat.reshape(table.shape)
            at += _padded(table.size_bytes)
        return state


def _padded(size: int) -> int:
    return -(-size // 64) * 64
