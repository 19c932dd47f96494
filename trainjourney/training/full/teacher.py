"""The teacher: many steps, learnt from true frames with a context that is noisy or absent."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from ...model.full.denoiser import LAST, STEPS, Road
from ...model.full.network import FullNetwork
from .clips import Batch, Clips

NOISY = 0.7  # most noise on the context
CLEAN_SHARE = 0.2  # of the batch has a context without noise
NO_CONTEXT, NO_LOOK = 0.08, 0.1  # of the batch: cold starts; any look
NO_COLUMNS = 0.1  # of the batch: some columns at one side are to be invented
RECOLOURED = 0.25  # of the batch: the context's colours are off, the target's are not


def roughened(batch: Batch, rng: torch.Generator) -> tuple[Batch, Tensor]:
    """A batch as it is taught: context noised, recoloured, masked, dropped; and the levels [B]."""
    count, device = len(batch.target), batch.target.device
    u = torch.rand(count, 6, generator=rng)
    level = torch.where(u[:, 0] < CLEAN_SHARE, torch.zeros(count), NOISY * u[:, 1]).to(device)
    off = 0.1 * torch.randn(count, 4, generator=rng).repeat(1, 2) * (u[:, 2:3] < RECOLOURED)
    context = batch.context + off[:, :, None, None].to(device)
    noise = torch.randn(context.shape, generator=rng).to(device)
    k = level[:, None, None, None]
    context = (1.0 - k) * context + k * noise
    mask = batch.mask * (u[:, 3] >= NO_CONTEXT).float()[:, None, None, None].to(device)
    width = mask.shape[3]
    cut = (u[:, 5] * 0.5 * width * (u[:, 4] < NO_COLUMNS)).long().to(device)
    columns = torch.arange(width, device=device)
    sides = (torch.arange(count, device=device) % 2 == 0)[:, None]
    place = torch.where(sides, columns[None], width - 1 - columns[None])
    mask = mask * (place >= cut[:, None]).float()[:, None, None, :]
    keep = (torch.rand(count, generator=rng) >= NO_LOOK).float()[:, None].to(device)
    return Batch(batch.target, context, mask, batch.speed, batch.embedding * keep), level


def teacher_loss(
    network: nn.Module, road: Road, batch: Batch, level: Tensor, rng: torch.Generator
) -> Tensor:
    """Min-SNR weighted squared error of v, at steps of which a fifth are the very last."""
    count, device = len(batch.target), batch.target.device
    step = (torch.rand(count, generator=rng) * STEPS).long()
    step = torch.where(torch.rand(count, generator=rng) < 0.2, torch.full_like(step, LAST), step)
    step = step.to(device)
    noise = torch.randn(batch.target.shape, generator=rng).to(device)
    noised = road.between(batch.target, noise, step)
    said = network(
        noised, step, batch.context, batch.mask, level, batch.speed, batch.embedding
    ).float()
    error = (said - road.velocity(batch.target, noise, step)).square().mean((1, 2, 3))
    weighted: Tensor = road.weight(step) * error
    return weighted.mean()


class TeacherStage:
    """Stage 1 of the full model."""

    name = "teacher"

    def __init__(
        self, network: FullNetwork, trained: nn.Module, clips: Clips, display: Any,
        batch: int, call: Any = None,
    ) -> None:  # fmt: skip
        """`trained` is what of the network is taught; `call` stands before it on many GPUs."""
        self.network, self.trained, self.clips, self.batch = network, trained, clips, batch
        self.display, self.call = display, call or network
        self.road = Road().to(clips.device)

    def modules(self) -> dict[str, nn.Module]:
        """What is taught."""
        return {"network": self.trained}

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One batch."""
        batch, level = roughened(self.clips.draw(self.batch, rng), rng)
        return {"loss": teacher_loss(self.call, self.road, batch, level, rng)}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """Three true frames and what the network as it is now makes of the third, in 8 steps."""
        draw_sheet(path, self.network, self.display, self.clips, self.road, (LAST, 874, 749, 624))


@torch.no_grad()
def draw_sheet(
    path: Path, network: nn.Module, display: Any, clips: Clips, road: Road,
    steps: tuple[int, ...],
) -> None:  # fmt: skip
    """Rows of: older, last, true next, predicted next."""
    rng = torch.Generator().manual_seed(3)
    batch = clips.draw(3, rng)
    made = few_steps(network, road, batch, steps, rng)
    size = batch.context.shape[1] // 2
    latents = [batch.context[:, :size], batch.context[:, size:], batch.target, made]
    display = display.to(clips.device)
    seen = [display.decode(x, return_dict=False)[0] for x in latents]
    sheet = torch.cat([torch.cat(list(x), 1) for x in seen], 2)  # [3, 3 H, 4 W]
    levels = (sheet.float() * 127.5 + 127.5).clamp(0, 255).byte().permute(1, 2, 0).cpu()
    Image.fromarray(levels.numpy()).save(path)


def few_steps(
    network: nn.Module, road: Road, batch: Batch, steps: tuple[int, ...], rng: torch.Generator,
    level: float = 0.02,
) -> Tensor:  # fmt: skip
    """The next latent by consistency sampling from noise (Song et al. 2023, algorithm 1)."""
    clean = torch.zeros_like(batch.target)
    told = torch.full((len(clean),), level, device=clean.device)
    for at in steps:
        step = torch.full((len(clean),), at, device=clean.device)
        noise = torch.randn(clean.shape, generator=rng).to(clean.device)
        x = road.between(clean, noise, step)
        said = network(x, step, batch.context, batch.mask, told, batch.speed, batch.embedding)
        clean = road.clean(x, said.float(), step)
    return clean
