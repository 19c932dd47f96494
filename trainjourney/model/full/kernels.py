"""Our kernels for GPUs, in Triton's language.

Without a GPU Triton's interpreter runs them, for tests.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .split_conv import TILE

LARGE = 128 * 128  # places of a picture from which tiles of it are larger


@triton.jit  # type: ignore[untyped-decorator]
def _sum_parts(  # type: ignore[no-untyped-def]
    x,
    weight,
    out,
    H: tl.constexpr,
    W: tl.constexpr,
    C: tl.constexpr,
    N: tl.constexpr,
    EACH: tl.constexpr,
    TILE: tl.constexpr,
    FINE: tl.constexpr,
):
    """A tile of TILE places and channels, EACH steps of its products."""
    ACROSS: tl.constexpr = (N + TILE - 1) // TILE
    DEEP: tl.constexpr = C // TILE
    tile, part = tl.program_id(0), tl.program_id(1)
    place = (tile // ACROSS) * TILE + tl.arange(0, TILE)
    n, k = (tile % ACROSS) * TILE + tl.arange(0, TILE), tl.arange(0, TILE)
    inside = place < H * W
    top, left = place // W - 1, place % W - 1
    rows = weight + n * (9 * C)
    sums = tl.zeros((TILE, TILE), tl.float32)
    for step in range(EACH):
        i = part * EACH + step
        tap, c = i // DEEP, (i % DEEP) * TILE + k
        # A scalar's condition cannot be joined with a block's in the interpreter of triton 3.9.
        rows_left, n_left = tl.where(i < 9 * DEEP, H, 0), tl.where(i < 9 * DEEP, N, 0)
        iy, iz = top + tap // 3, left + tap % 3
        seen = inside & (iy >= 0) & (iy < rows_left) & (iz >= 0) & (iz < W)
        at = x + ((iy * W + iz) * C)[:, None] + c[None, :]
        a = tl.load(at, mask=seen[:, None], other=0.0)
        b = tl.load(rows[None, :] + (tap * C + c)[:, None], mask=(n < n_left)[None, :], other=0.0)
        sums = tl.dot(a, b, sums, input_precision=FINE)
    at = out + part * (H * W * N) + place[:, None] * N + n[None, :]
    tl.store(at, sums, mask=inside[:, None] & (n < N)[None, :])


def sum_parts(x: Tensor, weight: Tensor, made: Tensor) -> None:
    """Fill `made` as `split_conv` says."""
    parts, h, w, n = made.shape
    c = x.shape[3]
    tiles = triton.cdiv(h * w, TILE) * triton.cdiv(n, TILE)
    each = triton.cdiv(9 * (c // TILE), parts)
    _sum_parts[(tiles, parts)](
        x, weight, made, h, w, c, n, each, TILE, fine_of(weight), num_warps=4, num_stages=5
    )


@triton.jit  # type: ignore[untyped-decorator]
def _convolve(  # type: ignore[no-untyped-def]
    x,
    weight,
    bias,
    more,
    out,
    H: tl.constexpr,
    W: tl.constexpr,
    C: tl.constexpr,
    N: tl.constexpr,
    LATENT: tl.constexpr,
    DOUBLED: tl.constexpr,
    BIAS: tl.constexpr,
    MORE: tl.constexpr,
    RELU: tl.constexpr,
    LEVELS: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    BK: tl.constexpr,
    FINE: tl.constexpr,
):
    """A tile of BM places and all N channels. x [H, W, C], or [C, H, W] if it is the latent;
    weight [corners, N, taps, C]; out [H, W, N], or doubled both ways."""
    corner = tl.program_id(1)
    TAPS: tl.constexpr = 4 if DOUBLED else 9
    SIDE: tl.constexpr = 2 if DOUBLED else 3
    DEEP: tl.constexpr = (C + BK - 1) // BK
    place = tl.program_id(0) * BM + tl.arange(0, BM)
    n, k = tl.arange(0, BN), tl.arange(0, BK)
    inside = place < H * W
    y, z = place // W, place % W
    top, left = y - 1, z - 1
    if DOUBLED:
        top, left = top + corner // 2, left + corner % 2
    rows = weight + corner * (N * TAPS * C) + n * (TAPS * C)
    sums = tl.zeros((BM, BN), tl.float32)
    for i in range(TAPS * DEEP):
        tap, c = i // DEEP, (i % DEEP) * BK + k
        iy, iz = top + tap // SIDE, left + tap % SIDE
        seen = inside & (iy >= 0) & (iy < H) & (iz >= 0) & (iz < W)
        near = iy * W + iz
        if LATENT:
            at = x + c[None, :] * (H * W) + near[:, None]
            a = tl.load(at, mask=seen[:, None] & (c < C)[None, :], other=0.0)
            a = 6.0 * tl.sigmoid(a * (2.0 / 3.0)) - 3.0  # 3 tanh(a / 3)
            a = a.to(weight.dtype.element_ty)
        else:
            held = seen[:, None]
            if C < BK:
                held = held & (c < C)[None, :]
            a = tl.load(x + near[:, None] * C + c[None, :], mask=held, other=0.0)
        there = (n < N)[None, :] & (c < C)[:, None]
        b = tl.load(rows[None, :] + (tap * C + c)[:, None], mask=there, other=0.0)
        sums = tl.dot(a, b, sums, input_precision=FINE)
    if BIAS:
        sums += tl.load(bias + n, mask=n < N, other=0.0).to(tl.float32)[None, :]
    if DOUBLED:
        place = (2 * y + corner // 2) * (2 * W) + 2 * z + corner % 2
    at, kept = place[:, None] * N + n[None, :], inside[:, None] & (n < N)[None, :]
    if MORE:
        sums += tl.load(more + at, mask=kept, other=0.0).to(tl.float32)
    if RELU:
        sums = tl.maximum(sums, 0.0)
    if LEVELS:
        sums = tl.floor(tl.minimum(tl.maximum(sums, 0.0), 1.0) * 255.0 + 0.5)
    tl.store(out + at, sums.to(out.dtype.element_ty), mask=kept)


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    more: Tensor | None,
    made: Tensor,
    size: tuple[int, int],
    relu: bool,
    latent: bool,
) -> None:
    """Fill `made` [H, W, N], or its double, from `x`, a picture of `size` [H, W, C]; `weight` is
    [corners, N, taps, C], with four corners for the double. Levels 0..255 where `made` is uint8.

    `more`, of the shape of `made`, is added before the ReLU. A latent is [C, H, W] float32, and is
    bounded as TAESD's are.
    """
    corners, n, _, c = weight.shape
    places, wide = size[0] * size[1], max(16, triton.next_power_of_2(n))
    large = places >= LARGE
    rows = 128 if large else 64
    _convolve[(triton.cdiv(places, rows), corners)](
        x,
        weight,
        weight if bias is None else bias,
        weight if more is None else more,
        made,
        *size,
        c,
        n,
        latent,
        corners > 1,
        bias is not None,
        more is not None,
        relu,
        made.dtype == torch.uint8,
        rows,
        wide,
        max(16, min(64, triton.next_power_of_2(c))),
        fine_of(weight),
        num_warps=8 if large and wide >= 64 else 4,
        num_stages=3 if large else 4,
    )


def fine_of(weight: Tensor) -> str:
    """How factors are multiplied: in float32 with all of their bits; of less there are no two ways,
    and it is as Triton has it."""
    return "ieee" if weight.dtype == torch.float32 else "tf32"
