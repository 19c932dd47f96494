"""The graphs of the pocket: what a state is, and a runway that never lies."""

import numpy as np
import pytest
import torch
from small_graphs import Graphs, State, advance, encode, small_graphs, window
from small_tensors import another_look, random_masks, rng
from surveyor import Surveyor, wanted_at
from torch import Tensor
from torch.nn import functional as F

from trainjourney.model.decoder import GRAIN, RESIDUAL, pixels
from trainjourney.model.embedder import PICTURE_H, PICTURE_W
from trainjourney.model.events import Events
from trainjourney.model.graphs import DECODED
from trainjourney.model.network import TALL, TILE
from trainjourney.model.placement import Placement
from trainjourney.model.planes import (
    HEIGHT,
    MATERIALS,
    PLANES,
    ROWS,
    TRAVEL,
    VIEW_W,
    WIDTH,
)
from trainjourney.model.predictor import CALM, WIRES
from trainjourney.model.repaint import TRACK
from trainjourney.model.ring import (
    CELL,
    CHANNELS,
    NOISE,
    RING,
    STATE,
    TILE_CELLS,
    P,
    from_columns,
    to_columns,
)
from trainjourney.model.runway import REACT
from trainjourney.model.sampler import STEPS


def decode(graphs: Graphs, state: State, speed: float = 0.0) -> Tensor:
    given = {**state, "embedding": state["origin"], "speed": torch.tensor(speed)}
    out: Tensor = graphs.decoder(*(given[k] for k in DECODED))
    return out


def assert_described(state: State) -> None:
    for name, (shape, dtype) in STATE.items():
        assert tuple(state[name].shape) == shape, name
        assert state[name].dtype == getattr(torch, dtype), name


def test_columns_and_back() -> None:
    planes = torch.randn(P, CHANNELS, ROWS, 5, generator=rng(1))
    assert torch.equal(from_columns(to_columns(planes), CHANNELS), planes)


def test_states_are_as_described(graphs: Graphs, start: State) -> None:
    assert_described(start)
    assert_described(advance(graphs, start, 0, 1.0, dream=0.5))
    frame = decode(graphs, start)
    assert frame.shape == (HEIGHT, WIDTH, 3) and frame.dtype == torch.uint8
    picture = torch.randint(256, (PICTURE_H, PICTURE_W, 3), generator=rng(2)).byte()
    assert float(graphs.picture(picture).norm()) == pytest.approx(1.0, abs=1e-5)


def test_a_start_picture_goes_on_mirrored_until_every_plane_has_a_tile(
    graphs: Graphs, start: State
) -> None:
    """So that no plane waits, and the picture rolls as a whole from the first frame on."""
    columns = start["ring"].view(P, RING, -1)
    for p, plane in enumerate(PLANES):
        cells = int(start["ahead"][p]) // CELL
        assert start["ahead"][p] == start["behind"][p] == cells * CELL
        assert TILE_CELLS >= cells >= min(TILE_CELLS, P * STEPS * plane.parallax * TRAVEL)
        mirror = torch.arange(1, cells + 1)
        laid = REACT * TRAVEL * plane.parallax
        left = (1.0 - (mirror - 1) / laid).clamp(min=0.0)[:, None]
        for within, without in ((VIEW_W - 1 - mirror, VIEW_W - 1 + mirror), (mirror, -mirror)):
            inside, outside = columns[p, within].int(), columns[p, without].int()
            masks = slice(0, MATERIALS * ROWS)
            assert torch.equal(inside[:, masks], outside[:, masks])
            rest = inside[:, MATERIALS * ROWS :] - 128
            faded = outside[:, MATERIALS * ROWS :] - 128
            assert (faded - rest * left).abs().max() <= 0.501, "it should fade until a tile is laid"
            assert not faded[mirror > laid + 1].any()
    state = start
    for t in range(P * STEPS):
        after = advance(graphs, state, t, 1.0)
        way = (after["position"] - state["position"]) % (RING * CELL)
        assert np.array_equal(way.numpy(), wanted_at(1.0)), f"a plane waited at frame {t}"
        state = after


def test_in_a_picture_of_one_colour_there_is_nothing_to_mirror(graphs: Graphs) -> None:
    fog = dict(zip(STATE, graphs.encoder(torch.full((HEIGHT, WIDTH, 3), 128).byte()), strict=True))
    assert not fog["ahead"].any() and not fog["behind"].any()


