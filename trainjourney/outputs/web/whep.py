"""WHEP: the standard door for viewers (draft-ietf-wish-whep; trickle as in RFC 8840).

POST /whep with an offer gives 201, the answer, and in Location the session, to be trickled to with
PATCH and ended with DELETE. The server's own addresses are all in the answer.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from trainjourney.errors import WebError
from trainjourney.outputs.sdp import MOST_BYTES
from trainjourney.outputs.web.access import LASTS
from trainjourney.outputs.web.limits import read_body
from trainjourney.outputs.webrtc import RefusedError, Session, Viewers
from trainjourney.settings import WebrtcConfig

PATH = "/whep"
SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
RETRY_S = 10
_TURN_S = 4 * 3600


@dataclass(frozen=True)
class IceServers:
    """STUN and TURN for viewers, as Link headers; nothing unless configured."""

    stun: str
    turn: str
    secret: bytes

    @classmethod
    def read(cls, config: WebrtcConfig) -> "IceServers":
        """From the settings. Raises WebError for a secret that is missing or empty."""
        for kind, url in (("stun", config.stun), ("turn", config.turn)):
            if url and (
                not url.startswith((f"{kind}:", f"{kind}s:")) or set(url) & set('<>", \r\n')
            ):
                raise WebError(
                    f"[webrtc] {kind}: '{url}' will not do; write it as {kind}:host:port"
                )
        secret = b""
        if config.turn:
            try:
                secret = Path(config.turn_secret).expanduser().read_bytes().strip()
            except OSError as err:
                raise WebError(
                    f"[webrtc] turn_secret: '{config.turn_secret}' cannot be read; "
                    "give the file with coturn's static-auth-secret"
                ) from err
            if not secret:
                raise WebError(
                    f"[webrtc] turn_secret: '{config.turn_secret}' is empty; "
                    "write coturn's static-auth-secret into it"
                )
        return cls(config.stun, config.turn, secret)

    def links(self, now_s: float) -> list[str]:
        """The Link headers; TURN's name and password hold for four hours (coturn's REST way)."""
        links = [f'<{self.stun}>; rel="ice-server"'] if self.stun else []
        if self.turn:
            name = f"{int(now_s) + _TURN_S}:viewer"
            digest = hmac.new(self.secret, name.encode(), hashlib.sha1).digest()
            password = base64.b64encode(digest).decode()
            links.append(
                f'<{self.turn}>; rel="ice-server"; username="{name}"; credential="{password}"; '
                'credential-type="password"'
            )
        return links


class Whep:
    """The endpoint and its sessions."""

    def __init__(self, viewers: Viewers, ice: IceServers) -> None:
        self._viewers, self._ice = viewers, ice

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Method, path and handler; all for the role view."""
        session = PATH + "/{session}"
        return [
            ("POST", PATH, self.create),
            ("OPTIONS", PATH, self.describe),
            ("HEAD", PATH, self.describe),
            ("PATCH", session, self.trickle),
            ("DELETE", session, self.end),
            ("OPTIONS", session, self.describe),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """An offer for an answer."""
        if request.content_type != SDP:
            raise web.HTTPUnsupportedMediaType(text=f"send the offer as {SDP}\n")
        data = await read_body(request, MOST_BYTES)
        try:
            session = await self._viewers.open(data, request[LASTS])
        except RefusedError as err:
            raise _http(err) from err
        response = web.Response(status=201, text=session.answer, content_type=SDP)
        response.charset = None
        response.headers["Location"] = f"{PATH}/{session.name}"
        response.headers["ETag"] = session.etag
        return self._linked(response)

    async def trickle(self, request: web.Request) -> web.Response:
        """A viewer's further addresses. No ICE restart here: 422, and a new session will do."""
        session = self._find(request)
        if request.content_type != FRAGMENT:
            raise web.HTTPUnsupportedMediaType(
                headers={"Accept-Patch": FRAGMENT}, text=f"send it as {FRAGMENT}\n"
            )
        match = request.headers.get("If-Match")
        if match is None:
            raise web.HTTPPreconditionRequired(text="say If-Match with the session's ETag\n")
        if match == "*":
            raise web.HTTPUnprocessableEntity(text="ICE cannot be restarted here\n")
        if match != session.etag:
            raise web.HTTPPreconditionFailed(text="that ETag is not the session's\n")
        try:
            await self._viewers.trickle(session, await read_body(request, MOST_BYTES))
        except RefusedError as err:
            raise _http(err) from err
        return web.Response(status=204)

    async def end(self, request: web.Request) -> web.Response:
        """The viewer goes."""
        await self._viewers.end(self._find(request))
        return web.Response(status=200)

    async def describe(self, request: web.Request) -> web.Response:
        """What may be asked here, and which STUN and TURN servers to use."""
        response = web.Response(status=200 if request.method == "HEAD" else 204)
        if request.method == "HEAD":
            response.content_type = SDP
        if "session" in request.match_info:
            response.headers["Allow"] = "PATCH, DELETE, OPTIONS"
            response.headers["Accept-Patch"] = FRAGMENT
        else:
            response.headers["Allow"] = "POST, OPTIONS, HEAD"
            response.headers["Accept-Post"] = SDP
        return self._linked(response)

    def _find(self, request: web.Request) -> Session:
        session = self._viewers.find(request.match_info["session"])
        if session is None:
            raise web.HTTPNotFound(text="no such session; it may have ended\n")
        return session

    def _linked(self, response: web.Response) -> web.Response:
        for link in self._ice.links(time.time()):
            response.headers.add("Link", link)
        return response


def _http(err: RefusedError) -> web.HTTPException:
    kinds: dict[int, type[web.HTTPException]] = {
        400: web.HTTPBadRequest, 406: web.HTTPNotAcceptable, 422: web.HTTPUnprocessableEntity,
        503: web.HTTPServiceUnavailable,
    }  # fmt: skip
    headers = {"Retry-After": str(RETRY_S)} if err.status == 503 else {}
    return kinds[err.status](headers=headers, text=f"{err}\n")
