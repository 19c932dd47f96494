"""Training: the tiny pocket is made from nothing, through a kill, out of shards that are whole."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_tensors import rng
from torch import Tensor
from torch.nn import functional as F

from trainjourney.errors import TrainingError
from trainjourney.model.decoder import CODE, Composite, pixels
from trainjourney.model.embedder import Embedder
from trainjourney.model.planes import MATERIALS, PLANES, ROWS, VIEW_W, pool_rows
from trainjourney.scenery.style import Style
from trainjourney.scenery.view import palette
from trainjourney.training.checkpoint import load_weights
from trainjourney.training.dataset import Shards, open_shards, render_shard, shard_name
from trainjourney.training.encoder_stage import visibility
from trainjourney.training.history import read_history
from trainjourney.training.look_stage import small_pictures, vary
from trainjourney.training.pocket import STAGES, network_weights, stage_weights, train_pocket
from trainjourney.training.presets import PRESETS, find_preset

TALL = next(p for p, plane in enumerate(PLANES) if plane.tall > ROWS)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def in_a_child(target: Any, *arguments: object) -> multiprocessing.process.BaseProcess:
    child = multiprocessing.get_context("spawn").Process(target=target, args=arguments)
    child.start()
    return child


def train_tiny(run: Path) -> None:
    train_pocket("tiny", run, threads=1)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A run killed once its second stage was done, and trained on; with the weights at the kill."""
    run = tmp_path_factory.mktemp("training") / "run"
    child = in_a_child(train_tiny, run)
    end_s = time.monotonic() + 90.0
    while not (run / "decoder" / "done.json").exists():
        assert child.is_alive() and time.monotonic() < end_s
        time.sleep(0.02)
    child.kill()
    child.join(30)
    assert child.exitcode == -signal.SIGKILL
    kept = {n: digest(stage_weights(run, n)) for n in STAGES if (run / n / "done.json").exists()}
    train_tiny(run)
    return run, kept


@pytest.fixture(scope="module")
def run(killed: tuple[Path, dict[str, str]]) -> Path:
    return killed[0]


@pytest.fixture(scope="module")
def shards(run: Path) -> Shards:
    return open_shards(run / "data")


# --- the whole --------------------------------------------------------------------------------


def test_a_killed_training_goes_on_to_the_end(killed: tuple[Path, dict[str, str]]) -> None:
    run, kept = killed
    assert {"look", "decoder"} <= kept.keys() < set(STAGES), "it should be killed in the midst"
    for name, before in kept.items():
        assert digest(stage_weights(run, name)) == before, f"{name} was trained again"
    for name in STAGES:
        done = json.loads((run / name / "done.json").read_text(encoding="utf-8"))
        steps = PRESETS["tiny"].schedules[name].steps
        assert (done["step"], done["skipped"]) == (steps, 0)
        history = read_history(run / name / "losses.csv")
        assert history["step"] == list(range(1, steps + 1))
        assert np.isfinite(history["loss"]).all()
        assert list((run / name / "samples").glob("*.png"))
    names = {path.name for path in (run / "data").iterdir()}
    assert names == {"ride0000", "melt0000"}
    embedder = Embedder()
    load_weights(stage_weights(run, "look"), {"embedder": embedder})
    torch.manual_seed(0)
    assert not torch.equal(embedder.out.weight, Embedder().out.weight)


def test_a_finished_training_is_left_alone(run: Path) -> None:
    before = {n: digest(stage_weights(run, n)) for n in STAGES}
    train_tiny(run)
    assert {n: digest(stage_weights(run, n)) for n in STAGES} == before


def test_a_run_of_another_preset_is_refused(run: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"preset tiny, not s; give --preset tiny, or another --run"
    ):
        train_pocket("s", run)
    with pytest.raises(TrainingError, match=r"started with .* give it .*, or another --run"):
        train_pocket("tiny", run, country=2)


