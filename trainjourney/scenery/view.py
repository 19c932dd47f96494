"""The picture in the window: planes composited, coloured and drawn by a style's hand."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..model.planes import HEIGHT, MATERIALS, PLANES, WIDTH
from .shapes import Array
from .style import HANDS, Style

_GROUNDS = {2: "hill", 3: "far", 4: "mid", 5: "near", 6: "track"}
_HAZE = (0.0, 0.62, 0.5, 0.34, 0.17, 0.05, 0.0, 0.0)
TEXTURE_W = 512


def palette(style: Style) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Colour of every material under a style, haze included: [planes, MATERIALS, 3]."""
    c = style.colour
    out = np.zeros((len(PLANES), MATERIALS, 3), np.float32)
    out[0] = [c("cloud_lit"), c("cloud_shade"), c("sun"), c("halo"), c("sun"), c("cloud_lit")] + [
        c("cloud_shade")
    ] * 2
    out[1] = [
        c("rock_lit"),
        c("rock_shade"),
        c("snow"),
        c("snow") * 0.55 + c("rock_shade") * 0.45,
    ] + [c("wood"), c("haze"), c("rock_shade"), c("light")]
    for p, ground in _GROUNDS.items():
        out[p] = [c(f"{ground}_ground"), c(f"{ground}_stripe"), c("leaf_lit"), c("leaf_shade")] + [
            c("wall"),
            c("roof"),
            c("light"),
            c("dark"),
        ]
    out[7] = [c("front_lit"), c("front_shade"), c("front_lit"), c("front_shade")] + [c("dark")] * 4
    for p, k in enumerate(_HAZE):
        amount = np.full((MATERIALS, 1), min(0.92, k * style.amount("haze")), np.float32)
        if p > 0:
            amount[6] *= 0.35  # lights shine through
            out[p] += (c("haze") - out[p]) * amount
    return out


