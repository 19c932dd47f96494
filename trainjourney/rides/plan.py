"""From measures to what is kept: which way the camera looks, what is dropped, and the stride."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainjourney.rides.flow import BANDS, LUMA_W, SURE, TILES_X
from trainjourney.rides.measure import SAME, Measures

KEPT, DUPLICATE, CUT, STILL, BLUR, UNSURE, SHORT, SPARE = range(8)
REASONS = ("kept", "duplicate", "cut", "standstill", "blur", "unsure", "short", "spare")
AIM_PX, LOW_PX, HIGH_PX = 14.0, 8.0, 24.0  # of the mid-ground, a predicted frame
MOST_STRIDE = 8  # frames kept between a frame and the next predicted one; more are spare
BLURRED = 0.5  # of the sharpness that is usual there
STANDS = 0.1  # of the ride's usual speed
STILL_PX = 0.08  # of LUMA_W, a frame: nothing moves
STILL_S = 1.0  # and so long
GAP = 3  # frames of which nothing can be told, between such of which it can
BAND_SURE = 9.0  # peak over spread of a band that is to tell alone
FAINT = 0.06  # of the usual change: no more than a codec's breathing
JUMP = 12.0  # levels that a cut changes at least
LEAP_PX = 10.0  # of LUMA_W, and three times the usual shift: within one scene, but not its motion
HOLE_S = 0.5  # and four times the usual time from frame to frame: some are missing
ALONE = 2.0  # x SURE: one band that may tell of all
AGREE_PX = 0.5  # of LUMA_W: so far several that may are off their middle

View = Literal["side", "cab"]


@dataclass(frozen=True)
class Plan:
    """What becomes of every frame of one video."""

    view: View
    reason: NDArray[np.uint8]  # [n] index of REASONS
    stretch: NDArray[np.int32]  # [n] number of its unbroken stretch, -1 if dropped
    speed: NDArray[np.float64]  # [n] signed px of the frame's width, a frame; forward positive
    position: NDArray[np.float64]  # [n] px travelled since the stretch began
    ways: NDArray[np.float64]  # [n, BANDS] the same by bands of rows: what is far lags behind
    stride: int  # kept frames from one predicted frame to the next
    every: int  # of the video's frames this many make one kept frame
    profile: NDArray[np.float64]  # [BANDS] speed of a band of rows over the mid-ground's

    @property
    def mid_px(self) -> float:
        """How far the mid-ground moves in a predicted frame, px, mostly."""
        kept = self.reason == KEPT
        return float(np.median(np.abs(self.speed[kept]))) * self.stride * self.every

    def counts(self) -> dict[str, int]:
        """How many frames went which way."""
        return {name: int((self.reason == i).sum()) for i, name in enumerate(REASONS)}


def make_plan(measures: Measures, width: int) -> Plan:
    """Decide on every frame; `width` is that of the dataset's frames, px."""
    n = len(measures)
    reason = np.full(n, KEPT, np.uint8)
    across, spread, told = _movement(measures)
    across, told = _by_other_bands(measures, across, spread, told)
    usual = float(np.median(measures.change[told])) if told.any() else 0.0
    first = measures.change < 0.0
    duplicate = ~first & (measures.change < max(SAME, FAINT * usual))
    reason[duplicate] = DUPLICATE
    reason[~told & ~first & ~duplicate] = UNSURE
    around = _running_median(np.where(told, measures.change, 0.0), 31)
    jump = measures.change > np.maximum(JUMP, 1.25 * around)
    steady = _running_median(np.where(told, across, 0.0), 9)
    leap = np.abs(across - steady) > np.maximum(LEAP_PX, 3.0 * np.abs(steady))
    step_s = np.diff(measures.time_s, prepend=measures.time_s[:1])
    hole = step_s > max(HOLE_S, 4.0 * float(np.median(step_s)) if n else 0.0)
    lost = ((reason == UNSURE) & jump) | (told & leap & jump) | hole
    reason[lost], told = CUT, told & ~lost
    sharp = _running_median(measures.sharp, 31)
    hazy = (reason == KEPT) | (reason == UNSURE)
    reason[hazy & (measures.sharp < BLURRED * sharp)] = BLUR
    for start, end in _runs(reason == UNSURE):
        if end - start <= GAP:  # a pole that passes; its neighbours tell
            reason[start:end] = KEPT
    good = told & (reason == KEPT)
    sideways = float(np.median(np.abs(across[good]))) if good.any() else 0.0
    outward = float(np.median(np.abs(spread[good]))) if good.any() else 0.0
    view: View = "cab" if outward > sideways else "side"
    raw = np.where(told, spread if view == "cab" else -across, np.nan)
    speed = _filled(raw, told & ~duplicate)
    moving = np.abs(speed[good])
    usual = float(np.median(moving[moving > STILL_PX])) if (moving > STILL_PX).any() else 0.0
    speed[duplicate] = 0.0
    stands = np.abs(speed) < max(STANDS * usual, STILL_PX)
    stands &= (reason == KEPT) | (reason == DUPLICATE)
    for start, end in _runs(stands):  # a train that turns about stands for a moment: no matter
        if measures.time_s[end - 1] - measures.time_s[start] >= STILL_S:
            reason[start:end] = STILL

    frame_px = usual * width / LUMA_W
    wanted = max(1, round(AIM_PX / frame_px)) if frame_px > 0.0 else 1
    every = -(-wanted // MOST_STRIDE)
    stride = max(1, round(wanted / every))
    stretch = _stretches(reason, every * (2 * stride + 1))
    profile = _profile(measures, -speed, good)
    bands = _band_speeds(measures, speed, profile, good) * (width / LUMA_W)
    speed *= width / LUMA_W
    position, ways = np.zeros(n), np.zeros((n, BANDS))
    for number in range(int(stretch.max(initial=-1)) + 1):
        mine = np.flatnonzero(stretch == number)
        inside = np.arange(mine[0], mine[-1] + 1)  # duplicates too, which move nothing
        position[inside] = np.cumsum(speed[inside]) - speed[mine[0]]
        ways[inside] = np.cumsum(bands[inside], axis=0) - bands[mine[0]]
        spare = mine[np.arange(len(mine)) % every > 0]
        reason[spare] = SPARE
    stretch[reason != KEPT] = -1
    return Plan(view, reason, stretch, speed, position, ways, stride, every, profile)


def _movement(
    m: Measures,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Sideways and outward motion of the mid-ground, px of LUMA_W, and whether it can be told.

    The mid-ground is the middle half of the rows. Outward is how the right half's median
    differs from the left's: what drives ahead sees the country part.
    """
    middle = slice(1, 3)
    u, sure = m.tiles[:, middle, :, 1].astype(np.float64), m.tiles_sure[:, middle] >= SURE
    masked = np.where(sure, u, np.nan)
    half = TILES_X // 2
    wide = np.where(m.bands_sure >= BAND_SURE, m.bands, np.nan)[:, BANDS // 4 : 3 * BANDS // 4]
    left, right = _median(masked[:, :, :half]), _median(masked[:, :, half:])
    spread = np.nan_to_num((right - left) / 2.0)
    tiles = _median(masked)
    bands = _median(wide)
    # past half a tile only the bands can tell; where the country parts, only the tiles
    fast = np.isfinite(bands) & (np.abs(bands) > LUMA_W / TILES_X / 3.0)
    across = np.where(fast | ~np.isfinite(tiles), bands, tiles)
    told = np.isfinite(across) & ((sure.sum((1, 2)) >= 3) | (np.isfinite(wide).sum(1) >= 2))
    # none is sure alone, under a pale sky say, but strangers do not agree
    shared = np.median(m.bands, axis=1)
    alike = (np.abs(m.bands - shared[:, None]) < 1.0) & (m.bands_sure > 0.7 * SURE)
    agreed = ~told & (alike.sum(1) >= BANDS // 2)
    across, told = np.where(agreed, shared, across), told | agreed
    return np.nan_to_num(across), np.where(fast, 0.0, spread), told


def _by_other_bands(
    m: Measures,
    across: NDArray[np.float64],
    spread: NDArray[np.float64],
    told: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Of a side view whose mid-ground is bare sky for a while, motion by the other bands: how much
    faster or slower each goes is known from the rest of the ride."""
    if not told.any() or np.median(np.abs(spread[told])) > np.median(np.abs(across[told])):
        return across, told
    ratio = _profile(m, across, told)
    sure = (m.bands_sure >= BAND_SURE) & (ratio > 0.2)
    able = (sure.sum(1) >= 2) | (np.where(sure, m.bands_sure, 0.0).max(1) >= ALONE * SURE)
    each = np.where(sure, m.bands / ratio.clip(0.2), np.nan)
    found = _median(each)
    apart = np.abs(each - found[:, None])
    able &= np.where(np.isfinite(apart), apart, 0.0).max(1) < AGREE_PX
    new = ~told & able
    return np.where(new, np.nan_to_num(found), across), told | new


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over all but the first axis; NaN where there is nothing."""
    flat = values.reshape(len(values), -1)
    out = np.full(len(flat), np.nan)
    some = np.isfinite(flat).any(1)
    out[some] = np.nanmedian(flat[some], axis=1)
    return out


def _filled(raw: NDArray[np.float64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Speed at every frame: a median of five, what cannot be told taken from its neighbours."""
    places = np.flatnonzero(good & np.isfinite(raw))
    if not len(places):
        return np.zeros(len(raw))
    steady = _running_median(raw[places], 5)
    steady = np.where(np.abs(raw[places]) < STILL_PX, raw[places], steady)  # a halt is believed
    return np.asarray(np.interp(np.arange(len(raw)), places, steady))


def _running_median(values: NDArray[np.floating], width: int) -> NDArray[np.float64]:
    if not len(values):
        return np.zeros(0)
    around = np.pad(values.astype(np.float64), width // 2, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(around, width)
    return np.asarray(np.median(windows, axis=1))


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end of every run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _stretches(reason: NDArray[np.uint8], least: int) -> NDArray[np.int32]:
    """Number the unbroken stretches of at least so many kept frames; shorter ones are dropped."""
    stretch = np.full(len(reason), -1, np.int32)
    number, mine = 0, list[int]()
    for i, why in enumerate([*reason.tolist(), CUT]):
        if why == KEPT:
            mine.append(i)
        elif why != DUPLICATE:
            if len(mine) >= least:
                stretch[mine] = number
                number += 1
            else:
                reason[mine] = SHORT
            mine = []
    return stretch


def _band_speeds(
    m: Measures, speed: NDArray[np.float64], profile: NDArray[np.float64], good: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Speed of every band of rows, px of LUMA_W a frame, [n, BANDS], forward positive."""
    out = speed[:, None] * profile
    for band in range(BANDS):
        told = good & (m.bands_sure[:, band] >= SURE)
        if told.sum() >= 5:
            out[:, band] = _filled(-m.bands[:, band].astype(np.float64), told)
    out[speed == 0.0] = 0.0  # duplicates
    return out


def _profile(
    m: Measures, across: NDArray[np.float64], good: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Speed of every band of rows over the mid-ground's; a band never told takes the next one's."""
    moving = good & (np.abs(across) > 4 * STILL_PX)
    ratio = np.full(BANDS, np.nan)
    for band in range(BANDS):
        told = moving & (m.bands_sure[:, band] >= SURE)
        if told.sum() >= 5:
            # of sums: so a band travels with the mid-ground to the end of the ride
            ratio[band] = m.bands[told, band].sum() / across[told].sum()
    known = np.flatnonzero(np.isfinite(ratio))
    if not len(known):
        return np.ones(BANDS)
    return np.asarray(np.interp(np.arange(BANDS), known, ratio[known]))
