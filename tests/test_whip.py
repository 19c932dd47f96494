"""What a WHIP address says that is none, or cannot be trusted: one line, and what to do."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from trainjourney.errors import WebError
from trainjourney.outputs.whip import _post


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/", r"takes no WHIP there \(404\); give --publish the whole address"),
        ("/whip", r"takes no WHIP there \(405\)"),
        ("/gone", "it answers 410 Gone"),
    ],
)
def test_an_address_that_is_no_door_is_told_from_one_that_is_shut(path: str, told: str) -> None:
    async def ask() -> None:
        app = web.Application()
        app.router.add_get("/whip", gone)
        app.router.add_post("/gone", gone)
        async with TestServer(app) as server, aiohttp.ClientSession() as http:
            await _post(http, str(server.make_url(path)), "v=0")

    with pytest.raises(WebError, match=told):
        asyncio.run(ask())


async def gone(_: web.Request) -> web.Response:
    return web.Response(status=410)


def test_what_is_wrong_with_tls_is_said(tmp_path: Path) -> None:
    async def ask(secret: bool) -> None:
        context = None
        if secret:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*self_signed(tmp_path))
        server = TestServer(web.Application(), scheme="https" if secret else "http")
        await server.start_server(ssl=context)
        try:
            async with aiohttp.ClientSession() as http:
                url = f"https://127.0.0.1:{server.port}/whip"
                await _post(http, url, "v=0")
        finally:
            await server.close()

    with pytest.raises(WebError, match=r"not trusted \(self-signed certificate\); have one made"):
        asyncio.run(ask(True))
    with pytest.raises(WebError, match=r"speaks no TLS there; is it whip\+http"):
        asyncio.run(ask(False))


def self_signed(folder: Path) -> tuple[str, str]:
    """Certificate and key of 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now).not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(paths[0]), str(paths[1])
