"""A convolution of eight-bit numbers (e4m3) for GPUs, in Triton's language, and as an op of torch.

A tile of places and channels is a matrix product whose factors are read where they lie: a place's
neighbours out of a picture that has its border already, so nothing is asked of where one stands.
Where there are fewer tiles than multiprocessors, several share a tile ("split-K") and what they
give is summed up by what comes next.
"""

import json
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch._inductor import config as inductor
from torch.nn import functional as F
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

EIGHT = torch.float8_e4m3fn


@triton.jit  # type: ignore[untyped-decorator]
def _conv8(  # type: ignore[no-untyped-def]
    x,
    weight,
    scale,
    out,
    WIDE: tl.constexpr,
    OH: tl.constexpr,
    OW: tl.constexpr,
    C: tl.constexpr,
    N: tl.constexpr,
    SIDE: tl.constexpr,
    STRIDE: tl.constexpr,
    CORNERS: tl.constexpr,
    EACH: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    MORE: tl.constexpr,
    BK: tl.constexpr,
    FINE: tl.constexpr,
    EARLY: tl.constexpr,
):
    """A tile of BM places and BN + MORE channels, EACH steps of BK of its products.

    x [.., WIDE, C] has its border; weight [corners, N, SIDE * SIDE * C]; scale [N] float32;
    out [parts, OH, OW, N], or doubled both ways where there are four corners. EARLY: begun while
    the kernel before it ends, and what follows may begin before this one does."""
    K: tl.constexpr = SIDE * SIDE * C
    ACROSS: tl.constexpr = (N + BN + MORE - 1) // (BN + MORE)
    EVEN: tl.constexpr = K % (BK * EACH) == 0
    tile, part, corner = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    place = (tile // ACROSS) * BM + tl.arange(0, BM)
    n = (tile % ACROSS) * (BN + MORE) + tl.arange(0, BN)
    here = tl.minimum(place, OH * OW - 1)  # what is too much is read, and not kept
    near = (here // OW * STRIDE) * WIDE + here % OW * STRIDE
    if CORNERS == 4:
        near += corner // 2 * WIDE + corner % 2
    near = x + near * C
    rows = weight + corner * (N * K) + tl.minimum(n, N - 1) * K
    sums = tl.zeros((BM, BN), tl.float32)
    if MORE:
        n2 = (tile % ACROSS) * (BN + MORE) + BN + tl.arange(0, MORE)
        rows2 = weight + corner * (N * K) + tl.minimum(n2, N - 1) * K
        sums2 = tl.zeros((BM, MORE), tl.float32)
    if EARLY:
        gdc_wait()
    for step in range(EACH):
        k = (part * EACH + step) * BK + tl.arange(0, BK)
        tap = k // C
        off = (tap // SIDE * WIDE + tap % SIDE) * C + k % C
        if EVEN:
            a = tl.load(near[:, None] + off[None, :])
            b = tl.load(rows[None, :] + k[:, None])
        else:
            a = tl.load(near[:, None] + off[None, :], mask=(k < K)[None, :], other=0.0)
            b = tl.load(rows[None, :] + k[:, None], mask=(k < K)[:, None], other=0.0)
        sums = tl.dot(a, b, sums, input_precision=FINE)
        if MORE:
            if EVEN:
                b2 = tl.load(rows2[None, :] + k[:, None])
            else:
                b2 = tl.load(rows2[None, :] + k[:, None], mask=(k < K)[:, None], other=0.0)
            sums2 = tl.dot(a, b2, sums2, input_precision=FINE)
    if EARLY:
        gdc_launch_dependents()
    to = place
    if CORNERS == 4:
        to = (place // OW * 2 + corner // 2) * (2 * OW) + place % OW * 2 + corner % 2
    at = out + part * (CORNERS * OH * OW * N) + to * N
    kept = (place < OH * OW)[:, None]
    sums *= tl.load(scale + tl.minimum(n, N - 1))[None, :]
    tl.store(at[:, None] + n[None, :], sums.to(out.dtype.element_ty), mask=kept & (n < N)[None, :])
    if MORE:
        sums2 *= tl.load(scale + tl.minimum(n2, N - 1))[None, :]
        kept = kept & (n2 < N)[None, :]
        tl.store(at[:, None] + n2[None, :], sums2.to(out.dtype.element_ty), mask=kept)


@dataclass(frozen=True)
class Tiles:
    """How the work is shared out."""

    places: int
    channels: int
    more: int  # channels beside those, so that a tile may have 160
    deep: int
    parts: int
    warps: int
    stages: int


def tiles_of(places: int, n: int, k: int, corners: int = 1) -> Tiles:
    """What suits so many places, channels out and products of each: some 128 blocks."""
    rows = 128 if places * corners > 256 or places > 128 else 64
    wide, more = (128, 32) if n % 160 == 0 else (64, 0) if n <= 64 else (128, 0)
    blocks = -(-places // rows) * -(-n // (wide + more)) * corners
    deep = 128 if k % 128 == 0 or k > 512 else 64
    steps = triton.cdiv(k, deep)
    parts = max(1, min(16, 132 // blocks, steps // 3))
    parts = triton.cdiv(steps, triton.cdiv(steps, parts))  # none without work
    return Tiles(rows, wide, more, deep, parts, rows // 16, 4)


Shape = tuple[int, int, int, int]  # places of a corner, channels out, products of each, corners
MEASURED = Path(__file__).with_name("eight_bit_tiles.json")  # on an H200


def read_measured(what: str) -> dict[Any, Any]:
    """`what` was measured: "tiles" that were best; and "choice", who was the soonest: "ours",
    "library" or "f16"; for "attention" the plan, and among the choices [places, numbers]."""
    told = json.loads(MEASURED.read_text())[what]
    return {tuple(int(word) for word in key.split(",")): one for key, one in told.items()}


FORCED: dict[Shape, Tiles] = {key: Tiles(*one) for key, one in read_measured("tiles").items()}
CHOICE: dict[tuple[int, ...], str] = read_measured("choice")


def conv8_into(
    x: Tensor,
    weight: Tensor,
    scale: Tensor,
    made: Tensor,
    stride: int,
    tiles: Tiles,
    early: bool = False,
) -> None:
    """Fill `made` [parts, H, W, N] as `conv8` says."""
    corners, n, k = weight.shape
    wide, c = x.shape[-2:]
    parts, oh, ow = made.shape[0], made.shape[1], made.shape[2]
    if corners == 4:
        oh, ow = oh // 2, ow // 2
    side = round((k // c) ** 0.5)
    rows, channels, more, deep, _, warps, stages = astuple(tiles)
    each = triton.cdiv(triton.cdiv(k, deep), parts)
    grid = (triton.cdiv(oh * ow, rows) * triton.cdiv(n, channels + more), parts, corners)
    fine = "ieee" if x.dtype == torch.float32 else "tf32"
    _conv8[grid](
        x, weight, scale, made, wide, oh, ow, c, n, side, stride, corners, each,
        rows, channels, more, deep, fine, early, num_warps=warps, num_stages=stages,
        **({"launch_pdl": True} if early else {}),
    )  # fmt: skip


@torch.library.custom_op("trainjourney::conv8", mutates_args=())
def conv8(x: Tensor, weight: Tensor, scale: Tensor, stride: int) -> Tensor:
    """Parts [parts, H, W, N] float16, whose sum is a convolution of `x` [h, w, C], which has its
    border, by `weight` [1, N, 9 * C], times `scale` [N]. Of [4, N, 4 * C] each of the four makes
    a corner of a picture doubled both ways; [1, N, C] is a product, and `x` has no border."""
    made = torch.empty(_shape(x, weight, stride), dtype=torch.float16, device=x.device)
    assert x.is_contiguous() and weight.is_contiguous(), (x.stride(), weight.stride())
    if x.device.type == "cuda":
        # as the way "pdl" has it for the compiler's own
        early = bool(getattr(inductor.triton, "enable_pdl", False))
        conv8_into(x, weight, scale, made, stride, _tiles(x, weight, stride), early)
        return made
    made.zero_()[0] = plain(x, weight, scale, stride)
    return made


@conv8.register_fake
def _(x: Tensor, weight: Tensor, scale: Tensor, stride: int) -> Tensor:
    return torch.empty(_shape(x, weight, stride), dtype=torch.float16, device=x.device)


def plain(x: Tensor, weight: Tensor, scale: Tensor, stride: int) -> Tensor:
    """The same by torch, whole [H, W, N], float32: what the kernel is held against."""
    corners, n, k = weight.shape
    h, w, c = x.shape
    side = round((k // c) ** 0.5)
    kernels = weight.float().view(corners, n, side, side, c).permute(0, 1, 4, 2, 3)
    picture = x.float().permute(2, 0, 1)[None]
    if corners == 1:
        whole = F.conv2d(picture, kernels[0], stride=stride)[0].permute(1, 2, 0)
        return whole * scale
    made = torch.empty(2 * (h - 2), 2 * (w - 2), n, device=x.device)
    for i in range(4):
        seen = picture[:, :, i // 2 : h - 1 + i // 2, i % 2 : w - 1 + i % 2]
        made[i // 2 :: 2, i % 2 :: 2] = F.conv2d(seen, kernels[i])[0].permute(1, 2, 0)
    return made * scale


def _out(x: Tensor, weight: Tensor, stride: int) -> tuple[int, int]:
    """Height and width of what comes out, of one corner."""
    corners, _, k = weight.shape
    h, w, c = x.shape
    if corners == 4:
        return h - 2, w - 2
    side = round((k // c) ** 0.5)
    return (h - side) // stride + 1, (w - side) // stride + 1


def _tiles(x: Tensor, weight: Tensor, stride: int) -> Tiles:
    corners, n, k = weight.shape
    h, w = _out(x, weight, stride)
    return FORCED.get((h * w, n, k, corners)) or tiles_of(h * w, n, k, corners)


def _shape(x: Tensor, weight: Tensor, stride: int) -> tuple[int, ...]:
    corners, n, _ = weight.shape
    h, w = _out(x, weight, stride)
    twice = 2 if corners == 4 else 1
    return (_tiles(x, weight, stride).parts, h * twice, w * twice, n)
