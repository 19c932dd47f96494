"""Ways of scripts/try_kernels that run the full model's layers in eight bits (e4m3), and attention
by our kernel. They change what quicken() has left, so they wait for it.
"""

import sys
from collections.abc import Callable
from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from eight_bit_layers import Conv8, Product8
from torch import Tensor, nn

from trainjourney.model.full import quicken as quickening
from trainjourney.model.full.folded import OneMatrix
from trainjourney.model.full.quicken import Doubled, Joined
from trainjourney.model.full.split_conv import SplitConv

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


class OurAttention(nn.Module):
    """In the place of OneMatrix: the same, by our kernel."""

    def __init__(self, attention: OneMatrix) -> None:
        super().__init__()
        self.qkv, self.out, self.heads = attention.qkv, attention.out, attention.heads

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
            block.attn1 = OurAttention(block.attn1) if by == "ours" else block.attn1
        put(modules, convolutions_of(predictor), convolution)
        put(modules, [*products_of(predictor), *shortcuts_of(predictor)], product)

    after_quicken(modules, change)


WAYS: dict[str, Callable[[Modules], None]] = {
    "attend": attention,
    "fp8": products(ours=False),
    "fp8t": products(ours=True),  # in the place of fp8: by our kernel
    "conv8": convolutions,
    "soonest": soonest,  # in the place of all of these
}
