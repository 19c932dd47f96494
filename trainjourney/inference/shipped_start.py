"""The state that a bundle was written with: dreamt once, so that no first show waits for it.

It is what a show sets out in with the first look and the seed it has where none is told; a file of
the bundle like any other, with its sha256 in the manifest, and not of every bundle.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainjourney.errors import BundleError
from trainjourney.inference.arrays import read_arrays
from trainjourney.inference.bundle import MOST_SMALL_BYTES, Bundle, cure
from trainjourney.types import Embedding, State

START = "start.npz"


@dataclass(frozen=True)
class ShippedStart:
    """A state, and the seed and the look that it was dreamt from."""

    seed: int
    embedding: Embedding
    state: State


def read_start(bundle: Bundle) -> ShippedStart | None:
    """What the bundle was written with; None where that is nothing. Raises BundleError."""
    if START not in bundle.manifest.files:
        return None
    place, tables = f"{bundle.folder}/{START}", bundle.manifest.state
    wanted: dict[str, tuple[tuple[int, ...], str]] = {
        "seed": ((), "int64"),
        "embedding": ((bundle.manifest.embedding.size,), "float32"),
        **{f"state.{table.name}": (table.shape, table.dtype) for table in tables},
    }
    most = max(MOST_SMALL_BYTES, *(table.size_bytes + 4096 for table in tables))
    try:
        arrays = dict(
            zip(wanted, read_arrays(bundle.read(START, most), list(wanted), most), strict=True)
        )
        for name, array in arrays.items():
            if (array.shape, str(array.dtype)) != wanted[name]:
                raise ValueError(f"{name} is {array.dtype}{list(array.shape)}")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise ValueError(f"{name} is not finite")
    except ValueError as err:
        raise BundleError(f"{place}: cannot be read ({err}); {cure(bundle.folder)}") from err
    seed, embedding, *state = arrays.values()
    names = [table.name for table in tables]
    look = embedding.astype(np.float32)
    return ShippedStart(int(seed), look, dict(zip(names, state, strict=True)))


def write_start(path: Path, start: ShippedStart) -> None:
    """Write it, packed: nearly all of a state is empty country."""
    arrays: dict[str, Any] = {f"state.{name}": array for name, array in start.state.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, seed=np.int64(start.seed), embedding=start.embedding, **arrays)
