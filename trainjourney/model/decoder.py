"""The decoder: planes seen through the window at their distance, painted in a look.

Compositing is exact ("over", Porter & Duff 1984); the network learns the palette of every
material, the sky behind, the light of the sun, and the hand that drew it all.
"""

from itertools import accumulate

import torch
from torch import Tensor, nn

from .embedder import SIZE
from .layers import conv
from .planes import MATERIALS, PLANES, ROWS, VIEW_H, VIEW_W, Plane, spread_rows
from .slant import SPAN, along_lines, slanted

CODE = 8  # channels a material is painted with; the first three are its colour
RGB = 3  # channels of colour
FACTS = 2  # and what else is known of its plane: the fraction of a cell, how near it is
GRAIN = 6  # channels of the texture that travels with each plane
RESIDUAL = 3  # channels of what the materials could not say of a start picture
KNOTS = 16  # of the sky's vertical gradient


def _sky_rows() -> Tensor:
    """Linear interpolation from KNOTS to view rows, [VIEW_H, KNOTS]; the knots end at row 72."""
    at = (torch.arange(VIEW_H) / 72.0).clamp(max=1.0) * (KNOTS - 1)
    i = at.floor().clamp(max=KNOTS - 2).long()
    f = (at - i)[:, None]
    eye = torch.eye(KNOTS)
    return eye[i] * (1 - f) + eye[i + 1] * f


