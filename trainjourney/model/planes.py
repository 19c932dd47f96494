"""The multiplane camera: eight sheets of country, each with its parallax, rows and materials.

A sheet (plane) is stored as `MATERIALS` soft masks on `ROWS` x ring columns, at half the frame's
resolution. What a material looks like is decided by the embedding at decode time, never stored.
"""

from dataclasses import dataclass, replace
from itertools import accumulate

WIDTH, HEIGHT = 512, 256  # the frame, px
ROWS = 64  # stored rows of every plane
MATERIALS = 8
DOWN = 4  # cells of a latent cell, across and down
SIGNS = 8  # channels that say what stands in a latent cell and which part of it
VIEW_W, VIEW_H = WIDTH // 2, HEIGHT // 2  # the window at the planes' resolution, cells
TRAVEL = 3.0  # cells a frame at speed 1 and parallax 1 (6 px of the frame)

SKY = ("cloud lit", "cloud shade", "disc", "halo", "star", "veil", "bird", "ray")
ROCK = ("rock lit", "rock shade", "snow", "snow shade", "wood", "mist", "strata", "light")
LAND = ("ground", "stripe", "leaf lit", "leaf shade", "wall", "roof", "light", "dark")


@dataclass(frozen=True)
class Plane:
    """One sheet; one of `parallax` 1 moves with the track."""

    name: str
    parallax: float
    top: int  # view row of stored row 0
    bands: tuple[tuple[int, int], ...]  # stored rows, from the top, and view rows for each
    horizon: int  # view row where its ground begins, on average
    materials: tuple[str, ...]

    @property
    def heights(self) -> tuple[int, ...]:
        """View rows of every stored row, ROWS of them."""
        return tuple(height for count, height in self.bands for _ in range(count))

    @property
    def tall(self) -> int:
        """View rows of the whole sheet."""
        return sum(self.heights)


_EVEN = ((ROWS, 1),)
# Wires, fence and rails need every row; between them stand posts, which have no rows to lose.
_TRACK = ((2, 4), (28, 1), (16, 4), (8, 1), (10, 2))

PLANES = (
    Plane("sky", 0.01, 0, _EVEN, 64, SKY),
    Plane("mountains", 0.03, 8, _EVEN, 63, ROCK),
    Plane("hills", 0.08, 22, _EVEN, 61, LAND),
    Plane("far", 0.17, 26, _EVEN, 67, LAND),
    Plane("middle", 0.32, 36, _EVEN, 76, LAND),
    Plane("near", 0.55, 44, _EVEN, 88, LAND),
    Plane("track", 1.0, 0, _TRACK, 109, LAND),
    Plane("foreground", 1.7, 64, _EVEN, 119, LAND),
)
# Where all that is seen goes by alike it is one sheet, the nearest, so that nothing in it is cut in
# two: planes are dreamt one by one, and would not meet.
SINGLE = (*PLANES[:-1], replace(PLANES[-1], top=0, bands=((ROWS, VIEW_H // ROWS),)))


def planes_of(single: bool) -> tuple[Plane, ...]:
    """The planes of a bundle, or of one that knows a single sheet."""
    return SINGLE if single else PLANES


def spread_rows(plane: Plane) -> list[tuple[int, float]]:
    """Of every view row a stored row and the share of the one after it, `tall` of them.

    Linear between the rows' middles.
    """
    ends = list(accumulate(plane.heights))
    middles = [end - height / 2.0 for end, height in zip(ends, plane.heights, strict=True)]
    out, i = [], 0
    for y in range(plane.tall):
        while i < ROWS - 2 and middles[i + 1] < y + 0.5:
            i += 1
        part = (y + 0.5 - middles[i]) / (middles[i + 1] - middles[i])
        out.append((i, min(max(part, 0.0), 1.0)))
    return out


def pool_rows(plane: Plane, fine: int = 1) -> list[list[float]]:
    """The way back, [ROWS][fine * tall]: each stored row is the mean of what it stands for."""
    out, at = [], 0
    for height in plane.heights:
        row = [0.0] * (fine * plane.tall)
        row[at : at + fine * height] = [1.0 / (fine * height)] * (fine * height)
        out.append(row)
        at += fine * height
    return out
