"""Scenery: deterministic, the same on numpy and torch, and its truth agrees with its picture."""

from pathlib import Path
from typing import Any

import array_api_compat.numpy as numpy_xp
import array_api_compat.torch as torch_xp
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from trainjourney.errors import OutputError
from trainjourney.model.planes import HEIGHT, MATERIALS, PLANES, ROWS, TRAVEL, WIDTH
from trainjourney.scenery.layout import plan
from trainjourney.scenery.ride import Ride, flow, new_pixels
from trainjourney.scenery.sheet import draw_sheet
from trainjourney.scenery.strips import paint, store
from trainjourney.scenery.style import COLOURS, jitter, mix
from trainjourney.scenery.things import THINGS
from trainjourney.scenery.view import View
from trainjourney.scenery.worlds import WORLDS, draw_style

Picture = NDArray[np.float32]  # [H, W, 3] 0..1


def picture(view: View) -> Picture:
    return np.asarray(view.frame, np.float32)


def planes(view: View) -> NDArray[np.int64]:
    return np.asarray(view.plane).astype(np.int64)


@pytest.fixture(scope="module")
def ride() -> Ride:
    """A ride in gouache, that travels far enough to see the mountains move."""
    return Ride(3, WORLDS["harvest"], reach=420.0)


def test_the_seed_alone_decides() -> None:
    one, two = (Ride(11, WORLDS["winter"], reach=20.0) for _ in range(2))
    for ride in (one, two):
        ride.step(1.3)
    assert np.array_equal(one.frame(), two.frame())
    assert all(np.array_equal(a, b) for a, b in zip(one.strips, two.strips, strict=True))
    other = Ride(12, WORLDS["winter"], reach=20.0)
    assert np.abs(other.frame() - one.frame()).mean() > 0.01


@pytest.mark.parametrize("name", ["woodblock", "neon"])
def test_numpy_and_torch_paint_the_same(name: str) -> None:
    rides = [
        Ride(5, WORLDS[name], WORLDS["riviera"], reach=20.0, xp=xp, melt=0.3)
        for xp in (numpy_xp, torch_xp)
    ]
    ours, theirs = (ride.view() for ride in rides)
    for a, b in zip(rides[0].strips, rides[1].strips, strict=True):
        assert np.abs(a - np.asarray(b)).mean() < 1e-5
    apart = np.abs(picture(ours) - picture(theirs))
    # a rounding may tip a mask over a threshold here and there, never more
    assert apart.mean() < 1e-5 and (apart > 0.02).mean() < 1e-3
    assert (planes(ours) != planes(theirs)).mean() < 1e-3


@pytest.mark.parametrize("kind", sorted(THINGS))
def test_every_thing_is_drawn_alike_by_both(kind: str) -> None:
    half, top, bottom = THINGS[kind].extent
    u, v = np.meshgrid(np.linspace(-half, half, 60), np.linspace(top, -bottom, 60))
    chance = np.random.default_rng(4).random((2, 24, 1, 1)).astype(np.float32)
    u, v = u[None].astype(np.float32), v[None].astype(np.float32)
    one = THINGS[kind].draw(numpy_xp, u, v, lambda i: chance[:, i])
    theirs = torch_xp.asarray(chance)
    two = THINGS[kind].draw(
        torch_xp, torch_xp.asarray(u), torch_xp.asarray(v), lambda i: theirs[:, i]
    )
    covered = np.zeros((2, 60, 60), bool)
    for (material, a), (other, b) in zip(one, two, strict=True):
        assert material == other and 0 <= material < MATERIALS
        assert np.abs(a - np.asarray(b)).max() < 1e-4
        covered |= a < 0.0
    assert 0.02 < covered.mean() < 0.98
    edge = np.concatenate([covered[:, 0], covered[:, :, 0], covered[:, :, -1]], axis=1)
    assert edge.mean() < 0.12, "cut off by its extent"


