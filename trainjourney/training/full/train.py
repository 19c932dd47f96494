"""`trainjourney train full` and `trainjourney distill`: the stages of the full model in order."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from ...errors import TrainingError
from ...rides.dataset import open_ride
from ..checkpoint import load_weights, replacing
from ..device import find_device
from ..options import check_minutes, read_options, remember_options
from ..progress import Bar, Silent, Watcher
from ..runner import WEIGHTS, run_stage
from ..stage import Stage
from .clips import Clips, check_clips
from .export import FACTS
from .few_steps import RolloutStage, TuneStage
from .presets import TOLD, FullPreset, find_full_preset
from .student import find_parts, make_student
from .teacher import TeacherStage
from .travel import Brake

FREE = ("steps", "minutes", "batch", "frugal", "ride_path", "base_path", "stills_path")
SPARING = "import the ride with a smaller --shape"


def train_full(
    ride: Path,
    run: Path,
    preset: str = "full",
    base: Path | None = None,
    minutes: float | None = None,
    device: str = "cpu",
    stills: Path | None = None,
) -> None:
    """Teach the full model a ride, in the folder `run`. Killed at any time, the same call goes on.

    On several GPUs start it by `accelerate launch -m trainjourney train full ...`.
    Raises RideError, TrainingError.
    """
    check_minutes(minutes)
    options = find_full_preset(preset)
    told = {"preset": preset, **asdict(options), "ride": str(ride.resolve().name)}
    paths = {"ride_path": str(ride), "base_path": str(base or ""), "stills_path": str(stills or "")}
    with within_memory(run, options):
        _run(run, {**told, **paths}, ["teacher"], minutes, device)


def distill(run: Path, minutes: float | None = None, device: str = "cpu") -> None:
    """Make a trained full model dream in one or two steps, then learn from its own frames.

    Raises RideError, TrainingError.
    """
    check_minutes(minutes)
    if "taught" not in read_options(run):
        raise TrainingError(f"{run}: is no training of the full model; give its --run")
    table = read_options(run, TOLD)
    if not (run / "teacher" / WEIGHTS).exists():
        raise TrainingError(f"{run}: has no teacher yet; trainjourney train full first")
    with within_memory(run, find_full_preset(str(table["preset"]))):
        _run(run, table, ["tune", "rollout"], minutes, device)


@contextmanager
def within_memory(run: Path, preset: FullPreset) -> Iterator[None]:
    """Says what to lower where a GPU is too small for a training. Raises TrainingError."""
    try:
        yield
    except torch.OutOfMemoryError as err:
        others = "" if preset.taught == "lora" else "train anew with --preset lora, or "
        raise TrainingError(
            f"{run}: this GPU has too little memory for it ({preset.batch} at a time); "
            f"{others}{SPARING}"
        ) from err


def _run(
    run: Path, table: dict[str, Any], stages: Sequence[str], minutes: float | None, device: str
) -> None:
    """Train stages by the options in `table`, remembered once all that they name is there."""
    preset = find_full_preset(str(table["preset"]))
    where, accelerator = find_place(device)
    base, stills = (
        Path(table[name]) if table[name] else None for name in ("base_path", "stills_path")
    )
    ride = open_ride(Path(table["ride_path"]))
    check_clips(ride, stills)
    parts = find_parts(preset, base)
    first = accelerator.is_main_process
    watcher: Watcher = Bar() if first else Silent()
    with accelerator.main_process_first():
        remember_options(run, table, FREE)
        watcher.start("latents")
        clips = Clips(ride, parts, run / "data", where, stills, watcher.show)
    watcher.close()
    if first:
        facts = {"embedding_norm": clips.embedding_norm, "cruising_px": clips.cruising}
        facts |= dict(zip(("width", "height"), ride.shape, strict=True))
        with replacing(run / FACTS) as temporary:
            temporary.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    for name in stages:
        network, taught = make_student(preset, parts)
        network.to(where)
        before = {"tune": "teacher", "rollout": "tune"}.get(name, "")
        stage = _stage(name, preset, run, before, network, taught, clips, parts, accelerator)
        schedule = preset.schedules[name]
        if minutes is not None:
            schedule = replace(schedule, steps=10**7, minutes=minutes / len(stages))
        brake = stage.brake if isinstance(stage, RolloutStage) else Brake()
        result = run_stage(
            stage, schedule, run, where, progress=watcher, enough=brake.stops,
            rank=accelerator.process_index,
        )  # fmt: skip
        if brake.stops():
            watcher.note(
                f"enough at step {result.step}: it travels {float(brake.last):.2f} as told"
            )
        if result.ended != "done":
            return


def _stage(
    name: str, preset: FullPreset, run: Path, before: str, network: Any, taught: nn.Module,
    clips: Clips, parts: Any, accelerator: Accelerator,
) -> Stage:  # fmt: skip
    """A stage that sets out from the one before it."""
    if before:
        load_weights(run / before / WEIGHTS, {"network": taught})
    teacher = learnt = None
    if name != "teacher":
        teacher, learnt = make_student(preset, parts)
        load_weights(run / "teacher" / WEIGHTS, {"network": learnt})
        teacher.to(clips.device).eval().requires_grad_(False)
    call = accelerator.prepare_model(network) if accelerator.num_processes > 1 else network
    display, count = parts.display, preset.batch
    if name == "teacher":
        return TeacherStage(network, taught, clips, display, count, call)
    assert teacher is not None
    given = (network, taught, clips, display, count, preset.steps, teacher, call)
    return TuneStage(*given) if name == "tune" else RolloutStage(*given, learnt=learnt)


def find_place(device: str) -> tuple[torch.device, Accelerator]:
    """The device of that name for this process of maybe many. Raises TrainingError."""
    find_device(device)
    if device == "cpu":
        os.environ.setdefault("ACCELERATE_USE_CPU", "true")
    accelerator = Accelerator(cpu=device == "cpu")
    return accelerator.device, accelerator
