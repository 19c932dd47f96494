"""The baseline of the bench: a frame as StreamDiffusion's published recipe makes it.

Built anew from its description (Kodaira et al. 2023), no code of it: a U-Net of the size of
SD-turbo (Stable Diffusion 2's), one step, batch 1, image to image; TAESD in and out; the prompt's
77 tokens embedded beforehand. Its weights are random: only the time is looked at.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from trainjourney.errors import BackendError
from trainjourney.inference.bundle import Bundle
from trainjourney.inference.graph import Port

try:
    import torch
    from diffusers import AutoencoderTiny, UNet2DConditionModel
    from torch import Tensor, nn

    from trainjourney.inference.device import DeviceGraph, Tensors, opening
    from trainjourney.model.full.count import count_frame
    from trainjourney.model.full.denoiser import Road
    from trainjourney.model.full.parts import TINY_DISPLAY, TINY_UNET
except ImportError as err:
    raise BackendError(f"the baseline needs torch ({err}); type: pip install '.[full]'") from err

TURBO: dict[str, Any] = {
    "sample_size": 64,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
BACKENDS = ("torch", "torch-compile")
TOKENS = 77
STEP = 499  # how far the frame is noised before it is repainted
KINDS = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}
MATRIX = 4096  # rows and columns of the matrices whose product is timed; a quarter on a processor
PRODUCTS = 16  # in a row, so that a GPU never waits for the next


class Baseline:
    """One frame after another through the recipe, on the machinery of the torch backend."""

    def __init__(self, bundle: Bundle, backend: str, precision: str) -> None:
        """Beside a full bundle on torch: as tiny, in its precision, compiled where that is.

        Elsewhere the ratio would be that of two backends. Raises BackendError.
        """
        facts, frame = bundle.manifest.full_facts, bundle.manifest.frame
        if not facts:
            raise BackendError(
                f"{bundle.folder}: is no full model, and the baseline is as large as one; "
                "leave --against out"
            )
        if backend not in BACKENDS:
            raise BackendError(
                f"the baseline runs on torch, this bundle on {backend}; "
                f"give --backend {' or '.join(BACKENDS)}"
            )
        tiny, device = bool(facts.get("tiny")), torch.device("cpu")
        if torch.cuda.is_available():
            device = torch.device("cuda")
        kind, compiled = KINDS[precision], backend == "torch-compile"
        with opening(bundle.folder):
            make = _recipe(tiny, kind, device, frame.width, frame.height)
            if compiled:
                make = torch.compile(make, dynamic=False)

            def begin(given: Tensors, made: Tensors) -> Callable[[], None]:
                def launch() -> None:
                    made["frame"].copy_(make(given["frame"]))

                return launch

            port = {"frame": Port("uint8", bundle.manifest.frame_shape)}
            self._graph = DeviceGraph(port, port, False, device, begin, port)
            rate = matrix_rate(device, kind)
        self._slot = np.zeros(bundle.manifest.frame_shape, np.uint8)
        counts = count_frame(frame.width, frame.height, tiny)
        macs = len(facts.get("steps", [0])) * counts["folded"].macs + counts["display"].macs
        self.facts: dict[str, Any] = {
            "shape": "streamdiffusion",
            "backend": backend,
            "precision": precision,
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "matrix_tmac_s": round(rate / 1e12, 3),
            "bundle_gmac": round(macs / 1e9, 3),
            "bundle_least_ms": round(1000.0 * macs / rate, 3),  # at the rate of matrices
        }

    def run(self, frames: int) -> dict[str, list[float]]:
        """The ms of each of the next frames, from a frame in memory to a frame in memory."""
        taken = []
        for _ in range(frames):
            since = time.perf_counter()
            made = self._graph.outputs["frame"].empty()
            self._graph.run({"frame": self._slot}, {"frame": made})
            np.copyto(self._slot, made)
            taken.append(1000.0 * (time.perf_counter() - since))
        return {"frame": taken}


def matrix_rate(device: torch.device, kind: torch.dtype) -> float:
    """Multiply-adds a second of large square matrices: the most that a network can hope for."""
    on_gpu = device.type == "cuda"
    size, count = (MATRIX, PRODUCTS) if on_gpu else (MATRIX // 4, 1)
    a, b, c = (torch.randn(size, size, dtype=kind, device=device) for _ in range(3))

    def work() -> None:
        for _ in range(count):
            torch.mm(a, b, out=c)

    work()
    best_s = min((_seconds_of_gpu if on_gpu else _seconds)(work) for _ in range(8))
    return float(count * size**3 / best_s)


def _seconds(work: Callable[[], None]) -> float:
    since = time.perf_counter()
    work()
    return time.perf_counter() - since


def _seconds_of_gpu(work: Callable[[], None]) -> float:
    """By the card's own clock: launching takes no part in it."""
    begun: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    ended: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    begun.record()
    work()
    ended.record()
    ended.synchronize()
    return float(begun.elapsed_time(ended)) / 1000.0


def _recipe(
    tiny: bool, kind: torch.dtype, device: torch.device, width: int, height: int
) -> Callable[[Tensor], Tensor]:
    """From one frame [H, W, 3] uint8 to the next."""
    unet: Any = UNet2DConditionModel(**(TINY_UNET if tiny else TURBO))
    display: Any = AutoencoderTiny(**(TINY_DISPLAY if tiny else {}))
    for part in (unet, display):
        nn.Module.to(part.eval().requires_grad_(False), device, kind)  # diffusers' own warns
        part.to(memory_format=torch.channels_last)
    size = unet.config.cross_attention_dim
    prompt = torch.zeros(1, TOKENS, size, dtype=kind, device=device)
    step, road = torch.tensor([STEP], device=device), Road()
    a, s = float(road.data[STEP]), float(road.noise[STEP])
    stray = torch.randn(1, 4, height // 8, width // 8, dtype=kind, device=device)

    def make(frame: Tensor) -> Tensor:
        x = (frame.permute(2, 0, 1)[None].to(kind) / 127.5) - 1.0
        noised = a * display.encode(x, return_dict=False)[0] + s * stray
        said = unet(noised, step, prompt, return_dict=False)[0]
        made = display.decode((noised - s * said) / a, return_dict=False)[0]
        levels: Tensor = (made[0].float() * 127.5 + 127.5).clamp(0.0, 255.0)
        return levels.permute(1, 2, 0).to(torch.uint8)

    return make
