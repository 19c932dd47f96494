"""A bundle may hold the state that a show sets out in; what is wrong with it is one line."""

import io
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from trainjourney.errors import BundleError, TrainingError
from trainjourney.inference import Bundle, load_bundle
from trainjourney.inference.shipped_start import START, read_start
from trainjourney.inference.write import write_bundle
from trainjourney.journey.first_start import dream_start
from trainjourney.scenery.worlds import WORLDS
from trainjourney.settings import Config
from trainjourney.show.departure import depart, read_departure, set_out
from trainjourney.training.export import export_bundle
from trainjourney.training.options import remember_options
from trainjourney.types import State


@pytest.fixture(scope="module")
def shipped(pocket_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny bundle that was exported with its start."""
    out = tmp_path_factory.mktemp("shipped") / "tiny"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainjourney.training.export.WORLDS", {"meadow": WORLDS["meadow"]})
        patch.setattr("trainjourney.training.export.DEPARTURE", 30)
        export_bundle(pocket_run, out, dream_start)
    return out


def begun(bundle: Bundle, seed: int) -> tuple[State, bool]:
    """The state in which a show of that seed sets out, and whether it was kept."""
    config = Config.model_validate({"journey": {"seed": seed}, "engine": {"precision": "f32"}})
    departure = read_departure(config, bundle)
    world, board = depart(config, bundle, departure)
    plain, asked = world.engine.predict, []

    def counted(*given: Any, **named: Any) -> State:
        asked.append(0)
        return plain(*given, **named)

    world.engine.predict = counted  # type: ignore[method-assign]
    set_out(world, board, departure)
    return world.state, not asked


def test_a_first_show_sets_out_at_once_in_what_it_would_have_dreamt(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    bundle = load_bundle(shipped)
    start = read_start(bundle)
    assert start is not None and start.seed == 0
    np.testing.assert_array_equal(start.embedding, bundle.looks[0].embedding)
    state, at_once = begun(bundle, 0)
    assert at_once and not (tmp_path / "trainjourney/departed").exists()
    for name, array in start.state.items():
        np.testing.assert_array_equal(state[name], array)
    other, at_once = begun(bundle, 1)
    assert not at_once and not np.array_equal(other["ring"], state["ring"])
    assert (shipped / START).stat().st_size < 1 << 20


def test_without_the_file_it_dreams_the_same(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plain = altered(shipped, tmp_path / "plain", None)
    assert read_start(plain) is None
    state, at_once = begun(plain, 0)
    assert not at_once
    came = read_start(load_bundle(shipped))
    assert came is not None
    for name, array in came.state.items():
        apart = np.abs(state[name].astype(np.float64) - array.astype(np.float64))
        assert apart.max() <= (2e-3 if array.dtype.kind == "f" else 3), name


def altered(bundle: Path, folder: Path, start: bytes | None) -> Bundle:
    """A copy of the bundle that has another start, or none."""
    made = load_bundle(bundle)
    source = folder.with_name("source")
    shutil.copytree(bundle, source)
    for name in ("looks.npz", "bundle.toml", START):
        (source / name).unlink()
    if start is not None:
        (source / START).write_bytes(start)
    table = {k: v for k, v in made.manifest.model_dump().items() if k not in ("format", "files")}
    embeddings = np.stack([look.embedding for look in made.looks])
    write_bundle(folder, table, source, [look.name for look in made.looks], embeddings)
    return load_bundle(folder)


def packed(arrays: dict[str, NDArray[np.generic]]) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def swollen(data: bytes) -> bytes:
    """An archive that unpacks to more than may be."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as whole, zipfile.ZipFile(out, "w", 8) as copy:
        for name in whole.namelist():
            copy.writestr(name, bytes(65 << 20) if name == "seed.npy" else whole.read(name))
    return out.getvalue()


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("no zip", "cannot be read"),
        ("missing", "state.ring"),
        ("shape", r"state.ring is uint8\[1\]"),
        ("type", r"seed is float64\[\]"),
        ("nan", "embedding is not finite"),
        ("pickle", "not numbers or texts"),
        ("swollen", "seed is larger than 64 MB unpacked"),
    ],
)
def test_what_is_wrong_with_it_is_one_line(
    harm: str, told: str, shipped: Path, tmp_path: Path
) -> None:
    with np.load(shipped / START) as file:
        arrays = {name: file[name] for name in file.files}
    if harm == "missing":
        del arrays["state.ring"]
    elif harm == "shape":
        arrays["state.ring"] = np.zeros(1, np.uint8)
    elif harm == "type":
        arrays["seed"] = np.array(0.0)
    elif harm == "nan":
        arrays["embedding"] = np.full_like(arrays["embedding"], np.nan)
    elif harm == "pickle":
        arrays["seed"] = np.array(print, object)
    data = packed(arrays)
    data = {"no zip": b"no zip", "swollen": swollen(data)}.get(harm, data)
    bundle = altered(shipped, tmp_path / "harmed", data)
    with pytest.raises(BundleError, match=told) as caught:
        read_start(bundle)
    assert "\n" not in str(caught.value) and f"harmed/{START}: " in str(caught.value)


def test_a_ride_has_no_country_to_set_out_in(tmp_path: Path) -> None:
    remember_options(tmp_path, {"preset": "tiny", "ride": "mine"})
    with pytest.raises(TrainingError, match="leave --set-out out"):
        export_bundle(tmp_path, tmp_path / "out", dream_start)
    assert not (tmp_path / "out").exists()
