"""The pocket taught a ride: planes from measured speeds, materials from colours, a bundle that
plays; and what is refused."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from filmed import Picture, sliding, write_film
from small_graphs import small_graphs, small_start
from small_tensors import rng
from torch.nn import functional as F

from trainjourney.errors import RideError, TrainingError
from trainjourney.inference import load_bundle, open_engine
from trainjourney.model.decoder import Composite, Decoder
from trainjourney.model.graphs import DECODED
from trainjourney.model.planes import (
    HEIGHT,
    MATERIALS,
    PLANES,
    ROWS,
    SINGLE,
    VIEW_H,
    VIEW_W,
    WIDTH,
)
from trainjourney.model.ring import CELL
from trainjourney.rides.dataset import Ride, open_ride
from trainjourney.rides.importer import import_rides
from trainjourney.scenery.worlds import WORLDS
from trainjourney.training.dataset import CELLS, open_shards, render_shard
from trainjourney.training.export import build_graphs, export_bundle, load_networks
from trainjourney.training.options import read_options
from trainjourney.training.presets import PRESETS
from trainjourney.training.ride_colours import (
    fit_palette,
)
from trainjourney.training.ride_country import lay_out, make_country
from trainjourney.training.ride_planes import (
    BANDS,
    WHOLE,
    bands_of,
    is_single,
    often_of,
    parallax_of,
)
from trainjourney.training.ride_pocket import train_on_ride
from trainjourney.training.single import to_single

MODULE = "trainjourney.training.ride_pocket"


def layered(frames: int) -> list[Picture]:
    """A ride whose lower half goes by at 6 px a frame, and whose upper half at 2."""
    far, near = sliding(3, frames, 2.0, (WIDTH, 128)), sliding(4, frames, 6.0, (WIDTH, 128))
    return [np.concatenate([a, b]) for a, b in zip(far, near, strict=True)]


def look_of(frame: Picture) -> np.ndarray:
    torch.manual_seed(int(frame.mean()))
    return np.asarray(F.normalize(torch.randn(64), dim=0).numpy(), np.float32)


def bring_in(folder: Path, film: list[Picture], shape: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    path = write_film(folder / "ride.mp4", film)
    import_rides([path], folder / "mine", shape, "test", look_of, lambda f, t: None, 1)
    return folder / "mine"


@pytest.fixture(scope="module")
def ride(tmp_path_factory: pytest.TempPathFactory) -> Ride:
    return open_ride(bring_in(tmp_path_factory.mktemp("ride"), layered(60)))


def test_parallax_is_what_was_measured(ride: Ride) -> None:
    parallax = parallax_of(ride)
    upper = [parallax[p] for p, (top, end) in enumerate(BANDS) if end <= 54 and end > top]
    lower = [parallax[p] for p, (top, end) in enumerate(BANDS) if top >= 78 and end > top]
    assert np.mean(lower) / np.mean(upper) == pytest.approx(3.0, rel=0.15)
    assert bool((np.diff([p for p in parallax if p > 0.01]) >= 0).all())
    assert parallax.sum() <= 4.2 + 1e-6


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Ride:
    film = sliding(5, 40, 6.0, (WIDTH, HEIGHT))
    return open_ride(bring_in(tmp_path_factory.mktemp("flat"), film))


def test_where_all_rows_go_by_alike_they_are_one_sheet(flat: Ride, ride: Ride) -> None:
    assert is_single(flat) and not is_single(ride)
    assert bands_of(flat) == WHOLE and WHOLE[-1] == (0, VIEW_H)
    assert SINGLE[-1].top == 0 and SINGLE[-1].tall == VIEW_H and len(SINGLE[-1].heights) == ROWS
    often = often_of(flat) / often_of(flat).sum()  # what is seen is what is learnt
    assert often[-1] > 0.8 and (often > 0.0).all()
    sheet = lay_out(flat, np.flatnonzero(flat.stretch == 0))
    assert sheet.pictures[-1].shape[0] == VIEW_H and sheet.at[-1, -1] > 100.0


def test_one_sheet_holds_the_whole_picture(flat: Ride, tmp_path: Path) -> None:
    make_country(flat, Decoder(8, 8, 1, SINGLE), tmp_path)
    place = next(tmp_path.glob("real*"))
    strips, paint = np.load(place / "strips.npy")[0], np.load(place / "paint.npy")
    assert not strips[:-1].any() and (np.abs(strips[-1].astype(int).sum(0) - 255) <= 4).all()
    frame, start = np.load(place / "frames.npy")[0, 0], int(np.load(place / "starts.npy")[0, 0, -1])
    seen = frame.reshape(ROWS, 4, VIEW_W, 2, 3).mean((1, 3)) / 255.0  # as the sheet keeps it
    masks = strips[-1, :, :, start : start + VIEW_W] / 255.0
    painted = np.einsum("mrc,mk->rck", masks, paint[-1])
    plain = np.abs(seen - seen.mean((0, 1))).mean()
    assert np.abs(painted - seen).mean() < 0.6 * plain


def test_a_pocket_of_one_sheet_begins_in_a_picture_and_rolls() -> None:
    graphs = small_graphs(SINGLE)
    start = small_start(graphs)
    start |= {"embedding": start["origin"], "speed": torch.tensor(0.0)}
    seen = []
    for cells in (0, 40):
        at = start | {"position": torch.full_like(start["position"], cells * CELL)}
        seen.append(graphs.decoder(*(at[name] for name in DECODED)).float())
    before, rolled = seen
    assert before.shape == (HEIGHT, WIDTH, 3)
    apart = float((before - rolled).abs().mean())
    moved = float((before[:, 80:400] - rolled[:, :320]).abs().mean())
    assert moved < 0.3 * apart, (moved, apart)


def test_rendered_country_is_seen_alike_in_the_planes_of_one_sheet(tmp_path: Path) -> None:
    render_shard(tmp_path / "scenery", "ride", 0, 1)
    to_single(tmp_path / "scenery" / "ride0000", tmp_path / "ride0000")
    views = []
    for planes, folder in ((PLANES, tmp_path / "scenery"), (SINGLE, tmp_path)):
        strips = torch.from_numpy(np.load(folder / "ride0000" / "strips.npy"))[..., :VIEW_W] / 255.0
        codes = torch.rand(len(PLANES), MATERIALS, 3, generator=rng(5))[None]
        views.append(Composite(planes)(strips, codes)[0])
    assert float((views[0] - views[1]).abs().mean()) < 0.01
    assert float((views[0] - views[1])[:, :, :60].abs().max()) < 1e-5, "above the nearest plane"
    to_single(tmp_path / "scenery" / "ride0000", tmp_path / "ride0000")  # as it is there


def test_country_laid_out_is_the_country_that_went_by(ride: Ride) -> None:
    frames = np.flatnonzero(ride.stretch == 0)
    sheet = lay_out(ride, frames)
    near = len(PLANES) - 1
    top, end = BANDS[near]
    middle = len(frames) // 2
    seen = ride.frame(int(frames[middle])).reshape(HEIGHT // 2, 2, VIEW_W, 2, 3).mean((1, 3)) / 255
    x = int(sheet.at[middle, near])
    laid = sheet.pictures[near][:, x : x + VIEW_W]
    assert np.abs(laid - seen[top:end]).mean() < 0.5 * np.abs(laid - seen[top:end].mean()).mean()
    assert sheet.at[-1, near] == pytest.approx(59 * 3.0, rel=0.1)  # cells of two px


def test_a_material_plays_one_part_in_the_whole_ride(
    flat: Ride, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one place holds can be painted with the colours of another."""
    monkeypatch.setattr("trainjourney.training.ride_country._places", lambda sheet: [0, 15, 30])
    make_country(flat, Decoder(8, 8, 1, planes=SINGLE), tmp_path / "country")
    shards = sorted((tmp_path / "country").glob("real*"))
    assert len(shards) == 3
    paint = np.stack([np.load(shard / "paint.npy")[-1] for shard in shards])
    strips = np.stack([np.load(shard / "strips.npy")[0, -1] for shard in shards]) / 255.0
    own = [np.einsum("mhw,mc->hwc", *pair) for pair in zip(strips, paint, strict=True)]
    turned = np.roll(paint, 1, 0)
    others = [np.einsum("mhw,mc->hwc", *pair) for pair in zip(strips, turned, strict=True)]
    apart = np.mean([np.abs(a - b).mean() for a, b in zip(own, others, strict=True)])
    assert 0.0 < apart < 0.05