class Composite(nn.Module):
    """Lay the planes over one another, back to front, each channel by channel."""

    def __init__(self, planes: tuple[Plane, ...] = PLANES, aslant: bool = True) -> None:
        """`aslant`: between tall rows lines are drawn along themselves; else straight down."""
        super().__init__()
        self.planes = planes
        self.aslant = [slanted(plane) if aslant else None for plane in planes]
        for p, plane in enumerate(planes):
            if plane.tall > ROWS:
                spread = spread_rows(plane)
                if found := self.aslant[p]:
                    _, count, y = found
                    del spread[y : y + SPAN * (count - 1)]
                rows, parts = zip(*spread, strict=True)
                self.register_buffer(f"rows{p}", torch.tensor(rows), persistent=False)
                self.register_buffer(f"parts{p}", torch.tensor(parts)[:, None], persistent=False)

    def forward(
        self, masks: Tensor, codes: Tensor, extra: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """View [B, K + E, VIEW_H, VIEW_W], and what no plane covers of it [B, 1, VIEW_H, VIEW_W].

        masks [B, planes, MATERIALS, ROWS, VIEW_W]; codes [B, planes, MATERIALS, K], what each
        material is painted with; extra [B, planes, E, ROWS, VIEW_W] is laid by the same cover, but
        that of the sky's plane everywhere in its rows.
        """
        codes = torch.cat([codes, torch.ones_like(codes[..., :1])], 3)
        seen, bare = torch.zeros(()), torch.ones(())
        for p, plane in enumerate(self.planes):
            paint = codes[:, p].transpose(1, 2) @ masks[:, p].flatten(2)
            paint = paint.view(*paint.shape[:2], ROWS, VIEW_W)
            cover = paint[:, -1:]
            laid = [] if extra is None else [extra[:, p] * (cover if p else 1.0)]
            layer = torch.cat([paint[:, :-1], *laid, cover], 1)
            if plane.tall > ROWS:
                rows, part = self.get_buffer(f"rows{p}"), self.get_buffer(f"parts{p}")
                stored = layer
                layer = stored[:, :, rows] * (1.0 - part) + stored[:, :, rows + 1] * part
                if found := self.aslant[p]:
                    row, count, y = found
                    between = along_lines(stored[:, :, row : row + count])
                    layer = torch.cat([layer[:, :, :y], between, layer[:, :, y:]], 2)
            low = VIEW_H - plane.top - layer.shape[2]
            if p and low > 0:
                floor = layer[:, :, -1:].expand(-1, -1, low, -1)
                layer, low = torch.cat([layer, floor], 2), 0
            if plane.top or low > 0:
                layer = nn.functional.pad(layer, (0, 0, plane.top, low))
            behind = 1.0 - layer[:, -1:]
            seen = seen * behind + layer[:, :-1] if p else layer[:, :-1]
            bare = bare * behind if p else behind
        return seen, bare


class Decoder(nn.Module):
    """State in the window + embedding -> picture [B, 3, 256, 512] in 0..1.

    Convolutions at the planes' resolution are narrow and those at half of it wide: there the
    pictures' memory is a quarter, and on a processor memory costs more than arithmetic.
    """

    def __init__(
        self, width: int = 16, wide: int = 48, deep: int = 2, planes: tuple[Plane, ...] = PLANES
    ) -> None:
        super().__init__()
        self.palette = nn.Sequential(
            nn.Linear(SIZE, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU(),
            nn.Linear(256, len(PLANES) * MATERIALS * CODE + KNOTS * CODE),
        )  # fmt: skip
        self.mood = nn.Sequential(nn.Linear(SIZE, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU())
        self.composite = Composite(planes)
        self.start = conv(CODE + RGB + FACTS + GRAIN + 3, width)
        self.down = nn.Conv2d(width, wide, 2, 2)
        self.deep = nn.ModuleList(conv(wide, wide) for _ in range(deep))
        self.deep_films = nn.ModuleList(nn.Linear(128, 2 * wide) for _ in range(deep + 1))
        self.up = nn.Conv2d(wide, 4 * width, 1)
        self.fine = conv(width, width)
        self.films = nn.ModuleList(nn.Linear(128, 2 * width) for _ in range(3))
        self.end = conv(width, 12)
        self.rows: Tensor
        self.depth: Tensor
        self.grain: Tensor
        self.four: Tensor
        self.register_buffer("rows", _sky_rows())
        self.register_buffer("depth", torch.linspace(0.0, 1.0, len(PLANES)))
        self.register_buffer("grain", torch.zeros(len(PLANES) * 2 * VIEW_W, GRAIN * ROWS))
        four = torch.einsum("ac,bd->abdc", torch.eye(RGB), torch.eye(2))[:, None]
        four = four.expand(-1, 2, -1, -1, -1).reshape(4 * RGB, 2 * RGB, 1, 1)
        self.register_buffer("four", four, persistent=False)

    def forward(
        self, masks: Tensor, phase: Tensor, grain: Tensor, residual: Tensor, embedding: Tensor
    ) -> Tensor:
        """masks [B, 2, planes, MATERIALS, ROWS, VIEW_W] 0..1, the left and the right pixel of
        every cell, as `pixels` takes them from country; phase [B, planes] the fraction of a cell;
        grain [B, planes, GRAIN, ROWS, VIEW_W]; residual [B, planes, RESIDUAL, ROWS, VIEW_W] colour
        to be added, already faded; embedding [B, SIZE].
        """
        return nn.functional.pixel_shuffle(self.cells(masks, phase, grain, residual, embedding), 2)

    def cells(
        self, masks: Tensor, phase: Tensor, grain: Tensor, residual: Tensor, embedding: Tensor
    ) -> Tensor:
        """The same, the four pixels of every cell beside each other: [B, 12, VIEW_H, VIEW_W],
        channel 4 * colour + 2 * row + column."""
        scaled = embedding * SIZE**0.5
        codes, sky = self._painted_with(scaled, phase)
        # colours by the pixel: a thing a cell wide would pulse if it were blurred between two cells
        twice = torch.stack([codes[..., :RGB]] * 2, 1).flatten(0, 1)
        seen, bare = self.composite(masks.flatten(0, 1), twice)
        painted = seen + torch.stack([sky[:, :RGB]] * 2, 1).flatten(0, 1) * bare
        colours = painted.view(-1, 2 * RGB, VIEW_H, VIEW_W)
        cells = (masks[:, 0] + masks[:, 1]) * 0.5
        seen, bare = self.composite(cells, codes[..., RGB:], torch.cat([grain, residual], 2))
        others = seen[:, : CODE - RGB] + sky[:, RGB:] * bare
        told, left = seen[:, CODE - RGB : -RESIDUAL], seen[:, -RESIDUAL:]
        k = self.mood(scaled)
        x = self.start(torch.cat([colours, others, told, _light(cells[:, 0, 2:3])], 1))
        y = self.down(_film(x, self.films[0](k)))
        for block, told_deep in zip(self.deep, self.deep_films, strict=False):
            y = y + block(_film(y, told_deep(k)))
        up = self.up(_film(y, self.deep_films[-1](k)))
        x = x + nn.functional.pixel_shuffle(up, 2)
        x = x + self.fine(_film(x, self.films[1](k)))
        fine: Tensor = self.end(_film(x, self.films[2](k)))
        # a convolution: openvino leaves in f32 whatever meets no heavy layer on its way out
        return fine + nn.functional.conv2d(colours + torch.cat([left, left], 1), self.four)

    def _painted_with(self, scaled: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        """Codes [B, planes, MATERIALS, CODE + FACTS] and sky [B, CODE, VIEW_H, 1] of a look."""
        b, n = phase.shape
        codes, sky = self.palette(scaled).split([n * MATERIALS * CODE, KNOTS * CODE], 1)
        facts = torch.stack([phase, self.depth.expand(b, n)], 2)[:, :, None]
        codes = codes.view(b, n, MATERIALS, CODE)
        sky = (self.rows @ sky.view(b, KNOTS, CODE)).transpose(1, 2)[..., None]
        return torch.cat([codes, facts.expand(b, n, MATERIALS, FACTS)], 3), sky


def _film(x: Tensor, told: Tensor) -> Tensor:
    """Scaled and shifted by a condition (FiLM, Perez et al. 2018), then hard swish (Howard et al.
    2019): an exponential would cost as much as the convolution after it."""
    scale, shift = told[..., None, None].chunk(2, 1)
    return nn.functional.hardswish(x * (1.0 + scale) + shift)


def _light(disc: Tensor) -> Tensor:
    """Light of the sun or moon [B, 1, ROWS, VIEW_W], near and far: [B, 3, VIEW_H, VIEW_W]."""
    small = nn.functional.avg_pool2d(disc, 4)
    light = nn.functional.interpolate(
        torch.cat([_spread(small, 7) * 3.0, _spread(small, 3), small], 1),
        scale_factor=4.0,
        mode="bilinear",
        align_corners=False,
    )
    return nn.functional.pad(light, (0, 0, 0, VIEW_H - ROWS))


def _spread(x: Tensor, r: int) -> Tensor:
    """Twice box-blurred, edges counted as empty."""
    for _ in range(2):
        x = nn.functional.avg_pool2d(x, (2 * r + 1, 1), 1, (r, 0))
        x = nn.functional.avg_pool2d(x, (1, 2 * r + 1), 1, (0, r))
    return x


def grain_cells(texture: Tensor, planes: tuple[Plane, ...] = PLANES) -> Tensor:
    """The travelling texture [3, 256, 512] in each plane's rows, by columns as the ring keeps the
    country: [planes * 2 * VIEW_W, GRAIN * ROWS].

    Column 2 x of a plane is cell x of the window, column 2 x + 1 the same a pixel further on: a dot
    between two cells would be blurred away if its cells were. Channels: brush, dot value, and the
    four phases of the dots inside a cell.
    """
    out = []
    for p, plane in enumerate(planes):
        steps = []
        for pixel in range(2):
            # each plane starts elsewhere in the texture, so that planes do not share a pattern
            brush, dot, value = torch.roll(texture, -97 * p - pixel, dims=2)
            pooled = nn.functional.avg_pool2d(torch.stack([brush, value])[None], 2)[0]
            phases = nn.functional.pixel_unshuffle(dot[None, None], 2)[0]
            cells = torch.cat([pooled, phases], 0)  # [GRAIN, VIEW_H, VIEW_W]
            steps.append(cells[:, [plane.top + y for y in accumulate((0, *plane.heights[:-1]))]])
        out.append(torch.stack(steps, 3).flatten(2).flatten(0, 1).T)
    return torch.cat(out)


def pixels(here: Tensor, after: Tensor, phase: Tensor) -> Tensor:
    """What lies between columns of country and those after them at `phase` of a cell, by pixels.

    Gives [2, ...]: the left and the right half of each cell of the window. A half within one column
    is that column's; at half a cell both are.
    """
    right = 2.0 * phase
    shares = ((right - 1.0).clamp(0.0, 1.0), right.clamp(0.0, 1.0))
    return torch.stack([here * (1.0 - share) + after * share for share in shares])


def weave(grain: Tensor, pixel: Tensor) -> Tensor:
    """The grain in a window that begins at `pixel` [planes] int32 of grain_cells' columns.

    Gives [planes, GRAIN, ROWS, VIEW_W]. Between two pixels it is the first one's: a dot that was
    blurred would be none.
    """
    n = len(PLANES)
    along = torch.arange(0, 2 * VIEW_W, 2, dtype=torch.int32, device=pixel.device)
    at = (pixel[:, None] + along) % (2 * VIEW_W)
    first = torch.arange(n, dtype=torch.int32, device=pixel.device)[:, None] * (2 * VIEW_W)
    woven = grain[(first + at).long().flatten()]
    return woven.view(n, VIEW_W, GRAIN, ROWS).permute(0, 2, 3, 1)
