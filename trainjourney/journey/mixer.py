"""The mixer: which embedding steers the world. One look, the weights of many, or the pad's four.

Whichever of the three was touched last leads. A change of hands is a melt like any other, so that
none of them jumps; once it is done, weights and pad act at frame rate.
"""

from typing import Literal

import numpy as np

from trainjourney.controls.parameters import PARAMETERS
from trainjourney.inference.bundle import Look
from trainjourney.journey.glide import Glide
from trainjourney.journey.looks import Looks
from trainjourney.journey.melt import Melt, mix
from trainjourney.types import Embedding

Lead = Literal["look", "weight", "pad"]
CORNERS = ("pad_a", "pad_b", "pad_c", "pad_d")  # lower left, lower right, upper left, upper right
_NONE = 0.02  # weights that together are less leave the mix where it was


class Mixer:
    """The way from looks, weights and pad to one embedding a frame."""

    def __init__(self, looks: Looks, look: Look) -> None:
        self.lead: Lead = "look"
        self.melt_s, self.curve = 3.0, "smooth"  # of the next melt
        self._melt = Melt(look.embedding)
        self._looks = looks
        self._weights: dict[int, tuple[Glide, float]] = {}  # by slot, and what each is set to
        self._corners: dict[str, Look | None] = {
            name: looks.get(slot) for slot, name in enumerate(CORNERS, 1)
        }
        self._place = {name: (_glide(name), 0.5) for name in ("pad_x", "pad_y")}
        self._mixed: tuple[list[int], list[float]] = ([], [])  # what the last mix was made of
        self._handed = False  # the lead changed since the last step

    @property
    def progress(self) -> float:
        """How far the melt is, 0..1; 1 when at rest."""
        return self._melt.progress

    def choose(self, look: Look) -> None:
        """Melt to a look."""
        self.lead = "look"
        self._melt.to(look.embedding, self.melt_s, self.curve)

    def weigh(self, slot: int, weight: float) -> None:
        """Set the weight of a slot's look in the mix; one that is let go takes no lead."""
        glide, _ = self._weights.get(slot) or (_glide("weight"), 0.0)
        self._weights[slot] = (glide, weight)
        if weight:
            self._lead("weight")

    def place(self, name: str, value: float) -> None:
        """Set "pad_x" or "pad_y"."""
        self._place[name] = (self._place[name][0], value)
        self._lead("pad")

    def corner(self, name: str, look: Look) -> None:
        """Put a look into "pad_a" .. "pad_d"; if the pad leads, it melts there."""
        self._corners[name] = look
        self._handed = self._handed or self.lead == "pad"

    def lay(self, looks: Looks) -> None:
        """Take another bank. What is gone from it goes out of the mix by a melt."""
        self._looks = looks
        self._handed = self.lead == "weight"

    def arrive(self) -> None:
        """Be at once where all is set to."""
        for glide, value in (*self._weights.values(), *self._place.values()):
            glide.cut(value)
        if target := self._target():
            self._melt.follow(target[0])
        self._handed = False
        self._melt.reset(self._melt.target)

    def step(self, elapsed_s: float) -> Embedding:
        """The embedding of the next frame, `elapsed_s` after the last."""
        for glide, value in (*self._weights.values(), *self._place.values()):
            glide.step(value, elapsed_s)
        self._weights = {  # but those that have none any more
            slot: (glide, value)
            for slot, (glide, value) in self._weights.items()
            if value or glide.value
        }
        if self.lead != "look" and (found := self._target()):
            target, fresh = found
            if self._handed or fresh:
                self._melt.to(target, self.melt_s, self.curve)
                self._handed = False
            self._melt.follow(target)
        return self._melt.step(elapsed_s)

    def _lead(self, lead: Lead) -> None:
        self._handed = self._handed or self.lead != lead
        self.lead = lead

    def _target(self) -> tuple[Embedding, bool] | None:
        """Where weights or pad point to, and whether they pointed nowhere before.

        None where they still point there, or nowhere.
        """
        parts = self._parts()
        if sum(weight for _, _, weight in parts) < _NONE:
            self._mixed = ([], [])
            return None
        made_of = ([key for key, _, _ in parts], [weight for _, _, weight in parts])
        if made_of == self._mixed and not self._handed:
            return None
        fresh = not self._mixed[0]
        self._mixed = made_of
        embeddings = np.stack([look.embedding for _, look, _ in parts])
        return mix(embeddings, np.array(made_of[1])), fresh

    def _parts(self) -> list[tuple[int, Look, float]]:
        """The looks that have a weight now: key, look, weight."""
        if self.lead == "weight":
            given = [
                (slot, self._looks.get(slot), glide.value)
                for slot, (glide, _) in sorted(self._weights.items())
            ]
        elif self.lead == "pad":
            x, y = (glide.value for glide, _ in self._place.values())
            shares = ((1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y)
            corners = self._corners.values()
            given = [(i, *one) for i, one in enumerate(zip(corners, shares, strict=True))]
        else:
            given = []
        return [(key, look, weight) for key, look, weight in given if look and weight > 0.0]


def _glide(name: str) -> Glide:
    parameter = PARAMETERS[name]
    return Glide(0.5 if name.startswith("pad") else 0.0, parameter.settle_s, parameter.rate)
