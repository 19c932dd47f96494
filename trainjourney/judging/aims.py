"""The measures of a picture: what each means, and what it has to reach (shared with the card)."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One line of the report. The aim is a bound, or a share of what real country reads."""

    name: str
    unit: str
    help: str
    most: float | None = None
    least: float | None = None
    of_real: float | None = None  # at least this share of the floor
    near_real: float | None = None  # within this share of the floor, either way

    @property
    def less_is_better(self) -> bool:
        """Whether a smaller value is the better one."""
        return self.most is not None or self.near_real is not None

    def aim(self) -> str:
        """The aim in words."""
        if self.most is not None:
            return f"at most {self.most:g}"
        if self.least is not None:
            return f"at least {self.least:g}"
        if self.of_real is not None:
            return f"{self.of_real:.0%} of real"
        if self.near_real is not None:
            return f"within {self.near_real:.0%} of real"
        return ""

    def passes(self, value: float, floor: float) -> bool | None:
        """Whether a value reaches the aim; None without an aim, or where it cannot be told."""
        if self.aim() == "":
            return None
        if math.isnan(value) or (math.isnan(floor) and self.most is self.least is None):
            return None
        if self.most is not None:
            return value <= self.most
        if self.least is not None:
            return value >= self.least
        if self.of_real is not None:
            return value >= self.of_real * floor
        assert self.near_real is not None
        return abs(value - floor) <= self.near_real * abs(floor)


MEASURES = (
    Measure("travel", "share", "largest error of the speed, over all speeds asked for", most=0.05),
    Measure("bands", "share", "largest error of a band of rows, against real country", most=0.2),
    Measure("order", "share", "neighbouring bands of which the nearer is faster", of_real=0.95),
    Measure("freeze", "share", "seconds under a fifth of the commanded motion", most=0.01),
    Measure("saturation", "share", "drift from the opening to the end", most=0.05),
    Measure("contrast", "share", "drift from the opening to the end", most=0.05),
    Measure("luma", "share", "drift from the opening to the end", most=0.05),
    Measure("detail", "share", "drift from the opening to the end", most=0.05),
    Measure("survival_1k", "share", "films alive at frame 1,000", least=0.95),
    Measure("survival_10k", "share", "films alive at frame 10,000", least=0.95),
    Measure("survival_30k", "share", "films alive at frame 30,000", least=0.95),
    Measure("inside", "share", "windows as near to real country as real country is"),
    Measure("novelty", "distance", "1 % nearest frames 500 or more apart", of_real=0.9),
    Measure("places", "share", "distinct places among eight frames 250 apart", of_real=0.9),
    Measure("returns", "share", "frames that were there before"),
    Measure("twins", "distance", "1 % nearest of several seeds at the same time", of_real=0.9),
    Measure("look_50", "frames", "to half of the way to another look"),
    Measure("look_90", "frames", "to nine tenths of it", most=120.0),
    Measure("look_error", "share", "of the way to the look that stays open"),
    Measure("look_named", "share", "of films whose new world the eye names right"),
    Measure("held", "share", "seconds followed while a look melts, against before", least=0.8),
    Measure("form", "share", "things a frame that real country has too", of_real=0.8),
    Measure("sureness", "chance", "how sure the eye is of the things it sees", of_real=0.8),
    Measure("carried", "share", "edges of a true start frame that are still there", least=0.8),
    Measure("edge", "ratio", "detail of the entering strip to the rest", of_real=0.9),
    Measure("flicker", "ratio", "change left after motion compensation", near_real=0.2),
    Measure("weave", "levels", "fine pattern that stands still on the glass"),
    Measure("spoilt", "chance", "that a frame is blurred, torn or noisy, says the eye"),
)
