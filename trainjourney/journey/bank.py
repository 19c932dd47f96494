"""A folder of pictures as the bank of looks: what is in it, in which slots, under which names.

"07 winter dusk.jpg" is winter dusk in slot 7. A picture without a number takes the lowest free
slot and keeps it while it is there, so that nothing moves under a player's hands. What a picture
was embedded as is kept by the hash of its bytes; the picture too, in the size of a frame, so that
a look outlives its file for whoever still departs in it.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from trainjourney.controls.desk import is_text
from trainjourney.controls.parameters import SLOTS
from trainjourney.errors import PictureError
from trainjourney.files import replacing
from trainjourney.inference.bundle import Bundle, Look
from trainjourney.inference.manifest import FrameTable
from trainjourney.journey.looks_set import SetLook, read_set
from trainjourney.journey.picture import cover, load_picture
from trainjourney.journey.slots import astray, name_of, natural, place
from trainjourney.pictures import pictures_in
from trainjourney.types import Embedding, Frame

log = logging.getLogger(__name__)

MOST_BYTES = 256 << 20  # of one picture's file
Embed = Callable[[Frame], Embedding]
Stamp = tuple[int, int]  # mtime in ns, size


@dataclass(frozen=True)
class _Kept:
    stamp: Stamp
    look: Look | None  # None where the picture is of no use


def own_looks(bundle: Bundle) -> dict[int, Look]:
    """The bundle's looks by slot."""
    return dict(enumerate(bundle.looks[:SLOTS], 1))


