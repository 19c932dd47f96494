"""The full model's layers as a GPU runs them: the same numbers.

Triton's interpreter runs the kernels; on a GPU: TRITON_INTERPRET=0 python -m pytest ...
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderTiny
from diffusers.models.upsampling import Upsample2D
from small_tensors import predicted, rng
from torch import Tensor, nn
from torch.nn import functional as F

pytest.importorskip("triton")  # it has wheels for Linux alone

from trainjourney.inference.torch_backend import sped_up
from trainjourney.model.full.graphs import FullDecoder
from trainjourney.model.full.kernels import sum_parts
from trainjourney.model.full.quick_decoder import QuickDecoder
from trainjourney.model.full.quicken import Doubled, Joined, quicken
from trainjourney.model.full.rebuild import skeleton
from trainjourney.model.full.split_conv import MOST, PARTS, SplitConv

CUDA = os.environ["TRITON_INTERPRET"] == "0"  # conftest.py gives 1
DEVICE = torch.device("cuda" if CUDA else "cpu")
KIND = torch.float16 if CUDA else torch.float32
OFF = 2e-3 if CUDA else 1e-5  # of the size of what is right


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=rng(seed)).to(DEVICE, KIND)


def off(said: Tensor, wanted: Tensor) -> float:
    return float((said.float() - wanted.float()).norm() / wanted.float().norm())


@pytest.mark.parametrize("size", [(8, 16), (9, 14)])  # the second is not halved evenly
def test_a_quickened_predictor_says_the_same(size: tuple[int, int]) -> None:
    torch.manual_seed(1)
    modules = skeleton(True, (999,), 1.0)
    wanted = predicted(modules, *size)
    quicken(modules["predictor"])  # type: ignore[arg-type]
    parts = list(modules["predictor"].modules())
    counts = [sum(isinstance(one, kind) for one in parts) for kind in (Joined, Doubled, SplitConv)]
    assert counts == [4, 1, 16]
    said = predicted(modules, *size)
    assert off(said, wanted) < 1e-5 and wanted.std() > 0.1
    assert not torch.equal(said, wanted)  # so it was another way there


@pytest.mark.parametrize(("h", "w", "c", "n"), [(8, 8, 128, 192), (5, 8, 64, 96), (4, 4, 640, 64)])
def test_the_parts_of_a_convolution_sum_up_to_it(h: int, w: int, c: int, n: int) -> None:
    x, weight = noise(1, h, w, c), noise(n, 3, 3, c, seed=2) / 10
    made = torch.full((PARTS, h, w, n), float("nan"), device=DEVICE)
    sum_parts(x, weight, made)
    wanted = F.conv2d(x.permute(0, 3, 1, 2).float(), weight.permute(0, 3, 1, 2).float(), padding=1)
    assert off(made.sum(0), wanted[0].permute(1, 2, 0)) < OFF
    assert (made.flatten(1).abs().amax(1) > 0.0).sum() > 1  # by several, not by one of them


def test_our_kernels_are_compiled_for_cards_that_are_not_here(tmp_path: Path) -> None:
    """From Ampere on, each within the memory that a block may have there, and on matrix units."""
    most = {86: 99 << 10, 90: 227 << 10}
    here = Path(__file__).resolve().parent
    ended = subprocess.run(
        [sys.executable, here / "kernels_for_cards.py", *map(str, most)],
        env={**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)},
        cwd=here.parent, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [one["card"] for one in told] == [86] * 5 + [90] * 5
    for one in told:
        assert 0 < one["shared"] <= most[one["card"]] and one["code"] > 10_000
        assert one["wgmma.mma" if one["card"] == 90 else "mma.sync"] > 0


def test_a_convolution_is_split_where_the_picture_is_small() -> None:
    conv = nn.Conv2d(64, 96, 3, padding=1).to(DEVICE, KIND)
    conv.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    asked = []
    conv.register_forward_hook(lambda *_: asked.append(True))
    split, size = SplitConv(conv), int(MOST**0.5)
    with torch.inference_mode():
        for side, whole in ((size, 0), (size + 1, 1)):
            x = noise(1, 64, side, side)
            asked.clear()
            said = split(x)
            assert len(asked) == whole
            assert off(said, conv(x)) < OFF and said.dtype == KIND


def test_a_doubled_picture_that_shall_be_of_an_odd_size_is_made_as_before() -> None:
    up = Upsample2D(8, use_conv=True).to(DEVICE, KIND)
    doubled, x = Doubled(up), noise(1, 8, 3, 4)
    with torch.inference_mode():
        for size in (None, (6, 8), (5, 8)):
            said, wanted = doubled(x, size), up(x, size)
            assert said.shape == wanted.shape and off(said, wanted) < OFF


@pytest.mark.parametrize("wide", [32, 16, 8])
def test_a_quick_decoder_shows_the_same_frame(wide: int) -> None:
    torch.manual_seed(1)
    width = {"decoder_block_out_channels": (wide,) * 4, "num_decoder_blocks": (2, 1, 1, 1)}
    display: Any = AutoencoderTiny(**width).eval().requires_grad_(False)
    with torch.no_grad():
        display.decoder.layers[-1].weight *= 30.0  # black and white, and all between
        display.decoder.layers[-1].bias += 0.5
    nn.Module.to(display, DEVICE, KIND)
    latents = torch.randn(2, 4, 6, 9, generator=rng(3)).to(DEVICE) * 3.0
    with torch.inference_mode():
        wanted = FullDecoder(display)(latents).int()
        said = QuickDecoder(display)(latents)
    assert said.dtype == torch.uint8 and said.shape == wanted.shape == (48, 72, 3)
    assert (said.int() - wanted).abs().max() <= (2 if CUDA else 1)
    assert wanted.min() == 0 and wanted.max() == 255 and wanted.float().std() > 20


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")  # torch's own
def test_torch_compile_takes_our_kernels_where_they_fit() -> None:
    modules = skeleton(True, (999,), 1.0)
    assert isinstance(sped_up(modules["decoder"]), QuickDecoder)
    other = FullDecoder(AutoencoderTiny(decoder_block_out_channels=(24,) * 4))
    assert sped_up(other)._orig_mod is other
    said = sped_up(modules["predictor"])._orig_mod
    assert said is modules["predictor"]
    assert any(isinstance(one, Joined) for one in said.modules())


def test_a_decoder_of_another_shape_is_refused() -> None:
    display: Any = AutoencoderTiny(upsample_fn="nearest", upsampling_scaling_factor=4)
    with pytest.raises(ValueError, match="Upsample"):
        QuickDecoder(display)
    display = AutoencoderTiny(decoder_block_out_channels=(24,) * 4)
    with pytest.raises(ValueError, match=r"Conv2d.24, 24"):
        QuickDecoder(display)
