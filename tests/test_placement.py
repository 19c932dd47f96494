"""Where a sun is to stand is drawn before its tile is dreamt, by the suns that were seen."""

from typing import Any

import pytest
import torch
from small_graphs import Graphs, State, advance
from small_tensors import random_masks, rng
from torch import Tensor, nn

from trainjourney.model.codec import LATENT, Codec
from trainjourney.model.network import DREAMT, TALL, TILE, Network
from trainjourney.model.placement import PAST, SKY, Placement, disc_cells, draw, heading
from trainjourney.model.planes import DOWN, PLANES, ROWS, VIEW_W
from trainjourney.model.repaint import TILES
from trainjourney.model.restart import DEPARTURE
from trainjourney.scenery.signs import CODES
from trainjourney.training.dataset import Shards
from trainjourney.training.dream_stage import DreamStage

WINDOW = VIEW_W // DOWN  # latent columns


def test_only_what_was_seen_of_the_past_counts() -> None:
    placement, discs = Placement(TILE), torch.zeros(2, PAST)
    discs[1, 40] = 30.0  # 64 columns before the tile
    seen, unseen = (placement(discs, torch.tensor([n, n])) for n in (64, 63))
    assert seen.shape == (2, TILE + 1)
    assert not torch.equal(seen[0], seen[1]) and torch.equal(unseen[0], unseen[1])


def test_places_are_drawn_as_often_as_they_are_likely() -> None:
    likely = torch.tensor([0.5, 0.25, 0.125, 0.125])
    drawn = draw(likely.log().expand(20_000, -1), torch.randn(20_000, 4, generator=rng(1)))
    assert torch.allclose(drawn.bincount() / 20_000, likely, atol=0.02)


def test_none_and_nothing_drawn_are_told_apart() -> None:
    told = heading(torch.tensor([3, TILE, -1]), TILE)
    assert told.shape == (3, 2, TILE)
    assert told[:, 0].mean(1).tolist() == [1.0, 1.0, 0.0]
    assert told[0, 1].nonzero().tolist() == [[3]] and not told[1:, 1].any()


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
    def said(place: int) -> Tensor:
        told = heading(torch.tensor([place]), TILE)
        out: Tensor = network(tile, zero, context, zero + 1.0, zero, told, zero.long(), look)
        return out

    assert torch.equal(said(3), said(-1)), "a fresh network knows no better"
    nn.init.normal_(network.heading.weight)
    assert not torch.equal(said(3), said(-1)) and not torch.equal(said(3), said(20))


def test_it_is_taught_the_place_of_every_sun(tiny_shards: Shards) -> None:
    """The place, from the masks, is where the signs have a sun; mirrored and at a border too."""
    codec = Codec(8)
    codec.fit(SKY, random_masks(2, 64))
    stage = DreamStage(tiny_shards, torch.randn(4, 4, 64), codec, width=8, blocks=1)
    stage.often = torch.eye(len(PLANES))[SKY]
    tile, told, suns = stage.batch_of(rng(2), 96)
    word = torch.from_numpy(CODES["sun"])
    alike = torch.einsum("w,bwhc->bhc", word, tile[:, LATENT:-2]).amax(1) / len(word)
    count = 0
    for one, place, sun in zip(alike, suns.place.tolist(), told[3], strict=True):
        if place < TILE:
            count += 1
            assert float(one[max(0, place - 1) : place + 2].max()) > 0.5
            assert sun[1].nonzero().tolist() == [[place]]
        elif float(one[2:-2].max()) > 0.9:
            inside = (one > 0.5).nonzero().flatten().tolist()
            assert min(inside) < 6 or max(inside) > TILE - 7, "a whole sun, of no place"
    assert count > 10 and bool((suns.place == TILE).any())
    assert 0 == int(suns.known.min()) < int(suns.known.max()) <= PAST
    loss = stage.placing(suns)
    loss.backward()  # type: ignore[no-untyped-call]
    assert stage.network.placement.past.weight.grad is not None


class Overheard(nn.Module):
    """A placement, and how much of the past it was told last."""

    def __init__(self, placement: nn.Module) -> None:
        super().__init__()
        self.placement, self.known = placement, -1

    def forward(self, discs: Tensor, known: Tensor) -> Tensor:
        self.known = int(known)
        said: Tensor = self.placement(discs, known)
        return said


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
    assert all(0 <= int(state["place"]) <= TILE for _, state, _ in begun)


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
            assert torch.equal(before["place"], state["place"])
            kept += 1
    assert kept > 20
