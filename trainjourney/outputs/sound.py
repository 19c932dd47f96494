"""The sound of the train, made of the journey itself: the rolling, and the joints of the rails.

As it is heard from a seat. A pure function of a seed and the course of the speed; it knows no
clock, no samples of other trains and no encoder. The same rails sound the same on the way back.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float32]  # [n, 2] left and right, within -LOUDEST..LOUDEST
Line = NDArray[np.float64]  # [n] something by sample

RATE = 48_000  # samples a second
LOUDEST = 0.7  # never above
RAIL = 1.2  # from joint to joint, in seconds of cruising: 25 m at 75 km/h
FOLLOWS_S = 0.25  # the sound takes so long to follow a change of speed
_LOOP_RATE = 16_000
_STANDS = 1e-4  # x cruising: below it the train stands, and is silent
_SWAY = 5.7  # seconds of cruising from one swing of the coach to the next
_CLACK = 0.24  # of an axle on a joint, at cruising
_CLACK_S = 0.22
_RINGS = (  # Hz, seconds that it rings, level; the high ones are what a phone can sound
    (66.0, 0.050, 1.0), (128.0, 0.036, 0.8), (247.0, 0.022, 0.7), (560.0, 0.013, 0.6),
    (1130.0, 0.007, 0.4), (1740.0, 0.004, 0.2),
)  # fmt: skip
_KINDS = 5  # of joints; no two in a row need be alike


@dataclass(frozen=True)
class Band:
    """One colour of the rolling: noise between two pitches."""

    seconds: float  # until it repeats; no two bands together
    low_hz: float
    high_hz: float
    level: float  # at cruising, RMS
    power: float  # of the speed that the level follows


@dataclass(frozen=True)
class Axle:
    """One axle that crosses every joint."""

    behind: float  # the first, in seconds of cruising
    level: float
    right: float  # where it is heard, 0 left to 1 right
    low: bool  # ta, or tack


BANDS = (
    Band(7.3, 34.0, 110.0, 0.024, 0.9),  # the floor
    Band(9.1, 110.0, 420.0, 0.011, 1.1),  # the wheels
    Band(5.9, 420.0, 2400.0, 0.0025, 1.6),  # the air
)
AXLES = (  # of this coach's bogie, and of the next coach's further off
    Axle(0.0, 1.0, 0.42, True),
    Axle(0.12, 0.85, 0.5, False),
    Axle(0.42, 0.36, 0.66, True),
    Axle(0.54, 0.3, 0.7, False),
)


class TrainSound:
    """The sound of one train, block after block."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        rng = np.random.default_rng(seed)
        self._loops = [_noise(band, rng) for band in BANDS]
        self._clacks = [[_clack(low, rng) for _ in range(_KINDS)] for low in (False, True)]
        self.reset()

    def reset(self) -> None:
        """Stand at the beginning, silent."""
        self.speed = self.distance = 0.0
        self._place = 0.0  # in the loops, samples
        self._tail = np.zeros((round(_CLACK_S * RATE), 2))  # of clacks that ring on

    def step(self, speed: float, samples: int) -> Block:
        """The next so many samples, while the train is brought to `speed`, x cruising."""
        fades = np.exp(np.arange(1, samples + 1) / (-FOLLOWS_S * RATE))
        course = speed + (self.speed - speed) * fades
        course[np.abs(course) < _STANDS] = 0.0
        way = self.distance + np.cumsum(course) / RATE
        rolling = self._roll(np.abs(course), way)
        heard = np.zeros((samples + len(self._tail), 2))
        heard[: len(self._tail)] = self._tail
        heard[:samples] += rolling
        self._cross(way, course, heard)
        self._tail = heard[samples:].copy()
        self.speed, self.distance = float(course[-1]), float(way[-1])
        return (LOUDEST * np.tanh(heard[:samples] / LOUDEST)).astype(np.float32)

    def _roll(self, pace: Line, way: Line) -> NDArray[np.float64]:
        """The noise of rolling, [n, 2]: louder and higher the faster."""
        out = np.zeros((len(pace), 2))
        if not pace.any():
            return out
        places = self._place + np.cumsum(0.6 + 0.4 * pace) * (_LOOP_RATE / RATE)
        first = int(self._place)
        self._place = float(places[-1])
        whole = places.astype(np.int64) - first  # from one place on in every loop
        part = places - first - whole
        sway = 1.0 + 0.2 * np.sin(2.0 * np.pi / _SWAY * way)
        span = np.arange(first, first + int(whole[-1]) + 2)
        for band, loop in zip(BANDS, self._loops, strict=True):
            level = pace**band.power * sway
            for side in (0, 1):  # the same noise from half its length on is another noise
                near = loop.take(span + side * len(loop) // 2, mode="wrap")
                out[:, side] += level * (near[whole] + part * np.diff(near)[whole])
        return out

    def _cross(self, way: Line, course: Line, heard: NDArray[np.float64]) -> None:
        """Let every axle that comes to a joint on this way clack there."""
        for at, number, joint in find_joints(self.distance, way):
            axle = AXLES[number]
            dice = np.random.default_rng((self._seed, joint & 0xFFFFFFFF, number))
            clack = self._clacks[axle.low][int(dice.integers(_KINDS))]
            level = _CLACK * axle.level * dice.uniform(0.8, 1.0) * abs(course[at]) ** 0.8
            heard[at : at + len(clack), 0] += level * np.sqrt(1.0 - axle.right) * clack
            heard[at : at + len(clack), 1] += level * np.sqrt(axle.right) * clack


def find_joints(before: float, way: Line) -> Iterator[tuple[int, int, int]]:
    """Where on a way, that begins at `before` and is shorter than a rail, which axle meets which
    joint: (sample, number of the axle, number of the joint)."""
    for number, axle in enumerate(AXLES):
        left = np.floor((before - axle.behind) / RAIL)
        rails = np.floor((way - axle.behind) / RAIL)
        if rails[-1] != left:
            at = int(np.argmax(rails != left))
            yield at, number, int(max(rails[at], left))


def _noise(band: Band, rng: np.random.Generator) -> Line:
    """A loop of noise between two pitches with soft edges, RMS `level`; it joins without a seam."""
    count = round(band.seconds * _LOOP_RATE)
    pitches = np.fft.rfftfreq(count, 1.0 / _LOOP_RATE)
    shape = 1.0 / (1.0 + (band.low_hz / np.maximum(pitches, 1.0)) ** 6)
    shape /= 1.0 + (pitches / band.high_hz) ** 4
    shape /= np.sqrt(np.maximum(pitches, band.low_hz))  # towards the low, as wood and steel do
    phases = rng.normal(size=len(pitches)) + 1j * rng.normal(size=len(pitches))
    loop = np.fft.irfft(shape * phases, count)
    return np.asarray(loop * band.level / np.sqrt(np.mean(loop**2)))


def _clack(low: bool, rng: np.random.Generator) -> Line:
    """One axle on one joint: a soft blow on the floor that rings a little. Its peak is 1."""
    times = np.arange(round(_CLACK_S * RATE)) / RATE
    pitch = (0.86 if low else 1.0) * rng.uniform(0.95, 1.05)
    out = np.zeros(len(times))
    for hz, dies_s, level in _RINGS:
        ring = np.sin(2.0 * np.pi * hz * pitch * times + rng.uniform(0.0, 0.6))
        out += level * ring * np.exp(-times / dies_s)
    rises = np.minimum(times / 0.003, 1.0)
    ends = np.minimum((times[-1] - times) / 0.02, 1.0)
    out *= 0.5 * (1.0 - np.cos(np.pi * rises)) * ends
    return np.asarray(out / np.abs(out).max())
