"""The code on a frame outlives an encoder and is never read wrongly."""

import io

import numpy as np
import pytest
from PIL import Image

from trainjourney.outputs.testcard import Stamped, TestCard, read_stamp, stamp


@pytest.mark.parametrize("value", [0, 1, 12345, 2**32 - 1, 2**32 + 7, 1764077000123])
@pytest.mark.parametrize("width", [128, 512, 1000])
def test_a_stamp_is_read_back_through_a_jpeg(value: int, width: int) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (64, width, 3), np.uint8)
    stamped = stamp(frame, value)
    out = io.BytesIO()
    Image.fromarray(stamped).save(out, "JPEG", quality=60)
    assert read_stamp(np.asarray(Image.open(out))) == value % 2**32
    assert (stamped[16:] == frame[16:]).all() and read_stamp(frame) is None


def test_a_stamp_that_is_torn_is_not_read() -> None:
    frame = stamp(np.zeros((64, 512, 3), np.uint8), 99)
    frame[:16, 100:130] = 255 - frame[:16, 100:130]
    assert read_stamp(frame) is None


def test_the_card_counts_its_frames_by_the_clock() -> None:
    now = [0.0]
    card = TestCard(128, 64, 30.0, lambda: now[0])
    first = card.newest(0)
    assert first is not None and first[0] == 1 and read_stamp(first[1]) == 1
    assert card.newest(1) is None
    now[0] = 1.0
    later = card.newest(1)
    assert later is not None and later[0] == 31 and read_stamp(later[1]) == 31
    timed = Stamped(card, lambda: 5.25).newest(0)
    assert timed is not None and (timed[0], read_stamp(timed[1])) == (31, 5250)
