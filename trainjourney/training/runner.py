"""Runner: trains one stage to its end through kills, stops and numbers that are not finite."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from trainjourney.alone import alone
from trainjourney.errors import TrainingError
from trainjourney.signals import asked_to_end
from trainjourney.training.checkpoint import (
    load_checkpoint,
    load_weights,
    parameter_names,
    replacing,
    save_checkpoint,
    save_weights,
    writing,
)
from trainjourney.training.device import has_bf16
from trainjourney.training.history import History, draw_history
from trainjourney.training.progress import Silent, Watcher
from trainjourney.training.stage import Kept, Schedule, Stage
from trainjourney.training.together import largest, wait
from trainjourney.training.updates import average, make_optimizer, numbers, seeded

CHECKPOINT, WEIGHTS, DONE = "checkpoint.safetensors", "weights.safetensors", "done.json"
BAD_STEPS = 20
"""So many steps in a row with a loss or gradient that is not finite end the training."""
_SMOOTHING = 0.98


@dataclass(frozen=True)
class StageResult:
    """How a stage ended: `done`, or stopped by the `deadline` or by a `signal`, to be resumed."""

    name: str
    ended: Literal["done", "deadline", "signal"]
    step: int
    elapsed_s: float
    skipped: int
    """Steps left out because a loss or gradient was not finite."""
    losses: dict[str, float]
    """The latest losses, smoothed; those of before where a finished stage was skipped."""
    ema: dict[str, nn.Module]
    """The averaged networks, in eval, on the device."""
    folder: Path


@dataclass
class _Tally:
    """What a checkpoint notes beside the tensors."""

    step: int = 0
    elapsed_s: float = 0.0
    updates: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0


def run_stage(
    stage: Stage,
    schedule: Schedule,
    folder: Path,
    device: str | torch.device = "cpu",
    deadline: Callable[[], bool] | None = None,
    progress: Watcher | None = None,
    *,
    seed: int = 0,
    threads: int = 0,
    rank: int = 0,
    enough: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
) -> StageResult:
    """Train `stage` in `folder`/<its name> to the end of its schedule, from where it stood.

    Leaves there checkpoint.safetensors (resume), weights.safetensors (averaged), losses.csv
    and .png, samples/, and done.json at the end. A finished stage is not trained again, but
    goes on where the schedule now asks for more. Stops after a checkpoint when `deadline()`
    says so, and at SIGINT or SIGTERM; when it has learnt `enough()` it is done before its time.
    `threads`: torch's, 0 as it is. Of several processes that train together each has its `rank`:
    other batches, and files written by the first alone, which knows what is enough.
    Raises TrainingError.
    """
    run = _Run(stage, schedule, folder / stage.name, torch.device(device), seed, rank)
    if threads > 0:
        torch.set_num_threads(threads)
    watcher = progress or Silent()
    watcher.start(stage.name)
    try:
        if run.is_done():
            run.restore()
            watcher.note(f"finished before, at step {run.tally.step}")
            return run.result("done")
        signals: list[bool] = []
        with run.hold(), asked_to_end(lambda: signals.append(True)):
            result = run.train(
                lambda: bool(signals), deadline or (lambda: False), enough, watcher, clock
            )
        wait()
        return result
    finally:
        watcher.close()


class _Run:
    """One stage in training; owns its networks' averages, optimizer and tally."""

    def __init__(
        self, stage: Stage, schedule: Schedule, folder: Path, device: torch.device, seed: int,
        rank: int = 0,
    ) -> None:  # fmt: skip
        self.stage, self.schedule, self.folder, self.device = stage, schedule, folder, device
        self.bf16 = schedule.bf16 and has_bf16(device)
        self.seed, self.writes = seed + 7919 * rank, rank == 0
        self.modules = stage.modules()
        for module in self.modules.values():
            module.to(device).train()
        averaged = {name: m for name, m in self.modules.items() if not isinstance(m, Kept)}
        self.ema = copy.deepcopy(averaged)  # in one go: what is shared stays shared
        for module in self.ema.values():
            module.eval().requires_grad_(False)
        self.optimizer = make_optimizer(self.modules, schedule)
        self.tally = _Tally()
        self.losses: dict[str, float] = {}

    def is_done(self) -> bool:
        """Finished before, and the schedule asks for no more than that."""
        path = self.folder / DONE
        if not path.exists():
            return False
        try:
            done = json.loads(path.read_text(encoding="utf-8"))
            if done.get("enough", False):
                return True
            return self.schedule.fraction(done["step"], done["elapsed_s"]) >= 1.0
        except (OSError, ValueError, AttributeError, KeyError, TypeError) as err:
            raise TrainingError(
                f"{path}: cannot be read ({err}); remove it, then type the same again"
            ) from err

    def hold(self) -> AbstractContextManager[None]:
        """Hold the folder: two trainings in one would write over each other's checkpoints."""
        if not self.writes:
            return nullcontext()
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        return alone(
            self.folder,
            TrainingError(
                f"{self.folder}: another training is at work in it; wait for it to end, "
                "or give another --run"
            ),
        )

    def restore(self) -> None:
        """Go back to the checkpoint; where there is none, set out from weights, if there are."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            if (self.folder / WEIGHTS).exists():
                for modules in (self.modules, self.ema):
                    load_weights(self.folder / WEIGHTS, modules, optional=modules)
            return
        notes = load_checkpoint(path, self.modules, self.ema, self.optimizer)
        self.losses = notes.pop("losses")
        self.tally = _Tally(**notes)

    def train(
        self,
        stopped: Callable[[], bool],
        deadline: Callable[[], bool],
        enough: Callable[[], bool],
        watcher: Watcher,
        clock: Callable[[], float],
    ) -> StageResult:
        """The loop."""
        self.restore()
        if self.writes:
            (self.folder / DONE).unlink(missing_ok=True)
        if self.tally.step:
            watcher.note(f"goes on from step {self.tally.step}")
        history = History(self.folder / "losses.csv", self.tally.step) if self.writes else None
        tally, schedule = self.tally, self.schedule
        saved_s = sampled_s = last_s = clock()
        unsaved, checked = False, False
        while True:
            told = [stopped(), deadline(), self.writes and enough(), tally.elapsed_s]
            *ends, tally.elapsed_s = largest(told, self.device)
            by_signal, too_late, learnt = map(bool, ends)
            if learnt or schedule.fraction(tally.step, tally.elapsed_s) >= 1.0:
                break
            if by_signal or too_late:
                if unsaved:
                    self.save()
                watcher.note(f"stopped at step {tally.step}; the same words go on with it")
                return self.result("signal" if by_signal else "deadline")
            lr = schedule.rate(tally.step, tally.elapsed_s)
            shown = self.step(lr)
            if not checked:
                checked = self._note_strays(watcher)
            tally.elapsed_s += clock() - last_s
            last_s = clock()
            if history is not None:
                history.add(tally.step, tally.elapsed_s, lr, shown)
            self._smooth(shown)
            watcher.show(schedule.fraction(tally.step, tally.elapsed_s), self._line(lr))
            unsaved = True
            if tally.skipped_in_a_row >= BAD_STEPS:
                raise TrainingError(
                    f"{self.folder}: {BAD_STEPS} steps in a row up to step {tally.step} had a loss "
                    "or gradient that is not finite; train again with a lower learning rate "
                    "(it goes on from the last checkpoint)"
                )
            if clock() - saved_s >= schedule.checkpoint_s:
                self.save()
                saved_s, unsaved = clock(), False
            if clock() - sampled_s >= schedule.sample_s:
                self.sample()
                sampled_s = clock()
        self.save()
        if not stopped():  # a sheet may take minutes
            self.sample()
        if self.writes:
            with replacing(self.folder / DONE) as temporary:
                done = {**asdict(tally), "enough": learnt}
                temporary.write_text(json.dumps(done) + "\n", encoding="utf-8")
        if any(largest([stopped()], self.device)):  # so that no other stage begins
            watcher.note(f"done at step {tally.step}, and stopped; the same words go on")
            return self.result("signal")
        return self.result("done")

    def step(self, lr: float) -> dict[str, float]:
        """One batch and, where all is finite, one update; gives what to show."""
        tally = self.tally
        rng = seeded(self.seed, tally.step)
        self.optimizer.zero_grad(set_to_none=True)  # before: a critic may need the room
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            losses = self.stage.losses(tally.step, rng)
        loss = losses["loss"]
        assert loss.shape == (), loss.shape
        shown = numbers(losses)
        norm = math.nan
        if self._finite(shown["loss"]):
            loss.float().backward()  # type: ignore[no-untyped-call]
            norm = self._clip()
        tally.step += 1
        if self._finite(norm):
            for group in self.optimizer.param_groups:
                group["lr"] = lr
            self.optimizer.step()
            tally.updates += 1
            tally.skipped_in_a_row = 0
            average(self.ema, self.modules, self.schedule.decay(tally.updates))
        else:
            tally.skipped += 1
            tally.skipped_in_a_row += 1
        return {**shown, "grad_norm": norm}

    def save(self) -> None:
        """Checkpoint, averaged weights and plot."""
        if not self.writes:
            return
        notes = {**asdict(self.tally), "losses": self.losses}
        path = self.folder / CHECKPOINT
        save_checkpoint(path, self.modules, self.ema, self.optimizer, notes)
        save_weights(self.folder / WEIGHTS, self.ema, asdict(self.tally))
        draw_history(self.folder / "losses.csv", self.folder / "losses.png")

    def sample(self) -> None:
        """Let the stage draw a sheet; the next step seeds all chance anew, so none is spent."""
        if not self.writes:
            return
        samples = self.folder / "samples"
        samples.mkdir(parents=True, exist_ok=True)
        with torch.no_grad():
            self.stage.sample(samples / f"{self.tally.step:07d}.png", self.ema)
        for module in self.modules.values():
            module.train()

    def result(self, ended: Literal["done", "deadline", "signal"]) -> StageResult:
        tally = self.tally
        return StageResult(
            name=self.stage.name,
            ended=ended,
            step=tally.step,
            elapsed_s=tally.elapsed_s,
            skipped=tally.skipped,
            losses=dict(self.losses),
            ema=self.ema,
            folder=self.folder,
        )

    def _finite(self, number: float) -> bool:
        """Whether it is finite, in every process."""
        return not any(largest([not math.isfinite(number)], self.device))

    def _clip(self) -> float:
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        limit = self.schedule.grad_clip or math.inf
        return float(nn.utils.clip_grad_norm_(parameters, limit))

    def _note_strays(self, watcher: Watcher) -> bool:
        """Say once which parameters no gradient reaches: most often the autocast cache."""
        names = parameter_names(self.modules)
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        strays = [names[id(p)] for p in parameters if p.grad is None]
        if strays and len(strays) < len(parameters):
            watcher.note(f"no gradient reaches {len(strays)} parameters, as {strays[0]}")
        return len(strays) < len(parameters)

    def _smooth(self, shown: dict[str, float]) -> None:
        for name, value in shown.items():
            if math.isfinite(value):
                before = self.losses.get(name, value)
                self.losses[name] = _SMOOTHING * before + (1.0 - _SMOOTHING) * value

    def _line(self, lr: float) -> str:
        tally = self.tally
        losses = " ".join(f"{name} {value:.4g}" for name, value in self.losses.items())
        bad = f" skipped {tally.skipped}" if tally.skipped else ""
        return f"step {tally.step} lr {lr:.2e} {losses}{bad} {tally.elapsed_s / 60.0:.1f} min"