def test_the_palette_learns_the_rides_colours_and_keeps_the_old(ride: Ride, tmp_path: Path) -> None:
    torch.manual_seed(2)
    decoder = Decoder(8, 8, 1)
    heard: list[tuple[float, str]] = []
    count = make_country(ride, decoder, tmp_path / "country", lambda *one: heard.append(one))
    shares = [share for share, _ in heard]
    assert shares == sorted(shares) and shares[0] == 0.0 and 0.5 < shares[-1] <= 1.0
    assert heard[0][1] == "0 places, 0.0 GB" and heard[-1][1].startswith(f"{count} places")
    assert count == len(list((tmp_path / "country").glob("real*"))) >= 1
    shards = open_shards(tmp_path / "country")
    assert shards.strips[0].shape[-1] == CELLS and int(shards.strips[0].max()) == 255
    kept = F.normalize(torch.randn(4, 64, generator=rng(3)), dim=1)
    with torch.no_grad():
        before = decoder.palette(8.0 * kept)
    first = fit_palette(decoder, tmp_path / "country", kept, steps=1)
    last = fit_palette(decoder, tmp_path / "country", kept, steps=60)
    with torch.no_grad():
        moved = float((decoder.palette(8.0 * kept) - before).abs().mean())
    assert last < 0.6 * first and moved < 0.1
    assert make_country(ride, decoder, tmp_path / "country") == count  # as it is there


