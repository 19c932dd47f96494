"""Rides: films of known motion are measured right, faults dropped by name, bad files refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from filmed import (
    Picture,
    country,
    parting,
    sliding,
    turn_film,
    write_film,
    write_large,
    write_sound,
)
from PIL import Image, ImageFilter

from trainjourney.errors import RideError
from trainjourney.rides.dataset import Ride, open_ride
from trainjourney.rides.flow import shifts
from trainjourney.rides.importer import import_rides, run_jobs
from trainjourney.rides.measure import load, measure_segment
from trainjourney.rides.report import scale_of
from trainjourney.rides.video import look_at, read
from trainjourney.side_by_side import Job
from trainjourney.types import Embedding, Frame


def mean_colour(frame: Frame) -> Embedding:
    colour = frame.mean((0, 1)) + 1.0
    return np.asarray(colour / np.linalg.norm(colour), np.float32)


def bring_in(videos: list[Path], out: Path, shape: tuple[int, int] = (256, 128)) -> Ride:
    return import_rides(videos, out, shape, "test", mean_colour, lambda f, text: None, workers=1)


def test_a_known_shift_is_found_to_a_tenth_of_a_px() -> None:
    fine = np.asarray(Image.fromarray(country(1, 1024, 512)).convert("L"), np.float32)

    def small(px: float) -> np.ndarray:
        rolled = np.roll(fine, round(4 * px), 1)
        return np.asarray(Image.fromarray(rolled).resize((256, 128), Image.Resampling.BOX))

    for px in (0.0, 0.5, -1.0, 7.75, -30.0):
        found, sure = shifts(small(0.0)[None], small(px)[None])
        assert abs(float(found[0, 1]) - px) < 0.1
        assert abs(float(found[0, 0])) < 0.1
        assert float(sure[0]) > 8.0


@pytest.mark.parametrize(("px", "stride"), [(3.0, 5), (-7.0, 2), (15.0, 1)])
def test_speed_is_signed_and_the_stride_follows_it(tmp_path: Path, px: float, stride: int) -> None:
    film = write_film(tmp_path / "ride.mp4", sliding(2, 40, px))
    ride = bring_in([film], tmp_path / "mine")
    source = ride.table["sources"][0]
    assert (source["view"], source["stride"], source["every"]) == ("side", stride, 1)
    assert 8.0 <= source["mid_px"] <= 24.0
    assert np.median(ride.speed) == pytest.approx(px * stride, rel=0.04)
    travelled = ride.position[-1] - ride.position[0]
    assert travelled == pytest.approx(px * (len(ride) - 1), rel=0.05)
    assert source["profile"] == pytest.approx([1.0] * 8, abs=0.1)
    assert ride.frame(3).shape == (128, 256, 3)
    assert ride.embedding.shape == (len(ride), 3)
    with Image.open(tmp_path / "mine/report.png") as report:
        assert report.width == 1240


def test_a_stray_speed_does_not_press_the_plot_flat() -> None:
    usual = np.full(100, -4.0)
    assert scale_of(usual) == 4.0
    usual[7] = 90.0
    assert scale_of(usual) == 8.0
    usual[7] = 5.0
    assert scale_of(usual) == 5.0
    assert 0.0 < scale_of(np.zeros(3)) < 1e-3


def test_a_cab_view_is_told_apart(tmp_path: Path) -> None:
    film = write_film(tmp_path / "cab.mp4", parting(3, 30, 0.02))
    ride = bring_in([film], tmp_path / "mine")
    assert ride.table["sources"][0]["view"] == "cab"
    assert float(np.median(ride.speed)) > 0.0
    back = write_film(tmp_path / "back.mp4", reversed(list(parting(3, 30, 0.02))))
    again = bring_in([back], tmp_path / "back")
    assert again.table["sources"][0]["view"] == "cab"
    assert float(np.median(again.speed)) < 0.0


def test_country_that_parts_fast_behind_a_windscreens_pillar_is_not_taken_for_slow(
    tmp_path: Path,
) -> None:
    pillar = np.s_[:, 116:140]
    seen = [picture.copy() for picture in parting(3, 12, 0.03)]
    for picture in seen:
        picture[pillar] = country(9, 256, 128)[pillar]
    film = write_film(tmp_path / "cab.mp4", seen)
    found = load([measure_segment(film, -1e9, 1e9, tmp_path / "measures.npz")])
    right, left = found.tiles[1:, 1:3, 2:, 1].mean((1, 2)), found.tiles[1:, 1:3, :2, 1].mean((1, 2))
    assert (right - left) / 2 == pytest.approx(64 * 0.03, rel=0.1)  # tiles are 64 px off


def test_what_is_of_no_use_is_dropped_and_named(tmp_path: Path) -> None:
    moving = sliding(4, 50, 5.0)
    later = sliding(5, 33, 5.0)
    double = [frame for frame in later[:30] for _ in range(2)]
    stopped = [moving[-1]] * 40
    soft: list[Picture] = [
        np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(6)))
        for frame in later[30:]
    ]
    film = write_film(tmp_path / "a.mp4", [*moving, *stopped, *double, *soft, *sliding(6, 30, 5.0)])
    ride = bring_in([film], tmp_path / "mine")
    counts = ride.table["sources"][0]["frames"]
    assert counts["standstill"] == pytest.approx(40, abs=2)
    assert counts["duplicate"] == pytest.approx(30, abs=2)
    assert counts["cut"] >= 1
    assert counts["blur"] == pytest.approx(3, abs=1)
    assert counts["kept"] == pytest.approx(107, abs=6)
    assert sum(counts.values()) == 50 + 40 + 60 + 3 + 30
    for number in np.unique(ride.stretch):  # no pair of a stretch lies across a break
        steps = np.diff(ride.position[ride.stretch == number])
        assert np.median(steps) == pytest.approx(5.0, rel=0.1)


def test_a_cut_every_second_leaves_stretches_of_a_second(tmp_path: Path) -> None:
    scenes = [picture for seed in range(3) for picture in sliding(20 + seed, 25, 5.0)]
    ride = bring_in([write_film(tmp_path / "cuts.mp4", scenes)], tmp_path / "mine")
    assert ride.table["sources"][0]["frames"]["cut"] == 2
    assert len(set(ride.stretch.tolist())) == 3
    for number in set(ride.stretch.tolist()):
        scene = set((ride.number[ride.stretch == number] // 25).tolist())
        assert len(scene) == 1  # no stretch lies across a cut


def test_an_uneven_rate_and_two_films_in_one_ride(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    uneven = np.cumsum(rng.uniform(0.01, 0.09, 40))
    first = write_film(tmp_path / "a.mp4", sliding(7, 40, 4.0), uneven)
    second = write_film(tmp_path / "b.mkv", sliding(8, 40, -4.0))
    ride = bring_in([first, second], tmp_path / "mine")
    assert [source["frames"]["kept"] for source in ride.table["sources"]] == [40, 40]
    assert np.sign([np.median(ride.speed[ride.source == i]) for i in (0, 1)]).tolist() == [1, -1]
    assert set(ride.stretch[ride.source == 0]).isdisjoint(ride.stretch[ride.source == 1])


def test_a_phones_turned_film_is_set_upright(tmp_path: Path) -> None:
    upright = sliding(9, 30, 5.0, (128, 256))
    lying = [np.rot90(frame) for frame in upright]  # as the sensor saw it
    film = turn_film(write_film(tmp_path / "portrait.mp4", lying))
    found = look_at(film)
    assert (found.width, found.height) == (128, 256)
    shown = next(frame for _, frame in read(film, 128, 256))
    assert np.abs(shown.astype(int) - upright[0]).mean() < 12.0  # of 64 between strangers
    ride = bring_in([film], tmp_path / "mine", (128, 64))
    assert np.median(ride.speed) > 0.0


def test_8k_is_read_and_more_is_refused(tmp_path: Path) -> None:
    film = write_large(tmp_path / "8k.mkv", 7680, 4320)
    found = look_at(film)
    assert (found.width, found.height) == (7680, 4320)
    ((_, seen),) = read(film, 256, 128)
    assert seen.shape == (128, 256, 3)
    assert seen[:, :120].mean() == pytest.approx(128, abs=3)
    assert seen[:, 136:].mean() == pytest.approx(200, abs=3)
    with pytest.raises(RideError, match=r"9600x32, 8192 at most; make it smaller: ffmpeg"):
        look_at(write_large(tmp_path / "wide.mkv", 9600, 32))


def test_a_film_broken_in_the_middle_is_used_as_far_as_it_goes(tmp_path: Path) -> None:
    film = write_film(tmp_path / "ride.mp4", sliding(10, 60, 5.0))
    data = bytearray(film.read_bytes())
    third = len(data) // 3
    data[third : third + 4000] = np.random.default_rng(0).bytes(4000)
    film.write_bytes(bytes(data))
    ride = bring_in([film], tmp_path / "mine")
    assert 15 <= len(ride) < 60
    assert np.median(ride.speed / ride.stride(0)) == pytest.approx(5.0, rel=0.1)


def test_an_import_goes_on_and_is_not_mixed_with_another(tmp_path: Path) -> None:
    film = write_film(tmp_path / "ride.mp4", sliding(11, 30, 5.0))
    first = bring_in([film], tmp_path / "mine")
    work = sorted((tmp_path / "mine/work").iterdir())
    before = [path.stat().st_mtime_ns for path in work if path.suffix in (".npz", ".cut")]
    (tmp_path / "mine/ride.json").unlink()
    second = bring_in([film], tmp_path / "mine")
    after = [path.stat().st_mtime_ns for path in work if path.suffix in (".npz", ".cut")]
    assert before == after
    assert np.array_equal(first.position, second.position)
    measured = next((tmp_path / "mine/work").glob("*.npz"))
    whole = measured.read_bytes()
    measured.write_bytes(whole[: len(whole) // 2])  # as a power cut leaves it
    assert np.array_equal(bring_in([film], tmp_path / "mine").position, first.position)
    assert len(measured.read_bytes()) == len(whole)
    with pytest.raises(RideError, match="other videos or another shape; give a new --out"):
        bring_in([film], tmp_path / "mine", (128, 64))


def test_a_refused_film_is_in_no_others_way(tmp_path: Path) -> None:
    good = write_film(tmp_path / "ride.mp4", sliding(14, 24, 8.0, (128, 64)))
    bad = write_film(tmp_path / "still.mp4", [country(1, 128, 64)] * 24)
    for films in ([bad], [bad, good]):
        with pytest.raises(RideError, match=r"still\.mp4: none of its 24 frames can be used"):
            bring_in(films, tmp_path / "rides/mine", (128, 64))
        measured = list((tmp_path / "rides").rglob("*.npz"))
        assert len(measured) == len(films) - 1  # of the good one, for the next time
        assert bool(measured) == (tmp_path / "rides").exists()
    assert len(bring_in([good], tmp_path / "rides/mine", (128, 64))) == 24


def test_segments_join_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "ride.mp4", sliding(12, 75, 5.0))
    whole = bring_in([film], tmp_path / "whole")
    monkeypatch.setattr("trainjourney.rides.importer.SEGMENT_S", 1.0)
    parts = bring_in([film], tmp_path / "parts")
    assert len(list((tmp_path / "parts/work").glob("*.npz"))) == 3
    assert len(parts) == len(whole) == 75
    assert np.allclose(parts.position, whole.position, atol=2.0)
    assert np.array_equal(parts.frame(60), whole.frame(60))


def test_a_worker_that_is_killed_is_one_line() -> None:
    jobs: list[Job] = [(os._exit, (9,))] * 2
    with pytest.raises(RideError, match=r"was killed, as where memory ends; .* --workers 1, and"):
        run_jobs(jobs, 2, lambda fraction: None)


def still(tmp_path: Path) -> Path:
    return write_film(tmp_path / "x.mp4", [country(1, 256, 128)] * 40)


def three_frames(tmp_path: Path) -> Path:
    return write_film(tmp_path / "x.mp4", sliding(1, 3, 5.0))


def all_cuts(tmp_path: Path) -> Path:
    return write_film(tmp_path / "x.mp4", [country(i // 3, 256, 128) for i in range(40)])


def no_video(tmp_path: Path) -> Path:
    path = tmp_path / "x.mp4"
    path.write_bytes(b"this is no film" * 100)
    return path


def sound_only(tmp_path: Path) -> Path:
    return write_sound(tmp_path / "x.m4a")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (still, "give a film from a moving train"),
        (three_frames, "give a longer one"),
        (all_cuts, "none of its 40 frames can be used"),
        (no_video, "is no video that can be opened"),
        (sound_only, "holds no video, only sound"),
        (lambda path: path / "gone.mp4", "is not there"),
    ],
)
def test_what_cannot_be_imported_is_one_line(make, words, tmp_path) -> None:  # type: ignore[no-untyped-def]
    film = make(tmp_path)
    with pytest.raises(RideError) as told:
        bring_in([film], tmp_path / "mine")
    assert words in str(told.value) and film.name in str(told.value)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "mine/ride.json").exists()


def test_a_damaged_dataset_is_refused_by_name(tmp_path: Path) -> None:
    film = write_film(tmp_path / "ride.mp4", sliding(13, 30, 5.0))
    ride = bring_in([film], tmp_path / "mine")
    (ride.folder / "frames/00_000003.jpg").write_bytes(b"nothing")
    with pytest.raises(RideError, match=r"00_000003\.jpg: cannot be read"):
        ride.frame(3)
    table = json.loads((ride.folder / "ride.json").read_text())
    (told,) = table["sources"]
    for source in ({}, 1, {**told, "stride": 0}, {**told, "profile": "fast"}):
        (ride.folder / "ride.json").write_text(json.dumps({**table, "sources": [source]}))
        with pytest.raises(RideError, match=r"ride\.json: does not tell .* import the ride again"):
            open_ride(ride.folder)
    (ride.folder / "ride.json").write_text(json.dumps(table))
    (ride.folder / "work/options.json").write_bytes(b"\xff\xfe")
    with pytest.raises(RideError, match="give a new --out"):
        bring_in([film], ride.folder)
    (ride.folder / "index.npz").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(RideError, match="import the ride again"):
        open_ride(ride.folder)
    with pytest.raises(RideError, match="holds no imported ride"):
        open_ride(tmp_path)
