"""Rendered country on disk: strips of planes, pictures of them and their styles, in shards.

A shard is one folder of .npy files written once and memory-mapped ever after, so that
rendering can be killed, resumed and shared between processes.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import array_api_compat.numpy as xp
import numpy as np
from numpy.typing import NDArray

from ..errors import TrainingError
from ..model.events import KINDS, NONE
from ..model.network import TALL
from ..model.placement import SKY
from ..model.planes import DOWN, HEIGHT, MATERIALS, PLANES, ROWS, SIGNS, VIEW_W, WIDTH
from ..model.repaint import TRACK
from ..scenery.layout import Layout, plan
from ..scenery.signs import paint_signs
from ..scenery.strips import paint, store
from ..scenery.style import NAMES, Style
from ..scenery.view import look_through, textures
from ..scenery.worlds import draw_style

CELLS = 576  # length of a strip, cells
BORDER = 288  # in a melt shard: the cell where the previous style's country ends
SUNS = EVENTS = 4  # a strip has fewer
PICTURES = 3  # per style: two of its own country, one in the previous style's colours


def shard_name(kind: str, seed: int) -> str:
    """Folder of a shard: "ride" (one style all along) or "melt" (another style's country first)."""
    assert kind in ("ride", "melt"), kind
    return f"{kind}{seed:04d}"


def render_shard(root: Path, kind: str, seed: int, count: int, cells: int = CELLS) -> None:
    """Render `count` styles into `root`; does nothing where the shard is already there."""
    folder = root / shard_name(kind, seed)
    if folder.exists():
        return
    border = 2 * BORDER if kind == "melt" else 0
    rng = np.random.default_rng([seed, 4242 + border])
    texture = textures()
    n = len(PLANES)
    strips = np.zeros((count, n, MATERIALS, ROWS, cells), np.uint8)
    signs = np.zeros((count, n, SIGNS, TALL, cells // DOWN), np.int8)
    frames = np.zeros((count, PICTURES, HEIGHT, WIDTH, 3), np.uint8)
    starts = np.zeros((count, PICTURES, n), np.float32)
    suns = np.zeros((count, SUNS, 3), np.float32)
    events = np.zeros((count, EVENTS, 3), np.float32)
    styles = np.zeros((count, len(NAMES)), np.float32)
    before = draw_style(rng)
    for i in range(count):
        style = draw_style(rng)
        painted = []
        for p in range(n):

            def style_at(x: float, new: Style = style, old: Style = before) -> Style:
                return old if x < border else new

            lay = plan(seed * 1000 + i + border, p, 2 * cells, style_at)
            full = paint(xp, [lay])
            signs[i, p] = paint_signs(lay)
            if p == SKY:
                suns[i] = discs_of(lay)
            if p == TRACK:
                events[i] = events_of(lay)
            strips[i, p] = np.round(store(xp, full, PLANES[p])[0] * 255.0)
            painted.append(full[0])
        for k in range(PICTURES):
            low = border // 2 if k < 2 else 0
            starts[i, k] = rng.uniform(low, cells - VIEW_W - 2, n)
            drawn = style if k < 2 or border or i == 0 else before
            view = look_through(xp, painted, [2.0 * s for s in starts[i, k]], drawn, texture)
            frames[i, k] = np.round(np.asarray(view.frame) * 255.0)
        styles[i], before = style.values, style
    part = folder.with_name(folder.name + f".{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)  # of a killed process that had our number
    part.mkdir(parents=True)
    for name, array in (
        ("strips", strips),
        ("signs", signs),
        ("frames", frames),
        ("starts", starts),
        ("suns", suns),
        ("events", events),
        ("styles", styles),
    ):
        np.save(part / f"{name}.npy", array)
    try:
        part.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(part)


def discs_of(lay: Layout) -> NDArray[np.float32]:
    """Discs of a layout of the sky, [SUNS, 3]: column, row and radius in cells, 0 for none."""
    found = [(s.x / 2 - 0.25, s.y / 2 - 0.25, s.size / 4) for s in lay.stands if s.kind == "sun"]
    suns = np.zeros((SUNS, 3), np.float32)
    suns[: len(found)] = found or suns[:0]
    return suns


def events_of(lay: Layout) -> NDArray[np.float32]:
    """Events of a layout of the track, [EVENTS, 3]: kind (1 and more, in the order of KINDS; 0 for
    none), first and last cell."""
    kinds = {name: number for number, name in enumerate(KINDS, NONE + 1)}
    found = [(kinds[name], a / 2 - 0.25, b / 2 - 0.25) for name, a, b in lay.events]
    events = np.zeros((EVENTS, 3), np.float32)
    events[: len(found)] = found or events[:0]
    return events


@dataclass(frozen=True)
class Shards:
    """All shards of a folder, memory-mapped; style i is (shard, row)."""

    strips: list[NDArray[np.uint8]]  # each [n, planes, MATERIALS, ROWS, cells]
    signs: list[NDArray[np.int8]]  # each [n, planes, SIGNS, ROWS / 4, cells / 4], x 127
    frames: list[NDArray[np.uint8]]  # each [n, PICTURES, H, W, 3]
    starts: list[NDArray[np.float32]]  # each [n, PICTURES, planes], cells
    suns: NDArray[np.float32]  # [all, SUNS, 3] column, row and radius, cells; radius 0 for none
    events: NDArray[np.float32]  # [all, EVENTS, 3] kind, first and last cell; kind 0 for none
    styles: NDArray[np.float32]  # [all, len(NAMES)]
    where: list[tuple[int, int]]
    melts: NDArray[np.bool_]  # [all] another style's country lies before BORDER

    def __len__(self) -> int:
        return len(self.where)


def open_shards(folder: Path) -> Shards:
    """Memory-map every finished shard of `folder`. Raises TrainingError for one that lacks a part,
    as those of another version do."""
    found = sorted(d for d in folder.iterdir() if d.is_dir() and not d.name.endswith(".part"))
    names = ("strips", "signs", "frames", "starts", "suns", "events", "styles")
    for shard in found:
        if lacks := [name for name in names if not (shard / f"{name}.npy").exists()]:
            raise TrainingError(
                f"{shard}: has no {lacks[0]}.npy, as another version rendered it; "
                f"type: rm -r {folder}, then the same again"
            )
    parts = [[np.load(d / f"{name}.npy", mmap_mode="r") for d in found] for name in names]
    where = [(s, i) for s, styles in enumerate(parts[-1]) for i in range(len(styles))]
    melts = np.array([found[s].name.startswith("melt") for s, _ in where])
    strips, signs, frames, starts, *tables = parts
    suns, events, styles = (np.concatenate(table) for table in tables)
    return Shards(strips, signs, frames, starts, suns, events, styles, where, melts)
