"""Frames and stills as latents and embeddings: worked out once, kept by what they were made of."""

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...model.full.graphs import embed, encode
from ...model.full.parts import Parts
from ...types import Frame
from ..checkpoint import replacing

log = logging.getLogger(__name__)

CHUNK = 64  # frames encoded and written at a time
SEEN = 64  # numbers of a tensor that tell it from another: who trains it changes them all
Codes = tuple[NDArray[np.float16], NDArray[np.float16]]  # latents [n, 4, h, w], looks [n, D]


class Encoded:
    """A folder of codes. Those of other frames, or by other networks, are thrown away."""

    def __init__(
        self, folder: Path, parts: Parts, device: torch.device, show: Callable[[float, str], None]
    ) -> None:
        self.folder, self.parts, self.device, self.show = folder, parts, device, show
        self._made_by = _mark_of_parts(parts)

    def of(self, kind: str, made_of: str, frames: Sequence[Callable[[], Frame]]) -> Codes:
        """Codes of frames; chunks that are there are kept, if `made_of` marks the same frames.

        Raises TrainingError, and what reading a frame raises.
        """
        folder = self.folder / f"{kind}.{mark(self._made_by, made_of)}"
        for other in self.folder.glob(f"{kind}*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        latents, looks = [], []
        for start in range(0, len(frames), CHUNK):
            some = frames[start : start + CHUNK]
            paths = [folder / f"{name}{start:07d}.npy" for name in ("latent", "look")]
            if not _are_whole(paths, len(some)):
                codes = _encode([frame() for frame in some], self.parts, self.device)
                for path, array in zip(paths, codes, strict=True):
                    with replacing(path) as part, part.open("wb") as file:
                        np.save(file, array)
            latents.append(np.load(paths[0], mmap_mode="r"))
            looks.append(np.load(paths[1]))
            self.show((start + len(some)) / len(frames), "encoding frames")
        for network in (self.parts.codec, self.parts.vision):
            network.to("cpu")  # a GPU's room is for the training
        if not latents:
            return np.zeros((0, 4, 1, 1), np.float16), np.zeros((0, 1), np.float16)
        return np.concatenate(latents), np.concatenate(looks)


def _are_whole(paths: Sequence[Path], count: int) -> bool:
    """Whether the codes of a chunk are there, as many as they should be."""
    for path in paths:
        if not path.exists():
            return False
        try:
            if np.load(path, mmap_mode="r").shape[:1] == (count,):
                continue
        except (OSError, ValueError, EOFError):
            pass
        log.warning("%s: is damaged, and made anew", path)
        return False
    return True


def mark(*words: str) -> str:
    """A short name for what has these facts and no others."""
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def facts(paths: Sequence[Path]) -> Iterator[str]:
    """What tells files apart without reading them: name, size, time of writing."""
    for path in paths:
        told = path.stat()
        yield f"{path.name} {told.st_size} {told.st_mtime_ns}"


def _mark_of_parts(parts: Parts) -> str:
    """By some numbers of every tensor of what encodes."""
    digest = hashlib.sha256(str(parts.codec.config.scaling_factor).encode())
    for part in (parts.codec, parts.vision):
        for name, tensor in part.state_dict().items():
            some = tensor.flatten()[:: max(1, tensor.numel() // SEEN)].float().cpu()
            digest.update(name.encode() + some.numpy().tobytes())
    return digest.hexdigest()


@torch.no_grad()
def _encode(frames: list[Frame], parts: Parts, device: torch.device) -> Codes:
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
