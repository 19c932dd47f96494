"""Options of a run: written to the run folder once, and held equal whenever it goes on."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from trainjourney.errors import TrainingError
from trainjourney.training.checkpoint import replacing, writing

FILE = "options.json"


def remember_options(
    folder: Path, options: Mapping[str, Any], free: Collection[str] = ("steps", "minutes")
) -> None:
    """Write the resolved options to `folder`, or check them against those already there.

    The folder is made where it is not there. `options` is nested tables of plain values. An option
    whose last name is in `free` may change between resumes (the file then says the newest).
    Raises TrainingError.
    """
    path = folder / FILE
    now = _flat(json.loads(json.dumps(options)))
    with writing(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as err:
            raise TrainingError(
                f"{folder}: is a file, or lies in one; give --run another folder"
            ) from err
        begun = path.exists()
    if begun:
        then = _flat(read_options(folder))
        _same_preset(folder, then, now)
        for key in sorted(then.keys() | now.keys(), key=lambda key: (key != "ride", key)):
            if key.rsplit(".", 1)[-1] in free:
                continue
            if then.get(key) != now.get(key):
                raise TrainingError(_difference(path, key, then, now))
        if then == now:
            return
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(options, indent=2) + "\n", encoding="utf-8")


def read_options(folder: Path, wanted: Collection[str] = ()) -> dict[str, Any]:
    """The options a run was started with, those `wanted` as words. Raises TrainingError."""
    path = folder / FILE
    try:
        options = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise TrainingError(f"{path}: no such file; give the folder of a training") from err
    except (OSError, ValueError) as err:
        raise TrainingError(f"{path}: cannot be read ({err}); train in a new folder") from err
    if not isinstance(options, dict):
        raise TrainingError(f"{path}: holds no table of options; train in a new folder")
    for name in wanted:
        if not isinstance(options.get(name), str):
            raise TrainingError(f"{path}: does not tell the {name}; train in a new folder")
    return options


def check_minutes(minutes: float | None) -> None:
    """Refuse a training that is given no time. Raises TrainingError."""
    if minutes is not None and not minutes > 0.0:
        raise TrainingError(f"--minutes {minutes:g}: give more than 0, or leave it out")


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _difference(path: Path, key: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    before = json.dumps(then[key]) if key in then else "not there"
    after = json.dumps(now[key]) if key in now else "not there"
    return (
        f"{path}: this training was started with {key} = {before}, now it is {after}; "
        "give it what it was started with, or another --run"
    )


def _same_preset(folder: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse another model or preset by its name: it differs in much that nobody typed."""
    full, wanted = ("taught" in table for table in (then, now))
    if full != wanted:
        raise TrainingError(
            f"{folder}: is a training of the {'full' if full else 'pocket'} model; "
            "give another --run"
        )
    before, after = then.get("preset"), now.get("preset")
    if before and after and before != after:
        raise TrainingError(
            f"{folder}: is a run of preset {before}, not {after}; "
            f"give --preset {before}, or another --run"
        )
