"""The model: exact compositing, a local codec and sound flow maths."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from small_tensors import random_masks, rng
from torch import Tensor
from torch.nn import functional as F

from trainjourney.model.codec import LATENT, PATCH, Codec
from trainjourney.model.decoder import CODE, Composite
from trainjourney.model.denoiser import EARLY, between, draw_times, lead, roughen, velocity
from trainjourney.model.embedder import PICTURE_H, PICTURE_W, SIZE, Embedder
from trainjourney.model.encoder import Encoder
from trainjourney.model.network import CONTEXT, DREAMT, TALL, TILE, TOLD, Network
from trainjourney.model.planes import (
    DOWN,
    MATERIALS,
    PLANES,
    ROWS,
    VIEW_H,
    VIEW_W,
)
from trainjourney.model.ring import (
    P,
)
from trainjourney.model.sampler import STEPS, sample
from trainjourney.model.slant import SPAN, slanted

# --- networks ---------------------------------------------------------------------------------


@torch.no_grad()
def test_shapes() -> None:
    torch.manual_seed(0)
    embedding = Embedder(8)(torch.rand(2, 3, PICTURE_H, PICTURE_W))
    assert embedding.shape == (2, SIZE)
    assert torch.allclose(embedding.norm(dim=1), torch.ones(2), atol=1e-5)
    codec, plane, look = Codec(8), torch.tensor([0, 5]), F.normalize(torch.randn(2, SIZE))
    latent = codec.encode(random_masks(2, 128), plane)
    assert latent.shape == (2, LATENT, TALL, 32)
    masks = codec.decode(latent, plane, look)
    assert masks.shape == (2, MATERIALS, ROWS, 128)
    assert float(masks.min()) >= 0.0 and float(masks.sum(1).max()) <= 1.0 + 1e-5
    found = Encoder(8)(torch.rand(2, 3, VIEW_H, VIEW_W), look)
    assert found.shape == (2, P, LATENT, TALL, VIEW_W // DOWN)
    said = Network(8, 1)(
        torch.randn(2, DREAMT, TALL, TILE), torch.rand(2), torch.randn(2, LATENT, TALL, CONTEXT),
        torch.ones(2), torch.zeros(2), torch.zeros(2, TOLD, TALL, TILE), plane, embedding,
    )  # fmt: skip
    assert said.shape == (2, DREAMT, TALL, TILE)


def test_without_context_the_network_does_not_see_it() -> None:
    torch.manual_seed(0)
    network, tile = Network(8, 1), torch.randn(1, DREAMT, TALL, TILE)
    one, zero = torch.ones(1), torch.zeros(1)

    def said(seed: int, told: Tensor) -> Tensor:
        context = torch.randn(1, LATENT, TALL, CONTEXT, generator=rng(seed))
        look = F.normalize(torch.ones(1, SIZE))
        none = torch.zeros(1, TOLD, TALL, TILE)
        out: Tensor = network(tile, 0.5 * one, context, told, zero, none, zero.long(), look)
        return out

    assert torch.equal(said(1, zero), said(2, zero))
    assert not torch.allclose(said(1, one), said(2, one))


# --- codec ------------------------------------------------------------------------------------


def fitted(plane: int, masks: Tensor) -> Codec:
    """A codec with a basis for one plane, whose network is silent."""
    codec = Codec(8)
    codec.fit(plane, masks)
    last = codec.end[3]
    assert isinstance(last, torch.nn.Conv2d) and last.bias is not None
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    return codec


def test_a_cell_of_the_latent_depends_on_its_patch_alone() -> None:
    masks, plane = random_masks(1, 64), torch.tensor([3])
    codec = fitted(3, random_masks(4, 64, seed=1))
    before = codec.encode(masks, plane)
    masks[:, :, 9, 22] += 0.3  # row 9 and column 22 lie in the latent cell (2, 5)
    moved = (codec.encode(masks, plane) - before).abs().amax((0, 1))
    assert float(moved[2, 5]) > 1e-3
    moved[2, 5] = 0.0
    assert float(moved.max()) < 1e-6


def test_what_its_basis_spans_comes_back() -> None:
    """Patches made of fewer directions than the latent has are kept whole."""
    ways = 0.02 * torch.randn(LATENT - 2, PATCH, generator=rng(2))
    patches = 0.1 + torch.randn(3, TALL, 8, LATENT - 2, generator=rng(3)) @ ways
    masks = F.pixel_shuffle(patches.permute(0, 3, 1, 2), DOWN)
    codec, plane = fitted(6, masks), torch.full((3,), 6)
    rough = codec.logits(codec.encode(masks, plane), plane, torch.zeros(3, SIZE)) / 8.0
    assert torch.allclose(rough[:, :MATERIALS], masks, atol=1e-4)
    assert torch.allclose(rough.sum(1), torch.ones(3, ROWS, 32), atol=1e-4)
    rows = codec.basis[6]
    assert torch.allclose(rows @ rows.T, torch.eye(LATENT), atol=1e-5)


def test_the_strongest_component_has_spread_one() -> None:
    masks = random_masks(6, 64, seed=4)
    latent = fitted(2, masks).encode(masks, torch.full((6,), 2))
    spread = latent.transpose(0, 1).flatten(1).std(1)
    assert float(spread[0]) == pytest.approx(1.0, abs=0.01)
    assert (spread[1:] <= spread[0] + 1e-3).all()
    assert float(latent.mean().abs()) < 0.01


# --- composite --------------------------------------------------------------------------------


def plain_over(
    masks: NDArray[np.float64], codes: NDArray[np.float64], sky: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Porter and Duff's over, row by row, of [planes, MATERIALS, ROWS, VIEW_W] on sky [C, H]."""
    seen = np.repeat(sky[:, :, None], VIEW_W, 2)
    shares = np.zeros((P, VIEW_H, VIEW_W))
    for p, plane in enumerate(PLANES):
        for y in range(plane.top, VIEW_H):
            if p == 0 and y >= ROWS:
                break  # below the sky there is nothing; other planes go on with their last row
            # between the middles of stored rows, a tall plane lies between them
            ends = np.cumsum(plane.heights)
            middles = ends - np.array(plane.heights) / 2.0
            at = float(np.interp(y - plane.top + 0.5, middles, np.arange(ROWS)))
            row, part = int(at), at - int(at)
            here = masks[p, :, row] * (1.0 - part) + masks[p, :, min(row + 1, ROWS - 1)] * part
            cover = here.sum(0)
            seen[:, y] = seen[:, y] * (1.0 - cover) + np.einsum("mx,mc->cx", here, codes[p])
            shares[:, y] *= 1.0 - cover
            shares[p, y] = cover
    return seen, shares


