"""Travel: how fast each band of rows moves, whether the order of depth holds, and freezes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trainjourney.model.planes import PLANES

from .picture import Floats
from .shift import backdrop

TRAVEL_PX = 6.0  # a frame at speed 1 and parallax 1, where the frame is 512 px wide
FROZEN = 0.2  # of the commanded motion
SECOND = 30  # frames
STILL = 0.1  # below this speed there is nothing to freeze


@dataclass(frozen=True)
class Band:
    """Rows (px) where one plane is seen most, and frames between two looks at it.

    The looks at a slow band are apart by several lags in turn: poles stand at even distances, and
    by one lag alone they would seem to creep.
    """

    name: str
    parallax: float
    top: int
    bottom: int
    lags: tuple[int, ...]

    def reach(self, lag: int) -> int:
        """How far its shift is looked for, px: three times cruising speed."""
        return int(3.0 * lag * self.parallax * TRAVEL_PX) + 2


def _band(plane: str, top: int, bottom: int, *lags: int) -> Band:
    parallax = next(p.parallax for p in PLANES if p.name == plane)
    return Band(plane, parallax, top, bottom, lags)


BANDS = (
    _band("sky", 68, 92, 80, 95, 110, 100, 85),
    _band("mountains", 92, 116, 40, 55, 45, 35, 50),
    _band("hills", 114, 130, 20, 25, 15),
    _band("far", 134, 150, 10),
    _band("middle", 153, 170, 5),
    _band("near", 178, 194, 5),
    _band("track", 219, 232, 2),
    _band("foreground", 242, 256, 1),
)
FAST = ("middle", "near")  # the bands that tell a freeze
SURE = (*FAST, "track", "foreground")  # the bands that tell the speed: they fill their rows
Shifts = Mapping[str, Floats]  # of every band, the blocks' shifts, px a frame


def band_speeds(shifts: Shifts, travel_px: float = TRAVEL_PX) -> dict[str, float]:
    """The speed that every band shows, x cruising; nan where nothing could be followed."""
    speeds = {}
    for band in BANDS:
        full = band.parallax * travel_px
        width = max(0.12 * full, 0.35 / min(band.lags))
        speeds[band.name] = backdrop(shifts[band.name], width) / full
    return speeds


def speed_of(speeds: Mapping[str, float]) -> float:
    """The speed of the whole picture: the median of what its sure bands show."""
    known = [speeds[name] for name in SURE if np.isfinite(speeds[name])]
    return float(np.median(known)) if known else float("nan")


def speed_error(measured: float, commanded: float) -> float:
    """Share of the commanded speed (of cruising, where that is 0) that is wrong; 1 if unknown."""
    if not np.isfinite(measured):
        return 1.0
    return abs(measured - commanded) / (abs(commanded) if commanded else 1.0)


def in_order(speeds: Mapping[str, float]) -> float:
    """Share of neighbouring bands of which the nearer one moves faster, 0..1."""
    pace = [abs(speeds[b.name]) * b.parallax for b in BANDS if np.isfinite(speeds[b.name])]
    if len(pace) < 2:
        return 0.0
    return float(np.mean([far < near for far, near in zip(pace, pace[1:], strict=False)]))


def frozen_share(times: Floats, motion: Floats, change: Floats, commanded: float) -> float:
    """Share of the seconds that move by less than FROZEN of the commanded speed.

    `motion` [n] is the speed seen at `times`, nan where nothing could be followed; such a second is
    frozen if its pictures do not `change` [n] (mean brightness levels from sample to sample).
    """
    if abs(commanded) < STILL:
        return float("nan")
    seconds = (times // SECOND).astype(np.int64)
    frozen = []
    for second in np.unique(seconds):
        here = seconds == second
        if here.sum() < 3:  # the film begins or ends here
            continue
        known = motion[here][np.isfinite(motion[here])]
        if len(known):
            frozen.append(float(np.median(known)) / commanded < FROZEN)
        else:
            frozen.append(float(np.median(change[here])) < 0.3)
    return float(np.mean(frozen)) if frozen else float("nan")