@cache
def textures() -> np.ndarray[Any, np.dtype[np.float32]]:
    """Grain that travels with a plane, periodic in x: brush, dots, dot value; [3, H, TEXTURE_W]."""
    rng = np.random.default_rng(1)
    h, w = HEIGHT, TEXTURE_W
    fy, fx = np.fft.fftfreq(h)[:, None] * h, np.fft.rfftfreq(w)[None] * w
    k = np.sqrt((fy * 0.55) ** 2 + (fx * 1.3) ** 2)
    band = np.exp(-(((np.log(k + 1e-3) - np.log(34.0)) / 0.75) ** 2))
    brush = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(h, w))) * band, (h, w))
    brush /= brush.std()
    step = 5  # dot pitch, px; 512 is not a multiple, so cells are 512/102
    nx, ny = w // step, h // step
    cx = (np.arange(nx)[None] + 0.5 + rng.uniform(-0.32, 0.32, (ny, nx))) * (w / nx)
    cy = (np.arange(ny)[:, None] + 0.5 + rng.uniform(-0.32, 0.32, (ny, nx))) * (h / ny)
    tone = rng.normal(size=(ny, nx))
    dots, value = np.full((h, w), 9.0), np.zeros((h, w))
    yy, xx = np.mgrid[:h, :w]
    for oy in (-1, 0, 1):
        for ox in (-1, 0, 1):
            j = (xx * nx // w + ox) % nx
            i = np.clip(yy * ny // h + oy, 0, ny - 1)
            dx = (xx - cx[i, j] + w / 2) % w - w / 2
            d = np.sqrt(dx**2 + (yy - cy[i, j]) ** 2)
            value = np.where(d < dots, tone[i, j], value)
            dots = np.minimum(dots, d)
    return np.stack([np.clip(brush, -2.5, 2.5), np.clip((2.9 - dots) / 1.2, 0, 1), value]).astype(
        np.float32
    )


def _codes() -> np.ndarray[Any, np.dtype[np.float32]]:
    """A number for every material of every plane, far apart where ink should draw the border."""
    codes = np.random.default_rng(5).permutation(len(PLANES) * MATERIALS).astype(np.float32)
    codes = codes.reshape(-1, MATERIALS)
    codes[2:, 1] = codes[2:, 0] + 1.4  # no outline around a patch of meadow
    codes[1, 1], codes[1, 3] = codes[1, 0] + 2.5, codes[1, 2] + 2.5
    return codes


_CODES = _codes()


@dataclass(frozen=True)
class View:
    """A picture and its exact truth."""

    frame: Array  # [H, W, 3] float 0..1
    plane: Array  # [H, W] int: the plane seen there
    grain: Array  # [3, H, W] the texture that lies there


def _columns(xp: Any, sheet: Array, start: float, width: int, wrap: bool = False) -> Array:
    """`width` columns of [..., W] from a fractional start, linear between neighbours."""
    i = int(np.floor(start))
    f = start - i
    n = sheet.shape[-1]
    if wrap:
        at = xp.asarray((np.arange(width + 1) + i) % n, device=sheet.device)
        part = xp.take(sheet, at, axis=-1)
    else:
        assert i >= 0 and i + width < n, f"window {i}+{width} beyond a strip of {n}"
        part = sheet[..., i : i + width + 1]
    return part[..., :-1] * (1.0 - f) + part[..., 1:] * f


def _sky(style: Style) -> np.ndarray[Any, np.dtype[np.float32]]:
    y = np.clip(np.arange(HEIGHT)[:, None] / 128.0, 0, 1)
    a, b, c = (style.colour(f"sky_{k}")[None] for k in ("top", "mid", "low"))
    upper = a + (b - a) * np.clip(y / 0.55, 0, 1) ** 0.9
    return np.where(y < 0.55, upper, b + (c - b) * np.clip((y - 0.55) / 0.45, 0, 1)).astype(
        np.float32
    )


def look_through(
    xp: Any, strips: list[Array], starts: list[float], style: Style, texture: Array
) -> View:
    """Composite painted strips ([M, rows, width] each) from `starts` (px) under a style."""
    device = strips[0].device

    def on(a: Any) -> Array:
        return xp.asarray(np.ascontiguousarray(a, np.float32), device=device)

    colours = on(palette(style))
    rgb = on(np.broadcast_to(_sky(style)[:, None], (HEIGHT, WIDTH, 3)))
    rgb = xp.permute_dims(rgb, (2, 0, 1)) + 0.0
    label = xp.zeros((HEIGHT, WIDTH), dtype=xp.float32, device=device)
    tags = xp.zeros((HEIGHT, WIDTH), dtype=xp.float32, device=device)  # for the lines of ink
    grain = xp.zeros((3, HEIGHT, WIDTH), dtype=xp.float32, device=device)
    codes = on(_CODES)
    for p, (plane, strip) in enumerate(zip(PLANES, strips, strict=True)):
        top, rows = 2 * plane.top, strip.shape[1]
        part = _columns(xp, strip, starts[p], WIDTH)
        cover = xp.sum(part, axis=0)
        if p == 0:
            rgb = _glow(xp, rgb, part, style, on)
        flat = xp.reshape(part, (MATERIALS, -1))
        paint = xp.reshape(xp.permute_dims(colours[p], (1, 0)) @ flat, (3, rows, WIDTH))
        tag = xp.reshape(codes[p][None] @ flat, (rows, WIDTH))
        here = slice(top, min(HEIGHT, top + rows))
        weave = _columns(xp, texture, starts[p] + 97.0 * p, WIDTH, wrap=True)
        for region, c, q, t in (
            (here, cover, paint, tag),
            (slice(top + rows, HEIGHT), cover[-1:], paint[:, -1:], tag[-1:]),
        ):
            if region.start >= HEIGHT or (p == 0 and region is not here):
                continue
            rgb[:, region] = rgb[:, region] * (1.0 - c) + q
            tags[region] = tags[region] * (1.0 - c) + t
            label[region] = xp.where(c > 0.5, float(p), label[region])
            grain[:, region] = grain[:, region] * (1.0 - c) + weave[:, region] * c
    frame = _draw(xp, rgb, tags, label, grain, style, on)
    return View(xp.permute_dims(xp.clip(frame, 0, 1), (1, 2, 0)), label, grain)


def _blur(xp: Any, a: Array, r: int) -> Array:
    """Box blur of [..., H, W] with radius r, edges repeated."""
    for axis in (-1, -2):
        n = a.shape[axis]
        total = xp.cumulative_sum(a, axis=axis)
        zero = xp.take(total, xp.asarray([0], device=a.device), axis=axis) * 0.0
        total = xp.concat([zero, total], axis=axis)
        lo, hi = np.clip(np.arange(n) - r, 0, n), np.clip(np.arange(n) + r + 1, 0, n)
        shape = [1] * len(a.shape)
        shape[axis] = n
        count = xp.reshape(xp.asarray((hi - lo).astype(np.float32), device=a.device), tuple(shape))
        a = (
            xp.take(total, xp.asarray(hi, device=a.device), axis=axis)
            - xp.take(total, xp.asarray(lo, device=a.device), axis=axis)
        ) / count
    return a


def _glow(xp: Any, rgb: Array, sky: Array, style: Style, on: Any) -> Array:
    """Light around the sun or the moon, from the disc's own mask."""
    disc = xp.concat([sky[2], sky[2] * 0.0], axis=0)[:HEIGHT]
    wide = _blur(xp, _blur(xp, disc, 28), 28)
    near = _blur(xp, _blur(xp, disc, 10), 10)
    size = max(4.0, style.amount("sun_size"))
    light = wide * (56.0 / size) ** 2 * 0.55 + near * (20.0 / size) ** 2 * 0.3
    light = xp.clip(light * style.amount("glow"), 0, 0.85)
    return rgb + (on(style.colour("halo"))[:, None, None] - rgb) * light


def _draw(
    xp: Any, rgb: Array, tags: Array, label: Array, grain: Array, style: Style, on: Any
) -> Array:
    """The hand: brush, ink, woodblock, dots and neon, each by its weight over the flat picture."""
    hand = {h: max(0.0, style.amount(f"hand.{h}")) for h in HANDS}
    line_colour = on(style.colour("line"))[:, None, None]
    paper = on(style.colour("snow"))[:, None, None]
    luma = xp.sum(rgb * on([0.3, 0.59, 0.11])[:, None, None], axis=0)
    if hand["gouache"]:
        stroke = _blur(xp, grain[0], 1)
        rgb = rgb * (1.0 + 0.06 * hand["gouache"] * stroke) + 0.012 * hand["gouache"] * stroke
    if hand["dots"]:
        value, dot = grain[2], grain[1]
        opposite = xp.flip(rgb, axis=0) - xp.mean(rgb, axis=0)
        shift = 0.11 * value[None] + 0.22 * opposite * xp.clip(value, -1.2, 1.2)[None]
        gap = (1.0 - dot)[None] * (paper - rgb) * 0.26
        rgb = rgb + hand["dots"] * (dot[None] * shift + gap)
    if hand["print"]:
        steps = xp.floor(luma * 7.0 + 0.5 + 0.12 * grain[0]) / 7.0
        rgb = rgb + 0.55 * hand["print"] * (steps - luma)[None]
        wood = np.sin(np.arange(HEIGHT) * 0.9 + 2.0 * np.sin(np.arange(HEIGHT) * 0.13))[:, None]
        rgb = rgb * (1.0 + 0.022 * hand["print"] * on(wood))
    if hand["ink"] or hand["print"] or hand["neon"]:
        dx = xp.abs(tags[:, 1:] - tags[:, :-1])
        dy = xp.abs(tags[1:] - tags[:-1])
        dx = xp.concat([dx, dx[:, -1:]], axis=1)
        dy = xp.concat([dy, dy[-1:]], axis=0)
        edge = xp.clip(xp.maximum(dx, dy) / 5.0 - 0.25, 0, 1)
        soft = xp.clip(_blur(xp, edge, 1) * 2.2, 0, 1)
        near = 0.35 + 0.65 * xp.clip(label / 4.0, 0, 1)
        if hand["ink"]:
            wash = paper * (0.55 + 0.45 * luma)[None] + 0.05 * grain[0][None]
            # much ink is pen alone, on paper of its own colour
            washed = min(1.0, hand["ink"]) * float(np.clip((1.3 - hand["ink"]) / 0.2, 0.0, 1.0))
            rgb = rgb + 0.42 * washed * (wash - rgb)
            pen = edge * (0.75 + 0.25 * xp.clip(grain[0], -1, 1)) * near
            rgb = rgb + (line_colour - rgb) * xp.clip(0.85 * hand["ink"] * pen, 0, 1)[None]
        if hand["print"]:
            rgb = rgb + (line_colour - rgb) * xp.clip(0.8 * hand["print"] * soft * near, 0, 1)[None]
        if hand["neon"]:
            tube = edge * near
            shine = _blur(xp, _blur(xp, edge, 3), 3) * near
            rgb = rgb + hand["neon"] * (
                line_colour * 0.85 * shine[None] + (line_colour - rgb) * 0.6 * tube[None]
            )
    return rgb
