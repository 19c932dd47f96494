"""Country out of a real ride: laid out flat, cut into planes by rows, its colours into materials.

What a film honestly tells of depth is how fast each band of rows went by (see ride_planes.py). The
palette of the ride is begun from what the decoder would paint in its look (see ride_colours.py).
"""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..errors import RideError
from ..model.decoder import Decoder
from ..model.network import TALL
from ..model.planes import (
    DOWN,
    HEIGHT,
    MATERIALS,
    PLANES,
    ROWS,
    SIGNS,
    VIEW_H,
    VIEW_W,
    WIDTH,
    Plane,
    planes_of,
    pool_rows,
)
from ..rides.dataset import Ride
from ..scenery.style import NAMES
from .dataset import CELLS, EVENTS, PICTURES, SUNS
from .ride_colours import (
    PULL,
    brought_to,
    find_colours,
    gradient,
    masks_of,
    palette_in,
    sky_colours,
    sky_masks,
    usual_rows,
)
from .ride_planes import WHOLE, bands_of

Told = Callable[[float, str], None]  # how much of it is done, 0 to 1, and what that is
STEP = 6.0  # cells of travel from one frame that is cut into columns to the next
PLACES = 48  # cells of mid-ground from one strip's beginning to the next one's
VIEWS = 64  # frames, evenly along a ride, that its colours are found in


@dataclass(frozen=True)
class Sheet:
    """One stretch of a ride laid out flat, a picture per plane, [rows, cells, 3] in 0..1."""

    frames: NDArray[np.int64]  # numbers of the ride's frames in it, in order of travel
    at: NDArray[np.float64]  # [frames, planes] where the window's left edge is, cells
    pictures: list[NDArray[np.float32]]
    mirrored: bool  # the train ran backwards


@dataclass(frozen=True)
class Palette:
    """The colours of a whole ride."""

    colours: Tensor  # [planes, MATERIALS, 3]
    usual: Tensor  # of each row of the sky [rows, 3]


def check_country(ride: Ride) -> None:
    """Refuse a ride of which there is no country to be made. Raises RideError."""
    if ride.shape != (WIDTH, HEIGHT):
        raise RideError(
            f"{ride.folder}: its frames are {ride.shape[0]}x{ride.shape[1]}, the pocket's are "
            f"{WIDTH}x{HEIGHT}; import it again with --engine pocket"
        )
    if not any(ride.table["sources"][i]["view"] == "side" for i in np.unique(ride.source)):
        raise RideError(f"{ride.folder}: has no side view in it, and the pocket knows no other")


def make_country(
    ride: Ride, decoder: Decoder, folder: Path, told: Told = lambda share, text: None
) -> int:
    """Write the ride as shards, one a place, that the stages learn from; gives how many.

    Does nothing where they are there already. `told` hears how much of it is done. Raises
    RideError.
    """
    done = folder / "done"
    with suppress(OSError, ValueError):  # half written, as where the disk was full
        return int(done.read_text(encoding="utf-8"))
    check_country(ride)
    shutil.rmtree(folder, ignore_errors=True)
    palette, count, size, before, whole = palette_of(ride, decoder), 0, 0, 0.0, len(ride)
    for number in np.unique(ride.stretch):
        mine = np.flatnonzero(ride.stretch == number)
        if ride.table["sources"][int(ride.source[mine[0]])]["view"] == "side":
            said = f"{count} places, {size / 1e9:.1f} GB"
            laid = partial(_tell, told, said, before / whole, 0.5 / whole)
            sheet = lay_out(ride, mine, laid)
            places = _places(sheet)
            for k, first in enumerate(places):
                shard = folder / f"real{count:04d}"
                _write_place(ride, sheet, first, palette, shard)
                size += sum(file.stat().st_size for file in shard.iterdir())
                count += 1
                share = 0.5 + 0.5 * (k + 1) / len(places)
                told((before + len(mine) * share) / whole, f"{count} places, {size / 1e9:.1f} GB")
        before += len(mine)
    done.write_text(str(count), encoding="utf-8")
    return count


def _tell(told: Told, said: str, before: float, each: float, count: int) -> None:
    told(before + each * count, said)


def palette_of(ride: Ride, decoder: Decoder) -> Palette:
    """The colours of the ride's side views, from those on that the decoder has in its look."""
    side = [i for i, one in enumerate(ride.table["sources"]) if one["view"] == "side"]
    mine = np.flatnonzero(np.isin(ride.source, side))
    picked = mine[np.linspace(0, len(mine) - 1, VIEWS).astype(int)]
    seen = np.concatenate([_view(ride, int(i), mirrored=False) for i in np.unique(picked)], 1)
    look = torch.from_numpy(ride.embedding[picked].mean(0))
    colours, usual = palette_in(decoder, F.normalize(look, dim=0)), torch.zeros(1, 3)
    bands = bands_of(ride)
    for p, (top, end) in enumerate(bands):
        if top == end:
            continue
        picture = _stored(torch.from_numpy(seen[top:end]), planes_of(bands == WHOLE)[p])
        if p == 0 or bands == WHOLE:
            usual = usual_rows(picture)
        if p == 0:
            colours[p] = sky_colours(usual)
        else:
            colours[p] = find_colours(picture, brought_to(colours[p], picture))
    return Palette(colours, usual)


