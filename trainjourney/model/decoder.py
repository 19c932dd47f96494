"""The decoder: planes seen through the window at their distance, painted in a look.

Compositing is exact ("over", Porter & Duff 1984); the network learns the palette of every
material, the sky behind, the light of the sun, and the hand that drew it all.
"""

from itertools import accumulate

import torch
from torch import Tensor, nn

from .embedder import SIZE
from .layers import conv
from .planes import MATERIALS, PLANES, ROWS, VIEW_H, VIEW_W, spread_rows

CODE = 8  # channels a material is painted with; the first three are its colour
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

    def __init__(self) -> None:
        super().__init__()
        for p, plane in enumerate(PLANES):
            if plane.tall > ROWS:
                rows = torch.tensor(spread_rows(plane))
                self.register_buffer(f"rows{p}", rows, persistent=False)

    def forward(
        self, masks: Tensor, extra: Tensor, codes: Tensor, sky: Tensor
    ) -> tuple[Tensor, Tensor]:
        """View [B, CODE + E, VIEW_H, VIEW_W] and the planes' shares [B, planes, VIEW_H, VIEW_W].

        masks [B, planes, MATERIALS, ROWS, VIEW_W]; extra [B, planes, E, ROWS, VIEW_W], laid by the
        same cover; codes [B, planes, MATERIALS, CODE]; sky [B, CODE, VIEW_H, 1].
        """
        b, e = masks.shape[0], extra.shape[2]
        backdrop = sky.expand(b, CODE, VIEW_H, VIEW_W)
        seen = torch.cat(
            [backdrop, torch.zeros_like(backdrop[:, :1]).expand(b, e, VIEW_H, VIEW_W)], 1
        )
        shares: list[Tensor] = []
        for p, plane in enumerate(PLANES):
            cover = masks[:, p].sum(1, keepdim=True)
            paint = codes[:, p].transpose(1, 2) @ masks[:, p].flatten(2)
            paint = paint.view(b, CODE, ROWS, VIEW_W)
            layer = torch.cat([paint, extra[:, p] * (1.0 if p == 0 else cover), cover], 1)
            if plane.tall > ROWS:
                layer = self.get_buffer(f"rows{p}") @ layer
            low = VIEW_H - plane.top - layer.shape[2]
            if p == 0:
                layer = nn.functional.pad(layer, (0, 0, plane.top, low))
            elif low > 0:
                floor = layer[:, :, -1:].expand(-1, -1, low, -1)
                layer = torch.cat([layer, floor], 2)
            if p > 0 and plane.top:
                layer = nn.functional.pad(layer, (0, 0, plane.top, 0))
            alpha = layer[:, -1:]
            seen = seen * (1.0 - alpha) + layer[:, :-1]
            shares = [s * (1.0 - alpha) for s in shares] + [alpha]
        return seen, torch.cat(shares, 1)


class Decoder(nn.Module):
    """State in the window + embedding -> picture [B, 3, 256, 512] in 0..1."""

    def __init__(self, width: int = 32, blocks: int = 3) -> None:
        super().__init__()
        self.palette = nn.Sequential(
            nn.Linear(SIZE, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU(),
            nn.Linear(256, len(PLANES) * MATERIALS * CODE + KNOTS * CODE),
        )  # fmt: skip
        self.mood = nn.Sequential(nn.Linear(SIZE, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU())
        self.composite = Composite()
        self.start = conv(CODE + GRAIN + 2 + 3, width)
        self.blocks = nn.ModuleList(conv(width, width) for _ in range(blocks))
        self.films = nn.ModuleList(nn.Linear(128, 2 * width) for _ in range(blocks + 1))
        self.end = conv(width, 12)
        self.rows: Tensor
        self.depth: Tensor
        self.grain: Tensor
        self.register_buffer("rows", _sky_rows())
        depth = torch.linspace(0.0, 1.0, len(PLANES)).view(1, -1, 1, 1, 1)
        self.register_buffer("depth", depth)
        self.register_buffer("grain", torch.zeros(len(PLANES), GRAIN, ROWS, VIEW_W))

    def forward(
        self, masks: Tensor, phase: Tensor, grain: Tensor, residual: Tensor, embedding: Tensor
    ) -> Tensor:
        """masks [B, planes, MATERIALS, ROWS, VIEW_W] 0..1 already at their sub-cell place;
        phase [B, planes] the fraction of a cell; grain [B, planes, GRAIN, ROWS, VIEW_W];
        residual [B, planes, RESIDUAL, ROWS, VIEW_W] colour to be added, already faded;
        embedding [B, SIZE].
        """
        b, n = masks.shape[:2]
        scaled = embedding * SIZE**0.5
        codes, sky = self.palette(scaled).split([n * MATERIALS * CODE, KNOTS * CODE], 1)
        codes = codes.view(b, n, MATERIALS, CODE)
        sky = (self.rows @ sky.view(b, KNOTS, CODE)).transpose(1, 2)[..., None]
        flat = phase[:, :, None, None, None].expand(-1, -1, 1, ROWS, VIEW_W)
        depth = flat * 0.0 + self.depth
        extra = torch.cat([grain, flat, depth, residual], 2)
        seen, _ = self.composite(masks, extra, codes, sky)
        seen, left = seen[:, :-RESIDUAL], seen[:, -RESIDUAL:]
        disc = nn.functional.avg_pool2d(masks[:, 0, 2:3], 4)
        wide = _spread(disc, 7)
        near = _spread(disc, 3)
        light = nn.functional.interpolate(
            torch.cat([wide * 3.0, near, disc], 1),
            scale_factor=4.0,
            mode="bilinear",
            align_corners=False,
        )
        light = nn.functional.pad(light, (0, 0, 0, VIEW_H - ROWS))
        k = self.mood(scaled)
        x = self.start(torch.cat([seen, light], 1))
        for i, block in enumerate(self.blocks):
            scale, shift = self.films[i](k)[..., None, None].chunk(2, 1)
            x = x + block(nn.functional.silu(x * (1.0 + scale) + shift))
        scale, shift = self.films[-1](k)[..., None, None].chunk(2, 1)
        fine = nn.functional.pixel_shuffle(
            self.end(nn.functional.silu(x * (1.0 + scale) + shift)), 2
        )
        rgb = nn.functional.interpolate(seen[:, :3] + left, scale_factor=2.0, mode="nearest")
        return rgb + fine


def _spread(x: Tensor, r: int) -> Tensor:
    """Twice box-blurred, edges counted as empty."""
    for _ in range(2):
        x = nn.functional.avg_pool2d(x, (2 * r + 1, 1), 1, (r, 0))
        x = nn.functional.avg_pool2d(x, (1, 2 * r + 1), 1, (0, r))
    return x


def grain_cells(texture: Tensor) -> Tensor:
    """The travelling texture [3, 256, 512] cut to each plane's rows: [planes, GRAIN, ROWS, VIEW_W].

    Channels: brush, dot value, and the four phases of the dots inside a cell.
    """
    out = []
    for p, plane in enumerate(PLANES):
        # each plane starts elsewhere in the texture, so that planes do not share a pattern
        brush, dot, value = torch.roll(texture, -97 * p, dims=2)
        pooled = nn.functional.avg_pool2d(torch.stack([brush, value])[None], 2)[0]
        phases = nn.functional.pixel_unshuffle(dot[None, None], 2)[0]
        cells = torch.cat([pooled, phases], 0)  # [GRAIN, VIEW_H, VIEW_W]
        out.append(cells[:, [plane.top + y for y in accumulate((0, *plane.heights[:-1]))]])
    return torch.stack(out)
