"""Rendered country in the planes of a single sheet: what the nearest plane holds, in other rows."""

import shutil
from pathlib import Path

import numpy as np

from ..model.planes import DOWN, PLANES, SINGLE

_FACTOR = SINGLE[-1].tall // PLANES[-1].tall  # view rows that a stored row stands for


def to_single(shard: Path, out: Path) -> None:
    """Write a shard of rendered country anew for planes that are SINGLE; does nothing where it is.

    Of the nearest plane every two rows become one, at their height in a sheet of the whole view.
    """
    if out.exists():
        return
    part = out.with_name(f"{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(shard, part)
    for name, step in (("strips", 1), ("signs", DOWN)):
        array = np.load(shard / f"{name}.npy")
        near = array[:, -1]  # [n, channels, rows, cells]
        n, channels, rows, cells = near.shape
        few = near.reshape(n, channels, rows // _FACTOR, _FACTOR, cells).mean(3).round()
        top = PLANES[-1].top // (_FACTOR * step)
        array[:, -1] = 0
        array[:, -1, :, top : top + few.shape[2]] = few
        np.save(part / f"{name}.npy", array)
    part.rename(out)
