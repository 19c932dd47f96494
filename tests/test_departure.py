"""Where a journey starts: also in a look of the folder, in a film as live, and made again so."""

import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tiny_bundle import write_tiny_bundle
from typer.testing import CliRunner

from trainjourney.cli import app
from trainjourney.config import load
from trainjourney.errors import ConfigError
from trainjourney.inference import load_bundle
from trainjourney.show.departure import read_departure


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "looks").mkdir()
    rng = np.random.default_rng(4)
    for name in ("07 winter dusk.jpg", "own.png"):
        picture = rng.integers(0, 255, (40, 90, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / "looks" / name)
    (tmp_path / "looks" / "broken.jpg").write_text("no picture")
    return write_tiny_bundle(tmp_path / "engines" / "tiny")


def play(tiny: Path, film: Path, *words: str) -> None:
    home = tiny.parent.parent
    sets = ["engine.threads=1", f"looks.folder={home / 'looks'}"]
    command = ["play", "--engine", str(tiny), "--frames", "40", "--output", str(film), *words]
    for text in (*sets, f"journal.file={film.with_suffix('.jsonl')}"):
        command += ["--set", text]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0, done.output


def render(journal: Path, film: Path) -> None:
    words = ["render", str(journal), "--output", str(film), "--set", "engine.threads=1"]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0


def apart(one: Path, other: Path) -> float:
    """How far the frames of two films are apart, levels; test_render holds one to the last bit."""
    films = []
    for path in (one, other):
        with av.open(str(path)) as film:
            films.append(np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode()]))
    assert films[0].shape == films[1].shape
    return float(np.abs(films[0].astype(float) - films[1]).mean())


def test_a_film_begins_in_a_look_of_the_folder_and_is_made_again(
    tiny: Path, tmp_path: Path
) -> None:
    play(tiny, tmp_path / "other.mp4", "--look", "green")
    play(tiny, tmp_path / "a.mp4", "--look", "winter dusk")
    assert apart(tmp_path / "a.mp4", tmp_path / "other.mp4") > 3.0
    for folder in ("looks", "cache"):  # the journal has all of it
        shutil.rmtree(tmp_path / folder)
    render(tmp_path / "a.jsonl", tmp_path / "b.mp4")
    assert apart(tmp_path / "a.mp4", tmp_path / "b.mp4") < 0.1


def test_a_tour_finds_a_look_of_the_folder_in_a_film(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tour = 'loop = false\n[[step]]\nat = 0.3\nlook = "{}"\nmelt_s = 0.2\n'
    (tmp_path / "tour.toml").write_text(tour.format("winter dusk"))
    (tmp_path / "still.toml").write_text(
        "loop = false\n[[step]]\nat = 0.3\nspeed = 1.0\nmelt_s = 0.2\n"
    )
    play(tiny, tmp_path / "still.mp4", "--tour", str(tmp_path / "still.toml"))
    play(tiny, tmp_path / "a.mp4", "--tour", str(tmp_path / "tour.toml"))
    assert "not in the bank" not in caplog.text and "broken.jpg" in caplog.text
    assert apart(tmp_path / "a.mp4", tmp_path / "still.mp4") > 1.0
    shutil.rmtree(tmp_path / "looks")
    render(tmp_path / "a.jsonl", tmp_path / "b.mp4")
    assert apart(tmp_path / "a.mp4", tmp_path / "b.mp4") < 0.1


def test_the_folder_is_read_only_for_what_is_not_in_the_bundle(tiny: Path, tmp_path: Path) -> None:
    bundle = load_bundle(tiny)

    def departing(*sets: str) -> tuple[str, list[int]]:
        folder = f"looks.folder={tmp_path / 'looks'}"
        found = read_departure(load(None, ["engine.threads=1", folder, *sets]), bundle)
        assert found.look and not found.given
        return found.look.name, list(found.bank)

    own = [slot for slot, _ in enumerate(bundle.looks, 1)]
    assert departing() == (bundle.looks[0].name, own)
    assert not (tmp_path / "cache").exists()
    assert departing("journey.look=winter dusk") == ("winter dusk", sorted({*own, len(own) + 1, 7}))
    assert departing("looks.bundle=false") == ("own", [1, 7])
    with pytest.raises(ConfigError, match="did you mean 'winter dusk'"):
        departing("journey.look=winter dust")