def test_a_stage_without_what_it_stands_on_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "data", tmp_path / "run" / "data")
    with pytest.raises(TrainingError, match="look"):
        train_pocket("tiny", tmp_path / "run", only=("decoder",))


def test_an_unknown_preset_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no preset 'huge': choose one of tiny, xs, s, m"):
        train_pocket("huge", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_a_preset_knows_every_stage(name: str) -> None:
    preset = find_preset(name)
    assert list(preset.schedules) == list(STAGES) == list(preset.share)
    assert sum(preset.share.values()) == pytest.approx(1.0)


# --- shards -----------------------------------------------------------------------------------


def render_and_be_killed(root: Path) -> None:
    """Die while the third of a shard's four files is being written."""
    save = np.save

    def die(path: Path, array: NDArray[Any]) -> None:
        if path.name == "starts.npy":
            path.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        save(path, array)

    with mock.patch.object(np, "save", die):
        render_shard(root, "ride", 1, 1, cells=300)


def test_a_shard_is_whole_or_not_there(tmp_path: Path) -> None:
    child = in_a_child(render_and_be_killed, tmp_path)
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    (part,) = tmp_path.iterdir()
    assert part.name.endswith(".part") and (part / "strips.npy").exists()
    # the next process may happen to have the number of the killed one
    mine = part.with_name(f"{shard_name('ride', 1)}.{os.getpid()}.part")
    part.rename(mine)
    shutil.copytree(mine, tmp_path / "ride0009.1.part")
    render_shard(tmp_path, "ride", 1, 1, cells=300)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"ride0001", "ride0009.1.part"}
    opened = open_shards(tmp_path)
    assert len(opened) == 1 and opened.strips[0].shape == (1, 8, MATERIALS, ROWS, 300)

    before = digest(tmp_path / "ride0001" / "strips.npy")
    render_shard(tmp_path, "ride", 1, 3, cells=300)  # is there already
    assert len(open_shards(tmp_path)) == 1
    render_shard(tmp_path / "again", "ride", 1, 1, cells=300)
    assert digest(tmp_path / "again" / "ride0001" / "strips.npy") == before


def test_country_of_another_version_is_told_from_ours(tmp_path: Path) -> None:
    render_shard(tmp_path, "ride", 1, 1, cells=300)
    (tmp_path / "ride0001" / "suns.npy").unlink()
    with pytest.raises(TrainingError, match=r"ride0001: has no suns.npy.* type: rm -r .*, then"):
        open_shards(tmp_path)


def painted(shards: Shards, n: int, k: int, style: Style) -> tuple[Tensor, Tensor]:
    """Picture k of style n made anew from its strips, flat, and how far the land covers it."""
    s, i = shards.where[n]
    masks = []
    for p, start in enumerate(shards.starts[s][i, k].tolist()):
        x = int(start)
        cut = torch.from_numpy(np.array(shards.strips[s][i, p, :, :, x : x + VIEW_W + 1])) / 255.0
        masks.append(pixels(cut[..., :-1], cut[..., 1:], torch.tensor(start - x)).mean(0))
    codes = torch.zeros(1, len(PLANES), MATERIALS, CODE)
    codes[0, ..., :3] = torch.from_numpy(palette(style))
    codes[0, 1:, :, 3] = 1.0
    seen, _ = Composite()(torch.stack(masks)[None], codes)
    return seen[0, :3], seen[0, 3]


def test_pictures_show_the_strips_where_they_say(shards: Shards) -> None:
    """Every picture, made anew from strips, start and style, is the rendered one less its hand."""
    assert len(shards) == 4 and shards.melts.sum() == 2
    errors = []
    for n, (s, i) in enumerate(shards.where):
        for k in range(3):
            frame = torch.from_numpy(np.array(shards.frames[s][i, k])).permute(2, 0, 1) / 255.0
            small = F.avg_pool2d(frame, 2)
            apart = []
            for style in shards.styles:
                made, cover = painted(shards, n, k, Style(style))
                land = cover > 0.98
                assert land.float().mean() > 0.2
                apart.append(float((made - small).abs().mean(0)[land].mean()))
            earlier = k == 2 and i > 0 and not shards.melts[n]  # in the previous style's colours
            assert int(np.argmin(apart)) == (n - 1 if earlier else n), (n, k, apart)
            errors.append(min(apart))
    assert np.median(errors) < 0.02 and max(errors) < 0.12, errors


