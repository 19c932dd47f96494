"""Presets of the full model: what of it is taught, how much at a time, and for how long."""

from dataclasses import dataclass
from typing import Literal

from ...errors import TrainingError
from ..stage import Schedule

TOLD = ("preset", "taught", "ride", "ride_path", "base_path", "stills_path")  # in a run's options


@dataclass(frozen=True)
class FullPreset:
    """`taught` is the whole U-Net, or adapters on its attention and all that is new."""

    tiny: bool
    taught: Literal["whole", "lora"]
    rank: int  # of the adapters
    batch: int  # on one GPU, at a step
    frugal: bool  # recompute in the backward pass what memory has no room for
    steps: tuple[int, ...]  # of the sampler, after distilling: one or two a frame
    schedules: dict[str, Schedule]


def _schedules(teacher: int, tune: int, rollout: int, rate: float) -> dict[str, Schedule]:
    def schedule(steps: int, lr: float) -> Schedule:
        return Schedule(steps=steps, lr=lr, warmup=500, beta2=0.999, ema=0.9995, checkpoint_s=600.0)

    return {
        "teacher": schedule(teacher, rate),
        "tune": schedule(tune, rate / 2.0),
        "rollout": schedule(rollout, rate / 5.0),
    }


PRESETS = {
    "tiny": FullPreset(True, "whole", 2, 2, False, (999, 499), _schedules(3, 2, 2, 1e-3)),
    "lora": FullPreset(False, "lora", 64, 4, True, (999,), _schedules(15000, 3000, 800, 1e-4)),
    "full": FullPreset(False, "whole", 0, 8, True, (999,), _schedules(15000, 3000, 800, 1e-5)),
}


def find_full_preset(name: str) -> FullPreset:
    """The preset of that name. Raises TrainingError."""
    if name not in PRESETS:
        raise TrainingError(f"no preset '{name}': choose one of {', '.join(PRESETS)}")
    return PRESETS[name]
