"""What is made for a GPU, as far as it is held without one; docs/full.md says what ran there."""

import warnings
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from diffusers import UNet2DConditionModel
from small_tensors import rng
from tiny_bundle import write_tiny_bundle
from torch._inductor.runtime.cache_dir_utils import cache_dir as inductor_cache
from torch.utils.flop_counter import FlopCounterMode

from trainjourney.errors import BackendError
from trainjourney.inference import load_bundle
from trainjourney.inference.engine import choose_backend
from trainjourney.inference.plan import plan_path, read_plan, write_plan
from trainjourney.inference.torch_backend import Torch, keep_kernels
from trainjourney.model.full.count import count_frame
from trainjourney.model.full.folded import FoldedNetwork
from trainjourney.model.full.graphs import FullPredictor
from trainjourney.model.full.network import CHANNELS, FullNetwork
from trainjourney.model.full.parts import UNET

FACTS = {
    "gpu": "A card",
    "compute": "8.9",
    "tensorrt": "10.13",
    "graph": "ab",
    "options": "level 3",
}


def test_the_full_model_has_the_size_it_should() -> None:
    counts = count_frame(512, 512)
    assert counts["network"].parameters == pytest.approx(861e6, rel=0.01)
    assert counts["network"].macs == pytest.approx(399e9, rel=0.02)
    assert counts["folded"].macs < 0.98 * counts["network"].macs
    assert counts["folded"].parameters < counts["network"].parameters - 30e6
    assert counts["display"].macs == pytest.approx(70.6e9, rel=0.02)


def test_what_hangs_on_the_embedding_alone_is_no_work_of_a_frame() -> None:
    counts = count_frame(512, 512)
    widths = 2 * (320 + 640 + 1280) + 1280 + 3 * (1280 + 640 + 320)  # of the layers that attend
    assert counts["steering"].macs == 768 * widths == 9_584_640
    with torch.device("meta"), torch.no_grad():
        network = FullNetwork(UNet2DConditionModel(**UNET)).eval()
        predictor = FullPredictor(network, (999,))
        latents, noise = torch.zeros(2, 4, 64, 64), torch.zeros(3, 4, 64, 64)
        one, steering = torch.ones(()), torch.zeros(widths)
        with FlopCounterMode(display=False) as counter:
            predictor(latents, noise, steering, one, one)
    assert counter.get_total_flops() // 2 == counts["folded"].macs
    assert not any("vectors" in name for name, _ in predictor.named_parameters())


def test_the_network_stands_where_its_unet_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "linspace", partial(torch.linspace, device="cpu"))  # as if forgotten
    with torch.device("meta"):
        network = FullNetwork(UNet2DConditionModel(**{**UNET, "block_out_channels": (32,) * 4}))
    assert {one.device.type for one in (*network.parameters(), *network.buffers())} == {"meta"}


def test_a_block_of_full_size_is_exported_as_torch_runs_it(tmp_path: Path) -> None:
    torch.manual_seed(1)
    sizes = {**UNET, "block_out_channels": (640,), "sample_size": 32, "layers_per_block": 1}
    kinds = {"down_block_types": ("CrossAttnDownBlock2D",), "up_block_types": ("UpBlock2D",)}
    unet = UNet2DConditionModel(**sizes, **kinds).eval().requires_grad_(False)
    folded = FoldedNetwork(FullNetwork(unet).eval(), (999,)).requires_grad_(False)
    folded.network.unet.conv_in = torch.nn.Conv2d(CHANNELS, 640, 3, padding=1)
    block = folded.network.unet.down_blocks[0].attentions[0].eval()
    vector = torch.randn(1, 640, generator=rng(1))

    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = block

        def forward(self, x: torch.Tensor, look: torch.Tensor) -> torch.Tensor:
            folded.layers[0].vector = look[:, None]
            out: torch.Tensor = self.block(x, encoder_hidden_states=None, return_dict=False)[0]
            return out

    x = torch.randn(1, 640, 32, 32, generator=rng(2))
    module = Block().eval()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = module(x, vector)
        path = str(tmp_path / "block.onnx")
        torch.onnx.export(module, (x, vector), path, input_names=["x", "look"], dynamo=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    made = session.run(None, {"x": x.numpy(), "look": vector.numpy()})[0]
    assert np.abs(made - wanted.numpy()).max() < 2e-3


def test_a_plan_is_run_only_where_it_was_built_for(tmp_path: Path) -> None:
    bundle = load_bundle(write_tiny_bundle(tmp_path / "tiny"))
    with pytest.raises(BackendError, match="is not built yet; type: trainjourney build"):
        read_plan(bundle, "predictor.onnx", FACTS)
    path = plan_path(bundle, "predictor.onnx")
    write_plan(path, b"a plan", FACTS)
    assert read_plan(bundle, "predictor.onnx", FACTS) == b"a plan"
    for name in FACTS:
        with pytest.raises(BackendError, match=f"was built for {name}"):
            read_plan(bundle, "predictor.onnx", {**FACTS, name: "another"})
    path.write_bytes(b"a plan cut sho")
    with pytest.raises(BackendError, match="was built for bytes 6"):
        read_plan(bundle, "predictor.onnx", FACTS)
    path.with_suffix(".json").write_text("[]")
    with pytest.raises(BackendError, match="tells nothing"):
        read_plan(bundle, "predictor.onnx", FACTS)
    assert not list(path.parent.glob(".*"))
    load_bundle(bundle.folder)  # plans beside a bundle's files do not spoil it


def test_a_plan_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "plans").write_text("in the way")
    with pytest.raises(BackendError, match="cannot be written"):
        write_plan(tmp_path / "plans/predictor.plan", b"x", FACTS)
    assert [path.name for path in tmp_path.iterdir()] == ["plans"]


def test_what_a_gpu_lacks_is_said() -> None:
    assert choose_backend("tensorrt") == "tensorrt"
    with pytest.raises(BackendError, match=r"torch-compile is for a GPU.*engine\.backend=torch"):
        Torch("auto", 0, compiled=True)
    with pytest.raises(BackendError, match="onnxruntime-cuda"):
        choose_backend("cuda")
    from trainjourney.inference.onnxruntime_backend import OnnxRuntime

    with pytest.raises(BackendError, match=r"give --set engine\.backend=torch"):
        OnnxRuntime("auto", 0, "CUDAExecutionProvider")


def test_compiled_kernels_outlive_the_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "asked"))
    keep_kernels()
    assert Path(inductor_cache()) == tmp_path / "asked"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    keep_kernels()
    assert Path(inductor_cache()) == tmp_path / "trainjourney" / "inductor"
