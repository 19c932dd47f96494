"""Colours of a ride become materials."""

import pytest
import torch
from small_tensors import rng

from trainjourney.model.planes import MATERIALS
from trainjourney.training.ride_colours import (
    brought_to,
    find_colours,
    gradient,
    masks_of,
    sky_colours,
    sky_masks,
    usual_rows,
)


def test_colours_become_materials() -> None:
    colours = torch.rand(MATERIALS, 3, generator=rng(1))
    pattern = torch.arange(64)[None, :].expand(16, 64) // 8
    picture = colours[pattern]
    found = find_colours(picture, brought_to(colours.flip(0), picture))
    masks = masks_of(picture, found)
    assert masks.shape == (MATERIALS, 16, 64)
    assert torch.allclose(masks.sum(0), torch.ones(16, 64), atol=1e-5)
    painted = torch.einsum("mhw,mc->hwc", masks, found)
    assert float((painted - picture)[:, 3:5].abs().mean()) < 0.12
    grey = torch.full((40, 64, 3), 0.5)
    assert float(sky_masks(grey, usual_rows(grey)).sum()) == 0.0
    assert torch.allclose(gradient(usual_rows(grey)), torch.tensor(0.5))
    lighter, darker = sky_masks(grey + 0.15, usual_rows(grey)), sky_masks(grey, grey[:, 0] + 0.15)
    assert float(lighter[0].mean()) == pytest.approx(0.5) and float(lighter[1:].sum()) == 0.0
    assert float(darker[1].mean()) == pytest.approx(0.5) and float(darker[0].sum()) == 0.0
    assert sky_colours(grey[:, 0])[0].mean() > sky_colours(grey[:, 0])[1].mean()
