"""The bank of looks: named pictures with their embeddings, found by name or by slot."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from trainjourney.errors import ConfigError
from trainjourney.inference.bundle import Look


class Looks:
    """The looks of a show in slots 1..n. Slot 0 is the start picture's own look, if it has one."""

    def __init__(self, looks: Sequence[Look], start: Look | None = None) -> None:
        assert looks, "a bank without looks"
        first = 1 if start is None else 0
        self._slots = dict(enumerate(looks if start is None else (start, *looks), first))
        # The start picture may be called like a look of the bank: by name the bank's is meant.
        self._names = {_plain(look.name): look for look in reversed(self._slots.values())}
        self._names |= {_plain(look.name): look for look in looks}

    @classmethod
    def in_slots(cls, slots: Mapping[int, Look]) -> "Looks":
        """A bank whose slots are told; some may be empty."""
        start = slots.get(0)
        bank = cls([slots[slot] for slot in sorted(slots) if slot] or [slots[0]], start)
        bank._slots = dict(sorted(slots.items()))
        return bank

    def __deepcopy__(self, memo: object) -> "Looks":
        return self  # nobody changes it

    def __len__(self) -> int:
        return len(self._slots)

    def __iter__(self) -> Iterator[tuple[int, Look]]:
        return iter(self._slots.items())

    def get(self, slot: int) -> Look | None:
        """The look in that slot; None where it is empty."""
        return self._slots.get(slot)

    @property
    def first(self) -> Look:
        """The look of the lowest slot: the start picture's own, or slot 1."""
        return self._slots[min(self._slots)]

    def find(self, wanted: str | float) -> Look:
        """The look of that name (case, blanks and hyphens do not count) or in that slot.

        Raises ConfigError with the nearest name.
        """
        name = _plain(wanted) if isinstance(wanted, str) else f"{wanted:g}"
        if name in self._names:
            return self._names[name]
        if name.isdecimal() and int(name) in self._slots:
            return self._slots[int(name)]
        near = get_close_matches(name, self._names, n=1)
        there = ", ".join(f"{slot} {look.name}" for slot, look in self)
        hint = f"did you mean '{self._names[near[0]].name}'?" if near else f"there are {there}"
        said = wanted if isinstance(wanted, str) else name
        raise ConfigError(f"look '{said}' is not in the bank; {hint}")


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("-", " ").replace("_", " ").split())