@pytest.fixture(scope="module")
def taught(ride: Ride, pocket_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pocket with random weights, taught the ride and exported with one world's look."""
    folder = tmp_path_factory.mktemp("taught")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trainjourney.training.export.WORLDS", {"meadow": WORLDS["meadow"]})
        patch.setattr(f"{MODULE}.SCENERY", (("ride", 1),))
        train_on_ride(ride.folder, pocket_bundle, folder / "run", threads=1)
        export_bundle(folder / "run", folder / "mine")
    return folder


def test_a_taught_pocket_plays_with_the_rides_looks_and_parallax(taught: Path, ride: Ride) -> None:
    bundle = load_bundle(taught / "mine")
    names = [look.name for look in bundle.looks]
    assert names == ["ride1", "ride2", "ride3", "ride4", "meadow"]
    assert bundle.manifest.departure == 0, "it sets out in a picture of the ride"
    told = read_options(taught / "run")["parallax"]
    assert told == pytest.approx(parallax_of(ride).tolist(), abs=1e-4)
    graphs = build_graphs(load_networks(taught / "run"), told)
    for name in ("predictor", "decoder"):
        assert graphs[name].get_buffer("parallax").tolist() == pytest.approx(told, abs=1e-5)
    engine = open_engine(bundle, threads=1)
    state = engine.encode(ride.frame(0))
    noise = np.zeros(bundle.manifest.noise.shape, np.float32)
    for _ in range(30):  # until country is dreamt on the nearest plane
        state = {k: v.copy() for k, v in state.items()}
        state = engine.predict(state, noise, bundle.looks[0].embedding, 1.0, 0.1)
    assert int((state["position"] > 0).sum()) >= 1
    assert not state["event"].any() and not graphs["predictor"].comes_by
    assert engine.decode(state, bundle.looks[0].embedding, 1.0).shape == (HEIGHT, WIDTH, 3)


def test_what_cannot_be_taught_is_one_line(ride: Ride, pocket_bundle: Path, tmp_path: Path) -> None:
    small = bring_in(tmp_path, sliding(2, 40, 5.0), (256, 128))
    with pytest.raises(RideError, match=r"its frames are 256x128, the pocket's are 512x256"):
        train_on_ride(small, pocket_bundle, tmp_path / "run", threads=1)
    with pytest.raises(RideError, match="holds no imported ride"):
        train_on_ride(tmp_path / "nowhere", pocket_bundle, tmp_path / "other")
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="file: is a file, or lies in one; give --run another"):
        train_on_ride(ride.folder, pocket_bundle, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match=r"has no weights\.safetensors"):
        train_on_ride(small, tmp_path / "empty", tmp_path / "other")


