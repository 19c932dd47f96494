"""Layers of the full model in eight bits (e4m3).

Weights are scaled once, by channel in a convolution and as a whole in a product; what comes in is
scaled by one number that a forward pass has measured. To cut it to eight bits is plain torch, which
the compiler joins with the norm before.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainjourney.model.full.quicken import Doubled
from trainjourney.model.full.split_conv import SplitConv

EIGHT = torch.float8_e4m3fn
MOST = 448.0  # the largest of them


def eight(x: Tensor, most: float) -> Tensor:
    """`x` in eight bits, so that `most` is the largest of them."""
    return (x.float() * (MOST / most)).clamp(-MOST, MOST).to(EIGHT)


# Products.


# An op of its own, as torch's compiler now and then lays what comes into _scaled_mm the wrong way
# round, and then refuses it: what comes into this one lies as here.
@torch.library.custom_op("trainjourney::product8", mutates_args=())
def product8(
    x: Tensor,
    weight: Tensor,
    scale_in: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    kind: torch.dtype,
) -> Tensor:
    """[M, N] of `kind`: `x` [M, K] by `weight` [N, K], both packed, scaled by one number each."""
    return torch._scaled_mm(
        x, weight.t(), scale_in, scale, bias=bias, out_dtype=kind, use_fast_accum=True
    )


@product8.register_fake
def _(x: Tensor, weight: Tensor, *more: Any) -> Tensor:
    return x.new_empty((len(x), len(weight)), dtype=more[-1])


class Product8(nn.Module):
    """In the place of a linear layer, or of a convolution by 1x1."""

    weight: Tensor
    scale: Tensor
    scale_in: Tensor
    bias: Tensor | None

    def __init__(self, layer: Any, most: float, ours: bool) -> None:
        """`ours`: by our kernel, else by the library's."""
        super().__init__()
        weight = layer.weight.detach().flatten(1)
        self.most, self.ours, self.flat = most, ours, isinstance(layer, nn.Linear)
        if ours:
            peak = weight.float().abs().amax(1).clamp(min=1e-9)
            packed = (weight.float() * (MOST / peak)[:, None]).clamp(-MOST, MOST).to(EIGHT)
            keep(self, "scale", peak * (most / MOST**2))
        else:
            peak = weight.float().abs().amax().clamp(min=1e-9)
            packed = (weight.float() * (MOST / peak)).clamp(-MOST, MOST).to(EIGHT)
            keep(self, "scale", peak / MOST)
            keep(self, "scale_in", torch.full_like(peak, most / MOST))
        keep(self, "weight", packed.contiguous())
        keep(self, "bias", None if layer.bias is None else layer.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """[..., K] to [..., N], or [1, K, H, W] to [1, N, H, W]."""
        lying = x if self.flat else x.permute(0, 2, 3, 1)
        rows = eight(lying.reshape(-1, lying.shape[-1]), self.most).contiguous()
        if self.ours:
            from eight_bit_kernels import conv8

            parts = conv8(rows[None], self.weight[None], self.scale, 1)
            summed = parts.flatten(1, 2).float().sum(0)
            if self.bias is not None:
                summed = summed + self.bias
            said = summed.to(x.dtype)
        else:
            said = product8(rows, self.weight, self.scale_in, self.scale, self.bias, x.dtype)
        whole: Tensor = said.view(*lying.shape[:-1], -1)
        return whole if self.flat else whole.permute(0, 3, 1, 2)


def keep(module: nn.Module, name: str, value: Tensor | None) -> None:
    """A tensor that goes where its module does."""
    module.register_buffer(name, value, persistent=False)


class Conv8(nn.Module):
    """In the place of a convolution by 3x3 with a border, or of Doubled."""

    weight: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(self, layer: Any, most: float) -> None:
        super().__init__()
        doubled = isinstance(layer, Doubled)
        conv: Any = layer.conv if isinstance(layer, SplitConv) else layer
        self.doubled, self.most = layer if doubled else None, most
        if doubled:
            from trainjourney.model.full.quick_decoder import _packed

            conv = layer.up.conv
            weight = _packed(conv, True)[0].float().flatten(2)  # [4, N, 4 * C]
        else:
            assert conv.kernel_size == (3, 3) and conv.padding == (1, 1), conv
            weight = conv.weight.detach().float().permute(0, 2, 3, 1).flatten(1)[None]
        self.stride = int(conv.stride[0])
        peak = weight.abs().amax((0, 2)).clamp(min=1e-9)
        packed = (weight * (MOST / peak)[:, None]).clamp(-MOST, MOST).to(EIGHT)
        keep(self, "weight", packed.contiguous())
        keep(self, "scale", peak * (most / MOST**2))
        keep(self, "bias", conv.bias.detach().clone())

    def forward(self, x: Tensor, output_size: Any = None, *_: object, **__: object) -> Tensor:
        """[1, C, H, W] to [1, N, H', W']."""
        from eight_bit_kernels import conv8

        h, w = x.shape[2:]
        if self.doubled is not None and tuple(output_size or (2 * h, 2 * w)) != (2 * h, 2 * w):
            odd: Tensor = self.doubled(x, output_size)
            return odd
        bordered = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        lying = eight(bordered, self.most).contiguous()
        parts = conv8(lying[0], self.weight, self.scale, self.stride)
        # with its first dimension, so that the strides are seen to be channels last
        whole: Tensor = (parts.float().sum(0, keepdim=True) + self.bias).to(x.dtype)
        return whole.permute(0, 3, 1, 2)
