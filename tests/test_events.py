"""What comes by on the track is drawn before it is dreamt, kept until it has passed, and told for
each of its tiles as the scenery paints it."""

import numpy as np
import pytest
import torch
from small_graphs import Graphs, State, advance, small_dream
from small_tensors import rng
from torch import Tensor, nn

from trainjourney.model.codec import LATENT
from trainjourney.model.events import (
    APART,
    EDGE,
    EVENT_TOLD,
    KINDS,
    LONG,
    NONE,
    beside,
    draw_event,
    event_told,
    following,
)
from trainjourney.model.network import TALL, TILE
from trainjourney.model.placement import DISC_TOLD
from trainjourney.model.planes import DOWN, LAND, PLANES, ROWS
from trainjourney.model.repaint import TRACK
from trainjourney.model.restart import DEPARTURE
from trainjourney.model.ring import RING, TILE_CELLS
from trainjourney.scenery.signs import CODES
from trainjourney.training.dataset import EVENTS, Shards, events_of
from trainjourney.training.events import passing

PLATFORM, BRIDGE = list(range(NONE + 1, NONE + 1 + len(KINDS)))[:2]
NEVER = torch.zeros(1), torch.zeros(1), torch.zeros(1)  # nothing was drawn


def cells(told: Tensor, channel: int) -> Tensor:
    """What is told of every cell, [B, tile * DOWN]: of a kind, or, behind the last, of marks."""
    return told[:, 3 + channel * DOWN : 3 + (channel + 1) * DOWN, 0].transpose(1, 2).flatten(1)


def told_of(*events: tuple[float, float, float], mirrored: bool = False) -> Tensor:
    turned = torch.full((len(events),), mirrored)
    return event_told(torch.tensor(events), turned, TILE)


def test_none_and_nothing_drawn_are_told_apart() -> None:
    told = told_of((BRIDGE, 20.0, 300.0), (NONE, 0.0, 0.0), (-1.0, 0.0, 90.0))
    assert told.shape == (3, EVENT_TOLD, TALL, TILE)
    assert told[:, 0].mean((1, 2)).tolist() == [1.0, 1.0, 0.0] and not told[1:, 1:].any()


def test_a_mirrored_tile_is_told_of_the_same_turned_round() -> None:
    one, other = (told_of((BRIDGE, 31.25, 300.0), mirrored=turned) for turned in (False, True))
    for channel in range(len(KINDS) + 1):
        assert torch.equal(cells(one, channel).flip(1), cells(other, channel))
    assert torch.equal(one[:, :3].flip(3), other[:, :3])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_told_is_what_the_scenery_paints(kind: str) -> None:
    """All along it: where it covers, its posts or lamps, and the portals of a tunnel."""
    from array_api_compat import numpy as xp

    from trainjourney.scenery.layout import plan
    from trainjourney.scenery.strips import paint, store
    from trainjourney.scenery.worlds import WORLDS

    lay = plan(5, TRACK, 1024, lambda _: WORLDS["mesa"])
    lay.fence, lay.stands, lay.wires, lay.poles = [], [], 0.0, []
    bare = store(xp, paint(xp, [lay]), PLANES[TRACK])[0]
    lay.events = [(kind, 331.0, 801.0)]
    full = store(xp, paint(xp, [lay]), PLANES[TRACK])[0]
    (number, first, last), *_ = events_of(lay).tolist()
    number = int(number)
    changed = torch.from_numpy(np.abs(full - bare).sum((0, 1)) > 0.5)
    parts = [told_of((number, first - at, last - at)) for at in range(0, 512, TILE_CELLS)]
    covers, marks = (torch.cat([cells(x, c)[0] for x in parts]) for c in (number - 1, len(KINDS)))
    there = torch.maximum(covers, marks) if kind == "tunnel" else covers
    assert torch.equal(there > 0.2, changed[:512])
    others = [c for c in range(len(KINDS)) if c != number - 1]
    assert not any(bool(cells(x, c).any()) for x in parts for c in others)
    # a row in which nothing else is drawn, and what stands there
    material, row = {"platform": ("dark", 190), "bridge": ("dark", 204), "tunnel": ("light", 86)}[
        kind
    ]
    heights = np.cumsum(PLANES[TRACK].heights)
    drawn = torch.from_numpy(full[LAND.index(material), int(np.searchsorted(heights, row / 2))])
    if kind == "tunnel":
        drawn = torch.maximum(2.0 * drawn, torch.from_numpy(full[LAND.index("wall"), 30]))
    off = (marks - drawn[:512]).abs()
    if kind == "bridge":  # its diagonals reach the row just before a post
        off = off[marks > 0.4]
    assert float(off.mean()) < 0.03 and float(marks.sum()) > 8.0


