"""Two processes that train together, over gloo: what one meets ends it, or its step, for both."""

import math
import multiprocessing
import signal
from datetime import timedelta
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from test_runner import SCHEDULE, Tiny
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from trainjourney.model.full.denoiser import Road
from trainjourney.training.critic import Critic
from trainjourney.training.runner import run_stage


class Paired(Tiny):
    """Learns as Tiny does, beside a critic; what goes wrong goes wrong in one process alone."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.rank, self.index, self.road = rank, 0, Road()
        self.critic = Critic(self.net)
        self.call = DistributedDataParallel(self.net)

    def modules(self) -> dict[str, nn.Module]:
        return {"net": self.net, "fake": self.critic.kept()}

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        self.index = index
        if (index, self.rank) == (2, 1):
            signal.raise_signal(signal.SIGTERM)
        x = torch.randn(8, 2, generator=rng)
        made = self.call(x)
        spoilt = math.nan if (index, self.rank) == (5, 0) else 1.0
        at = torch.full((8,), 500)
        self.critic.learn(
            self.road, lambda x, at: self.critic.network(x), spoilt * made.detach(), x, at
        )
        spoilt = math.nan if (index, self.rank) == (4, 1) else 1.0
        return {"loss": spoilt * (made - 2.0 * x).square().mean()}


def take_part(rank: int, folder: Path) -> None:
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2,
        timeout=timedelta(seconds=40),
    )  # fmt: skip
    try:
        train(rank, folder)
    finally:
        distributed.destroy_process_group()


def train(rank: int, folder: Path) -> None:
    first = run_stage(Paired(rank), SCHEDULE, folder, rank=rank)
    assert (first.ended, first.step) == ("signal", 3)
    stage = Paired(rank)
    again = run_stage(stage, SCHEDULE, folder, rank=rank, enough=lambda: stage.index >= 7 - rank)
    assert (again.ended, again.step, again.skipped) == ("done", 8, 1)  # the first knows enough
    learnt = {**stage.net.state_dict(), **dict(stage.critic.kept().named_buffers(prefix="fake"))}
    save_file({name: tensor.clone() for name, tensor in learnt.items()}, folder / f"{rank}.st")
    assert (folder / "tiny/done.json").exists()  # written by the first, and waited for


def test_two_processes_end_together_and_have_learnt_the_same(tmp_path: Path) -> None:
    other = multiprocessing.get_context("spawn").Process(target=take_part, args=(1, tmp_path))
    other.start()
    try:
        take_part(0, tmp_path)
        other.join(40)
    finally:
        other.kill()
    assert other.exitcode == 0
    ours, theirs = (load_file(tmp_path / f"{rank}.st") for rank in (0, 1))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert all(bool(tensor.isfinite().all()) for tensor in ours.values())
    assert float(ours["fake.0/weight/step"]) == 7.0  # of eight turns, one of no use
