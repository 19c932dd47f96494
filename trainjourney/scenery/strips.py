"""Planes painted as soft material masks, batched; one code for numpy and torch (any device)."""

from typing import Any

import numpy as np

from ..model.planes import MATERIALS, PLANES, Plane, pool_rows
from .layout import Layout, Stand
from .shapes import Array
from .things import DARK, LIGHT, ROOF, THINGS, WALL

GROUND, STRIPE = 0, 1


def _smooth(xp: Any, low: float, high: float, x: Array) -> Array:
    t = xp.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _tensor(xp: Any, device: Any, a: Any) -> Array:
    a = np.ascontiguousarray(a, np.float32)
    return xp.asarray(a) if device is None else xp.asarray(a, device=device)


def _lattice(xp: Any, grid: Array, rows: Array, columns: Array) -> Array:
    """Bilinear reading of grid [B, r, c] at fractional rows, columns [B, h, w]."""
    rows = xp.clip(rows, 0.0, grid.shape[1] - 1.001)
    columns = xp.clip(columns, 0.0, grid.shape[2] - 1.001)
    i, j = xp.floor(rows), xp.floor(columns)
    fi, fj = rows - i, columns - j
    fj = fj * fj * (3.0 - 2.0 * fj)
    kind = xp.int64
    i, j = xp.astype(i, kind), xp.astype(j, kind)
    b = xp.reshape(xp.arange(grid.shape[0], device=grid.device), (-1, 1, 1))
    top = grid[b, i, j] * (1 - fj) + grid[b, i, j + 1] * fj
    low = grid[b, i + 1, j] * (1 - fj) + grid[b, i + 1, j + 1] * fj
    return top * (1 - fi) + low * fi


def _terrain(xp: Any, device: Any, lays: list[Layout], height: int) -> Array:
    """Ground, stripes, rock and snow: [B, MATERIALS, height, width]."""
    plane, width, n = lays[0].plane, lays[0].width, len(lays)
    out = [xp.zeros((n, height, width), dtype=xp.float32, device=device) for _ in range(MATERIALS)]
    if PLANES[plane].name == "sky":
        return xp.stack(out, axis=1)
    y = xp.reshape(_tensor(xp, device, np.arange(height)), (1, height, 1))
    x = xp.reshape(_tensor(xp, device, np.arange(width)), (1, 1, width))
    line = _tensor(xp, device, np.stack([la.line for la in lays]))[:, None, :]
    lit = _tensor(xp, device, np.stack([la.lit for la in lays]))[:, None, :]
    grid = _tensor(xp, device, np.stack([la.grain for la in lays]))
    depth = y - line
    solid = xp.clip(depth + 0.5, 0.0, 1.0)
    far = {1: 9.0, 2: 5.0, 3: 3.0, 4: 4.0, 5: 6.0, 6: 8.0, 7: 10.0}[plane]
    noise = _lattice(xp, grid, xp.clip(depth, 0.0, 300.0) / far, x / 24.0 + 0.0 * depth)
    if PLANES[plane].name == "mountains":
        lean = xp.where(lit > 0, 1.0 + 0.0 * lit, -1.0 + 0.0 * lit)
        crag = _lattice(
            xp,
            grid,
            xp.clip(depth, 0.0, 300.0) / 16.0 + 3.0,
            (x + lean * 0.7 * depth + 90.0) / 13.0,
        )
        light = _smooth(xp, -0.1, 0.1, lit * 0.8 + 0.55 * crag + 0.08)
        snow = _tensor(xp, device, np.stack([la.snow for la in lays]))[:, None, :]
        white = _smooth(xp, -1.5, 1.5, snow - y + 9.0 * noise)
        base = 2.0 * (PLANES[plane].horizon - PLANES[plane].top)
        wood = _smooth(xp, -2.0, 2.0, y - base + 10.0 + 6.0 * noise) * 0.8
        out[4] = solid * wood
        rest = solid * (1.0 - wood)
        out[0], out[1] = rest * light * (1 - white), rest * (1 - light) * (1 - white)
        out[2], out[3] = rest * light * white, rest * (1 - light) * white
        return xp.stack(out, axis=1)
    want = _tensor(xp, device, np.array([la.stripes for la in lays]))[:, None, None]
    fields = _lattice(xp, grid, xp.clip(depth, 0.0, 300.0) / far + 9.0, x / 90.0 + 0.0 * depth)
    stripe = _smooth(xp, 0.0, 0.16, 0.75 * noise + 0.45 * fields - 0.62 + 0.55 * want)
    stripe = stripe * _smooth(xp, 0.5, 3.0, depth) * 0.92
    if plane == 6:  # the ballast of the next track
        rail = _smooth(xp, 1.0, 0.0, xp.abs(y - 244.0) - 1.2) + _smooth(
            xp, 1.0, 0.0, xp.abs(y - 250.0) - 1.2
        )
        stripe = xp.where(y > 234.0, 0.92 + 0.0 * stripe, stripe)
        out[DARK] = solid * xp.clip(rail, 0.0, 1.0)
        solid = solid - out[DARK]
    out[GROUND], out[STRIPE] = solid * (1.0 - stripe), solid * stripe
    return xp.stack(out, axis=1)


