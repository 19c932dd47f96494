"""What a train sets out in is dreamt once; what was kept and is not whole is dreamt anew."""

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from scripted import SIZE, ScriptedEngine, scripted_manifest

from trainjourney.journey.departed import Departed
from trainjourney.journey.world import DreamWorld
from trainjourney.types import Controls, Embedding

LOOK = np.full(SIZE, 0.5, np.float32)
MANIFEST = scripted_manifest(departure=40)


def set_out(
    folder: Path, seed: int = 1, look: Embedding = LOOK, mark: str = "a", fault: str = ""
) -> tuple[ScriptedEngine, DreamWorld]:
    """A world that has set out, and the engine that it asked."""
    engine = ScriptedEngine(lambda number: fault if number == 7 else "")
    kept = Departed(MANIFEST.state, mark, folder=folder)
    world = DreamWorld(engine, MANIFEST, seed, kept)
    world.reset(np.random.default_rng(3).integers(0, 256, MANIFEST.frame_shape, np.uint8))
    world.set_out(look)
    return engine, world


def test_what_was_dreamt_once_is_there_at_once_and_the_same(tmp_path: Path) -> None:
    dreamt, first = set_out(tmp_path)
    found, second = set_out(tmp_path)
    assert (dreamt.predicts, found.predicts) == (40, 0)
    for name, array in first.state.items():
        np.testing.assert_array_equal(second.state[name], array)
    for _ in range(50):
        controls = Controls(LOOK, 1.0, 0.2)
        np.testing.assert_array_equal(first.step(controls), second.step(controls))


def test_another_seed_look_or_engine_is_dreamt(tmp_path: Path) -> None:
    set_out(tmp_path)
    assert set_out(tmp_path, seed=2)[0].predicts == 40
    assert set_out(tmp_path, look=-LOOK)[0].predicts == 40
    assert set_out(tmp_path, mark="b")[0].predicts == 40
    assert len(list(tmp_path.iterdir())) == 4
    assert set_out(tmp_path, mark="b")[0].predicts == 0


@pytest.mark.parametrize("harm", ["cut", "bit", "longer", "empty", "folder", "pipe"])
def test_a_file_that_is_not_whole_is_dreamt_anew_and_mended(
    harm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    set_out(tmp_path)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    one = len(whole) // 3
    harmed = {
        "cut": whole[:-1],
        "bit": whole[:one] + bytes((whole[one] ^ 1,)) + whole[one + 1 :],
        "longer": whole + b"x",
        "empty": b"",
    }
    path.unlink()
    if harm == "folder":
        path.mkdir()
    elif harm == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(harmed[harm])
    assert set_out(tmp_path)[0].predicts == 40
    assert "is dreamt anew" in caplog.text
    assert set_out(tmp_path)[0].predicts == (40 if harm == "folder" else 0)


def test_a_disk_that_refuses_ends_no_show(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "file").write_text("in the way")
    assert set_out(tmp_path / "file")[0].predicts == 40
    assert "cannot be kept" in caplog.text


def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_out(tmp_path)
    (first,) = tmp_path.iterdir()
    monkeypatch.setattr("trainjourney.journey.departed.MOST_BYTES", 2.5 * first.stat().st_size)
    for seed in range(2, 9):
        set_out(tmp_path, seed=seed)
        assert set_out(tmp_path, seed=2)[0].predicts == 0  # what is of use stays
    assert len(list(tmp_path.iterdir())) == 3 and not first.exists()


def test_what_lies_beside_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "gone.state").symlink_to("/nowhere/x")
    (tmp_path / "a.folder").mkdir()
    set_out(tmp_path)
    assert set_out(tmp_path)[0].predicts == 0


def test_a_dream_with_steps_left_out_is_not_kept(tmp_path: Path) -> None:
    set_out(tmp_path, fault="nan")
    assert not list(tmp_path.iterdir())
