"""One point in the space of worlds: colours, amounts and the hand that draws, all mixable."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLOURS = (
    "sky_top sky_mid sky_low sun halo cloud_lit cloud_shade haze rock_lit rock_shade snow wood "
    "hill_ground hill_stripe far_ground far_stripe mid_ground mid_stripe near_ground near_stripe "
    "track_ground track_stripe leaf_lit leaf_shade wall roof light dark front_lit front_shade line"
).split()
AMOUNTS = {  # name: default
    "haze": 0.7,
    "sun_height": 0.6,  # of the sky
    "sun_size": 14.0,  # px radius
    "glow": 0.4,
    "stars": 0.0,
    "clouds": 0.5,
    "streaks": 0.3,
    "peaks": 0.4,
    "jag": 0.6,
    "mesa": 0.0,
    "volcano": 0.0,
    "snowline": 0.0,
    "rolling": 0.5,
    "density": 1.0,
    "stripes": 0.5,
    "water": 0.0,
    "wires": 1.0,
    "fence": 0.3,
    "grass": 0.6,
    "events": 1.0,
}
KINDS = (
    "round bush conifer poplar bare palm cactus rock house church tower lighthouse boat torii "
    "haystack"
).split()
HANDS = ("gouache", "ink", "print", "dots", "neon")
NAMES = (
    [f"{c}.{k}" for c in COLOURS for k in "rgb"]
    + list(AMOUNTS)
    + [f"kind.{k}" for k in KINDS]
    + [f"hand.{h}" for h in HANDS]
)
_INDEX = {n: i for i, n in enumerate(NAMES)}
_COLOUR = {c: 3 * i for i, c in enumerate(COLOURS)}


@dataclass(frozen=True)
class Style:
    """A world as a flat vector, [len(NAMES)] float32; colours 0..1, the rest in their own units."""

    values: NDArray[np.float32]

    def amount(self, name: str) -> float:
        """One of the amounts, `kind.<thing>` or `hand.<hand>`."""
        return float(self.values[_INDEX[name]])

    def colour(self, name: str) -> NDArray[np.float32]:
        """One of the colours, [3]."""
        at = _COLOUR[name]
        return self.values[at : at + 3]


def make_style(colours: str, **amounts: float) -> Style:
    """Style from a string of hex colours in the order of COLOURS and its amounts by name."""
    values = np.zeros(len(NAMES), np.float32)
    codes = colours.split()
    assert len(codes) == len(COLOURS), f"{len(codes)} colours, {len(COLOURS)} wanted"
    for name, code in zip(COLOURS, codes, strict=True):
        values[_COLOUR[name] : _COLOUR[name] + 3] = [
            int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)
        ]
    for name, value in {**AMOUNTS, **amounts}.items():
        key = name if name in AMOUNTS else f"kind.{name}" if name in KINDS else f"hand.{name}"
        values[_INDEX[key]] = value
    return Style(values)


def mix(a: Style, b: Style, t: float) -> Style:
    """The style a fraction t of the way from a to b."""
    return Style(((1.0 - t) * a.values + t * b.values).astype(np.float32))


def jitter(style: Style, rng: np.random.Generator, amount: float = 1.0) -> Style:
    """A near relative: the same place at another hour, another valley, another day's paint."""
    v = style.values.copy()
    n = 3 * len(COLOURS)
    cast = rng.normal(0.0, 0.035 * amount, 3) + rng.normal(0.0, 0.03 * amount)
    own = rng.normal(0.0, 0.02 * amount, n)
    v[:n] = np.clip(v[:n] * (1.0 + np.tile(cast, n // 3)) + own * 0.6, 0.0, 1.0)
    spread = {"sun_height": 0.08, "clouds": 0.15, "streaks": 0.15, "peaks": 0.1, "jag": 0.1}
    spread |= {"rolling": 0.15, "density": 0.2, "stripes": 0.15, "haze": 0.06, "glow": 0.06}
    for name, sd in spread.items():
        v[_INDEX[name]] = max(0.0, v[_INDEX[name]] + rng.normal(0.0, sd * amount))
    kinds = slice(_INDEX["kind.round"], _INDEX["kind.round"] + len(KINDS))
    v[kinds] *= np.exp(rng.normal(0.0, 0.3 * amount, len(KINDS)))
    return Style(v.astype(np.float32))
