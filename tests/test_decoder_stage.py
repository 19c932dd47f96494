"""What teaches the decoder: mirrored country, pictures with lines, and a critic beside."""

from pathlib import Path

import numpy as np
import torch
from small_tensors import rng
from torch import nn
from torch.nn import functional as F

from trainjourney.model.decoder import RGB
from trainjourney.model.embedder import SIZE, Embedder
from trainjourney.model.network import TALL
from trainjourney.model.planes import DOWN, MATERIALS, PLANES, SIGNS
from trainjourney.scenery.signs import CODES
from trainjourney.training.dataset import CELLS, PICTURES, Shards
from trainjourney.training.decoder_stage import DecoderStage, _with_lines
from trainjourney.training.look_stage import small_pictures
from trainjourney.training.patch_critic import PatchCritic


def stage_of(shards: Shards, run: Path) -> DecoderStage:
    pictures = small_pictures(shards, run / "pictures.npy")
    return DecoderStage(shards, pictures, Embedder(), (8, 8, 1), 2)


def composited(stage: DecoderStage, masks: torch.Tensor) -> torch.Tensor:
    """Colours of a picture by pixels, [RGB, H, 2 * VIEW_W]."""
    codes = torch.rand(2, len(PLANES), MATERIALS, RGB, generator=rng(4))[:1]
    seen, _ = stage.decoder.composite(masks, codes.expand(2, -1, -1, -1))
    return torch.stack([seen[0], seen[1]], 3).flatten(2)


def test_mirrored_country_is_the_same_country_from_right_to_left(
    tiny_shards: Shards, tiny_run: Path
) -> None:
    stage = stage_of(tiny_shards, tiny_run)
    for part in (0.0, 0.25, 0.5, 0.75):
        start = torch.arange(len(PLANES)) * 7.0 + part
        masks, phase, grain = stage._view(1, start)
        turned, turned_phase, turned_grain = stage._view(1, start, mirrored=True)
        seen, wanted = composited(stage, turned), composited(stage, masks).flip(2)
        assert torch.allclose(seen, wanted, atol=1e-6)
        assert torch.allclose(turned_phase, torch.full((len(PLANES),), (1.0 - part) % 1.0))
        assert torch.equal(turned_grain[:, :2], grain[:, :2].flip(3))  # brush and value
        plain, mirrored = (
            torch.stack([g[:, 2::2], g[:, 3::2]], 4).flatten(3) for g in (grain, turned_grain)
        )  # the dots of an upper and a lower row of pixels
        assert torch.equal(mirrored, plain.flip(3))
        assert phase[0] == part


def test_a_nudged_mirrored_picture_moves_the_other_way(tiny_shards: Shards, tiny_run: Path) -> None:
    stage = stage_of(tiny_shards, tiny_run)
    signs = set()
    for seed in range(8):
        arguments, truth, nudges = stage.batch_of(rng(seed), 2)
        for j, nudge in enumerate(nudges):
            plain, nudged = (composited(stage, arguments["masks"][i]) for i in (j, j + len(truth)))
            back = nudged.roll(nudge, 2)
            inside = slice(4, -4)
            assert (back - plain)[..., inside].abs().mean() < 0.5 * (
                nudged - plain
            )[..., inside].abs().mean() + 1e-6  # fmt: skip
            signs.add(nudge > 0)
    assert signs == {False, True}


def test_pictures_with_lines_are_those_in_which_they_stand() -> None:
    n, track = len(PLANES), 6
    signs = np.zeros((3, n, SIGNS, TALL, CELLS // DOWN), np.int8)
    words = {kind: np.round(CODES[kind] * 127.0)[:, None, None] for kind in ("bridge", "tunnel")}
    for style, kind in ((0, "bridge"), (1, "bridge"), (2, "tunnel")):
        signs[style, track, : len(words[kind]), 8:, 60:90] = words[kind]
    starts = np.zeros((3, PICTURES, n), np.float32)
    starts[:, :, track] = (180.0, 330.0, 0.0)  # whole in the first, hardly in the others
    where = [(0, 0), (0, 1), (0, 2)]
    none = np.zeros(3, np.float32)
    shards = Shards([], [signs], [], [starts], none, none, none, where, np.zeros(3, bool))
    # and none of the first style: in whose colours its third picture is, nobody knows
    assert list(_with_lines(shards)) == [(1, 0)]


def told(p: nn.Parameter) -> bool:
    """Whether a gradient has reached it."""
    return p.grad is not None and bool(p.grad.any())


def test_each_of_the_critics_losses_teaches_one_side() -> None:
    torch.manual_seed(0)
    critic = PatchCritic()
    made = nn.Parameter(torch.rand(2, 3, 32, 64, generator=rng(1)))
    truth, look = torch.rand(2, 3, 32, 64, generator=rng(2)), torch.randn(2, SIZE, generator=rng(3))
    learns, passes, near = critic.losses(made, truth, look)
    learns.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    assert not told(made) and all(map(told, critic.parameters()))
    critic.zero_grad(set_to_none=True)
    (passes + near).backward()  # type: ignore[no-untyped-call]
    assert told(made)
    assert not any(map(told, critic.parameters()))
    assert all(p.requires_grad for p in critic.parameters())


def test_a_critic_learns_to_tell_soft_pictures_from_crisp_ones() -> None:
    torch.manual_seed(0)
    critic, look = PatchCritic(), torch.zeros(4, SIZE)
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-3)

    def pair(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        crisp = (torch.rand(4, 3, 64, 64, generator=rng(seed)) > 0.5).float()
        return F.avg_pool2d(crisp, 3, 1, 1), crisp

    for step in range(40):
        optimizer.zero_grad()
        learns, _, _ = critic.losses(*pair(step), look)
        learns.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    made, truth = pair(1000)
    with torch.no_grad():
        told = (critic(truth, look)[0] > critic(made, look)[0]).float().mean()
    assert np.isfinite(float(told)) and float(told) > 0.9