def test_kinds_and_lengths_are_drawn_as_often_as_they_are_likely() -> None:
    likely = torch.tensor([0.6, 0.2, 0.2, 0.0])  # a tunnel never
    noise = torch.randn(20_000, len(KINDS) + 3, generator=rng(1))
    logits = torch.tensor([0.6, 0.2, 0.2, 9.0]).log()
    kind, along, length = draw_event(logits.expand(20_000, -1), noise)
    assert torch.allclose(kind.bincount(minlength=4) / 20_000, likely, atol=0.02)
    assert 0.0 <= float(along.min()) < 0.01 and 0.99 < float(along.max()) <= 1.0
    assert LONG[0] <= float(length.min()) < 132.0 and 258.0 < float(length.max()) <= LONG[1]


def ride(event: Tensor, column: int, left: bool, tiles: int) -> list[Tensor]:
    """What is told of it beside every tile, of so many in which nothing new is drawn."""
    seen = []
    for _ in range(tiles):
        at = torch.tensor(column % RING)
        event = following(event, NEVER, torch.tensor(int(left)), at, RING, TILE_CELLS)
        seen.append(beside(event, at, RING, TILE_CELLS))
        column += -TILE_CELLS if left else TILE_CELLS
    return seen


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("column", range(0, RING, 77))
def test_it_is_kept_until_it_lies_behind_and_told_without_a_seam(left: bool, column: int) -> None:
    drawn = torch.tensor([BRIDGE]), torch.tensor([0.8]), torch.tensor([250.0])
    at = torch.tensor(column)
    event = following(torch.zeros(3), drawn, torch.tensor(int(left)), at, RING, TILE_CELLS)
    assert int(event[0]) == BRIDGE and float(event[2]) == 250.0
    passed = ride(event, column, left, 14)  # twice round the ring
    told = [event_told(x[None], torch.tensor([left]), TILE) for x in passed]
    inside = torch.cat([cells(x, BRIDGE - 1)[0] for x in told])
    begins = EDGE + 0.8 * (TILE_CELLS - EDGE)
    assert float(inside.sum()) == pytest.approx(250.0, abs=1.5)
    assert inside.nonzero()[0].item() == pytest.approx(begins, abs=1.5)
    assert int((inside[1:] > inside[:-1]).sum()) <= 2, "once, in one piece"
    assert passed[-1][0] == NONE


def test_nothing_new_is_drawn_before_the_last_lies_behind() -> None:
    drawn = torch.tensor([BRIDGE]), torch.tensor([0.5]), torch.tensor([200.0])
    zero = torch.tensor(0)
    for end, kept in ((140.0, True), (1.0, True), (1.0 - APART, True), (-1.0 - APART, False)):
        old = torch.tensor([float(PLATFORM), (end - 200.0) % RING, 200.0])
        event = following(old, drawn, zero, zero, RING, TILE_CELLS)
        assert int(event[0]) == (PLATFORM if kept else BRIDGE), end


