"""Which slots and names the files of a folder of looks have. Pure, but for listing it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from trainjourney.controls.parameters import SLOTS
from trainjourney.errors import PictureError
from trainjourney.journey.looks_set import SetLook
from trainjourney.pictures import pictures_in

_NUMBERED = re.compile(r"(\d{1,2})[ ._-]+(.+)")


def list_folder(
    folder: Path, taken: Iterable[int], usable: Callable[[Path], bool] = lambda path: True
) -> list[SetLook]:
    """The `usable` pictures of a folder as a set, in the slots that a new show gives them.

    Raises PictureError.
    """
    try:
        names = pictures_in(folder)
    except OSError as err:
        reason = (err.strerror or str(err)).lower()
        raise PictureError(f"{folder}: cannot be read ({reason}); type: mkdir {folder}") from err
    slots = place((name for name in names if usable(folder / name)), {}, taken)
    looks = [SetLook(slot=slot, file=name, name=name_of(name)) for name, slot in slots.items()]
    return sorted(looks, key=lambda look: look.slot)


def place(
    names: Iterable[str], former: Mapping[str, int], taken: Iterable[int]
) -> dict[str, int]:  # fmt: skip
    """Slots for files: by their number, as before, or the lowest that is free; the rest have none.

    A number counts even where the slot is `taken` by a look of the bundle.
    """
    slots: dict[str, int] = {}
    names = sorted(names, key=natural)
    for name in names:
        number = number_of(name)
        if number and number not in slots.values():
            slots[name] = number
    for name in names:
        if name in former and name not in slots and former[name] not in slots.values():
            slots[name] = former[name]
    free = (s for s in range(1, SLOTS + 1) if s not in {*slots.values(), *taken})
    for name in names:
        if name not in slots and (slot := next(free, 0)):
            slots[name] = slot
    return slots


def number_of(name: str) -> int:
    """The slot that a file's name asks for, if there is one of that number; 0 for any."""
    number = _asked(name)
    return number if number <= SLOTS else 0


def astray(names: Iterable[str], slots: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """The files that ask for another slot than they have, and why it is not theirs."""
    for name in names:
        asked, slot = _asked(name), slots.get(name, 0)
        if asked and asked != slot:
            first = next((one for one, number in slots.items() if number == asked), "")
            why = f"slot {asked} is that of {first}" if first else f"slots go up to {SLOTS}"
            yield name, f"{why}; it is in {f'slot {slot}' if slot else 'none'}"


def _asked(name: str) -> int:
    found = _NUMBERED.fullmatch(Path(name).stem)
    return int(found[1]) if found else 0


def name_of(name: str) -> str:
    """The look's name that a file's name gives, without its number."""
    stem = Path(name).stem
    found = _NUMBERED.fullmatch(stem)
    text = found[2] if found else stem
    return " ".join(text.replace("_", " ").split())[:100] or stem


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key that sorts 2 before 10."""
    parts = re.split(r"(\d+)", name.casefold())
    return tuple((int(part[:18]), "") if part.isdecimal() else (-1, part) for part in parts)
