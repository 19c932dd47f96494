"""A disk that fills up in the middle: one line that says so, nothing half-written, and room made,
the same words go on."""

from pathlib import Path

import numpy as np
import pytest
from filmed import sliding, write_film
from small_disk import files_in, small_disk
from tiny_bundle import tiny_looks, tiny_table, write_parts

from trainjourney.errors import BackendError, BundleError, RideError, TrainingError
from trainjourney.inference import load_bundle
from trainjourney.inference.plan import write_plan
from trainjourney.inference.write import write_bundle
from trainjourney.rides.dataset import Ride
from trainjourney.rides.importer import import_rides
from trainjourney.training.full.train import train_full

SHAPE = (128, 64)
LOOK = np.ones(3, np.float32) / np.sqrt(3.0, dtype=np.float32)


def bring_in(film: Path, out: Path) -> Ride:
    return import_rides([film], out, SHAPE, "test", lambda _: LOOK, lambda f, t: None, 1)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "ride.mp4", sliding(2, 24, 8.0, SHAPE))


def test_an_import_goes_on_when_there_is_room_again(film: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 96 << 10) as grow:
        with pytest.raises(RideError, match=r"cannot be written \(.*\); free the disk") as told:
            bring_in(film, tmp_path / "disk/mine")
        assert "\n" not in str(told.value)
        left = files_in(tmp_path / "disk/mine")
        assert not [name for name in left if ".part" in name] and "ride.json" not in left
        grow()
        assert len(bring_in(film, tmp_path / "disk/mine")) == 24


def test_a_bundle_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_parts(tmp_path / "parts")
    given = (tiny_table(), tmp_path / "parts", *tiny_looks())
    with small_disk(tmp_path / "disk", 16 << 10) as grow:
        with pytest.raises(BundleError, match=r"tiny: cannot be written .* free the disk"):
            write_bundle(tmp_path / "disk/tiny", *given)
        assert files_in(tmp_path / "disk") == []
        with pytest.raises(BackendError, match=r"x\.plan: cannot be written .* free the disk"):
            write_plan(tmp_path / "disk/x.plan", bytes(32 << 10), {})
        assert files_in(tmp_path / "disk") == []
        grow()
        write_bundle(tmp_path / "disk/tiny", *given)
        assert load_bundle(tmp_path / "disk/tiny").manifest.name == "tiny"


def test_a_training_goes_on_when_there_is_room_again(film: Path, tmp_path: Path) -> None:
    bring_in(film, tmp_path / "ride")
    with small_disk(tmp_path / "disk", 40 << 10) as grow:
        run = tmp_path / "disk/run"
        with pytest.raises(TrainingError, match=r"cannot be written .*; see to space") as told:
            train_full(tmp_path / "ride", run, "tiny")
        assert "\n" not in str(told.value)
        assert not [name for name in files_in(run) if ".tmp" in name or ".part" in name]
        grow()
        train_full(tmp_path / "ride", run, "tiny")
        assert (run / "teacher/weights.safetensors").is_file()