def test_a_run_that_was_moved_goes_on_with_its_own_country(taught: Path, ride: Ride) -> None:
    run = shutil.copytree(taught / "run", taught / "moved", symlinks=True)
    found = sorted((run / "data").glob("real*"))
    assert found and all(place.resolve().is_relative_to(run.resolve()) for place in found)


def test_another_ride_of_the_same_name_is_refused(
    taught: Path, ride: Ride, pocket_bundle: Path, tmp_path: Path
) -> None:
    other = bring_in(tmp_path, layered(50))  # as after a new import into rides/mine
    assert open_ride(other).mark() != ride.mark() and other.name == ride.folder.name
    with pytest.raises(TrainingError, match=r"begun with another ride than .*; give another"):
        train_on_ride(other, pocket_bundle, taught / "run", threads=1)
    other = other.rename(tmp_path / "yours")
    with pytest.raises(TrainingError, match='started with ride = "mine", now it is "yours"'):
        train_on_ride(other, pocket_bundle, taught / "run", threads=1)


def test_another_preset_than_the_bundles_is_refused(
    ride: Ride, pocket_bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="of preset tiny; leave --preset out"):
        train_on_ride(ride.folder, pocket_bundle, tmp_path / "run", preset="xs")
    assert not (tmp_path / "run").exists()


def test_a_country_half_noted_down_is_made_anew(ride: Ride, tmp_path: Path) -> None:
    decoder = Decoder(8, 8, 1)
    count = make_country(ride, decoder, tmp_path / "country")
    (tmp_path / "country/done").write_text("")  # as a full disk leaves it
    assert make_country(ride, decoder, tmp_path / "country") == count


def test_a_stage_that_hardly_learnt_is_told(
    ride: Ride, pocket_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Of the tiny preset, which is for seeing that all works, nobody is told."""
    monkeypatch.setattr(f"{MODULE}.SCENERY", (("ride", 1),))
    steps = {"codec": 400, "decoder": 3, "dream": 99, "encoder": 100}

    def ran(stage: Any, *given: Any, **more: Any) -> Any:
        return SimpleNamespace(ended="done", step=steps[stage.name])

    monkeypatch.setattr(f"{MODULE}.run_stage", ran)
    for module in (MODULE, "trainjourney.training.pocket"):
        monkeypatch.setattr(f"{module}.find_preset", lambda _: PRESETS["tiny"])
    there = load_bundle(pocket_bundle)
    for preset, wanted in (("tiny", []), ("s", ["decoder", "dream"])):
        told = there.manifest.model_copy(update={"training": {"preset": preset}})
        bundle = SimpleNamespace(manifest=told, looks=there.looks)
        monkeypatch.setattr(f"{MODULE}.load_bundle", lambda _, bundle=bundle: bundle)
        train_on_ride(ride.folder, pocket_bundle, tmp_path / preset, threads=1)
        said = capsys.readouterr()
        lines = [line for line in (said.out + said.err).splitlines() if "knows little" in line]
        assert [line.split(":")[0] for line in lines] == wanted
