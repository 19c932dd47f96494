"""Tokens of the page: make, list, revoke."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Tokens for the page.")

File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="As web.tokens; else the default's.")
]


@app.command()
def new(
    role: Annotated[str, typer.Option(metavar="ROLE", help="view, control or admin.")] = "view",
    label: Annotated[str, typer.Option(metavar="WORDS", help="Whom it is for.")] = "",
    days: Annotated[float, typer.Option(metavar="X", min=0, help="It ends after; 0 never.")] = 0.0,
    file: File = None,
) -> None:
    """Make a token. It is shown this once; only its hash is kept."""
    from trainjourney.config import load
    from trainjourney.errors import WebError
    from trainjourney.outputs.web.access import is_loopback
    from trainjourney.outputs.web.address import page_address
    from trainjourney.outputs.web.tokens import ROLES

    if role not in ROLES:
        raise WebError(f"--role {role}: there is no such role; give view, control or admin")
    with _writing(file) as tokens:
        text = tokens.make(role, label, days)
    print(text)
    page, web = "" if role == "view" else "drive", load().web
    host = "" if is_loopback(web.listen) else web.listen  # a token is for who comes from outside
    print(f"As a link: {page_address(host, web.port or 'PORT')}{page}#token={text}")


@app.command(name="list")
def list_tokens(file: File = None) -> None:
    """List the tokens by their IDs."""
    tokens = _tokens(file).all()
    for token in tokens:
        made = time.strftime("%Y-%m-%d", time.localtime(token.made_s))
        ends = time.strftime("%Y-%m-%d", time.localtime(token.ends_s)) if token.ends_s else "never"
        print(f"{token.id}  {token.role:<7}  made {made}  ends {ends}  {token.label}")
    if not tokens:
        print("No tokens. Make one: trainjourney token new --role view")


@app.command()
def revoke(
    token: Annotated[str, typer.Argument(metavar="ID", help="As in the list, or the token.")],
    file: File = None,
) -> None:
    """Refuse a token from now on, also in a show that runs."""
    from trainjourney.errors import WebError

    with _writing(file) as tokens:
        revoked = tokens.revoke(token)
        left = tokens.all()
    if not revoked:
        raise WebError(f"no token '{token[:20]}'; see trainjourney token list")
    print("It is refused from now on.")
    if not left:
        print("It was the last: no show begins to listen beyond this machine without another.")


@contextmanager
def _writing(file: Path | None) -> Iterator[Any]:
    """The tokens, to be written: where that cannot be, these commands have an option for it."""
    from trainjourney.errors import WebError

    tokens = _tokens(file)
    tokens.all()  # what cannot be read is told as it is
    try:
        yield tokens
    except WebError as err:
        reason = (getattr(err.__cause__, "strerror", "") or str(err)).lower()
        raise WebError(
            f"{tokens.path}: cannot be written ({reason}); give --file FILE elsewhere, and play "
            "the same as --set web.tokens=FILE"
        ) from err


def _tokens(file: Path | None):  # type: ignore[no-untyped-def]  # its type would be imported early
    from trainjourney.config import load
    from trainjourney.outputs.web.tokens import Tokens, default_file

    kept = load().web.tokens
    return Tokens(file or (Path(kept).expanduser() if kept else default_file()))
