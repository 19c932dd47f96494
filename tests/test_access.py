"""Who may: loopback alone by default, tokens beyond it, nothing from foreign pages, limits."""

import asyncio
import socket
import time
from pathlib import Path

import pytest
from serving import Served, served, wait_for
from viewer import make_offer

from trainjourney.errors import WebError
from trainjourney.outputs.web import limits
from trainjourney.outputs.web.access import COOKIE
from trainjourney.outputs.web.address import reached_at
from trainjourney.outputs.web.limits import Bucket
from trainjourney.outputs.web.tokens import Tokens, default_file, may

FAR = {"X-Forwarded-For": "192.0.2.7"}  # as through a proxy: not from this machine


def test_a_role_may_what_lesser_roles_may() -> None:
    assert may("admin", "control") and may("control", "view") and may("view", "view")
    assert not may("view", "control") and not may(None, "view")


def test_the_users_own_file_lies_in_the_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_file() == Path("/state/trainjourney/tokens.json")


def test_a_wide_address_without_a_token_is_refused(tmp_path: Path) -> None:
    wide = served(listen="0.0.0.0", tokens=tmp_path / "none.json")
    with pytest.raises(WebError, match="trainjourney token new --role view"), wide:
        pass


@pytest.mark.parametrize("hosts", ["http://a", "a.example, b:8410", "a b", "x" * 254])
def test_what_is_no_name_of_a_host_is_refused(hosts: str) -> None:
    with pytest.raises(WebError, match=r"web\.hosts: '.*' is no name"), served(hosts=hosts):
        pass


def test_a_page_on_all_addresses_is_told_by_one_that_others_reach(tmp_path: Path) -> None:
    Tokens(tmp_path / "tokens.json").make("view")
    with served(listen="0.0.0.0", tokens=tmp_path / "tokens.json") as page:
        assert page.url == f"http://{reached_at('0.0.0.0')}:{page.port}"


def test_a_page_on_ipv6_alone_is_told_by_an_address_of_that_kind() -> None:
    assert ":" in reached_at("::")  # no IPv4 one: there it does not listen


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        late = served(port=port)
        with pytest.raises(WebError, match=f"127.0.0.1:{port} .*--set web.port"), late:
            pass


@pytest.mark.parametrize("path", ["/frame.jpg", "/whep", "/stream.mjpeg", "/drive/ws", "/status", "/metrics", "/looks/1.jpg"])  # fmt: skip  # noqa: E501
def test_from_afar_nothing_is_open_without_a_token(path: str) -> None:
    with served() as page:
        method = "HEAD" if path == "/whep" else "GET"
        assert page.ask(method, path, headers=FAR).status == 401
        assert (
            page.ask(method, path, headers=FAR | {"Authorization": "Bearer tj_a_b"}).status == 401
        )
        assert page.ask("GET", "/healthz", headers=FAR).status == 200


