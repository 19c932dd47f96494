"""Frames as H.264 or VP8 packets that a viewer can play at once: no look-ahead, no B-frames.

H.264 is constrained baseline with its headers before every key frame, which is what browsers are
offered. The colours are BT.709, 16..235.
"""

import logging
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from trainjourney.types import Frame

log = logging.getLogger(__name__)

Codec = Literal["h264", "vp8"]
Packet: TypeAlias = "av.Packet[Any]"  # one encoded frame; not generic when it runs
TICK = Fraction(1, 90_000)  # the clock of video in RTP
_BT709 = 1

# What a viewer's encoder is told, by library.
_OPTIONS: dict[str, dict[str, str]] = {
    "h264_nvenc": {
        "preset": "p1", "tune": "ull", "zerolatency": "1", "forced-idr": "1", "rc": "vbr",
        "profile": "baseline", "repeat_headers": "1",
    },
    "libx264": {
        "preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "forced-idr": "1",
    },
    "libvpx": {
        "deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0",
        "error-resilient": "default",
    },
}  # fmt: skip


class Coder:
    """One stream of packets from frames of one size."""

    def __init__(self, codec: Codec, width: int, height: int, fps: float, kbps: int) -> None:
        self.codec = codec
        self._size = (width, height)
        self._fps, self._kbps = fps, kbps
        self._context: VideoCodecContext | None = None
        self.library = ""  # which one encodes, once it does

    def encode(self, frame: Frame, ticks: int, key: bool) -> list[Packet]:
        """The packets of a frame that is due at `ticks` (1/90000 s); `key`: one to begin at."""
        width, height = self._size
        assert frame.shape == (height, width, 3) and frame.dtype == np.uint8, frame.shape
        if height % 2 or width % 2:  # both codecs want even sides: the last row or column twice
            frame = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=1)
        picture.pts, picture.time_base = ticks, TICK
        picture.pict_type = PictureType.I if key else PictureType.NONE
        if self._context is None:
            return self._open(picture)
        return list(self._context.encode(picture))

    def _open(self, first: av.VideoFrame) -> list[Packet]:
        """Open the first library that takes the first frame: a GPU's, or else the processor's."""
        libraries = ("h264_nvenc", "libx264") if self.codec == "h264" else ("libvpx",)
        for library in libraries:
            try:
                context = self._context_of(library)
                packets = list(context.encode(first))
            except (av.FFmpegError, ValueError, OSError) as err:
                if library == libraries[-1]:
                    raise
                log.debug("%s does not encode here (%s)", library, err)
                continue
            self._context, self.library = context, library
            return packets
        raise AssertionError("no library")

    def _context_of(self, library: str) -> VideoCodecContext:
        width, height = self._size
        context = av.CodecContext.create(library, "w")
        assert isinstance(context, VideoCodecContext)
        context.width, context.height = width + width % 2, height + height % 2
        context.pix_fmt = "yuv420p"
        context.time_base = TICK
        context.framerate = Fraction(self._fps).limit_denominator(1001)
        context.gop_size = 10 * max(1, round(self._fps))  # key frames are asked for, by the clock
        context.max_b_frames = 0
        context.thread_count = 1
        context.bit_rate = self._kbps * 1000
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = 1
        # Half a second of room: a key frame may be large without the stream being late for it.
        rate = {"maxrate": f"{self._kbps}k", "bufsize": f"{self._kbps // 2}k"}
        context.options = _OPTIONS[library] | rate
        return context
