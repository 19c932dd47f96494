"""The eight-bit ways of scripts/try_kernels: their kernel says what torch does, and they their
model's words but for rounding."""

import copy
import sys
from pathlib import Path

import pytest
import torch
from small_tensors import predicted, rng
from torch._subclasses.fake_tensor import FakeTensorMode

pytest.importorskip("triton")  # it has wheels for Linux alone
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import attention_kernel  # type: ignore[import-not-found]
import eight_bit_kernels as kernels  # type: ignore[import-not-found]
import eight_bit_ways  # type: ignore[import-not-found]
from attention_kernel import Plan
from eight_bit_kernels import Tiles

from trainjourney.model.full.rebuild import skeleton


@pytest.mark.parametrize(
    ("h", "w", "c", "n", "side", "stride", "tiles"),
    [
        (8, 8, 64, 160, 3, 1, Tiles(64, 128, 32, 128, 2, 4, 4)),
        (6, 10, 96, 96, 3, 1, Tiles(64, 64, 32, 128, 3, 4, 4)),
        (8, 12, 64, 80, 3, 2, Tiles(64, 64, 0, 64, 2, 4, 4)),
        (5, 6, 64, 64, 2, 1, Tiles(64, 64, 0, 64, 2, 4, 4)),
        (9, 10, 160, 320, 1, 1, Tiles(64, 128, 32, 128, 1, 4, 4)),
    ],
)
def test_the_kernel_says_what_torch_does(
    h: int, w: int, c: int, n: int, side: int, stride: int, tiles: Tiles
) -> None:
    corners, border = (4 if side == 2 else 1), (0 if side == 1 else 2)
    x = torch.zeros(h + border, w + border, c)
    inner = x[1:-1, 1:-1] if border else x
    inner.copy_(torch.randn(h, w, c, generator=rng(1)))
    weight = torch.randn(corners, n, side * side * c, generator=rng(2)).to(kernels.EIGHT)
    scale = torch.rand(n, generator=rng(3)) + 0.1
    eight = x.to(kernels.EIGHT)
    wanted = kernels.plain(eight, weight, scale, stride)
    made = torch.full((tiles.parts, *wanted.shape), float("nan"))
    kernels.conv8_into(eight, weight, scale, made, stride, tiles)
    assert (made.sum(0) - wanted).norm() / wanted.norm() < 1e-5


@pytest.mark.parametrize("ways", [("fp8",), ("fp8t",), ("conv8",), ("fp8", "conv8")])
def test_a_model_in_eight_bits_says_nearly_the_same(ways: tuple[str, ...]) -> None:
    torch.manual_seed(1)
    modules = skeleton(True, (999,), 1.0)
    for module in modules.values():
        module.eval().requires_grad_(False)
    wanted = predicted(copy.deepcopy(modules), 8, 16)
    for way in ways:
        eight_bit_ways.WAYS[way](modules)
    said = predicted(modules, 8, 16)
    assert 1e-3 < (said - wanted).norm() / wanted.norm() < 0.1


@pytest.mark.parametrize(
    ("places", "size", "plan"),
    [(128, 40, Plan(64, 64, 4, 2)), (192, 80, Plan(128, 64, 8, 3)), (64, 160, Plan(64, 32, 4, 2))],
)
def test_attention_says_what_torch_does(places: int, size: int, plan: Plan) -> None:
    qkv = 2.0 * torch.randn(1, places, 3 * 4 * size, generator=rng(4))
    made = torch.full((places, 4 * size), float("nan"))
    attention_kernel.attend_into(qkv[0], 4, made, plan)
    wanted = attention_kernel.plain(qkv, 4)[0]
    assert (made - wanted).norm() / wanted.norm() < 1e-5


def test_a_model_with_our_attention_says_the_same() -> None:
    torch.manual_seed(1)
    modules = skeleton(True, (999,), 1.0)
    wanted = predicted(copy.deepcopy(modules), 8, 16)
    eight_bit_ways.WAYS["attend"](modules)
    said = predicted(modules, 8, 16)
    assert (said - wanted).norm() / wanted.norm() < 1e-5


def test_the_compiler_is_told_what_a_product_gives() -> None:
    with FakeTensorMode():
        x, weight = (torch.zeros(n, 64).to(kernels.EIGHT) for n in (32, 48))
        one, bias = torch.ones(()), torch.zeros(48, dtype=torch.float16)
        for more in (None, bias):
            said = torch.ops.trainjourney.product8(x, weight, one, one, more, torch.float16)
            assert said.shape == (32, 48) and said.dtype == torch.float16
