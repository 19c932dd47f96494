"""Checkpoints and options: what is written comes back, and what does not fit is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainjourney.errors import TrainingError
from trainjourney.training.checkpoint import (
    load_checkpoint,
    load_fitting,
    load_weights,
    save_checkpoint,
    save_weights,
)
from trainjourney.training.options import read_options, remember_options


class Tied(nn.Module):
    """Two names for one weight, a buffer, and a bias that gets no gradient."""

    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.second.weight = self.first.weight
        self.register_buffer("count", torch.tensor(7))

    def forward(self, x: Tensor) -> Tensor:
        return torch.nn.functional.linear(self.first(x), self.second.weight)


def trained(seed: int) -> tuple[dict[str, nn.Module], dict[str, nn.Module], torch.optim.AdamW]:
    torch.manual_seed(seed)
    modules: dict[str, nn.Module] = {"paint": Tied(), "dream": nn.Linear(3, 3)}
    optimizer = torch.optim.AdamW([p for m in modules.values() for p in m.parameters()])
    modules["dream"](modules["paint"](torch.randn(4, 3))).square().mean().backward()
    optimizer.step()
    return modules, copy.deepcopy(modules), optimizer


def same(ours: dict[str, nn.Module], theirs: dict[str, nn.Module]) -> bool:
    return all(
        torch.equal(value, theirs[name].state_dict()[key])
        for name, module in ours.items()
        for key, value in module.state_dict().items()
    )


def test_a_checkpoint_comes_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    modules, ema, optimizer = trained(1)
    save_checkpoint(path, modules, ema, optimizer, {"step": 12, "elapsed_s": 0.1})
    others, other_ema, other_optimizer = trained(2)
    assert not same(modules, others)
    notes = load_checkpoint(path, others, other_ema, other_optimizer)
    assert notes == {"step": 12, "elapsed_s": 0.1}
    assert same(modules, others) and same(ema, other_ema)
    before, after = optimizer.state_dict()["state"], other_optimizer.state_dict()["state"]
    assert before.keys() == after.keys() and len(before) > 0
    for index, state in before.items():
        for name, value in state.items():
            assert torch.equal(value, after[index][name])
    assert [file.name for file in tmp_path.iterdir()] == [path.name], "a temporary file is left"


def test_weights_start_the_modules_they_hold(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    modules, _, _ = trained(1)
    save_weights(path, modules)
    others, _, _ = trained(2)
    new = {**others, "judge": nn.Linear(2, 2)}
    with pytest.raises(TrainingError, match="no weights of 'judge'"):
        load_weights(path, new)
    assert load_weights(path, new, optional=["judge"]) == ["paint", "dream"]
    assert same(modules, others)


def test_networks_of_another_size_take_what_fits(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    modules, _, _ = trained(1)
    save_weights(path, modules)
    other = nn.Linear(3, 5)
    before = copy.deepcopy(other)
    other.bias = nn.Parameter(torch.zeros(3))  # as the one that was saved
    shares = load_fitting(path, {"paint": Tied(), "dream": other, "new": nn.Linear(2, 2)})
    dream = modules["dream"]
    assert isinstance(dream, nn.Linear)
    assert torch.equal(other.bias, dream.bias) and torch.equal(other.weight, before.weight)
    assert shares == {"paint": 1.0, "dream": 3 / 18, "new": 0.0}
    with pytest.raises(TrainingError, match="no such file"):
        load_fitting(tmp_path / "none.safetensors", modules)


def test_another_shape_is_refused_by_name_and_nothing_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    modules, _, _ = trained(1)
    save_weights(path, modules)
    others: dict[str, nn.Module] = {"paint": Tied(), "dream": nn.Linear(3, 5)}
    before = copy.deepcopy(others)
    with pytest.raises(TrainingError, match=r"'dream\.weight' has shape \[3, 3\].*\[5, 3\]"):
        load_weights(path, others)
    assert same(before, others)


def test_a_missing_and_an_unknown_tensor_are_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, {"dream": nn.Linear(3, 3)})
    with pytest.raises(TrainingError, match=r"holds 'dream\.bias'"):
        load_weights(path, {"dream": nn.Linear(3, 3, bias=False)})
    save_weights(path, {"dream": nn.Linear(3, 3, bias=False)})
    with pytest.raises(TrainingError, match=r"no tensor 'dream\.bias'"):
        load_weights(path, {"dream": nn.Linear(3, 3)})


def test_files_that_are_missing_or_damaged_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(TrainingError, match="no such file"):
        load_weights(path, {"dream": nn.Linear(3, 3)})
    save_weights(path, {"dream": nn.Linear(3, 3)})
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(TrainingError, match="cannot be read"):
        load_weights(path, {"dream": nn.Linear(3, 3)})


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be written"):
        save_weights(tmp_path / "file" / "weights.safetensors", {"dream": nn.Linear(3, 3)})


def test_options_are_kept_and_held_equal(tmp_path: Path) -> None:
    options = {"seed": 3, "model": {"widths": (8, 16)}, "paint": {"steps": 100, "lr": 0.1}}
    remember_options(tmp_path, options)
    remember_options(tmp_path, options)
    longer = {**options, "paint": {"steps": 200, "lr": 0.1}}
    remember_options(tmp_path, longer)
    assert read_options(tmp_path)["paint"]["steps"] == 200
    wider = {**longer, "model": {"widths": (8, 32)}}
    with pytest.raises(TrainingError, match=r"model\.widths = \[8, 16\], now it is \[8, 32\]"):
        remember_options(tmp_path, wider)
    with pytest.raises(TrainingError, match="seed = 3, now it is not there"):
        remember_options(tmp_path, {key: longer[key] for key in ("model", "paint")})
    assert read_options(tmp_path)["model"]["widths"] == [8, 16]


def test_damaged_options_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no such file"):
        read_options(tmp_path)
    (tmp_path / "options.json").write_text('{"preset": 3}')
    with pytest.raises(TrainingError, match="does not tell the preset; train in a new folder"):
        read_options(tmp_path, ["preset"])
    (tmp_path / "options.json").write_text("{")
    with pytest.raises(TrainingError, match="cannot be read"):
        remember_options(tmp_path, {"seed": 1})


def test_a_run_of_the_other_model_is_named(tmp_path: Path) -> None:
    full: dict[str, Any] = {"preset": "tiny", "taught": "all"}
    both = [full, {"preset": "tiny", "rides": 2}]
    for (then, now), kind in zip((both, both[::-1]), ("full", "pocket"), strict=True):
        remember_options(tmp_path / kind, then)
        with pytest.raises(TrainingError, match=f"is a training of the {kind} model; give another"):
            remember_options(tmp_path / kind, now)
