"""The shipped pocket, held to the figures it is published with: a short judgement of its pictures.

A bundle or figures that are not there fail with one line that says what to type.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from trainjourney.inference import Bundle, Engine, GaveWay, find_bundle, load_bundle, open_engine
from trainjourney.inference.band import figures
from trainjourney.inference.noise import draw_noise
from trainjourney.journey.melt import Melt
from trainjourney.journey.picture import load_picture
from trainjourney.journey.world import DreamWorld
from trainjourney.judging.judge import judge
from trainjourney.judging.published import published, worse
from trainjourney.judging.report import summarise
from trainjourney.model.events import KINDS
from trainjourney.model.network import TILE
from trainjourney.model.placement import DISC, SKY, disc_told
from trainjourney.model.planes import DOWN, LAND, MATERIALS, ROWS, VIEW_W
from trainjourney.model.repaint import TRACK
from trainjourney.model.ring import CELL, CHANNELS, RING, TILE_CELLS, P
from trainjourney.types import Controls, Embedding, Frame, State

SEEDS = ((3, 4), (6, 7))  # of departures that once had broken wires
POCKET = Path(__file__).resolve().parent.parent / "engines" / "pocket"


@pytest.mark.timeout(600)
def test_the_shipped_pocket_is_as_good_as_it_says(tmp_path: Path) -> None:
    folder = find_bundle(str(POCKET))
    told = published(folder)
    facts = told["judged"]
    asked = (facts["frames"], facts["seeds"])
    judged = judge(str(folder), tmp_path, *asked, short=True, precision="f32", jobs=2)
    found = {m["name"]: m["value"] for m in summarise(judged)["measures"]}
    assert worse(told["measures"], found) == []


def test_the_shipped_pocket_can_depart_and_knows_its_band() -> None:
    manifest = load_bundle(POCKET).manifest
    assert manifest.departure > 0 and manifest.band is not None
    assert manifest.training["preset"] == "s"


class Overheard:
    """An engine; the disc that was drawn for each tile of the sky that is done, by its ring
    column."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.discs = engine, dict[int, NDArray[np.float32]]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def predict(self, *given: Any) -> State:
        before, state = given[0], self.engine.predict(*given)
        plane, _, column, _ = state["job"].tolist()
        if plane == SKY and before["job"][3] and not state["job"][3]:
            self.discs[column] = state["disc"].copy()
        return state


Departed = list[tuple[State, dict[int, NDArray[np.float32]]]]


@pytest.fixture(scope="module")
def departed(pocket: tuple[Bundle, list[Engine]]) -> Departed:
    """How it is where a show begins, of four seeds, and the discs that were drawn on the way."""
    bundle, engines = pocket

    def share(i: int) -> Departed:
        found = []
        for seed in SEEDS[i]:
            ear: Any = Overheard(engines[i])
            world = DreamWorld(ear, bundle.manifest, seed)
            world.reset(None)
            world.set_out(bundle.looks[0].embedding)
            state = {name: array.copy() for name, array in world.state.items()}
            found.append((state, ear.discs))
        return found

    with ThreadPoolExecutor(len(engines)) as pool:
        return [*chain.from_iterable(pool.map(share, range(len(engines))))]


def masks(state: State, plane: int, first: int, count: int) -> NDArray[np.float64]:
    """Of `count` columns of a plane from a ring column on, [count, MATERIALS, ROWS] 0..1."""
    at = (first + np.arange(count)) % RING
    return state["ring"].reshape(P, RING, CHANNELS, ROWS)[plane, at, :MATERIALS] / 255.0


