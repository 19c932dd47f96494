"""The other graphs of the pocket bundle: start a state from a picture, decode, embed."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .codec import Codec
from .decoder import RESIDUAL, Composite, Decoder, pixels, weave
from .embedder import SIZE, Embedder
from .encoder import Encoder
from .network import DREAMT, TALL, TILE
from .planes import HEIGHT, MATERIALS, PLANES, ROWS, TRAVEL, VIEW_H, VIEW_W, WIDTH, pool_rows
from .ring import CELL, CHANNELS, RING, TILE_CELLS, P, from_columns, to_columns
from .runway import REACT, Road, roll
from .sampler import STEPS

PLAIN = 0.004  # mean difference from its mean, 0..1, up to which a picture has nothing in it
DECODED = ("ring", "position", "ahead", "behind", "fade", "embedding", "speed")  # by the decoder


class PictureGraph(nn.Module):
    """`embedder.onnx`: picture uint8 [h, w, 3] -> embedding [SIZE]."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self.embedder = embedder

    def forward(self, picture: Tensor) -> Tensor:
        """Embed one picture."""
        embedding: Tensor = self.embedder(picture.permute(2, 0, 1)[None].float() / 255.0)[0]
        return embedding


class DecoderGraph(nn.Module):
    """`decoder.onnx`: what DECODED names -> frame uint8 [H, W, 3].

    The window is seen where the train will be at that speed in the next state. Nothing that is
    dreamt until then lies in it, so it need not wait for that.
    """

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.base: Tensor
        self.span: Tensor
        self.parallax: Tensor
        self.register_buffer("parallax", torch.tensor([p.parallax for p in PLANES]))
        self.register_buffer("base", torch.arange(P, dtype=torch.int32)[:, None])
        self.register_buffer("span", torch.arange(VIEW_W + 1, dtype=torch.int32)[None])

    def forward(
        self, ring: Tensor, position: Tensor, ahead: Tensor, behind: Tensor, fade: Tensor,
        embedding: Tensor, speed: Tensor,
    ) -> Tensor:  # fmt: skip
        """See through the window."""
        position = roll(Road(position, ahead, behind), speed, self.parallax).position
        cell = torch.div(position, CELL, rounding_mode="floor")
        phase = (position - cell * CELL).float() / CELL
        at = cell[:, None] + self.span
        near = ring[(self.base * RING + at % RING).long().flatten()]
        near = from_columns(near.view(P, VIEW_W + 1, -1).float(), CHANNELS)
        masks, rest = near[:, :MATERIALS], near[:, MATERIALS:]
        f = phase[:, None, None, None]
        halves = pixels(masks[..., :-1], masks[..., 1:], f)
        rest = rest[..., :-1] * (1.0 - f) + rest[..., 1:] * f
        pixel = torch.div(position * 2, CELL, rounding_mode="floor")
        cells: Tensor = self.decoder.cells(
            halves[None] / 255.0,
            phase[None],
            weave(self.decoder.grain, pixel)[None],
            (rest[None] - 128.0) / 127.0 * fade,
            embedding[None],
        )
        levels = (cells[0].clamp(0, 1) * 255.0).round().to(torch.uint8)
        # colour, row and column in a cell, cell's row and column -> rows, columns, colours
        levels = levels.view(3, 2, 2, VIEW_H, VIEW_W).permute(3, 1, 4, 2, 0)
        return levels.reshape(HEIGHT, WIDTH, 3)


def decided(masks: Tensor) -> Tensor:
    """Masks [P, MATERIALS, ROWS, W] made to cover a cell or leave it open: where the encoder is in
    doubt whether a plane is there, half of it would travel as a ghost."""
    cover = masks.sum(1, keepdim=True)
    return masks * (torch.sigmoid(14.0 * (cover - 0.5)) / cover.clamp(min=1e-3)).clamp(max=4.0)


def kept_nothing(view: Tensor) -> Tensor:
    """A column of no residual for every plane, [P, 1, RESIDUAL * ROWS] uint8."""
    return view[:, :1, : RESIDUAL * ROWS] * 0 + 128


