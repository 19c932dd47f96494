"""What is measured of every frame of a video, a segment of it at a time."""

import os
import zipfile
import zlib
from collections import deque
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainjourney.errors import RideError
from trainjourney.files import replacing
from trainjourney.rides.flow import BANDS, LUMA_H, LUMA_W, SURE, TILES_X, TILES_Y, Motion, luma
from trainjourney.rides.flow import measure as motion_between
from trainjourney.rides.video import read

FAR = 8  # frames back that a slow ride is measured against
SLOW = 2.0  # px of LUMA_W a frame; below it the shift is measured over FAR frames
PARTS = 1.0  # px that most tiles are off their middle: so far apart, FAR frames do not match
SAME = 0.4  # levels of grey; two frames less apart are one
LEAD_S = 0.6  # read before a segment, so that its first frames have something before them
_FULL: dict[str, tuple[int, ...]] = {"bands": (BANDS,), "bands_sure": (BANDS,)}
_FULL |= {"tiles": (TILES_Y, TILES_X, 2), "tiles_sure": (TILES_Y, TILES_X)}


@dataclass(frozen=True)
class Measures:
    """One row a frame. Motion is in px of LUMA_W from the frame before, right and down positive."""

    time_s: NDArray[np.float64]
    change: NDArray[np.float32]  # mean difference from the frame before, levels; -1 the first
    sharp: NDArray[np.float32]  # mean second difference, levels
    bands: NDArray[np.float32]  # [n, BANDS]
    bands_sure: NDArray[np.float32]
    tiles: NDArray[np.float32]  # [n, TILES_Y, TILES_X, 2] down, sideways
    tiles_sure: NDArray[np.float32]
    broken: NDArray[np.int64]  # [segments] packets that did not decode

    def __len__(self) -> int:
        return len(self.time_s)


def measure_segment(video: Path, since_s: float, until_s: float, cache: Path) -> Path:
    """Measure the frames in [since_s, until_s) into the file `cache`, unless it is there, whole."""
    if cache.exists() and _columns(cache) is not None:
        return cache
    rows: list[tuple[float, float, float, Motion | None]] = []
    before: deque[NDArray[np.float32]] = deque(maxlen=FAR)
    broken = [0]
    lead = max(0.0, since_s - LEAD_S)
    for time_s, frame in read(video, LUMA_W, LUMA_H, lead, until_s, broken):
        grey = luma(frame)
        change, motion = -1.0, None
        if before:
            change = float(np.abs(grey - before[-1]).mean())
        if time_s >= since_s - 1e-6:
            if before and change >= SAME:
                motion = _motion(before, grey)
            rows.append((time_s, change, _sharpness(grey), motion))
        if change < 0.0 or change >= SAME:
            before.append(grey)
    save(cache, _gather(rows, broken))
    return cache


def _motion(before: "deque[NDArray[np.float32]]", grey: NDArray[np.float32]) -> Motion:
    """From the last frame; a slow one over FAR frames, where that can be told."""
    near = motion_between(before[-1], grey)
    sure, sideways = near.bands_sure >= SURE, near.tiles[..., 1]
    if len(before) < FAR or not sure.any() or np.abs(sideways).max() > 4 * SLOW:
        return near
    apart = np.abs(sideways - np.median(sideways))
    if float(np.percentile(apart, 75)) > PARTS:
        return near
    if float(np.median(np.abs(near.bands[sure]))) >= SLOW:
        return near
    far = motion_between(before[0], grey)
    if _usual(far.bands_sure) < SURE and _usual(far.tiles_sure) < SURE:
        return near
    slow = np.float32(1.0 / FAR)
    both = sure & (far.bands_sure >= SURE)  # they tell two motions where a cut lies between
    if both.any() and float(np.median(np.abs(far.bands * slow - near.bands)[both])) > PARTS:
        return near
    return Motion(far.bands * slow, far.bands_sure, far.tiles * slow, far.tiles_sure)


def _usual(sure: NDArray[np.float32]) -> float:
    """Of the patches in which there is something."""
    return float(np.median(sure[sure > 0.0])) if (sure > 0.0).any() else 0.0


def _sharpness(grey: NDArray[np.float32]) -> float:
    return float(np.abs(np.diff(grey, 2, axis=1)).mean() + np.abs(np.diff(grey, 2, axis=0)).mean())


def _gather(rows: list[tuple[float, float, float, Motion | None]], broken: list[int]) -> Measures:
    def column(name: str) -> NDArray[np.float32]:
        nothing = np.zeros(_FULL[name], np.float32)
        found = [nothing if m is None else getattr(m, name) for *_, m in rows]
        return np.array(found, np.float32).reshape(len(rows), *_FULL[name])

    bands, bands_sure, tiles, tiles_sure = map(column, _FULL)
    time_s = np.array([row[0] for row in rows], np.float64)
    change = np.array([row[1] for row in rows], np.float32)
    sharp = np.array([row[2] for row in rows], np.float32)
    count = np.array(broken, np.int64)
    return Measures(time_s, change, sharp, bands, bands_sure, tiles, tiles_sure, count)


def save(path: Path, measures: Measures) -> None:
    """Write measures whole or not at all. Raises RideError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as part, part.open("wb") as file:
            np.savez(file, **{f.name: getattr(measures, f.name) for f in fields(Measures)})
            file.flush()
            os.fsync(file.fileno())
    except OSError as err:
        raise RideError(
            f"{path}: cannot be written ({err.strerror}); free the disk, then import again"
        ) from err


def load(paths: list[Path]) -> Measures:
    """The measures of all segments of a video, in order."""
    parts = []
    for path in paths:
        columns = _columns(path)
        if columns is None:
            raise RideError(f"{path}: was damaged just now; see to the disk, then import again")
        parts.append(columns)
    return Measures(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _columns(path: Path) -> list[NDArray[Any]] | None:
    """What a file of measures holds; None where it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            columns = [kept[f.name] for f in fields(Measures)]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        return None
    return columns if len({len(column) for column in columns[:-1]}) == 1 else None
