"""A bundle: one model on disk, found by name and checked to the last byte before it is opened."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainjourney.errors import BundleError
from trainjourney.inference.arrays import read_arrays
from trainjourney.inference.manifest import (
    LOOKS,
    MANIFEST,
    Manifest,
    StateTable,
    read_manifest,
)
from trainjourney.types import Embedding

__all__ = ["Bundle", "Look", "Manifest", "StateTable", "find_bundle", "list_bundles", "load_bundle"]

MOST_MANIFEST_BYTES = 1 << 20
MOST_FILE_BYTES = 8 << 30
MOST_SMALL_BYTES = 64 << 20  # looks.npz, packed or unpacked, and one picture
MOST_LOOKS = 4096
_LOCATION = b"\x0a\x08location\x12"  # how ONNX (protobuf) begins to say where a tensor lies
PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Look:
    """A named picture with its embedding."""

    name: str
    embedding: Embedding  # [D], norm 1
    picture: Path  # looks/NAME.jpg

    def __deepcopy__(self, memo: object) -> "Look":
        return self  # nobody changes it


@dataclass(frozen=True)
class Bundle:
    """A checked bundle: every file had its sha256 when it was loaded."""

    folder: Path
    manifest: Manifest
    looks: tuple[Look, ...]
    pace: float = 1.0  # of a frame at the bundle's own rate, that the train goes in one of these

    def at_rate(self, fps: int) -> "Bundle":
        """The bundle as it is played at `fps` frames a second, the train as fast as ever; at 0 and
        at its own rate the bundle itself."""
        frame = self.manifest.frame
        if fps in (0, frame.fps):
            return self
        manifest = self.manifest.model_copy(update={"frame": frame.model_copy(update={"fps": fps})})
        return replace(self, manifest=manifest, pace=self.pace * frame.fps / fps)

    def read(self, name: str, most: int) -> bytes:
        """A file of the bundle, `most` bytes at most. Raises BundleError where it was altered."""
        data = _read(self.folder, name, most)
        if hashlib.sha256(data).hexdigest() != self.manifest.files[name]:
            raise _altered(self.folder, name)
        return data

    def graph(self, name: str) -> tuple[Path, str]:
        """Path of a graph ("predictor.onnx") and one digest of all it is made of.

        A graph's constants may lie in other files of the bundle (ONNX external data); a graph that
        points anywhere else is refused. Raises BundleError.
        """
        data = self.read(name, MOST_FILE_BYTES)
        lent = sorted(_lent(data))
        for other in lent:
            if other not in self.manifest.files:
                reason = f"{self.folder}/{name}: points to '{other[:80]}', no file of the bundle"
                raise BundleError(f"{reason}; {cure(self.folder)}")
        parts = [self.manifest.files[part] for part in (name, *lent)]
        return self.folder / name, hashlib.sha256("".join(parts).encode()).hexdigest()

    def look(self, name: str) -> Look:
        """The look of that name. Raises BundleError."""
        for look in self.looks:
            if look.name == name:
                return look
        known = ", ".join(look.name for look in self.looks)
        raise BundleError(f"{self.folder}: has no look '{name}'; give --look one of {known}")


def cure(folder: Path) -> str:
    """What to type when a bundle is not whole."""
    return f"restore it (git checkout -- {folder}) or write it anew (trainjourney export)"


def homes() -> list[Path]:
    """The folders that hold bundles: of the current folder, of the clone, of the wheel."""
    return [Path("engines"), PACKAGE.parent / "engines", PACKAGE / "engines"]


def list_bundles() -> list[Path]:
    """Every bundle's folder, first of its name wins; not checked."""
    found: dict[str, Path] = {}
    for home in homes():
        for manifest in sorted(home.glob(f"*/{MANIFEST}")):
            found.setdefault(manifest.parent.name, manifest.parent)
    return list(found.values())