def test_each_role_opens_its_doors_by_bearer_and_by_cookie(tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    texts = {role: Tokens(file).make(role) for role in ("view", "control", "admin")}
    doors = {"/frame.jpg": "view", "/status": "control", "/metrics": "admin"}
    with served(tokens=file) as page:
        wait_for(lambda: page.server.age.number)
        for role, text in texts.items():
            entered = page.ask("POST", "/enter", text.encode(), FAR)
            cookie = entered.headers["Set-Cookie"]
            assert entered.data == {"role": role}
            assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
            for ticket in ({"Authorization": f"Bearer {text}"}, {"Cookie": f"{COOKIE}={text}"}):
                for door, wanted in doors.items():
                    got = page.ask("GET", door, headers=FAR | ticket).status
                    assert got == (200 if may(role, wanted) else 403), (role, door)  # type: ignore[arg-type]
        Tokens(file).revoke(texts["view"])
        assert page.ask("GET", "/frame.jpg", headers=FAR | {"Authorization": f"Bearer {texts['view']}"}).status == 401  # fmt: skip  # noqa: E501
        assert page.ask("POST", "/leave", b"", FAR).headers["Set-Cookie"].startswith(f'{COOKIE}=""')


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/", {"Host": "evil.example"}, 421),
        ("GET", "/", {"Host": "192.0.2.1"}, 421),
        ("GET", "/", {"Host": "train.example:8410"}, 200),
        ("GET", "/", {"Host": "localhost:8410"}, 200),
        ("GET", "/", {"Host": "[::1]:8410"}, 200),
        ("POST", "/enter", {"Origin": "http://evil.example"}, 403),
        ("POST", "/whep", {"Origin": "null"}, 403),
        ("POST", "/looks", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", "/drive/ws", {"Origin": "http://evil.example", "Upgrade": "websocket"}, 403),
        ("GET", "/page/../server.py", {}, 404),
        ("GET", "/page/%2e%2e/server.py", {}, 404),
        ("DELETE", "/", {}, 405),
    ],
)
def test_foreign_names_and_pages_are_refused(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    with served(hosts="train.example") as page:
        assert page.ask(method, path, b"" if method == "POST" else None, headers).status == status


def test_every_page_says_that_nothing_comes_from_elsewhere() -> None:
    with served() as page:
        for path in ("/", "/drive", "/page/train.js", "/nowhere"):
            headers = page.ask("GET", path).headers
            policy = headers["Content-Security-Policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
            assert "unsafe" not in policy and "http" not in policy
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Access-Control-Allow-Origin"] is None and headers["Server"] is None


def test_one_address_may_not_ask_too_often() -> None:
    with served(requests=5) as page:
        told = [page.ask("GET", "/healthz").status for _ in range(30)]
        assert told[:20] == [200] * 20 and told[-1] == 429
        assert page.server.access.refused["rate"] >= 1


def test_a_bucket_fills_with_time_and_forgets_the_oldest() -> None:
    bucket = Bucket(2.0, 4.0)
    assert [bucket.take("a", 0.0) for _ in range(5)] == [True] * 4 + [False]
    assert bucket.take("b", 0.0) and not bucket.take("a", 0.4)
    assert bucket.take("a", 1.0) and bucket.has("a", 1.0) and not bucket.has("a", 0.0, 9.0)
    for number in range(5000):
        bucket.take(str(number), 2.0)
    assert len(bucket._left) == 4096


def talk(page: Served, text: bytes) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", page.port), timeout=10)
    line.sendall(text)
    return line


def test_a_slow_loris_is_let_go_and_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    with served() as page:
        page.server.gate._headers_s = 0.5
        page.server.gate.slow = 0
        lines = [talk(page, b"GET / HTTP/1.1\r\nHost: loc") for _ in range(40)]
        assert page.ask("GET", "/healthz").status == 200
        wait_for(lambda: page.server.gate.slow == 40, 5.0)
        for line in lines:
            with line:
                assert line.recv(10) == b""


@pytest.mark.parametrize(("path", "kind"), [("/enter", "text/plain"), ("/whep", "application/sdp")])
def test_a_slow_body_is_let_go(path: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_S", 0.6)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: 90"
    with served() as page, talk(page, head.encode() + b"\r\n\r\nv=0") as line:
        assert page.ask("GET", "/healthz").status == 200  # it waits, and nobody else does
        for _ in range(3):
            time.sleep(0.1)
            line.sendall(b"x")  # one more is no new patience
        assert line.recv(100).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [("POST", "/enter", "text/plain"), ("POST", "/whep", "application/sdp"),
     ("PATCH", "/whep/{}", "application/trickle-ice-sdpfrag")],
)  # fmt: skip
def test_a_large_body_that_does_not_tell_its_size_is_cut_off(
    method: str, path: str, kind: str
) -> None:
    with served() as page:
        offer = asyncio.run(make_offer()).encode()
        made = page.ask("POST", "/whep", offer, {"Content-Type": "application/sdp"}).headers
        path = path.format(made["Location"].rpartition("/")[2])
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nIf-Match: {made['ETag']}\r\n"  # noqa: E501
        with talk(page, head.encode() + b"Transfer-Encoding: chunked\r\n\r\n") as line:
            try:
                for _ in range(1000):
                    line.sendall(b"400\r\n" + b"x" * 1024 + b"\r\n")
                line.sendall(b"0\r\n\r\n")
                answer = line.recv(100)
            except ConnectionError:  # cut off while it was still sending
                answer = b""
            assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
        assert page.ask("GET", "/healthz").status == 200
        assert page.server.viewers.opened == 1


def test_one_address_may_not_take_all_connections() -> None:
    with served() as page:
        lines = [talk(page, b"") for _ in range(110)]
        wait_for(lambda: page.server.gate.crowded >= 14, 5.0)
        for line in lines:
            line.close()
        wait_for(lambda: page.ask("GET", "/healthz").status == 200, 5.0)


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "a" * 20_000 + "\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00 this is TLS", 400),
        ("POST /enter HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST /enter HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: gzip\r\n"
         "Content-Length: 3\r\n\r\nabc", 400),
        ("POST /enter HTTP/1.1\r\nHost: localhost\r\nOrigin: http://[::1\r\n"
         "Content-Length: 1\r\n\r\na", 403),
    ],
)  # fmt: skip
def test_strangers_do_not_fill_the_log(
    request_text: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    with served() as page:
        with talk(page, request_text.encode("latin-1")) as line:
            assert line.recv(100).split()[1] == str(status).encode()
        counts = page.server.counts()["refused"]
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    assert counts["origin"] == (status == 403)
    assert counts["malformed"] == 1 or "Host: localhost" in request_text or "TLS" in request_text


def test_a_large_body_is_refused_at_its_word() -> None:
    with served() as page:
        assert page.ask("POST", "/enter", b"x" * 1_000_000).status == 413
        assert page.ask("POST", "/whep", b"x" * 1_000_000).status == 415
