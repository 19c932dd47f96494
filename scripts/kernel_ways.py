"""Other ways to run the full model's layers on a GPU, each the same numbers but for rounding.

None is used by the show: scripts/try_kernels times them, and what wins is built in.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Modules = dict[str, Any]  # the graphs of a full bundle, as the torch backend builds them
# A picture doubled and then convolved by 3x3 is a transposed convolution by 4x4 with these sums of
# the kernel's rows, and likewise of its columns: 16 products for four places, not 36.
SUMS = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=torch.float64)


class Doubled(nn.Module):
    """In the place of doubling and a convolution by 3x3."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        weight = SUMS @ conv.weight.detach().cpu().double() @ SUMS.T
        self.weight = nn.Parameter(weight.transpose(0, 1).to(conv.weight), requires_grad=False)
        self.bias = conv.bias

    def forward(self, x: Tensor, *_: object, **__: object) -> Tensor:
        """[B, C, h, w] to [B, C', 2h, 2w]."""
        return F.conv_transpose2d(x, self.weight, self.bias, stride=2, padding=1)


class Product(nn.Module):
    """In the place of a convolution by 3x3: one product over the nine neighbours of each place."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        # a row a neighbour and channel, as `forward` lays them
        rows = conv.weight.detach().permute(2, 3, 1, 0).flatten(0, 2).contiguous()
        self.rows, self.bias = nn.Parameter(rows, requires_grad=False), conv.bias
        self.stride = int(conv.stride[0])

    def forward(self, x: Tensor) -> Tensor:
        """As the convolution's."""
        b, _, h, w = x.shape
        wide = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
        step = self.stride
        near = [wide[:, i : i + h : step, j : j + w : step] for i in range(3) for j in range(3)]
        places = torch.cat(near, 3)
        made = torch.addmm(self.bias, places.flatten(0, 2), self.rows)
        return made.view(b, places.shape[1], places.shape[2], -1).permute(0, 3, 1, 2)


@torch.library.custom_op("trainjourney::conv_relu", mutates_args=())
def conv_relu(x: Tensor, weight: Tensor, bias: Tensor, more: Tensor | None) -> Tensor:
    """relu(convolution by 3x3 + bias + more) in one kernel of cuDNN."""
    plain: Any = ([1, 1], [1, 1], [1, 1], 1)
    if x.device.type != "cuda":
        return _conv_relu(x, weight, bias, more)
    if more is None:
        return torch.ops.aten.cudnn_convolution_relu(x, weight, bias, *plain)
    return torch.ops.aten.cudnn_convolution_add_relu(x, weight, more, 1.0, bias, *plain)


@conv_relu.register_fake
def _conv_relu(x: Tensor, weight: Tensor, bias: Tensor, more: Tensor | None) -> Tensor:
    made = F.conv2d(x, weight, bias, padding=1)
    return torch.relu(made if more is None else made + more)


class Block(nn.Module):
    """In the place of an AutoencoderTinyBlock: three kernels, not six."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        assert isinstance(block.skip, nn.Identity)
        self.convs = nn.ModuleList(block.conv[i] for i in (0, 2, 4))

    def forward(self, x: Tensor) -> Tensor:
        """As the block's."""
        made = x
        for i, conv in enumerate(self.convs):
            made = conv_relu(made, conv.weight, conv.bias, x if i == 2 else None)
        return made


class Joined(nn.Module):
    """In the place of a Transformer2DModel of one folded block: what the feed-forward gives and the
    way out of the block are one product, as nothing but sums stands between them."""

    def __init__(self, whole: Any) -> None:
        super().__init__()
        block = whole.transformer_blocks[0]
        self.norm, self.enter, self.attn1, self.attn2 = (
            whole.norm,
            whole.proj_in,
            block.attn1,
            block.attn2,
        )
        self.norm1, self.norm3, self.gate = block.norm1, block.norm3, block.ff.net[0]
        last, out = block.ff.net[2], whole.proj_out
        leave = out.weight.detach().flatten(1).double()
        both = torch.cat([leave, leave @ last.weight.detach().double()], 1)
        bias = out.bias.detach().double() + leave @ last.bias.detach().double()
        self.leave = nn.Linear(both.shape[1], len(both))
        self.leave.weight = nn.Parameter(both.to(out.weight), requires_grad=False)
        self.leave.bias = nn.Parameter(bias.to(out.weight), requires_grad=False)

    def forward(self, x: Tensor, **_: object) -> tuple[Tensor]:
        """As the model's, asked for a tuple."""
        entered = self.enter(self.norm(x))
        h = entered.permute(0, 2, 3, 1).flatten(1, 2)
        h = self.attn1(self.norm1(h)) + h
        h = self.attn2(h) + h
        left = self.leave(torch.cat([h, self.gate(self.norm3(h))], 2))
        return (left.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2) + x,)


