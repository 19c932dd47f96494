"""A short film of the model as it is now: the very graphs of the show, run in torch."""

import copy
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..model.codec import Codec
from ..model.decoder import RESIDUAL, Decoder
from ..model.embedder import SIZE
from ..model.graphs import DECODED, DecoderGraph
from ..model.network import DREAMT, TALL, TILE, Network
from ..model.planes import MATERIALS, ROWS, VIEW_W
from ..model.predictor import PredictorGraph
from ..model.ring import NOISE, RING, STATE, TILE_CELLS, P, to_columns

State = dict[str, Tensor]


def start_state(masks: Tensor, embedding: Tensor) -> State:
    """A state whose window shows true country: masks uint8 [P, MATERIALS, ROWS, VIEW_W]."""
    nothing = torch.full((P, RESIDUAL, ROWS, VIEW_W), 128, dtype=torch.uint8)
    view = to_columns(torch.cat([masks, nothing], 1))
    ring = torch.cat([view, view[:, :1].expand(-1, RING - VIEW_W, -1)], 1).flatten(0, 1)
    zeros = torch.zeros(P, dtype=torch.int32)
    return {
        "ring": ring,
        "position": zeros,
        "ahead": zeros,
        "behind": zeros,
        "tile": torch.zeros(DREAMT, TALL, TILE),
        "job": torch.zeros(4, dtype=torch.int32),
        "time": torch.zeros(1),
        "disc": torch.zeros(3),
        "event": torch.zeros(3),
        "restarts": torch.zeros(1, dtype=torch.int32),
        "painted": embedding.expand(2 * P, SIZE).clone(),
        "seen": embedding.expand(P, SIZE).clone(),
        "fresh": zeros,
        "aim": embedding,
        "work": torch.zeros(4, dtype=torch.int32),
        "sheet": torch.zeros(TILE_CELLS, MATERIALS * ROWS, dtype=torch.uint8),
        "laying": torch.zeros(3, dtype=torch.int32),
        "fade": torch.zeros(1),
        "origin": embedding,
    }


@torch.no_grad()
def draw_film(
    path: Path,
    network: Network,
    codec: Codec,
    decoder: Decoder,
    masks: Tensor,
    embeddings: Tensor,
    frames: int,
) -> None:
    """Ride `frames` frames from true country and write every second one as an animated WebP.

    Half way the look changes at once from the first of `embeddings` [2, SIZE] to the second.
    """
    # on the processor, wherever they are trained: it is one frame after the other
    predictor = copy.deepcopy(PredictorGraph(network, codec)).cpu().eval()
    view = copy.deepcopy(DecoderGraph(decoder)).cpu().eval()
    state = start_state(masks, embeddings[0])
    rng = torch.Generator().manual_seed(11)
    pictures = []
    for t in range(frames):
        embedding = embeddings[0 if t < frames // 2 else 1]
        speed, dream = torch.tensor(min(1.0, t / 30.0)), torch.tensor(0.1)
        if t % 2:
            given = {**state, "embedding": embedding, "speed": speed}
            seen = view(*(given[k] for k in DECODED))
            pictures.append(Image.fromarray(seen.numpy()))
        noise = torch.randn(NOISE, generator=rng)
        following = predictor(*(state[k] for k in STATE), noise, embedding, speed, dream)
        state = dict(zip(STATE, following, strict=True))
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=67, loop=0)
