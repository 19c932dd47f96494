"""The runner: a tiny stage trains, survives kills bit for bit, and stops when told."""

from __future__ import annotations

import io
import math
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from trainjourney.errors import TrainingError
from trainjourney.training.checkpoint import load_weights
from trainjourney.training.history import read_history
from trainjourney.training.progress import Bar
from trainjourney.training.runner import run_stage
from trainjourney.training.stage import Schedule

SCHEDULE = Schedule(steps=40, lr=0.05, warmup=4, checkpoint_s=1e9, sample_s=1e9)


class Tiny:
    """Learns to double its input; `at(index)` lets a test do harm in the midst of a step."""

    name = "tiny"

    def __init__(self, at: Callable[[int], float | None] = lambda index: None) -> None:
        torch.manual_seed(5)
        self.net = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.1), nn.Linear(4, 2))
        self.at = at
        self.sheets: list[str] = []

    def modules(self) -> dict[str, nn.Module]:
        return {"net": self.net}

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        factor = self.at(index)
        x = torch.randn(8, 2, generator=rng)
        loss = (self.net(x) - 2.0 * x).square().mean()
        return {"loss": loss if factor is None else loss * factor, "size": x.abs().mean()}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        assert not ema["net"].training and not torch.is_grad_enabled()
        self.sheets.append(path.name)


def weights(stage: Tiny) -> list[Tensor]:
    return list(stage.net.state_dict().values())


def equal(ours: list[Tensor], theirs: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def train_and_be_killed(folder: Path, step: int) -> None:
    def kill(index: int) -> None:
        if index == step:
            os.kill(os.getpid(), signal.SIGKILL)

    # Checkpoints every fifth second of a clock that ticks a quarter second a look.
    ticks = iter(range(10**6))
    run_stage(
        Tiny(kill), replace(SCHEDULE, checkpoint_s=5.0), folder, threads=1,
        clock=lambda: next(ticks) / 4.0,
    )  # fmt: skip


def test_killed_and_resumed_equals_uninterrupted_bit_for_bit(tmp_path: Path) -> None:
    whole = Tiny()
    result = run_stage(whole, SCHEDULE, tmp_path / "whole", threads=1)
    child = multiprocessing.get_context("spawn").Process(
        target=train_and_be_killed, args=(tmp_path / "killed", 23)
    )
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    killed = tmp_path / "killed" / "tiny"
    assert read_history(killed / "losses.csv")["step"][-1] == 23
    with (killed / "losses.csv").open("a") as file:
        file.write("24,0.1")  # half a row, as a kill can leave it

    seen: list[int] = []
    resumed = Tiny(seen.append)
    again = run_stage(resumed, SCHEDULE, tmp_path / "killed", threads=1)
    assert 0 < seen[0] < 23, "it should go on from a checkpoint before the kill"
    assert equal(weights(whole), weights(resumed))
    assert equal(list(result.ema["net"].parameters()), list(again.ema["net"].parameters()))
    assert result.losses == again.losses and result.step == again.step == 40
    one = read_history(tmp_path / "whole" / "tiny" / "losses.csv")
    two = read_history(killed / "losses.csv")
    assert one.keys() == two.keys() and one["step"] == list(range(1, 41))
    assert all(one[name] == two[name] for name in one if name != "elapsed_s")


def test_it_learns_and_leaves_its_files(tmp_path: Path) -> None:
    stage = Tiny()
    result = run_stage(stage, replace(SCHEDULE, steps=150, sample_s=0.0), tmp_path)
    assert (result.ended, result.step, result.skipped) == ("done", 150, 0)
    loss = read_history(tmp_path / "tiny" / "losses.csv")["loss"]
    assert sum(loss[-10:]) < 0.5 * sum(loss[:10])
    names = {file.name for file in (tmp_path / "tiny").iterdir()}
    assert names == {
        "checkpoint.safetensors", "weights.safetensors", "done.json", "losses.csv", "losses.png",
        "samples",
    }  # fmt: skip
    assert stage.sheets[-1] == "0000150.png" and len(stage.sheets) > 2
    other = Tiny()
    load_weights(tmp_path / "tiny" / "weights.safetensors", other.modules())
    assert equal(weights(other), list(result.ema["net"].state_dict().values()))


def test_a_finished_stage_is_skipped_and_goes_on_when_asked_for_more(tmp_path: Path) -> None:
    first = run_stage(Tiny(), SCHEDULE, tmp_path)
    seen: list[int] = []
    skipped = Tiny(seen.append)
    result = run_stage(skipped, SCHEDULE, tmp_path)
    assert not seen and result.ended == "done" and result.losses == first.losses
    assert equal(list(result.ema["net"].parameters()), list(first.ema["net"].parameters()))
    result = run_stage(Tiny(seen.append), replace(SCHEDULE, steps=60), tmp_path)
    assert seen == list(range(40, 60)) and result.step == 60


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("done.json", b""),
        ("done.json", b"[]"),
        ("done.json", b"{}"),
        ("losses.csv", b"step,loss\n\xff\xfe\n"),
        ("losses.csv", b"step,loss\n\0\0\0\n"),
    ],
)
def test_a_damaged_file_is_named_with_its_cure(name: str, data: bytes, tmp_path: Path) -> None:
    run_stage(Tiny(), SCHEDULE, tmp_path)
    path = tmp_path / "tiny" / name
    path.write_bytes(data)
    words = rf"{name}: cannot be read .*; remove it, then type the same again"
    more = replace(SCHEDULE, steps=45)
    with pytest.raises(TrainingError, match=words):
        run_stage(Tiny(), more, tmp_path)
    path.unlink()
    assert run_stage(Tiny(), more, tmp_path).step == 45


