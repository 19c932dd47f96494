"""What teaches the codec's way back: tiles dreamt again from near their end, looks and signs."""

import pytest
import torch
from small_tensors import rng
from torch import Tensor, nn
from torch.nn import functional as F

from trainjourney.model.codec import LATENT, Codec, known
from trainjourney.model.denoiser import lead
from trainjourney.model.embedder import SIZE
from trainjourney.model.network import CONTEXT, DREAMT, TALL, TILE
from trainjourney.model.planes import DOWN, MATERIALS, PLANES, ROWS, SIGNS
from trainjourney.model.predictor import SEAM
from trainjourney.training import codec_stage
from trainjourney.training.codec_stage import CodecStage, fit_basis
from trainjourney.training.dataset import Shards, open_shards, render_shard


class Knows(nn.Module):
    """A dream network that knows which tiles it is to end at."""

    def __init__(self, tiles: Tensor) -> None:
        super().__init__()
        self.tiles = tiles

    def forward(self, tile: Tensor, time: Tensor, *told: Tensor) -> Tensor:
        signs = (1.0 - lead(time))[:, None].expand(-1, SIGNS)
        left = torch.cat([(1.0 - time)[:, None].expand(-1, LATENT), signs], 1)
        return (self.tiles - tile) / left.clamp(min=1e-6)[:, :, None, None]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    folder = tmp_path_factory.mktemp("country")
    render_shard(folder, "ride", 1, 1)
    render_shard(folder, "melt", 2, 1)
    return open_shards(folder)


@pytest.fixture
def stage(shards: Shards) -> CodecStage:
    embeddings = F.normalize(torch.randn(len(shards), 4, SIZE, generator=rng(1)), dim=2)
    nothing = Knows(torch.zeros(1, DREAMT, TALL, TILE))
    return CodecStage(shards, embeddings, fit_basis(shards, 8), nothing, batch=4)  # type: ignore[arg-type]


def test_what_is_dreamt_again_ends_where_the_network_leads(stage: CodecStage) -> None:
    wanted = torch.randn(3, DREAMT, TALL, TILE, generator=rng(2))
    before = torch.randn(wanted.shape, generator=rng(3))
    stage.network = Knows(wanted)  # type: ignore[assignment]
    told = (torch.zeros(3, LATENT, TALL, CONTEXT), torch.arange(3), torch.zeros(3, SIZE))
    ends = [stage.dream(rng(seed), before, *told) for seed in range(8)]
    for end in ends:  # wherever it was taken back to, only signs that were certain are as before
        assert torch.allclose(end[:, :LATENT], wanted[:, :LATENT], atol=1e-4)
    assert any(torch.allclose(end, wanted, atol=1e-4) for end in ends)


def test_a_tile_is_taught_beside_its_seam_with_its_signs(
    stage: CodecStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ROUGH", "UNSIGNED", "ANY_LOOK"):
        monkeypatch.setattr(codec_stage, name, 0.0)
    stage.dreams = 0.0
    latent, masks, (plane, look, signs) = stage.told(rng(4), 24)
    assert latent.shape == (24, LATENT, TALL, SEAM + TILE)
    assert masks.shape == (24, MATERIALS, ROWS, TILE * DOWN)
    assert torch.allclose(stage.codec.encode(masks, plane), latent[..., SEAM:], atol=1e-4)
    assert set(plane.tolist()) == set(range(len(PLANES)))
    assert torch.allclose(look.norm(dim=1), torch.ones(24), atol=1e-5)
    assert signs.shape == (24, SIGNS + 1, TALL, TILE) and bool((signs[:, -1] == 1.0).all())
    stands = signs[:, :SIGNS].abs().amax(1) > 0.5
    things = F.max_pool2d(masks[:, 2:].amax(1), DOWN)
    assert float(things[stands].mean()) > 2.0 * float(things[~stands].mean())

    for name in ("UNSIGNED", "ANY_LOOK"):
        monkeypatch.setattr(codec_stage, name, 1.1)
    stage.dreams = 1.1
    latent, _, (_, look, signs) = stage.told(rng(4), 24)
    assert not signs.any() and not look.any()
    assert not latent[..., SEAM:].any(), "it dreams of nothing"
    assert latent[..., :SEAM].any()


def test_every_network_is_taught_its_part(stage: CodecStage) -> None:
    losses = stage.losses(codec_stage.LISTENS, rng(5))
    assert {"cross", "error", "passes", "near", "learns"} < losses.keys()
    losses["loss"].backward()  # type: ignore[no-untyped-call]
    for network in stage.modules().values():
        assert any(bool(p.grad.any()) for p in network.parameters() if p.grad is not None)


def test_signs_and_look_say_what_the_latent_does_not() -> None:
    """Of one latent two things are drawn, by their signs alone; without them neither."""
    torch.manual_seed(0)
    codec, plane = Codec(8, 1, 1), torch.zeros(2, dtype=torch.long)
    latent, look = torch.zeros(2, LATENT, 4, 4), torch.zeros(2, SIZE)
    word = torch.randn(1, SIGNS, 4, 4, generator=rng(6))
    signs = known(torch.cat([word, -word]))
    with torch.no_grad():
        told = codec.decode(latent, plane, look, signs)
        assert torch.equal(told, codec.decode(latent, plane, look)), "a fresh one hears nothing"
    target = torch.tensor([4, 5])[:, None, None].expand(2, 16, 16)
    optimizer = torch.optim.Adam(codec.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(codec.logits(latent, plane, look, signs), target)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        made = codec.decode(latent, plane, look, signs)
        assert float(made[0, 4].mean()) > 0.9 and float(made[1, 5].mean()) > 0.9
        half = codec.decode(latent, plane, look, signs[..., 2:])
        assert not torch.allclose(half, made, atol=0.01), "signs of the last columns alone"
        untold = codec.decode(latent, plane, look)
        assert torch.equal(untold[0], untold[1])
