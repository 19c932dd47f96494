"""Presets of the pocket: how large its networks are, how much country is rendered, how long every
stage learns.

tiny shows in a minute that everything works. xs is for a Raspberry-class box, s is the one that is
shipped, m wants a GPU to be trained.
"""

from dataclasses import dataclass

from ..errors import TrainingError
from .stage import Schedule


@dataclass(frozen=True)
class Preset:
    """How many shards, the network's size, and a schedule per stage."""

    rides: int
    melts: int
    styles: int  # per shard
    width: int  # of the dream network
    blocks: int
    paint: tuple[int, int, int]  # width, width at half resolution and blocks there of the decoder
    film: int  # frames of a sample film
    sheet: int  # tiles on a sample sheet
    schedules: dict[str, Schedule]
    share: dict[str, float]  # of the whole training time, where it is given in minutes


# Samples a step, on a processor and on a GPU; few steps are taught by the dream stage's.
BATCH = {"dream": (48, 512), "codec": (24, 96), "decoder": (3, 12), "encoder": (8, 24)}
_SHARE = {
    "look": 0.07, "decoder": 0.16, "dream": 0.45, "few": 0.08, "codec": 0.12, "encoder": 0.12,
}  # fmt: skip

# How long the running average is; under a critic each of the last steps is crisp in its own way,
# and their mean is truer than any.
_EMA = {"dream": 0.998, "few": 0.998, "decoder": 0.999, "codec": 0.999}


def _schedules(steps: dict[str, int], **more: float) -> dict[str, Schedule]:
    rates = {
        "look": 1e-3,
        "decoder": 2e-3,
        "dream": 6e-4,
        "few": 2e-4,
        "codec": 1.5e-3,
        "encoder": 1e-3,
    }
    return {
        k: Schedule(steps=n, lr=rates[k], ema=_EMA.get(k, 0.995), **more)  # type: ignore[arg-type]
        for k, n in steps.items()
    }


_LONG = {
    "look": 2500, "decoder": 4000, "dream": 40000, "few": 4000, "codec": 8000, "encoder": 5000,
}  # fmt: skip
_LONGER = {name: 4 * steps for name, steps in _LONG.items()}
PRESETS = {
    "tiny": Preset(
        1, 1, 2, 16, 1, (8, 8, 1), 4, 6,
        _schedules({"look": 3, "decoder": 2, "dream": 3, "few": 2, "codec": 2, "encoder": 2}),
        _SHARE,
    ),
    "xs": Preset(80, 30, 20, 32, 1, (8, 24, 1), 120, 48, _schedules(_LONG), _SHARE),
    "s": Preset(80, 30, 20, 64, 2, (16, 48, 2), 120, 48, _schedules(_LONG), _SHARE),
    "m": Preset(400, 150, 20, 128, 3, (32, 96, 4), 240, 48, _schedules(_LONGER), _SHARE),
}  # fmt: skip


def find_preset(name: str) -> Preset:
    """The preset of that name. Raises TrainingError."""
    if name not in PRESETS:
        raise TrainingError(f"no preset '{name}': choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
