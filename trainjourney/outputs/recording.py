"""Recording from the packets that viewers get, with no second encode.

Fragmented MP4, a fragment at every key frame, each whole once it is on disk: what was recorded
plays however the show ends. A file is called .part until it is done, or until a later show finds
it, is followed by the next at a key frame, and the oldest go where all together are too large.
"""

import io
import logging
import queue
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
from PIL import Image

from trainjourney.controls.desk import Desk
from trainjourney.errors import OutputError
from trainjourney.folders import make_room
from trainjourney.outputs.coding import TICK
from trainjourney.outputs.disk import Disk
from trainjourney.outputs.encoder import Coded, Encoder
from trainjourney.settings import RecordingConfig
from trainjourney.types import Change, Frames

log = logging.getLogger(__name__)

LEFT_S = 60.0  # since a .part was written to: nobody does any more
QUEUED = 150  # packets, some seconds: a disk may sleep
_OPTIONS = {"movflags": "+frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
_ELSEWHERE = "give --set recording.folder=FOLDER another place"
_GB = 1e9


class Reel:
    """One file of a recording, begun at a key frame."""

    def __init__(self, folder: Path, first: Coded, name: str) -> None:
        """Raises OutputError."""
        assert first.key, "a film begins with a key frame"
        self.path = folder / f"{name}.mp4"
        self.begun = first.packet.pts or 0
        self._disk = Disk(folder / f"{name}.mp4.part", _ELSEWHERE)
        self._film = av.open(self._disk, "w", format="mp4", options=_OPTIONS)
        with av.open(io.BytesIO(bytes(first.packet)), format="h264") as raw:
            self._stream = self._film.add_stream_from_template(raw.streams.video[0])
        self._stream.time_base = TICK
        self.frames = 0

    def seconds(self, coded: Coded) -> float:
        """From the beginning to a packet."""
        return float(((coded.packet.pts or 0) - self.begun) * TICK)

    def add(self, coded: Coded) -> None:
        """Write a packet. Raises OutputError where the disk refuses."""
        packet = av.Packet(bytes(coded.packet))  # a copy: all who watch share the other
        packet.pts = packet.dts = (coded.packet.pts or 0) - self.begun
        packet.time_base, packet.is_keyframe = TICK, coded.key
        packet.stream = self._stream
        try:
            self._film.mux(packet)
            if coded.key:
                self._disk.keep()
        except (OSError, av.FFmpegError) as err:
            raise self._disk.error(self.frames, err) from err
        self.frames += 1

    def close(self) -> None:
        """End the file and give it its name. Raises OutputError where the disk refuses."""
        try:
            self._film.close()
            self._disk.check()
        except (OSError, av.FFmpegError) as err:
            raise self._disk.error(self.frames, err) from err
        finally:
            self._disk.close()
            with suppress(OSError):
                self._disk.path.replace(self.path)


class Recording:
    """Records while the control "record" is on, and keeps a still where "still" is asked for."""

    def __init__(
        self, encoder: Encoder, frames: Frames, desk: Desk, config: RecordingConfig,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:  # fmt: skip
        self._encoder, self._frames, self._desk = encoder, frames, desk
        self._config, self._free_bytes = config, free_bytes
        self._folder = Path(config.folder).expanduser()
        self._orders: queue.Queue[str] = queue.Queue()  # "record", "end", "still", "close"
        self._packets: queue.Queue[Coded] = queue.Queue(QUEUED)
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._end_of: list[Callable[[], None]] = []
        self._unlisten: Callable[[], None] | None = None
        self._reel: Reel | None = None
        self._spoilt = False  # a packet was dropped: wait for a key frame
        self.files = self.stills = self.dropped = 0
        self.trouble = ""  # why the last one ended by itself, or was none

    def start(self) -> None:
        """Begin to heed the desk."""
        self._thread.start()
        self._end_of.append(self._desk.listen(self._heard))
        if self._desk.values().get("record"):
            self._orders.put("record")

    def close(self) -> None:
        """End a recording that runs, whole."""
        for end in self._end_of:
            end()
        self._orders.put("close")
        if self._thread.ident is not None:
            self._thread.join(10.0)

    def counts(self) -> dict[str, Any]:
        """For /status and /metrics."""
        return {
            "recording": {
                "on": self._unlisten is not None, "files": self.files, "stills": self.stills,
                "dropped": self.dropped, "trouble": self.trouble,
            }
        }  # fmt: skip

    def _heard(self, change: Change, source: str) -> None:
        if change.parameter == "record":
            self._orders.put("record" if change.value else "end")
        elif change.parameter == "still":
            self._orders.put("still")

    def _take(self, coded: Coded) -> None:
        """In the encoder's thread: never wait for the disk."""
        if self._spoilt and not coded.key:
            self.dropped += 1
            return
        try:
            self._packets.put_nowait(coded)
            self._spoilt = False
        except queue.Full:
            self._spoilt = True
            self.dropped += 1

    def _run(self) -> None:
        name_left(self._folder)
        while True:
            try:
                order = self._orders.get(timeout=0.0 if self._unlisten else 0.25)
            except queue.Empty:
                order = ""
            try:
                if order == "record" and self._unlisten is None:
                    self.trouble = ""
                    self._check_room()
                    self._unlisten = self._encoder.listen(self._take)
                elif order in ("end", "close"):
                    self._end()
                    if order == "close":
                        return
                elif order == "still":
                    try:
                        self._keep_still()
                    except OutputError as err:  # a recording goes on
                        self.trouble = f"no still: {err}"
                        log.warning("%s", self.trouble)
                if self._unlisten is not None:
                    with suppress(queue.Empty):
                        self._write(self._packets.get(timeout=0.25))
            except (OutputError, OSError) as err:
                self._end(err)
                self._desk.turn(Change("record", 0.0, time.monotonic()), "recording")

    def _write(self, coded: Coded) -> None:
        if coded.key:
            self._check_room()
            if self._reel and self._reel.seconds(coded) >= 60.0 * self._config.minutes:
                self._close_reel()
        if self._reel is None:
            if not coded.key:
                return
            self._reel = Reel(self._folder, coded, self._new_name(".mp4"))
            log.info("recording to %s", self._reel.path)
        self._reel.add(coded)

    def _end(self, failed: Exception | None = None) -> None:
        """End a recording that runs; one that `failed` without what it has yet to write."""
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None
        while not self._packets.empty():
            coded = self._packets.get_nowait()
            try:
                if not failed:
                    self._write(coded)
            except (OutputError, OSError) as err:
                failed = err
        try:
            self._close_reel()
        except (OutputError, OSError) as err:
            failed = failed or err
        if failed:
            self.trouble = f"recording ended: {failed}"
            log.warning("%s", self.trouble)

    def _close_reel(self) -> None:
        reel, self._reel = self._reel, None
        if reel is not None:
            reel.close()
            self.files += 1
            name_left(self._folder)
            films = self._folder.glob("train-*.mp4")
            with suppress(OSError):  # the floor of what is free stands watch
                make_room(films, self._config.keep_gb * _GB, stay=1)

    def _check_room(self) -> None:
        """Raises OutputError where the disk has less than its floor."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            free = self._free_bytes(self._folder)
        except OSError as err:
            reason = (err.strerror or str(err)).lower()
            raise OutputError(f"{self._folder}: {reason}; {_ELSEWHERE}") from err
        if free < self._config.free_gb * _GB:
            raise OutputError(
                f"{self._folder}: {free / _GB:.1f} GB free, the floor is "
                f"{self._config.free_gb:g}; make room, or lower --set recording.free_gb"
            )

    def _keep_still(self) -> None:
        newest = self._frames.newest(0)
        if newest is None:
            return
        self._check_room()
        path = self._folder / f"{self._new_name('.png')}.png"
        part = path.with_suffix(".png.part")
        try:
            Image.fromarray(newest[1]).save(part, "PNG")
            part.replace(path)
        except OSError as err:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise OutputError(f"{path}: {(err.strerror or str(err)).lower()}; make room") from err
        self.stills += 1
        log.info("kept %s", path)

    def _new_name(self, suffix: str) -> str:
        stem = name = time.strftime("train-%Y%m%d-%H%M%S")
        number = 2
        while any((self._folder / f"{name}{end}").exists() for end in (suffix, f"{suffix}.part")):
            name, number = f"{stem}-{number}", number + 1
        return name


def name_left(folder: Path) -> None:
    """Give the films that a show was recording when it was killed the names that they were to have.

    Those of two shows in one folder are told apart by their age: a film that is being made grows.
    """
    try:
        parts = list(folder.glob("train-*.mp4.part"))
    except OSError:
        return
    for part in parts:
        with suppress(OSError):
            found = part.stat()
            if time.time() - found.st_mtime < LEFT_S:
                continue
            if not found.st_size:
                part.unlink()
            elif not part.with_suffix("").exists():
                log.info(
                    "%s was left by a show that ended in its midst",
                    part.rename(part.with_suffix("")),
                )