def test_bad_steps_are_skipped_and_counted(tmp_path: Path) -> None:
    bad = {3: math.nan, 4: math.inf, 9: 1e39}
    stage = Tiny(bad.get)
    result = run_stage(stage, SCHEDULE, tmp_path)
    assert result.skipped == 3 and result.step == 40
    assert all(bool(value.isfinite().all()) for value in weights(stage))
    history = read_history(tmp_path / "tiny" / "losses.csv")
    norms = zip(history["step"], history["grad_norm"], strict=True)
    assert [step for step, norm in norms if math.isnan(norm)] == [4, 5, 10]


def test_twenty_bad_steps_in_a_row_end_the_training(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="20 steps in a row up to step 30"):
        run_stage(Tiny(lambda i: math.nan if i >= 10 else None), SCHEDULE, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_checkpoints_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    handler = signal.getsignal(number)
    stage = Tiny(lambda i: signal.raise_signal(number) if i == 6 else None)
    result = run_stage(stage, SCHEDULE, tmp_path)
    assert (result.ended, result.step) == ("signal", 7)
    assert signal.getsignal(number) is handler
    seen: list[int] = []
    assert run_stage(Tiny(seen.append), SCHEDULE, tmp_path).ended == "done"
    assert seen == list(range(7, 40))


def test_a_signal_at_the_end_of_a_stage_begins_no_other(tmp_path: Path) -> None:
    class Sheet(Tiny):
        def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
            signal.raise_signal(signal.SIGINT)  # while the last sheet is drawn

    assert run_stage(Sheet(), SCHEDULE, tmp_path).ended == "signal"
    seen: list[int] = []
    again = run_stage(Tiny(seen.append), SCHEDULE, tmp_path)
    assert (again.ended, again.step, seen) == ("done", 40, [])
    late = Tiny(lambda i: signal.raise_signal(signal.SIGINT) if i == 39 else None)
    assert run_stage(late, SCHEDULE, tmp_path / "late").ended == "signal"
    assert late.sheets == []  # it may take minutes


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    def again(index: int) -> None:
        with pytest.raises(TrainingError, match="tiny: another training is at work in it; wait"):
            run_stage(Tiny(), SCHEDULE, tmp_path)

    assert run_stage(Tiny(again), replace(SCHEDULE, steps=2), tmp_path).step == 2


def test_a_stop_says_how_to_go_on(tmp_path: Path) -> None:
    told = io.StringIO()
    bar = Bar(Console(file=told, width=200))
    run_stage(Tiny(), SCHEDULE, tmp_path, deadline=lambda: True, progress=bar)
    assert told.getvalue() == "tiny: stopped at step 0; the same words go on with it\n"


def test_a_deadline_checkpoints_and_stops(tmp_path: Path) -> None:
    calls = iter(range(100))
    result = run_stage(Tiny(), SCHEDULE, tmp_path, deadline=lambda: next(calls) >= 12)
    assert (result.ended, result.step) == ("deadline", 12)
    assert not (tmp_path / "tiny" / "done.json").exists()


def test_what_has_learnt_enough_is_done(tmp_path: Path) -> None:
    seen: list[int] = []
    result = run_stage(Tiny(seen.append), SCHEDULE, tmp_path, enough=lambda: len(seen) >= 5)
    assert (result.ended, result.step) == ("done", 5)
    again = run_stage(Tiny(seen.append), replace(SCHEDULE, steps=90), tmp_path)
    assert (again.ended, again.step, len(seen)) == ("done", 5, 5)


def test_a_budget_of_minutes_is_kept_over_resumes(tmp_path: Path) -> None:
    schedule = replace(SCHEDULE, steps=10**6, minutes=1.0)
    now = 0.0

    def second(index: int) -> None:
        nonlocal now
        now += 1.0

    calls = iter(range(100))
    run_stage(
        Tiny(second), schedule, tmp_path, clock=lambda: now, deadline=lambda: next(calls) >= 25
    )
    now += 1000.0
    result = run_stage(Tiny(second), schedule, tmp_path, clock=lambda: now)
    assert (result.ended, result.step, result.elapsed_s) == ("done", 60, 60.0)
    longer = run_stage(Tiny(second), replace(schedule, minutes=1.5), tmp_path, clock=lambda: now)
    assert (longer.ended, longer.step) == ("done", 90)


@pytest.mark.parametrize(
    ("features", "quick"), [({"avx2", "avx512_bf16"}, True), ({"avx2"}, False)]
)
def test_bf16_only_where_the_processor_has_it(
    features: set[str], quick: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Watched(Tiny):
        def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
            seen.append(torch.is_autocast_enabled("cpu"))
            return super().losses(index, rng)

    monkeypatch.setattr("trainjourney.training.device.processor_features", lambda: features)
    run_stage(Watched(), replace(SCHEDULE, steps=2), tmp_path, threads=1)
    assert seen == [quick, quick]


def test_the_rate_rises_falls_and_follows_the_clock() -> None:
    schedule = Schedule(steps=1000, lr=1.0, warmup=100, final_lr=0.1)
    rates = [schedule.rate(step, 0.0) for step in range(1001)]
    assert rates[0] == pytest.approx(0.01) and max(rates) > 0.95
    assert rates.index(max(rates)) < 110 and rates[1000] == pytest.approx(0.1)
    timed = replace(schedule, minutes=10.0)
    assert timed.rate(200, 300.0) == pytest.approx(0.55) and timed.fraction(5, 600.0) == 1.0
    assert Schedule(steps=5, lr=1.0).rate(0, 0.0) == 1.0


def test_the_average_forgets_the_start_soon() -> None:
    schedule = Schedule(steps=10, lr=1.0, ema=0.99)
    assert schedule.decay(1) < 0.2 and schedule.decay(10**6) == 0.99


def test_progress_is_plain_lines_in_a_log(tmp_path: Path) -> None:
    log = io.StringIO()
    now = 0.0

    def second(index: int) -> None:
        nonlocal now
        now += 1.0

    bar = Bar(Console(file=log, width=40), every_s=10.0, clock=lambda: now)
    run_stage(Tiny(second), SCHEDULE, tmp_path, progress=bar, clock=lambda: now)
    lines = log.getvalue().splitlines()
    assert len(lines) == 4 and lines[0].startswith("tiny   2.5 % step 1 lr")
    run_stage(Tiny(), SCHEDULE, tmp_path, progress=bar)
    assert log.getvalue().splitlines()[-1] == "tiny: finished before, at step 40"


def test_progress_is_a_bar_on_a_terminal(tmp_path: Path) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=160)
    run_stage(Tiny(), SCHEDULE, tmp_path, progress=Bar(console))
    assert "tiny" in screen.getvalue() and "100%" in screen.getvalue()


def test_parameters_without_gradient_are_named_once(tmp_path: Path) -> None:
    class Stray(Tiny):
        def modules(self) -> dict[str, nn.Module]:
            return {"net": self.net, "idle": idle}

    idle = nn.Linear(1, 1)
    log = io.StringIO()
    run_stage(Stray(), SCHEDULE, tmp_path, progress=Bar(Console(file=log)))
    assert log.getvalue().count("no gradient reaches 2 parameters, as idle.weight") == 1
