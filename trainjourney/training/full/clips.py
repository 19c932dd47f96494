"""What the full model learns from: a ride's frames as latents, and stills, drawn by the batch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...errors import TrainingError
from ...model.full.parts import DOWN, Parts
from ...rides.dataset import Ride
from ...types import Frame
from .encoded import Encoded, facts, mark

OTHER_S = 10.0  # an embedding is taken from a moment so near at most
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
MOST_STILLS = 20_000
STILLS = 0.2  # of a batch, where there are stills: pictures without a past


@dataclass(frozen=True)
class Batch:
    """Examples of the next frame, all on one device."""

    target: Tensor  # [B, 4, h, w] latent of the next frame
    context: Tensor  # [B, 8, h, w] the two before it, older first
    mask: Tensor  # [B, 1, h, w] 1 where the context is told
    speed: Tensor  # [B] signed, x cruising
    embedding: Tensor  # [B, D] of another moment


class Clips:
    """A ride and stills, encoded once and kept beside the training; draws batches."""

    def __init__(
        self,
        ride: Ride,
        parts: Parts,
        cache: Path,
        device: torch.device,
        stills: Path | None = None,
        show: Callable[[float, str], None] = lambda fraction, text: None,
    ) -> None:
        """Raises TrainingError, RideError."""
        self.ride, self.device = ride, device
        self.next, paths = check_clips(ride, stills)
        self.cruising = float(np.median(np.abs(ride.speed[self.next[:, 2]])))
        kept = Encoded(cache, parts, device, show)
        frames = [partial(ride.frame, i) for i in range(len(ride))]
        self.latents, self.looks = kept.of("ride", ride.mark(), frames)
        pictures = [partial(_picture, path, ride.shape) for path in paths]
        self.still_latents, self.still_looks = kept.of(
            "stills", mark(str(ride.shape), *facts(paths)), pictures
        )

    @property
    def embedding_norm(self) -> float:
        """What the embeddings of this ride measure, in the middle."""
        return float(np.median(np.linalg.norm(self.looks.astype(np.float32), axis=1)))

    def draw(self, count: int, rng: torch.Generator) -> Batch:
        """A batch; its chance is all from `rng`, on the processor."""
        u = torch.rand(count, 4, generator=rng).numpy()
        pick = (u[:, 0] * len(self.next)).astype(int)
        still = (u[:, 1] < STILLS) & (len(self.still_latents) > 0)
        target, context, looks, speeds = [], [], [], []
        for k in range(count):
            if still[k]:
                i = int(u[k, 0] * len(self.still_latents))
                target.append(self.still_latents[i])
                context.append(np.zeros((2, *self.still_latents[i].shape), np.float16))
                looks.append(self.still_looks[i])
                speeds.append(0.0)
                continue
            older, last, now = self.next[pick[k]].tolist()
            seen = np.stack([self.latents[older], self.latents[last], self.latents[now]])
            turned = u[k, 2] < 0.5  # in the mirror the train runs the other way
            seen = seen[..., ::-1] if turned else seen
            context.append(seen[:2])
            target.append(seen[2])
            looks.append(self.looks[self._other(now, float(u[k, 3]))])
            way = float(self.ride.speed[now]) / max(self.cruising, 1e-6)
            side = self.ride.table["sources"][int(self.ride.source[now])]["view"] == "side"
            speeds.append(-way if turned and side else way)
        whole = torch.from_numpy(np.stack(context)).float().flatten(1, 2)
        mask = torch.from_numpy(~still).float()[:, None, None, None]
        mask = mask.expand(-1, 1, *whole.shape[2:])
        return Batch(
            torch.from_numpy(np.stack(target)).float().to(self.device),
            whole.to(self.device),
            mask.to(self.device),
            torch.tensor(speeds, dtype=torch.float32, device=self.device),
            torch.from_numpy(np.stack(looks)).float().to(self.device),
        )

    def _other(self, i: int, chance: float) -> int:
        """A frame of the same video at most OTHER_S away from frame `i`."""
        low, high = i, i
        same, time_s = self.ride.source, self.ride.time_s
        near = np.flatnonzero((same == same[i]) & (np.abs(time_s - time_s[i]) <= OTHER_S))
        if len(near):
            low, high = int(near[0]), int(near[-1])
        return min(high, low + int(chance * (high - low + 1)))


def check_clips(ride: Ride, stills: Path | None) -> tuple[NDArray[np.int64], list[Path]]:
    """Every three frames of a ride that follow each other, and the stills' pictures.

    Raises TrainingError where there are none.
    """
    width, height = ride.shape
    if width % (8 * DOWN) or height % (8 * DOWN):
        raise TrainingError(
            f"{ride.folder}: its frames are {width}x{height}; the full model wants multiples "
            "of 64: trainjourney ride import ... --shape 512x512"
        )
    following = _followers(ride)
    if not len(following):
        raise TrainingError(f"{ride.folder}: has no three frames in a row; give a longer ride")
    return following, _stills(stills) if stills else []


def _followers(ride: Ride) -> NDArray[np.int64]:
    """Every three frames of one stretch, a stride apart: [n, 3]."""
    strides = np.array([ride.stride(i) for i in range(len(ride))])
    now = np.arange(len(ride))
    older = now - 2 * strides
    fits = older >= 0
    fits[fits] = ride.stretch[older[fits]] == ride.stretch[now[fits]]
    return np.asarray(np.stack([older, now - strides, now], 1)[fits], np.int64)


def _stills(folder: Path) -> list[Path]:
    paths = [p for p in sorted(folder.rglob("*")) if p.suffix.lower() in PICTURES]
    if not paths:
        raise TrainingError(f"{folder}: holds no pictures ({', '.join(PICTURES)}); give others")
    return paths[:MOST_STILLS]


def _picture(path: Path, shape: tuple[int, int]) -> Frame:
    """A still, cropped about its middle to the shape."""
    try:
        with Image.open(path) as picture:
            whole = picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as err:
        raise TrainingError(f"{path}: is no picture ({err}); take it away") from err
    scale = max(shape[0] / whole.width, shape[1] / whole.height)
    size = (max(shape[0], round(whole.width * scale)), max(shape[1], round(whole.height * scale)))
    whole = whole.resize(size, Image.Resampling.LANCZOS)
    x, y = (size[0] - shape[0]) // 2, (size[1] - shape[1]) // 2
    return np.asarray(whole.crop((x, y, x + shape[0], y + shape[1])))