def like(signs: Tensor, kind: str) -> Tensor:
    """How alike the signs of each column are to a kind's, where they are most."""
    word = torch.from_numpy(CODES[kind])
    return torch.einsum("w,bwhc->bhc", word, signs).amax(1) / len(word)


def test_it_is_taught_what_every_track_has(tiny_shards: Shards) -> None:
    """Where the signs have a bridge it is told of, mirrored and at a border too, and only there."""
    stage = small_dream(tiny_shards, TRACK)
    tile, told, lots = stage.batch_of(rng(2), 128)
    seen = 0
    for number, kind in enumerate(KINDS, NONE + 1):
        alike, pole = (like(tile[:, LATENT:-2], word) for word in (kind, "pole"))
        covered = told[3][:, DISC_TOLD + 3 + (number - 1) * DOWN :][:, :DOWN, 0].mean(1)
        assert not bool((alike > 0.9)[covered < 0.1].any()), kind
        assert not bool((alike < 0.5)[(covered > 0.9) & (pole < 0.2)].any()), kind
        seen += int((covered > 0.9).any(1).sum())
    assert seen > 5 and len(lots.passing.kind) < 128
    stage.placing(lots).backward()  # type: ignore[no-untyped-call]
    grad = stage.network.events.look.weight.grad
    assert grad is not None and bool(grad.any())


def test_only_what_begins_in_a_tile_is_learned_as_likely() -> None:
    events = torch.tensor(
        [[BRIDGE, 30.0, 200.0], [BRIDGE, -30.0, 100.0], [-1.0, 0, 0], [0.0, 0, 0]]
    )
    look = torch.randn(4, 64)
    ahead = passing(events, torch.zeros(4, dtype=torch.bool), look)
    assert ahead.kind.tolist() == [BRIDGE, NONE] and torch.equal(ahead.look, look[[0, 3]])
    back = passing(events, torch.ones(4, dtype=torch.bool), look)
    assert back.kind.tolist() == [BRIDGE, NONE] and torch.equal(back.look, look[[1, 3]])


class Always(nn.Module):
    """A lot in which one kind comes whenever it can."""

    def forward(self, embedding: Tensor) -> Tensor:
        likely = torch.full((len(embedding), len(KINDS) + 1), -30.0)
        likely[:, PLATFORM] = 30.0
        return likely


@pytest.mark.parametrize("speed", [1.0, -1.0])
def test_as_the_train_rolls_they_come_by_but_not_in_a_departure_nor_in_a_ride(
    graphs: Graphs, start: State, speed: float
) -> None:
    network: nn.Module = graphs.predictor.network
    lot, network.events = network.events, Always()
    try:
        state, come = start, set[tuple[float, ...]]()
        for t in range(200):
            state = advance(graphs, state, t, speed)
            if state["event"][0] != NONE:
                come.add(tuple(state["event"].tolist()))
        assert len(come) >= 2 and {kind for kind, _, _ in come} == {float(PLATFORM)}
        assert all(0.0 <= first < RING and LONG[0] <= long <= LONG[1] for _, first, long in come)
        for t in range(DEPARTURE):
            state = advance(graphs, state, 300 + t, 0.0, None, 1.0)
        assert int(state["event"][0]) == NONE
        graphs.predictor.comes_by = False  # as in a pocket that was taught a ride
        for t in range(120):
            state = advance(graphs, state, 900 + t, speed)
            assert int(state["event"][0]) == NONE
    finally:
        graphs.predictor.comes_by = True
        network.events = lot


def test_a_strip_keeps_all_that_the_layout_has(tiny_shards: Shards) -> None:
    assert tiny_shards.events.shape == (len(tiny_shards), EVENTS, 3)
    first, last = tiny_shards.events[..., 1], tiny_shards.events[..., 2]
    there = tiny_shards.events[..., 0] > NONE
    assert there.any() and (LONG[0] <= (last - first)[there]).all()
    assert ((last - first)[there] <= LONG[1]).all() and ROWS == 64
