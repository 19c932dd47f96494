"""A rendered ride: country that rolls past at any signed speed, with its exact truth."""

from dataclasses import dataclass, field
from typing import Any

import array_api_compat.numpy as np_xp
import numpy as np
from numpy.typing import NDArray

from ..model.planes import PLANES, TRAVEL, WIDTH
from .layout import plan
from .shapes import Array
from .strips import paint
from .style import Style, mix
from .view import View, look_through, textures

MARGIN = 64  # px kept on either side of the window's way


@dataclass
class Ride:
    """One ride from `seed` in `style`; where a melt is wanted, `other` reigns beyond a boundary.

    `reach` is how far it may travel either way, in px at parallax 1. `xp` and `device` choose the
    array library (array_api_compat.numpy or .torch).
    """

    seed: int
    style: Style
    other: Style | None = None
    reach: float = 400.0
    xp: Any = np_xp
    device: Any = None
    distance: float = 0.0  # px travelled at parallax 1
    melt: float = 0.0  # 0: style, 1: other
    strips: list[Array] = field(init=False)
    texture: Array = field(init=False)

    def __post_init__(self) -> None:
        self.strips = []
        self._origin = []
        for p, plane in enumerate(PLANES):
            left = int(self.reach * plane.parallax) + MARGIN
            width = (2 * left + WIDTH + 3) // 4 * 4
            border = left + WIDTH  # where the other country begins
            ahead = self.other or self.style

            def style_at(x: float, border: int = border, ahead: Style = ahead) -> Style:
                return self.style if x < border else ahead

            strip = paint(self.xp, [plan(self.seed, p, width, style_at)], self.device)
            self.strips.append(strip[0])
            self._origin.append(left)
        self.texture = self.xp.asarray(textures(), device=self.device)

    def step(self, speed: float) -> None:
        """Roll one frame at `speed` (x cruising; negative runs backwards, 0 stands)."""
        self.distance += 2.0 * TRAVEL * speed

    def starts(self) -> list[float]:
        """Left edge of the window on every plane's strip, px."""
        return [o + self.distance * p.parallax for o, p in zip(self._origin, PLANES, strict=True)]

    def view(self) -> View:
        """Picture and truth at the present distance and melt."""
        style = self.style if self.other is None else mix(self.style, self.other, self.melt)
        return look_through(self.xp, self.strips, self.starts(), style, self.texture)

    def frame(self) -> NDArray[np.float32]:
        """The picture, [H, W, 3] float32 0..1."""
        out: NDArray[np.float32] = np.asarray(self.view().frame)
        return out


def flow(view: View, speed: float) -> NDArray[np.float32]:
    """Horizontal motion of every pixel over one frame at `speed`, px, [H, W]."""
    parallax = np.array([p.parallax for p in PLANES], np.float32)
    return -2.0 * TRAVEL * speed * parallax[np.asarray(view.plane).astype(np.int64)]


def new_pixels(before: View, after: View, speed: float) -> NDArray[np.bool_]:
    """Which pixels of `after` could not be seen in `before` (entered or uncovered), [H, W]."""
    back = np.round(np.arange(WIDTH)[None] - flow(after, speed)).astype(np.int64)
    inside = (back >= 0) & (back < WIDTH)
    was = np.take_along_axis(np.asarray(before.plane), np.clip(back, 0, WIDTH - 1), axis=1)
    new: NDArray[np.bool_] = ~inside | (was != np.asarray(after.plane))
    return new
