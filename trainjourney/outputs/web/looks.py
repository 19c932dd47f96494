"""The pictures of the looks, and a picture dragged in to become one.

What comes in is decoded before it is kept, and kept as a JPEG of our own making in the folder of
looks; the bank finds it there. Its name is ours too: letters of any script, figures and hyphens.
"""

import asyncio
import io
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler
from PIL import Image

from trainjourney.controls.parameters import SLOTS
from trainjourney.errors import PictureError
from trainjourney.outputs.web.driving import LooksOf
from trainjourney.outputs.web.limits import read_body
from trainjourney.pictures import pictures_in
from trainjourney.types import Frame

MOST_BYTES = 16 * 1024 * 1024
MOST_LOOKS = 200  # files in the folder
_KEPT_SIZE = (1024, 512)
_CARD_SIZE = (384, 192)

# A picture from any file as a frame of a width and a height, safely. Raises PictureError.
LoadPicture = Callable[[Path, int, int], Frame]


class LookPictures:
    """Small pictures of the looks, and the way in for a new one."""

    def __init__(self, looks: LooksOf, load: LoadPicture, folder: Path | None) -> None:
        """`folder`: where new looks go; None takes none."""
        self._looks, self._load, self._folder = looks, load, folder
        self._cards: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._busy = asyncio.Lock()
        self.refused = 0

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Method, path and handler; all for the role control."""
        return [("GET", r"/looks/{slot:\d{1,3}}.jpg", self.card), ("POST", "/looks", self.add)]

    async def card(self, request: web.Request) -> web.Response:
        """The picture of a slot, small."""
        look = self._looks().get(int(request.match_info["slot"]))
        if look is None:
            raise web.HTTPNotFound(text="no look in that slot\n")
        try:
            key = (str(look.picture), look.picture.stat().st_mtime_ns)
            if key not in self._cards:
                loop = asyncio.get_running_loop()
                self._cards[key] = await loop.run_in_executor(None, self._card, look.picture)
                while len(self._cards) > MOST_LOOKS:
                    self._cards.popitem(last=False)
        except (OSError, PictureError) as err:
            raise web.HTTPNotFound(text="that look has no picture\n") from err
        headers = {"Cache-Control": "private, max-age=86400"}
        return web.Response(body=self._cards[key], content_type="image/jpeg", headers=headers)

    async def add(self, request: web.Request) -> web.Response:
        """A picture as the body, its name in ?name=; 201 with the name that it got."""
        if self._folder is None:
            raise web.HTTPConflict(text="this show takes no new looks\n")
        if not request.content_type.startswith("image/"):
            raise web.HTTPUnsupportedMediaType(text="send a JPEG, PNG or WebP\n")
        async with self._busy:  # one picture is decoded at a time: each may take 300 MB
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(None, self._check_room, self._folder)
            data = await read_body(request, MOST_BYTES)
            try:
                name = await loop.run_in_executor(
                    None, keep_look, data, request.query.get("name", ""), self._folder, self._load
                )
            except PictureError as err:
                self.refused += 1
                raise web.HTTPUnprocessableEntity(text=f"{err}\n") from err
        return web.json_response({"name": name}, status=201)

    def _check_room(self, folder: Path) -> None:
        """409 where the bank is full, with what lies in the folder and is still to be seen."""
        there = [look.picture for slot, look in self._looks().items() if slot]
        try:
            lying = pictures_in(folder) if folder.is_dir() else []
            coming = {folder / name for name in lying} - set(there)
        except OSError:
            return  # what is wrong with it is told when it is written to
        if len(there) + len(coming) >= SLOTS:
            self.refused += 1
            raise web.HTTPConflict(
                text=f"the bank is full ({SLOTS} looks); take a picture out of {folder}\n"
            )

    def _card(self, path: Path) -> bytes:
        out = io.BytesIO()
        Image.fromarray(self._load(path, *_CARD_SIZE)).save(out, "JPEG", quality=85)
        return out.getvalue()


def keep_look(data: bytes, wanted: str, folder: Path, load: LoadPicture) -> str:
    """Decode a picture and write it into the folder of looks. Raises PictureError.

    Returns its name: as it was wanted as far as it can be, with a number where that is taken.
    """
    name = plain_name(wanted)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if sum(1 for _ in folder.iterdir()) >= MOST_LOOKS:
            raise PictureError(f"{folder}: holds {MOST_LOOKS} looks; take some out first")
        part = folder / f".{name}.part"
        part.write_bytes(data)
        try:
            frame = load(part, *_KEPT_SIZE)
            stem, number = name, 2
            while (folder / f"{stem}.jpg").exists():
                stem, number = f"{name}-{number}", number + 1
            Image.fromarray(frame).save(part, "JPEG", quality=92)
            part.replace(folder / f"{stem}.jpg")
        except PictureError as err:
            reason = str(err).partition(": ")[2]
            raise PictureError(f"that picture {reason}") from err
        finally:
            part.unlink(missing_ok=True)
    except OSError as err:
        reason = (err.strerror or str(err)).lower()
        raise PictureError(f"{folder}: cannot be written ({reason})") from err
    return stem


def plain_name(wanted: str) -> str:
    """A name that is safe as a file's, as near to the wanted one as can be."""
    stem = re.sub(r"\.[A-Za-z0-9]{1,5}$", "", unicodedata.normalize("NFC", wanted[:200]))
    return re.sub(r"[\W_]+", "-", stem.lower()).strip("-")[:40].strip("-") or "look"
