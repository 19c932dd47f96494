"""Ways to run the full model's layers that scripts/try_kernels times: what they leave out."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from small_tensors import predicted

from trainjourney.model.full.rebuild import skeleton

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield import_module("kernel_ways")


def test_what_is_told_once_is_not_worked_out_anew(ways: Any) -> None:
    torch.manual_seed(1)
    modules = skeleton(True, (999,), 1.0)
    ways.WAYS["told"](modules)
    asked: list[str] = []
    for name, one in modules["predictor"].named_modules():
        one.register_forward_hook(lambda *_, name=name: asked.append(name))
    predicted(modules)
    assert "folded.shift" in asked and not any("told" in name for name in asked)


def test_every_setting_of_the_compiler_is_one_that_it_has(
    ways: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor import config

    places: dict[str, Any] = {
        "pdl": "triton.enable_pdl",
        "cooperative": "triton.cooperative_reductions",
        "combo": "combo_kernels",
        "multi": "triton.multi_kernel",
        "pointwise": "max_autotune_pointwise",
        "descent": "coordinate_descent_tuning",
        "gemm": "max_autotune_gemm",
    }
    assert set(ways.WAYS) == {"told", *places, *ways.eight_bit_ways.WAYS}
    for name, place in places.items():
        path, _, last = place.rpartition(".")
        holder = getattr(config, path) if path else config
        monkeypatch.setattr(holder, last, False)
        ways.WAYS[name]({})
        assert getattr(holder, last)
