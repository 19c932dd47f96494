"""Films with faults that are easily overlooked: bare sky, holes in time, leaps, one film twice."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from filmed import Picture, sliding, write_film
from test_rides import bring_in

from trainjourney.alone import alone
from trainjourney.errors import RideError
from trainjourney.rides import flow
from trainjourney.rides.dataset import open_ride
from trainjourney.rides.video import look_at, read

ROWS = 104  # of 128, of sky


def under_a_sky(frames: list[Picture]) -> list[Picture]:
    """The frames with a bare sky over them, that stands still."""
    covered = [frame.copy() for frame in frames]
    for frame in covered:
        frame[:ROWS] = (180 + np.arange(ROWS) // 5)[:, None, None]
    return covered


def test_what_stands_still_in_a_bare_sky_is_no_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    faint = np.random.default_rng(5).normal(0.0, 0.2, (ROWS, 256))  # a codec's own pattern
    pair = [flow.luma(frame) for frame in under_a_sky(sliding(2, 2, 3.0))]
    for grey in pair:
        grey[:ROWS] += faint
    found = flow.measure(*pair)
    assert (found.bands_sure[:6] == 0.0).all() and (found.tiles_sure[:3] == 0.0).all()
    assert found.bands_sure[7] > flow.SURE and abs(found.bands[7] + 3.0) < 0.2
    monkeypatch.setattr(flow, "BARE", 0.0)
    believed = flow.measure(*pair)
    assert (believed.bands_sure[:6] > flow.SURE).all() and np.abs(believed.bands[:6]).max() < 0.2


def test_the_lower_bands_tell_while_the_middle_is_sky(tmp_path: Path) -> None:
    frames = sliding(2, 90, 3.0)
    frames[30:60] = under_a_sky(frames[30:60])
    ride = bring_in([write_film(tmp_path / "ride.mp4", frames)], tmp_path / "mine")
    assert len(ride) > 80 and np.abs(ride.speed / ride.stride(0) - 3.0).max() < 0.3
    assert ride.position[-1] - ride.position[0] == pytest.approx(3.0 * 89, rel=0.03)


def test_frames_that_are_missing_end_a_stretch(tmp_path: Path) -> None:
    frames = sliding(3, 110, 3.0)
    some = [*range(40), *range(75, 110)]
    film = write_film(tmp_path / "ride.mp4", [frames[i] for i in some], [i / 25 for i in some])
    ride = bring_in([film], tmp_path / "mine")
    assert ride.table["sources"][0]["frames"]["cut"] == 1
    assert len(set(ride.stretch.tolist())) == 2
    assert set(ride.stretch[ride.time_s < 2.0]).isdisjoint(ride.stretch[ride.time_s > 2.0])
    assert np.abs(ride.speed / ride.stride(0) - 3.0).max() < 0.3


def test_a_leap_within_one_country_is_a_cut(tmp_path: Path) -> None:
    frames = sliding(4, 100, 3.0)
    film = write_film(tmp_path / "ride.mp4", [*frames[:40], *frames[56:]])  # 48 px at once
    ride = bring_in([film], tmp_path / "mine")
    assert ride.table["sources"][0]["frames"]["cut"] == 1
    assert len(set(ride.stretch.tolist())) == 2
    assert np.abs(ride.speed / ride.stride(0) - 3.0).max() < 0.3


def test_a_slow_ride_is_not_measured_across_a_leap(tmp_path: Path) -> None:
    frames = sliding(4, 180, 1.0)
    film = write_film(tmp_path / "ride.mp4", [*frames[:40], *frames[100:]])  # 60 px at once
    ride = bring_in([film], tmp_path / "mine")
    (source,) = ride.table["sources"]
    assert source["frames"]["cut"] == 1
    assert np.abs(ride.speed / source["stride"] / source["every"] - 1.0).max() < 0.3


def test_one_video_is_taken_once(tmp_path: Path) -> None:
    film = write_film(tmp_path / "ride.mp4", sliding(5, 30, 5.0))
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(film.read_bytes())
    with pytest.raises(RideError, match=r"copy\.mp4: is .*ride\.mp4 once more; give each"):
        bring_in([film, copy], tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_stream_without_times_is_told_how_to_get_some(tmp_path: Path) -> None:
    path = tmp_path / "raw.h264"
    with av.open(str(path), "w", format="h264") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 128, "yuv420p"
        for picture in sliding(6, 30, 5.0):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(RideError, match=r"no times; .* ffmpeg -i raw\.h264 -c copy OUT\.mp4"):
        bring_in([path], tmp_path / "mine")


def test_the_cover_of_a_song_is_no_film(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        sound, cover = container.add_stream("aac", rate=44100), container.add_stream("png")
        cover.width, cover.height, cover.pix_fmt = 64, 64, "rgb24"
        cover.disposition = Disposition.attached_pic
        samples = av.AudioFrame.from_ndarray(
            np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
        )
        samples.sample_rate = 44100
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        container.mux([*sound.encode(samples), *sound.encode()])
        container.mux([*cover.encode(picture), *cover.encode()])
    with pytest.raises(RideError, match=r"song\.mp4: holds no video, only sound or text"):
        bring_in([path], tmp_path / "mine")


def test_pixels_that_are_not_square_are_shown_at_their_width(tmp_path: Path) -> None:
    wide = sliding(11, 3, 4.0)
    film = write_film(tmp_path / "tape.mp4", [frame[:, ::2] for frame in wide], aspect=2)
    assert (look_at(film).width, look_at(film).height) == (256, 128)
    shown = next(frame for _, frame in read(film, 256, 128))
    assert np.abs(shown.astype(int) - wide[0]).mean() < 20.0  # of 64 between strangers


def test_pixels_that_no_camera_makes_are_taken_for_square(tmp_path: Path) -> None:
    film = write_film(tmp_path / "odd.mp4", sliding(12, 3, 4.0), aspect=30_000)
    assert (look_at(film).width, look_at(film).height) == (256, 128)
    assert next(frame for _, frame in read(film, 256, 128)).shape == (128, 256, 3)


def test_what_a_film_lacks_is_told(tmp_path: Path) -> None:
    film = write_film(tmp_path / "ride.mkv", sliding(8, 100, 4.0))
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])  # as half a copy
    upright = write_film(tmp_path / "upright.mp4", sliding(9, 40, 4.0, (128, 256)))
    whole = write_film(tmp_path / "whole.mp4", sliding(10, 40, 4.0))
    ride = bring_in([film, upright, whole], tmp_path / "mine")
    half, narrow, rest = (source["note"] for source in ride.table["sources"])
    assert half == "ends after 2 of 4 s: copy it again"
    assert narrow.startswith("only 25% of its picture is used") and rest == ""


def test_a_place_that_cannot_be_is_not_blamed_on_the_disk(tmp_path: Path) -> None:
    film = write_film(tmp_path / "ride.mp4", sliding(7, 30, 5.0))
    with pytest.raises(RideError, match=r"ride\.mp4: cannot be written .*; give another --out"):
        bring_in([film], film)
    with pytest.raises(RideError, match="is a folder; give the path of a video"):
        bring_in([tmp_path], tmp_path / "mine")


def test_a_video_given_for_a_ride_is_to_be_imported_not_removed(tmp_path: Path) -> None:
    film = write_film(tmp_path / "ride.mp4", sliding(8, 3, 5.0))
    with pytest.raises(RideError, match=r"is a file .* ride import .*ride\.mp4 --out") as told:
        open_ride(film)
    assert "remove" not in str(told.value)


def test_two_imports_do_not_share_a_folder(tmp_path: Path) -> None:
    film = write_film(tmp_path / "ride.mp4", sliding(9, 30, 5.0))
    (tmp_path / "mine/work").mkdir(parents=True)
    with (
        alone(tmp_path / "mine/work", RideError("nobody else was there")),
        pytest.raises(RideError, match="mine: another import is at work in it; wait for it"),
    ):
        bring_in([film], tmp_path / "mine")
    assert len(bring_in([film], tmp_path / "mine")) == 30


def test_a_folder_of_other_things_is_not_written_into(tmp_path: Path) -> None:
    film = write_film(tmp_path / "ride.mp4", sliding(9, 30, 5.0))
    (tmp_path / "home").mkdir()
    (tmp_path / "home/ride.json").write_text("mine")
    with pytest.raises(RideError, match=r"home: holds no import, but ride\.json; give a new --out"):
        bring_in([film], tmp_path / "home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["ride.json"]
    assert (tmp_path / "home/ride.json").read_text() == "mine"
