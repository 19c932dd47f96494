"""The process that sends by NDI: an order and frames at stdin, what happens at stdout as JSON.

An order is a line of JSON: name, width, height (px), frames a second. Frames of that size follow,
three bytes a pixel.
"""

import json
import time
from fractions import Fraction
from io import BufferedReader
from typing import IO, Any

import numpy as np

_LOOK_S = 0.2  # between looks at who receives


def run_source(frames: BufferedReader, words: IO[str]) -> None:
    """Send what comes, until no more comes."""

    def tell(**facts: Any) -> None:
        print(json.dumps(facts), file=words, flush=True)

    if not (line := frames.readline()):
        return  # the show has ended
    order = json.loads(line)
    try:
        sender = _open(order)
    except (ImportError, OSError, RuntimeError) as err:
        tell(failed=f"NDI cannot be begun ({err})")
        return
    width, height = int(order["width"]), int(order["height"])
    frame = np.zeros((height, width, 3), np.uint8)
    padded = np.full((height, width, 4), 255, np.uint8)
    receivers, looked_s = 0, 0.0
    with sender:
        tell(source=sender.name)
        while frames.readinto(frame.data.cast("B")) == frame.size:
            padded[..., :3] = frame
            sender.write_video_async(padded.ravel())
            if time.monotonic() - looked_s > _LOOK_S:
                looked_s, there = time.monotonic(), sender.get_num_connections(0)
                if there != receivers:
                    receivers = there
                    tell(receivers=receivers)


def _open(order: dict[str, Any]) -> Any:
    """A sender as ordered, that keeps no clock of its own: the frames come in time."""
    from cyndilib.sender import Sender
    from cyndilib.video_frame import VideoSendFrame
    from cyndilib.wrapper.ndi_structs import FourCC

    video = VideoSendFrame()
    video.set_resolution(order["width"], order["height"])
    video.set_fourcc(FourCC.RGBX)
    video.set_frame_rate(Fraction(order["fps"]).limit_denominator(1001))
    sender = Sender(order["name"], clock_video=False, clock_audio=False)
    sender.set_video_frame(video)
    return sender
