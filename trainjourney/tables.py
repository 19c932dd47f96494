"""Tables as TOML: written here, whole or not at all; the library reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainjourney.files import replacing


def write_table(path: Path, table: Mapping[str, Any], note: str = "") -> None:
    """Write a table to a file, over the one before only once all is there. Raises OSError.

    `note` is a comment above it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f"# {note}\n\n" if note else ""
    with replacing(path) as part:
        part.write_text(head + to_toml(table), encoding="utf-8")


def to_toml(table: Mapping[str, Any]) -> str:
    """A table as TOML: numbers, texts, dates, lists and tables in tables; None is left out."""
    return "\n".join(_lines(table, ())).strip() + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    stacks = {key: value for key, value in table.items() if _is_stack(value)}
    plain = {k: v for k, v in table.items() if k not in tables and k not in stacks}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items() if value is not None]
    for key, value in tables.items():
        here = (*path, key)
        lines += ["", f"[{'.'.join(map(_key, here))}]", *_lines(value, here)]
    for key, items in stacks.items():
        here = (*path, key)
        for item in items:
            lines += ["", f"[[{'.'.join(map(_key, here))}]]", *_lines(item, here)]
    return lines


def _is_stack(value: Any) -> bool:
    full = isinstance(value, list | tuple) and len(value) > 0
    return full and all(isinstance(item, Mapping) for item in value)


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else _value(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case str():
            return '"' + "".join(map(_escaped, value)) + '"'
        case list() | tuple():
            return "[" + ", ".join(map(_value, value)) + "]"
        case Mapping():
            inner = (f"{_key(k)} = {_value(v)}" for k, v in value.items() if v is not None)
            return "{" + ", ".join(inner) + "}"
        case _ if hasattr(value, "isoformat"):
            return str(value.isoformat())
    raise TypeError(f"{type(value).__name__} has no form in TOML")


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return "\\" + letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 32 or ord(letter) == 127 else letter
