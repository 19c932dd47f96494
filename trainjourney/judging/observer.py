"""The observer: sees a film go by and keeps numbers of it, never the film.

Of 30,000 frames about 20 MB stay. Every fifth frame is looked at; of every 25 two more, because the
nearest country is gone in five.
"""

import json
from collections import deque
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainjourney.files import replacing
from trainjourney.types import Frame

from .colour import look_at
from .eye import Eye, Seen, to_eye
from .novelty import thumb
from .picture import Floats, fit, luma
from .shift import block_shifts
from .steady import flicker, strip_detail
from .travel import BANDS, FAST, TRAVEL_PX

EVERY, ROUND = 5, 25  # frames from sample to sample, and from one slow look to the next
_ALIKE = 64  # frames that are shown to the eye together


def wanted(time: int) -> bool:
    """Whether the observer looks at this frame."""
    return time % EVERY == 0 or time % ROUND in (1, 2)


@dataclass
class Observation:
    """What was seen of one film. Arrays over n samples, unless said otherwise."""

    times: Floats  # frames
    colour: Floats  # [n, 4] colour.STATISTICS
    palette: Floats  # [n, 48]
    thumbs: NDArray[np.uint8]  # [n, h, w]
    details: Floats  # [n, 3] left strip, right strip, rest
    motion: Floats  # [n] speed seen, x cruising; nan: nothing could be followed
    change: Floats  # [n] brightness levels from the sample before
    flicker: Floats  # [m]
    weave: Floats  # [1] brightness levels (rms) of what never moves from its place
    features: Floats  # [n, F] the eye's
    kinds: Floats  # [n, kinds, columns]
    family: Floats  # [n, families]
    spoilt: Floats  # [n]
    shifts: dict[str, Floats]  # of every band the blocks' shifts, px a frame
    note: dict[str, Any] = field(default_factory=dict)  # which film it was, and how it went

    def save(self, path: Path) -> None:
        """Write it as one .npz, whole or not at all."""
        plain: dict[str, Any] = {name: getattr(self, name) for name in _ARRAYS}
        plain |= {f"shift.{name}": values for name, values in self.shifts.items()}
        with replacing(path) as part, part.open("wb") as file:
            np.savez(file, note=np.array(json.dumps(self.note)), **plain)


_ARRAYS = [f.name for f in fields(Observation) if f.name not in ("shifts", "note")]


def load_observation(path: Path) -> Observation:
    """Read what `save` wrote."""
    with np.load(path) as kept:
        shifts = {band.name: kept[f"shift.{band.name}"] for band in BANDS}
        note = json.loads(str(kept["note"]))
        return Observation(**{name: kept[name] for name in _ARRAYS}, shifts=shifts, note=note)


def join(parts: list[Observation], apart: int) -> Observation:
    """Several films as one, each beginning `apart` frames after the one before."""
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ARRAYS} | {
        "times": np.concatenate([part.times + i * apart for i, part in enumerate(parts)])
    }
    shifts = {b.name: np.concatenate([part.shifts[b.name] for part in parts]) for b in BANDS}
    return Observation(**arrays, shifts=shifts, note=dict(parts[0].note))


class Observer:
    """Takes the wanted frames of one film in order; `finish` gives what was seen."""

    def __init__(self, eye: Eye, travel_px: float = TRAVEL_PX) -> None:
        self._eye, self._travel_px = eye, travel_px
        self._rows: dict[str, list[Any]] = {name: [] for name in _ARRAYS}
        self._shifts: dict[str, list[Floats]] = {band.name: [] for band in BANDS}
        longest = max(max(band.lags) for band in BANDS)
        self._past: deque[tuple[int, Floats]] = deque(
            maxlen=longest // EVERY + 2 * longest // ROUND + 4
        )
        self._still: Floats = np.zeros(0, np.float32)  # sum of what is fine in every sample
        self._waiting: list[NDArray[np.uint8]] = []
        self._seen: list[Seen] = []

    def add(self, time: int, frame: Frame) -> None:
        """Look at frame number `time`, which must be wanted."""
        assert wanted(time), time
        frame = fit(frame)
        bright = luma(frame)
        if time % EVERY == 0:
            self._sample(time, frame, bright)
        self._follow(time, bright)
        if time % ROUND == 1 and (before := self._at(time - 1)) is not None:
            self._rows["flicker"].append(flicker(before, bright))
        self._past.append((time, bright))

    def finish(self, note: dict[str, Any] | None = None) -> Observation:
        """Everything seen so far."""
        self._show_to_eye()
        still = self._still / max(1, len(self._rows["times"]))
        self._rows["weave"] = [float(np.sqrt(np.square(still).mean()))]
        arrays = {name: np.array(rows) for name, rows in self._rows.items()}
        for name in ("features", "kinds", "family", "spoilt"):
            arrays[name] = np.concatenate([getattr(seen, name) for seen in self._seen])
        arrays["kinds"] = arrays["kinds"].astype(np.float16)
        empty = [np.zeros(0, np.float32)]
        shifts = {name: np.concatenate(empty + found) for name, found in self._shifts.items()}
        return Observation(**arrays, shifts=shifts, note=note or {})

    def _sample(self, time: int, frame: Frame, bright: Floats) -> None:
        rows = self._rows
        colour, palette = look_at(frame)
        rows["times"].append(float(time))
        rows["colour"].append(colour)
        rows["palette"].append(palette)
        small = thumb(frame)
        last = rows["thumbs"][-1] if rows["thumbs"] else small
        rows["change"].append(np.abs(small.astype(np.float32) - last).mean())
        rows["thumbs"].append(small)
        rows["details"].append(strip_detail(bright))
        fine = bright[:, 1:-1] - 0.5 * (bright[:, :-2] + bright[:, 2:])
        self._still = fine + (self._still if self._still.size else 0.0)
        self._waiting.append(to_eye(frame))
        if len(self._waiting) >= _ALIKE:
            self._show_to_eye()

    def _follow(self, time: int, bright: Floats) -> None:
        """Shifts of the bands that are due, and the speed that the fast ones show together."""
        speeds: list[Floats] = []
        for band in BANDS:
            fast = band.name in FAST
            lag = band.lags[time // ROUND % len(band.lags)]
            if time % (EVERY if fast else ROUND) != (lag if lag < EVERY else 0):
                continue
            before = self._at(time - lag)
            if before is None:
                continue
            rows = slice(band.top, band.bottom)
            px = block_shifts(before[rows], bright[rows], band.reach(lag)) / -lag
            if fast:
                speeds.append(px / (band.parallax * self._travel_px))
            self._shifts[band.name].append(px)
        if time % EVERY == 0:
            known = np.concatenate(speeds) if speeds else np.zeros(0)
            self._rows["motion"].append(float(np.median(known)) if len(known) else np.nan)

    def _at(self, time: int) -> Floats | None:
        return next((bright for t, bright in self._past if t == time), None)

    def _show_to_eye(self) -> None:
        if self._waiting:
            self._seen.append(self._eye.look(np.stack(self._waiting)))
            self._waiting.clear()
