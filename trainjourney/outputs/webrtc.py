"""Viewers over WebRTC: aiortc sends what the shared encoder made, and encodes nothing itself.

The one owner of aiortc on the sending side. All of it runs in one asyncio loop. aiortc does not
wire a viewer's wish for a key frame to packets that come encoded; that is done here, by hand.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import candidate_from_sdp

from trainjourney.errors import WebError
from trainjourney.outputs.coding import Codec, Packet
from trainjourney.outputs.fanout import Fanout, Lane
from trainjourney.outputs.sdp import check_offer, codecs_of, hears, ice_name, read_fragment

log = logging.getLogger(__name__)

CONNECT_S = 15.0  # from the answer to a connection, or the session is let go
SILENT_S = 25.0  # without a packet from the viewer: gone; browsers report every second
SWEEP_S = 4.0
CLOSE_S = 5.0
_MIME = {"h264": "video/H264", "vp8": "video/VP8", "opus": "audio/opus"}
# What aiortc was seen to raise on descriptions that make no sense.
MALFORMED = (
    ValueError, AssertionError, StopIteration, AttributeError, KeyError, IndexError, TypeError,
    RuntimeError, OSError, InvalidAccessError, InvalidStateError, OperationError,
)  # fmt: skip


class RefusedError(WebError):
    """A session that cannot be: `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class PacketTrack(MediaStreamTrack):
    """A track whose frames, or whose sound, come encoded."""

    def __init__(self, lane: Lane, kind: str = "video") -> None:
        super().__init__()
        self.kind = kind
        self._lane = lane

    async def recv(self) -> Packet:
        """The next packet. Raises MediaStreamError at the end."""
        coded = await self._lane.take()
        if coded is None:
            raise MediaStreamError
        return coded.packet


@dataclass
class Session:
    """One viewer. `name` is secret: who knows it may end it."""

    name: str
    etag: str
    codec: Codec
    peer: RTCPeerConnection
    lane: Lane
    sound: Lane | None  # where the viewer hears it
    answer: str
    begun_s: float
    remote_ice: str
    may: Callable[[], bool]
    connected: bool = False
    heard_bytes: int = -1
    heard_s: float = 0.0
    closing: bool = field(default=False)


class Viewers:
    """All sessions. Opened by an offer, closed by a DELETE, by silence, or with the show."""

    def __init__(
        self, fanouts: dict[Codec, Fanout], most: int, stun: str = "",
        patience_s: float = SILENT_S, sound: Fanout | None = None,
    ) -> None:  # fmt: skip
        """`most` sessions at once. `stun` is for this side; empty contacts nobody."""
        self._fanouts, self._most, self._patience_s = fanouts, most, patience_s
        self._sound = sound
        servers = [RTCIceServer(urls=[stun])] if stun else []
        self._configuration = RTCConfiguration(iceServers=servers)  # else aiortc asks Google
        self._sessions: dict[str, Session] = {}
        self._opening = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self.opened = self.refused = self.silent = 0

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def dropped(self) -> int:
        """Packets let go because a viewer was too slow, over all viewers there were."""
        fanouts = [*self._fanouts.values(), *([self._sound] if self._sound else [])]
        return sum(fan.dropped + sum(lane.dropped for lane in fan.lanes) for fan in fanouts)

    def find(self, name: str) -> Session | None:
        """The session of that secret name."""
        return self._sessions.get(name)

    async def open(self, data: bytes, may: Callable[[], bool] = lambda: True) -> Session:
        """Answer an offer; the session ends when the viewer `may` no more.

        Raises RefusedError: 503 full, 406 no common codec, 400 no SDP.
        """
        if len(self._sessions) + self._opening >= self._most:
            self.refused += 1
            raise RefusedError(503, f"all {self._most} places are taken; come back soon")
        self._opening += 1
        try:
            return await self._open(data, may)
        except RefusedError:
            self.refused += 1
            raise
        finally:
            self._opening -= 1

    async def _open(self, data: bytes, may: Callable[[], bool]) -> Session:
        try:
            offer = check_offer(data)
        except WebError as err:
            raise RefusedError(400, str(err)) from err
        taken = codecs_of(offer)
        codec: Codec = "h264" if "h264" in taken else "vp8"
        if codec not in taken:
            raise RefusedError(406, "the offer takes neither H.264 (baseline, mode 1) nor VP8")
        loop = asyncio.get_running_loop()
        peer = RTCPeerConnection(self._configuration)
        fanout = self._fanouts[codec]
        lane = fanout.join(awake=False)  # a key frame now would be gone before it connects
        sound = self._sound.join(awake=False) if self._sound and hears(offer) else None
        async with AsyncExitStack() as undo:
            undo.push_async_callback(self._close, peer)
            undo.callback(self._leave, codec, lane, sound)
            try:
                transceiver = add_track(peer, lane, codec)
                heard = add_track(peer, sound, "opus") if sound else None
                wire_key_requests(transceiver.sender, fanout.encoder.ask_key)
                await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
                await peer.setLocalDescription(await peer.createAnswer())
                answer = peer.localDescription.sdp
            except MALFORMED as err:
                what = type(err).__name__
                raise RefusedError(400, f"the offer makes no sense ({what})") from err
            if transceiver.currentDirection != "sendonly" or f"{codec.upper()}/90000" not in answer:
                raise RefusedError(406, f"no {codec} was agreed on; ask for it recvonly")
            undo.pop_all()
        if heard and heard.currentDirection != "sendonly":
            self._leave(codec, None, sound)
            sound = None
        session = Session(
            secrets.token_urlsafe(18), f'"{secrets.token_hex(8)}"', codec, peer, lane, sound,
            answer, loop.time(), ice_name(offer), may, heard_s=loop.time(),
        )  # fmt: skip
        self._sessions[session.name] = session
        self.opened += 1
        peer.on("connectionstatechange", lambda: self._changed(session))
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())
        return session

    async def trickle(self, session: Session, data: bytes) -> None:
        """Take in a viewer's further addresses. Raises RefusedError: 400; 422, an ICE restart."""
        try:
            name, candidates = read_fragment(data)
        except WebError as err:
            raise RefusedError(400, str(err)) from err
        if name and name != session.remote_ice:
            raise RefusedError(422, "ICE cannot be restarted here; open a new session")
        try:
            for mid, line in candidates:
                candidate = candidate_from_sdp(line)
                candidate.sdpMid = mid
                await session.peer.addIceCandidate(candidate)
        except MALFORMED as err:
            raise RefusedError(400, f"a candidate makes no sense ({type(err).__name__})") from err

    async def end(self, session: Session) -> None:
        """Let a viewer go."""
        if session.closing:
            return
        session.closing = True
        self._sessions.pop(session.name, None)
        self._leave(session.codec, session.lane, session.sound)
        await self._close(session.peer)

    async def close(self) -> None:
        """Let all go."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        await asyncio.gather(*(self.end(session) for session in list(self._sessions.values())))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_S)

    def _leave(self, codec: Codec, lane: Lane | None, sound: Lane | None) -> None:
        if lane:
            self._fanouts[codec].leave(lane)
        if sound and self._sound:
            self._sound.leave(sound)

    def _changed(self, session: Session) -> None:
        state = session.peer.connectionState
        if state == "connected":
            session.connected = True
            session.heard_s = asyncio.get_running_loop().time()
            session.lane.wake()
            if session.sound:
                session.sound.wake()
        elif state in ("failed", "closed"):
            self._later(session)

    def _later(self, session: Session) -> None:
        self._begin(self.end(session))

    async def _close(self, peer: RTCPeerConnection) -> None:
        """Close it, and do not wait for ever. One that is slow goes on closing: cut off half way,
        it would leave its sockets open."""
        await asyncio.wait({self._begin(peer.close())}, timeout=CLOSE_S)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (err := task.exception()):
            level = logging.DEBUG if isinstance(err, MALFORMED) else logging.ERROR
            log.log(level, "a session closed badly: %r", err)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(SWEEP_S, self._patience_s / 4))
            self.sweep(asyncio.get_running_loop().time())

    def sweep(self, now_s: float) -> None:
        """Find those who are gone without a word. ICE finds them too, but takes 36 s at worst."""
        for session in list(self._sessions.values()):
            heard = _heard_bytes(session.peer)
            if heard != session.heard_bytes:
                session.heard_bytes, session.heard_s = heard, now_s
            waited_s = now_s - (session.heard_s if session.connected else session.begun_s)
            if not session.may():
                self._later(session)
            elif waited_s > (self._patience_s if session.connected else CONNECT_S):
                self.silent += 1
                self._later(session)


def add_track(peer: RTCPeerConnection, lane: Lane, codec: str) -> RTCRtpTransceiver:
    """Let the peer send what comes down a lane, as that codec and as no other.

    Before an offer is taken in: later, aiortc would pack H.264 as VP8 without a word.
    """
    kind = _MIME[codec].partition("/")[0]
    sender = peer.addTrack(PacketTrack(lane, kind))
    transceiver = next(one for one in peer.getTransceivers() if one.sender is sender)
    codecs = RTCRtpSender.getCapabilities(kind).codecs
    transceiver.setCodecPreferences([one for one in codecs if one.mimeType == _MIME[codec]])
    return transceiver


def wire_key_requests(sender: RTCRtpSender, ask_key: Callable[[], None]) -> None:
    """Let PLI and FIR reach the encoder: aiortc calls this method of the sender for both."""
    assert hasattr(sender, "_send_keyframe"), "this aiortc asks for key frames otherwise"
    sender._send_keyframe = ask_key  # type: ignore[method-assign]


def _heard_bytes(peer: RTCPeerConnection) -> int:
    """Bytes of media and reports that came from the viewer (ICE's own are not counted)."""
    transceivers = peer.getTransceivers()
    if not transceivers:
        return 0
    stats = transceivers[0].sender.transport._get_stats()
    return sum(int(getattr(report, "bytesReceived", 0)) for report in stats.values())
