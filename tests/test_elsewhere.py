"""Training on another device: every stage computes there what it computes on the processor."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from elsewhere import Elsewhere, elsewhere

from trainjourney.errors import TrainingError
from trainjourney.training.dataset import Shards, open_shards
from trainjourney.training.device import find_device
from trainjourney.training.pocket import (
    ASKED,
    STAGES,
    build_stage,
    fresh_networks,
    stage_weights,
)
from trainjourney.training.presets import find_preset
from trainjourney.training.runner import run_stage
from trainjourney.training.stage import Stage
from trainjourney.training.taught_stage import TaughtStage

TINY = find_preset("tiny")
DREAMERS = ("few", *ASKED, "taught")  # their sheets are the dream stage's


def no_sheet(path: Path, ema: object) -> None:
    """Sheets take longer than steps."""


@pytest.fixture(scope="module")
def run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run, with something for the stage rollout to set out from."""
    folder = tmp_path_factory.mktemp("elsewhere") / "run"
    shutil.copytree(tiny_run, folder)
    stage_weights(folder, "tune").parent.mkdir()
    shutil.copy(stage_weights(folder, "dream"), stage_weights(folder, "tune"))
    return folder


@pytest.fixture(scope="module")
def shards(run: Path) -> Shards:
    return open_shards(run / "data")


def stage_of(name: str, shards: Shards, run: Path, device: str | torch.device) -> Stage:
    if name != "taught":
        return build_stage(name, TINY, shards, run, device)
    dream = build_stage("dream", TINY, shards, run, device)
    return TaughtStage(dream, fresh_networks(TINY)["network"])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [*STAGES, *ASKED, "taught"])
def test_a_stage_learns_there_what_it_learns_here(
    name: str, run: Path, shards: Shards, tmp_path: Path
) -> None:
    steps = 2 if name == "rollout" else 1  # its critic's turn comes second
    schedule = replace(TINY.schedules["few"], steps=steps, bf16=False)
    torch.manual_seed(3)
    stage = stage_of(name, shards, run, "cpu")
    stage.sample = no_sheet  # type: ignore[method-assign]
    here = run_stage(stage, schedule, tmp_path / "here", threads=1)
    with elsewhere() as device:
        torch.manual_seed(3)
        stage = stage_of(name, shards, run, device)
        if name in DREAMERS:
            stage.sample = no_sheet  # type: ignore[method-assign]
        there = run_stage(stage, schedule, tmp_path / "there", device, threads=1)
        for module in there.ema.values():
            assert all(isinstance(p.data, Elsewhere) for p in module.parameters())
    assert here.step == there.step == steps and here.skipped == there.skipped == 0
    assert there.losses == pytest.approx(here.losses, rel=1e-4, abs=1e-6)
    for module_name, module in here.ema.items():
        other = there.ema[module_name].state_dict()
        for key, tensor in module.state_dict().items():
            torch.testing.assert_close(other[key].here, tensor, rtol=1e-3, atol=1e-4)
    assert name in DREAMERS or list((tmp_path / "there").rglob("samples/*.png"))


def test_a_device_that_is_not_there_is_one_line() -> None:
    with pytest.raises(TrainingError, match="no device 'tpu'; give --device cpu"):
        find_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(TrainingError, match="no CUDA device is seen by torch here"):
            find_device("cuda")
