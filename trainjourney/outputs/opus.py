"""The shared encoder of the sound: one stream of Opus, however many hear it.

Its packets stand on the clock that the picture's stand on. A packet is longer than the usual 20 ms:
what a viewer costs goes by packets, and 20 ms more of delay are nothing to a rolling train.
"""

import time
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from trainjourney.outputs.coding import Packet
from trainjourney.outputs.encoder import Coded, Shared
from trainjourney.outputs.sound import RATE, Block, TrainSound

PACKET_S = 0.04
SAMPLES = round(PACKET_S * RATE)
TICK = Fraction(1, RATE)
LATE_S = 0.25  # later than that, what was missed is left out
AGAIN_S = 1.0
_KBPS = 48
_OPTIONS = {
    "application": "audio", "frame_duration": f"{1000 * PACKET_S:g}", "compression_level": "5",
}  # fmt: skip


class OpusCoder:
    """One stream of packets from blocks of sound."""

    def __init__(self) -> None:
        """Raises what av does where there is no libopus."""
        context = av.CodecContext.create("libopus", "w")
        assert isinstance(context, AudioCodecContext)
        context.sample_rate, context.layout, context.format = RATE, "stereo", "flt"
        context.time_base, context.bit_rate = TICK, 1000 * _KBPS
        context.options = _OPTIONS
        self._context = context

    def encode(self, block: Block, ticks: int) -> list[Packet]:
        """The packet of a block that is due at `ticks` (1/48000 s); the first may be one short."""
        assert block.shape == (SAMPLES, 2) and block.dtype == np.float32, block.shape
        frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="flt", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = RATE, TICK, ticks
        packets = list(self._context.encode(frame))
        for packet in packets:
            packet.pts, packet.time_base = ticks, TICK  # it counts what the decoder throws away
        return packets


class SoundEncoder(Shared):
    """Packets of the sound of a train that goes as fast as `speed` says, x cruising."""

    def __init__(self, speed: Callable[[], float]) -> None:
        super().__init__("encoder opus")
        self._speed = speed

    def _run(self) -> None:
        sound: TrainSound | None = None
        coder: OpusCoder | None = None
        ticks, due_s = 0, 0.0
        while not self._closed:
            if not self._listeners:
                coder = None
                self._rest()
                continue
            now_s = time.monotonic()
            sound = sound or TrainSound(0)
            try:
                if coder is None:
                    coder = OpusCoder()
                    sound.reset()  # it comes up from silence
                    ticks, due_s = round(now_s * RATE), now_s
                if now_s < due_s:
                    time.sleep(due_s - now_s)
                missed = int((now_s - due_s) / PACKET_S) if now_s - due_s > LATE_S else 0
                ticks, due_s = ticks + missed * SAMPLES, due_s + missed * PACKET_S
                self._encode(coder, sound, ticks, now_s)
            except (av.FFmpegError, ValueError, OSError) as err:
                self._failed(err)
                coder = None
                time.sleep(AGAIN_S)
            ticks, due_s = ticks + SAMPLES, due_s + PACKET_S

    def _encode(self, coder: OpusCoder, sound: TrainSound, ticks: int, now_s: float) -> None:
        packets = coder.encode(sound.step(self._speed(), SAMPLES), ticks)
        self.encodes += 1
        for packet in packets:
            self._hand_out(Coded(packet, True, self.encodes, now_s))
