"""Access: who asks, from where, and whether they may. Every request goes through `Access.guard`.

On loopback everybody on this machine may drive. Whoever comes by another name, through a proxy or
to a wider address shows a token: as `Authorization: Bearer`, or as the cookie that `/enter` gives
for it. The Host header must name this server, which keeps foreign pages from rebinding their name
to it, and nothing is changed for a foreign Origin.
"""

import asyncio
import ipaddress
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from trainjourney.errors import WebError
from trainjourney.outputs.web.limits import Bucket, Gate, read_body
from trainjourney.outputs.web.tokens import MOST_CHARS, Role, Tokens, may

log = logging.getLogger(__name__)

COOKIE = "trainjourney"
COOKIE_DAYS = 30
ROLE: web.RequestKey[Role | None] = web.RequestKey("role", object)  # type: ignore[arg-type]
LASTS: web.RequestKey[Callable[[], bool]] = web.RequestKey("lasts", object)  # type: ignore[arg-type]
_HOST = re.compile(r"[\w.-]{1,253}")
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_PROXY_HEADERS = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
LASTS_S = 1.0  # between two looks whether a token still holds
COMPLAINS_S = 600.0  # at most so often of a file of tokens that is of no use
_WRONG_TOKENS = 10  # that one address may try before it must wait
_MOST_STALE = 1000  # cookies that are remembered as wrong
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def is_loopback(host: str) -> bool:
    """Whether an address to listen at can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_listen(host: str, tokens: Tokens) -> None:
    """Refuse to be reached from outside while nobody needs a token. Raises WebError."""
    if not is_loopback(host) and not tokens.all():
        raise WebError(
            f"the page would be open to everyone at {host}; make a token first: "
            "trainjourney token new --role view"
        )


def check_hosts(names: Iterable[str]) -> None:
    """Refuse what is no name of a host, which nobody could come by. Raises WebError."""
    for name in filter(None, map(str.strip, names)):
        if not _HOST.fullmatch(name):
            raise WebError(
                f"web.hosts: '{name[:80]}' is no name; give it as in train.example, "
                "without http:// and without a port"
            )


class Access:
    """Knows the names that this server goes by, the tokens, and how often each address may ask."""

    def __init__(
        self, listen: str, hosts: Iterable[str], tokens: Tokens, requests_per_s: float
    ) -> None:
        self.local = is_loopback(listen)
        self.tokens = tokens
        self._hosts = {name.strip().lower() for name in hosts if name.strip()}
        self._any_address = not self.local  # then reached by any address of this machine
        self._asked = Bucket(requests_per_s, 4 * requests_per_s)
        self._wrong = Bucket(1 / 30, _WRONG_TOKENS)
        self._stale: OrderedDict[tuple[str, int], None] = OrderedDict()  # cookies by address
        self._complained_s = float("-inf")
        self.refused: dict[str, int] = dict.fromkeys(("host", "origin", "rate", "token", "role"), 0)

    def guard(self, gate: Gate) -> Middleware:
        """The middleware that every request goes through."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            gate.spoke(request)
            self._check_address(request)
            request[ROLE] = self._role_of(request)
            return await handler(request)

        return guard

    def need(self, wanted: Role, handler: Handler) -> Handler:
        """The handler, for those only who may."""

        async def checked(request: web.Request) -> web.StreamResponse:
            request[LASTS] = self._lasting(request, wanted)
            if not may(request[ROLE], wanted):
                raise self._refuse(request, wanted)
            return await handler(request)

        return checked

    async def enter(self, request: web.Request) -> web.Response:
        """A token for a cookie: POST its text."""
        text = (await read_body(request, MOST_CHARS + 8)).decode("utf-8", "replace").strip()
        role = self._checked(text, request)
        if role is None:
            raise web.HTTPUnauthorized(text="that token is not known here\n")
        response = web.json_response({"role": role})
        response.set_cookie(
            COOKIE, text, max_age=COOKIE_DAYS * 86400, httponly=True, samesite="Strict", path="/",
            secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
        )  # fmt: skip
        return response

    async def leave(self, request: web.Request) -> web.Response:
        """Forget the cookie."""
        response = web.json_response({"role": None})
        response.del_cookie(COOKIE, path="/")
        return response

    def is_local(self, request: web.Request) -> bool:
        """Whether a request was made on this machine, to it, by its own name."""
        near = is_loopback(request.remote or "")
        proxied = any(name in request.headers for name in _PROXY_HEADERS)
        return self.local and near and not proxied and _host(request.host) in _LOCAL_NAMES

    def _lasting(self, request: web.Request, wanted: Role) -> Callable[[], bool]:
        """Whether who asked may still do it, to be asked now and then while it lasts."""
        if "Authorization" not in request.headers and self.is_local(request):
            return lambda: True
        text = _token_in(request)

        def lasts() -> bool:
            try:
                return may(self.tokens.role_of(text, time.time()), wanted)
            except WebError as err:  # who is in stays in, until it can be told again
                self._complain(str(err))
                return True

        return lasts

    def _complain(self, trouble: str) -> None:
        now_s = time.monotonic()
        if now_s - self._complained_s > COMPLAINS_S:
            self._complained_s = now_s
            log.warning("%s", trouble)

    def _check_address(self, request: web.Request) -> None:
        if not self._known(_host(request.host)):
            self.refused["host"] += 1
            raise web.HTTPMisdirectedRequest(
                text="not known by that name here; add it with --set web.hosts=NAME\n"
            )
        origin = request.headers.get("Origin")
        safe = request.method in ("GET", "HEAD", "OPTIONS") and "Upgrade" not in request.headers
        if origin is not None and not safe and origin.partition("://")[2] != request.host:
            self.refused["origin"] += 1
            raise web.HTTPForbidden(text="not from another page\n")
        if request.headers.get("Sec-Fetch-Site") == "cross-site" and not safe:
            self.refused["origin"] += 1
            raise web.HTTPForbidden(text="not from another page\n")
        if not self._asked.take(address_of(request), time.monotonic()):
            self.refused["rate"] += 1
            raise web.HTTPTooManyRequests(headers={"Retry-After": "1"}, text="too often\n")

    def _known(self, host: str) -> bool:
        if host in _LOCAL_NAMES or host in self._hosts:
            return True
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return self._any_address  # a name can be rebound, a number cannot

    def _role_of(self, request: web.Request) -> Role | None:
        text = _token_in(request)
        if "Authorization" not in request.headers and self.is_local(request):
            return "admin"
        if not text:
            return None
        if "Authorization" in request.headers:
            return self._checked(text, request)
        # A browser shows its cookie with all that it asks: one that is good lets in whoever guesses
        # beside it, at the same address; one that was wrong before is no new guess.
        role = self.tokens.role_of(text, time.time())
        stale = (address_of(request), hash(text))
        if role is None and stale not in self._stale:
            self._checked(text, request)
            self._stale[stale] = None
            while len(self._stale) > _MOST_STALE:
                self._stale.popitem(last=False)
        return role

    def _checked(self, text: str, request: web.Request) -> Role | None:
        """What a token may do; after too many wrong ones, 429 whatever it is."""
        address, now_s = address_of(request), time.monotonic()
        if not self._wrong.has(address, now_s):
            self.refused["rate"] += 1
            raise web.HTTPTooManyRequests(
                headers={"Retry-After": "30"}, text="too many wrong tokens; wait a little\n"
            )
        role = self.tokens.role_of(text, time.time())
        if role is None:
            self._wrong.take(address, now_s)
            self.refused["token"] += 1
        return role

    def _refuse(self, request: web.Request, wanted: Role) -> web.HTTPException:
        if not request[ROLE]:
            return web.HTTPUnauthorized(
                headers={"WWW-Authenticate": "Bearer"}, text="this needs a token\n"
            )
        self.refused["role"] += 1
        return web.HTTPForbidden(text=f"this needs a token with the role {wanted}\n")