def benchmark(_: Modules) -> None:
    """cuDNN tries its kernels for every convolution once, and keeps the fastest."""
    torch.backends.cudnn.benchmark = True


def doubled(modules: Modules) -> None:
    """Of the network, the two ways up whose weights are not what takes their time."""
    ups = modules["predictor"].folded.network.unet.up_blocks
    for block in ups[:-1][-2:]:
        for up in block.upsamplers or []:
            block.upsamplers = nn.ModuleList([Doubled(up.conv)])


def shown(modules: Modules) -> None:
    """Of the display decoder, all ways up."""
    layers = modules["decoder"].display.decoder.layers
    for i in range(len(layers) - 1):
        if isinstance(layers[i], nn.Upsample):
            layers[i], layers[i + 1] = nn.Identity(), Doubled(layers[i + 1])


def relus(modules: Modules) -> None:
    """Of the display decoder, what follows a convolution done by its kernel."""
    layers = modules["decoder"].display.decoder.layers
    for i, layer in enumerate(layers):
        if type(layer).__name__ == "AutoencoderTinyBlock":
            layers[i] = Block(layer)


def products(most: int) -> Callable[[Modules], None]:
    """Convolutions by 3x3 of the network's deep levels, of at most so many places."""

    def change(modules: Modules) -> None:
        unet = modules["predictor"].folded.network.unet
        side = int(unet.config.sample_size)
        levels = [side >> i for i in range(len(unet.down_blocks))]
        deep = [unet.mid_block] if levels[-1] ** 2 <= most else []
        pairs = zip(levels, unet.down_blocks, reversed(unet.up_blocks), strict=True)
        deep += [part for at, *both in pairs if at**2 <= most for part in both]
        for part in deep:
            for resnet in (one for one in part.modules() if hasattr(one, "conv_shortcut")):
                resnet.conv1, resnet.conv2 = Product(resnet.conv1), Product(resnet.conv2)

    return change


def joined(modules: Modules) -> None:
    """Every block of attention."""
    unet = modules["predictor"].folded.network.unet
    for part in (*unet.down_blocks, unet.mid_block, *unet.up_blocks):
        attentions = getattr(part, "attentions", None) or []
        for i in range(len(attentions)):
            attentions[i] = Joined(attentions[i])


def told(modules: Modules) -> None:
    """What hangs on speed and dream alone is not worked out anew every frame (here: never)."""
    folded = modules["predictor"].folded
    said = folded.network.condition(*torch.zeros(2, 1).to(folded.steps))
    folded.network.condition = lambda level, speed: said
    folded.shift = Same(folded.shift(F.silu(said + folded.steps[:1])))


class Same(nn.Module):
    """Says the same, whatever it is given."""

    def __init__(self, same: Tensor) -> None:
        super().__init__()
        self.register_buffer("same", same, persistent=False)

    def forward(self, _: Tensor) -> Any:
        """That."""
        return self.same


def attention(name: str) -> Callable[[Modules], None]:
    """Attention by "flash" or "cudnn" alone."""

    def change(_: Modules) -> None:
        torch.backends.cuda.enable_flash_sdp(name == "flash")
        torch.backends.cuda.enable_cudnn_sdp(name == "cudnn")
        torch.backends.cuda.enable_mem_efficient_sdp(False)

    return change


def compiler(name: str) -> Callable[[Modules], None]:
    """A setting of torch's compiler switched on, for predictor and decoder."""

    def change(_: Modules) -> None:
        from torch._inductor import config

        assert hasattr(config, name), name
        setattr(config, name, True)

    return change


WAYS: dict[str, Callable[[Modules], None]] = {
    "benchmark": benchmark,
    "doubled": doubled,
    "shown": shown,
    "relus": relus,
    "product64": products(64),
    "product256": products(256),
    "joined": joined,
    "told": told,
    "flash": attention("flash"),
    "cudnn": attention("cudnn"),
    "as_mm": compiler("conv_1x1_as_mm"),
    "descent": compiler("coordinate_descent_tuning"),
    "gemm": compiler("max_autotune_gemm"),
    "freezing": compiler("freezing"),
}
