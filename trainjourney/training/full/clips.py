"""What the full model learns from: a ride's frames as latents, and stills, drawn by the batch."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from ...errors import TrainingError
from ...model.full.graphs import embed, encode
from ...model.full.parts import DOWN, Parts
from ...rides.dataset import Ride
from ...types import Frame
from ..checkpoint import replacing

CHUNK = 64  # frames encoded and written at a time
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
        width, height = ride.shape
        if width % (8 * DOWN) or height % (8 * DOWN):
            raise TrainingError(
                f"{ride.folder}: its frames are {width}x{height}; the full model wants multiples "
                "of 64: trainjourney ride import ... --shape 512x512"
            )
        self.ride, self.device = ride, device
        self.next = _followers(ride)
        if not len(self.next):
            raise TrainingError(f"{ride.folder}: has no three frames in a row; give a longer ride")
        self.cruising = float(np.median(np.abs(ride.speed[self.next[:, 2]])))
        frames = (ride.frame(i) for i in range(len(ride)))
        self.latents, self.looks = _encoded(frames, len(ride), parts, cache / "ride", device, show)
        paths = _stills(stills) if stills else []
        pictures = (_picture(path, ride.shape) for path in paths)
        self.still_latents, self.still_looks = _encoded(
            pictures, len(paths), parts, cache / "stills", device, show
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


def _followers(ride: Ride) -> NDArray[np.int64]:
    """Every three frames of one stretch, a stride apart: [n, 3]."""
    strides = np.array([ride.stride(i) for i in range(len(ride))])
    now = np.arange(len(ride))
    older = now - 2 * strides
    fits = older >= 0
    fits[fits] = ride.stretch[older[fits]] == ride.stretch[now[fits]]
    return np.asarray(np.stack([older, now - strides, now], 1)[fits], np.int64)


def _encoded(
    frames: Iterator[Frame],
    count: int,
    parts: Parts,
    folder: Path,
    device: torch.device,
    show: Callable[[float, str], None],
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    """Latents [n, 4, h, w] and embeddings [n, D] of frames; chunks that are there are kept."""
    latents, looks = [], []
    for start in range(0, count, CHUNK):
        some = min(CHUNK, count - start)
        paths = [folder / f"{kind}{start:07d}.npy" for kind in ("latent", "look")]
        if not all(path.exists() for path in paths):
            for path, array in zip(
                paths, _encode([next(frames) for _ in range(some)], parts, device), strict=True
            ):
                with replacing(path) as part, part.open("wb") as file:
                    np.save(file, array)
        else:
            for _ in range(some):
                next(frames)
        latents.append(np.load(paths[0], mmap_mode="r"))
        looks.append(np.load(paths[1]))
        show((start + some) / count, "encoding frames")
    if not latents:
        return np.zeros((0, 4, 1, 1), np.float16), np.zeros((0, 1), np.float16)
    return np.concatenate(latents), np.concatenate(looks)


@torch.no_grad()
def _encode(
    frames: list[Frame], parts: Parts, device: torch.device
) -> tuple[NDArray[np.float16], NDArray[np.float16]]:
    size = int(parts.vision.config.image_size)
    codec, vision = parts.codec.to(device), parts.vision.to(device)
    latents, looks = [], []
    for frame in frames:
        x = torch.from_numpy(np.array(frame)).permute(2, 0, 1)[None].float().to(device)
        small = torch.nn.functional.interpolate(
            x / 255.0, (size, size), mode="bicubic", antialias=True
        )
        latents.append(encode(codec, x / 127.5 - 1.0).half().cpu())
        looks.append(embed(vision, small.clamp(0.0, 1.0)).half().cpu())
    return torch.cat(latents).numpy(), torch.cat(looks).numpy()


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
