"""Tokens by command, and what `play` says of a page that would be open to everyone."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from serving import wait_for
from typer.testing import CliRunner

from trainjourney.cli import app
from trainjourney.config import load
from trainjourney.errors import WebError
from trainjourney.outputs.web.address import reached_at
from trainjourney.outputs.web.tokens import Tokens
from trainjourney.show.page import check


def run(*words: str) -> str:
    ended = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return ended.output


def test_a_token_is_known_by_its_hash_until_it_is_revoked_or_over(tmp_path: Path) -> None:
    file = tmp_path / "state" / "tokens.json"
    tokens = Tokens(file)
    view, control = tokens.make("view", "a guest"), tokens.make("control", days=1.0)
    now_s = time.time()
    assert tokens.role_of(view, now_s) == "view" and tokens.role_of(control, now_s) == "control"
    assert view not in file.read_text() and view.split("_", 2)[2] not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    assert tokens.role_of(control, now_s + 2 * 86400) is None
    for wrong in ("", "x", view[:-1], view + "x", "tj_" + "a" * 500, view.replace("tj_", "tj_0")):
        assert tokens.role_of(wrong, now_s) is None
    other = Tokens(file)  # another process revokes it
    assert other.revoke(view.split("_")[1]) and not other.revoke("nobody")
    assert tokens.role_of(view, now_s) is None and tokens.role_of(control, now_s) == "control"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[", "Invalid JSON: .* at line 1 column 1"),
        ("{}", "Input should be a valid array"),
        ("[3]", "entry 1: Input should be"),
        ('[{"id": 1}]', "entry 1, id: Input should be a valid string"),
        (
            '[{"id":"a","role":"god"}]',
            "entry 1, role: Input should be 'view', 'control' or 'admin'",
        ),
        ('[{"id":"a","role":"view","label":"","made_s":1,"ends_s":"late"}]', "entry 1, ends_s: "),
    ],
)
def test_a_file_that_is_no_file_of_tokens_lets_nobody_in(
    tmp_path: Path, text: str, why: str
) -> None:
    file = tmp_path / "tokens.json"
    file.write_text(text)
    with pytest.raises(WebError, match=rf"no file of tokens \({why}.*\); .*trainjourney token n"):
        Tokens(file).all()


def test_a_token_is_made_listed_and_revoked_by_command(tmp_path: Path) -> None:
    file = str(tmp_path / "tokens.json")
    told = run("token", "new", "--role", "control", "--label", "the VJ", "--days", "2", "--file", file)  # fmt: skip  # noqa: E501
    text = told.splitlines()[0]
    assert Tokens(Path(file)).role_of(text, 0.0) == "control"
    assert f"/drive#token={text}" in told
    name = text.split("_")[1]
    listed = run("token", "list", "--file", file)
    assert name in listed and "the VJ" in listed and text not in listed
    run("token", "revoke", name, "--file", file)
    assert "No tokens" in run("token", "list", "--file", file)
    for words in (["new", "--role", "god"], ["revoke", "nobody"]):
        with pytest.raises(WebError):
            run("token", *words, "--file", file)
    (tmp_path / "tokens.json.part").mkdir()  # as in a place that is for reading alone
    with pytest.raises(WebError, match=r"cannot be written \(.*\); give --file FILE elsewhere"):
        run("token", "new", "--file", file)


def test_the_link_of_a_token_can_be_sent_to_a_guest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for listen, link in (
        ("192.0.2.7", "http://192.0.2.7:8510/#token="),
        ("2001:db8::7", "http://[2001:db8::7]:8510/#token="),
        ("0.0.0.0", f"http://{reached_at('')}:8510/#token="),
        ("127.0.0.1", f"http://{reached_at('')}:8510/#token="),  # until play is given --listen
    ):
        Path("config.toml").write_text(f'[web]\nlisten = "{listen}"\nport = 8510\n')
        assert f"As a link: {link}" in run("token", "new", "--file", "tokens.json")


def play(*words: str, folder: Path) -> "subprocess.Popen[str]":
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["XDG_STATE_HOME"] = str(folder)
    environment["PYTHONPATH"] = str(Path(__file__).parent.parent)
    quiet = ["--set", "osc.port=0", "--set", "journal.write=false"]
    return subprocess.Popen(
        [sys.executable, "-m", "trainjourney", "play", *words, *quiet],
        stderr=subprocess.PIPE, text=True, env=environment, cwd=folder,
    )  # fmt: skip


def test_play_refuses_to_be_open_to_everyone(tmp_path: Path) -> None:
    ended = play("--listen", "0.0.0.0", folder=tmp_path)
    _, told = ended.communicate(timeout=60)
    assert ended.returncode == 2
    assert told.startswith("trainjourney: the page would be open to everyone at 0.0.0.0")
    assert told.rstrip().endswith("trainjourney token new --role view")
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("asked", [socket.EAI_NONAME, socket.EAI_AGAIN])
def test_an_address_that_is_none_is_told_as_such(
    asked: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A name that nobody can be asked about yet, when a machine starts, is tried again later."""

    def ask(*given: object) -> None:
        raise socket.gaierror(asked, "a resolver says")

    with monkeypatch.context() as patched:
        patched.setattr("trainjourney.show.page.getaddrinfo", ask)
        patched.setenv("XDG_CONFIG_HOME", str(tmp_path))
        told = "open to everyone" if asked == socket.EAI_AGAIN else "is no address; give one of"
        with pytest.raises(WebError, match=told):
            check(load(None, [], {"web.listen": "gallery.lan"}))
    for name in ("1.2.3.4.5", "x" * 300):
        with pytest.raises(WebError, match=r"^--listen .*: is no address; give one of this"):
            check(load(None, [], {"web.listen": name}))
    with pytest.raises(WebError, match=r"gone\.txt"):
        check(load(None, ["publish.token=gone.txt"], {"publish.url": "whip+https://x/y"}))


def test_play_serves_the_page_where_there_is_no_screen(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    show = play("--port", str(port), folder=tmp_path)

    def ask(path: str) -> bytes:
        try:
            url, kinds = f"http://127.0.0.1:{port}{path}", {"Accept": "text/html, image/*"}
            asked = urllib.request.Request(url, headers=kinds)
            with urllib.request.urlopen(asked, timeout=5) as answer:
                body: bytes = answer.read()
                return body
        except OSError:
            return b""

    try:
        wait_for(lambda: ask("/readyz"), 60.0)
        assert b"<title>Trainjourney</title>" in ask("/")
        assert ask("/frame.jpg")[:2] == b"\xff\xd8"
        assert ask("/looks/1.jpg")[:2] == b"\xff\xd8"
    finally:
        show.terminate()
        _, told = show.communicate(timeout=30)
    assert f"the page is at http://127.0.0.1:{port}/" in told
    assert "Traceback" not in told and show.returncode == 0
