"""The one table of live controls. It drives the board, the keyboard, their help and the docs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """One live control. A number from `low` to `high`, or a choice by name or number."""

    name: str
    low: float
    high: float
    default: float
    unit: str
    osc: str
    help: str
    key: str = ""  # key names, "less/more" where there are two
    key_step: float = 0.0  # what one press adds or takes; 0: the key sets it
    settle_s: float = 0.0  # time to follow a change nearly all the way; 0 jumps
    rate: float = float("inf")  # most it moves in a second, in its unit
    named: bool = False  # its value may be a name

    def clip(self, value: float) -> float:
        """The value nearest to `value` that is in range."""
        return min(max(value, self.low), self.high)


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
            "look", low=0.0, high=999.0, default=1.0, unit="slot", osc="/train/look",
            key="0 1 2 3 4 5 6 7 8 9", named=True,
            help="The look to melt to, by name or slot; 0 is the start picture's own.",
        ),
        Parameter(
            "melt_s", low=0.0, high=600.0, default=3.0, unit="s", osc="/train/melt",
            key=",/.", key_step=0.5,
            help="Seconds that one look takes to melt into another; 0 cuts.",
        ),
    )
}  # fmt: skip
