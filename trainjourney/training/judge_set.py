"""What the judge's eye learns from: rendered pictures, and what is to be seen in them.

The things of one world are often drawn in the colours of another: an eye that took a desert's
palette for a cactus would find cacti in any smear of that palette.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import array_api_compat.numpy as xp
import numpy as np
from numpy.typing import NDArray

from ..model.eye import COLUMNS, EYE_H, EYE_W
from ..model.planes import HEIGHT, PLANES, WIDTH
from ..scenery.layout import Layout, Stand, plan
from ..scenery.strips import paint
from ..scenery.style import KINDS, NAMES, Style, jitter
from ..scenery.things import THINGS
from ..scenery.view import look_through, textures
from ..scenery.worlds import WORLDS

SEEN = (*KINDS, "cloud", "pole")  # what the eye names
FAMILIES = tuple(WORLDS)
STRIP = 1280  # px of the frame
SMALL_PX, CLEAR_PX = 9.0, 13.0  # lower is not expected to be seen; from here on it is
HIDDEN, CLEAR = 0.75, 0.35  # shares behind nearer planes: unseen above, seen below
VIEWS = 8
_COLUMN = WIDTH // COLUMNS
_POLE = Stand("pole", 0.0, 0.0, 200.0, np.zeros(0, np.float32))


@dataclass(frozen=True)
class JudgeSet:
    """Pictures and their truth; `kinds` is 1 seen, 0 not there, -1 not fit to be asked."""

    frames: NDArray[np.uint8]  # [n, EYE_H, EYE_W, 3]
    kinds: NDArray[np.int8]  # [n, SEEN, COLUMNS]
    family: NDArray[np.int64]  # [n] index into FAMILIES


def draw_world(family: str, rng: np.random.Generator) -> Style:
    """A relative of a world, two times in three with another world's things."""
    style = jitter(WORLDS[family], rng, 0.8)
    if rng.random() < 0.67:
        other = jitter(WORLDS[FAMILIES[rng.integers(len(FAMILIES))]], rng, 0.8)
        kinds = [NAMES.index(f"kind.{k}") for k in KINDS]
        style.values[kinds] = other.values[kinds] + 0.15 * rng.random(len(kinds))
    return style


def _stands(lay: Layout) -> Iterator[Stand]:
    yield from lay.stands
    for x in lay.poles:
        yield Stand(_POLE.kind, x, 218.0, _POLE.size, _POLE.chance)


def name_things(
    plans: list[Layout], starts: NDArray[np.float32], plane: NDArray[np.int64]
) -> NDArray[np.int8]:
    """What is seen in which column, from the plans, where the window stands, and the plane map."""
    seen = np.zeros((len(SEEN), COLUMNS), np.int8)
    for p, lay in enumerate(plans):
        for stand in _stands(lay):
            if stand.kind not in SEEN:
                continue
            half, top, _ = THINGS[stand.kind].extent if stand.kind in THINGS else (0.02, 1.0, 0.0)
            x, reach, tall = stand.x - starts[p], half * stand.size, top * stand.size
            foot = 2.0 * PLANES[p].top + stand.y
            low, high = max(0, int(x - 0.7 * reach)), min(WIDTH, int(x + 0.7 * reach) + 1)
            over, under = max(0, int(foot - tall)), min(HEIGHT, int(foot) + 1)
            if low >= high or over >= under or tall < SMALL_PX:
                continue
            hidden = float((plane[over:under, low:high] > p).mean())
            if hidden > HIDDEN:
                continue
            k = SEEN.index(stand.kind)
            first, last = low // _COLUMN, (high - 1) // _COLUMN
            row = seen[k, first : last + 1]
            row[row == 0] = -1  # it reaches into these columns
            column = int(x // _COLUMN)
            if 0 <= column < COLUMNS and hidden < CLEAR and tall >= CLEAR_PX:
                seen[k, column] = 1
    return seen


def render_part(path: Path, number: int) -> None:
    """Render VIEWS pictures of every family into an .npz; does nothing where it is there."""
    if path.exists():
        return
    rng = np.random.default_rng([number, 909])
    texture = textures()
    frames, kinds, family = [], [], []
    for f, name in enumerate(FAMILIES):
        style = draw_world(name, rng)
        seed = 5_000_000 + 100 * number + f  # no seed that the pocket learned from
        plans = [plan(seed, p, STRIP, lambda x, s=style: s) for p in range(len(PLANES))]  # type: ignore[misc]
        strips = [paint(xp, [lay])[0] for lay in plans]
        for _ in range(VIEWS):
            starts = rng.uniform(0, STRIP - WIDTH - 4, len(PLANES)).astype(np.float32)
            view = look_through(xp, strips, [float(s) for s in starts], style, texture)
            plane = np.asarray(view.plane).astype(np.int64)
            small = np.asarray(view.frame).reshape(EYE_H, 2, EYE_W, 2, 3).mean((1, 3))
            frames.append(np.round(small * 255.0).astype(np.uint8))
            kinds.append(name_things(plans, starts, plane))
            family.append(f)
    part = path.with_suffix(".part.npz")
    np.savez(part, frames=np.stack(frames), kinds=np.stack(kinds), family=np.array(family))
    part.rename(path)


def open_set(folder: Path, numbers: range) -> JudgeSet:
    """Render what is missing of the parts, and read them all."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for number in numbers:
        path = folder / f"part{number:03d}.npz"
        render_part(path, number)
        with np.load(path) as kept:
            parts.append([kept[k] for k in ("frames", "kinds", "family")])
    frames, kinds, family = (np.concatenate(column) for column in zip(*parts, strict=True))
    return JudgeSet(frames, kinds, family.astype(np.int64))
