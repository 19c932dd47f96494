"""A sheet of all worlds, to be looked at."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from trainjourney.errors import OutputError

from .ride import Ride
from .worlds import WORLDS


def draw_sheet(path: Path, seed: int = 1) -> None:
    """Draw every world once, two columns, and write it. Raises OutputError."""
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise OutputError(f"{path}: is no picture that can be made; let its name end in .png")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: no such folder; type: mkdir -p {path.parent}")
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
    try:
        sheet.save(path)
    except OSError as err:
        reason = (err.strerror or str(err)).lower()
        raise OutputError(f"{path}: cannot be written ({reason}); give another place") from err
