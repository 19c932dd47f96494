"""WHIP: the picture sent on to a server that has room for many viewers (RFC 9725), by aiortc.

Runs in a process of its own: what a far server does to us, it does not do to the show.
"""

import asyncio
import json
import logging
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import av
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from trainjourney.errors import WebError
from trainjourney.outputs.coding import TICK
from trainjourney.outputs.encoder import Coded
from trainjourney.outputs.fanout import Lane
from trainjourney.outputs.webrtc import MALFORMED, add_track, wire_key_requests

log = logging.getLogger(__name__)

HEAD = struct.Struct(">IQ?")  # of a packet in the pipe: bytes, ticks, whether it is a key frame
MOST_PACKET = 8 * 1024 * 1024
MOST_ANSWER = 128 * 1024
CONNECT_S = 15.0  # from the answer to a connection
WAITS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)

Tell = Callable[..., None]


def read_token(file: str) -> str:
    """The token in a file; none where no file is named. Raises WebError."""
    try:
        return Path(file).expanduser().read_text("utf-8").strip() if file else ""
    except (OSError, UnicodeDecodeError) as err:
        raise WebError(
            f"[publish] token: '{file}' cannot be read; give the file with the token"
        ) from err


async def publish(
    url: str, token: str, answer_s: float, lane: Lane, ask_key: Callable[[], None], tell: Tell
) -> None:
    """Send what comes down the lane to the server, until that is lost. Raises WebError.

    `token` names its file, read anew at each try: it may have been put right. The server has
    `answer_s` to answer. `tell(state=...)` hears "connected" once it takes the picture.
    """
    word = read_token(token)
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    over = asyncio.Event()
    session = ""
    timeout = aiohttp.ClientTimeout(total=answer_s)
    headers = {"Authorization": f"Bearer {word}"} if word else {}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http:
        try:
            transceiver = add_track(peer, lane, "h264")
            transceiver.direction = "sendonly"
            wire_key_requests(transceiver.sender, ask_key)

            def changed() -> None:
                if peer.connectionState == "connected":
                    ask_key()
                    tell(state="connected")
                if peer.connectionState in ("failed", "closed"):
                    over.set()

            peer.on("connectionstatechange", changed)
            await peer.setLocalDescription(await peer.createOffer())
            answer, session = await _post(http, url, peer.localDescription.sdp)
            try:
                await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            except MALFORMED as err:
                raise WebError(f"its answer makes no sense ({type(err).__name__})") from err
            if transceiver.currentDirection != "sendonly":
                raise WebError("it does not take the picture; let its room have H.264")
            async with asyncio.timeout(CONNECT_S):
                while peer.connectionState != "connected" and not over.is_set():
                    await asyncio.sleep(0.05)
            await over.wait()
            raise WebError("the connection was lost")
        except TimeoutError as err:
            raise WebError("no connection came about") from err
        finally:
            if session:
                await _delete(http, session)
            with suppress(TimeoutError):
                await asyncio.wait_for(peer.close(), 5.0)


async def _post(http: aiohttp.ClientSession, url: str, offer: str) -> tuple[str, str]:
    """The answer to an offer, and the session's address."""
    try:
        headers = {"Content-Type": "application/sdp"}
        async with http.post(url, data=offer, headers=headers, max_redirects=3) as response:
            if response.status == 201:
                body = await _read_whole(response.content)
                place = response.headers.get("Location", "")
                return body.decode("utf-8", "replace"), urljoin(str(response.url), place)
            if response.status in (401, 403):
                raise WebError("it does not know the token; give --set publish.token=FILE")
            if response.status in (404, 405):
                raise WebError(
                    f"it takes no WHIP there ({response.status}); give --publish the whole "
                    "address, with its path, as its manual says"
                )
            raise WebError(f"it answers {response.status} {response.reason}")
    except TimeoutError as err:
        raise WebError(f"it does not answer within {http.timeout.total:g} s") from err
    except aiohttp.ClientConnectorCertificateError as err:
        why = getattr(err.certificate_error, "verify_message", "") or "of another name"
        raise WebError(
            f"its certificate is not trusted ({why}); have one made for this name, or add its "
            "authority to this machine's"
        ) from err
    except aiohttp.ClientConnectorSSLError as err:
        raise WebError("it speaks no TLS there; is it whip+http:// or another port?") from err
    except (aiohttp.ClientError, OSError, ValueError) as err:
        raise WebError(f"it cannot be reached ({str(err) or type(err).__name__})") from err


async def _read_whole(content: aiohttp.StreamReader) -> bytes:
    """A body that may come in pieces, up to MOST_ANSWER."""
    body = bytearray()
    while len(body) < MOST_ANSWER and (part := await content.read(MOST_ANSWER - len(body))):
        body += part
    return bytes(body)


async def _delete(http: aiohttp.ClientSession, session: str) -> None:
    try:
        async with http.delete(session, timeout=aiohttp.ClientTimeout(total=2.0)):
            pass
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as err:
        log.debug("the session was not ended in peace: %s", err)


async def run_publisher() -> None:
    """The process: an order and packets at stdin, what happens at stdout, a JSON line each."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 16)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    order = json.loads(await reader.readline())

    def tell(**facts: Any) -> None:
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()

    def ask_key() -> None:
        tell(key=True)

    lanes = [Lane(ask_key)]
    reading = asyncio.create_task(_read(reader, lanes))
    sending = asyncio.create_task(_send_again(order, lanes, ask_key, tell))
    # The show is gone; or a fault of ours, and the show begins another process.
    await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
    reading.cancel()
    sending.cancel()
    await asyncio.gather(reading, sending, return_exceptions=True)


async def _send_again(
    order: dict[str, Any], lanes: list[Lane], ask_key: Callable[[], None], tell: Tell
) -> None:
    fails = 0
    loop = asyncio.get_running_loop()
    while True:
        begun_s = loop.time()
        try:
            await publish(**order, lane=lanes[0], ask_key=ask_key, tell=tell)
        except WebError as err:
            if loop.time() - begun_s > 60.0:
                fails = 0
            wait_s = WAITS_S[min(fails, len(WAITS_S) - 1)]
            tell(state="lost", reason=str(err), wait_s=wait_s)
            fails += 1
            await asyncio.sleep(wait_s)
        lanes[0].end()
        lanes[0] = Lane(ask_key)


async def _read(reader: asyncio.StreamReader, lanes: list[Lane]) -> None:
    number = 0
    try:
        while True:
            size, ticks, key = HEAD.unpack(await reader.readexactly(HEAD.size))
            if size > MOST_PACKET:
                return
            packet = av.Packet(await reader.readexactly(size))
            packet.pts, packet.time_base = ticks, TICK
            number += 1
            lanes[0].offer(Coded(packet, key, number, 0.0))
    except (asyncio.IncompleteReadError, ConnectionError):
        return