@pytest.mark.parametrize("name", ["meadow", "city", "coast", "ember"])
@pytest.mark.parametrize("p", range(len(PLANES)))
def test_masks_are_shares_of_a_pixel(name: str, p: int) -> None:
    strip = paint(numpy_xp, [plan(s, p, 640, lambda x: WORLDS[name]) for s in (1, 2)])
    assert strip.shape == (2, MATERIALS, 2 * PLANES[p].tall, 640)
    assert strip.min() >= 0.0 and strip.max() <= 1.0
    assert strip.sum(axis=1).max() <= 1.0 + 1e-3
    assert strip.sum() > 0.0, "an empty plane"
    kept = store(numpy_xp, strip, PLANES[p])
    assert kept.shape == (2, MATERIALS, ROWS, 320)
    above, height = 2 * sum(PLANES[p].heights[:5]), 2 * PLANES[p].heights[5]
    cell = strip[1, :, above : above + height, 14:16].mean(axis=(1, 2))
    assert np.allclose(kept[1, :, 5, 7], cell, atol=1e-6)


def shift_of(before: View, after: View, plane: int, most: int) -> int:
    """How far what is seen of a plane went to the right, px, by comparing whole pictures."""
    one, two = picture(before).mean(2), picture(after).mean(2)
    here, there = planes(before) == plane, planes(after) == plane
    costs = {}
    for d in range(-most, most + 1):
        a, b = slice(max(0, -d), WIDTH - max(0, d)), slice(max(0, d), WIDTH - max(0, -d))
        both = here[:, a] & there[:, b]
        assert both.sum() > 300, f"hardly anything of plane {plane} to measure"
        costs[d] = float(np.abs(one[:, a] - two[:, b])[both].mean())
    return min(costs, key=lambda d: costs[d])


