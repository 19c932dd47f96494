"""The last stage of the full model, tiny, at random: its critic, its brake, its need of memory."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trainjourney.model.full.parts import fresh_parts
from trainjourney.rides.dataset import open_ride
from trainjourney.training.critic import Critic
from trainjourney.training.full.clips import Clips
from trainjourney.training.full.few_steps import RolloutStage
from trainjourney.training.full.memory import CARD_GB, count_memory
from trainjourney.training.full.presets import PRESETS
from trainjourney.training.full.student import make_student
from trainjourney.training.runner import run_stage
from trainjourney.training.stage import Schedule

LORA = replace(PRESETS["tiny"], taught="lora", frugal=True)
SCHEDULE = Schedule(steps=6, lr=1e-3)
Make = Callable[[int], RolloutStage]


@pytest.fixture(scope="module")
def make(full_ride: Path, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Stages of one teacher, with students of any seed."""
    folder = tmp_path_factory.mktemp("rollout")
    torch.manual_seed(3)
    parts = fresh_parts(tiny=True)
    clips = Clips(open_ride(full_ride), parts, folder / "data", torch.device("cpu"))

    def made(seed: int) -> RolloutStage:
        torch.manual_seed(5)
        teacher, learnt = make_student(LORA, parts)
        teacher.eval().requires_grad_(False)
        torch.manual_seed(seed)
        network, taught = make_student(LORA, parts)
        given = (network, taught, clips, parts.display, 1, (999,), teacher)
        return RolloutStage(*given, learnt=learnt)

    return made


def test_with_adapters_all_that_is_frozen_stands_in_memory_once(make: Make) -> None:
    stage = make(1)
    networks = (stage.network, stage.teacher, stage.critic.network)
    mine, theirs, its = ({id(p) for p in network.parameters()} for network in networks)
    frozen = {id(p) for p in stage.network.parameters() if not p.requires_grad}
    assert frozen and mine & theirs & its == frozen
    taught = {id(p) for p in stage.critic.network.parameters() if p.requires_grad}
    assert taught == its - frozen and not taught & theirs
    whole = Critic(stage.teacher)
    assert not {id(p) for p in whole.network.parameters()} & theirs
    weights = sum(p.numel() for p in stage.critic.learnt.parameters())
    kept = sum(buffer.numel() for buffer in stage.critic.kept().buffers())
    assert kept == 3 * weights + len(taught)  # weights, moments, steps: nothing frozen is saved


def test_a_rollout_is_the_same_through_a_stop(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainjourney.training.full.few_steps.FIRST_K", 1)
    whole, parted = make(1), make(1)
    run_stage(whole, SCHEDULE, tmp_path / "whole")
    turns = iter([False] * 2 + [True])
    run_stage(parted, SCHEDULE, tmp_path / "parted", deadline=lambda: next(turns))
    run_stage(make(2), SCHEDULE, tmp_path / "parted")
    ends = [load_file(tmp_path / name / "rollout/checkpoint.safetensors") for name in
            ("whole", "parted")]  # fmt: skip
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])
    moments = [key for key in ends[0] if key.startswith("model.fake.") and "exp_avg" in key]
    assert moments and any(bool(ends[0][key].any()) for key in moments)
    assert bool(ends[0]["model.brake.first"].isfinite())
    names = load_file(tmp_path / "whole/rollout/weights.safetensors")
    assert not [key for key in names if not key.startswith("network.")]


def test_a_student_that_stops_travelling_is_done(make: Make, tmp_path: Path) -> None:
    stage = make(1)
    stage.brake.note(99.0)  # it did; now it does not
    ended = run_stage(stage, SCHEDULE, tmp_path, enough=stage.brake.stops)
    assert (ended.ended, ended.step) == ("done", 1)
    again = make(2)
    ended = run_stage(again, replace(SCHEDULE, steps=99), tmp_path, enough=again.brake.stops)
    assert (ended.ended, ended.step) == ("done", 1) and again.brake.stops()


def test_a_preset_fits_the_card_it_is_for() -> None:
    counted = {name: count_memory(PRESETS[name], "rollout") for name in CARD_GB}
    for name, gb in CARD_GB.items():  # of which the rest is for what a step works with
        assert counted[name].whole < 0.65e9 * gb, (name, counted[name])
    lora, whole = counted["lora"], counted["full"]
    assert whole.weights == pytest.approx(3 * lora.weights, rel=0.05)
    assert whole.moments == 4 * whole.average == 4 * whole.gradients
