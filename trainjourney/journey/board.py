"""The board: what every control is set to, and the smoothed values that steer each frame."""

import logging
import math
from dataclasses import dataclass

from trainjourney.controls.parameters import PARAMETERS, Parameter
from trainjourney.errors import ConfigError
from trainjourney.inference.bundle import Look
from trainjourney.journey.looks import Looks
from trainjourney.journey.melt import Melt
from trainjourney.types import Change, Controls

log = logging.getLogger(__name__)


@dataclass
class Glide:
    """A value that follows its target without a jolt and never overshoots: critically damped,
    its rate of change limited, which is how a train departs and brakes."""

    value: float
    settle_s: float = 0.0
    rate: float = math.inf
    slope: float = 0.0  # its rate of change now, per second

    def cut(self, value: float) -> None:
        """Be at `value` now."""
        self.value, self.slope = value, 0.0

    def step(self, target: float, elapsed_s: float) -> float:
        """The value `elapsed_s` later."""
        if self.settle_s <= 0.0:
            self.cut(target)
            return self.value
        stiffness = 5.0 / self.settle_s  # a step is 96 % done after settle_s
        parts = math.ceil(elapsed_s * stiffness / 0.25)  # small enough for Euler's rule
        for _ in range(parts):
            part_s = elapsed_s / parts
            pull = stiffness**2 * (target - self.value) - 2.0 * stiffness * self.slope
            self.slope = min(max(self.slope + pull * part_s, -self.rate), self.rate)
            self.value += self.slope * part_s
        if abs(target - self.value) < 1e-3 and abs(self.slope) < 1e-2:
            self.cut(target)  # a train that stands, stands
        return self.value


class Board:
    """The controls of a show: changes go in at any time, one frame's controls come out.

    `set_to` is what each control is set to; `speed` and `dream` are where they are by now.
    """

    def __init__(self, looks: Looks, look: Look, values: dict[str, float] | None = None) -> None:
        self.looks = looks
        self.set_to: dict[str, float | str] = {p.name: p.default for p in PARAMETERS.values()}
        self._glides = {
            p.name: _glide(p) for p in PARAMETERS.values() if p.settle_s and not p.slots
        }
        self._melt = Melt(look.embedding)
        self.look = look
        self.set_to["look"] = look.name
        for name, value in (values or {}).items():
            self.cut(name, value)

    @property
    def speed(self) -> float:
        """The speed of the train now, x cruising."""
        return self._glides["speed"].value * (1.0 - self._glides["brake"].value)

    @property
    def dream(self) -> float:
        """How freely the model repaints now."""
        return self._glides["dream"].value

    def apply(self, change: Change) -> None:
        """Turn a control. Out of range is clipped; what cannot be meant is logged and let go."""
        parameter = PARAMETERS.get(change.parameter)
        if parameter is None:
            log.warning("no control '%s'; let go", change.parameter)
        elif parameter.name == "look":
            self._melt_to(change.value)
        elif isinstance(change.value, str) or not math.isfinite(change.value):
            log.warning("%s: '%s' is no number; let go", parameter.name, change.value)
        else:
            self.set_to[parameter.name] = parameter.clip(float(change.value))

    def cut(self, name: str, value: float) -> None:
        """Set a control and be there at once, without a ramp."""
        value = PARAMETERS[name].clip(value)
        self.set_to[name] = value
        if glide := self._glides.get(name):
            glide.cut(value)

    def step(self, elapsed_s: float) -> Controls:
        """The controls of the next frame, `elapsed_s` after the last."""
        for name, glide in self._glides.items():
            glide.step(float(self.set_to[name]), elapsed_s)
        return Controls(self._melt.step(elapsed_s), self.speed, self.dream)

    def _melt_to(self, wanted: float | str) -> None:
        try:
            self.look = self.looks.find(wanted)
        except ConfigError as err:
            log.warning("%s", err)
            return
        self.set_to["look"] = self.look.name
        self._melt.to(self.look.embedding, float(self.set_to["melt_s"]))


def _glide(parameter: Parameter) -> Glide:
    return Glide(parameter.default, parameter.settle_s, parameter.rate)
