"""The judge's eye in training: it learns to name worlds and things, and to tell a spoilt picture.

    python -m trainjourney.training.judge_stage runs/judge --minutes 6

renders its set, trains, and writes trainjourney/judging/eye.onnx with a note of how well it sees.
"""

import argparse
import datetime
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from .. import __version__
from ..inference.manifest import to_toml
from ..model.eye import COLUMNS, EYE_H, EYE_W, Eye, EyeGraph
from .checkpoint import replacing
from .judge_set import FAMILIES, SEEN, VIEWS, JudgeSet, open_set
from .progress import Bar
from .runner import run_stage
from .stage import Schedule

PARTS, KEPT = 20, 3  # parts of the set; the last ones are kept for validation
SPOILT = 0.25  # share of the pictures that are spoilt on purpose
BATCH_OUT = 8  # frames a call of eye.onnx
OUT = Path(__file__).resolve().parents[1] / "judging" / "eye.onnx"


def spoil(x: Tensor, way: int, rng: torch.Generator) -> Tensor:
    """Pictures [B, 3, h, w] blurred, torn to blocks, smeared, made noisy or washed out."""
    b, _, h, w = x.shape
    if way == 0:
        return F.interpolate(F.avg_pool2d(x, 8), (h, w), mode="bilinear")
    if way == 1:  # blocks of a row change places
        cells = x.unfold(3, 8, 8)
        order = torch.randperm(cells.shape[3], generator=rng)
        return cells[:, :, :, order].flatten(3)
    if way == 2:  # from some column on, nothing new comes in
        at = int(torch.randint(w // 8, w // 2, (), generator=rng))
        return torch.cat([x[..., :at], x[..., at : at + 1].expand(b, 3, h, w - at)], 3)
    if way == 3:
        return (x + 0.2 * torch.randn(x.shape, generator=rng)).clamp(0, 1)
    return x.mean((2, 3), keepdim=True) * 0.75 + x * 0.25


class JudgeStage:
    """Cross entropy for the world, for every kind in every column, and for spoilt or not."""

    name = "eye"

    def __init__(self, data: JudgeSet, batch: int = 48) -> None:
        self.eye = Eye(len(SEEN), len(FAMILIES))
        self.data, self.batch = data, batch
        self.kept = KEPT * VIEWS * len(FAMILIES)

    def modules(self) -> dict[str, nn.Module]:
        """The eye."""
        return {"eye": self.eye}

    def _read(self, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        rows = at.numpy()
        frames = torch.from_numpy(self.data.frames[rows]).permute(0, 3, 1, 2).float() / 255.0
        return (
            frames,
            torch.from_numpy(self.data.kinds[rows]).float(),
            torch.from_numpy(self.data.family[rows]),
        )

    def losses(self, index: int, rng: torch.Generator) -> dict[str, Tensor]:
        """One batch, mirrored and recoloured by chance, a part of it spoilt."""
        at = torch.randperm(len(self.data.frames) - self.kept, generator=rng)[: self.batch]
        x, kinds, family = self._read(at)
        if index % 2:
            x, kinds = x.flip(3), kinds.flip(2)
        b = len(x)
        gain = 1.0 + 0.06 * torch.randn(b, 3, 1, 1, generator=rng)
        x = (x * gain + 0.02 * torch.randn(b, 1, 1, 1, generator=rng)).clamp(0, 1)
        soft = (torch.rand(b, 1, 1, 1, generator=rng) < 0.3).float()
        x = x + soft * 0.7 * (F.avg_pool2d(x, 3, 1, 1) - x)
        n = int(SPOILT * b)
        way = index // 2 % 5
        x = torch.cat([spoil(x[:n], way, rng), x[n:]])
        bad = (torch.arange(b) < n).float()
        # nothing can be named in blocks and blurs; the other ways leave it open
        kinds[:n] = 0.0 if way in (0, 1) else -1.0
        _, told_kinds, told_family, told_bad = (out.float() for out in self.eye(x))
        asked = (kinds >= 0.0).float()
        each = F.binary_cross_entropy_with_logits(
            told_kinds, kinds.clamp(min=0.0), reduction="none"
        )
        things = (each * asked).sum() / asked.sum()
        world = F.cross_entropy(told_family[n:], family[n:])
        spoilt = F.binary_cross_entropy_with_logits(told_bad, bad)
        loss = 6.0 * things + 0.5 * world + 0.5 * spoilt
        return {"loss": loss, "things": things, "world": world, "spoilt": spoilt}

    def sample(self, path: Path, ema: dict[str, nn.Module]) -> None:
        """A few validation pictures."""
        Image.fromarray(np.concatenate(self.data.frames[-4:])).save(path)

    @torch.no_grad()
    def validate(self, eye: nn.Module) -> dict[str, float]:
        """How well it sees pictures of seeds that it never saw."""
        at = torch.arange(len(self.data.frames) - self.kept, len(self.data.frames))
        hits = right = found = true = world = spoilt = asked_of = 0.0
        for part in torch.split(at, 64):
            x, kinds, family = self._read(part)
            _, told, told_family, told_bad = eye(x)
            seen, asked = told > 0.0, kinds >= 0.0
            hits += float((seen & (kinds > 0)).sum())
            found += float((seen & asked).sum())
            true += float((kinds > 0).sum())
            right += float(((seen == (kinds > 0)) & asked).sum())
            asked_of += float(asked.sum())
            world += float((told_family.argmax(1) == family).sum())
            ways = torch.Generator().manual_seed(1)
            bad = torch.stack([eye(spoil(x, way, ways))[3] for way in range(5)])
            spoilt += float((bad > 0.0).float().mean(0).sum() + (told_bad < 0.0).sum()) / 2.0
        n = len(at)
        return {
            "pictures": n, "world": world / n, "spoilt": spoilt / n,
            "things_precision": hits / max(found, 1.0), "things_recall": hits / max(true, 1.0),
            "things_right": right / asked_of,
        }  # fmt: skip


def export_eye(eye: Eye, path: Path, note: dict[str, object]) -> None:
    """Write eye.onnx and, beside it, what its outputs mean and how it was trained."""
    frames = torch.zeros(BATCH_OUT, EYE_H, EYE_W, 3, dtype=torch.uint8)
    with replacing(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            EyeGraph(eye).eval(), (frames,), str(temporary), input_names=["frames"],
            output_names=["features", "kinds", "family", "spoilt"], opset_version=18, dynamo=False,
        )  # fmt: skip
    table = {"kinds": SEEN, "families": FAMILIES, "columns": COLUMNS, **note}
    with replacing(path.with_suffix(".toml")) as temporary:
        temporary.write_text(to_toml(table), encoding="utf-8")


def train_eye(run: Path, minutes: float, out: Path = OUT, threads: int = 1) -> dict[str, float]:
    """Render, train for so many minutes (resumed where it stood), validate, export."""
    stage = JudgeStage(open_set(run / "set", range(PARTS)))
    schedule = Schedule(steps=10**7, lr=2e-3, warmup=60, minutes=minutes, ema=0.99)
    result = run_stage(stage, schedule, run, progress=Bar(), threads=threads)
    eye = result.ema["eye"]
    assert isinstance(eye, Eye)
    sees = stage.validate(eye)
    note = {
        "training": {
            "minutes": result.elapsed_s / 60.0, "steps": result.step, "threads": threads,
            "pictures": len(stage.data.frames) - stage.kept, "version": __version__,
            "date": datetime.date.today().isoformat(),
        },
        "validation": sees,
    }  # fmt: skip
    export_eye(eye, out, note)
    return sees


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    train_eye(given.run, given.minutes, given.out)
