"""The one table of live controls. It drives the board, every source and view, help and docs."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "whole", "toggle", "trigger", "choice", "look"]
SLOTS = 64  # looks that a bank can hold; slot 0 is the start picture's own


@dataclass(frozen=True)
class Parameter:
    """One live control.

    number: from `low` to `high`. whole: a whole one. toggle: 0 or 1. trigger: any value above the
    middle sets it off once. choice: a number that stands for one of `choices`, or its name. look: a
    slot or a name.
    With `slots`, one such control for every slot of the bank: "weight.3" is that of slot 3.
    """

    name: str
    low: float
    high: float
    default: float
    unit: str
    osc: str  # address; with `slots` it has "{slot}" in it
    help: str
    kind: Kind = "number"
    group: str = "train"  # where it stands on a page or a layout
    choices: tuple[str, ...] = ()
    slots: int = 0
    key: str = ""  # key names, "less/more" where there are two
    key_step: float = 0.0  # what one press adds or takes; 0: the key sets it
    settle_s: float = 0.0  # time to follow a change nearly all the way; 0 jumps
    rate: float = float("inf")  # most it moves in a second, in its unit

    @property
    def named(self) -> bool:
        """Whether its value may be a name."""
        return self.kind in ("look", "choice")

    @property
    def half(self) -> str:
        """What 0.5 by OSC is in its unit; nothing where both are the same, or it comes as it is."""
        if self.kind != "number" or (self.low, self.high) == (0.0, 1.0):
            return ""
        return f"0.5 is {0.5 * (self.low + self.high):g} {self.unit}"

    def clip(self, value: float) -> float:
        """The value nearest to `value` that is in range; whole where only whole ones mean it."""
        value = min(max(value, self.low), self.high)
        if self.kind in ("toggle", "trigger"):
            return float(value > 0.5 * (self.low + self.high))
        return float(round(value)) if self.kind in ("whole", "choice", "look") else value


PARAMETERS: dict[str, Parameter] = {
    parameter.name: parameter
    for parameter in (
        Parameter(
            "speed", low=-2.0, high=2.0, default=1.0, unit="x cruising", osc="/train/speed",
            key="down left/up right", key_step=0.1, settle_s=1.2, rate=0.6,
            help="Train speed; 0 stands still, negative runs backwards.",
        ),
        Parameter(
            "brake", low=0.0, high=1.0, default=0.0, unit="", osc="/train/brake",
            key="space", settle_s=0.6, rate=0.5,
            help="1 brings the train to a stand, 0 lets it run at its speed again.",
        ),
        Parameter(
            "dream", low=0.0, high=1.0, default=0.2, unit="", osc="/train/dream",
            key="[/]", key_step=0.05, settle_s=0.3,
            help="How freely the model repaints: 0 follows what was, 1 repaints all that enters.",
        ),
        Parameter(
            "hold", low=0.0, high=1.0, default=0.0, unit="", osc="/train/hold", kind="toggle",
            key="p", help="1 holds the picture as it is, 0 lets it go on from there.",
        ),
        Parameter(
            "seed", low=0.0, high=2.0**31 - 1, default=0.0, unit="", osc="/train/seed",
            kind="whole",
            help="Seed of the next new departure; the same seed makes the same journey.",
        ),
        Parameter(
            "departure", low=0.0, high=1.0, default=0.0, unit="", osc="/train/departure",
            kind="trigger", key="n",
            help="Depart anew: the window mists over until another country of the look is there.",
        ),
        Parameter(
            "look", low=0.0, high=float(SLOTS), default=1.0, unit="slot", osc="/train/look",
            kind="look", group="look", key="0 1 2 3 4 5 6 7 8 9",
            help="The look to melt to, by name or slot; 0 is the start picture's own.",
        ),
        Parameter(
            "melt_s", low=0.0, high=600.0, default=3.0, unit="s", osc="/train/melt",
            group="look", key=",/.", key_step=0.5,
            help="Seconds that one look takes to melt into another; 0 cuts.",
        ),
        Parameter(
            "melt_curve", low=0.0, high=2.0, default=1.0, unit="", osc="/train/melt/curve",
            kind="choice", choices=("linear", "smooth", "soft"), group="look",
            help="How a melt goes along: linear, smooth or soft.",
        ),
        Parameter(
            "weight", low=0.0, high=1.0, default=0.0, unit="", osc="/train/look/{slot}/weight",
            slots=SLOTS, group="look", settle_s=0.3,
            help="Weight of a slot's look in the mix of all that have one.",
        ),
        Parameter(
            "pad_x", low=0.0, high=1.0, default=0.5, unit="", osc="/train/pad/x", group="pad",
            settle_s=0.3, help="Place on the pad between four looks, from left to right.",
        ),
        Parameter(
            "pad_y", low=0.0, high=1.0, default=0.5, unit="", osc="/train/pad/y", group="pad",
            settle_s=0.3, help="Place on the pad between four looks, from bottom to top.",
        ),
        *(
            Parameter(
                f"pad_{corner}", low=0.0, high=float(SLOTS), default=float(slot), unit="slot",
                osc=f"/train/pad/{corner}", kind="look", group="pad",
                help=f"The look in the pad's {place} corner.",
            )
            for slot, (corner, place) in enumerate(
                {"a": "lower left", "b": "lower right", "c": "upper left", "d": "upper right"}
                .items(), 1,
            )
        ),
        Parameter(
            "tap", low=0.0, high=1.0, default=0.0, unit="", osc="/train/tap", kind="trigger",
            group="beat", key="t", help="Tap the beat: two taps or more set the tempo.",
        ),
        Parameter(
            "bpm", low=20.0, high=300.0, default=120.0, unit="bpm", osc="/train/bpm",
            group="beat", help="Tempo, in beats a minute.",
        ),
        Parameter(
            "beat", low=0.0, high=1.0, default=0.0, unit="", osc="/train/beat", kind="trigger",
            group="beat", help="A beat falls now; those after it are counted from here.",
        ),
        Parameter(
            "on_beat", low=0.0, high=1.0, default=0.0, unit="", osc="/train/onbeat",
            kind="toggle", group="beat", help="1 lets a look that is asked for wait for the beat.",
        ),
        Parameter(
            "blackout", low=0.0, high=1.0, default=0.0, unit="", osc="/train/blackout",
            group="output", key="b", settle_s=1.0,
            help="1 fades the picture to black, 0 fades it back.",
        ),
        Parameter(
            "brightness", low=0.0, high=2.0, default=1.0, unit="x", osc="/train/brightness",
            group="output", settle_s=0.2, help="Brightness of the picture; 1 leaves it as it is.",
        ),
        Parameter(
            "contrast", low=0.0, high=2.0, default=1.0, unit="x", osc="/train/contrast",
            group="output", settle_s=0.2, help="Contrast about mid grey; 1 leaves it as it is.",
        ),
        Parameter(
            "still", low=0.0, high=1.0, default=0.0, unit="", osc="/train/still",
            kind="trigger", group="output", key="s", help="Keep the picture of now as a PNG.",
        ),
        Parameter(
            "record", low=0.0, high=1.0, default=0.0, unit="", osc="/train/record",
            kind="toggle", group="output", key="r", help="1 records a film, 0 ends it.",
        ),
        Parameter(
            "preset", low=0.0, high=128.0, default=0.0, unit="number", osc="/train/preset",
            kind="whole", group="preset",
            help="Recall a preset: all controls go to what it holds; 0 is none.",
        ),
        Parameter(
            "store", low=0.0, high=128.0, default=0.0, unit="number", osc="/train/store",
            kind="whole", group="preset",
            help="Store what all controls are set to as this preset; 0 is none.",
        ),
    )
}  # fmt: skip


def find_parameter(name: str) -> tuple[Parameter, int | None] | None:
    """The parameter that a change names, and its slot where it has slots; None if there is none."""
    base, dot, slot = name.partition(".")
    parameter = PARAMETERS.get(base)
    if parameter is None or bool(dot) != bool(parameter.slots):
        return None
    if not dot:
        return parameter, None
    if not slot.isascii() or not slot.isdecimal() or len(slot) > 3:
        return None
    return (parameter, int(slot)) if int(slot) <= parameter.slots else None
