"""The rules of the house that a linter does not know: floors, sizes, what an import may do."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "trainjourney"
MODULES = sorted(PACKAGE.rglob("*.py"))
# A room imports only from lower floors, and from itself.
FLOORS = {
    "__init__": 0,
    "alone": 1,
    "errors": 0,
    "types": 0,
    "config": 1,
    "settings": 0,
    "files": 0,
    "folders": 0,
    "lettering": 0,
    "machine": 0,
    "pictures": 0,
    "side_by_side": 0,
    "signals": 0,
    "tables": 1,
    "model": 1,
    "sound": 1,
    "controls": 2,
    "inference": 2,
    "rides": 2,
    "scenery": 2,
    "journey": 3,
    "outputs": 3,
    "training": 3,
    "judging": 4,
    "show": 4,
    "commands": 5,
    "cli": 6,
    "__main__": 7,
}
LIGHT = ("show", "journey", "controls", "outputs", "scenery")  # rooms that never meet torch
HEAVY = ("torch", "onnx", "onnxscript", "safetensors", "matplotlib")


def named(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


def room_of(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(text: str, place: list[str]) -> Iterator[str]:
    """The rooms that a module in the package `place` imports anywhere in it, relative or not."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            full = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = place[: len(place) + 1 - node.level] if node.level else []
            start = base + (node.module.split(".") if node.module else [])
            full = [[*start, alias.name] for alias in node.names]
        else:
            continue
        for parts in full:
            if parts[0] == "trainjourney":
                inner = parts[1] if len(parts) > 1 else "__init__"
                yield inner if inner in FLOORS else "__init__"


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_a_module_imports_only_from_lower_floors(module: Path) -> None:
    room = room_of(module)
    assert room in FLOORS, f"{room}: on which floor is it? See design.md, then FLOORS"
    place = list(module.relative_to(ROOT).parts[:-1])
    for other in imported_rooms(module.read_text(encoding="utf-8"), place):
        assert other == room or FLOORS[other] < FLOORS[room], f"{named(module)} imports {other}"


@pytest.mark.parametrize(
    ("line", "room"),
    [
        ("import trainjourney.show.play", "show"),
        ("from trainjourney.journey import x", "journey"),
        ("from trainjourney import cli", "cli"),
        ("from trainjourney import __version__", "__init__"),
        ("def late():\n    from ..outputs import x", "outputs"),
        ("from .. import config", "config"),
        ("from . import y", "inference"),
        ("from .z import w", "inference"),
    ],
)
def test_floors_are_read_from_every_kind_of_import(line: str, room: str) -> None:
    assert list(imported_rooms(line, ["trainjourney", "inference"])) == [room]


@pytest.mark.parametrize("module", MODULES, ids=named)
def test_a_module_has_at_most_400_lines(module: Path) -> None:
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 400


def test_the_failure_policy_stands_in_one_place() -> None:
    """One blind except in all, in the show. One that cleans up and raises again is not blind."""
    blind = []
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ExceptHandler):
                continue
            kind = ast.unparse(node.type) if node.type else "BaseException"
            raises = any(isinstance(part, ast.Raise) and not part.exc for part in node.body)
            if kind in ("Exception", "BaseException") and not raises:
                blind.append(f"{named(module)}:{node.lineno}")
    assert len(blind) <= 1
    assert all(place.startswith("show/") for place in blind)


def test_logging_is_set_up_in_one_place() -> None:
    places = [named(path) for path in MODULES if "basicConfig(" in path.read_text(encoding="utf-8")]
    assert places == ["cli.py"]


def test_imports_do_nothing_and_need_no_torch() -> None:
    light = [
        path
        for path in MODULES
        if room_of(path) in (*LIGHT, "cli", "commands", "config", "folders", "settings")
    ]
    dotted = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in light]
    names = [name.removesuffix(".__init__") for name in dotted]
    code = f"""
import importlib, logging, sys, threading
for name in {HEAVY!r}:
    sys.modules[name] = None
for name in {names!r}:
    importlib.import_module(name)
assert not logging.root.handlers, logging.root.handlers
assert threading.active_count() == 1, threading.enumerate()
"""
    command = [sys.executable, "-W", "error", "-c", code]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_what_is_told_twice_is_told_alike() -> None:
    command = [sys.executable, str(ROOT / "scripts/write_docs"), "--check"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_tests_are_run_by_the_words_of_the_readme() -> None:
    words = "pip install '.[test]' && pytest"
    assert f"```\n{words}\n```" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert words in (ROOT / ".ci/run").read_text(encoding="utf-8")
