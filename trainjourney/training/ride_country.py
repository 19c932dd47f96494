"""Country out of a real ride: its picture cut into planes by rows, its colours into materials.

What a film honestly tells of depth is how fast each band of rows went by: a plane is a band of
rows here, and its parallax is that band's measured speed. A thing that stands across two bands
shears where their speeds differ; where all go by alike, all is one sheet. Colours become
materials by k-means, a palette a place, begun from what the decoder would paint in the look of
that place.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..errors import RideError
from ..model.decoder import CODE, KNOTS, Decoder
from ..model.embedder import SIZE
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
    planes_of,
    pool_rows,
)
from ..rides.dataset import Ride
from ..scenery.style import NAMES
from .dataset import CELLS, PICTURES

# View rows of each plane's band: from, to. Nothing stands on the track.
BANDS = ((0, 40), (40, 54), (54, 66), (66, 78), (78, 92), (92, 106), (0, 0), (106, 128))
# The same where all rows go by alike, in the planes that are SINGLE.
WHOLE = (*((0, 0),) * (len(PLANES) - 1), (0, VIEW_H))
# Speed of the nearest plane over the furthest's, up to which cutting would give less depth than it
# takes: what stands across planes, as poles do, comes in pieces.
ALIKE = 1.5
MID = 0.55  # parallax of what goes by as fast as the mid-ground
MOST = 4.2  # parallax of all planes together that the dreaming keeps up with
IDLE = 0.01  # parallax of a plane with nothing on it
SELDOM = 2  # rows that such a plane counts for in training
STEP = 6.0  # cells of travel from one frame that is cut into columns to the next
PLACES = 48  # cells of mid-ground from one strip's beginning to the next one's
CLEAR, SHADE = 0, 1  # materials of the sky: lighter and darker than its row
CLOUD = 0.3  # of lightness that a cloud or its shade differs from its row
SKY_ROWS = 72  # of the view, that the gradient of the decoder reaches down
SPREAD = 0.05  # of a colour about its material, 0..1


@dataclass(frozen=True)
class Sheet:
    """One stretch of a ride laid out flat, a picture per plane, [rows, cells, 3] in 0..1."""

    frames: NDArray[np.int64]  # numbers of the ride's frames in it, in order of travel
    at: NDArray[np.float64]  # [frames, planes] where the window's left edge is, cells
    pictures: list[NDArray[np.float32]]
    mirrored: bool  # the train ran backwards


def profile_of(ride: Ride) -> NDArray[np.float64]:
    """Speed of bands of rows from the top down, over the mid-ground's."""
    profiles = np.array([source["profile"] for source in ride.table["sources"]], np.float64)
    return np.asarray(np.median(profiles, axis=0).clip(0.0, 4.0))


def bands_of(ride: Ride) -> tuple[tuple[int, int], ...]:
    """The view rows of each plane, from and to."""
    return WHOLE if is_single(ride) else BANDS


def is_single(ride: Ride) -> bool:
    """Whether all rows go by alike, so that all is one sheet."""
    found = _cut_ratios(ride)[[top < end for top, end in BANDS]]
    return bool(found.max() < ALIKE * found.min())


def ratios_of(ride: Ride) -> NDArray[np.float64]:
    """Speed of every plane over the mid-ground's, [planes]."""
    if not is_single(ride):
        return _cut_ratios(ride)
    return np.where([top < end for top, end in WHOLE], 1.0, IDLE / MID)


def _cut_ratios(ride: Ride) -> NDArray[np.float64]:
    """The same where the picture is cut into BANDS, from the measured rows."""
    profile = profile_of(ride)
    rows = (np.arange(len(profile)) + 0.5) * VIEW_H / len(profile)
    middle = np.array([(top + end) / 2.0 for top, end in BANDS])
    found = np.interp(middle, rows, profile).clip(min=IDLE / MID)
    empty = [top == end for top, end in BANDS]
    found[empty] = 0.0
    found = np.maximum.accumulate(found)  # what is lower in the picture is nearer
    found[empty] = IDLE / MID
    return np.asarray(found)


def parallax_of(ride: Ride) -> NDArray[np.float64]:
    """Parallax of every plane, [planes]; slower all together where the dreaming would lag."""
    found = MID * ratios_of(ride)
    return np.asarray(found * min(1.0, MOST / found.sum()))


def often_of(ride: Ride) -> Tensor:
    """How often each plane is to be drawn in training, [planes]: as many rows as are seen of it.

    One with nothing on it is drawn now and then, for the looks that the bundle had.
    """
    return torch.tensor([float(max(end - top, SELDOM)) for top, end in bands_of(ride)])


