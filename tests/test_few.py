"""The dream network and its few steps: what each is taught by, and small ones by larger ones."""

from pathlib import Path

import torch
from small_tensors import rng

from trainjourney.model.codec import Codec
from trainjourney.model.embedder import Embedder
from trainjourney.model.network import CONTEXT, TILE
from trainjourney.model.planes import PLANES
from trainjourney.model.sampler import STEPS, euler
from trainjourney.training.checkpoint import load_weights
from trainjourney.training.dataset import Shards
from trainjourney.training.dream_stage import DreamStage, all_embeddings
from trainjourney.training.few_stage import FewStage
from trainjourney.training.look_stage import small_pictures
from trainjourney.training.pocket import stage_weights, train_pocket
from trainjourney.training.taught_stage import TaughtStage, open_teacher

POCKET = Path(__file__).resolve().parent.parent / "engines" / "pocket"


def test_the_dream_is_taught_on_country_and_its_look(tiny_shards: Shards, tiny_run: Path) -> None:
    codec, embedder = Codec(), Embedder().eval()
    load_weights(stage_weights(tiny_run, "codec"), {"codec": codec})
    embeddings = all_embeddings(small_pictures(tiny_shards, tiny_run / "pictures.npy"), embedder)
    assert embeddings.shape == (4, 4, 64)
    stage = DreamStage(tiny_shards, embeddings, codec, batch=6, width=8, blocks=1)
    tile, told, _ = stage.batch_of(rng(5), 160)  # the rarest plane is a twentieth
    context, mask, level, _, plane, embedding = told
    assert context.shape[3] == CONTEXT and tile.shape[3] == TILE
    assert bool(mask.all()) and not level.any()
    assert set(plane.tolist()) == set(range(len(PLANES)))
    assert torch.allclose(embedding.norm(dim=1), torch.ones(160), atol=1e-5)
    once, again, _ = stage.batch_of(rng(5), 160)
    assert torch.equal(tile, once)
    assert all(torch.equal(a, b) for a, b in zip(told, again, strict=True))
    losses = stage.losses(0, rng(6))
    losses["loss"].backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in codec.parameters()), "the codec is frozen"
    assert any(bool(p.grad.any()) for p in stage.network.parameters() if p.grad is not None)


def test_the_student_is_taught_to_arrive_where_the_guided_teacher_does(
    tiny_shards: Shards, tiny_run: Path
) -> None:
    codec, embedder = Codec(), Embedder().eval()
    load_weights(stage_weights(tiny_run, "codec"), {"codec": codec})
    embeddings = all_embeddings(small_pictures(tiny_shards, tiny_run / "pictures.npy"), embedder)
    stage = FewStage(DreamStage(tiny_shards, embeddings, codec, batch=4, width=8, blocks=1))
    with torch.no_grad():  # a fresh network's blocks say nothing yet, whatever the look
        for weight in (*stage.teacher.parameters(), *stage.network.parameters()):
            weight.add_(0.05 * torch.randn(weight.shape, generator=rng(8)))
    tile, told, _ = stage.dream.batch_of(rng(5), 4)
    time, stride = torch.full((4,), 0.25), torch.full((4,), 1.0 / STEPS)
    with torch.no_grad():
        goal = stage.arrive(tile, time, stride, told)
        again = FewStage(stage.dream, guidance=(1.0,) * len(PLANES))
        again.teacher = stage.teacher
        plain = again.arrive(tile, time, stride, told)
        half = 0.5 * stride
        middle = euler(tile, stage.teacher(tile, time, *told), time, half)
        end = euler(tile, stage.teacher(middle, time + half, *told), time, stride)
    assert torch.allclose(plain, end, atol=1e-5)
    assert not torch.equal(goal, plain)
    losses = stage.losses(0, rng(6))
    losses["loss"].backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in stage.teacher.parameters())
    assert any(bool(p.grad.any()) for p in stage.network.parameters() if p.grad is not None)


def test_a_small_network_is_taught_the_steps_of_a_larger_one(
    tiny_shards: Shards, tiny_run: Path
) -> None:
    codec, embedder = Codec(), Embedder().eval()
    load_weights(stage_weights(tiny_run, "codec"), {"codec": codec})
    embeddings = all_embeddings(small_pictures(tiny_shards, tiny_run / "pictures.npy"), embedder)
    teacher = open_teacher(POCKET)
    dream = DreamStage(tiny_shards, embeddings, codec, batch=4, width=8, blocks=1)
    stage = TaughtStage(dream, teacher)
    tile, told, _ = dream.batch_of(rng(5), 4)
    time, stride = torch.full((4,), 0.25), torch.full((4,), 1.0 / STEPS)
    with torch.no_grad():
        wanted = euler(tile, teacher(tile, time, *told), time, stride)
        assert torch.equal(stage.arrive(tile, time, stride, told), wanted)
    losses = []
    optimizer = torch.optim.Adam(stage.network.parameters(), lr=3e-3)
    for _ in range(40):
        loss = stage.losses(0, rng(6))["loss"]
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    assert all(p.grad is None for p in teacher.parameters())


def test_a_smaller_preset_sets_out_from_a_bundle_with_what_fits(
    tmp_path: Path, tiny_run: Path
) -> None:
    again = tmp_path / "run"
    (again / "data").mkdir(parents=True)
    for shard in (tiny_run / "data").iterdir():
        (again / "data" / shard.name).symlink_to(shard.resolve())
    train_pocket("tiny", again, only=("few",), warm=POCKET, teacher=POCKET)
    codec, whole = Codec(), Codec()
    load_weights(stage_weights(again, "codec"), {"codec": codec})
    load_weights(POCKET / "weights.safetensors", {"codec": whole})
    for name, value in codec.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name].float()), name
    assert (again / "few" / "done.json").exists() and not (again / "dream" / "done.json").exists()
