"""The pocket's graphs over small networks that were never trained, shared by tests."""

from dataclasses import dataclass

import torch
from small_tensors import random_masks, rng
from torch import Tensor
from torch.nn import functional as F

from trainjourney.model.codec import Codec
from trainjourney.model.decoder import Decoder, grain_cells
from trainjourney.model.embedder import Embedder
from trainjourney.model.encoder import Encoder
from trainjourney.model.graphs import DecoderGraph, EncoderGraph, PictureGraph
from trainjourney.model.network import Network
from trainjourney.model.planes import HEIGHT, PLANES, VIEW_W, WIDTH, Plane
from trainjourney.model.predictor import PredictorGraph
from trainjourney.model.ring import CELL, NOISE, RING, STATE, P
from trainjourney.training.dataset import Shards
from trainjourney.training.dream_stage import DreamStage

State = dict[str, Tensor]


@dataclass(frozen=True)
class Graphs:
    """Graphs over small networks that were never trained."""

    encoder: EncoderGraph
    predictor: PredictorGraph
    decoder: DecoderGraph
    picture: PictureGraph
    plain: Decoder


def small_graphs(planes: tuple[Plane, ...] = PLANES) -> Graphs:
    """All four, the same each time."""
    torch.manual_seed(1)
    codec, decoder, embedder = Codec(16), Decoder(8, 8, 1, planes), Embedder(8)
    for p in range(P):
        codec.fit(p, random_masks(2, 64, seed=p))
    texture = torch.rand(3, HEIGHT, WIDTH, generator=rng(3))
    decoder.grain.copy_(grain_cells(texture, planes))
    encoder, network = Encoder(16, planes), Network(8, 1)
    for module in (codec, decoder, embedder, encoder, network):
        module.eval().requires_grad_(False)
    return Graphs(
        EncoderGraph(encoder, codec, decoder, embedder),
        PredictorGraph(network, codec),
        DecoderGraph(decoder),
        PictureGraph(embedder),
        decoder,
    )


def small_start(graphs: Graphs) -> State:
    """The state that the encoder makes of a smooth random picture."""
    small = torch.rand(1, 3, 8, 16, generator=rng(4))
    picture = F.interpolate(small, (HEIGHT, WIDTH), mode="bilinear")[0]
    return encode(graphs, picture)


def encode(graphs: Graphs, picture: Tensor) -> State:
    frame = (picture * 255.0).round().byte().permute(1, 2, 0)
    return dict(zip(STATE, graphs.encoder(frame), strict=True))


def advance(
    graphs: Graphs, state: State, seed: int, speed: float, look: Tensor | None = None,
    dream: float = 0.0,
) -> State:  # fmt: skip
    """One frame."""
    noise = torch.randn(NOISE, generator=rng(seed))
    look = state["origin"] if look is None else look
    out = graphs.predictor(*state.values(), noise, look, torch.tensor(speed), torch.tensor(dream))
    return dict(zip(STATE, out, strict=True))


def window(state: State) -> Tensor:
    """What lies in the window, column by column, [P, VIEW_W, CHANNELS * ROWS]."""
    cell = state["position"] // CELL
    at = (cell[:, None] + torch.arange(VIEW_W)) % RING + torch.arange(P)[:, None] * RING
    return state["ring"][at.flatten()].view(P, VIEW_W, -1)


def small_dream(shards: Shards, plane: int) -> DreamStage:
    """The stage that teaches a small dream network, with tiles of one plane alone."""
    codec = Codec(8)
    codec.fit(plane, random_masks(2, 64))
    stage = DreamStage(shards, torch.randn(4, 4, 64), codec, width=8, blocks=1)
    stage.often = torch.eye(len(PLANES))[plane]
    return stage
