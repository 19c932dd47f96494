"""A sun is drawn before its tile is dreamt: its place by the suns that were seen, its height and
size by the look."""

from typing import Any

import numpy as np
import pytest
import torch
from small_graphs import Graphs, State, advance, small_dream
from small_tensors import rng
from torch import Tensor, nn

from trainjourney.model.codec import LATENT
from trainjourney.model.events import EVENT_TOLD
from trainjourney.model.network import DREAMT, TALL, TILE, Network
from trainjourney.model.placement import (
    DISC,
    DISC_TOLD,
    LARGE,
    PAST,
    SKY,
    SMALL,
    Placement,
    disc_cells,
    disc_told,
    draw_disc,
    draw_place,
)
from trainjourney.model.planes import DOWN, ROWS, VIEW_W
from trainjourney.model.repaint import TILES
from trainjourney.model.restart import DEPARTURE
from trainjourney.scenery.signs import CODES
from trainjourney.training.dataset import Shards

WINDOW = VIEW_W // DOWN  # latent columns


def test_only_what_was_seen_of_the_past_counts() -> None:
    placement, discs = Placement(TILE), torch.zeros(2, PAST)
    discs[1, 40] = 30.0  # 64 columns before the tile
    seen, unseen = (placement(discs, torch.tensor([n, n])) for n in (64, 63))
    assert seen.shape == (2, TILE + 1)
    assert not torch.equal(seen[0], seen[1]) and torch.equal(unseen[0], unseen[1])


def test_places_are_drawn_as_often_as_they_are_likely() -> None:
    likely = torch.tensor([0.5, 0.25, 0.125, 0.125])
    drawn = draw_place(likely.log().expand(20_000, -1), torch.randn(20_000, 4, generator=rng(1)))
    assert torch.allclose(drawn.bincount() / 20_000, likely, atol=0.02)


def test_none_and_nothing_drawn_are_told_apart() -> None:
    told = disc_told(torch.tensor([[13.0, 20.0, 6.0], [0.0, 0.0, 0.0], [-1.0, -1.0, -1.0]]), TILE)
    assert told.shape == (3, DISC_TOLD, TALL, TILE)
    assert told[:, 0].mean((1, 2)).tolist() == [1.0, 1.0, 0.0]
    assert told[0, 1].amax(0).nonzero().tolist() == [[3]] and not told[1:, 1:].any()


def test_a_disc_that_is_drawn_is_whole_whatever_its_look_says() -> None:
    place = torch.arange(TILE + 1).repeat(50)
    count = len(place)
    mean, spread = 60.0 * torch.randn(2, count, 2, generator=rng(3))
    noise = 3.0 * torch.randn(count, 3, generator=rng(4))
    x, y, radius = draw_disc(place, mean, spread.abs(), noise, TILE).unbind(1)
    none = place == TILE
    assert not radius[none].any() and bool((radius[~none] >= SMALL).all())
    assert float(radius.max()) == LARGE and 0.0 <= float(y.min()) < float(y.max()) <= ROWS - 1
    inside = (x - radius >= 0.0) & (x + radius <= TILE * DOWN - 1)
    assert bool(inside[~none].all())
    free = ~none & (place * DOWN > LARGE) & (place * DOWN < TILE * DOWN - LARGE - DOWN)
    assert torch.equal(((x + 0.5) / DOWN).floor()[free].long(), place[free])


def test_what_is_told_of_a_disc_is_what_the_scenery_paints(tiny_shards: Shards) -> None:
    seen = 0
    for suns, (shard, row) in zip(tiny_shards.suns, tiny_shards.where, strict=True):
        sky = torch.from_numpy(np.array(tiny_shards.strips[shard][row, SKY])).float() / 255.0
        for x, y, radius in suns[suns[:, 2] > 0.0].tolist():
            left = min(max(0, int(x) - 64), sky.shape[2] - 128)
            told = disc_told(torch.tensor([[x - left, y, radius]]), TILE)
            cover = nn.functional.pixel_shuffle(told[:, 2:], DOWN)[0, 0]
            there = sky[:, :, left : left + 128]
            open_ = cover * (1.0 - there[:2].sum(0))  # clouds are before it
            off = (open_ - there[DISC]).abs().sum() / cover.sum()
            assert float(off) < 0.05, (shard, row, x)
            seen += 1
    assert seen > 2


def test_discs_are_counted_by_the_latent_column() -> None:
    masks = torch.zeros(1, ROWS, 12)
    masks[0, 5:9, 6:10] = 1.0
    assert disc_cells(masks).tolist() == [[0.0, 8.0, 8.0]]


