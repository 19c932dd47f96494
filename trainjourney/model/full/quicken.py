"""Other ways to run a full model's layers on a GPU: the same numbers but for rounding, sooner.

Each was timed beside the plain one by scripts/try_kernels; docs/full.md has the figures.
"""

from typing import Any

import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional as F

from .graphs import FullPredictor
from .split_conv import SplitConv

# A picture doubled and then convolved by 3x3 is a transposed convolution by 4x4 with these sums of
# the kernel's rows, and likewise of its columns: 16 products for four places, not 36.
SUMS = torch.tensor([[0.0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=torch.float64)


def quicken(predictor: FullPredictor) -> None:
    """Change its layers, once they are on their device."""
    unet: Any = predictor.folded.network.unet
    blocks = (*unet.down_blocks, unet.mid_block, *unet.up_blocks)
    for block in blocks:
        attentions = getattr(block, "attentions", None) or []
        for i in range(len(attentions)):
            attentions[i] = Joined(attentions[i])
    # two ways up whose weights are not what takes their time; the last block has none
    for block in unet.up_blocks[:-1][-2:]:
        block.upsamplers = nn.ModuleList([Doubled(up) for up in block.upsamplers or []])
    for resnet in [one for one in unet.modules() if isinstance(one, ResnetBlock2D)]:
        resnet.conv1, resnet.conv2 = SplitConv(resnet.conv1), SplitConv(resnet.conv2)


class Doubled(nn.Module):
    """In the place of doubling and a convolution by 3x3."""

    def __init__(self, up: Any) -> None:
        super().__init__()
        self.up = up
        weight = SUMS @ up.conv.weight.detach().cpu().double() @ SUMS.T
        packed: Any = weight.transpose(0, 1).to(up.conv.weight)
        lying = packed.contiguous(memory_format=torch.channels_last)
        self.weight = nn.Parameter(lying, requires_grad=False)

    def forward(self, x: Tensor, output_size: Any = None, *_: object, **__: object) -> Tensor:
        """[B, C, h, w] to [B, C', 2h, 2w], or to another size that is asked for."""
        h, w = x.shape[2:]
        if output_size is not None and tuple(output_size) != (2 * h, 2 * w):
            odd: Tensor = self.up(x, output_size)
            return odd
        return F.conv_transpose2d(x, self.weight, self.up.conv.bias, stride=2, padding=1)


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
