"""Write a bundle: beside its place first, checked there, then put into it whole."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainjourney.errors import BundleError
from trainjourney.files import beside, scratch, sweep
from trainjourney.inference.bundle import load_bundle
from trainjourney.inference.manifest import FORMAT, LOOKS, MANIFEST, to_toml
from trainjourney.inference.plan import PLANS


def write_bundle(
    folder: Path,
    table: Mapping[str, Any],
    source: Path,
    names: Sequence[str],
    embeddings: NDArray[np.float32],
) -> None:
    """Make the bundle `folder` from every file in `source` and the looks `names`, `embeddings`.

    `table` is the manifest without [files]; `source` holds the four graphs and looks/NAME.jpg.
    A bundle that stood there is replaced only by one that loads; a kill leaves the one or the
    other. Raises BundleError.
    """
    folder = folder.resolve()
    old = beside(folder, "old")
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise BundleError(f"{folder}: is there and is no bundle; give another folder to write to")
    try:
        with scratch(folder, "part") as part:
            _fill(part, table, source, names, embeddings)
            _check(part, folder)
            if folder.exists():
                folder.rename(old)
            part.rename(folder)
        if (old / PLANS).is_dir():  # checked before they are used; new weights may fit into them
            (old / PLANS).rename(folder / PLANS)
        sweep(folder, "old")  # not before: it may be all that a kill left
    except OSError as err:
        if old.exists() and not folder.exists():
            old.rename(folder)
        reason = f"{folder}: cannot be written ({err.strerror or err})"
        raise BundleError(f"{reason}; free the disk or give another folder") from err


def _fill(
    part: Path,
    table: Mapping[str, Any],
    source: Path,
    names: Sequence[str],
    embeddings: NDArray[np.float32],
) -> None:
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        copy = part / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)  # without the source's rights, which may be narrow
    with (part / LOOKS).open("wb") as file:
        np.savez(file, names=np.array(list(names), dtype=np.str_), embeddings=embeddings)
    paths = sorted(path for path in part.rglob("*") if path.is_file() and path.name != MANIFEST)
    files = {path.relative_to(part).as_posix(): _digest(path) for path in paths}
    whole = {"format": FORMAT, **table, "files": files}
    training = whole.pop("training", {})
    text = to_toml({**whole, "training": training})  # the long free part last
    with (part / MANIFEST).open("w", encoding="utf-8", newline="\n") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(part: Path, folder: Path) -> None:
    try:
        load_bundle(part)
    except BundleError as err:
        reason = str(err).rpartition(";")[0].replace(str(part), str(folder))
        raise BundleError(f"{reason}; nothing was written, mend what is being exported") from err
