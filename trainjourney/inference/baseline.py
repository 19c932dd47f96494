"""The baseline of the bench: a frame as StreamDiffusion's published recipe makes it.

Built anew from its description (Kodaira et al. 2023), no code of it: a U-Net of the size of
SD-turbo (Stable Diffusion 2's), one step, batch 1, image to image; TAESD in and out; the prompt's
77 tokens embedded beforehand. Its weights are random: only the time is looked at.
"""

import time
from typing import Any

import numpy as np

from trainjourney.errors import BackendError

try:
    import torch
    from diffusers import AutoencoderTiny, UNet2DConditionModel

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
TOKENS = 77
STEP = 499  # how far the frame is noised before it is repainted


class Baseline:
    """One frame after another through the recipe, on this machine's torch device."""

    def __init__(self, width: int, height: int, tiny: bool) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        kind = torch.float16 if self.device.type == "cuda" else torch.float32
        unet = UNet2DConditionModel(**(TINY_UNET if tiny else TURBO)).eval().requires_grad_(False)
        display = AutoencoderTiny(**(TINY_DISPLAY if tiny else {})).eval().requires_grad_(False)
        self._unet, self._display = unet.to(self.device, kind), display.to(self.device, kind)
        self._unet.to(memory_format=torch.channels_last)
        self._display.to(memory_format=torch.channels_last)
        size = unet.config.cross_attention_dim
        self._prompt = torch.zeros(1, TOKENS, size, dtype=kind, device=self.device)
        self._step = torch.tensor([STEP], device=self.device)
        road = Road()
        self._data, self._noise = float(road.data[STEP]), float(road.noise[STEP])
        self._frame = torch.zeros(height, width, 3, dtype=torch.uint8, device=self.device)
        self._stray = torch.randn(1, 4, height // 8, width // 8, dtype=kind, device=self.device)
        self._graph: Any = None
        if self.device.type == "cuda":
            for _ in range(3):
                self._make()
            torch.cuda.synchronize()
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._made = self._make()

    @torch.inference_mode()
    def _make(self) -> Any:
        kind = self._prompt.dtype
        x = (self._frame.permute(2, 0, 1)[None].to(kind) / 127.5) - 1.0
        latent = self._display.encode(x, return_dict=False)[0]
        noised = self._data * latent + self._noise * self._stray
        said = self._unet(noised, self._step, self._prompt, return_dict=False)[0]
        clean = (noised - self._noise * said) / self._data
        made = self._display.decode(clean, return_dict=False)[0]
        levels = (made[0].float() * 127.5 + 127.5).clamp(0.0, 255.0)
        return levels.permute(1, 2, 0).to(torch.uint8)

    @torch.inference_mode()
    def run(self, frames: int) -> list[float]:
        """The ms of each of the next frames, from a frame in memory to a frame in memory."""
        taken = []
        frame = np.zeros(tuple(self._frame.shape), np.uint8)
        for _ in range(frames):
            since = time.perf_counter()
            self._frame.copy_(torch.from_numpy(frame))
            if self._graph is None:
                made = self._make()
            else:
                self._graph.replay()
                made = self._made
            np.copyto(frame, made.cpu().numpy())
            taken.append(1000.0 * (time.perf_counter() - since))
        return taken
