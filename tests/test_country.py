"""Where a training draws its country: read from disk or held whole, it is the same."""

import csv
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from trainjourney.commands.training import train_any
from trainjourney.errors import TrainingError
from trainjourney.model.planes import PLANES
from trainjourney.side_by_side import share
from trainjourney.training import pocket
from trainjourney.training.country import Held, Mapped, open_country
from trainjourney.training.dataset import open_shards, render_shard
from trainjourney.training.presets import find_preset

HERE = torch.device("cpu")


def test_held_and_mapped_country_is_the_same(tmp_path: Path) -> None:
    for kind in ("ride", "melt"):
        render_shard(tmp_path, kind, 3, 2)
    shards = open_shards(tmp_path)
    mapped, held = open_country(shards, HERE), Held(shards, HERE)
    assert isinstance(mapped, Mapped)
    rng = torch.Generator().manual_seed(2)
    style = torch.randint(len(shards), (12,), generator=rng)
    plane = torch.randint(len(PLANES), (12,), generator=rng)
    at = torch.randint(100, (12,), generator=rng)
    for take in ("masks", "signs"):
        one, other = (getattr(country, take)(style, plane, at, 40) for country in (mapped, held))
        assert torch.equal(one, other) and one.dtype == other.dtype
        assert one.shape[0] == 12 and one.shape[3] == 40 and one.any()
    s, i = shards.where[int(style[5])]
    x = int(at[5])
    true = torch.from_numpy(shards.strips[s][i, int(plane[5]), :, :, x : x + 40].copy())
    assert torch.equal(held.masks(style, plane, at, 40)[5], true)


def test_a_crew_renders_what_one_renders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = replace(find_preset("tiny"), rides=2, melts=1, styles=1)
    alone = pocket._render(options, tmp_path / "alone")
    monkeypatch.setattr(pocket, "FEW_SHARDS", 0)
    crew = pocket._render(options, tmp_path / "crew")
    assert alone.where == crew.where and len(alone) == 3
    for one, other in zip(alone.strips, crew.strips, strict=True):
        assert (one == other).all()


def test_a_crew_that_cannot_write_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocket, "FEW_SHARDS", 0)
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(TrainingError, match="data"):
        pocket.train_pocket("tiny", tmp_path)


def die(*given: object) -> None:
    os._exit(9)


def test_a_crew_that_is_killed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pocket, "FEW_SHARDS", 0)
    monkeypatch.setattr(pocket, "core_count", lambda: 2)
    monkeypatch.setattr(pocket, "render_shard", die)
    with pytest.raises(TrainingError, match=r"one of 2 processes .* killed.* type the same again"):
        pocket.train_pocket("tiny", tmp_path)


def note_threads(folder: Path, name: str) -> None:
    (folder / name).write_text(os.environ["OPENBLAS_NUM_THREADS"] + os.environ["OMP_NUM_THREADS"])


def test_side_by_side_each_has_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    shown: list[float] = []
    share([(note_threads, (tmp_path, name)) for name in "abc"], 2, shown.append)
    assert [(tmp_path / name).read_text() for name in "abc"] == ["11"] * 3
    assert os.environ["OMP_NUM_THREADS"] == "7" and "OPENBLAS_NUM_THREADS" not in os.environ
    assert shown == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_more_country_is_rendered_and_remembered(tmp_path: Path) -> None:
    train = partial(pocket.train_pocket, "tiny", tmp_path, only=("look",), threads=1)
    train(country=2)
    assert len(open_shards(tmp_path / "data").strips) == 4
    with pytest.raises(TrainingError, match="started with melts = 2, now it is 1"):
        train()
    with pytest.raises(TrainingError, match="--country: only for a pocket on the scenery"):
        train_any(
            "pocket", None, tmp_path, tmp_path, None, "cpu", None, None, None, None, country=3
        )


def test_a_rate_is_the_schedules_times_so_much(tmp_path: Path) -> None:
    for name, rate in (("as it is", 1.0), ("gently", 0.25)):
        pocket.train_pocket("tiny", tmp_path / name, only=("look",), threads=1, rate=rate)
    learnt = []
    for name in ("as it is", "gently"):
        with (tmp_path / name / "look" / "losses.csv").open() as table:
            learnt.append([float(row["lr"]) for row in csv.DictReader(table)])
    assert learnt[0] and learnt[1] == pytest.approx([0.25 * lr for lr in learnt[0]], rel=1e-3)
    with pytest.raises(TrainingError, match="--rate: only for a pocket on the scenery"):
        train_any("full", None, tmp_path, tmp_path, None, "cpu", None, None, None, None, rate=0.5)
