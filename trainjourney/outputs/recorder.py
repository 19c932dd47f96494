"""The film: frames as H.264, playable whenever it ends, be it by kill or by a full disk.

An mp4 is written in fragments of a second, each playable once it is on disk; closing it writes the
one index of a plain mp4 over them. After the first failed write nothing more is written, and the
torn fragment is cut off.
"""

from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np

from trainjourney.errors import OutputError
from trainjourney.outputs.disk import Disk
from trainjourney.types import Frame

# suffix -> container and its options
CONTAINERS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("mp4", {"movflags": "+hybrid_fragmented"}),
    ".mov": ("mov", {"movflags": "+hybrid_fragmented"}),
    ".mkv": ("matroska", {}),
}
_BT709 = 1  # the colour code for HD, told to the player and used for the way from RGB


class Quality(Protocol):
    """As much of the film's settings as is needed here."""

    @property
    def crf(self) -> int: ...

    @property
    def preset(self) -> str: ...


class Recorder:
    """Films the frames that it is shown."""

    def __init__(self, path: Path, width: int, height: int, fps: float, quality: Quality) -> None:
        """Open the film. Raises OutputError, before any frame, where it cannot be written."""
        self.path, self.frames = path, 0
        self._shape = (height, width, 3)
        if path.suffix.lower() not in CONTAINERS:
            ends = " or ".join(CONTAINERS)
            raise OutputError(f"{path}: is no film that can be made; let its name end in {ends}")
        self._disk = Disk(path)
        container, options = CONTAINERS[path.suffix.lower()]
        self._film = av.open(
            self._disk, "w", format=container, options=options | {"flush_packets": "1"}
        )
        rate = Fraction(fps).limit_denominator(1001)
        self._stream = self._film.add_stream("libx264", rate=rate)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        self._tick = 1 / rate  # the container counts time its own way
        self._stream.options = {"crf": str(quality.crf), "preset": quality.preset}
        coder = self._stream.codec_context
        coder.gop_size = max(1, round(fps))  # a key frame, hence a fragment, a second
        coder.max_b_frames = 0  # they would start a film that is written in fragments late
        coder.colorspace = coder.color_primaries = coder.color_trc = _BT709
        coder.color_range = 1  # 16..235

    def show(self, frame: Frame) -> None:
        """Film one frame. Raises OutputError when the disk refuses."""
        assert frame.shape == self._shape and frame.dtype == np.uint8, (frame.shape, frame.dtype)
        high, wide, _ = self._shape
        if high % 2 or wide % 2:  # H.264 wants even sides: the last row or column twice
            frame = np.pad(frame, ((0, high % 2), (0, wide % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=1)
        picture.pts, picture.time_base = self.frames, self._tick
        self._write(picture)
        self.frames += 1

    def close(self) -> None:
        """End the film; no frame is missing. Raises OutputError when the disk refuses."""
        if self._disk.closed:
            return
        failed = self._disk.broken
        try:
            if self.frames and not failed:
                self._write(None)
            self._film.close()
            self._disk.check()
        except (OSError, av.FFmpegError) as err:
            if not failed:  # else it has been told
                raise self._disk.error(self.frames, err) from err
        finally:
            self._disk.close()
            if self.frames == 0 or (self._disk.broken and self._disk.parts < 1):
                self.path.unlink(missing_ok=True)

    def _write(self, picture: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(picture):
                self._film.mux(packet)
                self._disk.keep()
        except (OSError, av.FFmpegError) as err:
            raise self._disk.error(self.frames, err) from err
