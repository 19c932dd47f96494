"""Repainting: slow planes take on another look where they are seen, softly and by themselves."""

import pytest
import torch
from small_graphs import Graphs, State, advance, window
from small_tensors import another_look

from trainjourney.model.planes import MATERIALS, ROWS, VIEW_W
from trainjourney.model.repaint import RESTLESS, ROUND, TILES, TRACK
from trainjourney.model.restart import DEPARTURE
from trainjourney.model.ring import CELL, RING, TILE_CELLS, P
from trainjourney.model.sampler import STEPS

SLOW = (0, 1, 2, 3)  # planes whose country would stay for long at cruising speed


def ride(
    graphs: Graphs, state: State, look: torch.Tensor, frames: int, speed: float = 1.0,
    dream: float = 0.0,
) -> list[State]:  # fmt: skip
    states = [state]
    for t in range(frames):
        states.append(advance(graphs, states[-1], 500 + t, speed, look, dream))
    return states


@pytest.fixture(scope="module")
def repainted(graphs: Graphs, start: State) -> list[State]:
    """States of a ride under a look that is another one from its first frame on."""
    return ride(graphs, start, another_look(3), 420)


def shown(state: State, plane: int) -> torch.Tensor:
    return window(state)[plane, :, : MATERIALS * ROWS].float()


def test_in_the_same_look_nothing_seen_is_touched(graphs: Graphs, start: State) -> None:
    states = ride(graphs, start, start["origin"], 60)
    assert all(not state["work"][2] and not state["laying"][2] for state in states)


def test_a_new_look_repaints_the_slow_planes_where_they_are_seen(repainted: list[State]) -> None:
    look, states = another_look(3), repainted
    for p in SLOW:
        assert float(states[-1]["seen"][p] @ look) > 0.99, f"plane {p} is still of the old look"
        assert not torch.equal(shown(states[-1], p), shown(states[0], p))
    done = {int(state["work"][3]) for state in states if int(state["work"][2]) == 0}
    assert set(SLOW) <= done
    # the fastest two just rolled on
    assert not {6, 7} & {int(state["laying"][0]) for state in states if state["laying"][2]}
    assert float(states[-1]["seen"][P - 1] @ look) > 0.99


def test_the_sky_first_and_one_plane_after_the_other(repainted: list[State]) -> None:
    begun = [int(state["work"][0]) for state in repainted if state["work"][2] == TILES]
    order = list(dict.fromkeys(begun))
    assert order[:2] == [0, 1] and set(SLOW) <= set(order)


def test_what_passes_by_is_dreamt_in_half_the_frames_meanwhile(
    graphs: Graphs, start: State, repainted: list[State]
) -> None:
    def pace(states: list[State]) -> float:
        """The least time that a frame gave to a tile of the fastest planes."""
        steps = [
            float(after["time"] - before["time"])
            for before, after in zip(states[:-1], states[1:], strict=True)
            if before["job"][3] == 1 and before["job"][0] > 5
            and torch.equal(before["job"], after["job"])
        ]  # fmt: skip
        assert len(steps) > 8
        return min(step for step in steps if step > 0.0)

    calm = ride(graphs, start, start["origin"], 200)
    assert pace(repainted[5:90]) >= 2.0 / STEPS > 1.5 * pace(calm[60:])


def test_a_tile_dissolves_without_a_jump(repainted: list[State]) -> None:
    states = repainted[:91]
    begun = next(t for t, state in enumerate(states) if state["laying"][2])
    plane, column, _ = states[begun]["laying"].tolist()
    place = plane * RING + (column + torch.arange(TILE_CELLS)) % RING
    steps = [states[t]["ring"][place].float() for t in range(begun - 1, begun + ROUND)]
    whole = (steps[-1] - steps[0]).abs().mean()
    assert whole > 1.0
    for one, other in zip(steps[:-1], steps[1:], strict=True):
        assert (other - one).abs().mean() < 0.2 * whole
    assert torch.equal(steps[-1][:, : MATERIALS * ROWS].byte(), states[begun]["sheet"])


def test_new_country_goes_on_where_the_repainting_ends(repainted: list[State]) -> None:
    for before, after in zip(repainted[:-1], repainted[1:], strict=True):
        if before["work"][2] == 1 and after["work"][2] == 0:
            plane = int(before["work"][0])
            reach = int(after["position"][plane] + after["ahead"][plane]) // CELL + VIEW_W
            assert reach % RING == (int(before["work"][1]) + TILE_CELLS) % RING
            return
    raise AssertionError("nothing was repainted to its end")


def test_a_standing_train_is_repainted_as_a_whole(graphs: Graphs, start: State) -> None:
    look = another_look(3)
    restarting = DEPARTURE - P * TILES * STEPS
    last = ride(graphs, start, look, P * TILES * (ROUND + 8) + restarting, speed=0.0)[-1]
    assert bool(((last["seen"] @ look) > 0.99).all())


def test_the_dream_lever_far_up_repaints_by_turns(graphs: Graphs, start: State) -> None:
    states = ride(graphs, start, start["origin"], 300, dream=RESTLESS + 0.1)
    assert len({int(state["work"][3]) for state in states}) > 3


def test_a_departure_s_track_begins_before_the_window(graphs: Graphs, start: State) -> None:
    """Its first tile follows nothing, and would be seen to; of other planes it is not."""
    states = ride(graphs, start, another_look(4), DEPARTURE, 0.0, 1.0)
    first: dict[int, tuple[int, int]] = {}
    for state in states:
        plane, column, tiles, _ = state["work"].tolist()
        if tiles and state["job"][3] == 2:
            first.setdefault(plane, (column, tiles))
    for plane, (column, tiles) in first.items():
        early = TILE_CELLS if plane == TRACK else 0
        place = int(states[0]["position"][plane]) // CELL - early
        assert (column, tiles) == (place % RING, TILES + bool(early)), f"plane {plane}"
    assert set(first) == set(range(P))


def test_a_departure_leaves_nothing_of_what_was(graphs: Graphs, start: State) -> None:
    """Standing, with the dream lever all the way up, the whole window is another country."""
    look = another_look(4)
    other = {**start, "ring": 255 - start["ring"]}
    one = ride(graphs, start, look, DEPARTURE, 0.0, 1.0)[-1]
    two = ride(graphs, other, look, DEPARTURE, 0.0, 1.0)[-1]
    for p in range(P):
        assert float(one["seen"][p] @ look) > 0.99, f"plane {p}"
        assert torch.equal(shown(one, p), shown(two, p)), f"plane {p} tells of what was"
    assert not bool(((window(one)[..., MATERIALS * ROWS :].int() - 128).abs() > 0).any())
