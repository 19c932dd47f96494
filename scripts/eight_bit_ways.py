"""Ways of scripts/try_kernels that run the full model's layers in eight bits (e4m3), and attention
by cuDNN. They change what quicken() has left, so they wait for it.

Weights are scaled once, by channel in a convolution and as a whole in a product; what comes in is
scaled by one number that a forward pass has measured. To cut it to eight bits is plain torch, which
the compiler joins with the norm before.
"""

import sys
from collections.abc import Callable
from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional as F

from trainjourney.model.full import quicken as quickening
from trainjourney.model.full.folded import OneMatrix
from trainjourney.model.full.quicken import Doubled, Joined
from trainjourney.model.full.split_conv import SplitConv

EIGHT = torch.float8_e4m3fn
MOST = 448.0  # the largest of them
CUDNN_HEAD = 128  # numbers of a head, at most
ROOM = 2.0  # times what was measured; e4m3 has 15 powers of two, so it costs no precision

Modules = dict[str, Any]


# What follows quicken().


def after_quicken(modules: Modules, change: Callable[[Any], None]) -> None:
    """On a GPU `change` follows quicken(); on a processor, where nobody calls it, both come now."""
    predictor = modules["predictor"]
    if not next(predictor.parameters()).is_cuda:
        print("eight bits on a processor: as torch has them there, to see that it works",
              file=sys.stderr)  # fmt: skip
        if not any(isinstance(one, Joined) for one in predictor.modules()):
            quickening.quicken(predictor)
        change(predictor)
        return
    before = quickening.quicken

    def both(given: Any) -> None:
        before(given)
        change(given)

    quickening.quicken = both  # type: ignore[assignment]


def check() -> None:
    """Raises RuntimeError where a card cannot do it."""
    if not (hasattr(torch, "float8_e4m3fn") and hasattr(torch, "_scaled_mm")):
        raise RuntimeError(f"torch {torch.__version__} has no eight-bit floats")
    if torch.cuda.is_available() and torch.cuda.get_device_capability() < (8, 9):
        raise RuntimeError(f"{torch.cuda.get_device_name()} has no eight-bit floats")


def measured(modules: Modules, layers: list[nn.Module]) -> dict[nn.Module, tuple[float, int]]:
    """Of what comes into each layer in one forward pass: the largest number, times ROOM; and how
    many places it has."""
    peaks: dict[nn.Module, Tensor] = {}
    places: dict[nn.Module, int] = {}

    def see(layer: nn.Module, given: tuple[Any, ...]) -> None:
        x = given[0].detach()
        peak = x.abs().amax().float()
        peaks[layer] = torch.maximum(peaks[layer], peak) if layer in peaks else peak
        places[layer] = x.numel() // x.shape[1 if x.dim() == 4 else -1]

    predictor, steering = modules["predictor"], modules["steering"]
    weight = predictor.folded.steps
    kind: dict[str, Any] = {"device": weight.device}
    side = int(predictor.folded.network.unet.config.sample_size)
    size = steering.vectors.in_features
    hooks = [layer.register_forward_pre_hook(see) for layer in layers]
    state = torch.random.get_rng_state()
    torch.manual_seed(5)
    with torch.no_grad():
        latents = torch.randn(2, 4, side, side).to(**kind)
        noise = torch.randn(predictor.count + 2, 4, side, side).to(**kind)
        vectors = steering(torch.full((size,), size**-0.5, **kind))
        predictor(latents, noise, vectors, torch.tensor(0.7, **kind), torch.tensor(0.2, **kind))
    torch.random.set_rng_state(state)
    for hook in hooks:
        hook.remove()
    return {layer: (max(1e-6, float(peaks[layer]) * ROOM), places[layer]) for layer in layers}


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
def _(
    x: Tensor,
    weight: Tensor,
    scale_in: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    kind: torch.dtype,
) -> Tensor:
    return x.new_empty((len(x), len(weight)), dtype=kind)


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


Make = Callable[[Any, float, int], Any]  # of a layer, the most that comes in, and its places


def put(modules: Modules, places: list[tuple[Any, str]], make: Make) -> None:
    """Others in the places of layers whose channels are multiples of 16, but where `make` gives
    nothing."""
    fit = [(at, name) for at, name in places if fits(getattr(at, name))]
    found = [getattr(at, name) for at, name in fit]
    seen = measured(modules, found)
    made = [make(layer, *seen[layer]) for layer in found]
    for (at, name), layer in zip(fit, made, strict=True):
        if layer is not None:
            setattr(at, name, layer)
    changed = sum(layer is not None for layer in made)
    print(f"eight bits: {changed} of {len(places)} layers", file=sys.stderr)


def fits(layer: Any) -> bool:
    """Are its channels multiples of 16?"""
    conv = layer.conv if isinstance(layer, SplitConv) else layer
    conv = conv.up.conv if isinstance(conv, Doubled) else conv
    return all(side % 16 == 0 for side in conv.weight.shape[:2])


# Convolutions.


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


# Which layers.


def products_of(predictor: Any) -> list[tuple[Any, str]]:
    """All products of the blocks of attention, and the way into them."""
    places: list[tuple[Any, str]] = []
    for one in predictor.modules():
        if isinstance(one, Joined):
            places += [(one, "enter"), (one, "leave"), (one.gate, "proj")]
            places += [(one.attn1, "qkv"), (one.attn1, "out")]
    return places


def shortcuts_of(predictor: Any) -> list[tuple[Any, str]]:
    """Those of the resnets."""
    resnets = [one for one in predictor.modules() if isinstance(one, ResnetBlock2D)]
    return [(one, "conv_shortcut") for one in resnets if one.conv_shortcut is not None]


