"""Ways to run the full model's layers that wait for a GPU to be timed on: the same numbers."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from small_tensors import rng
from torch import Tensor, nn

from trainjourney.model.full.rebuild import skeleton

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
CHANGED = {"doubled": 1, "product64": 16, "product256": 16, "joined": 4, "shown": 3, "relus": 4}


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    kept = torch.backends.cudnn.benchmark
    yield import_module("kernel_ways")
    torch.backends.cudnn.benchmark = kept


def made(modules: dict[str, nn.Module]) -> tuple[Tensor, Tensor]:
    predictor, g = modules["predictor"], rng(1)
    latents = torch.randn(2, 4, 8, 16, generator=g)
    steering = torch.randn(sum(predictor.folded.sizes), generator=g)  # type: ignore[union-attr,arg-type]
    noise = torch.randn(3, 4, 8, 16, generator=g)
    with torch.inference_mode():
        following = predictor(latents, noise, steering, torch.tensor(0.7), torch.tensor(0.2))
        return following, modules["decoder"](latents)


@pytest.mark.parametrize("name", CHANGED)
def test_a_way_changes_nothing_but_the_kernels(ways: Any, name: str) -> None:
    torch.manual_seed(1)
    modules = skeleton(True, (999,), 1.0)
    wanted = made(modules)
    ways.WAYS[name](modules)
    kinds = (ways.Doubled, ways.Product, ways.Joined, ways.Block)
    new = [one for module in modules.values() for one in module.modules() if isinstance(one, kinds)]
    assert len(new) == CHANGED[name]
    following, frame = made(modules)
    assert torch.allclose(following, wanted[0], atol=1e-5) and wanted[0].std() > 0.1
    assert (frame.int() - wanted[1].int()).abs().max() <= 1 and wanted[1].float().std() > 5


def test_what_is_told_once_is_not_worked_out_anew(ways: Any) -> None:
    torch.manual_seed(1)
    modules = skeleton(True, (999,), 1.0)
    ways.WAYS["told"](modules)
    asked: list[str] = []
    for name, one in modules["predictor"].named_modules():
        one.register_forward_hook(lambda *_, name=name: asked.append(name))
    made(modules)
    assert "folded.shift" in asked and not any("told" in name for name in asked)