# --- what the stages are made of --------------------------------------------------------------


def test_small_pictures_are_kept_and_made_anew_for_other_shards(
    shards: Shards, tmp_path: Path
) -> None:
    cache = tmp_path / "pictures.npy"
    made = small_pictures(shards, cache)
    assert made.shape == (4, 2, 3, 64, 128) and made.dtype == torch.uint8
    assert torch.equal(small_pictures(shards, cache), made)
    s, i = shards.where[3]
    block = shards.frames[s][i, 1, 40:44, 80:84].astype(float).mean((0, 1))
    assert np.abs(made[3, 1, :, 10, 20].numpy() - block).max() <= 0.51
    np.save(cache, made[:2].numpy())
    assert torch.equal(small_pictures(shards, cache), made)
    assert [path.name for path in tmp_path.iterdir()] == ["pictures.npy"]


def test_variations_stay_pictures() -> None:
    pictures = torch.rand(32, 3, 64, 128, generator=rng(1))
    varied = vary(pictures, rng(2))
    assert varied.shape == pictures.shape
    assert float(varied.min()) >= 0.0 and float(varied.max()) <= 1.0
    assert torch.equal(varied, vary(pictures, rng(2)))
    assert not torch.equal(varied, vary(pictures, rng(3)))


@pytest.mark.parametrize("eighths", range(8))
def test_pixels_between_columns_are_what_lies_in_them(eighths: int) -> None:
    columns = torch.rand(3, 6, generator=rng(5))
    fine = columns.repeat_interleave(8, 1)[:, eighths : eighths + 40]  # eight samples a column
    halves = pixels(columns[:, :-1], columns[:, 1:], torch.tensor(eighths / 8.0))
    assert torch.allclose(halves, fine.view(3, 5, 2, 4).mean(3).permute(2, 0, 1), atol=1e-6)


def test_visibility_is_what_the_composite_leaves() -> None:
    blocks = 4.0 * torch.randn(2, len(PLANES), MATERIALS + 1, ROWS // 8, VIEW_W, generator=rng(4))
    masks = blocks.repeat_interleave(8, 3).softmax(2)[:, :, :MATERIALS]
    number = torch.eye(len(PLANES))[None, :, None]
    shares, _ = Composite(aslant=False)(
        masks, number.expand(2, len(PLANES), MATERIALS, len(PLANES))
    )
    seen = visibility(masks)
    for p, plane in enumerate(PLANES):
        share = torch.tensor(pool_rows(plane)) @ shares[:, p, plane.top : plane.top + plane.tall]
        apart = (masks[:, p].sum(1) * seen[:, p] - share).abs()
        if p > TALL:
            assert float(apart.max()) < 1e-5, plane.name
        else:  # the composite softens the edges of a tall plane's rows, visibility does not
            assert float((apart > 1e-5).float().mean()) < 0.3 and float(apart.mean()) < 0.02


def test_a_dream_that_goes_on_forgets_its_few_steps(tmp_path: Path, run: Path) -> None:
    again = tmp_path / "run"
    shutil.copytree(run, again)
    assert (again / "few" / "weights.safetensors").exists()
    assert network_weights(again, "network") == stage_weights(again, "few")
    trained_s = json.loads((again / "dream" / "done.json").read_text())["elapsed_s"]
    train_pocket("tiny", again, minutes=(trained_s + 1.0) / 60.0, only=("dream",))
    assert not (again / "few").exists()
    assert network_weights(again, "network") == stage_weights(again, "dream")