def _draw_kind(
    xp: Any, device: Any, kind: str, stands: list[Stand]
) -> tuple[Array, list[tuple[int, int]]]:
    """Patches of the stands of one kind, [N, MATERIALS, h, w], and their corners (x, y)."""
    half, top, bottom = THINGS[kind].extent
    most = max(s.size for s in stands)
    pw, ph = int(2 * half * most) + 4, int((top + bottom) * most) + 4
    corners = [(int(np.floor(s.x - pw / 2)), int(np.floor(s.y - top * s.size)) - 1) for s in stands]

    def column(values: list[float]) -> Array:
        return xp.reshape(_tensor(xp, device, np.array(values)), (-1, 1, 1))

    size = column([s.size for s in stands])
    side = column([-1.0 if s.mirrored else 1.0 for s in stands])
    cx = column([s.x - c[0] for s, c in zip(stands, corners, strict=True)])
    cy = column([s.y - c[1] for s, c in zip(stands, corners, strict=True)])
    u = side * (xp.reshape(_tensor(xp, device, np.arange(pw)), (1, 1, pw)) - cx) / size
    v = (cy - xp.reshape(_tensor(xp, device, np.arange(ph)), (1, ph, 1))) / size
    chance = _tensor(xp, device, np.stack([s.chance for s in stands]))
    parts = THINGS[kind].draw(xp, u, v, lambda i: chance[:, i, None, None])
    canvas: list[Any] = [0.0] * MATERIALS
    for material, distance in parts:
        mask = xp.clip(0.5 - distance * size, 0.0, 1.0)
        canvas = [c if isinstance(c, float) else c * (1.0 - mask) for c in canvas]
        canvas[material] = canvas[material] + mask
    blank = xp.zeros((len(stands), ph, pw), dtype=xp.float32, device=device)
    return xp.stack([blank + c for c in canvas], axis=1), corners


def _stand(xp: Any, device: Any, lays: list[Layout], strip: Array) -> None:
    """Set every thing of every layout on its strip, far ones first."""
    order = [(b, s) for b, la in enumerate(lays) for s in la.stands]
    kinds: dict[str, list[int]] = {}
    for i, (_, s) in enumerate(order):
        kinds.setdefault(s.kind, []).append(i)
    patches: dict[int, tuple[Array, tuple[int, int]]] = {}
    for kind, members in kinds.items():
        drawn, corners = _draw_kind(xp, device, kind, [order[i][1] for i in members])
        for k, i in enumerate(members):
            patches[i] = (drawn[k], corners[k])
    height, width = strip.shape[2], strip.shape[3]
    for i, (b, _) in enumerate(order):
        patch, (x, y) = patches[i]
        x0, y0 = max(0, x), max(0, y)
        x1, y1 = min(width, x + patch.shape[2]), min(height, y + patch.shape[1])
        if x1 <= x0 or y1 <= y0:
            continue
        part = patch[:, y0 - y : y1 - y, x0 - x : x1 - x]
        cover = xp.sum(part, axis=0)[None]
        strip[b, :, y0:y1, x0:x1] = strip[b, :, y0:y1, x0:x1] * (1.0 - cover) + part


def _over(strip: Array, material: int, mask: Array) -> Array:
    """Lay a mask [B, h, w] of one material over the strip."""
    strip = strip * (1.0 - mask[:, None])
    strip[:, material] += mask
    return strip


