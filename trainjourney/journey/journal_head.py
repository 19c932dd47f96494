"""The first line of a journal: what a show set out with, and its looks by their numbers."""

import base64
import hashlib
import io
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
from PIL import Image

from trainjourney import __version__
from trainjourney.inference.bundle import Bundle, Look
from trainjourney.inference.manifest import MANIFEST
from trainjourney.journey.bank import own_looks
from trainjourney.settings import Config
from trainjourney.types import Frame

FORMAT = 1

Head = dict[str, Any]


def head_of(
    config: Config,
    bundle: Bundle,
    backend: str,
    precision: str,
    start: Frame,
    name: str = "",
    looks: Mapping[int, Look] | None = None,
) -> Head:
    """The first line of a show's journal.

    `backend` and `precision` are the engine's own words; `start` is the frame it starts in and
    `name` its name. A start that is the picture of a look of the bundle is known by the look alone.
    `looks` is the bank that it sets out with; else the bundle's.
    """
    looks = looks or own_looks(bundle)
    journey = config.journey
    keys = ("look", "speed", "dream", "melt_s", "seed")
    head: Head = {
        "journal": FORMAT,
        "version": __version__,
        "time": now_text(),
        "bundle": {"name": str(config.engine.name), "sha256": bundle_hash(bundle)},
        "engine": {"backend": backend, "precision": precision},
        "fps": bundle.manifest.frame.fps,
        "journey": {key: getattr(journey, key) for key in keys},
        "looks": described(looks, bundle.looks),
    }
    if journey.start or any("embedding" in look for look in head["looks"].values()):
        png = io.BytesIO()
        Image.fromarray(start).save(png, "PNG")
        picture = base64.b64encode(png.getvalue()).decode()
        head["start"] = {"name": name, "picture": picture, "given": bool(journey.start)}
    return head


def bundle_hash(bundle: Bundle) -> str:
    """The sha256 of bundle.toml, which holds that of every other file."""
    return hashlib.sha256((bundle.folder / MANIFEST).read_bytes()).hexdigest()


def described(looks: Mapping[int, Look], known: Iterable[Look]) -> dict[str, Any]:
    """The looks by slot: name and hash; embedding and picture of those that are not `known`."""
    names = {(look.name, look.embedding.tobytes()) for look in known}
    told = {}
    for slot, look in looks.items():
        data = np.ascontiguousarray(look.embedding, "<f4").tobytes()
        one = {"name": look.name, "sha256": hashlib.sha256(data).hexdigest()}
        if (look.name, look.embedding.tobytes()) not in names:
            one["embedding"] = base64.b64encode(data).decode()
            one["picture"] = str(look.picture)
        told[str(slot)] = one
    return told


def now_text() -> str:
    """The local time, to the second, as a journal tells it."""
    return datetime.now().astimezone().isoformat(timespec="seconds")
