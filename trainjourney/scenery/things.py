"""What stands in the country: each thing is a list of (material, distance) drawn in order.

Coordinates are in units of the thing's size: (0, 0) is where it stands, v = 1 its usual top.
`p(i)` is the i-th of 24 uniform random numbers, [N, 1, 1]; `extent` is (half width, top, bottom)
of the drawing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .shapes import Array, box, capsule, circle, ellipse, gable

GROUND, STRIPE, LEAF, SHADE, WALL, ROOF, LIGHT, DARK = range(8)
Parts = list[tuple[int, Array]]
Draw = Callable[[Any, Array, Array, Callable[[int], Array]], Parts]


@dataclass(frozen=True)
class Thing:
    """A kind of thing: its drawing and how far it reaches, in sizes."""

    draw: Draw
    extent: tuple[float, float, float]


def _union(xp: Any, shapes: list[Array]) -> Array:
    out = shapes[0]
    for s in shapes[1:]:
        out = xp.minimum(out, s)
    return out


def _puffs(
    xp: Any,
    u: Array,
    v: Array,
    p: Any,
    cy: float,
    r: float,
    n: int,
    grow: float,
    du: float,
    dv: float,
) -> Array:
    """A crown of n overlapping discs around (0, cy), scaled by `grow` and pushed by (du, dv)."""
    out = [circle(xp, u, v, du, cy + dv, r * 0.62 * grow)]
    for i in range(n):
        cx, oy, k = (
            (p(3 * i) - 0.5) * 1.5 * r,
            (p(3 * i + 1) - 0.45) * 1.2 * r,
            0.42 + 0.28 * p(3 * i + 2),
        )
        out.append(circle(xp, u, v, cx + du, cy + oy + dv, r * k * grow))
    return _union(xp, out)


def _round_tree(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    trunk = _union(
        xp,
        [
            gable(xp, u, v, 0.0, 0.0, 0.05, 0.55, 0.025),
            capsule(xp, u, v, 0.0, 0.3, (p(20) - 0.5) * 0.4, 0.55, 0.018),
        ],
    )
    return [
        (DARK, trunk),
        (SHADE, _puffs(xp, u, v, p, 0.64, 0.3, 6, 1.0, 0.0, 0.0)),
        (LEAF, _puffs(xp, u, v, p, 0.64, 0.3, 6, 0.78, -0.035, 0.05)),
    ]


def _bush(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    return [
        (SHADE, xp.maximum(_puffs(xp, u, v * 1.2, p, 0.3, 0.42, 5, 1.0, 0.0, 0.0), -v)),
        (LEAF, xp.maximum(_puffs(xp, u, v * 1.2, p, 0.3, 0.42, 5, 0.75, -0.05, 0.08), 0.03 - v)),
    ]


def _conifer(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    w = 0.17 + 0.07 * p(0)
    tiers = [
        gable(xp, u, v, 0.0, 0.08 + 0.2 * i, w * (1.0 - 0.2 * i), min(1.0, 0.46 + 0.19 * i), 0.0)
        for i in range(4)
    ]
    whole = _union(xp, tiers)
    lit = xp.maximum(whole, u + 0.03 + 0.05 * p(1) + 0.02 * xp.sin(v * 40.0))
    return [(DARK, box(xp, u, v, 0.0, 0.04, 0.025, 0.08)), (SHADE, whole), (LEAF, lit)]


def _poplar(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    w = 0.09 + 0.04 * p(0)
    return [
        (DARK, box(xp, u, v, 0.0, 0.06, 0.02, 0.08)),
        (SHADE, ellipse(xp, u + 0.012 * xp.sin(v * 25.0), v, 0.0, 0.54, w, 0.46)),
        (LEAF, ellipse(xp, u + 0.012 * xp.sin(v * 25.0 + 1.0), v, -0.25 * w, 0.57, 0.6 * w, 0.4)),
    ]


def _bare_tree(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    parts = [capsule(xp, u, v, 0.0, 0.0, 0.0, 0.5, 0.032)]
    for i in range(6):
        side = 1.0 if i % 2 else -1.0
        y = 0.28 + 0.07 * i
        bx, by = side * (0.16 + 0.16 * p(2 * i)), y + 0.2 + 0.16 * p(2 * i + 1)
        parts.append(capsule(xp, u, v, 0.0, y, bx, by, 0.016))
        parts.append(capsule(xp, u, v, bx * 0.6, y + (by - y) * 0.6, bx * 0.55, by + 0.1, 0.011))
    return [(DARK, _union(xp, parts))]


def _palm(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    lean = (p(0) - 0.5) * 0.5
    trunk = _union(
        xp,
        [
            capsule(xp, u, v, 0.0, 0.0, lean * 0.3, 0.4, 0.03),
            capsule(xp, u, v, lean * 0.3, 0.4, lean, 0.8, 0.024),
        ],
    )
    back: list[Array] = []
    front: list[Array] = []
    for i in range(8):
        reach = (0.12 + 0.045 * i) if i < 4 else (0.3 - 0.045 * (i - 4))
        side = -1.0 if i < 4 else 1.0
        rise = 0.16 - 0.02 * abs(i - 3.5) + 0.06 * p(i + 1)
        mx, my = lean + side * reach * 0.6, 0.8 + rise
        ex, ey = lean + side * (reach + 0.12), 0.8 + rise - 0.1 - 0.22 * p(i + 9)
        frond = xp.minimum(
            capsule(xp, u, v, lean, 0.8, mx, my, 0.024), capsule(xp, u, v, mx, my, ex, ey, 0.019)
        )
        (front if i % 2 else back).append(frond)
    return [(DARK, trunk), (SHADE, _union(xp, back)), (LEAF, _union(xp, front))]


def _cactus(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    y1, y2 = 0.3 + 0.2 * p(0), 0.3 + 0.25 * p(1)
    body = [capsule(xp, u, v, 0.0, 0.0, 0.0, 0.88, 0.085)]
    for side, y, up in ((-1.0, y1, p(2)), (1.0, y2, p(3))):
        x = side * 0.24
        body += [
            capsule(xp, u, v, 0.0, y, x, y, 0.055),
            capsule(xp, u, v, x, y, x, y + 0.14 + 0.2 * up, 0.055),
        ]
    whole = _union(xp, body)
    return [(SHADE, whole), (LEAF, xp.maximum(whole + 0.02, u + 0.0 - 0.1 * xp.sin(u * 26.0)))]


def _rock(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    whole = xp.maximum(gable(xp, u, v, 0.0, 0.0, 0.5, 0.3 + 0.35 * p(0), 0.16 + 0.1 * p(1)), -v)
    return [(SHADE, whole), (STRIPE, xp.maximum(whole, u + 0.1 - 0.4 * (v - 0.1 * p(2))))]


def _windows(xp: Any, u: Array, v: Array, w: Array, base: float, height: float, n: int) -> Array:
    cell = 2.0 * w / n
    fu = (u + w) / cell
    return xp.maximum(
        xp.maximum(xp.abs(fu - xp.floor(fu) - 0.5) * cell - 0.17 * cell, xp.abs(u) - w + 0.02),
        xp.abs(v - base) - height,
    )


def _house(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    w = 0.5 + 0.35 * p(0)
    eaves, ridge = 0.5, 0.78 + 0.2 * p(1)
    return [
        (ROOF, box(xp, u, v, w * (p(2) - 0.3), ridge, 0.06, 0.14)),
        (WALL, box(xp, u, v, 0.0, eaves / 2, w, eaves / 2 + 0.02)),
        (ROOF, gable(xp, u, v, 0.0, eaves, w + 0.1, ridge, w * (0.35 + 0.4 * p(3)))),
        (LIGHT, _windows(xp, u, v, w, 0.29, 0.1, 3)),
        (DARK, box(xp, u, v, w * 0.66, 0.13, 0.06, 0.13)),
    ]


def _church(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    return [
        (WALL, box(xp, u, v, 0.18, 0.19, 0.34, 0.19)),
        (ROOF, gable(xp, u, v, 0.18, 0.38, 0.38, 0.58, 0.3)),
        (WALL, box(xp, u, v, -0.24, 0.31, 0.12, 0.31)),
        (ROOF, gable(xp, u, v, -0.24, 0.6, 0.15, 1.0, 0.0)),
        (LIGHT, _windows(xp, u - 0.2, v, 0.26 + 0.0 * p(0), 0.2, 0.09, 3)),
        (DARK, box(xp, u, v, -0.24, 0.5, 0.04, 0.06)),
    ]


def _tower(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    w, h = 0.16 + 0.16 * p(0), 0.45 + 0.55 * p(1)
    nx = 3.0 + xp.floor(3.0 * p(2))
    cu, cv = (u + w * 0.84) / (w * 1.68) * nx, v / 0.085
    iu, iv = xp.floor(cu), xp.floor(cv)
    mixed = iu * 37.0 + iv * 17.0 + xp.floor(p(3) * 97.0) * 13.0 + iu * iv * 7.0
    lit = mixed - xp.floor(mixed / 29.0) * 29.0
    pane = xp.maximum(xp.abs(cu - iu - 0.5) - 0.28, xp.abs(cv - iv - 0.5) - 0.3) * 0.08
    pane = xp.maximum(pane, xp.maximum(xp.abs(u) - w * 0.84, v - h + 0.06))
    pane = xp.maximum(
        pane, xp.maximum(0.06 - v, xp.where(lit < 13.0, -1.0 + 0.0 * u, 1.0 + 0.0 * u))
    )
    mast = capsule(xp, u, v, 0.3 * w, h, 0.3 * w, h + 0.22 * p(4), 0.012)
    cap = box(xp, u, v, -0.2 * w, h, 0.5 * w, 0.04)
    return [
        (DARK, mast),
        (WALL, xp.minimum(box(xp, u, v, 0.0, h / 2, w, h / 2), cap)),
        (ROOF, box(xp, u, v, w * 0.74, h / 2, w * 0.26, h / 2)),
        (LIGHT, pane),
    ]


def _lighthouse(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    body = gable(xp, u, v, 0.0, 0.0, 0.12, 0.8, 0.07)
    band = xp.abs(v / 0.32 - xp.floor(v / 0.32) - 0.5) * 0.32 - 0.08
    return [
        (WALL, body),
        (ROOF, xp.maximum(body, band)),
        (LIGHT, box(xp, u, v, 0.0, 0.85, 0.06, 0.06)),
        (ROOF, gable(xp, u, v, 0.0, 0.9, 0.1, 1.0, 0.0)),
        (SHADE, ellipse(xp, u, v, 0.0, -0.02, 0.5, 0.07 + 0.05 * p(0))),
    ]


def _boat(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    hull = gable(xp, u, -v, 0.0, -0.16, 0.42, 0.0, 0.28)
    left = xp.maximum(gable(xp, u, v, 0.03, 0.2, 0.42, 0.95, 0.0), 0.03 - u)
    right = xp.maximum(gable(xp, u, v, -0.03, 0.2, 0.3 + 0.1 * p(0), 0.8, 0.0), u + 0.03)
    return [
        (DARK, box(xp, u, v, 0.0, 0.55, 0.015, 0.42)),
        (WALL, xp.minimum(left, right)),
        (ROOF, hull),
    ]


def _torii(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    posts = xp.minimum(box(xp, u, v, -0.3, 0.4, 0.045, 0.4), box(xp, u, v, 0.3, 0.4, 0.045, 0.4))
    beam = box(xp, u, v - 0.18 * u * u, 0.0, 0.86, 0.52, 0.06)
    return [
        (ROOF, xp.minimum(posts, xp.minimum(beam, box(xp, u, v, 0.0, 0.64, 0.38, 0.035)))),
        (DARK, box(xp, u, v - 0.18 * u * u, 0.0, 0.94, 0.56, 0.025 + 0.0 * p(0))),
    ]


def _haystack(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    whole = xp.maximum(ellipse(xp, u, v, 0.0, 0.0, 0.5 + 0.1 * p(0), 0.7), -v)
    return [(WALL, whole), (STRIPE, xp.maximum(whole, u + 0.1))]


def _cloud(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    puffs, lit = [], []
    for i in range(7):
        cx, r = (
            (i - 3.0) * 0.28 + 0.2 * (p(i) - 0.5),
            (0.14 + 0.2 * p(i + 7)) * (1.0 - 0.09 * abs(i - 3.0)),
        )
        puffs.append(circle(xp, u, v, cx, r * 0.55, r))
        lit.append(circle(xp, u, v, cx - 0.02, r * 0.55 + 0.07, r * 0.93))
    whole = xp.maximum(_union(xp, puffs), -v)
    return [(1, whole), (0, xp.maximum(xp.maximum(_union(xp, lit), whole), 0.06 - v))]


def _streak(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    wave = v - 0.05 * xp.sin(u * 3.0 + 6.0 * p(0))
    a = ellipse(xp, u, wave, 0.0, 0.0, 1.0 + 0.0 * p(0), 0.05 + 0.03 * p(1))
    b = ellipse(xp, u, wave, (p(2) - 0.5), 0.11, 0.6 + 0.0 * p(0), 0.03 + 0.02 * p(3))
    return [(0, xp.minimum(a, b)), (1, ellipse(xp, u, wave, 0.1, -0.04, 0.7 + 0.0 * p(0), 0.02))]


def _sun(xp: Any, u: Array, v: Array, p: Any) -> Parts:
    return [(2, circle(xp, u, v, 0.0, 0.0, 0.5 + 0.0 * p(0)))]


THINGS: dict[str, Thing] = {
    "round": Thing(_round_tree, (0.62, 1.15, 0.02)),
    "bush": Thing(_bush, (0.85, 0.75, 0.02)),
    "conifer": Thing(_conifer, (0.28, 1.05, 0.06)),
    "poplar": Thing(_poplar, (0.17, 1.05, 0.04)),
    "bare": Thing(_bare_tree, (0.42, 1.1, 0.04)),
    "palm": Thing(_palm, (0.75, 1.15, 0.04)),
    "cactus": Thing(_cactus, (0.34, 1.02, 0.1)),
    "rock": Thing(_rock, (0.55, 0.72, 0.02)),
    "house": Thing(_house, (1.0, 1.2, 0.03)),
    "church": Thing(_church, (0.6, 1.05, 0.03)),
    "tower": Thing(_tower, (0.36, 1.28, 0.02)),
    "lighthouse": Thing(_lighthouse, (0.55, 1.05, 0.16)),
    "boat": Thing(_boat, (0.5, 1.0, 0.03)),
    "torii": Thing(_torii, (0.6, 1.1, 0.02)),
    "haystack": Thing(_haystack, (0.65, 0.75, 0.02)),
    "cloud": Thing(_cloud, (1.35, 0.75, 0.02)),
    "streak": Thing(_streak, (1.15, 0.3, 0.2)),
    "sun": Thing(_sun, (0.55, 0.55, 0.55)),
}
