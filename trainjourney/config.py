"""Reading the settings that settings.py lists.

`config.toml` lays over the defaults, `--set section.key=value` over that, and the options of a
command over both. A setting that is wrong is refused by name, with where it stood.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from trainjourney.errors import ConfigError
from trainjourney.settings import Config, Section

DEFAULT_FILE = Path("config.toml")  # read from the current folder when it is there

SECTIONS: dict[str, type[Section]] = {
    name: type(field.default) for name, field in Config.model_fields.items()
}


@dataclass(frozen=True)
class Setting:
    """One value for one key, and the place it was said, for the message if it is wrong."""

    place: str  # "config.toml [window]", "--set", "--speed"
    section: str
    key: str
    value: Any
    spoken: bool = False  # said on a command line: text, to be read as the key's type


def load(
    path: Path | None = None, sets: Iterable[str] = (), options: Mapping[str, Any] | None = None
) -> Config:
    """The settings: defaults, then the file, then `--set` texts, then a command's options.

    `options` maps "section.key" to a value; None values are left out. Without a path, the
    config.toml of the current folder is read if there is one. Raises ConfigError.
    """
    if path is None and _is_there(DEFAULT_FILE):
        path = DEFAULT_FILE
    settings = _read(path) if path is not None else []
    settings += [_spoken(text) for text in sets]
    for name, value in (options or {}).items():
        section, key = name.split(".")
        if value is not None:
            settings.append(Setting(f"--{key}", section, key, value))
    tables: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for setting in settings:
        tables[setting.section][setting.key] = _checked(setting)
    return Config.model_validate(tables)


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as err:  # Python 3.11: a folder that may not be looked into
        raise ConfigError(
            f"the current folder cannot be read ({(err.strerror or str(err)).lower()}); "
            "cd to one that can, or give --config FILE"
        ) from err


def to_toml(config: Config) -> str:
    """The settings as a config file, one line of help above each."""
    lines = [
        "# Every setting of the show with its default. What stands here is laid over the defaults,",
        "# --set section.key=value over that. This file is written by scripts/write_docs.",
    ]
    for name, section in SECTIONS.items():
        doc = (section.__doc__ or "").strip()
        lines += ["", f"[{name}]  # {doc}"]
        for key, field in section.model_fields.items():
            value = getattr(getattr(config, name), key)
            lines += [f"# {field.description}{_range(field)}", f"{key} = {_toml(value)}"]
    return "\n".join(lines) + "\n"


def _read(path: Path) -> list[Setting]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise ConfigError(f"{path}: no such file; give --config a file that is there") from err
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"{path}: cannot be read ({err}); give --config a text file") from err
    except tomllib.TOMLDecodeError as err:
        raise ConfigError(f"{path}: is not TOML: {err}; mend that line") from err
    settings = []
    for section, table in tables.items():
        _known(section, SECTIONS, f"{path}: unknown section")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} is a section; write [{section}] above its keys")
        place = f"{path} [{section}]"
        settings += [Setting(place, section, key, value) for key, value in table.items()]
    return settings


def _spoken(text: str) -> Setting:
    name, equals, value = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not equals or not dot:
        raise ConfigError(
            f"--set {text}: is not section.key=value; write it as in --set window.fullscreen=true"
        )
    _known(section, SECTIONS, "--set: unknown section")
    return Setting(f"--set [{section}]", section, key, value.strip(), spoken=True)


def _checked(setting: Setting) -> Any:
    section = SECTIONS[setting.section]
    _known(setting.key, section.model_fields, f"{setting.place}: unknown key")
    field = section.model_fields[setting.key]
    value = _as_type(setting.value, field) if setting.spoken else setting.value
    try:
        return getattr(section(**{setting.key: value}), setting.key)
    except ValidationError as err:
        name = "" if setting.place == f"--{setting.key}" else f" {setting.key}"
        said = repr(setting.value) if isinstance(setting.value, str) else _toml(setting.value)
        complaint = f"{setting.place}{name}: {said} will not do; give {_wants(field)}"
        raise ConfigError(complaint) from err


def _as_type(text: str, field: FieldInfo) -> Any:
    """A text from the command line as the field's type, or the text itself if it is not one."""
    if field.annotation is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if field.annotation in (int, float):
        try:
            return field.annotation(text)
        except ValueError:
            return text
    return text


def _known(name: str, names: Iterable[str], complaint: str) -> None:
    names = list(names)
    if name in names:
        return
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(names)}"
    raise ConfigError(f"{complaint} '{name}'; {hint}")


def _bounds(field: FieldInfo) -> list[str]:
    """The lowest and the highest value as text, or nothing where the range is plain enough."""
    found: dict[str, Any] = {}
    for rule in field.metadata:
        found |= {side: getattr(rule, side) for side in ("ge", "le") if hasattr(rule, side)}
    return [f"{found[side]:g}" for side in ("ge", "le") if side in found]


def _range(field: FieldInfo) -> str:
    low, *high = _bounds(field) or [""]
    return f" {low} to {high[0]}." if high else ""


def _wants(field: FieldInfo) -> str:
    if choices := get_args(field.annotation):
        return ", ".join(choices[:-1]) + f" or {choices[-1]}"
    names: dict[Any, str] = {bool: "true or false", int: "a whole number", float: "a number"}
    low, *high = _bounds(field) or [""]
    limits = f" from {low} to {high[0]}" if high else f" from {low}" if low else ""
    steps = [getattr(rule, "multiple_of", 0) for rule in field.metadata]
    limits += "".join(f", by {step:g}" for step in steps if step)
    return names.get(field.annotation, "a text in quotes") + limits


def _toml(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value).lower() if isinstance(value, bool) else str(value)
