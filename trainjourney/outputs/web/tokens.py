"""Tokens: who may view, drive and administer. Only their hashes are kept.

A token is "tj_ID_SECRET". The file holds the ID, what it may do and the SHA-256 of the whole; a
secret of 192 random bits needs no slower hash. The file is read again when it changed, so that a
revoked token is refused from the next request on.
"""

import hashlib
import hmac
import json
import os
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError

from trainjourney.errors import WebError
from trainjourney.folders import state_folder

Role = Literal["view", "control", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)  # each may do what those before it may
MOST_CHARS = 200
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


def may(role: Role | None, wanted: Role) -> bool:
    """Whether `role` is enough where `wanted` is asked for."""
    return role is not None and ROLES.index(role) >= ROLES.index(wanted)


def default_file() -> Path:
    """Where tokens are kept unless told otherwise: the user's state folder."""
    return state_folder() / "tokens.json"


Time = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Token:
    """What is kept of a token."""

    id: str
    role: Role
    label: str
    made_s: Time  # of the epoch
    ends_s: Time  # of the epoch; 0 never
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


_FILE = TypeAdapter(list[Token])


class Tokens:
    """The file of tokens. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._kept: dict[str, Token] = {}

    def all(self) -> list[Token]:
        """Every token that is kept. Raises WebError where the file is of no use."""
        return list(self._read().values())

    def make(self, role: Role, label: str = "", days: float = 0.0) -> str:
        """A new token, told this once. `days` it holds; 0 for good. Raises WebError."""
        name = secrets.token_hex(4)
        text = f"tj_{name}_{secrets.token_urlsafe(24)}"
        now_s = time.time()
        token = Token(
            name, role, label[:80], now_s, now_s + days * 86400 if days else 0.0, _hash(text)
        )
        self._write({**self._read(), name: token})
        return text

    def revoke(self, name: str) -> bool:
        """Forget a token by its ID (or the whole of it); False where there is none."""
        name = _id(name) or name
        kept = self._read()
        if name not in kept:
            return False
        self._write({other: token for other, token in kept.items() if other != name})
        return True

    def role_of(self, text: str, now_s: float) -> Role | None:
        """What a token may do; None for one that is unknown, over or no token at all."""
        token = self._read().get(_id(text)) if len(text) <= MOST_CHARS else None
        kept = token.sha256 if token else _NOBODY  # as long for one that is unknown
        same = hmac.compare_digest(kept, _hash(text[:MOST_CHARS]))
        if token is None or not same or 0 < token.ends_s < now_s:
            return None
        return token.role

    def _read(self) -> Mapping[str, Token]:
        with self._lock:
            try:
                stat = self.path.stat()
                stamp = (stat.st_mtime_ns, stat.st_size)
                if stamp != self._stamp:
                    kept = _FILE.validate_json(self.path.read_bytes())
                    self._kept, self._stamp = {token.id: token for token in kept}, stamp
            except FileNotFoundError:
                self._kept, self._stamp = {}, None
            except (OSError, ValidationError) as err:
                raise WebError(
                    f"{self.path}: is no file of tokens ({_why(err)}); move it away and make "
                    "new ones: trainjourney token new --role view"
                ) from err
            return dict(self._kept)

    def _write(self, kept: Mapping[str, Token]) -> None:
        text = json.dumps([asdict(token) for token in kept.values()], indent=1)
        part = self.path.with_name(self.path.name + ".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.unlink(missing_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        except OSError as err:
            reason = (err.strerror or str(err)).lower()
            raise WebError(
                f"{self.path}: cannot be written ({reason}); give --set web.tokens=FILE elsewhere"
            ) from err


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _id(text: str) -> str:
    parts = text.split("_", 2)
    return parts[1] if len(parts) == 3 and parts[0] == "tj" else ""


def _why(err: OSError | ValidationError) -> str:
    if isinstance(err, OSError):
        return (err.strerror or str(err)).lower()
    first = err.errors(include_url=False, include_input=False)[0]
    entry, *keys = [str(part) for part in first["loc"]] or [""]
    where = f"entry {int(entry) + 1}" + "".join(f", {key[:40]}" for key in keys) if entry else ""
    return f"{where}: {first['msg']}" if where else first["msg"]
