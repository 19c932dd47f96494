"""The full network made ready for the show: what does not change from frame to frame is folded.

Attention to a single token is no attention: the softmax over one key is 1 whatever the query, so
every layer adds one vector, the same everywhere, linear in the embedding. Queries, keys and the
norm before them fall away, and all layers' vectors come from one matrix, which stays outside: they
are worked out once per embedding. The embedding of the sampler's steps is a constant each.
"""

import copy
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional as F

from .network import FullNetwork


class Handed(nn.Module):
    """In the place of a module whose output is worked out for all layers at once: its part.

    That is [B, 1, C] for cross-attention, added to every place, and [B, C] for the step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.vector: Tensor = torch.zeros(0)

    def forward(self, x: Tensor, **_: object) -> Tensor:
        """Its part, whatever is asked."""
        return self.vector


class OneMatrix(nn.Module):
    """In the place of self-attention: queries, keys and values by one product."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        parts = [attention.to_q.weight, attention.to_k.weight, attention.to_v.weight]
        self.qkv = _linear(parts)
        self.out, self.heads = attention.to_out[0], int(attention.heads)

    def forward(self, x: Tensor, **_: object) -> Tensor:
        """What every place of `x` [B, places, C] hears from all."""
        asked, keys, said = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        heard = F.scaled_dot_product_attention(asked, keys, said)
        out: Tensor = self.out(heard.transpose(1, 2).flatten(2))
        return out


class Constant(nn.Module):
    """In the place of the step's embedding: nothing is added, the sampler adds its own."""

    zero: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(1, width), persistent=False)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Zeros, [1, width]."""
        return self.zero


class FoldedNetwork(nn.Module):
    """A FullNetwork at fixed steps: the same velocity, with less to do."""

    steps: Tensor

    def __init__(self, network: FullNetwork, steps: tuple[int, ...]) -> None:
        """`steps` are those of the sampler, in its order. The given network is left as it is."""
        super().__init__()
        with torch.no_grad():
            at = torch.tensor(steps, device=next(network.parameters()).device)
            waves = network.unet.time_proj(at)
            fixed = network.unet.time_embedding(waves.to(_dtype(network)))
        self.register_buffer("steps", fixed)
        self.network = copy.deepcopy(network).eval()
        unet = self.network.unet
        unet.time_proj = nn.Identity()
        unet.time_embedding = Constant(fixed.shape[1])
        self.layers: list[Handed] = []
        self.sizes: list[int] = []
        for block in _blocks(unet):
            self.sizes.append(len(block.attn2.to_out[0].bias))
            block.attn1, block.attn2 = OneMatrix(block.attn1), Handed()
            block.norm2 = nn.Identity()
            self.layers.append(block.attn2)
        steps_of = [one for one in unet.modules() if isinstance(one, ResnetBlock2D)]
        shifts = [block.time_emb_proj for block in steps_of]
        self.shift = _linear([one.weight for one in shifts], [one.bias for one in shifts])
        self.widths = [len(one.bias) for one in shifts]
        self.shifts: list[Handed] = []
        for block in steps_of:
            block.time_emb_proj = Handed()
            self.shifts.append(block.time_emb_proj)

    def forward(self, x: Tensor, number: int, told: Tensor, steering: Tensor) -> Tensor:
        """Velocity at the sampler's step `number`.

        x [B, CHANNELS, h, w] is noised latent, context and mask; told [B, width] what
        FullNetwork.condition gives; steering [B, sum] what `layer_vectors` gives.
        """
        labels = told + self.steps[number : number + 1]
        _hand(self.layers, steering[:, None], self.sizes)
        _hand(self.shifts, self.shift(F.silu(labels)), self.widths)
        none = torch.zeros(1, dtype=x.dtype, device=x.device)
        token = steering[:, None, :1]  # asked for by the signature, read by nobody
        said: Tensor = self.network.unet(x, none, token, class_labels=labels, return_dict=False)[0]
        return said


def layer_vectors(network: FullNetwork) -> nn.Linear:
    """From an embedding [B, D] to every layer's vector, one after another, [B, sum]."""
    values, biases = [], []
    with torch.no_grad():
        for block in _blocks(network.unet):
            value, out = block.attn2.to_v, block.attn2.to_out[0]
            values.append(out.weight.double() @ value.weight.double())
            biases.append(out.bias)
    return _linear([value.to(_dtype(network)) for value in values], biases)


def _hand(layers: list[Handed], vectors: Tensor, sizes: list[int]) -> None:
    for layer, vector in zip(layers, torch.split(vectors, sizes, -1), strict=True):
        layer.vector = vector


def _linear(weights: list[Tensor], biases: list[Tensor] | None = None) -> nn.Linear:
    """One product in the place of several of the same input."""
    first, out = weights[0], sum(len(weight) for weight in weights)
    kind: Any = {"device": first.device, "dtype": first.dtype}
    one = nn.Linear(first.shape[1], out, biases is not None, **kind)
    with torch.no_grad():
        one.weight.copy_(torch.cat(weights))
        if biases is not None:
            one.bias.copy_(torch.cat(biases))
    return one


def _blocks(unet: Any) -> list[Any]:
    return [one for one in unet.modules() if isinstance(one, BasicTransformerBlock)]


def _dtype(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
