"""Restarts: dreamt again from half way where there is time, never where country is wanted."""

import pytest
import torch
from small_graphs import Graphs, State, advance
from small_tensors import another_look, rng

from trainjourney.model.codec import LATENT
from trainjourney.model.denoiser import lead
from trainjourney.model.repaint import RESTLESS
from trainjourney.model.restart import (
    BACK,
    HURRIED,
    IN_SIGHT,
    LEAST,
    MOST,
    OWN,
    SPARE,
    go_back,
    may_restart,
)
from trainjourney.model.ring import NOISE, P
from trainjourney.model.sampler import STEPS


def asked(
    plane: int = 0, kind: int = 1, restarts: int = 0, frames: float = 1e6, own: float = OWN + 1,
    speed: float = 1.0, departs: bool = False, dream: float = 0.0, hurry: bool = False,
) -> bool:  # fmt: skip
    job = torch.tensor([plane, 0, 0, kind], dtype=torch.int32)
    count = torch.tensor([restarts], dtype=torch.int32)
    waits = torch.full((P,), 1e6)
    waits[(plane + 1) % P], waits[plane] = frames, own
    given = (torch.tensor(x) for x in (speed, departs, dream, hurry))
    return bool(may_restart(job, count, waits, *given))


def test_only_where_there_is_time() -> None:
    for plane, spare in enumerate(SPARE[:6]):
        assert asked(plane, frames=spare + 1) and not asked(plane, frames=spare)
        assert not asked(plane, frames=spare, speed=0.5)
    assert not asked(own=OWN), "its own plane is about to wait"
    assert asked(frames=SPARE[0] / 2 + 1, speed=-2.0), "at speed a tile takes fewer frames"
    assert asked(kind=2) and not asked(kind=2, frames=SPARE[0])
    assert not asked(dream=RESTLESS + 0.01)
    assert asked(kind=2, frames=0.0, departs=True, dream=1.0), "a departure waits for nothing"


@pytest.mark.parametrize(
    ("kind", "hurry", "departs", "most"),
    [
        (1, False, False, MOST),
        (2, False, False, IN_SIGHT),
        (2, True, False, HURRIED),
        (2, True, True, IN_SIGHT),
    ],
)
def test_so_many_times_and_no_more(
    kind: int, hurry: bool, departs: bool, most: tuple[int, ...]
) -> None:
    for plane, times in enumerate(most):
        assert not asked(plane, kind, times, hurry=hurry, departs=departs)
        assert times == 0 or asked(plane, kind, times - 1, hurry=hurry, departs=departs)


def test_in_a_hurry_the_sky_waits_less_for_others() -> None:
    assert HURRIED[0] and not any(HURRIED[1:])
    assert asked(kind=2, hurry=True, frames=LEAST + 1)
    assert not asked(kind=2, hurry=True, frames=LEAST)
    assert not asked(kind=1, hurry=True, frames=LEAST + 1), "what is out of sight can wait"


def test_it_goes_back_to_its_place_on_the_road() -> None:
    """Latent and signs keep the share of the tile that their own time there says."""
    noise = torch.randn(NOISE[1:], generator=rng(1))
    for plane in range(P):
        still, time = go_back(torch.zeros_like(noise), torch.tensor([plane]), noise)
        assert float(time) == BACK[plane] / STEPS
        assert torch.allclose(still[:LATENT], (1.0 - time) * noise[:LATENT])
        assert torch.allclose(still[LATENT:], (1.0 - lead(time)) * noise[LATENT:])
        kept, _ = go_back(noise, torch.tensor([plane]), torch.zeros_like(noise))
        assert torch.allclose(kept[:LATENT], time * noise[:LATENT])


def test_a_train_with_time_restarts_and_one_in_a_hurry_does_not(
    graphs: Graphs, start: State
) -> None:
    """Rolling in one look, slow planes go back to the full; while looks change, the sky alone."""
    state, most = start, [0] * P
    for t in range(400):
        state = advance(graphs, state, t, 0.5)
        plane = int(state["job"][0])
        most[plane] = max(most[plane], int(state["restarts"]))
    assert tuple(most[2:]) == MOST[2:]
    for t in range(120):
        before, state = state, advance(graphs, state, 900 + t, 1.0, another_look(t // 10))
        begun = not before["job"][3]
        assert begun or state["job"][3] == 2 or state["restarts"] <= before["restarts"]