class LooksFolder:
    """The looks of a folder. `scan` it about every second, in a thread that may be slow."""

    def __init__(
        self, folder: Path, bundle: Bundle, open_embed: Callable[[], Embed], cache: Path,
        *, with_bundle: bool = True, set_name: str = "", wanted: bool = False,
    ) -> None:  # fmt: skip
        """`open_embed` opens the bundle's embedder; it is asked for when a picture is new.

        A folder that is `wanted` and not there is told of.
        """
        self._folder, self._bundle, self._open_embed = folder, bundle, open_embed
        self._wanted = wanted
        self._set = folder / f"{set_name}.toml" if set_name else None
        self._set_looks: list[SetLook] | None = None
        self._own = own_looks(bundle) if with_bundle else {}
        frame, embedder = bundle.manifest.frame, bundle.manifest.files["embedder.onnx"]
        self._cache = cache / f"looks-{frame.width}x{frame.height}-{embedder[:16]}"
        self._kept: dict[str, _Kept] = {}
        self._unsettled: dict[str, Stamp] = {}  # files that may still be on their way
        self._slots: dict[str, int] = {}
        self._told: dict[str, str] = {}  # complaints by file, each told once
        self._last = _told(self._own)  # the bank that a show sets out with

    def scan(self, now_s: float) -> dict[int, Look] | None:
        """The looks by slot where they are others than the last time, else None.

        `now_s` is Unix time: a file that was written this moment is looked at the next time.
        """
        listed = self._listed()
        files = self._files() if listed is None else {one.file for one in listed}
        embed: Embed | None = None
        for name in sorted(files, key=natural):
            if self._due(name, now_s):
                embed = self._keep(name, embed)
        for name in self._kept.keys() - files:
            del self._kept[name]
        looks = self._in_slots(listed)
        if (told := _told(looks)) == self._last:
            return None
        self._last = told
        return looks

    def _listed(self) -> list[SetLook] | None:
        """The looks of the set as it was last whole; None where all pictures count."""
        if self._set is None:
            return None
        try:
            self._set_looks = read_set(self._set)
        except PictureError as err:
            self._tell(self._set.name, str(err))
        else:
            self._told.pop(self._set.name, None)
        return self._set_looks

    def _files(self) -> set[str]:
        try:
            found = pictures_in(self._folder)
        except OSError as err:
            if not self._kept and isinstance(err, FileNotFoundError):
                if self._wanted:
                    self._tell("", f"{self._folder}: no such folder; type: mkdir {self._folder}")
            else:
                self._tell("", f"{self._folder}: cannot be read ({(err.strerror or '').lower()})")
            return set(self._kept)  # a drive that was pulled out takes no look with it
        self._told.pop("", None)
        return set(found)

    def _due(self, name: str, now_s: float) -> bool:
        """Whether a file is new or another one, and whole by the look of it."""
        try:
            stat = (self._folder / name).stat()
        except OSError as err:
            if isinstance(err, FileNotFoundError) and self._folder.is_dir():
                self._kept.pop(name, None)
            return False
        stamp = (stat.st_mtime_ns, stat.st_size)
        if (kept := self._kept.get(name)) and kept.stamp == stamp:
            return False
        settled = self._unsettled.get(name) == stamp or now_s - stat.st_mtime > 2.0
        self._unsettled[name] = stamp
        return settled

    def _keep(self, name: str, embed: Embed | None) -> Embed | None:
        path, look = self._folder / name, None
        stamp = self._unsettled.pop(name)
        try:
            look, embed = self._look(path, embed)
            self._told.pop(name, None)
        except (PictureError, OSError) as err:
            self._tell(name, _why(path, err))
        self._kept[name] = _Kept(stamp, look)
        return embed

    def _look(self, path: Path, embed: Embed | None) -> tuple[Look, Embed | None]:
        _check_file(path)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        picture, vector = self._cache / f"{digest}.png", self._cache / f"{digest}.npy"
        size = self._bundle.manifest.embedding
        embedding = _read_vector(vector, size.size) if picture.exists() else None
        if embedding is None:
            frame = self._bundle.manifest.frame
            scene = Image.fromarray(load_picture(path, frame.width, frame.height))
            embed = embed or self._open_embed()
            embedding = embed(cover(scene, size.picture_width, size.picture_height))
            if not np.isfinite(embedding).all():
                raise PictureError(f"{path}: gives no embedding; give another picture")
            if not self._put(picture, vector, scene, embedding):
                picture = path
        return Look(name_of(path.name), embedding, picture), embed

    def _put(self, picture: Path, vector: Path, scene: Image.Image, embedding: Embedding) -> bool:
        """Keep what was made of a picture; False where the disk refuses."""
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            with replacing(picture) as part:
                scene.save(part, "PNG")
            with replacing(vector) as part, part.open("wb") as file:
                np.save(file, embedding)
        except OSError as err:
            reason = (err.strerror or str(err)).lower()
            self._tell(str(self._cache), f"{self._cache}: looks cannot be kept there ({reason})")
            return False
        return True

    def _in_slots(self, listed: list[SetLook] | None) -> dict[int, Look]:
        there = {name: kept.look for name, kept in self._kept.items() if kept.look}
        if listed is None:
            self._slots = place(there, self._slots, self._own)
            for name, why in astray(there, self._slots):
                self._tell(f"/{name}", f"{self._folder / name}: {why}")
            names = {name: look.name for name, look in there.items()}
        else:
            listed = [one for one in listed if one.file in there]
            self._slots = {one.file: one.slot for one in listed}
            names = {one.file: one.name for one in listed}
        looks = dict(self._own)
        for name, slot in self._slots.items():
            look = there[name]
            looks[slot] = Look(names[name], look.embedding, look.picture)
        return dict(sorted(looks.items()))

    def _tell(self, name: str, complaint: str) -> None:
        if self._told.get(name) != complaint:
            self._told[name] = complaint
            log.warning("%s", complaint)


def complaint(path: Path, frame: FrameTable) -> str:
    """Why the show would not take a file for a look; nothing where it would."""
    try:
        _check_file(path)
        load_picture(path, frame.width, frame.height)
    except (PictureError, OSError) as err:
        return _why(path, err)
    return ""


def _check_file(path: Path) -> None:
    if not is_text(path.name):
        raise PictureError(f"{str(path)!a}: its name is not UTF-8; give it another")
    if path.stat().st_size > MOST_BYTES:
        raise PictureError(f"{path}: is above {MOST_BYTES >> 20} MB; give a smaller picture")


def _why(path: Path, err: PictureError | OSError) -> str:
    if isinstance(err, PictureError):
        return str(err)
    return f"{path}: cannot be read ({(err.strerror or str(err)).lower()})"


def _told(looks: Mapping[int, Look]) -> dict[int, tuple[str, bytes]]:
    """What tells one bank from another."""
    return {slot: (look.name, look.embedding.tobytes()) for slot, look in looks.items()}


def _read_vector(path: Path, size: int) -> Embedding | None:
    """An embedding of the cache; None where there is none, or it is broken."""
    try:
        vector = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError):
        return None
    whole = vector.shape == (size,) and vector.dtype == np.float32 and np.isfinite(vector).all()
    return vector if whole else None