def while_it_lasts(handler: Handler) -> Handler:
    """The handler; one that goes on and on, as a WebSocket's, is cut off when its token ends."""

    async def watched(request: web.Request) -> web.StreamResponse:
        if "Upgrade" not in request.headers:
            return await handler(request)
        answering = asyncio.ensure_future(handler(request))
        try:
            while not (await asyncio.wait({answering}, timeout=LASTS_S))[0]:
                if not request[LASTS]():
                    answering.cancel()
            return await answering
        finally:
            answering.cancel()

    return watched


def address_of(request: web.Request) -> str:
    """Where a request comes from; through a proxy on this machine, what that says of it."""
    told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    if not told or not is_loopback(request.remote or ""):
        return request.remote or ""
    try:
        return str(ipaddress.ip_address(told))
    except ValueError:
        return request.remote or ""


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """What every response says: nothing from elsewhere, kept nowhere."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.popall("Server", None)


def _token_in(request: web.Request) -> str:
    """The token that a request shows, or nothing."""
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind:
        return text.strip() if kind.lower() == "bearer" else ""
    return request.cookies.get(COOKIE, "")


def _host(header: str) -> str:
    """The name in a Host header, without the port and the brackets of IPv6."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.rpartition(":")[0].lower() if header.count(":") == 1 else header.lower()
