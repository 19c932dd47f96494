"""A receiver by NDI, in a process of its own: what it is sent, in JSON lines.

argv: part of the source's name, frames to wait for.
"""

import json
import sys
import time

import numpy as np
from cyndilib.finder import Finder
from cyndilib.receiver import Receiver
from cyndilib.video_frame import VideoFrameSync
from cyndilib.wrapper.ndi_recv import RecvBandwidth, RecvColorFormat


def main(name: str, count: int) -> None:
    finder = Finder()
    finder.open()
    found: list[str] = []
    end_s = time.monotonic() + 20.0
    while not found and time.monotonic() < end_s:
        finder.wait(0.5)
        found = [one for one in finder.get_source_names() if name in one]
    print(json.dumps({"found": found}), flush=True)
    receiver = Receiver(color_format=RecvColorFormat.RGBX_RGBA, bandwidth=RecvBandwidth.highest)
    video = VideoFrameSync()
    receiver.frame_sync.set_video_frame(video)
    receiver.set_source(finder.get_source(found[0]))
    seen: list[list[int]] = []
    while len(seen) < count and time.monotonic() < end_s:
        receiver.frame_sync.capture_video()
        if video.get_data_size():
            width, height = video.get_resolution()
            picture = np.array(video.get_array()).reshape(height, width, 4)
            middle = [int(v) for v in picture[height // 4, width // 4, :3]]
            if not seen or middle != seen[-1]:
                seen.append(middle)
        time.sleep(0.01)
    rate = video.get_frame_rate()
    print(json.dumps({"size": [width, height], "rate": float(rate), "seen": seen}), flush=True)


main(sys.argv[1], int(sys.argv[2]))
