"""The planes of a real ride: bands of rows, as fast as each of them was measured to go by.

A thing that stands across two bands shears where their speeds differ; where all go by alike, all
is one sheet.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..model.planes import PLANES, VIEW_H
from ..rides.dataset import Ride

# View rows of each plane's band: from, to. Nothing stands on the track.
BANDS = ((0, 40), (40, 54), (54, 66), (66, 78), (78, 92), (92, 106), (0, 0), (106, 128))
# The same where all rows go by alike, in the planes that are SINGLE.
WHOLE = (*((0, 0),) * (len(PLANES) - 1), (0, VIEW_H))
# Speed of the nearest plane over the furthest's, up to which cutting would give less depth than it
# takes: what stands across planes, as poles do, comes in pieces.
ALIKE = 1.5
MID = 0.55  # parallax of what goes by as fast as the mid-ground
MOST = 4.2  # parallax of all planes together that the dreaming keeps up with
IDLE = 0.01  # parallax of a plane with nothing on it
SELDOM = 2  # rows that such a plane counts for in training


def profile_of(ride: Ride) -> NDArray[np.float64]:
    """Speed of bands of rows from the top down, over the mid-ground's."""
    profiles = np.array([source["profile"] for source in ride.table["sources"]], np.float64)
    return np.asarray(np.median(profiles, axis=0).clip(0.0, 4.0))


def bands_of(ride: Ride) -> tuple[tuple[int, int], ...]:
    """The view rows of each plane, from and to."""
    return WHOLE if is_single(ride) else BANDS


def is_single(ride: Ride) -> bool:
    """Whether all rows go by alike, so that all is one sheet."""
    found = _cut_ratios(ride)[[top < end for top, end in BANDS]]
    return bool(found.max() < ALIKE * found.min())


def ratios_of(ride: Ride) -> NDArray[np.float64]:
    """Speed of every plane over the mid-ground's, [planes]."""
    if not is_single(ride):
        return _cut_ratios(ride)
    return np.where([top < end for top, end in WHOLE], 1.0, IDLE / MID)


def _cut_ratios(ride: Ride) -> NDArray[np.float64]:
    """The same where the picture is cut into BANDS, from the measured rows."""
    profile = profile_of(ride)
    rows = (np.arange(len(profile)) + 0.5) * VIEW_H / len(profile)
    middle = np.array([(top + end) / 2.0 for top, end in BANDS])
    found = np.interp(middle, rows, profile).clip(min=IDLE / MID)
    empty = [top == end for top, end in BANDS]
    found[empty] = 0.0
    found = np.maximum.accumulate(found)  # what is lower in the picture is nearer
    found[empty] = IDLE / MID
    return np.asarray(found)


def parallax_of(ride: Ride) -> NDArray[np.float64]:
    """Parallax of every plane, [planes]; slower all together where the dreaming would lag."""
    found = MID * ratios_of(ride)
    return np.asarray(found * min(1.0, MOST / found.sum()))


def often_of(ride: Ride) -> Tensor:
    """How often each plane is to be drawn in training, [planes]: as many rows as are seen of it.

    One with nothing on it is drawn now and then, for the looks that the bundle had.
    """
    return torch.tensor([float(max(end - top, SELDOM)) for top, end in bands_of(ride)])