def find_bundle(name_or_path: str) -> Path:
    """The folder of a bundle: a name under engines/, or a path. Raises BundleError."""
    if "/" not in name_or_path and "\\" not in name_or_path:
        for home in homes():
            if name_or_path and (home / name_or_path / MANIFEST).is_file():
                return home / name_or_path
    if name_or_path and (Path(name_or_path) / MANIFEST).is_file():
        return Path(name_or_path)
    known = ", ".join(path.name for path in list_bundles())
    hint = f"there is --engine {known}" if known else "make one with trainjourney export"
    raise BundleError(
        f"no bundle '{name_or_path}' ({name_or_path}/{MANIFEST} is not there); {hint}"
    )


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle and check every file in it. Raises BundleError naming bundle and file."""
    folder = Path(folder)
    place, help_ = f"{folder}/{MANIFEST}", cure(folder)
    raw = _read(folder, MANIFEST, MOST_MANIFEST_BYTES)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as err:
        raise BundleError(f"{place}: is not text ({err}); {help_}") from err
    manifest = read_manifest(text, place, help_)
    for name, digest in manifest.files.items():
        if _hash(folder, name) != digest:
            raise _altered(folder, name)
    return Bundle(folder, manifest, _looks(folder, manifest))


def _lent(graph: bytes) -> set[str]:
    """Every file that the constants of a graph are said to lie in.

    The length is one byte; a path of 128 bytes and more is read wrong and so fits no file either.
    """
    found, at = set(), graph.find(_LOCATION)
    while at >= 0:
        at += len(_LOCATION)
        size = graph[at] if at < len(graph) else 0
        found.add(graph[at + 1 : at + 1 + size].decode("utf-8", "replace"))
        at = graph.find(_LOCATION, at)
    return found


def _altered(folder: Path, name: str) -> BundleError:
    return BundleError(f"{folder}/{name}: is not the file that {MANIFEST} lists; {cure(folder)}")


def _size(folder: Path, name: str, most: int) -> int:
    path = folder / name
    try:
        size = path.stat().st_size if path.is_file() else -1
    except OSError as err:
        raise BundleError(f"{path}: cannot be read ({err.strerror}); {cure(folder)}") from err
    if size < 0:
        raise BundleError(f"{path}: is missing; {cure(folder)}")
    if size > most:
        raise BundleError(f"{path}: is {size >> 20} MB, {most >> 20} at most; {cure(folder)}")
    return size


def _read(folder: Path, name: str, most: int) -> bytes:
    size = _size(folder, name, most)
    try:
        with (folder / name).open("rb") as file:
            return file.read(size + 1)  # of `most` memory would be asked for before any is read
    except OSError as err:
        reason = f"{folder}/{name}: cannot be read ({err.strerror})"
        raise BundleError(f"{reason}; {cure(folder)}") from err


def _hash(folder: Path, name: str) -> str:
    small = name == LOOKS or name.startswith("looks/")
    _size(folder, name, MOST_SMALL_BYTES if small else MOST_FILE_BYTES)
    try:
        with (folder / name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as err:
        reason = f"{folder}/{name}: cannot be read ({err.strerror})"
        raise BundleError(f"{reason}; {cure(folder)}") from err


def _looks(folder: Path, manifest: Manifest) -> tuple[Look, ...]:
    data = _read(folder, LOOKS, MOST_SMALL_BYTES)
    if hashlib.sha256(data).hexdigest() != manifest.files[LOOKS]:
        raise _altered(folder, LOOKS)
    place = f"{folder}/{LOOKS}"
    try:
        names, vectors = read_arrays(data, ("names", "embeddings"), MOST_SMALL_BYTES)
    except ValueError as err:
        raise BundleError(f"{place}: cannot be read ({err}); {cure(folder)}") from err
    n, size = len(names) if names.ndim == 1 else 0, manifest.embedding.size
    if names.dtype.kind != "U" or not 1 <= n <= MOST_LOOKS or len(set(names.tolist())) < n:
        raise BundleError(f"{place}: names are not 1 to {MOST_LOOKS} texts; {cure(folder)}")
    if vectors.dtype != np.float32 or vectors.shape != (n, size):
        raise BundleError(
            f"{place}: embeddings are {vectors.dtype}{list(vectors.shape)}, "
            f"float32{[n, size]} wanted; {cure(folder)}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if not bool(np.all(np.abs(norms - 1.0) < 1e-2)):
        raise BundleError(f"{place}: embeddings are not of norm 1; {cure(folder)}")
    vectors.flags.writeable = False
    looks = []
    for name, vector in zip(names.tolist(), vectors, strict=True):
        picture = f"looks/{name}.jpg"
        if picture not in manifest.files:
            raise BundleError(f"{place}: look '{name[:80]}' has no {picture}; {cure(folder)}")
        looks.append(Look(name, vector, folder / picture))
    return tuple(looks)
