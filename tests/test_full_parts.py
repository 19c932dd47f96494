"""The parts of the full model: its network, folding, road, adapters and losses, at random."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from filmed import sliding
from small_tensors import rng
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from trainjourney.model.full.denoiser import LAST, Road
from trainjourney.model.full.folded import FoldedNetwork, layer_vectors
from trainjourney.model.full.graphs import FullEncoder, FullPredictor, FullSteering
from trainjourney.model.full.network import CHANNELS, FullNetwork, widened
from trainjourney.model.full.parts import fresh_parts
from trainjourney.model.full.rebuild import skeleton
from trainjourney.training.few_losses import consistency_loss, guided, matching_loss
from trainjourney.training.full.presets import PRESETS
from trainjourney.training.full.student import make_student
from trainjourney.training.full.travel import Brake, travel


def lively() -> FullNetwork:
    """A tiny network whose context and told numbers already weigh something."""
    torch.manual_seed(1)
    network = FullNetwork(fresh_parts(tiny=True).unet).eval().requires_grad_(False)
    network.unet.conv_in.weight.normal_(0.0, 0.1, generator=rng(2))
    network.told[2].weight.normal_(0.0, 0.1, generator=rng(3))  # type: ignore[operator]
    return network


def some_input(count: int = 1) -> tuple[Tensor, ...]:
    g = rng(4)
    return (
        torch.randn(count, 4, 8, 16, generator=g),
        torch.full((count,), LAST),
        torch.randn(count, 8, 8, 16, generator=g),
        torch.ones(count, 1, 8, 16),
        torch.rand(count, generator=g),
        torch.randn(count, generator=g),
        torch.randn(count, 16, generator=g),
    )


def test_the_network_sets_out_as_the_base_does() -> None:
    torch.manual_seed(1)
    unet = fresh_parts(tiny=True).unet.eval()
    x, step, context, mask, level, speed, look = some_input()
    with torch.no_grad():
        before = unet(x, step, look[:, None], return_dict=False)[0]
        after = FullNetwork(unet).eval()(x, step, context, mask, level, speed, look)
    assert before.abs().max() > 0.1
    assert torch.allclose(before, after, atol=1e-5)
    assert unet.conv_in.in_channels == CHANNELS


def test_folding_changes_nothing_but_the_work() -> None:
    network = lively()
    x, step, context, mask, level, speed, look = some_input(2)
    folded, vectors = FoldedNetwork(network, (LAST, 499)), layer_vectors(network)
    with torch.no_grad():
        for number, at in enumerate((LAST, 499)):
            whole = network(x, torch.full_like(step, at), context, mask, level, speed, look)
            told = network.condition(level, speed)
            joined = torch.cat([x, context * mask, mask], 1)
            made = folded(joined, number, told, vectors(look))
            assert torch.allclose(whole, made, atol=1e-5)
    assert not any(".attn2." in name for name, _ in folded.named_parameters())
    other = network(x, step, context, mask, level, speed + 1.0, look)
    assert not torch.allclose(network(x, step, context, mask, level, speed, look), other)


def test_the_road_ends_in_nothing_but_noise_and_gives_the_data_back() -> None:
    road, g = Road(), rng(1)
    data, noise = torch.randn(3, 4, 5, 5, generator=g), torch.randn(3, 4, 5, 5, generator=g)
    last = torch.full((3,), LAST)
    assert torch.equal(road.between(data, noise, last), noise)
    for at in (1, 500, LAST):
        step = torch.full((3,), at)
        x, v = road.between(data, noise, step), road.velocity(data, noise, step)
        assert torch.allclose(road.clean(x, v, step), data, atol=1e-4)
        assert torch.allclose(road.stray(x, v, step), noise, atol=1e-4)
    assert bool((road.weight(torch.arange(1000)) > 0).all())


def test_adapters_are_small_and_merge_to_the_same_network() -> None:
    torch.manual_seed(1)
    parts = fresh_parts(tiny=True)
    preset = replace(PRESETS["tiny"], taught="lora")
    network, taught = make_student(preset, parts)
    trained = sum(p.numel() for p in taught.parameters())
    assert trained < 0.6 * sum(p.numel() for p in network.parameters())
    loose = {id(p) for p in network.parameters() if p.requires_grad}
    assert loose == {id(p) for p in taught.parameters()}
    with torch.no_grad():
        for p in taught.parameters():
            p.add_(0.02 * torch.randn(p.shape, generator=rng(1)))
        given = some_input()
        before = network.eval()(*given)
        network.unet.fuse_lora()
        network.unet.unload_lora()
        after = network(*given)
    assert torch.allclose(before, after, atol=1e-4)


def test_the_losses_of_few_steps_know_what_they_ask() -> None:
    data, noise = torch.randn(4, 3, 4, 4, generator=rng(1)), torch.randn(4, 3, 4, 4)
    one = torch.ones(4)
    right = consistency_loss(lambda x: data, lambda x: data, noise, data, one)
    wrong = consistency_loss(lambda x: data + 1.0, lambda x: data, noise, data, one)
    assert float(right) == pytest.approx(0.0, abs=1e-6) and float(wrong) > 0.5
    assert torch.allclose(guided(data, noise, one), data, atol=1e-6)
    assert torch.equal(guided(data, noise, 0.0 * one), noise)
    made = data.clone().requires_grad_(True)
    matching_loss(made, real=data + 1.0, fake=data - 1.0).backward()  # type: ignore[no-untyped-call]
    assert made.grad is not None and bool((made.grad < 0).all())  # downhill is towards the real


def test_the_state_walks_and_the_frame_follows_the_noise() -> None:
    parts, network = fresh_parts(tiny=True), lively()
    predictor = FullPredictor(network, (LAST,)).eval()
    frame = torch.randint(0, 255, (64, 128, 3), generator=rng(1), dtype=torch.uint8)
    with torch.no_grad():
        latents = FullEncoder(parts.codec)(frame)
        look = torch.nn.functional.normalize(torch.randn(16, generator=rng(2)), dim=0)
        vectors = FullSteering(network, 10.0)(look)
        after = [
            predictor(
                latents, torch.randn(3, 4, 8, 16, generator=rng(k)), vectors, torch.tensor(1.0),
                torch.tensor(0.2),
            )
            for k in (1, 1, 2)
        ]  # fmt: skip
    assert torch.equal(after[0], after[1]) and not torch.equal(after[0], after[2])
    assert torch.equal(after[0][0], latents[1])


class Crossings(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes what goes between host and device: no CUDA graph takes that up."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []

    def __torch_dispatch__(
        self, call: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        if any(word in str(call) for word in ("lift_fresh", "_local_scalar_dense")):
            self.found.append(str(call))
        return call(*args, **(kwargs or {}))


def test_no_graph_makes_numbers_on_the_host_or_asks_for_them() -> None:
    with Crossings() as told:
        float(torch.tensor([1.0]))
    assert len(told.found) == 2  # both ways are noticed
    given = {
        "encoder": (torch.zeros(64, 128, 3, dtype=torch.uint8),),
        "predictor": (
            torch.zeros(2, 4, 8, 16), torch.zeros(4, 4, 8, 16), torch.zeros(80), torch.tensor(1.0),
            torch.tensor(0.1),
        ),
        "decoder": (torch.zeros(2, 4, 8, 16),),
        "embedder": (torch.zeros(32, 32, 3, dtype=torch.uint8),),
        "steering": (torch.zeros(16),),
    }  # fmt: skip
    for name, graph in skeleton(True, (LAST, 499), 10.0).items():
        with torch.no_grad(), Crossings() as seen:
            graph.eval()(*given[name])
        assert seen.found == [], name


def test_a_wide_first_layer_keeps_its_old_weights() -> None:
    first = torch.nn.Conv2d(4, 8, 3, padding=1)
    wide = widened(first, 13)
    assert torch.equal(wide.weight[:, :4], first.weight)
    assert float(wide.weight.detach()[:, 4:].abs().max()) < 1e-6


def test_a_student_that_stops_travelling_is_stopped() -> None:
    frames = sliding(6, 6, 9.0, (512, 256))
    assert travel(frames, 9.0) == pytest.approx(1.0, abs=0.05)
    assert travel(frames, -9.0) == pytest.approx(-1.0, abs=0.05)
    assert travel([frames[0]] * 4, 9.0) == pytest.approx(0.0, abs=0.02)
    brake = Brake()
    for travelled, stops in ((0.9, False), (0.8, False), (0.5, True)):
        brake.note(travelled)
        assert brake.stops() is stops
    still = Brake()
    still.note(0.0)
    still.note(0.0)
    assert not still.stops()  # it never travelled: nothing is lost
