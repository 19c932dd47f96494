"""How the picture moved between two moments: phase correlation by bands and by tiles.

Phase correlation (Kuglin & Hines 1975): the whitened cross-spectrum of two pictures has one peak,
at their shift. It needs texture and one main motion a patch, and says how sure it is. What a band
of rows says is the motion of most of what is in it: things at two distances in one band are told
as one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LUMA_W, LUMA_H = 256, 128  # of the pictures that are measured
BANDS = 8  # across the whole width, each LUMA_H / BANDS rows
TILES_X, TILES_Y = 4, 4
SURE = 8.0  # peak over spread; strangers give 4 to 6
# Mean step from px to px of a patch, levels. One with less, and with less than so much of the
# picture's most, is bare sky: a codec's pattern stands still there, and would be told as motion.
BARE, BARE_SHARE = 0.8, 0.3
_WHITE = 1e-3

Luma = NDArray[np.float32]  # [LUMA_H, LUMA_W], levels 0..255


@dataclass(frozen=True)
class Motion:
    """Shift of the picture in px of LUMA_W, and how sure it is. Right and down count positive."""

    bands: NDArray[np.float32]  # [BANDS] sideways
    bands_sure: NDArray[np.float32]  # [BANDS] peak over spread
    tiles: NDArray[np.float32]  # [TILES_Y, TILES_X, 2] down, sideways
    tiles_sure: NDArray[np.float32]  # [TILES_Y, TILES_X]; 0 where nothing is to be seen, as above


def luma(frame: NDArray[np.uint8]) -> Luma:
    """Grey levels of an RGB picture [h, w, 3] (ITU-R BT.601 weights)."""
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return np.asarray(frame.astype(np.float32) @ weights, np.float32)


def measure(before: Luma, after: Luma) -> Motion:
    """The motion from one picture to another."""
    assert before.shape == after.shape == (LUMA_H, LUMA_W), (before.shape, after.shape)
    bands, bands_sure = shifts(_cut(before, BANDS, 1), _cut(after, BANDS, 1))
    tiles, tiles_sure = shifts(_cut(before, TILES_Y, TILES_X), _cut(after, TILES_Y, TILES_X))
    bands_sure[_bare(_cut(after, BANDS, 1))] = 0.0
    tiles_sure[_bare(_cut(after, TILES_Y, TILES_X))] = 0.0
    shape = (TILES_Y, TILES_X)
    return Motion(bands[:, 1], bands_sure, tiles.reshape(*shape, 2), tiles_sure.reshape(shape))


def _bare(patches: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which patches [n, h, w] have nothing that could be seen to move."""
    drawn = np.abs(np.diff(patches, axis=2)).mean((1, 2))
    return np.asarray(drawn < min(BARE, BARE_SHARE * float(drawn.max())))


def shifts(
    before: NDArray[np.float32], after: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Shift (down, right) [n, 2] of patches [n, h, w], to a tenth of a px, and peak over spread."""
    n, h, w = before.shape
    fade = np.hanning(h + 2)[1:-1, None] * np.hanning(w + 2)[1:-1]
    spectra = []
    for patch in (before, after):
        centred = patch - patch.mean((1, 2), keepdims=True)
        spectra.append(np.fft.rfft2(centred * fade))
    cross = spectra[0].conj() * spectra[1]
    size = np.abs(cross)
    cross /= size + _WHITE * size.max((1, 2), keepdims=True) + 1e-9
    peaks = np.fft.irfft2(cross, s=(h, w))
    found = peaks.reshape(n, -1).argmax(1)
    rows, columns = found // w, found % w
    each = np.arange(n)
    top = peaks[each, rows, columns]
    down = rows + _between(peaks, each, rows, columns, (1, 0), top)
    right = columns + _between(peaks, each, rows, columns, (0, 1), top)
    shift = np.stack([(down + h / 2) % h - h / 2, (right + w / 2) % w - w / 2], 1)
    return shift.astype(np.float32), (top / (peaks.std((1, 2)) + 1e-9)).astype(np.float32)


def _between(
    peaks: NDArray[np.float64],
    each: NDArray[np.intp],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    step: tuple[int, int],
    top: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Where between the cells the peak lies: the top of the parabola through it, -0.5..0.5."""
    h, w = peaks.shape[1:]
    after = peaks[each, (rows + step[0]) % h, (columns + step[1]) % w]
    before = peaks[each, (rows - step[0]) % h, (columns - step[1]) % w]
    bend = 2.0 * (2.0 * top - after - before)
    return np.asarray(((after - before) / (bend + 1e-9)).clip(-0.5, 0.5))


def _cut(picture: Luma, down: int, across: int) -> NDArray[np.float32]:
    """A picture in patches [down * across, h, w]."""
    h, w = LUMA_H // down, LUMA_W // across
    return picture.reshape(down, h, across, w).swapaxes(1, 2).reshape(-1, h, w)
