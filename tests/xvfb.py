"""A real screen in memory: an Xvfb of our own, and what stands on it."""

import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from trainjourney.types import Frame

needs_xvfb = pytest.mark.skipif(not shutil.which("Xvfb"), reason="no Xvfb; apt install xvfb")


@dataclass(frozen=True)
class Screen:
    """A display by name, and the file that Xvfb keeps its picture in (the xwd format)."""

    display: str
    file: Path

    def picture(self) -> Frame:
        """What stands on the screen now."""
        data = self.file.read_bytes()
        head = struct.unpack(">25I", data[:100])
        header_bytes, width, height, line_bytes, colours = (head[i] for i in (0, 4, 5, 12, 19))
        start = header_bytes + 12 * colours
        rows = np.frombuffer(data, np.uint8, height * line_bytes, start)
        bgrx = rows.reshape(height, line_bytes)[:, : 4 * width].reshape(height, width, 4)
        return bgrx[..., 2::-1].copy()


@contextmanager
def screen(width: int = 1280, height: int = 800) -> Iterator[Screen]:
    """An Xvfb of that size while the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        reader, writer = os.pipe()
        command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24"]
        command += ["-fbdir", folder, "-nolisten", "tcp", "-noreset"]
        server = subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL)
        os.close(writer)
        try:
            with os.fdopen(reader) as told:
                number = told.readline().strip()  # written once it is ready
            assert number, "Xvfb did not start"
            yield Screen(f":{number}", Path(folder) / "Xvfb_screen0")
        finally:
            server.terminate()
            server.wait()