def check_country(ride: Ride) -> None:
    """Refuse a ride of which there is no country to be made. Raises RideError."""
    if ride.shape != (WIDTH, HEIGHT):
        raise RideError(
            f"{ride.folder}: its frames are {ride.shape[0]}x{ride.shape[1]}, the pocket's are "
            f"{WIDTH}x{HEIGHT}; import it again with --engine pocket"
        )
    if not any(ride.table["sources"][i]["view"] == "side" for i in np.unique(ride.source)):
        raise RideError(f"{ride.folder}: has no side view in it, and the pocket knows no other")


def make_country(ride: Ride, decoder: Decoder, folder: Path) -> int:
    """Write the ride as shards, one a place, that the stages learn from; gives how many.

    Does nothing where they are there already. Raises RideError.
    """
    done = folder / "done"
    with suppress(OSError, ValueError):  # half written, as where the disk was full
        return int(done.read_text(encoding="utf-8"))
    check_country(ride)
    shutil.rmtree(folder, ignore_errors=True)
    count = 0
    for number in np.unique(ride.stretch):
        mine = np.flatnonzero(ride.stretch == number)
        if ride.table["sources"][int(ride.source[mine[0]])]["view"] != "side":
            continue
        sheet = lay_out(ride, mine)
        for first in _places(sheet):
            _write_place(ride, sheet, first, decoder, folder / f"real{count:04d}")
            count += 1
    done.write_text(str(count), encoding="utf-8")
    return count


def lay_out(ride: Ride, frames: NDArray[np.int64]) -> Sheet:
    """Lay a stretch flat: of every plane, each column as it was in the middle of the window."""
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


