"""A ride on disk: frames, how far each is along the ride, and its embedding.

ride.json    how it was imported, and what was found
index.npz    one row a frame, see `Ride`
frames/      JPEGs of the shape, named SOURCE_NUMBER.jpg
report.png   for people
work/        measures; an import that was stopped goes on from them
"""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from trainjourney.errors import RideError
from trainjourney.types import Frame

FORMAT = 1
RIDE, INDEX, FRAMES, REPORT, WORK = "ride.json", "index.npz", "frames", "report.png", "work"
MOST_FRAMES = 1_000_000
MOST_JPEG_BYTES = 16 << 20
QUALITY = 95
_ROWS = {"source": "i", "number": "i", "stretch": "i", "time_s": "f", "position": "f", "speed": "f"}


@dataclass(frozen=True)
class Ride:
    """An imported ride. Frames of one stretch follow each other without a break."""

    folder: Path
    table: dict[str, Any]  # ride.json
    source: NDArray[np.int32]  # [n]
    number: NDArray[np.int32]  # [n] of the frame in its video
    stretch: NDArray[np.int32]  # [n] numbered over all sources
    time_s: NDArray[np.float64]  # [n] in its video
    position: NDArray[np.float64]  # [n] px travelled in its stretch, forward positive
    ways: NDArray[np.float64]  # [n, bands] as position, by bands of rows from the top
    speed: NDArray[np.float64]  # [n] signed px of the mid-ground a predicted frame
    embedding: NDArray[np.float32]  # [n, D] norm 1, of the bundle it was imported for

    def __len__(self) -> int:
        return len(self.source)

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height of the frames, px."""
        return int(self.table["width"]), int(self.table["height"])

    def mark(self) -> str:
        """What tells it from every other: of its table and its index."""
        digest = hashlib.sha256()
        for name in (RIDE, INDEX):
            digest.update((self.folder / name).read_bytes())
        return digest.hexdigest()[:16]

    def stride(self, i: int) -> int:
        """Frames from frame `i` to the one that a model is to predict."""
        return int(self.table["sources"][int(self.source[i])]["stride"])

    def frame(self, i: int) -> Frame:
        """Frame number `i`, [H, W, 3]. Raises RideError."""
        path = self.folder / FRAMES / frame_name(int(self.source[i]), int(self.number[i]))
        try:
            with path.open("rb") as file:
                data = file.read(MOST_JPEG_BYTES)
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as picture:
                if picture.size != self.shape:
                    raise ValueError(f"is {picture.size[0]}x{picture.size[1]}")
                return np.asarray(picture.convert("RGB"))
        except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as err:
            reason = getattr(err, "strerror", None) or err
            raise RideError(f"{path}: cannot be read ({reason}); {_cure(self.folder)}") from err


def frame_name(source: int, number: int) -> str:
    """File name of a frame under frames/."""
    return f"{source:02d}_{number:06d}.jpg"


def open_ride(folder: Path) -> Ride:
    """Read an imported ride and check it. Raises RideError."""
    path = folder / RIDE
    if folder.is_file():
        hint = f"trainjourney ride import {folder} --out rides/mine"
        raise RideError(f"{folder}: is a file and no imported ride; if it is a video type: {hint}")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        hint = f"trainjourney ride import VIDEO --out {folder}"
        raise RideError(f"{folder}: holds no imported ride; type: {hint}") from err
    except (OSError, ValueError) as err:
        raise RideError(f"{path}: cannot be read ({err}); {_cure(folder)}") from err
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise RideError(f"{path}: is of another format than {FORMAT}; {_cure(folder)}")
    if not _is_whole(table):
        raise RideError(f"{path}: does not tell all that it should; {_cure(folder)}")
    try:
        with (folder / INDEX).open("rb") as file, np.load(file, allow_pickle=False) as kept:
            rows = {name: kept[name] for name in (*_ROWS, "ways", "embedding")}
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as err:
        raise RideError(f"{folder / INDEX}: cannot be read ({err}); {_cure(folder)}") from err
    n = len(rows["source"]) if rows["source"].ndim == 1 else 0
    fits = all(rows[name].shape == (n,) and rows[name].dtype.kind == k for name, k in _ROWS.items())
    wide = all(rows[name].ndim == 2 and len(rows[name]) == n for name in ("ways", "embedding"))
    if not (fits and wide and 0 < n <= MOST_FRAMES):
        raise RideError(f"{folder / INDEX}: is not as it should be; {_cure(folder)}")
    if int(rows["source"].max()) >= len(table["sources"]) or int(rows["source"].min()) < 0:
        raise RideError(f"{folder / INDEX}: names a source that {RIDE} has not; {_cure(folder)}")
    return Ride(folder, table, **rows)


def _is_whole(table: dict[str, Any]) -> bool:
    """Whether ride.json tells all that is asked of it later."""
    try:
        sources = table["sources"]
        counts = [table["width"], table["height"], *(source["stride"] for source in sources)]
        views = {source["view"] for source in sources}
        profiles = np.array([source["profile"] for source in sources], np.float64)
    except (KeyError, TypeError, ValueError):
        return False
    fits = all(isinstance(count, int) and count > 0 for count in counts)
    return fits and views <= {"side", "cab"} and profiles.ndim == 2


def _cure(folder: Path) -> str:
    return f"remove {folder} and import the ride again"