def test_the_network_is_told_where_but_not_at_first() -> None:
    torch.manual_seed(0)
    network, zero = Network(8, 1), torch.zeros(1)
    tile, context = torch.randn(1, DREAMT, TALL, TILE), torch.randn(1, LATENT, TALL, 16)
    look = torch.ones(1, 64) / 8.0

    @torch.no_grad()
    def said(*disc: float) -> Tensor:
        told = disc_told(torch.tensor([disc]), TILE)
        told = nn.functional.pad(told, (0, 0, 0, 0, 0, EVENT_TOLD))
        out: Tensor = network(tile, zero, context, zero + 1.0, zero, told, zero.long(), look)
        return out

    sun, untold = (13.0, 20.0, 6.0), (-1.0, -1.0, -1.0)
    assert torch.equal(said(*sun), said(*untold)), "a fresh network knows no better"
    nn.init.normal_(network.heading.weight)
    assert not torch.equal(said(*sun), said(*untold))
    assert not torch.equal(said(*sun), said(13.0, 20.0, 7.0))


def test_it_is_taught_the_place_of_every_sun(tiny_shards: Shards) -> None:
    """The place, and the disc, are where the signs have a sun; mirrored and at a border too."""
    stage = small_dream(tiny_shards, SKY)
    tile, told, lots = stage.batch_of(rng(2), 96)
    suns = lots.suns
    word = torch.from_numpy(CODES["sun"])
    alike = torch.einsum("w,bwhc->bhc", word, tile[:, LATENT:-2]).amax(1) / len(word)
    count = 0
    for one, place, sun in zip(alike, suns.place.tolist(), told[3], strict=True):
        if place < TILE:
            count += 1
            assert float(one[max(0, place - 1) : place + 2].max()) > 0.5
            assert sun[1].amax(0).nonzero().tolist() == [[place]]
        elif float(one[2:-2].max()) > 0.9:
            inside = (one > 0.5).nonzero().flatten().tolist()
            assert min(inside) < 6 or max(inside) > TILE - 7, "a whole sun, of no place"
        covered = sun[2:DISC_TOLD].amax((0, 1)) > 0.0
        assert not bool((one > 0.7)[~covered].any()), "a sun that nobody told of"
    assert count > 10 and bool((suns.place == TILE).any())
    assert 0 == int(suns.known.min()) < int(suns.known.max()) <= PAST
    loss = stage.placing(lots)
    loss.backward()  # type: ignore[no-untyped-call]
    for taught in (stage.network.placement.past, stage.network.placement.look):
        assert taught.weight.grad is not None and bool(taught.weight.grad.any())


class Overheard(nn.Module):
    """A placement, and how much of the past it was told last."""

    def __init__(self, placement: Placement) -> None:
        super().__init__()
        self.placement, self.known = placement, -1

    def forward(self, discs: Tensor, known: Tensor) -> Tensor:
        self.known = int(known)
        said: Tensor = self.placement(discs, known)
        return said

    def sizes(self, embedding: Tensor) -> Any:
        return self.placement.sizes(embedding)


def overhear(
    graphs: Graphs, state: State, frames: int, *levers: float
) -> list[tuple[State, State, int]]:
    """For each tile of the sky the states before and after its first frame, and what was known."""
    network: Any = graphs.predictor.network
    ear = Overheard(network.placement)
    network.placement = ear
    begun, speed, dream = [], *levers
    try:
        for t in range(frames):
            before, state = state, advance(graphs, state, 900 + t, speed, None, dream)
            if state["job"][0] == SKY and state["job"][3] and not before["job"][3]:
                begun.append((before, state, ear.known))
    finally:
        network.placement = ear.placement
    return begun


@pytest.mark.parametrize("speed", [1.0, -1.0])
def test_beyond_the_window_all_that_is_seen_counts(
    graphs: Graphs, start: State, speed: float
) -> None:
    begun = overhear(graphs, start, 160, speed, 0.0)
    assert begun and all(WINDOW <= known <= WINDOW + TILE for _, _, known in begun)
    for _, state, _ in begun:
        x, _, radius = state["disc"].tolist()
        assert radius == 0.0 or SMALL <= radius <= LARGE
        assert radius <= x <= TILE * DOWN - 1 - radius


def test_a_departure_counts_what_it_has_dreamt_itself(graphs: Graphs, start: State) -> None:
    begun = overhear(graphs, start, DEPARTURE, 0.0, 1.0)
    assert {(int(state["work"][2]), known) for _, state, known in begun} == {
        (TILES, 0), (TILES - 1, TILE), (TILES - 2, 2 * TILE)
    }  # fmt: skip


def test_a_place_once_drawn_is_kept_until_its_tile_is_done(graphs: Graphs, start: State) -> None:
    state, kept = start, 0
    for t in range(60):
        before, state = state, advance(graphs, state, t, 1.0)
        if before["job"][3]:
            assert torch.equal(before["disc"], state["disc"])
            kept += 1
    assert kept > 20
