"""The display decoder in kernels of our own: a convolution with all that follows it is one of them.

torch's compiler leaves convolutions to cuDNN and writes what follows (bias, ReLU, what is added) as
a kernel more, that reads and writes the picture once again; and it makes a picture double as large
before it convolves it. Here a doubled picture is never made: what a place of it sees of the kernel
falls together on two by two places of the small one, with other sums for each of its four corners,
so there are 4 products for 9.
"""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.autoencoders.vae import AutoencoderTinyBlock
from torch import Tensor, nn

from .kernels import convolve

# Rows (or columns) of a 3x3 kernel that fall on the nearer and the further of two places, for a
# place of the doubled picture whose number is even, and odd.
SUMS = torch.tensor([[[1.0, 0, 0], [0, 1, 1]], [[1, 1, 0], [0, 0, 1]]], dtype=torch.float64)


@dataclass(frozen=True)
class Layer:
    """One convolution and what follows it."""

    weight: Tensor  # [corners, N, taps, C]
    bias: Tensor | None
    relu: bool = False
    doubled: bool = False
    begins: bool = False  # a block: what comes in is kept
    ends: bool = False  # a block: what was kept is added


class QuickDecoder(nn.Module):
    """In the place of a FullDecoder on a GPU: the same frame, but for rounding.

    Raises ValueError for a decoder of another shape.
    """

    def __init__(self, display: Any) -> None:
        super().__init__()
        self.layers = read_layers(display.decoder.layers)

    def forward(self, latents: Tensor) -> Tensor:
        """[2, C, h, w] to uint8 [8h, 8w, 3]: see the newest latent."""
        x, kept = latents[-1], latents[-1]
        h, w = x.shape[1:]
        last = len(self.layers) - 1
        for i, layer in enumerate(self.layers):
            if layer.begins:
                kept = x
            kind = torch.uint8 if i == last else layer.weight.dtype
            shape = (h << layer.doubled, w << layer.doubled, layer.weight.shape[1])
            made = torch.empty(shape, dtype=kind, device=x.device)
            more = kept if layer.ends else None
            convolve(x, layer.weight, layer.bias, more, made, (h, w), layer.relu, latent=i == 0)
            x, (h, w) = made, shape[:2]
        return x


def read_layers(modules: Any) -> list[Layer]:
    """The convolutions of an AutoencoderTiny's decoder, in their order."""
    layers: list[Layer] = []
    doubled = False
    for module in modules:
        if isinstance(module, AutoencoderTinyBlock) and isinstance(module.skip, nn.Identity):
            first, middle, last = (module.conv[i] for i in (0, 2, 4))
            layers += [
                Layer(*_packed(first), relu=True, begins=True),
                Layer(*_packed(middle), relu=True),
                Layer(*_packed(last), relu=True, ends=True),
            ]
        elif isinstance(module, nn.Upsample) and module.scale_factor == 2:
            doubled = True
        elif isinstance(module, nn.Conv2d) and module.in_channels.bit_count() == 1:
            layers.append(Layer(*_packed(module, doubled), relu=not layers, doubled=doubled))
            doubled = False
        elif not (isinstance(module, nn.ReLU) and len(layers) == 1):
            raise ValueError(f"no decoder of ours has this there: {module}")
    return layers


def _packed(conv: nn.Conv2d, doubled: bool = False) -> tuple[Tensor, Tensor | None]:
    """Weight [corners, N, taps, C] and bias."""
    weight = conv.weight.detach()
    if doubled:
        sums = SUMS.to(weight.device)
        small = torch.einsum("yab,ncbd,xed->yxnaec", sums, weight.double(), sums)
        packed = small.reshape(4, len(weight), 4, -1)
    else:
        packed = weight.permute(0, 2, 3, 1).reshape(1, len(weight), 9, -1)
    return packed.to(weight.dtype).contiguous(), conv.bias
