"""A proxy in front of the page, in the words of installation/viewers.md: nginx from Debian."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from janus import free_port
from serving import served, wait_for

from trainjourney.outputs.web.tokens import Tokens

GUIDE = Path(__file__).resolve().parent.parent / "installation" / "viewers.md"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@contextmanager
def nginx(folder: Path, page_port: int, port: int) -> Iterator[None]:
    """nginx as the guide has it, but for ports and TLS, while the block lasts."""
    assert NGINX
    found = re.search(r"```nginx\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found
    words = re.sub(r" *ssl_.*\n", "", found[1]).replace("443 ssl", f"127.0.0.1:{port}")
    words = words.replace("127.0.0.1:8410", f"127.0.0.1:{page_port}")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/log; events {{ }}\n"
        f"http {{ access_log off; {places}\n{words}}}\n"
    )
    process = subprocess.Popen([NGINX, "-e", f"{folder}/log", "-c", str(file)])
    try:
        wait_for((folder / "pid").exists)
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.skipif(not NGINX, reason="apt install nginx")
def test_a_viewer_and_a_driver_come_through_nginx(tmp_path: Path) -> None:
    port, name = free_port(), "train.example.org"
    token = Tokens(tmp_path / "tokens.json").make("control")
    with (
        served(tokens=tmp_path / "tokens.json", hosts=name) as page,
        nginx(tmp_path, page.port, port),
    ):
        host = f"{name}:{port}"
        page.server.address = f"http://127.0.0.1:{port}"
        from_page = {"Host": host, "Origin": f"http://{host}"}
        assert page.ask("GET", "/", headers={"Host": host}).status == 200
        assert page.ask("GET", "/frame.jpg", headers={"Host": host}).status == 401
        made = page.ask("POST", "/enter", token.encode(), from_page)
        assert made.status == 200, made.text
        inside = from_page | {"Cookie": made.headers["Set-Cookie"].partition(";")[0]}
        assert page.ask("GET", "/frame.jpg", headers=inside).status == 200
        upgrade = {
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }  # fmt: skip
        assert first_words(port, "/drive/ws", inside | upgrade) == "HTTP/1.1 101"


def first_words(port: int, path: str, headers: dict[str, str]) -> str:
    """How an answer begins; urllib knows no upgrade."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        return line.recv(12).decode()