def lay_out(
    ride: Ride, frames: NDArray[np.int64], told: Callable[[int], None] = lambda k: None
) -> Sheet:
    """Lay a stretch flat: of every plane, each column as it was in the middle of the window.

    `told` hears how many of the frames are looked at.
    """
    mirrored = bool(ride.position[frames[-1]] < ride.position[frames[0]])
    ways = np.abs(ride.ways[frames] - ride.ways[frames[0]]) / 2.0  # cells
    ways = np.maximum.accumulate(ways)
    rows = (np.arange(ways.shape[1]) + 0.5) * VIEW_H / ways.shape[1]
    at = np.zeros((len(frames), len(PLANES)))
    bands = bands_of(ride)
    if bands == WHOLE:
        ways = np.repeat(np.median(ways, axis=1, keepdims=True), ways.shape[1], axis=1)
    for p, (top, end) in enumerate(bands):
        if end > top:
            at[:, p] = [np.interp((top + end) / 2.0, rows, way) for way in ways]
    pictures = []
    for p, (top, end) in enumerate(bands):
        length = VIEW_W + int(at[-1, p]) + 1
        pictures.append(np.zeros((end - top, max(length, VIEW_W), 3), np.float32))
    before = np.zeros(len(PLANES), int)
    for k, i in enumerate(frames):
        told(k)
        far = (at[k] - before).max() >= STEP
        if not (far or k in (0, len(frames) - 1)):
            continue
        view = _view(ride, int(i), mirrored)
        for p, (top, end) in enumerate(bands):
            x = int(at[k, p])
            low = 0 if k == 0 else VIEW_W // 2 - (x - before[p])
            high = VIEW_W if k in (0, len(frames) - 1) else VIEW_W // 2
            low = min(low, high)
            pictures[p][:, x + low : x + high] = view[top:end, low:high]
            before[p] = x
    return Sheet(frames, at, pictures, mirrored)


def _places(sheet: Sheet) -> list[int]:
    """The frames (by place in the sheet) at which a strip begins."""
    mid = int(np.argmax(sheet.at[-1]))
    along = sheet.at[:, mid]
    last = max(0.0, along[-1] + VIEW_W - CELLS)
    wanted = np.arange(0.0, last + 1.0, PLACES)
    return sorted({int(np.searchsorted(along, place)) for place in wanted})


def _write_place(ride: Ride, sheet: Sheet, first: int, palette: Palette, folder: Path) -> None:
    """One shard of one row: strips, three pictures of them, and where the window was for each."""
    starts = np.floor(sheet.at[first])
    inside = np.flatnonzero((sheet.at - starts + VIEW_W + 2 <= CELLS).all(1))
    inside = inside[inside >= first]
    picked = inside[np.linspace(0, len(inside) - 1, PICTURES).astype(int)]
    paint, usual, bands = palette.colours.clone(), palette.usual, bands_of(ride)
    strips = np.zeros((1, len(PLANES), MATERIALS, ROWS, CELLS), np.uint8)
    planes = planes_of(bands == WHOLE)
    for p, (top, end) in enumerate(bands):
        if top == end:
            continue
        columns = np.arange(CELLS) + int(starts[p])
        length = sheet.pictures[p].shape[1]
        columns = np.abs((columns + length - 1) % (2 * length - 2 or 1) - (length - 1))  # mirrored
        picture = _stored(torch.from_numpy(sheet.pictures[p][:, columns]), planes[p])
        if p == 0 or bands == WHOLE:
            usual = palette.usual + PULL * (usual_rows(picture) - palette.usual)
        if p == 0:
            paint[p] = sky_colours(usual)
            masks = sky_masks(picture, usual)
        else:
            paint[p] += PULL * (find_colours(picture, paint[p]) - paint[p])
            masks = masks_of(picture, paint[p])
        row = top - planes[p].top
        strips[0, p, :, row : row + masks.shape[1]] = (masks * 255.0).round().byte().numpy()
    signs = np.zeros((1, len(PLANES), SIGNS, TALL, CELLS // DOWN), np.int8)  # nobody named things
    frames = [_whole(ride, int(sheet.frames[k]), sheet.mirrored) for k in picked]
    folder.mkdir(parents=True)
    np.save(folder / "strips.npy", strips)
    np.save(folder / "signs.npy", signs)
    np.save(folder / "frames.npy", np.stack(frames)[None])
    np.save(folder / "starts.npy", (sheet.at[picked] - starts)[None].astype(np.float32))
    for name, count in (("suns", SUNS), ("events", EVENTS)):  # nor found any
        np.save(folder / f"{name}.npy", np.zeros((1, count, 3), np.float32))
    np.save(folder / "paint.npy", paint.numpy())
    np.save(folder / "sky.npy", gradient(usual).numpy())
    np.save(folder / "looks.npy", ride.embedding[sheet.frames[picked]])
    np.save(folder / "styles.npy", np.zeros((1, len(NAMES)), np.float32))


def _stored(picture: Tensor, plane: Plane) -> Tensor:
    """View rows of a plane [rows, cells, 3] as it stores them."""
    if plane.tall <= ROWS:
        return picture
    return torch.einsum("rt,tcd->rcd", torch.tensor(pool_rows(plane)), picture)


def _whole(ride: Ride, i: int, mirrored: bool) -> NDArray[np.uint8]:
    frame = ride.frame(i)
    return frame[:, ::-1] if mirrored else frame


def _view(ride: Ride, i: int, mirrored: bool) -> NDArray[np.float32]:
    """A frame at the planes' resolution, [VIEW_H, VIEW_W, 3] in 0..1."""
    small = Image.fromarray(np.ascontiguousarray(_whole(ride, i, mirrored))).reduce(2)
    return np.asarray(small, np.float32) / 255.0