def test_a_departure_s_wires_are_whole(departed: Departed) -> None:
    """What is seen first: nowhere in the window are three columns without a wire."""
    for state, _ in departed:
        track = masks(state, TRACK, int(state["position"][TRACK]) // CELL, VIEW_W)
        bare = np.asarray((track[..., 2:30] > 0.5).sum((1, 2)) == 0)
        assert not (bare[:-2] & bare[1:-1] & bare[2:]).any()


def test_suns_are_the_discs_that_were_drawn(departed: Departed) -> None:
    """What stands and what was drawn share all but their edges, where no cloud is before it."""
    shares = []
    for state, discs in departed:
        for column, disc in discs.items():
            cover = disc_told(torch.from_numpy(disc)[None], TILE)[:, 2:]
            drawn = F.pixel_shuffle(cover, DOWN)[0, 0].numpy().T
            sky = masks(state, SKY, column, TILE_CELLS)
            seen = drawn * (1.0 - sky[:, :2].sum(1))
            both = np.minimum(seen, sky[:, DISC]).sum(), np.maximum(seen, sky[:, DISC]).sum()
            if drawn.any():
                shares.append(float(both[0] / both[1]))
            else:
                assert both[1] < 10.0, "a sun that was not drawn"
    assert len(shares) >= 4 and min(shares) > 0.6 and np.mean(shares) > 0.8, shares


@pytest.mark.parametrize(
    ("kind", "material", "rows"),
    [("bridge", "dark", (32, 33)), ("bridge", "dark", (50, 53)), ("platform", "wall", (52, 56))],
)
def test_what_comes_by_stands_from_its_begin_to_its_end(
    kind: str, material: str, rows: tuple[int, int], departed: Departed,
    pocket: tuple[Bundle, list[Engine]],
) -> None:  # fmt: skip
    """A chord of a bridge, the slab of a platform: in every column of it, and in none beside."""
    bundle, engines = pocket
    look, long = bundle.looks[0].embedding, 200
    state = {name: array.copy() for name, array in departed[0][0].items()}
    beyond = int(state["position"][TRACK] + state["ahead"][TRACK]) // CELL + VIEW_W
    first = (beyond + 40) % RING
    state["event"] = np.array([list(KINDS).index(kind) + 1, first, long], np.float32)
    for t in range(100):
        noise = draw_noise(5, t, bundle.manifest.noise.shape)
        state = engines[0].predict(state, noise, look, 1.0, 0.0)
    track = masks(state, TRACK, first - 20, long + 40)[:, LAND.index(material), slice(*rows)]
    there = track.mean(1) > 0.5
    assert there[21 : long + 19].mean() > 0.95
    assert np.concatenate([there[:17], there[long + 23 :]]).mean() < 0.1


# --- pictures that are nothing like a landscape -----------------------------------------------

TEN_S = 300  # frames
# Of luma, contrast, saturation and detail: more than journeys of one start and six seeds differ,
# whose detail goes from .027 to .036.
LIKE = np.array([0.15, 0.15, 0.15, 0.35])
ODD = {
    "black": np.zeros((256, 512, 3), np.uint8),
    "white": np.full((256, 512, 3), 255, np.uint8),
    "noise": np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8),
}


@pytest.fixture(scope="module")
def pocket() -> tuple[Bundle, list[Engine]]:
    """The bundle, and engines on one core each: journeys are dreamt side by side."""
    bundle = load_bundle(POCKET)
    # in f32: the same country on every processor
    return bundle, [open_engine(bundle, precision="f32", threads=1) for _ in range(2)]


