"""A glide: a control's value on its smooth way to what it is set to."""

import math
from dataclasses import dataclass


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