def _railside(xp: Any, device: Any, lay: Layout, strip: Array) -> Array:
    """Fences, poles and wires, platforms, bridges and tunnels of one strip [1, M, 256, width]."""
    height, width = strip.shape[2], strip.shape[3]
    y = xp.reshape(_tensor(xp, device, np.arange(height)), (1, height, 1))
    x = xp.reshape(_tensor(xp, device, np.arange(width)), (1, 1, width))

    def block(x0: float, x1: float, y0: float, y1: float) -> Array:
        return xp.clip(xp.minimum(x - x0, x1 - x) + 0.5, 0, 1) * xp.clip(
            xp.minimum(y - y0, y1 - y) + 0.5, 0, 1
        )

    for a, b in lay.fence:
        mask = block(a, b, 206, 208.5) + block(a, b, 214, 216)
        for post in np.arange(a, b, 34.0):
            mask = mask + block(post, post + 4, 201, 226)
        strip = _over(strip, DARK, xp.clip(mask, 0, 1))
    for name, a, b in lay.events:
        if name == "platform":
            strip = _over(strip, WALL, block(a, b, 212, 232))
            strip = _over(strip, ROOF, block(a + 30, b - 30, 128, 137))
            for post in np.arange(a + 50, b - 40, 84.0):
                strip = _over(strip, DARK, block(post, post + 4, 136, 212))
                strip = _over(strip, LIGHT, block(post + 34, post + 50, 138, 142))
            strip = _over(strip, WALL, block(a + 96, a + 150, 158, 176))
        elif name == "bridge":
            beam = block(a, b, 88, 96) + block(a, b, 206, 216)
            for post in np.arange(a, b, 80.0):
                diagonal = xp.abs((x - post) - (y - 92.0) * 80.0 / 118.0) / 1.21
                inside = block(post, min(post + 80, b), 92, 210)
                beam = (
                    beam + block(post, post + 7, 88, 214) + xp.clip(3.0 - diagonal, 0, 1) * inside
                )
            strip = _over(strip, DARK, xp.clip(beam, 0, 1))
        else:
            strip = _over(strip, DARK, block(a, b, -2, 258))
            strip = _over(
                strip, WALL, block(a - 22, a + 6, 36, 258) + block(b - 6, b + 22, 36, 258)
            )
            for lamp in np.arange(a + 50, b - 30, 90.0):
                strip = _over(strip, LIGHT, block(lamp, lamp + 26, 84, 89))
    if lay.wires > 0.3:
        top, mask = 30.0, 0.0
        for x0, x1 in zip(lay.poles[:-1], lay.poles[1:], strict=True):
            q = xp.clip((x - x0) / (x1 - x0), 0, 1)
            here = xp.clip(xp.minimum(x - x0, x1 - x) + 0.5, 0, 1)
            for dy, sag in ((-7.0, 18.0), (-7.0, 23.0), (12.0, 22.0), (12.0, 28.0)):
                wire = top + dy + sag * 4.0 * q * (1.0 - q)
                mask = mask + here * xp.clip(1.25 - xp.abs(y - wire), 0, 1)
        for x0 in lay.poles:
            mask = mask + block(x0 - 3, x0 + 3, 14, 258) + block(x0 - 22, x0 + 22, 24, 27.5)
            mask = mask + block(x0 - 16, x0 + 16, 43, 46)
        strip = _over(strip, DARK, xp.clip(mask, 0, 1))
    return strip


def paint(xp: Any, lays: list[Layout], device: Any = None) -> Array:
    """Paint layouts of one plane, in px: [B, MATERIALS, 2 * tall, width].

    `xp` is array_api_compat.numpy or array_api_compat.torch. Masks are 0..1 and sum to at most 1.
    """
    plane = PLANES[lays[0].plane]
    height = 2 * plane.tall
    strip = _terrain(xp, device, lays, height)
    _stand(xp, device, lays, strip)
    if plane.name == "track":
        strip = xp.concat(
            [_railside(xp, device, la, strip[b : b + 1]) for b, la in enumerate(lays)], axis=0
        )
    if plane.name == "sky":
        for b, la in enumerate(lays):
            for x, y, k in la.stars:
                i, j = int(y), int(x)
                n = 2 if k > 0.75 else 1
                clear = 1.0 - xp.sum(strip[b, :, i : i + n, j : j + n], axis=0)
                strip[b, 4, i : i + n, j : j + n] += clear * float(0.4 + 0.6 * k)
    if plane.name == "foreground":  # near and fast: out of focus
        total = xp.concat([strip[..., :1] * 0.0, xp.cumulative_sum(strip, axis=-1)], axis=-1)
        wide = (total[..., 9:] - total[..., :-9]) / 9.0
        strip = xp.concat([strip[..., :4], wide, strip[..., -4:]], axis=-1)
    return xp.clip(strip, 0.0, 1.0)


def store(xp: Any, strip: Array, plane: Plane) -> Array:
    """What the state keeps of a strip: the means of its cells, [B, MATERIALS, ROWS, width / 2]."""
    b, m, h, w = strip.shape
    device = None if isinstance(strip, np.ndarray) else strip.device
    halves = xp.mean(xp.reshape(strip, (b, m, h, w // 2, 2)), axis=4)
    return xp.matmul(_tensor(xp, device, pool_rows(plane, 2)), halves)
