"""Lines that cross tall stored rows are drawn whole; what stands or lies is drawn as it was."""

import pytest
import torch
from torch import Tensor

from trainjourney.model.planes import PLANES, SINGLE
from trainjourney.model.slant import LEANS, SPAN, along_lines, slanted

ROWS, WIDTH = 12, 96  # stored rows, and cells across


def drawn(lean: float, thick: float = 3.0) -> Tensor:
    """A line as fine as the window, [1, 1, SPAN * ROWS, WIDTH] 0..1; `lean` cells a stored row."""
    y = torch.arange(SPAN * ROWS)[:, None] + 0.5
    x = torch.arange(WIDTH)[None] + 0.5
    way = x - (0.5 * WIDTH + lean * (y / SPAN - 0.5 * ROWS))
    return (0.5 * thick + 0.5 - way.abs()).clamp(0.0, 1.0)[None, None]


def stored(fine: Tensor) -> Tensor:
    return fine.view(1, 1, ROWS, SPAN, WIDTH).mean(3)


def blended(rows: Tensor) -> Tensor:
    """Straight down, [1, 1, SPAN * (ROWS - 1), WIDTH]."""
    parts = [(2 * j + 1) / (2 * SPAN) for j in range(SPAN)]
    upper, lower = rows[:, :, :-1], rows[:, :, 1:]
    return torch.stack([upper * (1 - t) + lower * t for t in parts], 3).flatten(2, 3)


def between(fine: Tensor) -> Tensor:
    return fine[:, :, SPAN // 2 : -(SPAN // 2)]


@pytest.mark.parametrize("lean", [LEANS, -LEANS, 0.9 * LEANS, -1.1 * LEANS])
def test_a_line_that_leans_is_no_row_of_beads(lean: float) -> None:
    fine = drawn(lean)
    made, before = along_lines(stored(fine)), blended(stored(fine))
    truth = between(fine)
    assert (made - truth).abs().mean() < 0.65 * (before - truth).abs().mean()
    ridge = made.amax(3)[0, 0]  # as dark all along
    assert ridge.min() > 0.85 * ridge.max()
    assert before.amax(3).min() < 0.85 * before.amax(3).max()


@pytest.mark.parametrize("kind", ["post", "beam", "plain"])
def test_what_stands_or_lies_is_blended_straight_down(kind: str) -> None:
    fine = drawn(0.0) if kind == "post" else torch.zeros(1, 1, SPAN * ROWS, WIDTH)
    if kind == "beam":
        fine[:, :, 20:26] = 1.0
    rows = stored(fine)
    assert (along_lines(rows) - blended(rows)).abs().max() < 0.02


def test_colours_go_with_the_line() -> None:
    cover = stored(drawn(LEANS))
    layer = torch.cat([0.3 * cover, 0.7 * cover, cover], 1)
    made = along_lines(layer)
    assert torch.allclose(made[:, :1], 0.3 * made[:, 2:], atol=1e-6)
    assert torch.allclose(made[:, 1:2], 0.7 * made[:, 2:], atol=1e-6)


def test_only_the_track_has_rows_that_tall() -> None:
    assert [plane.name for plane in PLANES if slanted(plane)] == ["track"]
    row, count, y = slanted(PLANES[6]) or (0, 0, 0)
    heights = PLANES[6].heights
    assert heights[row : row + count] == (SPAN,) * count
    assert y == sum(heights[:row]) + SPAN // 2
    assert not any(map(slanted, SINGLE[-1:]))