def after(
    pocket: tuple[Bundle, list[Engine]],
    journeys: Sequence[tuple[Frame, Embedding]],
    frames: int = TEN_S,
) -> list[NDArray[np.float64]]:
    """Luma, contrast, saturation and detail `frames` after each start, without the guard's help."""
    bundle, engines = pocket

    def dream(engine: Engine, start: Frame, look: Embedding) -> NDArray[np.float64]:
        state = engine.encode(start)
        for number in range(frames):
            noise = draw_noise(3, number, bundle.manifest.noise.shape)
            state = engine.predict(state, noise, look, 1.0, 0.2)
        return figures(engine.decode(state, look, 1.0))

    def share(i: int) -> list[NDArray[np.float64]]:
        return [dream(engines[i], *journey) for journey in journeys[i :: len(engines)]]

    with ThreadPoolExecutor(len(engines)) as pool:
        shares = list(pool.map(share, range(len(engines))))
    return [shares[k % len(engines)][k // len(engines)] for k in range(len(journeys))]


def test_a_start_that_is_no_landscape_is_one_ten_seconds_later(
    pocket: tuple[Bundle, list[Engine]],
) -> None:
    """From black, white and noise it looks as it does from the look's own picture."""
    look = pocket[0].looks[0]
    starts = [load_picture(look.picture, 512, 256), *ODD.values()]
    usual, *others = after(pocket, [(start, look.embedding) for start in starts])
    for name, found in zip(ODD, others, strict=True):
        assert (np.abs(found / usual - 1.0) < LIKE).all(), (name, found, usual)


def test_a_look_that_is_no_landscape_is_a_landscape_too(
    pocket: tuple[Bundle, list[Engine]],
) -> None:
    """What black, white or noise make of the world lies in the band of what was ever painted."""
    bundle, engines = pocket
    band = bundle.manifest.band
    assert band is not None
    start = load_picture(bundle.looks[0].picture, 512, 256)
    size = bundle.manifest.embedding
    smalls = [p[: size.picture_height, : size.picture_width] for p in ODD.values()]
    looks = [engines[0].embed(np.ascontiguousarray(small)) for small in smalls]
    low, high = band.limits().T
    for name, found in zip(
        ODD, after(pocket, [(start, e) for e in looks], TEN_S // 3), strict=True
    ):
        assert (low <= found).all() and (found <= high).all(), (name, found)


def test_what_is_overtaken_gives_way_at_once_and_nothing_is_lost() -> None:
    bundle = load_bundle(POCKET)
    engine, look = open_engine(bundle, "openvino"), bundle.looks[0].embedding
    noise = draw_noise(1, 0, bundle.manifest.noise.shape)
    state = engine.predict(
        engine.encode(load_picture(bundle.looks[0].picture, 512, 256)), noise, look, 1.0, 0.2
    )
    frame, following = (
        engine.decode(state, look, 1.0),
        engine.predict(state, noise, look, 1.0, 0.2),
    )
    following = {name: array.copy() for name, array in following.items()}
    for _ in range(3):
        with pytest.raises(GaveWay):
            engine.decode(state, look, -1.0, lambda: True)
        with pytest.raises(GaveWay):
            engine.predict(state, noise, look, -1.0, 0.2, lambda: True)
        np.testing.assert_array_equal(engine.decode(state, look, 1.0), frame)
    again = engine.predict(state, noise, look, 1.0, 0.2)
    for name, array in following.items():
        np.testing.assert_array_equal(again[name], array)


def test_at_any_rate_the_pocket_goes_as_far_in_a_second() -> None:
    own, found = load_bundle(POCKET), {}
    for fps in (15, 30, 60):
        bundle = own.at_rate(fps)
        engine = open_engine(bundle, precision="f32")
        world = DreamWorld(engine, bundle.manifest, 4, pace=bundle.pace)
        world.reset(load_picture(bundle.look("meadow").picture, 512, 256))
        for _ in range(fps // 3):
            world.step(Controls(bundle.look("meadow").embedding, 1.0, 0.2))
        found[fps] = world.state["position"].astype(int)
    assert found[30].max() > 10 * CELL
    for fps in (15, 60):
        apart = (found[fps] - found[30] + RING * CELL // 2) % (RING * CELL) - RING * CELL // 2
        assert np.abs(apart).max() <= fps  # a position is whole: it may lose a part in every frame


def test_a_slow_melt_has_no_jump() -> None:
    """Ten seconds from meadow to winter: no frame of 300 takes more than nine shares of it."""
    bundle = load_bundle(POCKET)
    looks = {look.name: look for look in bundle.looks}
    engine = open_engine(bundle, precision="f32")  # the same country on every processor
    world = DreamWorld(engine, bundle.manifest, 4)
    world.reset(load_picture(looks["meadow"].picture, 512, 256))
    melt = Melt(looks["meadow"].embedding)
    for _ in range(60):
        world.step(Controls(melt.step(1 / 30), 0.0, 0.2))  # it stands: what changes is the look
    melt.to(looks["winter"].embedding, 10.0)
    frames = [world.step(Controls(melt.step(1 / 30), 0.0, 0.2)) for _ in range(330)]
    tints = np.stack([frame[:128:2, ::2].mean((0, 1)) for frame in frames])  # of the far country
    steps = np.linalg.norm(np.diff(tints, axis=0), axis=1)
    whole = np.linalg.norm(tints[-1] - tints[0])
    assert whole > 10.0
    assert steps.max() < 0.03 * whole
