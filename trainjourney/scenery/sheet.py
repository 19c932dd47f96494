"""A sheet of all worlds, to be looked at."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from .ride import Ride
from .worlds import WORLDS


def draw_sheet(path: Path, seed: int = 1) -> None:
    """Draw every world once, two columns, and write it as a PNG."""
    tiles = []
    for i, (name, style) in enumerate(WORLDS.items()):
        frame = Ride(seed + i, style).frame()
        picture = Image.fromarray(np.asarray(frame * 255.0 + 0.5).astype(np.uint8))
        ImageDraw.Draw(picture).text((6, 240), name, fill=(255, 255, 255))
        tiles.append(picture)
    w, h = tiles[0].size
    sheet = Image.new("RGB", (2 * w + 4, (len(tiles) + 1) // 2 * (h + 4)))
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % 2 * (w + 4), i // 2 * (h + 4)))
    sheet.save(path)
