"""WHEP by the letter, seen by a viewer that decodes; what is no offer is refused."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest
from serving import Served, served, wait_for
from viewer import Viewer, make_offer

from trainjourney.errors import WebError
from trainjourney.outputs.sdp import MOST_BYTES, check_offer, codecs_of, read_fragment
from trainjourney.outputs.web.whep import IceServers
from trainjourney.settings import WebrtcConfig

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


async def watch(url: str, viewers: int, codec: str = "", frames: int = 20) -> list[Viewer]:
    """So many viewers at once, each until it has its frames; all end in peace."""
    async with aiohttp.ClientSession() as http:
        all_of_them = [Viewer(url, codec) for _ in range(viewers)]
        await asyncio.gather(*(one.open(http) for one in all_of_them))
        async with asyncio.timeout(20):
            while not all(len(one.numbers) >= frames for one in all_of_them):
                await asyncio.sleep(0.05)
        await asyncio.gather(*(one.close(http) for one in all_of_them))
    return all_of_them


@pytest.mark.parametrize("codec", ["", "vp8"])
def test_three_watch_and_each_frame_is_encoded_once(codec: str) -> None:
    with served() as page:
        watched = asyncio.run(watch(page.url, 3, codec))
        counts = page.ask("GET", "/status").data
        used, other = ("vp8", "h264") if codec else ("h264", "vp8")
        assert counts["encodes"][other] == 0 and counts["sessions"]["opened"] == 3
        assert counts["encodes"][used] <= counts["frame"] + 1  # whose number may be a frame old
        for viewer in watched:
            seen = [number for number in viewer.numbers if number is not None]
            assert len(seen) > 15 and seen == sorted(seen)
        wait_for(lambda: page.ask("GET", "/status").data["viewers"] == 0)
        wait_for(lambda: page.server.encoders["h264"].listeners == 0)


def test_a_session_is_created_trickled_to_and_ended(page: Served, offer: bytes) -> None:
    made = page.ask("POST", "/whep", offer, SDP)
    assert made.status == 201 and made.headers.get_content_type() == "application/sdp"
    assert "H264/90000" in made.text and "a=sendonly" in made.text
    place, etag = made.headers["Location"], made.headers["ETag"]
    assert re.fullmatch(r"/whep/[\w-]{24}", place)
    name = re.search(r"a=ice-ufrag:(\S+)", offer.decode())
    candidate = "candidate:1 1 udp 2113937151 192.0.2.1 9 typ host"
    assert name is not None
    good = f"a=ice-ufrag:{name[1]}\r\nm=video 9 RTP/AVP 0\r\na=mid:0\r\na={candidate}\r\n".encode()
    match = {"If-Match": etag}
    assert page.ask("PATCH", place, good, FRAGMENT | match).status == 204
    assert page.ask("PATCH", place, good, FRAGMENT).status == 428
    assert page.ask("PATCH", place, good, FRAGMENT | {"If-Match": '"no"'}).status == 412
    assert page.ask("PATCH", place, good, FRAGMENT | {"If-Match": "*"}).status == 422
    assert page.ask("PATCH", place, b"a=ice-ufrag:else", FRAGMENT | match).status == 422
    assert page.ask("PATCH", place, b"a=candidate:x", FRAGMENT | match).status == 400
    assert page.ask("PATCH", place, good, SDP | match).status == 415
    assert page.ask("DELETE", place).status == 200
    assert page.ask("DELETE", place).status == 404
    assert page.ask("PATCH", place, good, FRAGMENT | match).status == 404


def test_what_may_be_asked_is_told(page: Served) -> None:
    told = page.ask("OPTIONS", "/whep")
    assert (told.status, told.headers["Accept-Post"]) == (204, "application/sdp")
    assert told.headers["Access-Control-Allow-Origin"] is None
    assert page.ask("HEAD", "/whep").headers.get_content_type() == "application/sdp"
    assert page.ask("GET", "/whep").status == 405
    assert page.ask("OPTIONS", "/whep/some").headers["Accept-Patch"] == FRAGMENT["Content-Type"]


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {"Content-Type": "application/json"}, 415),
        (b"", SDP, 400),
        (b"hello", SDP, 400),
        (b"v=0\r\n", SDP, 400),
        (b"v=0\r\n" + b"\xff" * 9, SDP, 400),
        (
            b"v=0\r\nm=video 9 RTP/AVP 0\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\na=fingerprint:z\r\n",
            SDP,
            406,
        ),
        (b"v=0\r\n" + b"a=x\r\n" * 5000, SDP, 400),
        (b"v=0\r\n" + b"x" * MOST_BYTES, SDP, 413),
        (b"v=0\r\n" + b"x" * 1_000_000, SDP, 413),
    ],
)
def test_what_is_no_offer_is_refused(
    page: Served, body: bytes, headers: dict[str, str], status: int
) -> None:
    refused = page.ask("POST", "/whep", body, headers)
    assert refused.status == status and len(refused.text.splitlines()) == 1
    assert len(page.server.viewers) == 0


def test_a_full_train_says_when_to_come_back(page: Served, offer: bytes) -> None:
    places = [page.ask("POST", "/whep", offer, SDP).headers["Location"] for _ in range(2)]
    full = page.ask("POST", "/whep", offer, SDP)
    assert (full.status, full.headers["Retry-After"]) == (503, "10")
    for place in places:
        assert page.ask("DELETE", place).status == 200
    again = page.ask("POST", "/whep", offer, SDP)
    assert again.status == 201
    page.ask("DELETE", again.headers["Location"])


def test_an_audio_offer_alone_is_refused(page: Served) -> None:
    sound = asyncio.run(make_offer("audio")).encode()
    assert page.ask("POST", "/whep", sound, SDP).status == 400


def test_the_parts_of_an_offer(offer: bytes) -> None:
    text = check_offer(offer + b"a=candidate:1 1 udp 1 x.local 9 typ host\r\n")
    assert ".local" not in text and codecs_of(text) == {"h264", "vp8"}
    with pytest.raises(WebError, match="bundles media that it does not have"):
        check_offer(offer.replace(b"BUNDLE 0", b"BUNDLE 7 0"))
    with pytest.raises(WebError, match="65 candidates"):
        read_fragment(b"a=candidate:1\r\n" * 65)


def test_servers_for_ice_are_told_with_credentials_that_end(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    with pytest.raises(WebError, match="cannot be read"):
        IceServers.read(WebrtcConfig(turn="turn:a:3478", turn_secret=str(secret)))
    secret.write_text("\n")
    with pytest.raises(WebError, match="is empty"):
        IceServers.read(WebrtcConfig(turn="turn:a:3478", turn_secret=str(secret)))
    with pytest.raises(WebError, match=r"write it as stun:host:port"):
        IceServers.read(WebrtcConfig(stun="stun.example.org"))
    secret.write_text("north\n")
    config = WebrtcConfig(stun="stun:a:1", turn="turn:a:3478", turn_secret=str(secret))
    stun, turn = IceServers.read(config).links(1_000_000.0)
    assert stun == '<stun:a:1>; rel="ice-server"'
    # HMAC-SHA1 of "1014400:viewer" with "north", in base64, as coturn makes it.
    assert 'username="1014400:viewer"' in turn and 'credential-type="password"' in turn
    credential = re.search(r'credential="([^"]+)"', turn)
    assert credential is not None and len(credential[1]) == 28
    assert IceServers.read(WebrtcConfig()).links(0.0) == []
