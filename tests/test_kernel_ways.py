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


def test_a_setting_of_the_compiler_is_set_where_it_is(
    ways: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch._inductor import config

    for name in ("max_autotune_pointwise", "coordinate_descent_tuning"):
        monkeypatch.setattr(config, name, False)
    monkeypatch.setattr(config.triton, "multi_kernel", 0)
    ways.WAYS["pointwise"]({})
    ways.WAYS["multi"]({})
    assert config.max_autotune_pointwise and not config.coordinate_descent_tuning
    assert config.triton.multi_kernel == 1