class EncoderGraph(nn.Module):
    """`encoder.onnx`: frame uint8 [H, W, 3] -> a state whose window shows it."""

    def __init__(
        self, encoder: Encoder, codec: Codec, decoder: Decoder, embedder: Embedder
    ) -> None:
        super().__init__()
        self.encoder, self.codec, self.decoder, self.embedder = encoder, codec, decoder, embedder
        self.composite = Composite(decoder.composite.planes, aslant=False)
        self.plane_numbers: Tensor
        self.parallax: Tensor
        self.along: Tensor
        self.register_buffer("plane_numbers", torch.arange(P))
        self.register_buffer("parallax", torch.tensor([p.parallax for p in PLANES]))
        self.register_buffer("along", torch.arange(float(TILE_CELLS))[:, None])

    def forward(self, frame: Tensor) -> tuple[Tensor, ...]:
        """Guess the planes, and keep what the guess does not say as a residual on each plane.

        Beyond the window's edges stands what is within, mirrored, until there is dreamt country.
        What the guess does not say fades out there: dreamt country has nothing of it, and a
        picture that ended at once would have an edge.
        """
        picture = frame.permute(2, 0, 1)[None].float() / 255.0
        look = self.embedder(F.avg_pool2d(picture, 4))
        small = F.avg_pool2d(picture, 2)
        latent = self.encoder(small, look)[0]
        guess = self.codec.decode(latent, self.plane_numbers, look.expand(P, SIZE)).clamp(0, 1)
        masks = (decided(guess) * 255.0).round()
        sheets = masks[None] / 255.0
        phase = torch.zeros(1, P)
        none = sheets[:, :, :RESIDUAL] * 0.0  # made of the input: a constant would be stored
        zeros = (look[0, :P] * 0.0).to(torch.int32)  # likewise
        grain = weave(self.decoder.grain, zeros)
        halves = torch.stack([sheets, sheets], 1)
        said = self.decoder(halves, phase, grain[None], none, look)
        missing = (small - F.avg_pool2d(said.clamp(0, 1), 2))[0]  # [3, VIEW_H, VIEW_W]
        residual = torch.stack(self._attach(sheets, missing))
        kept = ((residual.clamp(-1, 1) * 127.0).round() + 128.0).to(torch.uint8)
        view = to_columns(torch.cat([masks.to(torch.uint8), kept], 1))
        empty = torch.cat([view[:, :1, : MATERIALS * ROWS] * 0, kept_nothing(view)], 2)
        blank = empty.expand(P, RING - VIEW_W - 2 * TILE_CELLS, CHANNELS * ROWS)
        after = self._faded(view[:, VIEW_W - 1 - TILE_CELLS : VIEW_W - 1].flip(1))
        before = self._faded(view[:, 1 : 1 + TILE_CELLS]).flip(1)
        ring = torch.cat([view, after, blank, before], 1).flatten(0, 1)
        beyond = self._mirrored(small)
        tile, job = torch.zeros(DREAMT, TALL, TILE), torch.zeros(4, dtype=torch.int32)
        one = torch.ones(1)
        # of no look: so it is dreamt anew as soon as may be
        painted, seen = look.expand(2 * P, SIZE) * 0.0, look.expand(P, SIZE) + 0.0
        sheet = view[0, :TILE_CELLS, : MATERIALS * ROWS] * 0
        return (
            ring, zeros, beyond, beyond + 0, tile, job, one * 0.0, torch.zeros(3), torch.zeros(3),
            job[:1] + 0, painted, seen, zeros + 0, look[0] + 0.0, job + 0, sheet, job[:3] + 0, one,
            look[0] + 0.0,
        )  # fmt: skip

    def _mirrored(self, small: Tensor) -> Tensor:
        """How much of each plane is mirrored at the window's edges, [P] int32 in 1/CELL cells.

        So that the train rolls at once: until all planes have had their first tile. Where the
        picture is of one colour there is no country in it, and nothing to mirror.
        """
        frames = P * STEPS  # to a tile for each
        cells = (self.parallax * TRAVEL * frames).ceil().clamp(max=TILE_CELLS)
        something = ((small - small.mean((2, 3), keepdim=True)).abs().mean() > PLAIN).float()
        return (something * cells * CELL).to(torch.int32)

    def _faded(self, columns: Tensor) -> Tensor:
        """The same columns [P, TILE_CELLS, CHANNELS * ROWS], with less and less of a residual: none
        where the first tile is laid at cruising speed."""
        masks, rest = columns[..., : MATERIALS * ROWS], columns[..., MATERIALS * ROWS :]
        laid = REACT * TRAVEL * self.parallax[:, None, None]
        rest = ((rest.float() - 128.0) * (1.0 - self.along / laid).clamp(min=0.0)).round() + 128.0
        return torch.cat([masks, rest.to(torch.uint8)], 2)

    def _attach(self, sheets: Tensor, missing: Tensor) -> list[Tensor]:
        """What is missing, given to the plane that is seen there: [3, ROWS, VIEW_W] for each."""
        codes = torch.eye(P)[None, :, None].expand(1, P, MATERIALS, P)
        shares, _ = self.composite(sheets, codes)
        out = []
        for p, plane in enumerate(self.composite.planes):
            share = shares[0, p] if p else 1.0 - shares[0, 1:].sum(0)
            weighted = missing * (share * 1.5).clamp(max=1.0)
            rows = weighted[:, plane.top : plane.top + plane.tall]
            out.append(torch.tensor(pool_rows(plane)) @ rows if plane.tall > ROWS else rows)
        return out