def test_the_composite_is_exact() -> None:
    masks = random_masks(1, P, VIEW_W)
    codes = torch.randn(1, P, MATERIALS, CODE, generator=rng(5))
    sky = torch.randn(1, CODE, VIEW_H, 1, generator=rng(6))
    extra = torch.ones(1, P, 1, ROWS, VIEW_W)
    told = torch.cat([codes, torch.eye(P)[None, :, None].expand(1, P, MATERIALS, P)], 3)
    seen, bare = Composite(aslant=False)(masks, told, extra)
    assert seen.shape == (1, CODE + P + 1, VIEW_H, VIEW_W)
    shares = seen[:, CODE : CODE + P]
    plain, part = plain_over(
        masks[0].double().numpy(), codes[0].double().numpy(), sky[0, :, :, 0].double().numpy()
    )
    assert np.abs((seen[:, :CODE] + sky * bare)[0].numpy() - plain).max() < 1e-4
    assert np.abs(shares[0].numpy() - part).max() < 1e-5
    # an extra channel of ones is laid by cover; the sky's lies everywhere in its rows
    laid = part[1:].sum(0) + (1.0 - part[1:].sum(0)) * (np.arange(VIEW_H) < ROWS)[:, None]
    assert np.abs(seen[0, -1].numpy() - laid).max() < 1e-5


def test_lines_aslant_are_laid_once_and_change_no_other_row() -> None:
    masks = random_masks(1, P, VIEW_W)
    codes = torch.eye(P)[None, :, None].expand(1, P, MATERIALS, P)
    (plain, _), (seen, bare) = (Composite(aslant=way)(masks, codes) for way in (False, True))
    assert (seen.sum(1) + bare[:, 0] - 1.0).abs().max() < 1e-5
    _, count, y = slanted(PLANES[6]) or (0, 0, 0)
    between = slice(y, y + SPAN * (count - 1))
    changed = (seen - plain).abs().amax((0, 1, 3)) > 1e-6
    assert changed[between].any() and changed.sum() == changed[between].sum()


# --- flow matching ----------------------------------------------------------------------------


def test_the_road_from_noise_to_data() -> None:
    data, noise = torch.randn(2, 3, 5, 4, 4, generator=rng(7))
    t = torch.tensor([0.0, 0.5, 1.0])
    at = between(data, noise, t)
    assert torch.equal(at[0], noise[0]) and torch.equal(at[2], data[2])
    ahead = between(data, noise, t + 0.25)
    assert torch.allclose((ahead - at) / 0.25, velocity(data, noise), atol=1e-5)


def test_roughen() -> None:
    context, noise = torch.randn(2, 3, 5, 4, 4, generator=rng(8))
    rough = roughen(context, torch.tensor([0.0, 0.4, 1.0]), noise)
    assert torch.equal(rough[0], context[0]) and torch.equal(rough[2], noise[2])
    assert torch.allclose(rough[1], 0.6 * context[1] + 0.4 * noise[1])


def test_times_reach_both_ends() -> None:
    times = draw_times(20000, rng(9))
    assert times.shape == (20000,) and float(times.min()) >= 0.0 and float(times.max()) <= 1.0
    assert float((times < 0.05).float().mean()) > 0.01
    assert float((times > 0.95).float().mean()) > 0.005
    assert 0.3 < float((times < EARLY).float().mean()) < 0.45


def test_signs_lead_and_both_reach_the_end() -> None:
    times = torch.linspace(0.0, 1.0, STEPS + 1)
    ahead = lead(times)
    assert float(ahead[0]) == 0.0 and float(ahead[-1]) == 1.0
    assert (ahead[1:-1] > times[1:-1]).all() and (ahead.diff() >= 0).all()


@pytest.mark.parametrize("steps", [1, 3, STEPS])
def test_a_straight_field_lands_on_the_data(steps: int) -> None:
    data, noise = torch.randn(2, 3, DREAMT, 4, 4, generator=rng(10))
    seen: list[Tensor] = []

    def field(tile: Tensor, time: Tensor) -> Tensor:
        seen.append(time)
        for part, t in ((slice(LATENT), time), (slice(LATENT, None), lead(time))):
            path = between(data[:, part], noise[:, part], t)
            assert torch.allclose(tile[:, part], path, atol=1e-5)
        return velocity(data, noise)

    assert torch.allclose(sample(field, noise, steps), data, atol=1e-5)
    assert len(seen) == steps
