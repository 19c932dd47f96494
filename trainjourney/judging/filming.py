"""Filming: every shot of a bundle is dreamt, observed and kept, so that a judgement can go on."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from trainjourney.errors import OutputError
from trainjourney.inference import Bundle, Engine
from trainjourney.journey.leaving import FADE_S
from trainjourney.journey.picture import load_picture
from trainjourney.journey.world import DreamWorld
from trainjourney.settings import JourneyConfig
from trainjourney.types import Controls, Frame, State

from .eye import EYE, Eye
from .films import carried, dreamt_film, real_film, real_ride, to_bytes
from .form import edges_kept
from .observer import Observation, Observer, join, load_observation, wanted
from .picture import WIDTH, fit
from .plan import SWITCH, Plan, Shot, is_pictured

VERSION = 3  # of the observations; older ones are made anew
REAL_GAP = 1000  # frames between the beginnings of two stretches
CARRIED = (10, 20, 40)  # frames after which the edges of a true start frame are looked for
Progress = Callable[[float, str], None]


def key_of(*parts: object) -> str:
    """One word for everything that an observation depends on."""
    eye = hashlib.sha256(EYE.read_bytes()).hexdigest() if EYE.is_file() else ""
    return hashlib.sha256(json.dumps([VERSION, eye, *parts]).encode()).hexdigest()[:16]


def kept_observation(path: Path, key: str) -> Observation | None:
    """What was observed before, if it was of the very same."""
    if not path.is_file():
        return None
    try:
        found = load_observation(path)
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return found if found.note.get("key") == key else None


class Studio:
    """Films a bundle's shots into a folder; one film at a time."""

    def __init__(self, bundle: Bundle, engine: Engine, eye: Eye, folder: Path) -> None:
        self.bundle, self.engine, self.eye, self.folder = bundle, engine, eye, folder
        self.looks = {look.name: look for look in bundle.looks}
        frame = bundle.manifest.frame
        self._departed: tuple[tuple[str, int], State] | None = None  # where the last film set out
        self.travel_px = bundle.manifest.ranges.travel_px * WIDTH / frame.width
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise OutputError(f"{folder}: {err.strerror}; give --report another place") from err

    def film(self, shot: Shot, progress: Progress) -> Observation:
        """Observe a shot, or read what was observed of it before."""
        key = key_of(asdict(shot), dict(self.bundle.manifest.files), self.engine.precision)
        path = self.folder / f"{shot.name}.npz"
        if (found := kept_observation(path, key)) is not None:
            return found
        world, start = self._depart(shot)
        observer = Observer(self.eye, self.travel_px)
        pictured = shot.name.startswith(("long-", "switch-"))
        if pictured:
            self._keep(shot, 0, start)
        for time, frame in dreamt_film(
            world, self._controls(shot), shot.frames,
            lambda t: wanted(t) or (pictured and is_pictured(t, shot.frames)),
        ):  # fmt: skip
            if wanted(time):
                observer.add(time, frame)
            if pictured and is_pictured(time, shot.frames):
                self._keep(shot, time, frame)
            progress(time / shot.frames, f"frame {time}")
        note = {"key": key, "thrown": world.thrown, **asdict(shot)}
        if shot.to in self.eye.families:
            note["family"] = self.eye.families.index(shot.to)
        seen = observer.finish(note)
        seen.save(path)
        return seen

    def edges(self, plan: Plan) -> dict[str, float]:
        """Share of a true start frame's edges that are still there later, by world."""
        kept = {}
        for i, look in enumerate(plan.looks[:4]):
            ride = real_ride(look, 900 + i, max(CARRIED))
            world = DreamWorld(self.engine, self.bundle.manifest, 300 + i)
            size = self.bundle.manifest.frame
            start = Image.fromarray(to_bytes(ride.view())).resize((size.width, size.height))
            world.reset(np.asarray(start))
            controls = Controls(self.looks[look].embedding, 1.0, JourneyConfig().dream)
            shares = []
            for time, frame in dreamt_film(world, lambda t, c=controls: c, max(CARRIED)):  # type: ignore[misc]
                if time in CARRIED:
                    truth, there = carried(ride, time)
                    shares.append(edges_kept(truth, fit(frame), there))
            kept[look] = float(np.mean(shares))
        return kept

    def _depart(self, shot: Shot) -> tuple[DreamWorld, Frame]:
        size = self.bundle.manifest.frame
        start = load_picture(self.looks[shot.look].picture, size.width, size.height)
        world = DreamWorld(self.engine, self.bundle.manifest, shot.seed)
        world.reset(start)
        if self.bundle.manifest.departure:  # as a show does without a picture
            key = (shot.look, shot.seed)
            if self._departed and self._departed[0] == key:
                world.resume(copied(self._departed[1]), start, shot.seed, 0)
            else:
                world.set_out(self.looks[shot.look].embedding)
                self._departed = key, copied(world.state)
            for _ in range(round(FADE_S * size.fps)):  # while the look's picture melts into it
                world.step(self._controls(shot)(0))
        return world, start

    def _controls(self, shot: Shot) -> Callable[[int], Controls]:
        first = Controls(self.looks[shot.look].embedding, shot.speed, JourneyConfig().dream)
        then = Controls(
            self.looks[shot.to or shot.look].embedding, shot.speed, JourneyConfig().dream
        )
        return lambda time: first if time <= SWITCH else then

    def _keep(self, shot: Shot, time: int, frame: Frame) -> None:
        folder = self.folder / "pictures"
        folder.mkdir(exist_ok=True)
        Image.fromarray(frame).save(folder / f"{shot.name}-{time:06d}.jpg", quality=92)


def copied(state: State) -> State:
    """It in memory of its own."""
    return {name: array.copy() for name, array in state.items()}


def film_real(eye: Eye, look: str, plan: Plan, folder: Path, progress: Progress) -> Observation:
    """Stretches of real country of a world, observed as one film with gaps between them."""
    folder.mkdir(parents=True, exist_ok=True)
    key = key_of("real", look, plan.windows, plan.stretch)
    path = folder / f"{look}.npz"
    if (found := kept_observation(path, key)) is not None:
        return found
    parts = []
    for i in range(plan.windows):
        observer = Observer(eye)
        for time, frame in real_film(real_ride(look, i, plan.stretch), plan.stretch):
            observer.add(time, frame)
        parts.append(observer.finish())
        progress((i + 1) / plan.windows, look)
    seen = join(parts, REAL_GAP)
    seen.note = {"key": key, "look": look, "windows": plan.windows}
    seen.save(path)
    return seen
