"""What `trainjourney train` trains: a model, on the scenery or on a ride."""

from pathlib import Path
from typing import Literal

from trainjourney.errors import TrainingError


def train_any(
    model: Literal["pocket", "full"],
    preset: str,
    run: Path,
    ride: Path | None,
    minutes: float | None,
    device: str,
    warm: Path | None,
    stages: list[str] | None,
) -> None:
    """Choose the training. Raises TrainingError, RideError."""
    if model == "pocket" and ride is None:
        from trainjourney.training.pocket import STAGES, train_pocket

        train_pocket(preset, run, minutes, device, stages or STAGES, warm=warm)
        return
    if ride is None:
        raise TrainingError("the full model learns from a ride; give --ride rides/mine")
    if stages:
        raise TrainingError("--stage: a training on a ride does all its stages; leave it out")
    if model == "pocket":
        from trainjourney.inference import find_bundle
        from trainjourney.training.ride_pocket import train_on_ride

        if device != "cpu":
            raise TrainingError(f"training on '{device}' is not there yet; give --device cpu")
        train_on_ride(ride, warm or find_bundle("pocket"), run, minutes, preset)
