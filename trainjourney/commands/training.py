"""What `trainjourney train` trains: a model, on the scenery or on a ride."""

from pathlib import Path
from shlex import quote
from typing import Literal

from trainjourney.errors import TrainingError


def train_any(
    model: Literal["pocket", "full"],
    preset: str | None,
    run: Path,
    ride: Path | None,
    minutes: float | None,
    device: str,
    warm: Path | None,
    stages: list[str] | None,
    stills: Path | None,
    teacher: Path | None,
    country: int = 1,
    rate: float = 1.0,
) -> None:
    """Choose the training. Raises TrainingError, RideError."""
    if model == "pocket" and ride is None:
        from trainjourney.training.pocket import STAGES, train_pocket

        only = stages or STAGES
        train_pocket(
            preset or "s", run, minutes, device, only,
            warm=warm, teacher=teacher, country=country, rate=rate,
        )  # fmt: skip
        return
    for name, given in (("--country", country), ("--rate", rate)):
        if given != 1:
            raise TrainingError(f"{name}: only for a pocket on the scenery; leave it out")
    if teacher is not None:
        raise TrainingError("--teacher: only a pocket on the scenery has one; leave it out")
    if ride is None:
        raise TrainingError("the full model learns from a ride; give --ride rides/mine")
    if stages:
        raise TrainingError("--stage: a training on a ride does all its stages; leave it out")
    if model == "pocket":
        from trainjourney.inference import find_bundle
        from trainjourney.training.ride_pocket import train_on_ride

        bundle = warm or find_bundle("pocket")
        train_on_ride(ride, bundle, run, minutes, preset, device=device)
        return
    from trainjourney.training.full.train import train_full

    train_full(ride, run, preset or "full", warm, minutes, device, stills)


def export_any(
    run: Path, out: Path, precision: Literal["f16", "f32"], steps: int | None, set_out: bool
) -> None:
    """Write the bundle of a training, whichever it is. Raises TrainingError, BundleError."""
    from trainjourney.training.options import read_options

    if "taught" in read_options(run):
        if set_out:
            raise TrainingError(f"{run}: --set-out is for a pocket; leave it out")
        from trainjourney.training.full.export import export_full

        export_full(run, out, precision, steps)
    elif steps is not None:
        raise TrainingError(f"{run}: --steps is for a full model; leave it out")
    else:
        from trainjourney.journey.first_start import dream_start
        from trainjourney.training.export import export_bundle

        export_bundle(run, out, dream_start if set_out else None)
    print(f"{out}: is written; type: trainjourney play --engine {quote(str(out))}")
