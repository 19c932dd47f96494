"""The shared encoder: every frame is encoded once, however many viewers there are.

A thread of its own takes the newest frame, encodes it and hands the packet to all who listen. It
works only while somebody does. It begins a second after the last key frame anew, and sooner where
a viewer asks, at most twice a second.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import av

from trainjourney.outputs.coding import TICK, Codec, Coder, Packet
from trainjourney.types import Frame, Frames

log = logging.getLogger(__name__)

KEY_EVERY_S = 1.0  # a viewer who lost something is never longer without a picture
KEY_APART_S = 0.5  # two asked for are never nearer
STALL_S = 0.25  # where no new frame comes for so long, whoever asks gets the last one again


@dataclass(frozen=True)
class Coded:
    """One encoded frame, or a moment of the sound."""

    packet: Packet  # Annex B for H.264; pts on the monotonic clock. Read-only: all share it
    key: bool  # whether a viewer can begin here
    number: int  # of the frame, counted from 1 by the world; of the sound, its packets
    time_s: float  # when it was encoded, monotonic


Listener = Callable[[Coded], None]  # called in the encoder's thread; must be quick


class Shared:
    """A thread that makes packets for all who listen, and rests while nobody does. Thread-safe."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._listeners: tuple[Listener, ...] = ()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self.encodes = self.bytes = self.failures = 0

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Hand every packet to `listener` from now on, beginning soon with a key frame.

        Returns what ends it. Starts the thread with the first listener.
        """
        with self._lock:
            assert not self._closed, "listened to after close"
            self._listeners += (listener,)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        self.ask_key()
        self._wake.set()

        def end() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other != listener)

        return end

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def ask_key(self) -> None:
        """Let one of the next packets be one to begin at; where all are, there is nothing to do."""

    def close(self) -> None:
        """End the thread."""
        with self._lock:
            self._closed, self._listeners = True, ()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def _run(self) -> None:
        """Make packets until closed."""
        raise NotImplementedError

    def _rest(self) -> None:
        """Wait for a listener, or the end."""
        self._wake.clear()
        if not self._listeners and not self._closed:
            self._wake.wait()

    def _hand_out(self, coded: Coded) -> None:
        self.bytes += coded.packet.size
        for listener in self._listeners:
            listener(coded)

    def _failed(self, err: Exception) -> None:
        """Say so the 1st, 2nd, 4th, 8th … time."""
        self.failures += 1
        if self.failures & (self.failures - 1) == 0:
            log.warning("%s: failed (%s), begun anew", self._name, err)


class Encoder(Shared):
    """One codec's packets of the frames of a show."""

    def __init__(self, frames: Frames, fps: float, codec: Codec, kbps: int) -> None:
        super().__init__(f"encoder {codec}")
        self._frames, self._fps, self.codec, self._kbps = frames, fps, codec, kbps
        self._wanted = threading.Event()  # a key frame
        self.keys = self.repeats = 0
        self.library = ""

    def ask_key(self) -> None:
        """Let one of the next frames be a key frame."""
        self._wanted.set()

    def _run(self) -> None:
        coder: Coder | None = None
        shape: tuple[int, ...] = ()
        number, last, last_s, key_s = 0, None, 0.0, -KEY_EVERY_S
        poll_s = 0.1 / self._fps
        while not self._closed:
            if not self._listeners:
                coder = last = None  # what was encoded for nobody is no help to the next
                self._rest()
                continue
            now_s = time.monotonic()
            newest = self._frames.newest(number)
            due = self._wanted.is_set() and now_s - key_s >= KEY_APART_S
            if newest is None:
                if last is None or not due or now_s - last_s < STALL_S:
                    time.sleep(poll_s)
                    continue
                self.repeats += 1
            else:
                number, last = newest
                self.encodes += 1
            if coder is None or last.shape != shape:
                shape = last.shape
                coder = Coder(self.codec, shape[1], shape[0], self._fps, self._kbps)
                due = True
            key = due or now_s - key_s >= KEY_EVERY_S
            last_s = now_s
            if key:
                self._wanted.clear()
                key_s = now_s
            if not self._encode(coder, last, number, now_s, key):
                coder = None
                time.sleep(KEY_APART_S)

    def _encode(self, coder: Coder, frame: Frame, number: int, now_s: float, key: bool) -> bool:
        try:
            packets = coder.encode(frame, round(now_s / TICK), key)
        except (av.FFmpegError, ValueError, OSError) as err:
            self._failed(err)
            return False
        self.library = coder.library
        for packet in packets:
            self.keys += packet.is_keyframe
            self._hand_out(Coded(packet, packet.is_keyframe, number, now_s))
        return True
