"""Where everything stands: the plan of a plane, drawn from a seed before it is painted."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..model.planes import PLANES
from .style import KINDS, Style

Floats = NDArray[np.float32]
StyleAt = Callable[[float], Style]  # strip coordinate, px -> the style that reigns there


@dataclass(frozen=True)
class Stand:
    """One thing: its kind, foot (x, y in px of the strip), size in px, 24 random numbers."""

    kind: str
    x: float
    y: float
    size: float
    chance: Floats
    mirrored: bool = False


@dataclass
class Layout:
    """Plan of a strip `width` px long: terrain line, noises and things; y from the strip's top."""

    plane: int
    width: int
    line: Floats  # [width] y of the terrain's top edge; large where there is none
    lit: Floats  # [width] slope light, -1..1
    snow: Floats  # [width] y down to which snow lies (rock only)
    grain: Floats  # [rows, columns] coarse random lattice for stripes and shade
    stripes: float
    stands: list[Stand] = field(default_factory=list)
    stars: Floats = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    poles: list[float] = field(default_factory=list)
    events: list[tuple[str, float, float]] = field(default_factory=list)  # name, from, to
    fence: list[tuple[float, float]] = field(default_factory=list)
    wires: float = 1.0


def waves(rng: np.random.Generator, width: int, period: float, octaves: int, gain: float) -> Floats:
    """Smooth 1-D noise in about -1..1, [width]; value noise with halving periods."""
    x = np.arange(width, dtype=np.float32)
    out, total, a = np.zeros(width, np.float32), 0.0, 1.0
    for o in range(octaves):
        knots = rng.uniform(-1.0, 1.0, int(width / period * 2**o) + 4).astype(np.float32)
        at = x / period * 2**o
        i = at.astype(np.int64)
        f = at - i
        f = f * f * (3.0 - 2.0 * f)
        out += a * (knots[i] * (1.0 - f) + knots[i + 1] * f)
        total, a = total + a, a * gain
    out /= total
    return out


def _amounts(style_at: StyleAt, width: int, name: str) -> Floats:
    """An amount along the strip, sampled every 32 px and interpolated."""
    knots = np.arange(0, width + 32, 32)
    return np.interp(
        np.arange(width), knots, [style_at(float(k)).amount(name) for k in knots]
    ).astype(np.float32)


def _peaks(rng: np.random.Generator, width: int, style_at: StyleAt, base: float) -> Floats:
    soft = 0.5 + 0.5 * waves(rng, width, 170.0, 3, 0.4)
    ridged = 1.0 - np.abs(waves(rng, width, 95.0, 5, 0.5)) * 2.2
    cone = np.zeros(width, np.float32)
    x = rng.uniform(40.0, 260.0)
    while x < width + 120:
        d = np.abs(np.arange(width) - x) / rng.uniform(60.0, 100.0)
        cone = np.maximum(cone, rng.uniform(0.75, 1.05) * np.minimum(np.exp(-1.2 * d), 0.88) / 0.88)
        x += rng.uniform(330.0, 620.0)
    jag = np.clip(_amounts(style_at, width, "jag"), 0, 1)
    tall = _amounts(style_at, width, "peaks")
    mesa = np.clip(_amounts(style_at, width, "mesa"), 0, 1)
    volcano = np.clip(_amounts(style_at, width, "volcano"), 0, 1)
    h = jag * np.clip(ridged, 0.05, 1) + (1 - jag) * soft
    t = np.clip((waves(rng, width, 120.0, 2, 0.5) + 0.15) / 0.12, 0, 1)
    flat = 0.15 + (0.6 + 0.2 * np.round(2 * soft) / 2) * t * t * (3 - 2 * t)
    h = (1 - mesa) * h + mesa * (flat + 0.02 * waves(rng, width, 9.0, 2, 0.5))
    h = (1 - volcano) * h + volcano * np.maximum(cone, 0.25 * soft)
    line: Floats = (base - 4.0 - 88.0 * tall * h).astype(np.float32)
    return line


def _pick(rng: np.random.Generator, style: Style, plane: int) -> str | None:
    weights = np.array([max(0.0, style.amount(f"kind.{k}")) for k in KINDS])
    water = style.amount("water") > 0.5 and plane in (3,)
    for i, k in enumerate(KINDS):
        afloat = k in ("boat",)
        if water != afloat:
            weights[i] = 0.0
        if k in ("torii", "church", "lighthouse") and plane not in (3, 4, 5):
            weights[i] = 0.0
        if k == "lighthouse" and plane != 4:
            weights[i] = 0.0
        if k == "tower":
            weights[i] *= {3: 1.3, 4: 1.0, 5: 0.35}[plane]
        if k in ("bush", "rock", "haystack") and plane == 3:
            weights[i] *= 0.3
    total = weights.sum()
    if total <= 1e-6:
        return None
    return str(rng.choice(KINDS, p=weights / total))


