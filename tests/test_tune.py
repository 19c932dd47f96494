"""The pocket's other way to few steps: the losses of the full model on a model that trains here."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_tensors import rng

from trainjourney.errors import TrainingError
from trainjourney.model.codec import LATENT, Codec
from trainjourney.model.embedder import Embedder
from trainjourney.model.network import DREAMT
from trainjourney.training import tune_stage
from trainjourney.training.checkpoint import load_weights
from trainjourney.training.dataset import Shards
from trainjourney.training.dream_stage import DreamStage, all_embeddings
from trainjourney.training.export import load_networks
from trainjourney.training.full import few_steps
from trainjourney.training.look_stage import small_pictures
from trainjourney.training.pocket import network_weights, stage_weights, train_pocket
from trainjourney.training.tune_stage import RolloutStage, TileRoad, TuneStage


def lively_dream(tiny_shards: Shards, tiny_run: Path) -> DreamStage:
    """A dream stage whose network's blocks already say something, with its codec."""
    codec, embedder = Codec(), Embedder().eval()
    load_weights(stage_weights(tiny_run, "codec"), {"codec": codec})
    embeddings = all_embeddings(small_pictures(tiny_shards, tiny_run / "pictures.npy"), embedder)
    dream = DreamStage(tiny_shards, embeddings, codec, batch=4, width=8, blocks=1)
    with torch.no_grad():
        for weight in dream.network.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=rng(8)))
    return dream


def test_the_road_of_a_tile_gives_both_its_ends_back() -> None:
    road, g = TileRoad(), rng(1)
    tile, noise = torch.randn(3, DREAMT, 4, 8, generator=g), torch.randn(3, DREAMT, 4, 8)
    for share in (1.0, 0.6, 0.2):
        at = road.place(torch.full((3,), share))
        x, v = road.between(tile, noise, at), road.velocity(tile, noise, at)
        assert torch.allclose(road.clean(x, v, at), tile, atol=1e-5)
        assert torch.allclose(road.stray(x, v, at), noise, atol=1e-5)
    assert torch.equal(road.between(tile, noise, road.place(torch.ones(3))), noise)
    assert torch.equal(road.between(tile, noise, road.place(torch.zeros(3))), tile)
    ahead = road.between(tile, noise, torch.full((3,), 0.5))[:, LATENT:]  # the signs
    assert torch.allclose(ahead, 0.25 * noise[:, LATENT:] + 0.75 * tile[:, LATENT:], atol=1e-6)


def test_the_pocket_is_tuned_by_the_losses_of_the_full_model(
    tiny_shards: Shards, tiny_run: Path
) -> None:
    for name in ("tuning_loss", "judged", "Critic"):
        assert vars(tune_stage)[name] is vars(few_steps)[name]
    dream = lively_dream(tiny_shards, tiny_run)
    stage = TuneStage(dream, dream.network)
    optimizer = torch.optim.Adam(stage.network.parameters(), 2e-3)
    losses = []
    for _ in range(60):
        loss = stage.losses(0, rng(6))["loss"]  # one batch, over and over
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert np.isfinite(losses).all()
    tens = np.reshape(losses, (6, 10)).mean(1)
    assert (np.diff(tens) < 0.0).all() and tens[-1] < 0.93 * tens[0], tens
    assert all(p.grad is None for p in stage.teacher.parameters())


def test_a_student_on_its_own_tiles_is_moved_by_its_critic(
    tiny_shards: Shards, tiny_run: Path
) -> None:
    dream = lively_dream(tiny_shards, tiny_run)
    stage = RolloutStage(dream, dream.network)
    kept = stage.modules()["fake"]
    before = {name: one.clone() for name, one in kept.state_dict().items()}
    same = stage.losses(0, rng(6))  # critic and teacher are alike but for the guidance
    same["loss"].backward()  # type: ignore[no-untyped-call]
    assert any(bool(p.grad.any()) for p in stage.network.parameters() if p.grad is not None)
    turn = stage.losses(1, rng(6))
    assert float(turn["loss"].detach()) == 0.0 and float(turn["fake"]) > 0.0
    after = kept.state_dict()
    assert any(not torch.equal(after[name], before[name]) for name in before), "it learns"
    assert all(p.grad is None for p in stage.teacher.parameters())


def test_the_pocket_goes_the_other_way_where_it_is_named(tmp_path: Path, tiny_run: Path) -> None:
    again = tmp_path / "run"
    shutil.copytree(tiny_run, again)
    train_pocket("tiny", again, only=("tune", "rollout"), threads=1)
    assert network_weights(again, "network") == stage_weights(again, "rollout")
    taught = [load_file(stage_weights(again, name)) for name in ("dream", "tune", "rollout")]
    for one, other in zip(taught, taught[1:], strict=False):
        assert any(not torch.equal(one[name], other[name]) for name in one)
    first = load_networks(again)["network"].state_dict()["plane.weight"]
    assert torch.equal(first, taught[2]["network.plane.weight"].float())
    trained_s = json.loads((again / "dream" / "done.json").read_text())["elapsed_s"]
    train_pocket("tiny", again, minutes=(trained_s + 1.0) / 60.0, only=("dream",))
    assert network_weights(again, "network") == stage_weights(again, "dream")
    with pytest.raises(TrainingError, match=r"dream, few, codec, encoder, tune, rollout"):
        train_pocket("tiny", again, only=("tuned",))