def _write_place(ride: Ride, sheet: Sheet, first: int, decoder: Decoder, folder: Path) -> None:
    """One shard of one row: strips, three pictures of them, and where the window was for each."""
    starts = np.floor(sheet.at[first])
    inside = np.flatnonzero((sheet.at - starts + VIEW_W + 2 <= CELLS).all(1))
    inside = inside[inside >= first]
    picked = inside[np.linspace(0, len(inside) - 1, PICTURES).astype(int)]
    look = torch.from_numpy(ride.embedding[sheet.frames[picked]].mean(0))
    paint = _palette(decoder, F.normalize(look, dim=0))
    strips = np.zeros((1, len(PLANES), MATERIALS, ROWS, CELLS), np.uint8)
    sky, bands = torch.zeros(KNOTS, 3), bands_of(ride)
    planes = planes_of(bands == WHOLE)
    for p, (top, end) in enumerate(bands):
        if top == end:
            continue
        columns = np.arange(CELLS) + int(starts[p])
        length = sheet.pictures[p].shape[1]
        columns = np.abs((columns + length - 1) % (2 * length - 2 or 1) - (length - 1))  # mirrored
        picture = torch.from_numpy(sheet.pictures[p][:, columns])
        if p == 0:
            masks, paint[p], sky = sky_masks(picture)
        else:
            if planes[p].tall > ROWS:
                picture = torch.einsum("rt,tcd->rcd", torch.tensor(pool_rows(planes[p])), picture)
                _, _, sky = sky_masks(picture)  # behind it all, where nothing is
            masks, paint[p] = land_masks(picture, paint[p])
        row = top - planes[p].top
        strips[0, p, :, row : row + masks.shape[1]] = (masks * 255.0).round().byte().numpy()
    signs = np.zeros((1, len(PLANES), SIGNS, TALL, CELLS // DOWN), np.int8)  # nobody named things
    frames = [_whole(ride, int(sheet.frames[k]), sheet.mirrored) for k in picked]
    folder.mkdir(parents=True)
    np.save(folder / "strips.npy", strips)
    np.save(folder / "signs.npy", signs)
    np.save(folder / "frames.npy", np.stack(frames)[None])
    np.save(folder / "starts.npy", (sheet.at[picked] - starts)[None].astype(np.float32))
    np.save(folder / "paint.npy", paint.numpy())
    np.save(folder / "sky.npy", sky.numpy())
    np.save(folder / "looks.npy", ride.embedding[sheet.frames[picked]])
    np.save(folder / "styles.npy", np.zeros((1, len(NAMES)), np.float32))


def _palette(decoder: Decoder, look: Tensor) -> Tensor:
    """Colour of every material in a look, [planes, MATERIALS, 3]."""
    with torch.no_grad():
        colours, _ = _painted(decoder, look[None])
    return colours[0].clamp(0.0, 1.0)


def _painted(decoder: Decoder, looks: Tensor) -> tuple[Tensor, Tensor]:
    """Colours [B, planes, MATERIALS, 3] and gradients [B, KNOTS, 3] in looks [B, SIZE]."""
    n = len(PLANES) * MATERIALS * CODE
    codes, sky = decoder.palette(looks * SIZE**0.5).float().split([n, KNOTS * CODE], 1)
    codes = codes.view(-1, len(PLANES), MATERIALS, CODE)
    return codes[..., :3], sky.view(-1, KNOTS, CODE)[..., :3]


def fit_palette(decoder: Decoder, folder: Path, kept: Tensor, steps: int = 300) -> float:
    """Teach the decoder's palette the colours of the places in `folder`; gives the last error.

    That is a small network and takes seconds, and spares the decoder's own stage many minutes.
    In the looks `kept` [n, SIZE] it is to paint as before.
    """
    found = sorted(folder.glob("real*"))

    def gather(name: str) -> Tensor:
        return torch.from_numpy(np.stack([np.load(place / f"{name}.npy") for place in found]))

    looks, paint, sky = gather("looks"), gather("paint"), gather("sky")
    again = looks.shape[1]
    looks = looks.flatten(0, 1)
    paint, sky = paint.repeat_interleave(again, 0), sky.repeat_interleave(again, 0)
    with torch.no_grad():
        old = decoder.palette(kept * SIZE**0.5)
    optimizer = torch.optim.Adam(decoder.palette.parameters(), lr=1e-3)
    rng, error = torch.Generator().manual_seed(3), torch.zeros(())
    for _ in range(steps):
        stray = torch.randn(looks.shape, generator=rng) * (0.15 / SIZE**0.5)
        colours, gradient = _painted(decoder, F.normalize(looks + stray, dim=1))
        error = (colours - paint).abs().mean() + (gradient - sky).abs().mean()
        loss = error + (decoder.palette(kept * SIZE**0.5) - old).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(error.detach())


def sky_masks(picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What differs from its row in a sky [rows, cells, 3], the colours of that, and the rows'.

    Masks [MATERIALS, rows, cells], colours [MATERIALS, 3], and the gradient [KNOTS, 3].
    """
    light, usual = picture.mean(2), picture.median(1).values  # [rows, cells], [rows, 3]
    apart = (light - usual.mean(1, keepdim=True)) / CLOUD
    masks = torch.zeros(MATERIALS, *light.shape)
    masks[CLEAR], masks[SHADE] = apart.clamp(0.0, 1.0), (-apart).clamp(0.0, 1.0)
    colours = usual.mean(0).expand(MATERIALS, 3).clone()
    colours[CLEAR] += CLOUD
    colours[SHADE] -= CLOUD
    knots = (torch.arange(KNOTS) * SKY_ROWS / (KNOTS - 1)).long().clamp(max=len(usual) - 1)
    return masks, colours, usual[knots]


def land_masks(picture: Tensor, colours: Tensor, rounds: int = 8) -> tuple[Tensor, Tensor]:
    """Masks [MATERIALS, rows, cells] of land [rows, cells, 3], summing to 1, and their colours.

    k-means from the given colours [MATERIALS, 3] (Lloyd 1982), so that a material keeps, as far
    as may be, the part it plays in the scenery.
    """
    # the codec knows patches of four cells, and no grain
    smooth = F.avg_pool2d(picture.permute(2, 0, 1)[None], 3, 1, 1, count_include_pad=False)
    flat = smooth[0].permute(1, 2, 0).reshape(-1, 3)
    # the same mean and spread first: a palette that is all too dark would leave most unused
    centres = (colours - colours.mean(0)) / (colours.std(0) + 0.05) * flat.std(0) + flat.mean(0)
    some = flat[::4]
    for _ in range(rounds):
        nearest = _apart(some, centres).argmin(1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, some)
        count = torch.bincount(nearest, minlength=MATERIALS)[:, None]
        centres = torch.where(count > 0, sums / count.clamp(min=1), centres)
    soft = (-_apart(flat, centres) / (2 * SPREAD**2)).softmax(1)
    return soft.T.reshape(MATERIALS, *picture.shape[:2]), centres


def _apart(colours: Tensor, centres: Tensor) -> Tensor:
    """Squared distances [n, m] of colours [n, 3] and centres [m, 3]."""
    return colours.square().sum(1, True) - 2.0 * colours @ centres.T + centres.square().sum(1)


def _whole(ride: Ride, i: int, mirrored: bool) -> NDArray[np.uint8]:
    frame = ride.frame(i)
    return frame[:, ::-1] if mirrored else frame


def _view(ride: Ride, i: int, mirrored: bool) -> NDArray[np.float32]:
    """A frame at the planes' resolution, [VIEW_H, VIEW_W, 3] in 0..1."""
    small = Image.fromarray(np.ascontiguousarray(_whole(ride, i, mirrored))).reduce(2)
    return np.asarray(small, np.float32) / 255.0