def convolutions_of(predictor: Any) -> list[tuple[Any, str]]:
    """Those of the resnets and of the ways down and up."""
    unet: Any = predictor.folded.network.unet
    places: list[tuple[Any, str]] = []
    for one in unet.modules():
        if isinstance(one, ResnetBlock2D):
            places += [(one, "conv1"), (one, "conv2")]
    for block in (*unet.down_blocks, *unet.up_blocks):
        places += [(one, "conv") for one in getattr(block, "downsamplers", None) or []]
        ups: Any = getattr(block, "upsamplers", None) or []
        for i, one in enumerate(ups):
            places.append((ups, str(i)) if isinstance(one, Doubled) else (one, "conv"))
    return places


def products(ours: bool) -> Callable[[Modules], None]:
    """The products in eight bits, by our kernel or the library's."""

    def way(modules: Modules) -> None:
        check()

        def change(predictor: Any) -> None:
            make: Make = lambda layer, most, _: Product8(layer, most, ours)  # noqa: E731
            put(modules, products_of(predictor), make)

        after_quicken(modules, change)

    return way


def convolutions(modules: Modules) -> None:
    """The convolutions in eight bits, and the resnets' shortcuts by the library."""
    check()
    import eight_bit_kernels  # noqa: F401  # wants triton: here, and not within the compiler

    def change(predictor: Any) -> None:
        put(modules, convolutions_of(predictor), lambda layer, most, _: Conv8(layer, most))
        make: Make = lambda layer, most, _: Product8(layer, most, ours=False)  # noqa: E731
        put(modules, shortcuts_of(predictor), make)

    after_quicken(modules, change)


# Attention.


class CudnnAttention(nn.Module):
    """In the place of OneMatrix: the same, by cuDNN's kernel and no other."""

    def __init__(self, attention: OneMatrix) -> None:
        super().__init__()
        self.qkv, self.out, self.heads = attention.qkv, attention.out, attention.heads

    def forward(self, x: Tensor, **_: object) -> Tensor:
        """What every place of `x` [B, places, C] hears from all."""
        asked, keys, said = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attend = torch.ops.aten._scaled_dot_product_cudnn_attention
        heard = attend(asked, keys, said, None, False, 0.0, False, False)[0]
        out: Tensor = self.out(heard.transpose(1, 2).flatten(2))
        return out


def cudnn(modules: Modules) -> None:
    """Attention of 1024 places and more by cuDNN; heads of 160 numbers, which are of the small
    pictures, it has not in torch 2.11."""
    if not torch.cuda.is_available():
        raise RuntimeError("attention by cuDNN is for a GPU, and no CUDA device is seen here")
    for block in modules["predictor"].modules():
        inner = getattr(block, "attn1", None)
        if isinstance(inner, OneMatrix) and inner.out.in_features // inner.heads <= CUDNN_HEAD:
            block.attn1 = CudnnAttention(inner)


class OurAttention(CudnnAttention):
    """In the place of OneMatrix: the same, by our kernel."""

    def forward(self, x: Tensor, **_: object) -> Tensor:
        """What every place of `x` [B, places, C] hears from all."""
        from attention_kernel import attend

        out: Tensor = self.out(attend(self.qkv(x).contiguous(), self.heads))
        return out


def attention(modules: Modules) -> None:
    """Attention by our kernel, whatever the place."""
    import attention_kernel  # noqa: F401  # wants triton: here, and not within the compiler

    for block in modules["predictor"].modules():
        inner = getattr(block, "attn1", None)
        if isinstance(inner, OneMatrix):
            block.attn1 = OurAttention(inner)


def soonest(modules: Modules) -> None:
    """Each layer as was soonest on an H200, alone: eight_bit_tiles.json."""
    check()
    import attention_kernel  # noqa: F401  # wants triton: here, and not within the compiler
    from eight_bit_kernels import CHOICE

    def product(layer: Any, most: float, places: int) -> Any:
        n, k = layer.weight.shape[:2]
        by = CHOICE.get((places, n, k, 1), "f16")
        return None if by == "f16" else Product8(layer, most, ours=by == "ours")

    def convolution(layer: Any, most: float, places: int) -> Any:
        made = Conv8(layer, most)
        corners, n, k = made.weight.shape
        by = CHOICE.get((places // made.stride**2, n, k, corners), "f16")
        return None if by == "f16" else made

    def change(predictor: Any) -> None:
        blocks = [one for one in predictor.modules() if isinstance(one, Joined)]
        blocks = [one for one in blocks if isinstance(one.attn1, OneMatrix)]
        for block, (_, places) in zip(
            blocks, measured(modules, [one.attn1 for one in blocks]).values(), strict=True
        ):
            heads = block.attn1.heads
            by = CHOICE.get((places, block.attn1.out.in_features // heads), "f16")
            kinds = {"ours": OurAttention, "library": CudnnAttention}
            block.attn1 = kinds[by](block.attn1) if by in kinds else block.attn1
        put(modules, convolutions_of(predictor), convolution)
        put(modules, [*products_of(predictor), *shortcuts_of(predictor)], product)

    after_quicken(modules, change)


WAYS: dict[str, Callable[[Modules], None]] = {
    "cudnn": cudnn,
    "attend": attention,  # in the place of cudnn
    "fp8": products(ours=False),
    "fp8t": products(ours=True),  # in the place of fp8: by our kernel
    "conv8": convolutions,
    "soonest": soonest,  # in the place of all of these
}