_UNIT = {3: 26.0, 4: 44.0, 5: 72.0}  # px, height of a tree in the land planes
_SIZE = {
    "round": 1.0, "bush": 0.5, "conifer": 1.05, "poplar": 1.15, "bare": 1.0, "palm": 1.05,
    "cactus": 0.75, "rock": 0.5, "house": 0.52, "church": 0.95, "tower": 1.35,
    "lighthouse": 1.4, "boat": 0.6, "torii": 0.72, "haystack": 0.4,
}  # fmt: skip


def _stand_things(
    rng: np.random.Generator, plane: int, width: int, line: Floats, style_at: StyleAt
) -> list[Stand]:
    unit = _UNIT[plane]
    out: list[Stand] = []
    x = rng.uniform(-unit, unit)
    while x < width + unit:
        style = style_at(x)
        density = max(0.15, style.amount("density"))
        first = _pick(rng, style, plane)
        company = 1 + int(rng.integers(0, 5)) * int(rng.random() < 0.6)
        for _ in range(company):
            kind = first if rng.random() < 0.75 else _pick(rng, style, plane)
            if kind is None:
                continue
            if kind in ("lighthouse", "church", "torii") and any(
                s.kind == kind and x - s.x < unit * 7 for s in out
            ):
                kind = "bush" if style.amount("kind.bush") > 0.1 else None
            if kind is None:
                continue
            size = unit * _SIZE[kind] * rng.uniform(0.72, 1.15)
            foot = float(line[int(np.clip(x, 0, width - 1))]) + rng.uniform(0.5, 0.12 * unit + 1.0)
            out.append(
                Stand(kind, x, foot, size, rng.random(24).astype(np.float32), rng.random() < 0.5)
            )
            step = {"house": 1.9, "tower": 0.62, "church": 1.3, "boat": 2.2}.get(kind, 0.62)
            x += size * step * rng.uniform(0.6, 1.3)
        x += unit * float(rng.exponential(1.15)) / density
    return sorted(out, key=lambda s: s.y)


def _sky(rng: np.random.Generator, lay: Layout, style_at: StyleAt) -> None:
    x = rng.uniform(-100.0, 160.0)
    while x < lay.width + 100:
        s = style_at(x)
        size = rng.uniform(38.0, 95.0) * (0.7 + 0.6 * s.amount("clouds"))
        amount = s.amount("clouds") + 0.35 * s.amount("streaks")
        if rng.random() < amount * 1.2:
            share = s.amount("streaks") / (s.amount("streaks") + s.amount("clouds") + 1e-3)
            kind = "streak" if rng.random() < share else "cloud"
            y = rng.uniform(18.0, 104.0)
            size *= (0.55 + 0.45 * (1 - y / 110)) * (1.2 if kind == "streak" else 0.8)
            lay.stands.append(Stand(kind, x, y, size, rng.random(24).astype(np.float32)))
        x += rng.uniform(25.0, 110.0)
    x = rng.uniform(60.0, 460.0)
    while x < lay.width:
        s = style_at(x)
        y = 128.0 * (1.0 - s.amount("sun_height")) * 0.95 + 4.0
        lay.stands.insert(
            0, Stand("sun", x, y, 2 * s.amount("sun_size"), rng.random(24).astype(np.float32))
        )
        x += rng.uniform(520.0, 760.0)
    n = int(lay.width * 0.16)
    stars = np.stack([rng.uniform(0, lay.width, n), rng.uniform(0, 112, n), rng.random(n)], 1)
    keep = [rng.random() < style_at(float(x)).amount("stars") for x in stars[:, 0]]
    lay.stars = stars[np.array(keep, bool)].astype(np.float32)


