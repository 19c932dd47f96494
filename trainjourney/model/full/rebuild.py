"""The graphs of a full bundle as torch modules, without numbers of worth: to be filled."""

from torch import nn

from .graphs import FullDecoder, FullEmbedder, FullEncoder, FullPredictor, FullSteering
from .network import FullNetwork
from .parts import fresh_parts


def skeleton(tiny: bool, steps: tuple[int, ...], embedding_norm: float) -> dict[str, nn.Module]:
    """Modules by the graphs' names; their children have the names of the bundle's weights."""
    parts = fresh_parts(tiny)
    network = FullNetwork(parts.unet)
    return {
        "encoder": FullEncoder(parts.codec),
        "steering": FullSteering(network, embedding_norm),
        "predictor": FullPredictor(network, steps),
        "decoder": FullDecoder(parts.display),
        "embedder": FullEmbedder(parts.vision),
    }
