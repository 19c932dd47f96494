"""A viewer without a browser: aiortc at the other end of the line."""

import asyncio
from typing import Any

import aiohttp
import numpy as np
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpReceiver,
    RTCSessionDescription,
)

from trainjourney.outputs.testcard import read_stamp


def _codecs(name: str) -> list[RTCRtpCodecCapability]:
    capabilities = RTCRtpReceiver.getCapabilities("video")
    assert capabilities is not None
    return [one for one in capabilities.codecs if one.mimeType.lower().endswith(name)]


async def make_offer(kind: str = "video", codec: str = "", sound: bool = False) -> str:
    """An offer to receive; with `codec`, that alone; with `sound`, that too."""
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = peer.addTransceiver(kind, direction="recvonly")
    if codec:
        transceiver.setCodecPreferences(_codecs(codec))
    if sound:
        peer.addTransceiver("audio", direction="recvonly")
    await peer.setLocalDescription(await peer.createOffer())
    text = peer.localDescription.sdp
    await peer.close()
    return text


class Viewer:
    """Opens a session, counts the frames that it decodes, ends it."""

    def __init__(self, url: str, codec: str = "", sound: bool = False) -> None:
        self.url, self.codec, self.sound = url, codec, sound
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.numbers: list[int | None] = []
        self.heard: list[float] = []  # loudness (RMS, 0..1) of every moment of the sound
        self.first_s = 0.0
        self.session = ""
        self._reading: list[asyncio.Task[None]] = []

    async def open(self, http: aiohttp.ClientSession) -> None:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        transceiver = self.peer.addTransceiver("video", direction="recvonly")
        if self.codec:
            transceiver.setCodecPreferences(_codecs(self.codec))
        if self.sound:
            self.peer.addTransceiver("audio", direction="recvonly")

        async def read(track: Any) -> None:
            while track.kind == "audio":
                samples = (await track.recv()).to_ndarray() / 32768.0
                self.heard.append(float(np.sqrt(np.mean(samples**2))))
            while True:
                frame = await track.recv()
                if not self.numbers:
                    self.first_s = loop.time() - begun_s
                self.numbers.append(read_stamp(frame.to_ndarray(format="rgb24")))

        self.peer.on("track", lambda track: self._begin(read(track)))
        await self.peer.setLocalDescription(await self.peer.createOffer())
        headers = {"Content-Type": "application/sdp"}
        offer = self.peer.localDescription.sdp
        async with http.post(self.url + "/whep", data=offer, headers=headers) as answer:
            assert answer.status == 201, (answer.status, await answer.text())
            self.session = self.url + answer.headers["Location"]
            text = await answer.text()
        await self.peer.setRemoteDescription(RTCSessionDescription(text, "answer"))

    def _begin(self, work: Any) -> None:
        self._reading.append(asyncio.ensure_future(work))

    async def close(self, http: aiohttp.ClientSession | None = None) -> None:
        if http is not None:
            async with http.delete(self.session) as answer:
                assert answer.status == 200
        await self.peer.close()
        for reading in self._reading:
            reading.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