def _track(rng: np.random.Generator, lay: Layout, style_at: StyleAt) -> None:
    gap = rng.uniform(230.0, 330.0)
    x = rng.uniform(-gap, 0.0)
    while x < lay.width + gap:
        lay.poles.append(x)
        x += gap
    x = rng.uniform(0.0, 900.0)
    while x < lay.width:
        s = style_at(x)
        if rng.random() < 0.24 * s.amount("events"):
            name = str(rng.choice(["platform", "bridge", "tunnel"], p=[0.45, 0.35, 0.2]))
            lay.events.append((name, x, x + rng.uniform(260.0, 520.0)))
            x = lay.events[-1][2]
        if rng.random() < s.amount("fence"):
            lay.fence.append((x, x + rng.uniform(150.0, 500.0)))
        if s.amount("kind.bush") + s.amount("kind.round") > 0.3 and rng.random() < 0.7:
            at = x + rng.uniform(0.0, 200.0)
            if at < lay.width:
                lay.stands.append(
                    Stand(
                        "bush",
                        at,
                        float(lay.line[int(at)]) + 4,
                        rng.uniform(26, 58),
                        rng.random(24).astype(np.float32),
                    )
                )
        x += rng.uniform(350.0, 900.0)
    lay.wires = style_at(lay.width / 2).amount("wires")


def plan(seed: int, plane: int, width: int, style_at: StyleAt) -> Layout:
    """Plan of one plane, `width` px of the frame long, for the style that reigns at each place."""
    rng = np.random.default_rng([seed, plane, 77])
    p = PLANES[plane]
    base = 2.0 * (p.horizon - p.top)  # px from the strip's top
    rolling = _amounts(style_at, width, "rolling")
    flat = 1.0 - np.clip(_amounts(style_at, width, "water"), 0, 1) * (plane in (2, 3))
    snow = np.full(width, -1e3, np.float32)
    if p.name == "sky":
        line = np.full(width, 1e3, np.float32)
    elif p.name == "mountains":
        line = _peaks(rng, width, style_at, base)
        level = np.clip(_amounts(style_at, width, "snowline"), 0, 1)
        tall = 88.0 * _amounts(style_at, width, "peaks")
        down = base - 4 - tall * (1.02 - 0.62 * level) + 7.0 * waves(rng, width, 11.0, 2, 0.6)
        snow = np.where(level > 0.05, down, -1e3).astype(np.float32)
    else:
        height = {2: 20.0, 3: 7.0, 4: 7.0, 5: 8.0, 6: 4.0, 7: 6.0}[plane]
        period = {2: 190.0, 3: 220.0, 4: 260.0, 5: 300.0, 6: 240.0, 7: 130.0}[plane]
        line = base - height * rolling * flat * (0.5 + waves(rng, width, period, 3, 0.4))
        if plane == 2:  # the edge of distant woods
            wood = np.clip(
                _amounts(style_at, width, "kind.round") + _amounts(style_at, width, "kind.conifer"),
                0,
                1.5,
            )
            line = line - flat * wood * 2.2 * np.abs(waves(rng, width, 9.0, 2, 0.6)) * (
                waves(rng, width, 90.0, 2, 0.5) > 0
            )
        if plane == 7:
            grass = _amounts(style_at, width, "grass")
            line = (
                line
                - grass * 9.0 * np.abs(waves(rng, width, 5.0, 2, 0.7))
                + 10.0 * (1 - np.clip(grass * 1.5, 0, 1))
            )
        line = line.astype(np.float32)
    smooth = np.convolve(np.pad(np.clip(line, -50, 400), 12, "edge"), np.ones(25) / 25, "valid")
    lit = np.clip(-np.gradient(smooth) * 1.6, -1, 1).astype(np.float32)
    lattice = rng.uniform(-1, 1, (34, width // 24 + 4)).astype(np.float32)
    lay = Layout(
        plane, width, line, lit, snow, lattice, float(_amounts(style_at, width, "stripes").mean())
    )
    if p.name == "sky":
        _sky(rng, lay, style_at)
    elif plane in _UNIT:
        lay.stands = _stand_things(rng, plane, width, line, style_at)
    elif plane == 2:
        x = rng.uniform(0, 60)
        while x < width:  # a far skyline or a hamlet
            s = style_at(x)
            kind = "tower" if rng.random() < s.amount("kind.tower") * 0.6 else None
            if (
                kind is None
                and rng.random() < 0.25 * s.amount("kind.house")
                and s.amount("water") < 0.6
            ):
                kind = "house"
            if kind:
                size = rng.uniform(16, 34) if kind == "tower" else rng.uniform(5, 8)
                lay.stands.append(
                    Stand(kind, x, float(line[int(x)]) + 2, size, rng.random(24).astype(np.float32))
                )
            x += rng.uniform(6, 30)
    elif p.name == "track":
        _track(rng, lay, style_at)
    return lay
