"""How large the full model is and how much it works, counted on torch's meta device: no number of
it is ever stored or computed."""

from dataclasses import dataclass

import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from .denoiser import LAST
from .folded import FoldedNetwork, layer_vectors
from .network import CHANNELS, FullNetwork
from .parts import DOWN, LATENT, TINY_DISPLAY, TINY_UNET, UNET


@dataclass(frozen=True)
class Count:
    """Parameters, and multiply-adds a frame."""

    parameters: int
    macs: int


def count_frame(width: int, height: int, tiny: bool = False) -> dict[str, Count]:
    """Of the network as trained, as folded for the show, and of the display decoder; one step.

    "steering" is what is worked out once per embedding, not once per frame.
    """
    sizes, shown = (TINY_UNET, TINY_DISPLAY) if tiny else (UNET, {})
    h, w = height // DOWN, width // DOWN
    with torch.device("meta"), torch.no_grad():
        network = FullNetwork(UNet2DConditionModel(**sizes)).eval()
        folded, steering = FoldedNetwork(network, (LAST,)), layer_vectors(network)
        display = AutoencoderTiny(**shown).eval()
        one = torch.ones(1)
        x, mask = torch.zeros(1, LATENT, h, w), torch.zeros(1, 1, h, w)
        context, look = (
            torch.zeros(1, 2 * LATENT, h, w),
            torch.zeros(1, sizes["cross_attention_dim"]),
        )
        step = torch.zeros(1, dtype=torch.int64)
        whole, vectors = torch.zeros(1, CHANNELS, h, w), torch.zeros(1, steering.out_features)

        def show() -> Tensor:
            told = folded.network.condition(one, one)
            made: Tensor = folded(whole, 0, told, vectors)
            return made

        return {
            "network": Count(
                _size(network),
                _macs(lambda: network(x, step, context, mask, one, one, look)),
            ),
            "folded": Count(_size(folded), _macs(show)),
            "steering": Count(_size(steering), _macs(lambda: steering(look))),
            "display": Count(_size(display.decoder), _macs(lambda: display.decode(x).sample)),
        }


def _size(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _macs(call: object) -> int:
    with FlopCounterMode(display=False) as counter:
        assert callable(call)
        call()
    return int(counter.get_total_flops()) // 2