@pytest.mark.parametrize("p", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("way", [1, -1])
def test_every_plane_moves_by_its_parallax(ride: Ride, p: int, way: int) -> None:
    pixels = 9
    speed = way * pixels / (2.0 * TRAVEL * PLANES[p].parallax)
    ride.distance = 0.0
    before = ride.view()
    for _ in range(4):  # a few frames, none faster than the rails allow
        ride.step(speed / 4)
    assert shift_of(before, ride.view(), p, 24) == -way * pixels
    told = flow(before, speed)[planes(before) == p]
    assert np.allclose(told, -way * pixels, atol=1e-4)


def test_a_standing_train_sees_the_very_same(ride: Ride) -> None:
    ride.distance = 12.34
    before = ride.view()
    ride.step(0.0)
    after = ride.view()
    assert np.array_equal(picture(before), picture(after))
    assert not flow(after, 0.0).any() and not new_pixels(before, after, 0.0).any()


def warp(frame: Picture, motion: NDArray[np.float32]) -> Picture:
    """The frame carried along by `motion` [H, W] of the frame it is to become."""
    at = np.clip(np.arange(WIDTH)[None] - motion, 0, WIDTH - 1.001)
    i = at.astype(np.int64)
    f = (at - i)[..., None]
    rows = np.arange(HEIGHT)[:, None]
    out: Picture = (frame[rows, i] * (1.0 - f) + frame[rows, i + 1] * f).astype(np.float32)
    return out


@pytest.mark.parametrize("speed", [1.0, -1.7, 0.4])
@pytest.mark.parametrize("name", ["meadow", "city"])
def test_flow_and_new_pixels_agree_with_the_picture(name: str, speed: float) -> None:
    ride = Ride(21, WORLDS[name], reach=60.0)
    ride.distance = 5.0
    before = ride.view()
    ride.step(speed)
    after = ride.view()
    new = new_pixels(before, after, speed)
    carried = warp(picture(before), flow(after, speed))
    apart = np.abs(carried - picture(after)).mean(2)
    assert 0.0 < new.mean() < 0.2
    assert apart[~new].mean() < 0.012
    assert (apart[~new] > 0.15).mean() < 0.02
    assert apart[new].mean() > 3.0 * apart[~new].mean(), "new pixels could be foretold"
    backwards = warp(picture(before), flow(after, -speed))
    assert np.abs(backwards - picture(after)).mean(2)[~new].mean() > 2.0 * apart[~new].mean()


@pytest.mark.parametrize(
    ("one", "two"), [("meadow", "woodblock"), ("city", "riviera"), ("mist", "neon")]
)
def test_a_melt_keeps_the_country_and_never_jumps(one: str, two: str) -> None:
    ride = Ride(8, WORLDS[one], WORLDS[two], reach=10.0)
    views = []
    for t in np.linspace(0.0, 1.0, 9):
        ride.melt = float(t)
        views.append(ride.view())
    assert all(np.array_equal(planes(views[0]), planes(v)) for v in views)
    pictures = [picture(v) for v in views]
    whole = float(np.abs(pictures[-1] - pictures[0]).mean())
    steps = [float(np.abs(b - a).mean()) for a, b in zip(pictures[:-1], pictures[1:], strict=True)]
    assert whole > 0.05, "the two worlds look alike"
    assert min(steps) > 0.0 and max(steps) < 0.35 * whole


def test_mix_and_jitter() -> None:
    a, b = WORLDS["coast"], WORLDS["blueprint"]
    assert np.array_equal(mix(a, b, 0.0).values, a.values)
    assert np.array_equal(mix(a, b, 1.0).values, b.values)
    assert mix(a, b, 0.25).amount("water") == pytest.approx(0.75)
    rng = np.random.default_rng(1)
    drawn = [draw_style(rng) for _ in range(40)]
    for style in drawn:
        colours = style.values[: 3 * len(COLOURS)]
        assert colours.min() >= 0.0 and colours.max() <= 1.0
    assert len({style.values.tobytes() for style in drawn}) == 40
    again = draw_style(np.random.default_rng(1))
    assert np.array_equal(again.values, drawn[0].values)
    same = jitter(a, np.random.default_rng(2), 0.0)
    assert np.allclose(same.values, a.values, atol=1e-6)


def test_the_sheet_shows_sixteen_distinct_worlds(tmp_path: Path) -> None:
    draw_sheet(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG" and sheet.size == (2 * WIDTH + 4, 8 * (HEIGHT + 4))
        pixels = np.asarray(sheet.convert("RGB"))
    assert len(WORLDS) == 16
    tiles: dict[str, NDArray[Any]] = {}
    for i, name in enumerate(WORLDS):
        x, y = i % 2 * (WIDTH + 4), i // 2 * (HEIGHT + 4)
        tiles[name] = pixels[y : y + HEIGHT - 20, x : x + WIDTH]  # without the name below
    told = {name: histogram(tile) for name, tile in tiles.items()}
    for one in told:
        assert tiles[one].std() > 8.0, f"{one} is a blank"
        for two in told:
            if one < two:
                shared = float(np.minimum(told[one], told[two]).sum())
                assert shared < 0.7, f"{one} and {two} share {shared:.2f} of their colours"


def test_a_sheet_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for name, told in (
        ("no/sheet.png", r"no such folder; type: mkdir -p .*/no$"),
        ("sheet", r"let its name end in .png$"),
        ("sheet.txt", r"let its name end in .png$"),
        ("folder.png", r"folder.png: cannot be written \(is a directory\); give another place$"),
    ):
        with pytest.raises(OutputError, match=told) as caught:
            draw_sheet(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]


def histogram(tile: NDArray[Any]) -> NDArray[np.float64]:
    """Share of the pixels in each of 6x6x6 boxes of colour."""
    code = (tile.astype(np.int64) * 6 // 256) @ np.array([36, 6, 1])
    counts = np.bincount(code.ravel(), minlength=216)
    out: NDArray[np.float64] = counts / counts.sum()
    return out
