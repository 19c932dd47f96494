"""The shipped pocket, held to the figures it is published with: a short judgement of its pictures.

A bundle or figures that are not there fail with one line that says what to type.
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from trainjourney.inference import Bundle, Engine, find_bundle, load_bundle, open_engine
from trainjourney.inference.band import figures
from trainjourney.journey.noise import draw_noise
from trainjourney.journey.picture import load_picture
from trainjourney.judging.judge import judge
from trainjourney.judging.published import published, worse
from trainjourney.judging.report import summarise
from trainjourney.types import Embedding, Frame

POCKET = Path(__file__).resolve().parent.parent / "engines" / "pocket"


@pytest.mark.timeout(600)
def test_the_shipped_pocket_is_as_good_as_it_says(tmp_path: Path) -> None:
    folder = find_bundle(str(POCKET))
    told = published(folder)
    facts = told["judged"]
    judged = judge(
        str(folder), tmp_path, facts["frames"], facts["seeds"], short=True, precision="f32"
    )
    found = {m["name"]: m["value"] for m in summarise(judged)["measures"]}
    assert worse(told["measures"], found) == []


def test_the_shipped_pocket_can_depart_and_knows_its_band() -> None:
    manifest = load_bundle(POCKET).manifest
    assert manifest.departure > 0 and manifest.band is not None
    assert manifest.training["preset"] == "s"


# --- pictures that are nothing like a landscape -----------------------------------------------

TEN_S = 300  # frames
ODD = {
    "black": np.zeros((256, 512, 3), np.uint8),
    "white": np.full((256, 512, 3), 255, np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8),
}


@pytest.fixture(scope="module")
def pocket() -> tuple[Bundle, Engine]:
    bundle = load_bundle(POCKET)
    return bundle, open_engine(bundle)


def after(
    pocket: tuple[Bundle, Engine], start: Frame, look: Embedding, frames: int = TEN_S
) -> NDArray[np.float64]:
    """Luma, contrast, saturation and detail `frames` after `start`, without the guard's help."""
    bundle, engine = pocket
    state = engine.encode(start)
    for number in range(frames):
        noise = draw_noise(3, number, bundle.manifest.noise.shape)
        state = engine.predict(state, noise, look, 1.0, 0.2)
    return figures(engine.decode(state, look, 1.0))


def test_a_start_that_is_no_landscape_is_one_ten_seconds_later(
    pocket: tuple[Bundle, Engine],
) -> None:
    """From black, white and noise it looks as it does from the look's own picture."""
    look = pocket[0].looks[0]
    usual = after(pocket, load_picture(look.picture, 512, 256), look.embedding)
    for name, start in ODD.items():
        found = after(pocket, start, look.embedding)
        assert np.abs(found / usual - 1.0).max() < 0.15, (name, found, usual)


def test_a_look_that_is_no_landscape_is_a_landscape_too(pocket: tuple[Bundle, Engine]) -> None:
    """What black, white or noise make of the world lies in the band of what was ever painted."""
    bundle, engine = pocket
    band = bundle.manifest.band
    assert band is not None
    start = load_picture(bundle.looks[0].picture, 512, 256)
    size = bundle.manifest.embedding
    for name, picture in ODD.items():
        small = np.ascontiguousarray(picture[: size.picture_height, : size.picture_width])
        found = after(pocket, start, engine.embed(small), TEN_S // 3)
        low, high = band.limits().T
        assert (low <= found).all() and (found <= high).all(), (name, found)
