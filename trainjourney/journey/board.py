"""The board: what every control is set to, and the smoothed values that steer each frame."""

import copy
import logging
import math
from collections.abc import Callable

from trainjourney.controls.parameters import PARAMETERS, find_parameter
from trainjourney.errors import ConfigError
from trainjourney.inference.bundle import Look
from trainjourney.journey.beat import Beat
from trainjourney.journey.finish import LIGHT, Finish
from trainjourney.journey.glide import Glide
from trainjourney.journey.looks import Looks
from trainjourney.journey.mixer import CORNERS, Mixer
from trainjourney.types import Change, Controls, Frame

log = logging.getLogger(__name__)


class Board:
    """The controls of a show: changes go in at any time, one frame's controls come out.

    `set_to` is what each control is set to; `speed` and `dream` are where they are by now.
    """

    def __init__(self, looks: Looks, look: Look, values: dict[str, float] | None = None) -> None:
        self._begun_with = (looks, look, values or {})
        self.reset()

    def reset(self) -> None:
        """Be as at departure."""
        self.looks, look, values = self._begun_with
        self.look = look  # the one last chosen
        self._steps = 0
        self._elapsed_s = 0.0  # of the step whose light is still to be moved
        self.set_to: dict[str, float | str] = {
            p.name: p.default for p in PARAMETERS.values() if not p.slots
        }
        self.set_to["look"] = look.name
        self._glides = {
            p.name: Glide(p.default, p.settle_s, p.rate)
            for p in PARAMETERS.values()
            if p.settle_s and p.group not in ("look", "pad")
        }
        self._mixer, self._beat, self._finish = Mixer(self.looks, look), Beat(), Finish()
        self._waiting: Look | None = None  # for the beat
        self._departing = False
        self.next_seed = 0  # of a departure; where none is set, each takes the next one
        for name, value in values.items():
            self.cut(name, value)

    @property
    def speed(self) -> float:
        """The speed of the train now, x cruising."""
        return self._glides["speed"].value * (1.0 - self._glides["brake"].value)

    @property
    def dream(self) -> float:
        """How freely the model repaints now."""
        return self._glides["dream"].value

    @property
    def hold(self) -> bool:
        """Whether the picture is held as it is; not before there is one."""
        return bool(self.set_to["hold"]) and self._steps > 1

    @property
    def progress(self) -> float:
        """How far the melt is, 0..1; 1 when at rest."""
        return self._mixer.progress

    def apply(self, change: Change) -> None:
        """Turn a control. Out of range is clipped; what cannot be meant is logged and let go."""
        found = find_parameter(change.parameter)
        if found is None:
            log.warning("no control '%.60s'; let go", change.parameter)
            return
        (parameter, slot), name, value = found, change.parameter, change.value
        if parameter.kind == "look":
            self._turn_look(name, value)
            return
        if isinstance(value, str) and value in parameter.choices:
            value = float(parameter.choices.index(value))
        if isinstance(value, str) or not math.isfinite(value):
            log.warning("%s: '%.60s' is no number; let go", name, value)
            return
        value = parameter.clip(float(value))
        if parameter.kind == "trigger":
            self._pull(name, value)
            return
        self.set_to[name] = value
        if name == "seed":
            self.next_seed = int(value)
        if slot is not None:
            self._mixer.weigh(slot, value)
        elif name in ("pad_x", "pad_y"):
            self._mixer.place(name, value)
        elif name == "melt_s":
            self._mixer.melt_s = value
        elif parameter.choices:
            self._mixer.curve = parameter.choices[int(value)]

    def cut(self, name: str, value: float) -> None:
        """Set a control and be there at once, without a ramp."""
        self.apply(Change(name, value, 0.0))
        if glide := self._glides.get(name):
            glide.cut(float(self.set_to[name]))

    def arrive(self) -> None:
        """Be at once where all is set to: time went by while the world was away."""
        for name, glide in self._glides.items():
            glide.cut(float(self.set_to[name]))
        if self._waiting:
            self._melt_to(self._waiting)
        self._mixer.arrive()

    def lay(self, looks: Looks) -> None:
        """Take another bank of looks. The look that leads stays until another is asked for."""
        self.looks = looks
        self._mixer.lay(looks)
        for name in CORNERS:
            try:
                self._mixer.corner(name, looks.find(self.set_to[name]))
            except ConfigError:
                continue  # it stays the look that it was

    def keep(self) -> Callable[[], None]:
        """All as it is now, to go back to: a frame is begun anew. It takes .1 ms or two."""
        kept = copy.deepcopy(self.__dict__)
        return lambda: self.__dict__.update(kept)

    def step(self, elapsed_s: float) -> Controls:
        """The controls of the next frame, `elapsed_s` after the last."""
        self._steps += 1
        self._elapsed_s = elapsed_s
        for name, glide in self._glides.items():
            if name not in LIGHT:
                glide.step(float(self.set_to[name]), elapsed_s)
        fell = self._beat.step(elapsed_s, float(self.set_to["bpm"]))
        if self._waiting and (fell or not self.set_to["on_beat"]):
            self._melt_to(self._waiting)
        return Controls(self._mixer.step(elapsed_s), self.speed, self.dream)

    def departure(self) -> int | None:
        """The seed of a new departure, once where one was asked for; None else."""
        if not self._departing:
            return None
        self._departing = False
        self.next_seed += 1
        return self.next_seed - 1

    def finish(self, frame: Frame) -> Frame:
        """The frame of the last step as it goes out: blackout, brightness and contrast move only
        now, so that a change which came since acts on this frame as if it had come before."""
        light = [
            self._glides[name].step(float(self.set_to[name]), self._elapsed_s) for name in LIGHT
        ]
        self._elapsed_s = 0.0
        return self._finish(frame, *light)

    def _pull(self, name: str, value: float) -> None:
        if value and name == "departure":
            self._departing = True
        elif value and name == "beat":
            self._beat.fall()

    def _turn_look(self, name: str, wanted: float | str) -> None:
        try:
            look = self.looks.find(wanted)
        except ConfigError as err:
            log.warning("%s", err)
            return
        if name != "look":
            self.set_to[name] = wanted
            self._mixer.corner(name, look)
        elif self.set_to["on_beat"]:
            self._waiting = look
        else:
            self._melt_to(look)

    def _melt_to(self, look: Look) -> None:
        self.look, self._waiting = look, None
        self.set_to["look"] = look.name
        self._mixer.choose(look)
