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


class OneToken(nn.Module):
    """In the place of cross-attention: hands on its layer's vector, [B, 1, C]."""

    def __init__(self) -> None:
        super().__init__()
        self.vector: Tensor = torch.zeros(0)

    def forward(
        self, x: Tensor, encoder_hidden_states: Tensor | None = None, **_: object
    ) -> Tensor:
        """The layer's vector, whatever is asked; it is added to every place of `x`."""
        return self.vector[:, None]


class OneMatrix(nn.Module):
    """In the place of self-attention: queries, keys and values by one product."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        parts = [attention.to_q.weight, attention.to_k.weight, attention.to_v.weight]
        with torch.device(parts[0].device):
            self.qkv = nn.Linear(parts[0].shape[1], 3 * len(parts[0]), False, dtype=parts[0].dtype)
        with torch.no_grad():
            self.qkv.weight.copy_(torch.cat(parts))
        self.out, self.heads = attention.to_out[0], int(attention.heads)

    def forward(self, x: Tensor, **_: object) -> Tensor:
        """What every place of `x` [B, places, C] hears from all."""
        asked, keys, said = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        heard = F.scaled_dot_product_attention(asked, keys, said)
        out: Tensor = self.out(heard.transpose(1, 2).flatten(2))
        return out


class Shift(nn.Module):
    """In the place of a residual block's projection of the step: hands on its part, [B, C]."""

    def __init__(self) -> None:
        super().__init__()
        self.vector: Tensor = torch.zeros(0)

    def forward(self, x: Tensor) -> Tensor:
        """Its part of what was worked out for all blocks."""
        return self.vector


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
        self.layers: list[OneToken] = []
        self.sizes: list[int] = []
        for block in _blocks(unet):
            self.sizes.append(len(block.attn2.to_out[0].bias))
            block.attn2, block.norm2 = OneToken(), nn.Identity()
            self.layers.append(block.attn2)
            block.attn1 = OneMatrix(block.attn1)
        blocks = [one for one in unet.modules() if isinstance(one, ResnetBlock2D)]
        self.widths = [len(block.time_emb_proj.bias) for block in blocks]
        with torch.no_grad():
            weights = torch.cat([block.time_emb_proj.weight for block in blocks])
            biases = torch.cat([block.time_emb_proj.bias for block in blocks])
        self.shift = nn.Linear(fixed.shape[1], len(biases)).to(biases)
        self.shift.load_state_dict({"weight": weights, "bias": biases}, assign=True)
        self.shifts: list[Shift] = []
        for block in blocks:
            block.time_emb_proj = Shift()
            self.shifts.append(block.time_emb_proj)

    def forward(self, x: Tensor, number: int, told: Tensor, steering: Tensor) -> Tensor:
        """Velocity at the sampler's step `number`.

        x [B, CHANNELS, h, w] is noised latent, context and mask; told [B, width] what
        FullNetwork.condition gives; steering [B, sum] what `layer_vectors` gives.
        """
        for layer, vector in zip(self.layers, torch.split(steering, self.sizes, 1), strict=True):
            layer.vector = vector
        labels = told + self.steps[number : number + 1]
        shifts = torch.split(self.shift(F.silu(labels)), self.widths, 1)
        for shift, vector in zip(self.shifts, shifts, strict=True):
            shift.vector = vector
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
        vectors = nn.Linear(values[0].shape[1], sum(len(bias) for bias in biases))
        vectors.weight.copy_(torch.cat(values))
        vectors.bias.copy_(torch.cat(biases))
    return vectors.to(_dtype(network))


def _blocks(unet: Any) -> list[Any]:
    return [one for one in unet.modules() if isinstance(one, BasicTransformerBlock)]


def _dtype(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype
