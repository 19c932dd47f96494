"""The multiplane camera: eight sheets of country, each with its parallax, rows and materials.

A sheet (plane) is stored as `MATERIALS` soft masks on `ROWS` x ring columns, at half the frame's
resolution. What a material looks like is decided by the embedding at decode time, never stored.
"""

from dataclasses import dataclass

WIDTH, HEIGHT = 512, 256  # the frame, px
ROWS = 64  # stored rows of every plane
MATERIALS = 8
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
    stretch: int  # view rows per stored row
    horizon: int  # view row where its ground begins, on average
    materials: tuple[str, ...]


PLANES = (
    Plane("sky", 0.01, 0, 1, 64, SKY),
    Plane("mountains", 0.03, 8, 1, 63, ROCK),
    Plane("hills", 0.08, 22, 1, 61, LAND),
    Plane("far", 0.17, 26, 1, 67, LAND),
    Plane("middle", 0.32, 36, 1, 76, LAND),
    Plane("near", 0.55, 44, 1, 88, LAND),
    Plane("track", 1.0, 0, 2, 109, LAND),
    Plane("foreground", 1.7, 64, 1, 119, LAND),
)