@pytest.mark.parametrize(("seed", "steady"), [(1, False), (2, True)])
def test_the_runway_never_lies(graphs: Graphs, start: State, seed: int, steady: bool) -> None:
    """200 frames of sudden speeds either way, with looks that change, or one way at full speed."""
    rand = np.random.default_rng(seed)
    surveyor, state = Surveyor(), start
    speed, look = 1.0, state["origin"]
    sides = set()
    for t in range(200):
        if not steady and rand.random() < 0.06:
            speed = float(rand.choice([rand.uniform(-2.0, 2.0), 0.0, 2.0, -2.0]))
        if steady:
            speed = 2.0 if t < 120 else -2.0
        if rand.random() < 0.04:
            look = another_look(t)
        after = advance(graphs, state, t, speed, look, dream=0.3)
        surveyor.watch(state, after, wanted_at(speed))
        sides.add(int(after["job"][1]))
        if state["job"][3]:  # a tile once begun is dreamt to its end
            assert torch.equal(state["job"][:3], after["job"][:3])
            waits = float(state["time"]) > 0.999  # for the tile before it to dissolve
            back = after["restarts"] > state["restarts"]
            assert back or waits or float(after["time"]) > float(state["time"])
        state = after
    assert surveyor.tiles > 20 and sides == {0, 1}
    assert surveyor.repainted > 3 or steady
    assert (np.abs(surveyor.travelled[3:]) > 0).all()


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_back_again_is_the_same_country(graphs: Graphs, start: State, way: float) -> None:
    """After a turn, every column in the window is the one that was seen there before."""
    surveyor, state = Surveyor(), start
    seen = [(np.zeros(P, np.int64), window(start))]
    for t in range(45):
        speed = way if t < 30 else -way
        after = advance(graphs, state, t, speed)
        surveyor.watch(state, after, wanted_at(speed))
        state = after
        if t in (29, 44):
            seen.append((surveyor.travelled // CELL, window(state)))
    first, turn, now = seen
    for p in range(3, P):
        assert abs(turn[0][p]) > abs(now[0][p]), "the plane did not turn"
        for before, picture in (first, turn):
            shared = np.arange(VIEW_W) + now[0][p] - before[p]  # where each column stood then
            there = (shared >= 0) & (shared < VIEW_W)
            assert there.any()
            assert torch.equal(now[1][p][there], picture[p][shared[there]]), f"plane {p}"


@pytest.mark.parametrize("moved", [0, 12])
def test_at_speed_zero_the_picture_stands_still(graphs: Graphs, start: State, moved: int) -> None:
    state = start
    for t in range(moved):
        state = advance(graphs, state, t, 1.3)
    first = state
    for t in range(20):
        state = advance(graphs, state, 50 + t, 0.0)
    assert torch.equal(state["position"], first["position"])
    assert torch.equal(window(state), window(first))
    # but for the start picture's own colour, which fades in its own time
    assert torch.equal(decode(graphs, {**state, "fade": first["fade"]}), decode(graphs, first))
    assert (state["ahead"] > first["ahead"]).any(), "and yet the runway should grow"


def test_the_same_noise_dreams_the_same(graphs: Graphs, start: State) -> None:
    one, two, other = start, start, start
    for t in range(10):
        one, two = advance(graphs, one, t, 1.0), advance(graphs, two, t, 1.0)
        other = advance(graphs, other, t + 1000, 1.0)
    assert all(torch.equal(one[k], two[k]) for k in STATE)
    assert not torch.equal(one["ring"], other["ring"])


class Still(torch.nn.Module):
    """A dream network that moves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.placement, self.events = Placement(TILE), Events()

    def forward(self, tile: Tensor, *told: Tensor) -> Tensor:
        return tile * 0.0


def test_only_wires_set_out_from_less_noise(start: State) -> None:
    graphs, state, seen = small_graphs(), start, set()
    graphs.predictor.network = Still()  # type: ignore[assignment]
    wires = torch.ones(TALL)
    wires[WIRES] = CALM
    for t in range(300):
        before, state = state, advance(graphs, state, t, 1.0)
        if not before["job"][3]:
            plane = int(state["job"][0])
            share = (state["tile"] / torch.randn(NOISE, generator=rng(t))[0]).mean((0, 2))
            assert torch.allclose(share, wires if plane == TRACK else torch.ones(TALL))
            seen.add(plane)
    assert TRACK in seen and len(seen) > 3 and PLANES[TRACK].name == "track"


def test_a_tile_once_begun_needs_no_more_noise(graphs: Graphs, start: State) -> None:
    begun = advance(graphs, start, 1, 1.0)
    assert begun["job"][3] and 0.0 < float(begun["time"]) < 0.5
    one, two = advance(graphs, begun, 2, 1.0), advance(graphs, begun, 3, 1.0)
    assert torch.equal(one["tile"], two["tile"])
    rough = advance(graphs, begun, 3, 1.0, dream=1.0)
    assert not torch.equal(one["tile"], rough["tile"]), "dream should roughen the context"


def test_the_residual_brings_the_start_picture_back(graphs: Graphs) -> None:
    small = torch.rand(1, 3, 8, 16, generator=rng(11))
    picture = F.interpolate(small, (HEIGHT, WIDTH), mode="bilinear")[0]
    state = encode(graphs, picture)
    errors = []
    for fade in (1.0, 0.5, 0.0):
        frame = decode(graphs, {**state, "fade": torch.tensor([fade])})
        made = frame.permute(2, 0, 1)[None].float() / 255.0
        apart = F.avg_pool2d(made, 4) - F.avg_pool2d(picture[None], 4)
        errors.append(float(apart.abs().mean()))
    assert errors[0] < errors[1] < errors[2]
    assert errors[0] < 0.35 * errors[2], errors


def test_the_residual_fades_with_dream_and_with_another_look(graphs: Graphs, start: State) -> None:
    assert float(start["fade"]) == 1.0
    kept = float(advance(graphs, start, 1, 1.0)["fade"])
    assert 0.02 < kept ** (30 * 10) < 0.6, "in ten seconds much of it should go, not all"
    dreamt = float(advance(graphs, start, 1, 1.0, dream=1.0)["fade"])
    assert dreamt == pytest.approx(kept - 0.01)
    away = advance(graphs, start, 1, 1.0, look=-start["origin"])
    assert float(away["fade"]) == pytest.approx(0.9 * kept)
    back = advance(graphs, away, 2, 1.0)
    assert float(back["fade"]) == pytest.approx(kept * float(away["fade"])), "it never comes back"
    assert torch.equal(away["origin"], start["origin"])


def test_new_country_has_no_residual(graphs: Graphs, start: State) -> None:
    """Wherever country was dreamt, nothing of the start picture's own colour lies."""
    state = start
    for t in range(P * STEPS):
        state = advance(graphs, state, t, 1.0)
    ring, before = (one["ring"].view(P, RING, CHANNELS, ROWS) for one in (state, start))
    new = (ring != before).flatten(2).any(2)
    assert (new.sum(1) >= TILE_CELLS // 2).sum() >= 4, "there are tiles on half of the planes"
    assert (ring[:, :, MATERIALS:][new] == 128).all()


def test_the_decoder_graph_sees_what_the_decoder_was_taught(graphs: Graphs, start: State) -> None:
    """The window between columns, across the seam of the ring, is the plain decoder."""
    strip = random_masks(P, VIEW_W + 1, seed=12)
    strip = (strip * 255.0).round()
    whole = torch.tensor([700, 0, 511, 512, 600, 767, 255, 640])
    parts = torch.tensor([0, 2048, 1024, 1, 4095, 512, 3000, 2047])
    blank = torch.full((P, RESIDUAL, ROWS, VIEW_W + 1), 128.0)
    columns = to_columns(torch.cat([strip, blank], 1)).byte()
    ring = torch.zeros(P, RING, CHANNELS * ROWS, dtype=torch.uint8)
    grains = []
    for p, x in enumerate(whole.tolist()):
        ring[p, (x + torch.arange(VIEW_W + 1)) % RING] = columns[p]
        # half a cell is a pixel, and each has a column of its own
        fine = graphs.plain.grain.view(P, 2 * VIEW_W, GRAIN, ROWS)[p].permute(1, 2, 0)
        grains.append(torch.roll(fine, -2 * x - int(parts[p] >= CELL // 2), 2)[..., ::2])
    phase = parts.float() / CELL
    grain = torch.stack(grains)
    assert grain.shape == (P, GRAIN, ROWS, VIEW_W)
    taught = graphs.plain(
        pixels(strip[..., :-1], strip[..., 1:], phase[:, None, None, None])[None] / 255.0,
        phase[None],
        grain[None],
        torch.zeros(1, P, RESIDUAL, ROWS, VIEW_W),
        start["origin"][None],
    )[0]
    position = (whole * CELL + parts).int()
    given = {"ring": ring.flatten(0, 1), "position": position, "fade": torch.ones(1)}
    frame = decode(graphs, {**start, **given})
    apart = frame.permute(2, 0, 1).float() - taught.clamp(0, 1) * 255.0
    assert float(apart.abs().max()) < 0.51 + 0.05


@pytest.mark.parametrize("speed", [1.3, -0.6])
def test_the_decoder_shows_where_the_train_will_be(
    graphs: Graphs, start: State, speed: float
) -> None:
    """What it shows of a state at a speed is the window of the next one, but for what fades."""
    state = start
    for t in range(12):
        state = advance(graphs, state, t, speed)
    after = advance(graphs, state, 12, speed)
    assert (after["position"] != state["position"]).sum() > 3
    shown = decode(graphs, {**state, "fade": after["fade"]}, speed)
    assert torch.equal(shown, decode(graphs, after))
